/* build: which builder makes what. */
#include "build.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

static const char *const ALGORITHM_NAMES[RT_ALGORITHMS] = {
    [RT_ALGO_RING] = "ring",
    [RT_ALGO_TREE] = "tree",
    [RT_ALGO_BINARY_TREE] = "binary_tree",
    [RT_ALGO_BINOMIAL] = "binomial",
    [RT_ALGO_STAR] = "star",
    [RT_ALGO_ONE_SHOT] = "one_shot",
    [RT_ALGO_TWO_SHOT] = "two_shot",
    [RT_ALGO_RECURSIVE_DOUBLING] = "recursive_doubling",
    [RT_ALGO_RABENSEIFNER] = "rabenseifner",
    [RT_ALGO_PAIRWISE] = "pairwise",
    [RT_ALGO_TWO_LEVEL] = "two_level",
    [RT_ALGO_FOREST] = "forest",
    [RT_ALGO_BUCKET] = "bucket",
    [RT_ALGO_SWING] = "swing",
};

static const char *const KIND_NAMES[RT_KINDS] = {
    [RT_ALL_REDUCE] = "all_reduce", [RT_REDUCE_SCATTER] = "reduce_scatter",
    [RT_ALL_GATHER] = "all_gather", [RT_BROADCAST] = "broadcast",
    [RT_REDUCE] = "reduce",         [RT_GATHER] = "gather",
    [RT_SCATTER] = "scatter",       [RT_ALL_TO_ALL] = "all_to_all",
    [RT_BARRIER] = "barrier",
};

/* Sets of collectives, as bits. */
enum {
    AR = 1 << RT_ALL_REDUCE,
    RS = 1 << RT_REDUCE_SCATTER,
    AG = 1 << RT_ALL_GATHER,
    BROADCAST = 1 << RT_BROADCAST,
    REDUCE = 1 << RT_REDUCE,
    ROOTED_PARTS = 1 << RT_GATHER | 1 << RT_SCATTER,
    ALL_TO_ALL = 1 << RT_ALL_TO_ALL,
    BARRIER = 1 << RT_BARRIER,
    FOREST = AR | RS | AG | BROADCAST | REDUCE,
};

typedef int builder(const rt_collective *, const rt_recipe *, rt_program **, rt_error *);

static const struct {
    builder *build;
    int kinds;
    int pow2_kinds; /* only on a power of two of ranks */
} ALGORITHMS[RT_ALGORITHMS] = {
    [RT_ALGO_RING] = {rt_build_ring, FOREST, 0},
    [RT_ALGO_TREE] = {rt_build_forest, FOREST | BARRIER, 0},
    [RT_ALGO_BINARY_TREE] = {rt_build_forest, FOREST | BARRIER, 0},
    [RT_ALGO_BINOMIAL] = {rt_build_forest, FOREST | BARRIER | ROOTED_PARTS, 0},
    [RT_ALGO_STAR] = {rt_build_forest, FOREST | BARRIER | ROOTED_PARTS, 0},
    [RT_ALGO_ONE_SHOT] = {rt_build_pairs, AR | AG | BROADCAST | ROOTED_PARTS | ALL_TO_ALL | BARRIER, 0},
    [RT_ALGO_TWO_SHOT] = {rt_build_forest, AR | RS | AG, 0},
    [RT_ALGO_RECURSIVE_DOUBLING] = {rt_build_exchange, AR | BARRIER, AG},
    [RT_ALGO_RABENSEIFNER] = {rt_build_exchange, AR, RS | AG},
    [RT_ALGO_PAIRWISE] = {rt_build_pairs, ALL_TO_ALL, 0},
    [RT_ALGO_TWO_LEVEL] = {rt_build_forest, FOREST | BARRIER, 0},
    [RT_ALGO_FOREST] = {rt_build_forest, FOREST, 0},
    [RT_ALGO_BUCKET] = {rt_build_bucket, AR | RS | AG, 0},
    [RT_ALGO_SWING] = {rt_build_swing, 0, AR},
};

static builder *builder_for(int algorithm, int kind) {
    bool rooted_parts = kind == RT_GATHER || kind == RT_SCATTER;
    if (algorithm == RT_ALGO_BINOMIAL && rooted_parts) {
        return rt_build_gather;
    }
    if (algorithm == RT_ALGO_STAR && rooted_parts) {
        return rt_build_pairs;
    }
    if (algorithm == RT_ALGO_ONE_SHOT && kind == RT_ALL_REDUCE) {
        return rt_build_one_shot;
    }
    return ALGORITHMS[algorithm].build;
}

int rt_build_supports(int algorithm, int kind, int32_t ranks) {
    if (algorithm < 0 || algorithm >= RT_ALGORITHMS || kind < 0 || kind >= RT_KINDS || ranks < 1) {
        return 0;
    }
    bool pow2 = (ranks & (ranks - 1)) == 0;
    int kinds = ALGORITHMS[algorithm].kinds | (pow2 ? ALGORITHMS[algorithm].pow2_kinds : 0);
    return kinds >> kind & 1;
}

int rt_check_orders(const int32_t *orders, int32_t many, int32_t n, rt_error *error) {
    int32_t *seen = calloc((size_t)n, sizeof *seen); /* by rank: the last order that it was in, plus 1 */
    if (!seen) {
        return rt_fail(error, RT_ERR_NO_MEMORY, "build: no memory for %d ranks", n);
    }
    int status = RT_OK;
    for (int64_t i = 0; i < (int64_t)many * n && status == RT_OK; i++) {
        int32_t rank = orders[i], number = (int32_t)(i / n);
        if (rank < 0 || rank >= n || seen[rank] > number) {
            status = rt_fail(error, RT_ERR_INVALID,
                             "build: order %d: found rank %d at place %d, expected each of %d ranks once", number, rank,
                             (int32_t)(i % n), n);
        } else {
            seen[rank] = number + 1;
        }
    }
    free(seen);
    return status;
}

static int check_recipe(const rt_collective *c, const rt_recipe *recipe, rt_error *error) {
    int algorithm = recipe->algorithm;
    if (algorithm < 0 || algorithm >= RT_ALGORITHMS) {
        return rt_fail(error, RT_ERR_UNSUPPORTED, "build: no algorithm has the number %d", algorithm);
    }
    if (recipe->chunks < 1 || recipe->pace < 0 || recipe->depth < 1 || recipe->depth > RT_MAX_DEPTH) {
        return rt_fail(error, RT_ERR_INVALID,
                       "build: found chunks %d, pace %d, depth %d, expected at least 1, at least 0, 1 to %d",
                       recipe->chunks, recipe->pace, recipe->depth, RT_MAX_DEPTH);
    }
    if (rt_build_supports(algorithm, c->kind, c->ranks)) {
        return RT_OK;
    }
    bool other_ranks = ALGORITHMS[algorithm].pow2_kinds >> c->kind & 1;
    return rt_fail(error, RT_ERR_UNSUPPORTED, "build: %s cannot do %s on %d ranks: %s", ALGORITHM_NAMES[algorithm],
                   KIND_NAMES[c->kind], c->ranks,
                   other_ranks ? "they must be a power of two" : "it is not made for this collective");
}

static int build_alone(const rt_collective *c, const rt_recipe *recipe, rt_program **program, rt_error *error) {
    int status = rt_stored_new(c, recipe->depth, 0, NULL, NULL, program, error);
    if (status || c->kind == RT_BARRIER) {
        return status;
    }
    rt_block all = rt_pair_block(&(*program)->collective, 0, 0);
    rt_step copy = {.opcode = RT_COPY,
                    .src_buffer = RT_INPUT,
                    .dst_buffer = RT_OUTPUT,
                    .recv_channel = -1,
                    .send_channel = -1,
                    .src_offset = all.src_offset,
                    .dst_offset = all.dst_offset,
                    .count = all.count};
    status = rt_stored_add(*program, 0, 0, &copy, error);
    if (status) {
        rt_program_free(*program);
    }
    return status;
}

int rt_build(const rt_collective *collective, const rt_recipe *recipe, rt_program **program, rt_error *error) {
    int status = rt_collective_check(collective, error);
    status = status ? status : check_recipe(collective, recipe, error);
    if (status) {
        return status;
    }
    builder *build = collective->ranks == 1 ? build_alone : builder_for(recipe->algorithm, collective->kind);
    return build(collective, recipe, program, error);
}
