/* wall: emulated time that passes with the host's, and the links that the ranks share in it.
 *
 *   emulated us = (host ns - arena's epoch) / 1000 / dilation
 *
 *   post: lock ── rt_link_reserve on every element of the route, in order ── unlock ──▶ left, tail
 *
 * The order of reservations is the order of posting. What is reserved is the time at which the model begins the
 * transfer, which a rank that woke up late has passed already: so its lateness shows once, at the end, and does not
 * add up from step to step.
 */
#ifndef RINGTREE_WALL_H
#define RINGTREE_WALL_H

#include "arena.h"
#include "board.h"
#include "program.h"

typedef struct rt_route {
    int32_t first;  /* in rt_wall.path */
    int32_t length; /* -1: there is none */
} rt_route;

typedef struct rt_wall {
    rt_arena *arena;
    int32_t rank;
    double dilation;
    rt_link_rate *rates; /* of every element of the board */
    uint8_t *is_link;
    rt_route *routes; /* from this rank to each, and the detour to it */
    int32_t *path;
} rt_wall;

int rt_wall_new(rt_arena *arena, int32_t rank, const rt_board *board, const int32_t *placement, double dilation,
                rt_wall **wall, rt_error *error);
void rt_wall_free(rt_wall *wall);

/* The route of a channel that begins here. */
static inline const rt_route *rt_wall_route(const rt_wall *wall, const rt_channel *channel) {
    return &wall->routes[2 * channel->dst + channel->detour];
}

double rt_wall_us(const rt_wall *wall, int64_t ns);
int64_t rt_wall_ns(const rt_wall *wall, double us);
/* Reserve the channel's route from head_us on: when the tail has left the first link, and when it arrives. */
int rt_wall_post(rt_wall *wall, const rt_channel *channel, int64_t bytes, double head_us, double *left_us,
                 double *tail_us, rt_error *error);

#endif
