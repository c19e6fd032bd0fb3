/* shallow: local search for cheap trees of few hops. */
#include "shallow.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PASSES = 50 };

typedef struct bush {
    int32_t n, hops, root;
    const double *cost;
    int32_t *parent;
    int32_t *depth;  /* of the node, -1 while it is not in the tree */
    int32_t *height; /* of what hangs from it */
    int32_t *order;  /* nodes, parents first */
    double *nearest; /* while it grows: the cheapest edge from the tree */
    int32_t *best;   /* the cheapest tree so far */
} bush;

static double price(const bush *b, int32_t src, int32_t dst) {
    return b->cost[(ptrdiff_t)src * b->n + dst];
}

/* A gain that is no rounding error. */
static bool gains(double gain, double paid) {
    return gain > 1e-12 * (paid < 1 ? 1 : paid);
}

/* Depths, heights and an order with parents first, anew from the parents. */
static void survey(bush *b) {
    int32_t length = 0;
    for (int32_t v = 0; v < b->n; v++) {
        b->depth[v] = v == b->root ? 0 : -1;
        b->height[v] = 0;
    }
    b->order[length++] = b->root;
    for (int32_t level = 1, begin = 0, end = 1; begin < end; level++) {
        for (int32_t v = 0; v < b->n; v++) {
            if (b->depth[v] < 0 && b->depth[b->parent[v]] == level - 1) {
                b->depth[v] = level;
                b->order[length++] = v;
            }
        }
        begin = end;
        end = length;
    }
    for (int32_t i = length - 1; i > 0; i--) {
        int32_t v = b->order[i], p = b->parent[v];
        b->height[p] = b->height[p] > b->height[v] + 1 ? b->height[p] : b->height[v] + 1;
    }
}

static bool hangs_from(const bush *b, int32_t v, int32_t above) {
    while (v >= 0 && v != above) {
        v = b->parent[v];
    }
    return v == above;
}

/* The node that comes next: by price alone, or the nearest to the root first. */
static int32_t next_node(const bush *b, bool by_hops) {
    int32_t next = -1;
    for (int32_t v = 0; v < b->n; v++) {
        if (b->depth[v] >= 0 || b->nearest[v] == INFINITY) {
            continue;
        }
        if (next < 0) {
            next = v;
            continue;
        }
        int32_t hops = b->depth[b->parent[v]] - b->depth[b->parent[next]];
        bool cheaper = b->nearest[v] < b->nearest[next], equal = b->nearest[v] == b->nearest[next];
        if (by_hops ? hops < 0 || (hops == 0 && cheaper) : cheaper || (equal && hops < 0)) {
            next = v;
        }
    }
    return next;
}

/* False where some node is out of reach of `hops`, by this way of growing. */
static bool grow(bush *b, bool by_hops) {
    for (int32_t v = 0; v < b->n; v++) {
        b->depth[v] = -1;
        b->nearest[v] = INFINITY;
        b->parent[v] = -1;
    }
    for (int32_t v = b->root, many = 1;; many++) {
        b->depth[v] = b->parent[v] < 0 ? 0 : b->depth[b->parent[v]] + 1;
        for (int32_t w = 0; w < b->n && b->depth[v] < b->hops; w++) {
            bool nearer = b->parent[w] >= 0 && by_hops && b->depth[b->parent[w]] > b->depth[v];
            bool cheaper = price(b, v, w) < b->nearest[w] &&
                           !(b->parent[w] >= 0 && by_hops && b->depth[b->parent[w]] < b->depth[v]);
            if (b->depth[w] < 0 && price(b, v, w) < INFINITY && (nearer || cheaper)) {
                b->nearest[w] = price(b, v, w);
                b->parent[w] = v;
            }
        }
        if (many == b->n) {
            return true;
        }
        v = next_node(b, by_hops);
        if (v < 0) {
            return false;
        }
    }
}

/* Move nodes to cheaper parents, as long as there are any. */
static bool move_nodes(bush *b) {
    bool moved = false;
    for (int32_t v = 0; v < b->n; v++) {
        if (v == b->root) {
            continue;
        }
        int32_t best = b->parent[v];
        for (int32_t p = 0; p < b->n; p++) {
            double paid = price(b, best, v);
            if (b->depth[p] + 1 + b->height[v] <= b->hops && gains(paid - price(b, p, v), paid) &&
                !hangs_from(b, p, v)) {
                best = p;
            }
        }
        if (best != b->parent[v]) {
            b->parent[v] = best;
            survey(b);
            moved = true;
        }
    }
    return moved;
}

/* What others gain where v hangs from p: each that may, and whose parent is dearer than v. */
static double gain_below(const bush *b, int32_t v, int32_t p) {
    double gain = 0;
    for (int32_t w = 0; w < b->n; w++) {
        if (w == v || w == b->root || b->parent[w] == v || b->depth[p] + 2 + b->height[w] > b->hops) {
            continue;
        }
        double more = price(b, b->parent[w], w) - price(b, v, w);
        if (more > 0 && !hangs_from(b, p, w)) {
            gain += more;
        }
    }
    return gain;
}

static void hang_below(bush *b, int32_t v, int32_t p) {
    int32_t room = b->hops - b->depth[p] - 2;
    b->parent[v] = p;
    for (int32_t w = 0; w < b->n; w++) {
        if (w != v && w != b->root && b->height[w] <= room && !hangs_from(b, p, w) &&
            price(b, v, w) < price(b, b->parent[w], w)) {
            b->parent[w] = v;
        }
    }
    survey(b);
}

/* The cheapest parent for v among the nodes of one depth, -1: none. */
static int32_t cheapest_at(const bush *b, int32_t v, int32_t depth) {
    int32_t best = -1;
    for (int32_t p = 0; p < b->n; p++) {
        if (p != v && b->depth[p] == depth && price(b, p, v) < INFINITY &&
            (best < 0 || price(b, p, v) < price(b, best, v)) && !hangs_from(b, p, v)) {
            best = p;
        }
    }
    return best;
}

/* Hang nodes nearer to the root, at a loss, where others gain more by it. */
static bool open_nodes(bush *b) {
    bool moved = false;
    for (int32_t v = 0; v < b->n; v++) {
        for (int32_t depth = 0; v != b->root && depth < b->depth[v] && depth + 2 <= b->hops; depth++) {
            int32_t p = cheapest_at(b, v, depth);
            if (p < 0 || p == b->parent[v] || depth + 1 + b->height[v] > b->hops) {
                continue;
            }
            double loss = price(b, p, v) - price(b, b->parent[v], v);
            if (gains(gain_below(b, v, p) - loss, loss)) {
                hang_below(b, v, p);
                moved = true;
            }
        }
    }
    return moved;
}

static double total(const bush *b) {
    double sum = 0;
    for (int32_t v = 0; v < b->n; v++) {
        sum += v == b->root ? 0 : price(b, b->parent[v], v);
    }
    return sum;
}

static double find(bush *b) {
    double cheapest = INFINITY;
    for (int by_hops = 0; by_hops < 2; by_hops++) {
        if (!grow(b, by_hops)) {
            continue;
        }
        survey(b);
        for (int pass = 0; pass < MOST_PASSES && (move_nodes(b) || open_nodes(b)); pass++) {
        }
        double sum = total(b);
        if (sum < cheapest) {
            cheapest = sum;
            memcpy(b->best, b->parent, (size_t)b->n * sizeof *b->best);
        }
    }
    return cheapest;
}

int rt_shallow_trees(int32_t n, const double *cost, int32_t hops, int32_t n_roots, const int32_t *roots,
                     int32_t *parents, double *costs, rt_error *error) {
    size_t nodes = n > 0 ? (size_t)n : 0;
    for (int32_t i = 0; i < n_roots; i++) {
        if (roots[i] < 0 || roots[i] >= n) {
            return rt_fail(error, RT_ERR_INVALID, "shallow: found root %d, expected 0 to %d", roots[i], n - 1);
        }
    }
    bush b = {.n = n, .hops = hops, .cost = cost};
    b.parent = malloc(4 * nodes * sizeof *b.parent + 1);
    b.nearest = malloc(nodes * sizeof *b.nearest + 1);
    int status = b.parent && b.nearest ? RT_OK : rt_fail(error, RT_ERR_NO_MEMORY, "shallow: no memory for %d nodes", n);
    if (status == RT_OK) {
        b.depth = b.parent + nodes;
        b.height = b.depth + nodes;
        b.order = b.height + nodes;
        for (int32_t i = 0; i < n_roots; i++) {
            b.root = roots[i];
            b.best = parents + (ptrdiff_t)i * n;
            costs[i] = find(&b);
        }
    }
    free(b.parent);
    free(b.nearest);
    return status;
}
