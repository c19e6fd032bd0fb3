/* board: the links of a topology, and the routes over them.
 *
 *   nodes 0..n-1        links 0..m-1: (src, dst)            limits m..m+k-1: one more link, without latency,
 *   device, switch,     one link per (src, dst)             on every path that uses one of its members
 *   host ...
 *
 *   route(a, b) = [limit of l0] l0 [limits of l1] l1 ...    the limits of a link stand before it, in limit order;
 *                                                           a limit stands once on a path, where it first guards it
 *
 * Routes: fewest links, then the largest bottleneck bandwidth, then the lexicographically smallest node ids; only
 * through nodes that forward. They are computed on demand; there is no N x N table.
 *
 * Ownership: rt_board_new copies its arrays; rt_board_free ends it. Immutable, so threads may share it, except that
 * route caches belong to the caller (route.h).
 */
#ifndef RINGTREE_BOARD_H
#define RINGTREE_BOARD_H

#include <stdint.h>

#include "link.h"
#include "status.h"

/* cffi: begin */
typedef struct rt_board rt_board;

typedef struct rt_board_spec {
    int32_t nodes;
    const uint8_t *forwards; /* nodes: 1 where traffic of others may pass */
    int32_t links;
    const int32_t *src;
    const int32_t *dst;
    const double *bandwidth_GBps;
    const double *latency_us;
    const double *cost_us;
    int32_t limits;
    const double *limit_bandwidth_GBps;
    const double *limit_cost_us;
    int32_t members; /* pairs (limit, link) */
    const int32_t *member_limit;
    const int32_t *member_link;
} rt_board_spec;

int rt_board_new(const rt_board_spec *spec, rt_board **board, rt_error *error);
void rt_board_free(rt_board *board);
int32_t rt_board_elements(const rt_board *board); /* links + limits */

/* The elements (links and limits) from node src to node dst, in order, at most `capacity`; *length gets how many.
 * RT_ERR_NO_ROUTE where there is none; src == dst is an empty route. detour: as if the route's first link were not
 * there. links_only leaves the limits out. */
int rt_board_route(const rt_board *board, int32_t src, int32_t dst, int detour, int links_only, int32_t *elements,
                   int32_t capacity, int32_t *length, rt_error *error);
/* cffi: end */

/* Element e is a real link (1) or a limit (0); its rate. */
int rt_board_is_link(const rt_board *board, int32_t element);
const rt_link_rate *rt_board_rates(const rt_board *board);

#endif
