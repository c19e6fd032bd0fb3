/* early: trees that grow by whoever can be reached first, all of them over the same links.
 *
 *   hop (src, dst) ─▶ elements of the board in order          pieces x roots: trees that grow at once
 *
 *      t=0  root 0 ──▶ 1        the earliest arrival of any piece at any rank that lacks it is made next, and
 *      t=1  1 ──▶ 2             occupies its links from then on: later ones go round what is busy
 *
 * What short messages need: packings (topology/packing.py) are the best for long ones, where only rates count. The
 * same greedy choice in time finds near-optimal all-gathers in TACOS (Won et al., MICRO 2024).
 *
 * Ownership: the caller's arrays; nothing is kept.
 */
#ifndef RINGTREE_EARLY_H
#define RINGTREE_EARLY_H

#include "board.h"

/* cffi: begin */
typedef struct rt_hops {
    int32_t ranks;
    const int32_t *first;    /* ranks x ranks + 1: where the elements of hop src x ranks + dst begin; none: no hop */
    const int32_t *elements; /* in the order in which a message passes them */
} rt_hops;

/* A tree for each root and piece: parents (n_roots x pieces x ranks), -1 at the root; each piece has `bytes`.
 * *last_us: when the last piece arrives. RT_ERR_NO_ROUTE where a root does not reach every rank. */
int rt_early_trees(const rt_board *board, const rt_hops *hops, int32_t n_roots, const int32_t *roots, int32_t pieces,
                   double bytes, int32_t *parents, double *last_us, rt_error *error);
/* cffi: end */

#endif
