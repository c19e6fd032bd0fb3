/* arborescence: cheapest spanning trees of a directed graph, all edges away from the root.
 *
 *   cost[src x n + dst], INFINITY where there is no edge, never negative
 *        root ──▶ a ──▶ b         parents: of root -1, of a the root, of b and c a
 *                  └──▶ c
 *
 * What prices trees for the planner: with links priced by how scarce they are, the cheapest tree is the one that a
 * packing should have next. Chu and Liu (1965), Edmonds (1967), Tarjan's form for dense graphs (1977): n^2 time.
 *
 * Ownership: the caller's arrays; nothing is kept.
 */
#ifndef RINGTREE_ARBORESCENCE_H
#define RINGTREE_ARBORESCENCE_H

#include <stdint.h>

#include "status.h"

/* cffi: begin */
/* The cheapest tree from each of the roots: parents (n_roots x n), -1 at the root, and what its edges cost together;
 * INFINITY, and no parents, where a root does not reach every node. Of equals, always the same one. */
int rt_arborescences(int32_t n, const double *cost, int32_t n_roots, const int32_t *roots, int32_t *parents,
                     double *costs, rt_error *error);
/* cffi: end */

#endif
