/* graph: what a board is inside; for board.c and route.c only. */
#ifndef RINGTREE_GRAPH_H
#define RINGTREE_GRAPH_H

#include "board.h"

struct rt_board {
    int32_t nodes;
    int32_t links;
    int32_t limits;
    uint8_t *forwards;
    int32_t *src; /* of each link */
    int32_t *dst;
    rt_link_rate *rates;  /* links, then limits */
    int32_t *out_first;   /* nodes + 1: where each node's links begin in `out` */
    int32_t *out;         /* links, by source, then by destination */
    int32_t *guard_first; /* links + 1: where each link's limits begin in `guard` */
    int32_t *guard;       /* elements that are limits, in limit order */
};

#endif
