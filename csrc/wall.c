/* wall: routes, the board's lock, reservations. */
#include "wall.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The lock is held for some hundred instructions: who holds it this long has died or been stopped. */
static const int64_t HOLDER_DEAD_NS = 2000000000;

void rt_wall_free(rt_wall *wall) {
    if (wall) {
        free(wall->rates);
        free(wall->is_link);
        free(wall->routes);
        free(wall->path);
        free(wall);
    }
}

static int find_routes(rt_wall *wall, const rt_board *board, const int32_t *placement, rt_error *error) {
    int32_t elements = rt_board_elements(board), used = 0;
    for (int32_t i = 0; i < 2 * wall->arena->ranks; i++) {
        rt_route *route = &wall->routes[i];
        int32_t *longer = realloc(wall->path, (size_t)(used + elements + 1) * sizeof *longer);
        if (!longer) {
            return rt_fail(error, RT_ERR_NO_MEMORY, "wall clock: out of memory for routes");
        }
        wall->path = longer;
        route->first = used;
        int status = rt_board_route(board, placement[wall->rank], placement[i / 2], i % 2, 0, longer + used, elements,
                                    &route->length, error);
        if (status == RT_ERR_NO_ROUTE) {
            route->length = -1; /* an error only for a program that needs it */
        } else if (status != RT_OK) {
            return status;
        } else {
            used += route->length;
        }
    }
    return RT_OK;
}

int rt_wall_new(rt_arena *arena, int32_t rank, const rt_board *board, const int32_t *placement, double dilation,
                rt_wall **wall, rt_error *error) {
    int32_t elements = rt_board_elements(board);
    if (elements != arena->elements) {
        return rt_fail(error, RT_ERR_INVALID, "wall clock: the board has %d elements, the arena was made for %d",
                       elements, arena->elements);
    }
    if (!(dilation > 0) || !isfinite(dilation)) {
        return rt_fail(error, RT_ERR_INVALID, "wall clock: dilation is %g, expected more than 0", dilation);
    }
    rt_wall *made = calloc(1, sizeof *made);
    if (!made) {
        return rt_fail(error, RT_ERR_NO_MEMORY, "wall clock: out of memory");
    }
    *made = (rt_wall){.arena = arena, .rank = rank, .dilation = dilation};
    made->rates = calloc((size_t)elements + 1, sizeof *made->rates);
    made->is_link = calloc((size_t)elements + 1, sizeof *made->is_link);
    made->routes = calloc(2 * (size_t)arena->ranks, sizeof *made->routes);
    if (!made->rates || !made->is_link || !made->routes) {
        rt_wall_free(made);
        return rt_fail(error, RT_ERR_NO_MEMORY, "wall clock: out of memory for %d links", elements);
    }
    memcpy(made->rates, rt_board_rates(board), (size_t)elements * sizeof *made->rates);
    for (int32_t i = 0; i < elements; i++) {
        made->is_link[i] = (uint8_t)rt_board_is_link(board, i);
    }
    int status = find_routes(made, board, placement, error);
    if (status != RT_OK) {
        rt_wall_free(made);
        return status;
    }
    *wall = made;
    return RT_OK;
}

double rt_wall_us(const rt_wall *wall, int64_t ns) {
    return (double)(ns - wall->arena->epoch_ns) / 1000.0 / wall->dilation;
}

int64_t rt_wall_ns(const rt_wall *wall, double us) {
    double ns = us * wall->dilation * 1000.0;
    /* Times come from the arena: any number, or none. */
    if (!(ns < (double)(INT64_MAX / 4))) {
        return INT64_MAX / 4;
    }
    return ns > 0 ? wall->arena->epoch_ns + (int64_t)ns : wall->arena->epoch_ns;
}

static int lock(rt_wall *wall, rt_error *error) {
    rt_links *links = wall->arena->links;
    uint32_t mine = (uint32_t)wall->rank + 1, holder = 0;
    for (int64_t since = 0;;) {
        /* Acquire: the free times that the last holder wrote. */
        if (atomic_compare_exchange_weak_explicit(&links->holder, &holder, mine, memory_order_acquire,
                                                  memory_order_relaxed)) {
            return RT_OK;
        }
        since = since ? since : rt_clock_ns();
        if (rt_clock_ns() - since > HOLDER_DEAD_NS) {
            return rt_fail(error, RT_ERR_SYSTEM,
                           "wall clock: rank %" PRIu32 " holds the board's lock and does not go on", holder - 1);
        }
        holder = 0;
        rt_yield();
    }
}

int rt_wall_post(rt_wall *wall, const rt_channel *channel, int64_t bytes, double head_us, double *left_us,
                 double *tail_us, rt_error *error) {
    const rt_route *route = rt_wall_route(wall, channel);
    rt_links *links = wall->arena->links;
    double head = head_us, tail = head_us;
    bool on_link = false;
    if (route->length < 0) {
        return rt_fail(error, RT_ERR_NO_ROUTE, "wall clock: no path on the board joins ranks %d and %d", wall->rank,
                       channel->dst);
    }
    *left_us = head_us;
    int status = route->length > 0 ? lock(wall, error) : RT_OK;
    if (status != RT_OK) {
        return status;
    }
    for (int32_t i = 0; i < route->length; i++) {
        int32_t element = wall->path[route->first + i];
        double *free_us = &links->free_us[element], before = tail;
        rt_link_reserve(&wall->rates[element], free_us, (double)bytes, &head, &tail);
        if (!on_link && wall->is_link[element]) {
            on_link = true;
            *left_us = *free_us > before ? *free_us : before;
        }
    }
    if (route->length > 0) {
        atomic_store_explicit(&links->holder, 0, memory_order_release); /* the free times before the lock */
    }
    *tail_us = tail;
    return RT_OK;
}
