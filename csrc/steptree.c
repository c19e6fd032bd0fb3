/* steptree: cheapest paths by step, and the tree that they make. */
#include "steptree.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

/* Cheapest paths from what the tree has reached to all ranks, by the step in which they get there. */
static void find_paths(rt_growth *g, const rt_grown *t) {
    const int32_t n = g->ranks;
    for (int32_t rank = 0; rank < n; rank++) {
        g->cost[rank] = t->steps[rank] == 0 ? 0.0 : INFINITY;
    }
    for (int32_t step = 1; step <= g->steps; step++) {
        const double *price = g->price + (ptrdiff_t)(step - 1) * g->hops->hops;
        double *cost = g->cost + (ptrdiff_t)step * n;
        const double *earlier = cost - n;
        int32_t *from = g->from + (ptrdiff_t)step * n;
        for (int32_t rank = 0; rank < n; rank++) {
            cost[rank] = t->steps[rank] <= step ? 0.0 : earlier[rank];
            from[rank] = -1;
            for (int32_t i = g->first[rank]; i < g->first[rank + 1] && cost[rank] > 0.0; i++) {
                const int32_t hop = g->in[i];
                const double through = earlier[g->hops->src[hop]] + price[hop];
                if (through < cost[rank]) {
                    cost[rank] = through;
                    from[rank] = hop;
                }
            }
        }
    }
    g->work -= (int64_t)g->steps * (n + g->hops->hops);
}

/* Add the path that reaches the rank by the step. A rank on it that was reached later is now reached in time. */
static void add_path(rt_growth *g, rt_grown *t, int32_t rank, int32_t step) {
    for (; t->steps[rank] > step; step--) {
        const int32_t hop = g->from[(ptrdiff_t)step * g->ranks + rank];
        if (hop >= 0) {
            t->parents[rank] = g->hops->src[hop];
            t->hops[rank] = hop;
            t->steps[rank] = step;
            rank = t->parents[rank];
        }
    }
    find_paths(g, t);
}

/* The rank that is nearest of those that are not reached; -1 where all are. */
static int32_t nearest(const rt_growth *g, const rt_grown *t) {
    const double *cost = g->cost + (ptrdiff_t)g->steps * g->ranks;
    int32_t found = -1;
    for (int32_t rank = 0; rank < g->ranks; rank++) {
        if (t->steps[rank] > g->steps && (found < 0 || cost[rank] < cost[found])) {
            found = rank;
        }
    }
    return found;
}

bool rt_grow(rt_growth *g, rt_grown *t, int32_t root, int32_t early, int32_t by) {
    for (int32_t rank = 0; rank < g->ranks; rank++) {
        t->parents[rank] = t->hops[rank] = -1;
        t->steps[rank] = rank == root ? 0 : g->steps + 1;
    }
    find_paths(g, t);
    if (early >= 0) {
        if (g->cost[(ptrdiff_t)by * g->ranks + early] == INFINITY) {
            return false;
        }
        add_path(g, t, early, by);
    }
    for (int32_t rank = nearest(g, t); rank >= 0; rank = nearest(g, t)) {
        if (g->cost[(ptrdiff_t)g->steps * g->ranks + rank] == INFINITY) {
            return false;
        }
        add_path(g, t, rank, g->steps);
    }
    return true;
}

double rt_grown_price(const rt_growth *g, const rt_grown *t) {
    double all = 0.0;
    for (int32_t rank = 0; rank < g->ranks; rank++) {
        if (t->hops[rank] >= 0) {
            all += g->price[(ptrdiff_t)(t->steps[rank] - 1) * g->hops->hops + t->hops[rank]];
        }
    }
    return all;
}

void rt_growth_sort(rt_growth *g) {
    const rt_step_hops *h = g->hops;
    for (int32_t i = 0; i < h->hops; i++) {
        g->first[h->dst[i] + 1]++;
    }
    for (int32_t rank = 0; rank < g->ranks; rank++) {
        g->first[rank + 1] += g->first[rank];
    }
    for (int32_t i = 0; i < h->hops; i++) {
        g->in[g->first[h->dst[i]]++] = i;
    }
    memmove(g->first + 1, g->first, (size_t)g->ranks * sizeof *g->first);
    g->first[0] = 0;
}
