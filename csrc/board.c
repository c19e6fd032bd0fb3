/* board: checks a specification and lays its links out by source. */
#include "board.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph.h"
#include "route.h"

static int check_rate(const char *what, int32_t index, double GBps, double latency_us, double cost_us,
                      rt_error *error) {
    if (!isfinite(GBps) || GBps <= 0) {
        return rt_fail(error, RT_ERR_INVALID, "board: %s %d: found bandwidth %g GB/s, expected a finite number above 0",
                       what, index, GBps);
    }
    if (!isfinite(latency_us) || latency_us < 0 || !isfinite(cost_us) || cost_us < 0) {
        return rt_fail(error, RT_ERR_INVALID,
                       "board: %s %d: found latency %g us, cost %g us, expected finite numbers of at least 0", what,
                       index, latency_us, cost_us);
    }
    return RT_OK;
}

static int check_links(const rt_board_spec *spec, rt_error *error) {
    for (int32_t i = 0; i < spec->links; i++) {
        int32_t src = spec->src[i], dst = spec->dst[i];
        if (src < 0 || src >= spec->nodes || dst < 0 || dst >= spec->nodes) {
            return rt_fail(error, RT_ERR_INVALID, "board: link %d: found nodes %d to %d, expected 0 to %d", i, src, dst,
                           spec->nodes - 1);
        }
        if (src == dst) {
            return rt_fail(error, RT_ERR_INVALID, "board: link %d: joins node %d to itself", i, src);
        }
        int status = check_rate("link", i, spec->bandwidth_GBps[i], spec->latency_us[i], spec->cost_us[i], error);
        if (status != RT_OK) {
            return status;
        }
    }
    return RT_OK;
}

static int check_limits(const rt_board_spec *spec, rt_error *error) {
    for (int32_t i = 0; i < spec->limits; i++) {
        int status = check_rate("limit", i, spec->limit_bandwidth_GBps[i], 0, spec->limit_cost_us[i], error);
        if (status != RT_OK) {
            return status;
        }
    }
    for (int32_t i = 0; i < spec->members; i++) {
        int32_t limit = spec->member_limit[i], link = spec->member_link[i];
        if (limit < 0 || limit >= spec->limits || link < 0 || link >= spec->links) {
            return rt_fail(error, RT_ERR_INVALID,
                           "board: member %d: found limit %d of link %d, expected one of %d limits and %d links", i,
                           limit, link, spec->limits, spec->links);
        }
    }
    return RT_OK;
}

static int check_spec(const rt_board_spec *spec, rt_error *error) {
    if (spec->nodes < 1 || spec->links < 0 || spec->limits < 0 || spec->members < 0 ||
        spec->links > INT32_MAX - 1 - spec->limits) {
        return rt_fail(error, RT_ERR_INVALID,
                       "board: found %d nodes, %d links, %d limits, %d members, expected at least 1 node and no "
                       "negative number",
                       spec->nodes, spec->links, spec->limits, spec->members);
    }
    int status = check_links(spec, error);
    return status == RT_OK ? check_limits(spec, error) : status;
}

/* 1 GB/s is 1000 bytes per us. */
static void set_rates(rt_board *board, const rt_board_spec *spec) {
    for (int32_t i = 0; i < spec->links; i++) {
        board->rates[i] = (rt_link_rate){spec->bandwidth_GBps[i] * 1000.0, spec->latency_us[i], spec->cost_us[i]};
    }
    for (int32_t i = 0; i < spec->limits; i++) {
        board->rates[spec->links + i] =
            (rt_link_rate){spec->limit_bandwidth_GBps[i] * 1000.0, 0, spec->limit_cost_us[i]};
    }
}

/* Stable counting sort of 0..n-1 by key: `first` (keys + 1) gets where each key begins in `sorted`. `order` is the
 * order to start from, NULL for 0, 1, 2, ... */
static void group(int32_t n, const int32_t *order, const int32_t *key, int32_t keys, int32_t *first, int32_t *sorted) {
    memset(first, 0, ((size_t)keys + 1) * sizeof *first);
    for (int32_t i = 0; i < n; i++) {
        first[key[i]]++;
    }
    for (int32_t k = 0, sum = 0; k <= keys; k++) {
        int32_t here = first[k];
        first[k] = sum;
        sum += here;
    }
    for (int32_t i = 0; i < n; i++) {
        int32_t item = order ? order[i] : i;
        sorted[first[key[item]]++] = item;
    }
    memmove(first + 1, first, (size_t)keys * sizeof *first);
    first[0] = 0;
}

static int lay_links_out(rt_board *board, int32_t *scratch, rt_error *error) {
    group(board->links, NULL, board->dst, board->nodes, board->out_first, scratch);
    group(board->links, scratch, board->src, board->nodes, board->out_first, board->out);
    for (int32_t i = 1; i < board->links; i++) {
        int32_t before = board->out[i - 1], link = board->out[i];
        if (board->src[before] == board->src[link] && board->dst[before] == board->dst[link]) {
            return rt_fail(error, RT_ERR_INVALID,
                           "board: links %d and %d both join node %d to node %d, expected one link with the sum of "
                           "their bandwidths",
                           before, link, board->src[link], board->dst[link]);
        }
    }
    return RT_OK;
}

static int lay_limits_out(rt_board *board, const rt_board_spec *spec, int32_t *scratch, int32_t *first,
                          rt_error *error) {
    group(spec->members, NULL, spec->member_limit, spec->limits, first, scratch);
    group(spec->members, scratch, spec->member_link, spec->links, board->guard_first, board->guard);
    for (int32_t i = 0; i < spec->members; i++) {
        board->guard[i] = spec->links + spec->member_limit[board->guard[i]];
    }
    for (int32_t link = 0; link < spec->links; link++) {
        for (int32_t i = board->guard_first[link] + 1; i < board->guard_first[link + 1]; i++) {
            if (board->guard[i] == board->guard[i - 1]) {
                return rt_fail(error, RT_ERR_INVALID, "board: limit %d names link %d twice",
                               board->guard[i] - spec->links, link);
            }
        }
    }
    return RT_OK;
}

static void *copy_of(const void *from, size_t bytes) {
    void *to = malloc(bytes + 1);
    if (to && bytes) {
        memcpy(to, from, bytes);
    }
    return to;
}

static int allocate(rt_board *board, const rt_board_spec *spec, rt_error *error) {
    size_t links = (size_t)spec->links, word = sizeof(int32_t);
    board->forwards = copy_of(spec->forwards, (size_t)spec->nodes);
    board->src = copy_of(spec->src, links * word);
    board->dst = copy_of(spec->dst, links * word);
    board->rates = calloc(links + (size_t)spec->limits + 1, sizeof *board->rates);
    board->out_first = calloc((size_t)spec->nodes + 1, word);
    board->out = calloc(links + 1, word);
    board->guard_first = calloc(links + 1, word);
    board->guard = calloc((size_t)spec->members + 1, word);
    if (!board->forwards || !board->src || !board->dst || !board->rates || !board->out_first || !board->out ||
        !board->guard_first || !board->guard) {
        return rt_fail(error, RT_ERR_NO_MEMORY, "board: no memory for %d nodes and %d links", spec->nodes, spec->links);
    }
    return RT_OK;
}

static int fill(rt_board *board, const rt_board_spec *spec, rt_error *error) {
    int32_t longest = spec->links > spec->members ? spec->links : spec->members;
    int32_t *scratch = calloc((size_t)longest + (size_t)spec->limits + 2, sizeof *scratch);
    if (!scratch) {
        return rt_fail(error, RT_ERR_NO_MEMORY, "board: no memory for %d links", spec->links);
    }
    set_rates(board, spec);
    int status = lay_links_out(board, scratch, error);
    if (status == RT_OK) {
        status = lay_limits_out(board, spec, scratch, scratch + longest + 1, error);
    }
    free(scratch);
    return status;
}

int rt_board_new(const rt_board_spec *spec, rt_board **board, rt_error *error) {
    int status = check_spec(spec, error);
    if (status != RT_OK) {
        return status;
    }
    rt_board *made = calloc(1, sizeof *made);
    if (!made) {
        return rt_fail(error, RT_ERR_NO_MEMORY, "board: no memory");
    }
    made->nodes = spec->nodes;
    made->links = spec->links;
    made->limits = spec->limits;
    status = allocate(made, spec, error);
    if (status == RT_OK) {
        status = fill(made, spec, error);
    }
    if (status != RT_OK) {
        rt_board_free(made);
        return status;
    }
    *board = made;
    return RT_OK;
}

void rt_board_free(rt_board *board) {
    if (board) {
        free(board->forwards);
        free(board->src);
        free(board->dst);
        free(board->rates);
        free(board->out_first);
        free(board->out);
        free(board->guard_first);
        free(board->guard);
        free(board);
    }
}

int32_t rt_board_elements(const rt_board *board) {
    return board->links + board->limits;
}

int rt_board_is_link(const rt_board *board, int32_t element) {
    return element < board->links;
}

const rt_link_rate *rt_board_rates(const rt_board *board) {
    return board->rates;
}

int rt_board_route(const rt_board *board, int32_t src, int32_t dst, int detour, int links_only, int32_t *elements,
                   int32_t capacity, int32_t *length, rt_error *error) {
    rt_router *router;
    const int32_t *path;
    int32_t found = 0, kept = 0;
    int status = rt_router_new(board, &router, error);
    if (status != RT_OK) {
        return status;
    }
    status = rt_router_find(router, src, dst, detour, &path, &found, error);
    for (int32_t i = 0; status == RT_OK && i < found; i++) {
        if (links_only && !rt_board_is_link(board, path[i])) {
            continue;
        }
        if (kept == capacity) {
            status = rt_fail(error, RT_ERR_OVERFLOW, "board: the route from node %d to node %d is longer than %d", src,
                             dst, capacity);
            break;
        }
        elements[kept++] = path[i];
    }
    *length = kept;
    rt_router_free(router);
    return status;
}
