/* pairs: one block goes from each rank to each, or between the root and each, straight.
 *
 *   all at once (one_shot, star)      lanes 0 .. n-2      send to rank + 1, + 2, ...
 *                                           n-1 .. 2n-3   receive from rank - 1, - 2, ...
 *                                           2n-2          copy the own block
 *   one after another (pairwise)      lane 0: copy, then send to rank + k, receive from rank - k, for k = 1, 2, ...
 *   with a root                       the root: a lane for each other rank, and one to copy; the others: one lane
 */
#include <stdbool.h>
#include <stdlib.h>

#include "build.h"

typedef struct pairs {
    rt_program program;
    bool one_by_one;
} pairs;

rt_block rt_pair_block(const rt_collective *c, int32_t src, int32_t dst) {
    rt_block block = {0, 0, 0};
    switch (c->kind) {
    case RT_ALL_REDUCE:
    case RT_BROADCAST:
    case RT_REDUCE:
        block.count = c->count;
        break;
    case RT_REDUCE_SCATTER:
    case RT_SCATTER:
        rt_collective_part(c, dst, &block.src_offset, &block.count);
        break;
    case RT_ALL_GATHER:
    case RT_GATHER:
        rt_collective_part(c, src, &block.dst_offset, &block.count);
        break;
    case RT_ALL_TO_ALL:
        if (c->counts) {
            int64_t sent = (int64_t)src * c->ranks + dst, received = (int64_t)dst * c->ranks + src;
            block = (rt_block){c->displs[sent], c->recv_displs[received], c->counts[sent]};
        } else {
            rt_part(c->count, c->ranks, dst, &block.src_offset, &block.count);
            block.dst_offset = src * block.count;
        }
        break;
    default:
        break;
    }
    return block;
}

static bool is_rooted(int kind) {
    return kind == RT_BROADCAST || kind == RT_GATHER || kind == RT_SCATTER;
}

/* Channel number of src to dst: by distance, then by sender; with a root, by distance from it. */
static int32_t channel_of(const rt_collective *c, int32_t src, int32_t dst) {
    const int32_t n = c->ranks;
    if (is_rooted(c->kind)) {
        int32_t other = src == c->root ? dst : src;
        return (other - c->root + n) % n - 1;
    }
    return ((dst - src + n) % n - 1) * n + src;
}

static void channel(const rt_program *program, int32_t id, rt_channel *ends) {
    const rt_collective *c = &program->collective;
    const int32_t n = c->ranks;
    if (is_rooted(c->kind)) {
        int32_t other = (c->root + 1 + id) % n;
        *ends = c->kind == RT_GATHER ? (rt_channel){.src = other, .dst = c->root}
                                     : (rt_channel){.src = c->root, .dst = other};
    } else {
        *ends = (rt_channel){.src = id % n, .dst = (id % n + id / n + 1) % n};
    }
}

static int move(const rt_collective *c, int opcode, int32_t src, int32_t dst, rt_step *step) {
    rt_block block = rt_pair_block(c, src, dst);
    const int32_t channel = opcode == RT_COPY ? -1 : channel_of(c, src, dst);
    rt_step_set(step, opcode, opcode == RT_RECV ? channel : -1, opcode == RT_SEND ? channel : -1, block.count);
    rt_step_from(step, RT_INPUT, block.src_offset);
    rt_step_to(step, RT_OUTPUT, block.dst_offset);
    return 1;
}

static int next_with_root(const rt_collective *c, int32_t rank, int32_t lane, rt_step *step) {
    bool root_sends = c->kind != RT_GATHER;
    if (rank != c->root) {
        return root_sends ? move(c, RT_RECV, c->root, rank, step) : move(c, RT_SEND, rank, c->root, step);
    }
    if (lane == c->ranks - 1) {
        return move(c, RT_COPY, rank, rank, step);
    }
    int32_t other = (rank + 1 + lane) % c->ranks;
    return root_sends ? move(c, RT_SEND, rank, other, step) : move(c, RT_RECV, other, rank, step);
}

static int next(const rt_program *program, int32_t rank, int32_t lane, int64_t index, rt_step *step) {
    const rt_collective *c = &program->collective;
    const int32_t n = c->ranks;
    const bool one_by_one = ((const pairs *)program)->one_by_one;
    if (index >= (one_by_one ? 2 * (int64_t)n - 1 : 1)) {
        return 0;
    }
    if (is_rooted(c->kind)) {
        return next_with_root(c, rank, lane, step);
    }
    if (one_by_one ? index == 0 : lane == 2 * n - 2) {
        return move(c, RT_COPY, rank, rank, step);
    }
    int32_t distance = one_by_one ? (int32_t)(index + 1) / 2 : lane % (n - 1) + 1;
    bool sends = one_by_one ? index % 2 == 1 : lane < n - 1;
    return sends ? move(c, RT_SEND, rank, (rank + distance) % n, step)
                 : move(c, RT_RECV, (rank - distance + n) % n, rank, step);
}

static int32_t lanes(const rt_program *program, int32_t rank) {
    const rt_collective *c = &program->collective;
    if (((const pairs *)program)->one_by_one) {
        return 1;
    }
    if (is_rooted(c->kind)) {
        return rank == c->root ? c->ranks : 1;
    }
    return 2 * c->ranks - 2 + (c->kind != RT_BARRIER);
}

static int64_t scratch(const rt_program *program, int32_t rank) {
    (void)program;
    (void)rank;
    return 0;
}

static void destroy(rt_program *program) {
    rt_program_release(program);
    free(program);
}

static const rt_program_table TABLE = {next, channel, lanes, scratch, destroy};

int rt_build_pairs(const rt_collective *collective, const rt_recipe *recipe, rt_program **program, rt_error *error) {
    const int64_t n = collective->ranks, channels = is_rooted(collective->kind) ? n - 1 : n * (n - 1);
    if (channels > INT32_MAX) {
        return rt_fail(error, RT_ERR_UNSUPPORTED, "build: %d ranks are too many for a channel between any two",
                       collective->ranks);
    }
    pairs *self = malloc(sizeof *self);
    if (!self) {
        return rt_fail(error, RT_ERR_NO_MEMORY, "build: no memory");
    }
    self->one_by_one = recipe->algorithm == RT_ALGO_PAIRWISE;
    int status = rt_program_init(&self->program, &TABLE, collective, (int32_t)channels, recipe->depth, error);
    if (status) {
        free(self);
        return status;
    }
    *program = &self->program;
    return RT_OK;
}
