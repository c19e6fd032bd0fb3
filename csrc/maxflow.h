/* maxflow: how much flows through a network at once, and the cut that says why no more does.
 *
 *              ┌──▶ a ──▶ c ──┐          the cut: nodes from which the sink could still be reached are beyond it,
 *    source ───┤         ▲    ├──▶ sink  all arcs into them are full
 *              └──▶ b ───┘    │
 *                   └─────────┘
 *
 * Bounds ask the same of many sinks, so one call takes them all: the flow from the source to each in turn, until one
 * gets less than enough. A sink that got enough becomes a source: cuts that part the two are all wide enough, only
 * those that have both on one side are still in question. What flows already stays, so a sink costs little.
 * Dinic (1970), levels counted from the sink; sources taken together as Hao and Orlin (1994) do.
 *
 * Ownership: rt_network_new makes the network, rt_network_free ends it; the caller's arrays are only read or written.
 */
#ifndef RINGTREE_MAXFLOW_H
#define RINGTREE_MAXFLOW_H

#include <stdint.h>

#include "status.h"

/* cffi: begin */
typedef struct rt_network rt_network;

/* Arcs from src[i] to dst[i]; several between the same nodes are allowed, and so are loops, which carry nothing. */
int rt_network_new(int32_t nodes, int32_t arcs, const int32_t *src, const int32_t *dst, rt_network **made,
                   rt_error *error);
void rt_network_free(rt_network *network);

/* Flows of arcs of these capacities, none below 0, from the source to each sink in turn, each up to `enough`.
 * The first sink that gets less: its position in `sinks`, and what it gets; beyond[node] is 1 on its side of the
 * narrowest cut, the fewest nodes where cuts are equal, else 0. n_sinks where all get enough. */
int rt_network_short(rt_network *network, const int64_t *capacity, int32_t source, int32_t n_sinks,
                     const int32_t *sinks, int64_t enough, int32_t *first, int64_t *flow, uint8_t *beyond,
                     rt_error *error);
/* cffi: end */

#endif
