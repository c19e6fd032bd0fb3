/* inspect: each step by itself, before any of them runs. */
#include <inttypes.h>
#include <stdlib.h>

#include "proof.h"

static int compare_bounds(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void tidy(rt_bounds *bounds) {
    int64_t kept = 0;
    qsort(bounds->items, (size_t)bounds->n, sizeof *bounds->items, compare_bounds);
    for (int64_t i = 0; i < bounds->n; i++) {
        if (kept == 0 || bounds->items[i] != bounds->items[kept - 1]) {
            bounds->items[kept++] = bounds->items[i];
        }
    }
    bounds->n = kept;
}

/* Programs come back to the same bounds again and again: make room by dropping repetitions first. */
static bool add_bound(rt_bounds *bounds, int64_t offset) {
    if (bounds->n == bounds->capacity) {
        if (bounds->n) {
            tidy(bounds);
        }
        if (2 * bounds->n >= bounds->capacity) {
            int64_t larger = bounds->capacity ? 2 * bounds->capacity : 16;
            int64_t *moved = realloc(bounds->items, (size_t)larger * sizeof *moved);
            if (!moved) {
                return false;
            }
            bounds->items = moved;
            bounds->capacity = larger;
        }
    }
    bounds->items[bounds->n++] = offset;
    return true;
}

static bool add_range(rt_proof *proof, int32_t rank, int buffer, int64_t offset, int64_t length) {
    const rt_place *place = rt_proof_place(proof, rank, buffer);
    rt_bounds *bounds = &proof->bounds[(int64_t)rank * RT_BUFFERS + place->memory];
    return (add_bound(bounds, place->shift + offset) && add_bound(bounds, place->shift + offset + length)) ||
           rt_proof_no_memory(proof);
}

static bool inside(const rt_proof *proof, int32_t rank, int buffer, int64_t offset, int64_t count) {
    int64_t extent = buffer < RT_BUFFERS ? rt_proof_extent(proof, rank, buffer) : -1;
    return offset >= 0 && count <= extent && offset <= extent - count;
}

static bool check_range(rt_proof *proof, const rt_proof_lane *lane, const char *does, int buffer, int64_t offset) {
    const int64_t count = lane->now.count;
    if (count == 0) {
        return true;
    }
    if (!inside(proof, lane->rank, buffer, offset, count)) {
        return rt_proof_fail(proof, lane->rank, lane->lane, lane->step, RT_ERR_INVALID,
                             "%s elements %" PRId64 " to %" PRId64 " of the %s, which has %" PRId64, does, offset,
                             offset + (count - 1), rt_buffer_name(buffer),
                             buffer < RT_BUFFERS ? rt_proof_extent(proof, lane->rank, buffer) : 0);
    }
    return add_range(proof, lane->rank, buffer, offset, count);
}

static bool check_ranges(rt_proof *proof, const rt_proof_lane *lane) {
    const rt_step *step = &lane->now;
    bool reads = rt_opcode_in(RT_OPS_READ_SRC, step->opcode), writes = rt_opcode_in(RT_OPS_WRITE_DST, step->opcode);
    if ((reads && !check_range(proof, lane, "reads", step->src_buffer, step->src_offset)) ||
        (writes && !check_range(proof, lane, "writes", step->dst_buffer, step->dst_offset))) {
        return false;
    }
    if (writes && step->count > 0 && step->dst_buffer == RT_INPUT && !proof->in_place) {
        return rt_proof_fail(proof, lane->rank, lane->lane, lane->step, RT_ERR_INVALID,
                             "writes to the input, which is the caller's");
    }
    if (reads && writes && step->count > 0 && rt_opcode_in(RT_OPS_COMBINE, step->opcode)) {
        const rt_place *src = rt_proof_place(proof, lane->rank, step->src_buffer);
        const rt_place *dst = rt_proof_place(proof, lane->rank, step->dst_buffer);
        int64_t apart = src->shift + step->src_offset - dst->shift - step->dst_offset;
        if (src->memory == dst->memory && apart != 0 && apart < step->count && -apart < step->count) {
            return rt_proof_fail(proof, lane->rank, lane->lane, lane->step, RT_ERR_INVALID,
                                 "combines into memory that overlaps its source");
        }
    }
    return true;
}

static bool ends_here(const rt_proof *proof, int32_t channel, int32_t rank, bool receives) {
    if (channel < 0 || channel >= proof->program->channels) {
        return false;
    }
    const rt_channel *ranks = &proof->channels[channel].ranks;
    return rank == (receives ? ranks->dst : ranks->src);
}

static const char *complaint(const rt_proof *proof, const rt_proof_lane *lane) {
    const rt_step *step = &lane->now;
    const int32_t lanes = rt_proof_lanes(proof, lane->rank);
    const int kind = proof->collective->kind;
    if (step->opcode >= RT_MULTICAST) {
        return "has an opcode that is reserved or unknown";
    }
    if (step->count < 0) {
        return "has a negative count";
    }
    if (rt_opcode_in(RT_OPS_RECEIVE, step->opcode) && !ends_here(proof, step->recv_channel, lane->rank, true)) {
        return "receives on a channel that does not end here";
    }
    if (rt_opcode_in(RT_OPS_SEND, step->opcode) && !ends_here(proof, step->send_channel, lane->rank, false)) {
        return "sends on a channel that does not begin here";
    }
    if (rt_opcode_in(RT_OPS_COMBINE, step->opcode) && step->count > 0 && kind != RT_ALL_REDUCE &&
        kind != RT_REDUCE_SCATTER && kind != RT_REDUCE) {
        return "combines, but the collective does not reduce";
    }
    if (step->n_deps > RT_MAX_DEPS) {
        return "has too many dependencies";
    }
    for (int d = 0; d < step->n_deps; d++) {
        const rt_dep *dep = &step->deps[d];
        if (dep->lane < 0 || dep->lanes < 1 || dep->lane > lanes - dep->lanes || dep->step < 0) {
            return "depends on a lane or step that its rank does not have";
        }
    }
    return NULL;
}

static bool add_target(rt_proof *proof, int32_t lane, int64_t step) {
    if (proof->n_targets == proof->targets_capacity) {
        int64_t larger = proof->targets_capacity ? 2 * proof->targets_capacity : 256;
        rt_target *moved = realloc(proof->targets, (size_t)larger * sizeof *moved);
        if (!moved) {
            return rt_proof_no_memory(proof);
        }
        proof->targets = moved;
        proof->targets_capacity = larger;
    }
    proof->targets[proof->n_targets++] = (rt_target){lane, 1, RT_NO_SNAPSHOT, step};
    return true;
}

/* The steps of other lanes that a step depends on; of its own lane there is nothing to remember. */
static bool add_targets(rt_proof *proof, const rt_proof_lane *lane) {
    for (int d = 0; d < lane->now.n_deps; d++) {
        const rt_dep *dep = &lane->now.deps[d];
        for (int32_t i = dep->lane; i < dep->lane + dep->lanes; i++) {
            if (i != lane->lane && !add_target(proof, proof->first_lane[lane->rank] + i, dep->step)) {
                return false;
            }
        }
    }
    return true;
}

static int compare_targets(const void *a, const void *b) {
    const rt_target *x = a, *y = b;
    if (x->lane != y->lane) {
        return x->lane < y->lane ? -1 : 1;
    }
    return (x->step > y->step) - (x->step < y->step);
}

static void sort_targets(rt_proof *proof) {
    int64_t kept = 0;
    if (proof->n_targets > 0) {
        qsort(proof->targets, (size_t)proof->n_targets, sizeof *proof->targets, compare_targets);
    }
    for (int64_t i = 0; i < proof->n_targets; i++) {
        if (kept > 0 && compare_targets(&proof->targets[i], &proof->targets[kept - 1]) == 0) {
            proof->targets[kept - 1].references++;
        } else {
            proof->targets[kept++] = proof->targets[i];
        }
    }
    proof->n_targets = kept;
    for (int64_t lane = 0, i = 0; lane < proof->n_lanes; lane++) {
        proof->lanes[lane].target = i;
        while (i < kept && proof->targets[i].lane == lane) {
            i++;
        }
    }
}

static bool inspect_lane(rt_proof *proof, rt_proof_lane *lane) {
    for (lane->step = 0; rt_program_next(proof->program, lane->rank, lane->lane, lane->step, &lane->now);
         lane->step++) {
        if (lane->step == INT32_MAX) {
            return rt_proof_fail(proof, lane->rank, lane->lane, lane->step, RT_ERR_OVERFLOW, "is one step too many");
        }
        const char *wrong = complaint(proof, lane);
        if (wrong) {
            return rt_proof_fail(proof, lane->rank, lane->lane, lane->step, RT_ERR_INVALID, "%s", wrong);
        }
        if (!check_ranges(proof, lane) || !add_targets(proof, lane)) {
            return false;
        }
    }
    proof->verdict->steps += lane->step;
    lane->step = 0;
    return true;
}

static bool make_memory(rt_proof *proof, int32_t rank, int32_t memory) {
    int64_t index = (int64_t)rank * RT_BUFFERS + memory, extent = 0;
    for (int buffer = 0; buffer < RT_BUFFERS; buffer++) {
        const rt_place *place = rt_proof_place(proof, rank, buffer);
        int64_t end = place->shift + rt_proof_extent(proof, rank, buffer);
        extent = place->memory == memory && end > extent ? end : extent;
    }
    rt_bounds *bounds = &proof->bounds[index];
    if (!add_bound(bounds, 0) || !add_bound(bounds, extent)) {
        return rt_proof_no_memory(proof);
    }
    tidy(bounds);
    bool made = rt_memory_init(&proof->memories[index], bounds->items, bounds->n);
    free(bounds->items);
    *bounds = (rt_bounds){0};
    return made || rt_proof_no_memory(proof);
}

bool rt_proof_inspect(rt_proof *proof) {
    for (int32_t i = 0; i < proof->n_lanes; i++) {
        if (!inspect_lane(proof, &proof->lanes[i])) {
            return false;
        }
    }
    sort_targets(proof);
    for (int32_t rank = 0; rank < proof->collective->ranks; rank++) {
        for (int32_t memory = 0; memory < RT_BUFFERS; memory++) {
            if (!make_memory(proof, rank, memory)) {
                return false;
            }
        }
        const rt_place *input = rt_proof_place(proof, rank, RT_INPUT);
        if (!rt_memory_fill(rt_proof_memory(proof, rank, RT_INPUT), &proof->readers, input->shift,
                            rt_proof_extent(proof, rank, RT_INPUT), rank + 1)) {
            return rt_proof_no_memory(proof);
        }
    }
    return true;
}
