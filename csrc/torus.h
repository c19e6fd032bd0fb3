/* torus: where the ranks of a torus sit, and who is whose neighbour.
 *
 *   sizes 2 x 3, places in row-major order, the last dimension fastest:        0 ─ 1 ─ 2 ─ (0)
 *   coordinate(4, 1) = 1, moved(5, 1, +1) = 3, order[place] = rank             │   │   │
 *                                                                              3 ─ 4 ─ 5 ─ (3)
 *
 * Algorithms on a torus cut the data into flows, one for each dimension to begin with and each direction (mirrored),
 * so that all ports are busy at once. Where all sizes are 2 both directions are the same link, and one is enough.
 *
 * Ownership: rt_torus_new allocates, rt_torus_free frees.
 */
#ifndef RINGTREE_TORUS_H
#define RINGTREE_TORUS_H

#include <stdbool.h>

#include "build.h"

typedef struct rt_torus {
    int32_t ranks;
    int32_t dimensions;
    int32_t directions; /* 1 or 2 */
    int32_t *sizes;     /* by dimension */
    int32_t *strides;   /* of places, by dimension */
    int32_t *order;     /* rank by place */
    int32_t *place;     /* its inverse */
} rt_torus;

/* The recipe's sizes and order; without sizes a ring of all ranks. RT_ERR_INVALID where they do not fit the ranks. */
int rt_torus_new(rt_torus *torus, int32_t ranks, const rt_recipe *recipe, rt_error *error);
void rt_torus_free(rt_torus *torus);

static inline int32_t rt_torus_flows(const rt_torus *torus) {
    return torus->dimensions * torus->directions;
}

/* The dimension that comes `turn`th in a flow: it begins with its own one. */
static inline int32_t rt_torus_dimension(const rt_torus *torus, int32_t flow, int32_t turn) {
    return (flow / torus->directions + turn) % torus->dimensions;
}

static inline bool rt_torus_mirrored(const rt_torus *torus, int32_t flow) {
    return flow % torus->directions == 1;
}

static inline int32_t rt_torus_coordinate(const rt_torus *torus, int32_t place, int32_t dimension) {
    return place / torus->strides[dimension] % torus->sizes[dimension];
}

/* The place that is `by` further along the dimension, around its ring. */
static inline int32_t rt_torus_moved(const rt_torus *torus, int32_t place, int32_t dimension, int64_t by) {
    const int32_t size = torus->sizes[dimension], at = rt_torus_coordinate(torus, place, dimension);
    const int64_t to = (at + by % size + size) % size;
    return place + (int32_t)(to - at) * torus->strides[dimension];
}

#endif
