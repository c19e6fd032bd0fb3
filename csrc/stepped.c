/* stepped: prices of hops by step, trees grown path by path, and the search that does so again and again. */
#include "steptree.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_RANKS = 1024,
    MOST_CHUNKS = 64,
    MOST_EARLY_RANKS = 16, /* beyond so many ranks, none is tried as one to be reached early */
    BOLD_ROUNDS = 4,       /* before what is worse than the best is given up */
};
static const double CLEARED = 0.5; /* of the trees, at once */
static const double NOISE = 2.0;   /* prices grow by up to so much */

/* Trees root after root, and how many chunks each element carries in each step, and in all behind that. */
typedef struct forest {
    int32_t *trees; /* parents, then steps, then hops: roots x chunks x ranks each */
    int32_t *many;  /* (steps + 1) x elements */
} forest;

typedef struct search {
    rt_growth growth;
    int32_t chunks;
    forest now;
    rt_grown best, other;
    bool *cleared;    /* by tree */
    double noise;     /* 0, or NOISE */
    bool counts_all;  /* prices count what an element carries in all steps, too */
    uint64_t chances; /* state of the random numbers: the same every time */
} search;

/* From 0 to 1; xorshift (Marsaglia 2003). */
static double chance(search *s) {
    s->chances ^= s->chances << 13;
    s->chances ^= s->chances >> 7;
    s->chances ^= s->chances << 17;
    return (double)(s->chances >> 11) * 0x1p-53;
}

static double eighth_power(double x) {
    x *= x;
    x *= x;
    return x * x;
}

/* Square roots alone, since they are the same on every machine. */
static double eighth_root(double x) {
    return sqrt(sqrt(sqrt(x)));
}

/* What a hop adds to the eighth norm of the elements' times. A step takes as long as its busiest element; the norm is
 * near that, and says more: what is gained where several are equally busy. */
static void add_prices(const rt_step_hops *h, const int32_t *many, double *price) {
    double all = 0.0;
    for (int32_t e = 0; e < h->elements; e++) {
        all += eighth_power(many[e] * h->busy[e]);
    }
    const double before = eighth_root(all);
    for (int32_t hop = 0; hop < h->hops; hop++) {
        double after = all;
        for (int32_t use = h->first[hop]; use < h->first[hop + 1]; use++) {
            const int32_t e = h->element[use];
            after += eighth_power((many[e] + 1) * h->busy[e]) - eighth_power(many[e] * h->busy[e]);
        }
        price[hop] += eighth_root(after) - before;
    }
}

static void set_prices(search *s) {
    const rt_step_hops *h = s->growth.hops;
    const int32_t *in_all = s->now.many + (ptrdiff_t)s->growth.steps * h->elements;
    for (int32_t step = 0; step < s->growth.steps; step++) {
        double *price = s->growth.price + (ptrdiff_t)step * h->hops;
        memset(price, 0, (size_t)h->hops * sizeof *price);
        add_prices(h, s->now.many + (ptrdiff_t)step * h->elements, price);
        if (s->counts_all) {
            add_prices(h, in_all, price);
        }
        for (int32_t hop = 0; hop < h->hops && s->noise > 0.0; hop++) {
            price[hop] *= 1.0 + s->noise * chance(s);
        }
    }
}

/* The cheapest of the trees that grow differently: into s->best. */
static bool grow_best(search *s, int32_t root) {
    set_prices(s);
    if (!rt_grow(&s->growth, &s->best, root, -1, 0)) {
        return false;
    }
    double least = rt_grown_price(&s->growth, &s->best);
    for (int32_t early = 0; early < s->growth.ranks && s->growth.ranks <= MOST_EARLY_RANKS; early++) {
        for (int32_t by = 1; by < s->growth.steps && early != root; by++) {
            if (rt_grow(&s->growth, &s->other, root, early, by) &&
                rt_grown_price(&s->growth, &s->other) < least * (1 - 1e-9)) {
                const rt_grown better = s->other;
                s->other = s->best;
                s->best = better;
                least = rt_grown_price(&s->growth, &s->best);
            }
        }
    }
    return true;
}

static size_t tree_cells(const search *s) {
    return (size_t)s->growth.ranks * (size_t)s->chunks * (size_t)s->growth.ranks;
}

static rt_grown tree_at(const search *s, int32_t number) {
    int32_t *at = s->now.trees + (ptrdiff_t)number * s->growth.ranks;
    return (rt_grown){.parents = at, .steps = at + tree_cells(s), .hops = at + 2 * tree_cells(s)};
}

/* Let the tree use its elements (by = 1), or give them back (-1). */
static void take(search *s, int32_t number, int32_t by) {
    const rt_step_hops *h = s->growth.hops;
    const rt_grown t = tree_at(s, number);
    int32_t *in_all = s->now.many + (ptrdiff_t)s->growth.steps * h->elements;
    for (int32_t rank = 0; rank < s->growth.ranks; rank++) {
        if (t.hops[rank] >= 0) {
            int32_t *many = s->now.many + (ptrdiff_t)(t.steps[rank] - 1) * h->elements;
            for (int32_t use = h->first[t.hops[rank]]; use < h->first[t.hops[rank] + 1]; use++) {
                many[h->element[use]] += by;
                in_all[h->element[use]] += by;
            }
        }
    }
}

static bool plant(search *s, int32_t number) {
    const size_t bytes = (size_t)s->growth.ranks * sizeof *s->best.parents;
    if (!grow_best(s, number / s->chunks)) {
        return false;
    }
    const rt_grown t = tree_at(s, number);
    memcpy(t.parents, s->best.parents, bytes);
    memcpy(t.steps, s->best.steps, bytes);
    memcpy(t.hops, s->best.hops, bytes);
    take(s, number, 1);
    return true;
}

/* The trees in turn: the first of every root, then the second. */
static int32_t in_turn(const search *s, int32_t i) {
    return i % s->growth.ranks * s->chunks + i / s->growth.ranks;
}

/* Take out some of the trees at once, then grow them again. */
static void clear_and_plant(search *s) {
    const int32_t many = s->growth.ranks * s->chunks;
    for (int32_t i = 0; i < many; i++) {
        s->cleared[i] = chance(s) < CLEARED;
        if (s->cleared[i]) {
            take(s, i, -1);
        }
    }
    for (int32_t i = 0; i < many; i++) {
        if (s->cleared[in_turn(s, i)]) {
            plant(s, in_turn(s, i));
        }
    }
}

/* Take out each tree by itself, and grow it again. */
static void replant(search *s) {
    for (int32_t i = 0; i < s->growth.ranks * s->chunks; i++) {
        take(s, in_turn(s, i), -1);
        plant(s, in_turn(s, i));
    }
}

static double measure(const search *s, double *durations) {
    const int32_t elements = s->growth.hops->elements;
    double all = 0.0;
    for (int32_t step = 0; step < s->growth.steps; step++) {
        double longest = 0.0;
        for (int32_t e = 0; e < elements; e++) {
            const double busy = s->now.many[(ptrdiff_t)step * elements + e] * s->growth.hops->busy[e];
            longest = busy > longest ? busy : longest;
        }
        durations[step] = longest;
        all += longest;
    }
    return all;
}

static void keep(const search *s, forest to, forest from) {
    memcpy(to.trees, from.trees, 3 * tree_cells(s) * sizeof *to.trees);
    memcpy(to.many, from.many, ((size_t)s->growth.steps + 1) * (size_t)s->growth.hops->elements * sizeof *to.many);
}

static int find(search *s, forest found, double *durations, rt_error *error) {
    s->counts_all = true;
    for (int32_t i = 0; i < s->growth.ranks * s->chunks; i++) {
        if (!plant(s, in_turn(s, i))) {
            return rt_fail(error, RT_ERR_NO_ROUTE, "stepped: rank %d does not reach all ranks in %d steps",
                           in_turn(s, i) / s->chunks, s->growth.steps);
        }
    }
    double least = INFINITY;
    for (int32_t round = 0; s->growth.work > 0 || round == 0; round++) {
        if (round) {
            s->counts_all = round % 2 == 0;
            s->noise = NOISE;
            clear_and_plant(s);
            s->noise = 0.0;
        }
        replant(s);
        const double all = measure(s, durations);
        if (all <= least) {
            least = all;
            keep(s, found, s->now);
        } else if (round % BOLD_ROUNDS == 0) {
            keep(s, s->now, found);
        }
    }
    keep(s, s->now, found);
    measure(s, durations);
    return RT_OK;
}

static int check(const rt_step_hops *h, int32_t steps, int32_t chunks, rt_error *error) {
    if (h->ranks < 1 || h->ranks > MOST_RANKS || steps < 1 || steps > MOST_RANKS || chunks < 1 ||
        chunks > MOST_CHUNKS) {
        return rt_fail(error, RT_ERR_INVALID, "stepped: found %d ranks, %d steps, %d chunks, expected 1 to %d, %d, %d",
                       h->ranks, steps, chunks, MOST_RANKS, MOST_RANKS, MOST_CHUNKS);
    }
    for (int32_t i = 0; i < h->hops; i++) {
        if (h->src[i] < 0 || h->src[i] >= h->ranks || h->dst[i] < 0 || h->dst[i] >= h->ranks) {
            return rt_fail(error, RT_ERR_INVALID, "stepped: hop %d: found %d to %d, expected two of %d ranks", i,
                           h->src[i], h->dst[i], h->ranks);
        }
    }
    return RT_OK;
}

/* All arrays of the search, and what it finds; false where there is no memory. */
static bool allocate(search *s, forest *found, int32_t **whole, double **reals) {
    const size_t n = (size_t)s->growth.ranks, hops = (size_t)s->growth.hops->hops, layers = (size_t)s->growth.steps + 1;
    const size_t trees = 3 * tree_cells(s), many = layers * (size_t)s->growth.hops->elements;
    *whole = calloc(2 * trees + 2 * many + 7 * n + 1 + hops + layers * n, sizeof **whole);
    *reals = malloc((layers * hops + layers * n) * sizeof **reals);
    s->cleared = calloc(n * (size_t)s->chunks, sizeof *s->cleared);
    if (!*whole || !*reals || !s->cleared) {
        return false;
    }
    int32_t *at = *whole;
    s->now = (forest){at, at + trees};
    *found = (forest){at + trees + many, at + 2 * trees + many};
    at += 2 * (trees + many);
    s->best = (rt_grown){at, at + n, at + 2 * n};
    s->other = (rt_grown){at + 3 * n, at + 4 * n, at + 5 * n};
    s->growth.first = at + 6 * n;
    s->growth.in = s->growth.first + n + 1;
    s->growth.from = s->growth.in + hops;
    s->growth.price = *reals;
    s->growth.cost = s->growth.price + layers * hops;
    return true;
}

int rt_stepped_trees(const rt_step_hops *hops, int32_t steps, int32_t chunks, int64_t work, int32_t *parents,
                     int32_t *step_of, double *durations, rt_error *error) {
    int status = check(hops, steps, chunks, error);
    if (status) {
        return status;
    }
    const bool only = hops->ranks == 1 || steps == 1; /* trees there are */
    search s = {.growth = {.hops = hops, .ranks = hops->ranks, .steps = steps, .work = only ? 0 : work},
                .chunks = chunks,
                .chances = 88172645463325252U};
    forest found;
    int32_t *whole = NULL;
    double *reals = NULL;
    if (allocate(&s, &found, &whole, &reals)) {
        rt_growth_sort(&s.growth);
        status = find(&s, found, durations, error);
    } else {
        status = rt_fail(error, RT_ERR_NO_MEMORY, "stepped: no memory for %d ranks", hops->ranks);
    }
    if (status == RT_OK) {
        memcpy(parents, found.trees, tree_cells(&s) * sizeof *parents);
        memcpy(step_of, found.trees + tree_cells(&s), tree_cells(&s) * sizeof *step_of);
    }
    free(whole);
    free(reals);
    free(s.cleared);
    return status;
}
