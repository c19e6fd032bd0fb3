/* loom: which lanes each rank has in each tree, and what they wait for. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "forest.h"
#include "kin.h"

/* What is needed only while a forest is laid out. */
typedef struct loom {
    rt_forest *forest;
    const rt_tree *trees;
    int32_t n_trees;
    bool reduces, broadcasts, serial;
    rt_kin up, down;  /* of the tree at work */
    int32_t *starts;  /* trees x ranks: how many lanes the rank has in the tree, then the first of them */
    int32_t *below;   /* ranks + 1: how many trees have a root below each rank */
    int32_t *by_root; /* trees, sorted by root */
} loom;

static bool copies_own(const loom *l, const rt_tree *t, int32_t rank) {
    return l->broadcasts && !l->reduces && rank == t->root;
}

/* Lanes that send down. */
static int32_t tellers(const loom *l, int32_t rank) {
    int32_t kids = rt_kin_kids(&l->down, rank);
    return l->serial && kids ? 1 : kids;
}

static int32_t lanes_in(const loom *l, const rt_tree *t, int32_t rank) {
    return rt_kin_kids(&l->up, rank) + rt_kin_has_parent(&l->up, rank) + rt_kin_has_parent(&l->down, rank) +
           tellers(l, rank) + copies_own(l, t, rank);
}

static int meet(loom *l, const rt_tree *t, rt_error *error) {
    int status = rt_kin_fill(&l->up, l->reduces ? t->up : NULL, t->root, false, error);
    return status ? status : rt_kin_fill(&l->down, l->broadcasts ? t->down : NULL, t->root, true, error);
}

static int check_tree(const loom *l, const rt_tree *t, rt_error *error) {
    const rt_collective *c = &l->forest->program.collective;
    rt_share within = {0, c->count};
    if (t->root < 0 || t->root >= c->ranks || (l->reduces && !t->up) || (l->broadcasts && !t->down)) {
        return rt_fail(error, RT_ERR_INVALID, "forest: tree %d: found root %d, expected one of %d ranks, and parents",
                       (int)(t - l->trees), t->root, c->ranks);
    }
    if (c->kind == RT_ALL_GATHER || c->kind == RT_REDUCE_SCATTER) {
        rt_collective_part(c, t->root, &within.offset, &within.length);
    }
    if (t->length < 0 || t->offset < within.offset || t->length > within.length ||
        t->offset - within.offset > within.length - t->length) {
        return rt_fail(error, RT_ERR_INVALID,
                       "forest: tree %d: found %" PRId64 " elements at %" PRId64 ", expected a range in %" PRId64
                       " at %" PRId64,
                       (int)(t - l->trees), t->length, t->offset, within.length, within.offset);
    }
    bool alone = (c->kind == RT_BROADCAST || c->kind == RT_REDUCE) && t->root != c->root;
    return alone ? rt_fail(error, RT_ERR_INVALID, "forest: tree %d: found root %d, expected the collective's, %d",
                           (int)(t - l->trees), t->root, c->root)
                 : RT_OK;
}

/* Check the trees, note their shares, and count lanes and channels. */
static int survey(loom *l, int32_t chunks, rt_error *error) {
    rt_forest *f = l->forest;
    const rt_collective *c = &f->program.collective;
    int64_t edges = 0;
    for (int32_t i = 0; i < l->n_trees; i++) {
        const rt_tree *t = &l->trees[i];
        int status = check_tree(l, t, error);
        status = status ? status : meet(l, t, error);
        if (status) {
            return status;
        }
        int64_t length;
        f->trees[i].share = (rt_share){t->offset, t->length};
        f->trees[i].pieces = chunks < t->length ? chunks : t->length ? t->length : 1;
        rt_collective_part(c, t->root, &f->trees[i].own, &length);
        l->below[t->root + 1]++;
        edges += l->up.edges + l->down.edges;
        for (int32_t r = 0; r < c->ranks; r++) {
            l->starts[(int64_t)i * c->ranks + r] = lanes_in(l, t, r);
        }
    }
    if (edges > INT32_MAX) {
        return rt_fail(error, RT_ERR_OVERFLOW, "forest: %" PRId64 " channels are too many", edges);
    }
    f->program.channels = (int32_t)edges;
    return RT_OK;
}

static void sort_by_root(loom *l) {
    const int32_t n = l->forest->program.collective.ranks;
    for (int32_t r = 0; r < n; r++) {
        l->below[r + 1] += l->below[r];
    }
    for (int32_t i = 0; i < l->n_trees; i++) {
        l->by_root[l->below[l->trees[i].root]++] = i;
    }
    memmove(l->below + 1, l->below, (size_t)n * sizeof *l->below);
    l->below[0] = 0;
}

/* Counts of lanes become places: root after root, downwards from the rank. */
static void place_lanes(loom *l) {
    rt_forest *f = l->forest;
    const int32_t n = f->program.collective.ranks;
    for (int32_t rank = 0; rank < n; rank++) {
        int32_t begin = 0;
        for (int32_t i = 1; i <= l->n_trees; i++) {
            int32_t tree = l->by_root[(l->below[rank] + l->n_trees - i) % l->n_trees];
            int32_t *start = &l->starts[(int64_t)tree * n + rank], many = *start;
            *start = begin;
            begin += many;
        }
        f->first[rank + 1] = f->first[rank] + begin;
    }
}

/* Where a rank adds up: the output, if it has room for what is not the rank's own. */
static uint8_t accumulator(const loom *l, const rt_tree *t, int32_t rank) {
    return l->broadcasts || rank == t->root ? RT_OUTPUT : RT_SCRATCH;
}

/* The lanes of a rank in a tree, by number; a group that is empty still says where it would begin. */
typedef struct places {
    int32_t hear, hears; /* from children on the way up */
    int32_t up;          /* to the parent */
    int32_t from;        /* from the parent on the way down */
    int32_t to, tells;   /* to the children */
    int32_t copy;
} places;

static places places_of(const loom *l, int32_t tree, int32_t rank) {
    places p = {.hear = l->starts[(int64_t)tree * l->up.ranks + rank],
                .hears = rt_kin_kids(&l->up, rank),
                .tells = tellers(l, rank)};
    p.up = p.hear + p.hears;
    p.from = p.up + rt_kin_has_parent(&l->up, rank);
    p.to = p.from + rt_kin_has_parent(&l->down, rank);
    p.copy = p.to + p.tells;
    return p;
}

static void lay_up(const loom *l, int32_t tree, int32_t rank, const places *p, int32_t channels,
                   rt_forest_lane *lanes) {
    const uint8_t sum = accumulator(l, &l->trees[tree], rank);
    const bool sends = rt_kin_has_parent(&l->up, rank);
    for (int32_t i = 0; i < p->hears; i++) {
        lanes[p->hear + i] = (rt_forest_lane){.opcode = RT_RECV_REDUCE,
                                              .src_buffer = i ? sum : RT_INPUT,
                                              .dst_buffer = sum,
                                              .tree = tree,
                                              .channel = channels + l->up.first[rank] + i,
                                              .fan = 1,
                                              .after = i ? p->hear + i - 1 : -1,
                                              .pace_lane = sends ? p->up : p->to,
                                              .pace_lanes = sends ? 1 : p->tells};
    }
    if (sends) {
        lanes[p->up] = (rt_forest_lane){.opcode = RT_SEND,
                                        .src_buffer = p->hears ? sum : RT_INPUT,
                                        .tree = tree,
                                        .channel = channels + l->up.seat[rank],
                                        .fan = 1,
                                        .after = p->hears ? p->up - 1 : -1};
    }
}

static void lay_down(const loom *l, int32_t tree, int32_t rank, const places *p, int32_t channels,
                     rt_forest_lane *lanes) {
    const bool receives = rt_kin_has_parent(&l->down, rank);
    const int32_t heard = p->hears ? p->hear + p->hears - 1 : -1;
    if (receives) {
        lanes[p->from] = (rt_forest_lane){.opcode = RT_RECV,
                                          .dst_buffer = RT_OUTPUT,
                                          .tree = tree,
                                          .channel = channels + l->down.seat[rank],
                                          .fan = 1,
                                          .after = -1,
                                          .pace_lane = p->to,
                                          .pace_lanes = p->tells};
    }
    for (int32_t i = 0; i < p->tells; i++) {
        lanes[p->to + i] = (rt_forest_lane){.opcode = RT_SEND,
                                            .src_buffer = receives || l->reduces ? RT_OUTPUT : RT_INPUT,
                                            .tree = tree,
                                            .channel = channels + l->down.first[rank] + i,
                                            .fan = l->serial ? rt_kin_kids(&l->down, rank) : 1,
                                            .after = receives ? p->from : heard};
    }
    if (copies_own(l, &l->trees[tree], rank)) {
        lanes[p->copy] = (rt_forest_lane){
            .opcode = RT_COPY, .src_buffer = RT_INPUT, .dst_buffer = RT_OUTPUT, .tree = tree, .fan = 1, .after = -1};
    }
}

/* A child's channel is numbered by its seat: the children of a rank have neighbouring channels. */
static void lay_channels(const rt_kin *kin, bool up, const uint8_t *detour, rt_channel *ends) {
    for (int32_t parent = 0; parent < kin->ranks; parent++) {
        for (int32_t seat = kin->first[parent]; seat < kin->first[parent + 1]; seat++) {
            int32_t kid = kin->kids[seat];
            ends[seat] = up ? (rt_channel){.src = kid, .dst = parent} : (rt_channel){.src = parent, .dst = kid};
            ends[seat].detour = detour && detour[kid];
        }
    }
}

static int lay_tree(loom *l, int32_t tree, int32_t channels, rt_error *error) {
    rt_forest *f = l->forest;
    const rt_tree *t = &l->trees[tree];
    int status = meet(l, t, error);
    if (status) {
        return status;
    }
    lay_channels(&l->up, true, t->up_detour, f->ends + channels);
    lay_channels(&l->down, false, t->down_detour, f->ends + channels + l->up.edges);
    for (int32_t rank = 0; rank < l->up.ranks; rank++) {
        const places p = places_of(l, tree, rank);
        lay_up(l, tree, rank, &p, channels, f->lanes + f->first[rank]);
        lay_down(l, tree, rank, &p, channels + l->up.edges, f->lanes + f->first[rank]);
        if (p.hears && accumulator(l, t, rank) == RT_SCRATCH && t->offset + t->length > f->scratch[rank]) {
            f->scratch[rank] = t->offset + t->length;
        }
    }
    return RT_OK;
}

static int lay_all(loom *l, int32_t chunks, rt_error *error) {
    rt_forest *f = l->forest;
    int status = survey(l, chunks, error);
    if (status) {
        return status;
    }
    sort_by_root(l);
    place_lanes(l);
    const int32_t n = f->program.collective.ranks;
    f->lanes = calloc((size_t)f->first[n] + 1, sizeof *f->lanes);
    f->ends = malloc(((size_t)f->program.channels + 1) * sizeof *f->ends);
    if (!f->lanes || !f->ends) {
        return rt_fail(error, RT_ERR_NO_MEMORY, "forest: no memory for %" PRId64 " lanes", f->first[n]);
    }
    int32_t channels = 0;
    for (int32_t i = 0; i < l->n_trees && status == RT_OK; i++) {
        status = lay_tree(l, i, channels, error);
        channels += l->up.edges + l->down.edges;
    }
    return status;
}

static int allocate(loom *l, rt_error *error) {
    rt_forest *f = l->forest;
    const size_t n = (size_t)f->program.collective.ranks, trees = (size_t)l->n_trees;
    f->trees = calloc(trees, sizeof *f->trees);
    f->first = calloc(n + 1, sizeof *f->first);
    f->scratch = calloc(n, sizeof *f->scratch);
    l->starts = malloc(trees * n * sizeof *l->starts);
    l->below = calloc(n + 1, sizeof *l->below);
    l->by_root = malloc(trees * sizeof *l->by_root);
    if (!f->trees || !f->first || !f->scratch || !l->starts || !l->below || !l->by_root) {
        return rt_fail(error, RT_ERR_NO_MEMORY, "forest: no memory for %zu trees of %zu ranks", trees, n);
    }
    int status = rt_kin_new(&l->up, (int32_t)n, error);
    return status ? status : rt_kin_new(&l->down, (int32_t)n, error);
}

int rt_forest_lay(rt_forest *forest, const rt_recipe *recipe, const rt_tree *trees, int32_t n_trees, rt_error *error) {
    if (n_trees < 1 || !trees) {
        return rt_fail(error, RT_ERR_INVALID, "forest: found %d trees, expected at least 1", n_trees);
    }
    const int kind = forest->program.collective.kind;
    loom l = {.forest = forest,
              .trees = trees,
              .n_trees = n_trees,
              .reduces = kind != RT_BROADCAST && kind != RT_ALL_GATHER,
              .broadcasts = kind != RT_REDUCE && kind != RT_REDUCE_SCATTER,
              .serial = recipe->algorithm == RT_ALGO_BINOMIAL};
    forest->pace = recipe->pace;
    forest->own_buffer = kind == RT_ALL_GATHER ? RT_INPUT : kind == RT_REDUCE_SCATTER ? RT_OUTPUT : RT_BUFFERS;
    int status = allocate(&l, error);
    status = status ? status : lay_all(&l, recipe->chunks, error);
    free(l.starts);
    free(l.below);
    free(l.by_root);
    rt_kin_free(&l.up);
    rt_kin_free(&l.down);
    return status;
}
