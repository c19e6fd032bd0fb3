/* route: finds paths on a board, one source at a time.
 *
 *   rt_router_find(router, src, dst) ─▶ search from src, level by level, only as far as dst ─▶ elements
 *                                           └ kept until another source is asked for
 *
 * A search costs time in proportion to the links it passes; nothing is kept per pair of nodes. So ask for all the
 * targets of one source before going on to the next.
 *
 * Of the paths with the fewest links the widest (the largest bottleneck among links; limits take no part), then the
 * one with the lexicographically smallest node ids.
 *
 * A detour is the route as if the first link of the usual one were not there. On a board whose chips have links of
 * their own and a host path as well it is the host path; inside a box whose chips have NICs it goes over those.
 *
 * Ownership: a router borrows its board. It is not for several threads at once.
 */
#ifndef RINGTREE_ROUTE_H
#define RINGTREE_ROUTE_H

#include "board.h"

typedef struct rt_router rt_router;

int rt_router_new(const rt_board *board, rt_router **router, rt_error *error);
void rt_router_free(rt_router *router);

/* The elements from src to dst, limits included: *path points into the router until the next call. */
int rt_router_find(rt_router *router, int32_t src, int32_t dst, int detour, const int32_t **path, int32_t *length,
                   rt_error *error);

#endif
