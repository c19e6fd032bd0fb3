/* verify: lays a proof out, has its parts do the work, and clears up. */
#include "verify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "proof.h"

const char *rt_buffer_name(int buffer) {
    static const char *const names[RT_BUFFERS] = {"input", "output", "scratch"};
    return buffer < RT_BUFFERS ? names[buffer] : "unknown buffer";
}

bool rt_proof_fail(rt_proof *proof, int32_t rank, int32_t lane, int64_t step, int status, const char *format, ...) {
    char what[RT_ERROR_TEXT];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    proof->verdict->rank = rank;
    proof->verdict->lane = lane;
    proof->verdict->step = step;
    proof->status = lane < 0 ? rt_fail(proof->error, status, "verify: rank %d: %s", rank, what)
                             : rt_fail(proof->error, status, "verify: rank %d, lane %d, step %" PRId64 ": %s", rank,
                                       lane, step, what);
    return false;
}

bool rt_proof_no_memory(rt_proof *proof) {
    proof->status = rt_fail(proof->error, RT_ERR_NO_MEMORY, "verify: no memory");
    return false;
}

int64_t rt_proof_extent(const rt_proof *proof, int32_t rank, int buffer) {
    return buffer == RT_SCRATCH ? rt_program_scratch(proof->program, rank)
                                : rt_collective_extent(proof->collective, rank, buffer);
}

/* Which buffers are one memory in place, and how far into the other the smaller one begins. */
static void set_places(rt_proof *proof) {
    const rt_collective *c = proof->collective;
    for (int32_t rank = 0; rank < c->ranks; rank++) {
        rt_place *places = rt_proof_place(proof, rank, RT_INPUT);
        for (int32_t buffer = 0; buffer < RT_BUFFERS; buffer++) {
            places[buffer] = (rt_place){buffer, 0};
        }
        if (!proof->in_place || c->kind == RT_BARRIER) {
            continue;
        }
        int64_t offset = 0, length;
        bool rooted = c->kind == RT_GATHER || c->kind == RT_SCATTER;
        if (rooted && rank != c->root) {
            continue;
        }
        places[RT_OUTPUT].memory = RT_INPUT;
        if (rooted || c->kind == RT_ALL_GATHER || c->kind == RT_REDUCE_SCATTER) {
            rt_collective_part(c, rank, &offset, &length);
        }
        bool gathers = c->kind == RT_ALL_GATHER || c->kind == RT_GATHER;
        places[gathers ? RT_INPUT : RT_OUTPUT].shift = offset;
    }
}

static bool set_lanes(rt_proof *proof) {
    const int32_t ranks = proof->collective->ranks;
    int64_t lanes = 0;
    for (int32_t r = 0; r < ranks; r++) {
        proof->first_lane[r] = (int32_t)lanes;
        lanes += rt_program_lanes(proof->program, r);
        if (lanes > INT32_MAX) {
            proof->status = rt_fail(proof->error, RT_ERR_OVERFLOW, "verify: more than 2^31 lanes");
            return false;
        }
    }
    proof->first_lane[ranks] = proof->n_lanes = (int32_t)lanes;
    proof->lanes = calloc((size_t)lanes + 1, sizeof *proof->lanes);
    proof->queue = calloc((size_t)lanes + 1, sizeof *proof->queue);
    int32_t *column = calloc((size_t)lanes + 1, sizeof *column), columns = 0;
    if (!proof->lanes || !proof->queue || !column) {
        free(column);
        return rt_proof_no_memory(proof);
    }
    for (int32_t r = 0; r < ranks; r++) {
        bool several = rt_proof_lanes(proof, r) > 1 || proof->collective->kind == RT_BARRIER;
        for (int32_t id = proof->first_lane[r]; id < proof->first_lane[r + 1]; id++) {
            proof->lanes[id] = (rt_proof_lane){.rank = r, .lane = id - proof->first_lane[r], .first_waiter = -1};
            column[id] = several ? columns++ : -1;
        }
    }
    return rt_clocks_init(&proof->clocks, proof->n_lanes, column, columns) || rt_proof_no_memory(proof);
}

static bool set_channels(rt_proof *proof) {
    const int32_t channels = proof->program->channels;
    proof->channels = calloc((size_t)channels + 1, sizeof *proof->channels);
    proof->parcels = calloc((size_t)channels * (size_t)proof->depth + 1, sizeof *proof->parcels);
    if (!proof->channels || !proof->parcels) {
        return rt_proof_no_memory(proof);
    }
    for (int32_t i = 0; i < channels; i++) {
        rt_proof_channel *channel = &proof->channels[i];
        channel->send = channel->receive = (rt_end){.waiting = -1, .last = -1};
        rt_program_channel(proof->program, i, &channel->ranks);
        if (channel->ranks.src < 0 || channel->ranks.src >= proof->collective->ranks || channel->ranks.dst < 0 ||
            channel->ranks.dst >= proof->collective->ranks || channel->ranks.src == channel->ranks.dst) {
            proof->status = rt_fail(proof->error, RT_ERR_INVALID,
                                    "verify: channel %d: joins rank %d to rank %d, expected two of %d ranks", i,
                                    channel->ranks.src, channel->ranks.dst, proof->collective->ranks);
            return false;
        }
    }
    return true;
}

static bool set_up(rt_proof *proof) {
    size_t ranks = (size_t)proof->collective->ranks;
    proof->readers.unused = -1;
    proof->first_lane = calloc(ranks + 1, sizeof *proof->first_lane);
    proof->places = calloc(ranks * RT_BUFFERS, sizeof *proof->places);
    proof->memories = calloc(ranks * RT_BUFFERS, sizeof *proof->memories);
    proof->bounds = calloc(ranks * RT_BUFFERS, sizeof *proof->bounds);
    if (!proof->first_lane || !proof->places || !proof->memories || !proof->bounds ||
        !rt_sets_init(&proof->sets, proof->collective->ranks)) {
        return rt_proof_no_memory(proof);
    }
    set_places(proof);
    return set_lanes(proof) && set_channels(proof);
}

static void release(rt_proof *proof) {
    int64_t buffers = (int64_t)proof->collective->ranks * RT_BUFFERS;
    for (int64_t i = 0; i < buffers; i++) {
        if (proof->memories) {
            rt_memory_free(&proof->memories[i]);
        }
        if (proof->bounds) {
            free(proof->bounds[i].items);
        }
    }
    for (int64_t i = 0; proof->parcels && i < (int64_t)proof->program->channels * proof->depth; i++) {
        rt_spans_free(&proof->parcels[i].spans);
    }
    rt_spans_free(&proof->read);
    rt_spans_free(&proof->other);
    rt_spans_free(&proof->result);
    rt_sets_free(&proof->sets);
    rt_clocks_free(&proof->clocks);
    free(proof->readers.items);
    free(proof->targets);
    free(proof->parcels);
    free(proof->channels);
    free(proof->memories);
    free(proof->bounds);
    free(proof->places);
    free(proof->first_lane);
    free(proof->queue);
    free(proof->lanes);
}

int rt_verify(const rt_program *program, int32_t depth, int in_place, rt_verdict *verdict, rt_error *error) {
    *verdict = (rt_verdict){.rank = -1, .lane = -1, .step = -1};
    if (depth < 0) {
        return rt_fail(error, RT_ERR_INVALID, "verify: found FIFO depth %d, expected at least 0", depth);
    }
    rt_proof proof = {.program = program,
                      .collective = rt_program_collective(program),
                      .depth = depth ? depth : rt_program_depth(program),
                      .in_place = in_place,
                      .verdict = verdict,
                      .error = error};
    if (set_up(&proof) && rt_proof_inspect(&proof) && rt_proof_run(&proof)) {
        rt_proof_outcome(&proof);
    }
    release(&proof);
    return proof.status;
}
