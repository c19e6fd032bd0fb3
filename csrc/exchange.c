/* exchange: ranks swap with partners at distances 1, 2, 4, ..., one lane per rank.
 *
 *   core = the largest power of two of ranks; rank e >= core gives its input to e - core first and gets the result
 *
 *   recursive doubling   all_reduce    swap all that is summed up with rank xor 1, 2, 4, ...
 *                        all_gather    swap all that is gathered
 *   rabenseifner         all_reduce    halving, from the farthest partner inwards, then doubling back
 *   halving              reduce_scatter: keep the half that holds the own part, send the other, combine
 *   dissemination        barrier       empty messages to rank + 1, + 2, + 4, ...
 *
 * A swap is a send, then a receive: both partners' messages cross, and a send waits for nothing, its channel having
 * been emptied. Partners add the same two sums, in either order, so all ranks get the same bits.
 *
 * Parts that do not touch (displacements) travel as one message per run of parts that do.
 */
#include <stdbool.h>
#include <stdlib.h>

#include "build.h"

typedef struct exchange {
    rt_program *program;
    const rt_collective *c;
    int32_t core;
    int32_t rank; /* whose lane is being written */
    int sum;      /* where the rank's sum so far is: at first its input */
    rt_error *error;
    int status;
} exchange;

typedef struct place {
    int buffer;
    int64_t shift; /* of the buffer against the one that holds all parts */
} place;

static int32_t largest_core(int32_t ranks) {
    int32_t core = 1;
    while (core <= ranks / 2) {
        core *= 2;
    }
    return core;
}

/* Part i of what is swapped: of the core's equal split, or of the collective's parts. */
static rt_share part(const exchange *x, int32_t i) {
    rt_share share = {0, x->c->count};
    if (x->c->kind == RT_ALL_REDUCE) {
        return rt_piece(share, x->core, i);
    }
    rt_collective_part(x->c, i, &share.offset, &share.length);
    return share;
}

/* The parts from *i on that lie beside each other, before `end`; *i moves behind them. */
static rt_share next_run(const exchange *x, int32_t *i, int32_t end) {
    rt_share run = part(x, (*i)++);
    for (; *i < end; (*i)++) {
        rt_share more = part(x, *i);
        if (run.length && more.length && more.offset != run.offset + run.length) {
            break;
        }
        run.offset = run.length ? run.offset : more.offset;
        run.length += more.length;
    }
    return run;
}

static void add(exchange *x, rt_step step) {
    if (x->status == RT_OK) {
        x->status = rt_stored_add(x->program, x->rank, 0, &step, x->error);
    }
}

static void send(exchange *x, int32_t channel, int buffer, rt_share range) {
    add(x, (rt_step){.opcode = RT_SEND,
                     .src_buffer = (uint8_t)buffer,
                     .recv_channel = -1,
                     .send_channel = channel,
                     .src_offset = range.offset,
                     .count = range.length});
}

static void receive(exchange *x, int32_t channel, int opcode, int buffer, place to, rt_share range) {
    add(x, (rt_step){.opcode = (uint8_t)opcode,
                     .src_buffer = (uint8_t)buffer,
                     .dst_buffer = (uint8_t)to.buffer,
                     .recv_channel = channel,
                     .send_channel = -1,
                     .src_offset = range.offset,
                     .dst_offset = range.offset - to.shift,
                     .count = range.length});
}

/* Send parts [give, give + many) of the sum, receive parts [take, take + many), run by run. */
static void swap(exchange *x, int32_t round, int32_t give, int32_t take, int32_t many, int opcode, place to) {
    const int32_t give_end = give + many, take_end = take + many;
    while (give < give_end || take < take_end) {
        if (give < give_end) {
            send(x, round * x->core + x->rank, x->sum, next_run(x, &give, give_end));
        }
        if (take < take_end) {
            int32_t partner = x->rank ^ (int32_t)(1U << round);
            receive(x, round * x->core + partner, opcode, x->sum, to, next_run(x, &take, take_end));
        }
    }
}

static int32_t rounds_of(int32_t ranks) {
    int32_t rounds = 0;
    while ((INT64_C(1) << rounds) < ranks) {
        rounds++;
    }
    return rounds;
}

static void doubling_sums(exchange *x) {
    for (int32_t round = 0; round < rounds_of(x->core); round++) {
        swap(x, round, 0, 0, x->core, RT_RECV_REDUCE, (place){RT_OUTPUT, 0});
        x->sum = RT_OUTPUT;
    }
}

static void halving_sums(exchange *x) {
    const bool all = x->c->kind == RT_ALL_REDUCE;
    for (int32_t round = rounds_of(x->core) - 1; round >= 0; round--) {
        const int32_t many = (int32_t)(1U << round), keep = x->rank & -many, give = keep ^ many;
        place to = {all ? RT_OUTPUT : RT_SCRATCH, 0};
        if (!all && round == 0) {
            to = (place){RT_OUTPUT, part(x, x->rank).offset};
        }
        swap(x, round, give, keep, many, RT_RECV_REDUCE, to);
        x->sum = to.buffer;
    }
}

static void doubling_parts(exchange *x) {
    for (int32_t round = 0; round < rounds_of(x->core); round++) {
        const int32_t many = (int32_t)(1U << round), have = x->rank & -many;
        swap(x, round, have, have ^ many, many, RT_RECV, (place){RT_OUTPUT, 0});
    }
}

static void gather_all(exchange *x) {
    rt_block own = rt_pair_block(x->c, x->rank, x->rank);
    add(x, (rt_step){.opcode = RT_COPY,
                     .src_buffer = RT_INPUT,
                     .dst_buffer = RT_OUTPUT,
                     .recv_channel = -1,
                     .send_channel = -1,
                     .src_offset = own.src_offset,
                     .dst_offset = own.dst_offset,
                     .count = own.count});
    x->sum = RT_OUTPUT;
    doubling_parts(x);
}

static void all_reduce(exchange *x, bool halves) {
    const int32_t n = x->c->ranks, fold = rounds_of(x->core) * x->core, unfold = fold + n - x->core;
    const rt_share all = {0, x->c->count};
    const place output = {RT_OUTPUT, 0};
    if (x->rank >= x->core) {
        send(x, fold + x->rank - x->core, RT_INPUT, all);
        receive(x, unfold + x->rank - x->core, RT_RECV, RT_OUTPUT, output, all);
        return;
    }
    const bool has_extra = x->rank < n - x->core;
    if (has_extra) {
        receive(x, fold + x->rank, RT_RECV_REDUCE, x->sum, output, all);
        x->sum = RT_OUTPUT;
    }
    if (halves) {
        halving_sums(x);
        doubling_parts(x);
    } else {
        doubling_sums(x);
    }
    if (has_extra) {
        send(x, unfold + x->rank, RT_OUTPUT, all);
    }
}

static void barrier(exchange *x) {
    const int32_t n = x->c->ranks;
    const rt_share nothing = {0, 0};
    for (int32_t round = 0; round < rounds_of(n); round++) {
        int32_t from = (int32_t)((x->rank - (INT64_C(1) << round) + n) % n);
        send(x, round * n + x->rank, RT_INPUT, nothing);
        receive(x, round * n + from, RT_RECV, RT_INPUT, (place){RT_OUTPUT, 0}, nothing);
    }
}

/* By round, then by sender; behind these the extra ranks' inputs, then their results. Returns how many. */
static int64_t channels_of(const rt_collective *c, int32_t core, rt_channel *ends) {
    const bool disseminates = c->kind == RT_BARRIER;
    const int32_t n = c->ranks, ranks = disseminates ? n : core, extra = disseminates ? 0 : n - core;
    int64_t many = 0;
    for (int32_t round = 0; round < rounds_of(ranks); round++) {
        const int64_t distance = INT64_C(1) << round;
        for (int32_t r = 0; r < ranks; r++) {
            int64_t partner = disseminates ? (r + distance) % n : r ^ distance;
            ends[many++] = (rt_channel){.src = r, .dst = (int32_t)partner};
        }
    }
    for (int32_t i = 0; i < 2 * extra; i++) {
        int32_t e = core + i % extra;
        ends[many++] = i < extra ? (rt_channel){.src = e, .dst = e - core} : (rt_channel){.src = e - core, .dst = e};
    }
    return many;
}

static int new_program(const rt_collective *c, int32_t core, int32_t depth, rt_program **program, rt_error *error) {
    const size_t n = (size_t)c->ranks;
    rt_channel *ends = malloc(n * ((size_t)rounds_of(c->ranks) + 2) * sizeof *ends);
    int64_t *scratch = calloc(n, sizeof *scratch);
    int status = RT_ERR_NO_MEMORY;
    if (ends && scratch) {
        for (int32_t r = 0; c->kind == RT_REDUCE_SCATTER && r < c->ranks; r++) {
            scratch[r] = rt_collective_extent(c, r, RT_INPUT);
        }
        status = rt_stored_new(c, depth, (int32_t)channels_of(c, core, ends), ends, scratch, program, error);
    } else {
        rt_fail(error, status, "exchange: no memory for %d ranks", c->ranks);
    }
    free(ends);
    free(scratch);
    return status;
}

int rt_build_exchange(const rt_collective *collective, const rt_recipe *recipe, rt_program **program, rt_error *error) {
    const int32_t core = largest_core(collective->ranks);
    int status = new_program(collective, core, recipe->depth, program, error);
    if (status) {
        return status;
    }
    exchange x = {.program = *program, .c = rt_program_collective(*program), .core = core, .error = error};
    for (; x.rank < collective->ranks; x.rank++) {
        x.sum = RT_INPUT;
        if (collective->kind == RT_BARRIER) {
            barrier(&x);
        } else if (collective->kind == RT_ALL_GATHER) {
            gather_all(&x);
        } else if (collective->kind == RT_REDUCE_SCATTER) {
            halving_sums(&x);
        } else {
            all_reduce(&x, recipe->algorithm == RT_ALGO_RABENSEIFNER);
        }
    }
    if (x.status) {
        rt_program_free(*program);
    }
    return x.status;
}
