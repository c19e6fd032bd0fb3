/* cycles: arc-disjoint Hamiltonian cycles, by search with restarts.
 *
 *   attempt: take a cycle, remove its arcs, take another, ... until none is found   ─┐ other ties, until the budget
 *            every other attempt also takes a cycle's reverse at once, if it can    ◀┘ is spent or the bound is met
 *
 * A path goes on to the node with the fewest ways onward (Warnsdorff's rule) and backtracks for a limited number of
 * visits. Ties go by a fixed pseudo-random order that differs from attempt to attempt, so the answer is always the
 * same. No more cycles exist than the fewest arcs that enter or leave a node.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "build.h"

typedef struct search {
    int32_t n;
    int32_t *out;    /* n x n: each node's neighbours, -1 behind the last */
    int32_t *in;     /* the same against the arcs */
    int32_t *left;   /* n x n: arcs not yet taken */
    int32_t *onward; /* by node: neighbours that are not on the path */
    int32_t *path;
    bool *on_path;
    uint64_t attempt;
    uint64_t salt;  /* of the ties of this cycle */
    int64_t budget; /* visits, of all attempts */
    int64_t limit;  /* visits, of this cycle */
} search;

static int32_t *arc(const search *s, int32_t from, int32_t to) {
    return &s->left[(int64_t)from * s->n + to];
}

static uint64_t scramble(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

static void mark(search *s, int32_t node, bool on_path) {
    s->on_path[node] = on_path;
    for (const int32_t *from = s->in + (int64_t)node * s->n; *from >= 0; from++) {
        if (*arc(s, *from, node) > 0) {
            s->onward[*from] += on_path ? -1 : 1;
        }
    }
}

/* The candidate after the one whose key is *key, in the order of keys; -1: none. */
static int32_t pick(const search *s, int32_t from, uint64_t *key) {
    uint64_t least = UINT64_MAX;
    int32_t picked = -1;
    for (const int32_t *to = s->out + (int64_t)from * s->n; *to >= 0; to++) {
        if (s->on_path[*to] || *arc(s, from, *to) == 0) {
            continue;
        }
        uint64_t tie = scramble(s->salt + (uint64_t)from * (uint64_t)s->n + (uint64_t)*to) & 0xfffff;
        uint64_t its = (uint64_t)s->onward[*to] << 44 | tie << 24 | (uint32_t)(*to + 1);
        if (its > *key && its < least) {
            least = its;
            picked = *to;
        }
    }
    *key = least;
    return picked;
}

static bool extend(search *s, int32_t length) {
    const int32_t last = s->path[length - 1];
    if (length == s->n) {
        return *arc(s, last, s->path[0]) > 0;
    }
    uint64_t key = 0;
    for (int32_t to = pick(s, last, &key); to >= 0; to = pick(s, last, &key)) {
        if (s->limit-- <= 0) {
            return false;
        }
        s->path[length] = to;
        mark(s, to, true);
        bool found = extend(s, length + 1);
        mark(s, to, false);
        if (found) {
            return true;
        }
    }
    return false;
}

static bool find_one(search *s) {
    const int64_t allowed = 16 * (int64_t)s->n + 256;
    const int64_t start = allowed < s->budget ? allowed : s->budget;
    s->limit = start;
    s->salt = scramble(s->salt + 1);
    s->path[0] = 0;
    mark(s, 0, true);
    bool found = extend(s, 1);
    mark(s, 0, false);
    s->budget -= start - (s->limit > 0 ? s->limit : 0);
    return found;
}

/* Take the arcs of `cycle`; false, and nothing taken, if one is missing. */
static bool take(search *s, const int32_t *cycle) {
    for (int32_t i = 0; i < s->n; i++) {
        if (*arc(s, cycle[i], cycle[(i + 1) % s->n]) == 0) {
            return false;
        }
    }
    for (int32_t i = 0; i < s->n; i++) {
        int32_t from = cycle[i], to = cycle[(i + 1) % s->n];
        *arc(s, from, to) -= 1;
        s->onward[from] -= *arc(s, from, to) == 0;
    }
    return true;
}

static void set_neighbours(search *s, const int32_t *count) {
    const int64_t n = s->n;
    for (int64_t node = 0; node < n; node++) {
        int32_t *out = s->out + node * n, *in = s->in + node * n;
        for (int32_t other = 0; other < n; other++) {
            if (other != node && count[node * n + other] > 0) {
                *out++ = other;
            }
            if (other != node && count[other * n + node] > 0) {
                *in++ = other;
            }
        }
        *out = *in = -1;
    }
}

static void restart(search *s, const int32_t *count) {
    const int64_t n = s->n;
    memcpy(s->left, count, (size_t)(n * n) * sizeof *s->left);
    for (int32_t node = 0; node < n; node++) {
        const int32_t *out = s->out + node * n;
        int32_t many = 0;
        while (out[many] >= 0) {
            many++;
        }
        s->onward[node] = many;
    }
}

static int32_t attempt(search *s, int32_t most, int32_t *orders) {
    const int32_t n = s->n;
    int32_t found = 0;
    while (found < most && find_one(s)) {
        int32_t *order = orders + (int64_t)found++ * n;
        memcpy(order, s->path, (size_t)n * sizeof *order);
        take(s, order);
        if (s->attempt % 2 == 0 && found < most) {
            for (int32_t i = 0; i < n; i++) {
                order[n + i] = order[(n - i) % n];
            }
            found += take(s, order + n);
        }
    }
    return found;
}

static int32_t bound(const search *s) {
    int64_t least = INT32_MAX;
    for (int64_t node = 0; node < s->n; node++) {
        int64_t in = 0, out = 0;
        for (const int32_t *to = s->out + node * s->n; *to >= 0; to++) {
            out += *arc(s, (int32_t)node, *to);
        }
        for (const int32_t *from = s->in + node * s->n; *from >= 0; from++) {
            in += *arc(s, *from, (int32_t)node);
        }
        least = in < least ? in : least;
        least = out < least ? out : least;
    }
    return (int32_t)least;
}

static int32_t best_of(search *s, const int32_t *count, int32_t most, int32_t *trial, int32_t *orders) {
    int32_t best = 0;
    restart(s, count);
    const int32_t enough = bound(s) < most ? bound(s) : most;
    for (; best < enough && s->budget > 0; s->attempt++) {
        restart(s, count);
        int64_t before = s->budget;
        int32_t found = attempt(s, enough, trial);
        if (found > best) {
            best = found;
            memcpy(orders, trial, (size_t)best * (size_t)s->n * sizeof *orders);
        }
        s->budget -= s->budget == before;
    }
    return best;
}

int32_t rt_find_cycles(int32_t n, const int32_t *count, int32_t most, int64_t budget, int32_t *orders) {
    if (n < 2 || most < 1) {
        return 0;
    }
    const size_t nodes = (size_t)n, pairs = nodes * nodes;
    int32_t *room = malloc((3 * pairs + 2 * nodes + (size_t)most * nodes) * sizeof *room);
    bool *on_path = calloc(nodes, sizeof *on_path);
    int32_t found = 0;
    if (room && on_path) {
        search s = {.n = n, .budget = budget, .on_path = on_path};
        s.out = room;
        s.in = s.out + pairs;
        s.left = s.in + pairs;
        s.onward = s.left + pairs;
        s.path = s.onward + nodes;
        set_neighbours(&s, count);
        found = best_of(&s, count, most, s.path + nodes, orders);
    }
    free(room);
    free(on_path);
    return found;
}
