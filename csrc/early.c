/* early: a queue of the earliest arrivals, looked at again when their links have become busier. */
#include "early.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

typedef struct arrival {
    double us;
    int32_t tree;
    int32_t distance; /* of the sender from the root, by number: ties go round all ranks */
    int32_t src, dst;
} arrival;

typedef struct growth {
    const rt_link_rate *rates;
    const rt_hops *hops;
    int32_t n_roots;
    const int32_t *roots;
    double bytes;
    double *free_us;    /* by element */
    double *arrived_us; /* trees x ranks, -1: not yet */
    int32_t *parents;   /* trees x ranks */
    arrival *queue;     /* a binary heap */
    size_t length, capacity;
} growth;

static bool earlier(const arrival *a, const arrival *b) {
    if (a->us != b->us) {
        return a->us < b->us;
    }
    if (a->tree != b->tree) {
        return a->tree < b->tree;
    }
    return a->distance != b->distance ? a->distance < b->distance : a->dst < b->dst;
}

static bool push(growth *g, arrival item) {
    if (g->length == g->capacity) {
        size_t more = g->capacity ? 2 * g->capacity : 1024;
        arrival *moved = realloc(g->queue, more * sizeof *moved);
        if (!moved) {
            return false;
        }
        g->queue = moved;
        g->capacity = more;
    }
    size_t at = g->length++;
    for (; at > 0 && earlier(&item, &g->queue[(at - 1) / 2]); at = (at - 1) / 2) {
        g->queue[at] = g->queue[(at - 1) / 2];
    }
    g->queue[at] = item;
    return true;
}

static arrival pop(growth *g) {
    arrival first = g->queue[0], last = g->queue[--g->length];
    size_t at = 0;
    for (size_t kid = 1; kid < g->length; kid = 2 * at + 1) {
        if (kid + 1 < g->length && earlier(&g->queue[kid + 1], &g->queue[kid])) {
            kid++;
        }
        if (!earlier(&g->queue[kid], &last)) {
            break;
        }
        g->queue[at] = g->queue[kid];
        at = kid;
    }
    g->queue[at] = last;
    return first;
}

/* When a piece that is at `src` would be at `dst`; taken: it goes, and its links are busy. */
static double pass(growth *g, double head_us, int32_t src, int32_t dst, bool taken) {
    const int32_t *first = &g->hops->first[(ptrdiff_t)src * g->hops->ranks + dst];
    double tail_us = head_us;
    for (int32_t i = first[0]; i < first[1]; i++) {
        int32_t element = g->hops->elements[i];
        double free_us = g->free_us[element];
        rt_link_reserve(&g->rates[element], &free_us, g->bytes, &head_us, &tail_us);
        if (taken) {
            g->free_us[element] = free_us;
        }
    }
    return tail_us;
}

static bool has_hop(const growth *g, int32_t src, int32_t dst) {
    const int32_t *first = &g->hops->first[(ptrdiff_t)src * g->hops->ranks + dst];
    return first[0] < first[1];
}

/* Offer the piece of the tree from `src` to all that lack it. */
static bool offer(growth *g, int32_t tree, int32_t src) {
    const int32_t n = g->hops->ranks;
    double *arrived_us = g->arrived_us + (ptrdiff_t)tree * n;
    int32_t distance = (src - g->roots[tree % g->n_roots] + n) % n;
    for (int32_t dst = 0; dst < n; dst++) {
        if (arrived_us[dst] < 0 && has_hop(g, src, dst) &&
            !push(g, (arrival){pass(g, arrived_us[src], src, dst, false), tree, distance, src, dst})) {
            return false;
        }
    }
    return true;
}

static int grow(growth *g, int32_t trees, double *last_us, rt_error *error) {
    const int32_t n = g->hops->ranks;
    int64_t missing = (int64_t)trees * (n - 1);
    bool room = true;
    for (int32_t tree = 0; tree < trees && room; tree++) {
        int32_t root = g->roots[tree % g->n_roots];
        g->arrived_us[(ptrdiff_t)tree * n + root] = 0;
        room = offer(g, tree, root);
    }
    *last_us = 0;
    while (g->length > 0 && room) {
        arrival next = pop(g);
        double *arrived_us = g->arrived_us + (ptrdiff_t)next.tree * n;
        if (arrived_us[next.dst] >= 0) {
            continue;
        }
        double now_us = pass(g, arrived_us[next.src], next.src, next.dst, false);
        if (now_us > next.us) {
            next.us = now_us;
            room = push(g, next);
            continue;
        }
        arrived_us[next.dst] = pass(g, arrived_us[next.src], next.src, next.dst, true);
        g->parents[(ptrdiff_t)next.tree * n + next.dst] = next.src;
        *last_us = now_us > *last_us ? now_us : *last_us;
        missing--;
        room = offer(g, next.tree, next.dst);
    }
    if (!room) {
        return rt_fail(error, RT_ERR_NO_MEMORY, "early: no memory for %d trees of %d ranks", trees, n);
    }
    return missing == 0 ? RT_OK : rt_fail(error, RT_ERR_NO_ROUTE, "early: some root does not reach every rank");
}

int rt_early_trees(const rt_board *board, const rt_hops *hops, int32_t n_roots, const int32_t *roots, int32_t pieces,
                   double bytes, int32_t *parents, double *last_us, rt_error *error) {
    for (int32_t i = 0; i < n_roots; i++) {
        if (roots[i] < 0 || roots[i] >= hops->ranks) {
            return rt_fail(error, RT_ERR_INVALID, "early: found root %d, expected 0 to %d", roots[i], hops->ranks - 1);
        }
    }
    size_t places = (size_t)n_roots * (size_t)pieces * (size_t)hops->ranks;
    growth g = {.rates = rt_board_rates(board),
                .hops = hops,
                .n_roots = n_roots,
                .roots = roots,
                .bytes = bytes,
                .parents = parents};
    g.free_us = calloc((size_t)rt_board_elements(board) + 1, sizeof *g.free_us);
    g.arrived_us = malloc((places + 1) * sizeof *g.arrived_us);
    int status = RT_OK;
    if (g.free_us && g.arrived_us) {
        for (size_t i = 0; i < places; i++) {
            g.arrived_us[i] = -1;
            parents[i] = -1;
        }
        status = grow(&g, n_roots * pieces, last_us, error);
    } else {
        status = rt_fail(error, RT_ERR_NO_MEMORY, "early: no memory for %zu places", places);
    }
    free(g.free_us);
    free(g.arrived_us);
    free(g.queue);
    return status;
}
