/* steptree: one spanning tree of few steps, path by path, at given prices. Inside of stepped.
 *
 *   price[step x hops + hop] ──▶ cost[step x ranks + rank], from[...]: the cheapest path from the tree to each rank,
 *                                by the step in which it gets there ──▶ the nearest rank's path joins the tree
 *
 * Ownership: the arrays are the caller's.
 */
#ifndef RINGTREE_STEPTREE_H
#define RINGTREE_STEPTREE_H

#include <stdbool.h>

#include "stepped.h"

typedef struct rt_grown {
    int32_t *parents;
    int32_t *steps; /* 0 at the root; more than there are where a rank is not reached */
    int32_t *hops;  /* by rank: the one it is reached by, or -1 */
} rt_grown;

typedef struct rt_growth {
    const rt_step_hops *hops;
    int32_t ranks, steps;
    int32_t *in;    /* hops, those into a rank side by side */
    int32_t *first; /* ranks + 1, in `in`; zeros at first */
    double *price;  /* steps x hops */
    double *cost;   /* (steps + 1) x ranks */
    int32_t *from;  /* (steps + 1) x ranks: the path's last hop; -1: it is there already */
    int64_t work;   /* left, in nanoseconds or so */
} rt_growth;

/* Fill in `in` and `first`. */
void rt_growth_sort(rt_growth *growth);
/* Grow the tree from the root; `early`, if it is a rank, is reached by step `by` before all others. False where some
 * rank cannot be reached. */
bool rt_grow(rt_growth *growth, rt_grown *tree, int32_t root, int32_t early, int32_t by);
/* What its hops cost together. */
double rt_grown_price(const rt_growth *growth, const rt_grown *tree);

#endif
