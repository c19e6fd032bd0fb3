/* shallow: cheap spanning trees of few hops, all edges away from the root.
 *
 *   cost[src x n + dst], INFINITY where there is no edge, never negative
 *        root ──▶ a ──▶ b ──▶ c         hops: the longest way from the root, here 3
 *                  └──▶ d
 *
 * A tree of many hops fills late, so the planner also prices trees of at most so many. The cheapest of these is hard
 * to find (it decides facility location), so this is a local search: from the tree that grows by its cheapest edge and
 * from the one of fewest hops, a node moves to a cheaper parent, or moves up so that others gain by hanging from it.
 *
 * Ownership: the caller's arrays; nothing is kept.
 */
#ifndef RINGTREE_SHALLOW_H
#define RINGTREE_SHALLOW_H

#include <stdint.h>

#include "status.h"

/* cffi: begin */
/* A cheap tree of at most `hops` from each of the roots: parents (n_roots x n), -1 at the root, and what its edges
 * cost together; INFINITY, and no parents, where there is none. Always the same answer. */
int rt_shallow_trees(int32_t n, const double *cost, int32_t hops, int32_t n_roots, const int32_t *roots,
                     int32_t *parents, double *costs, rt_error *error);
/* cffi: end */

#endif
