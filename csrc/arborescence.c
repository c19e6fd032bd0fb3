/* arborescence: a path of cheapest edges grows backwards; a cycle becomes one node, until the root is met.
 *
 *   root ──▶ ... done ...        cheapest edge into the head of the path
 *                                  from a node that is done: the path is done
 *   tail ──▶ ... ──▶ head ◀──      from a new node: it is the new tail
 *    └────────────────┘            from the path itself: what lies between becomes one node
 *
 * best[v x n + u] is the cheapest edge from what is now node u to what is now node v, less what was paid inside v. A
 * merged node takes the place of one of its members in the matrix. At the end the nodes are opened again, newest
 * first: the edge that enters a merged node enters one of its members, the others keep theirs.
 */
#include "arborescence.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

typedef struct edge {
    double cost;
    int32_t src, dst; /* of the graph */
} edge;

typedef struct growth {
    int32_t n;
    int32_t made; /* nodes of the graph, and merged ones behind them */
    edge *best;
    edge *entry;     /* by node made: its cheapest edge in, as it was chosen */
    int32_t *within; /* by node made: the node it was merged into, or -1 */
    int32_t *holds;  /* by place in the matrix: the node made that is there, or -1 */
    int32_t *path;   /* places, from the head backwards */
    int32_t *state;  /* by place: WAITING, ON_PATH, DONE */
} growth;

enum { WAITING, ON_PATH, DONE };

static edge *at(const growth *g, int32_t dst, int32_t src) {
    return &g->best[(ptrdiff_t)dst * g->n + src];
}

static void start(growth *g, const double *cost, int32_t root) {
    g->made = g->n;
    for (int32_t dst = 0; dst < g->n; dst++) {
        for (int32_t src = 0; src < g->n; src++) {
            *at(g, dst, src) = (edge){src == dst ? INFINITY : cost[(ptrdiff_t)src * g->n + dst], src, dst};
        }
        g->holds[dst] = dst;
        g->within[dst] = -1;
        g->state[dst] = dst == root ? DONE : WAITING;
    }
}

static int32_t cheapest_source(const growth *g, int32_t dst) {
    int32_t cheapest = -1;
    for (int32_t src = 0; src < g->n; src++) {
        if (g->holds[src] >= 0 && src != dst && at(g, dst, src)->cost < INFINITY &&
            (cheapest < 0 || at(g, dst, src)->cost < at(g, dst, cheapest)->cost)) {
            cheapest = src;
        }
    }
    return cheapest;
}

static void cheaper(edge *kept, const edge *other, double paid) {
    if (other->cost - paid < kept->cost) {
        *kept = *other;
        kept->cost -= paid;
    }
}

/* Of the path, the last `length` places become one node at the place of the first of them. */
static void merge(growth *g, int32_t *members, int32_t length) {
    const int32_t place = members[0], node = g->made++;
    double paid = g->entry[g->holds[place]].cost;
    for (int32_t other = 0; other < g->n; other++) {
        at(g, place, other)->cost -= paid;
    }
    for (int32_t i = 1; i < length; i++) {
        int32_t member = members[i];
        paid = g->entry[g->holds[member]].cost;
        for (int32_t other = 0; other < g->n; other++) {
            cheaper(at(g, place, other), at(g, member, other), paid);
            cheaper(at(g, other, place), at(g, other, member), 0);
        }
        g->within[g->holds[member]] = node;
        g->holds[member] = -1;
    }
    g->within[g->holds[place]] = node;
    g->within[node] = -1;
    g->holds[place] = node;
}

/* Grow from a waiting place until the root or what is done is met; false where nothing leads there. */
static bool grow(growth *g, int32_t place) {
    int32_t length = 1;
    g->path[0] = place;
    g->state[place] = ON_PATH;
    for (;;) {
        int32_t tail = g->path[length - 1], src = cheapest_source(g, tail);
        if (src < 0) {
            return false;
        }
        g->entry[g->holds[tail]] = *at(g, tail, src);
        if (g->state[src] == DONE) {
            break;
        }
        if (g->state[src] == WAITING) {
            g->state[src] = ON_PATH;
            g->path[length++] = src;
            continue;
        }
        int32_t first = length - 1;
        while (g->path[first] != src) {
            first--;
        }
        merge(g, g->path + first, length - first);
        length = first + 1;
    }
    while (length > 0) {
        g->state[g->path[--length]] = DONE;
    }
    return true;
}

static void open_nodes(growth *g, int32_t *parents, int32_t root) {
    for (int32_t node = g->made - 1; node >= g->n; node--) {
        int32_t member = g->entry[node].dst;
        while (g->within[member] != node) {
            member = g->within[member];
        }
        g->entry[member] = g->entry[node];
    }
    for (int32_t v = 0; v < g->n; v++) {
        parents[v] = v == root ? -1 : g->entry[v].src;
    }
}

static double find(growth *g, const double *cost, int32_t root, int32_t *parents) {
    start(g, cost, root);
    for (int32_t place = 0; place < g->n; place++) {
        if (g->holds[place] >= 0 && g->state[place] == WAITING && !grow(g, place)) {
            return INFINITY;
        }
    }
    open_nodes(g, parents, root);
    double total = 0;
    for (int32_t v = 0; v < g->n; v++) {
        total += v == root ? 0 : cost[(ptrdiff_t)parents[v] * g->n + v];
    }
    return total;
}

int rt_arborescences(int32_t n, const double *cost, int32_t n_roots, const int32_t *roots, int32_t *parents,
                     double *costs, rt_error *error) {
    size_t nodes = n > 0 ? (size_t)n : 0;
    for (int32_t i = 0; i < n_roots; i++) {
        if (roots[i] < 0 || roots[i] >= n) {
            return rt_fail(error, RT_ERR_INVALID, "arborescence: found root %d, expected 0 to %d", roots[i], n - 1);
        }
    }
    growth g = {.n = n, .best = malloc(nodes * nodes * sizeof(edge)), .entry = malloc(2 * nodes * sizeof(edge))};
    g.within = malloc(5 * nodes * sizeof *g.within);
    int status = nodes == 0 || (g.best && g.entry && g.within)
                     ? RT_OK
                     : rt_fail(error, RT_ERR_NO_MEMORY, "arborescence: no memory for %d nodes", n);
    if (status == RT_OK && nodes > 0) {
        g.holds = g.within + 2 * nodes;
        g.path = g.holds + nodes;
        g.state = g.path + nodes;
        for (int32_t i = 0; i < n_roots; i++) {
            costs[i] = find(&g, cost, roots[i], parents + (ptrdiff_t)i * n);
        }
    }
    free(g.best);
    free(g.entry);
    free(g.within);
    return status;
}
