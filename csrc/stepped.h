/* stepped: spanning trees of few steps that share the links of a board evenly.
 *
 *   step 1         step 2                 every root has `chunks` trees; in step s, all hops of all trees that are
 *   root ──▶ a ──▶ b                      made in step s use their links together, and the busiest link says how
 *     └────▶ c ──▶ d                      long the step takes
 *
 * What an all-gather of short vectors needs: few steps, and none longer than it must be. Found by local search: trees
 * are taken out and grown anew where the links are least busy, path by path, and with every rank tried as one that is
 * to be reached early; then again half of them at once, with prices blurred. The answer is the same every time, and not
 * always the best there is.
 *
 * Ownership: the caller's arrays; nothing is kept.
 */
#ifndef RINGTREE_STEPPED_H
#define RINGTREE_STEPPED_H

#include <stdint.h>

#include "status.h"

/* cffi: begin */
/* Hops between ranks, and what each takes of the board's elements (links and limits). */
typedef struct rt_step_hops {
    int32_t ranks;
    int32_t hops;
    const int32_t *src; /* by hop */
    const int32_t *dst;
    const int32_t *first;   /* hops + 1, in uses */
    const int32_t *element; /* by use */
    int32_t elements;
    const double *busy; /* by element: how long a chunk takes it */
} rt_step_hops;

/* Trees root after root, each root's `chunks` together: parents (-1 at the root) and the step in which each rank is
 * reached (0 at the root), both ranks x chunks x ranks; durations by step. `work`: about how many nanoseconds the
 * search may take, beyond the first trees. RT_ERR_NO_ROUTE where a rank cannot be reached in so many steps. */
int rt_stepped_trees(const rt_step_hops *hops, int32_t steps, int32_t chunks, int64_t work, int32_t *parents,
                     int32_t *step_of, double *durations, rt_error *error);
/* cffi: end */

#endif
