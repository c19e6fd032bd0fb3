/* stored: programs kept as arrays of steps. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"

typedef struct stored_lane {
    rt_step *steps;
    int64_t length, capacity;
} stored_lane;

typedef struct stored_rank {
    stored_lane *lanes;
    int32_t length, capacity;
    int64_t scratch;
} stored_rank;

typedef struct stored {
    rt_program program;
    rt_channel *ends;
    stored_rank *ranks;
} stored;

enum { MOST_LANES = 1 << 20 }; /* so that a wild lane number is an error and not a huge array */

static int next(const rt_program *program, int32_t rank, int32_t lane, int64_t index, rt_step *step) {
    const stored_rank *its = &((const stored *)program)->ranks[rank];
    if (lane >= its->length || index >= its->lanes[lane].length) {
        return 0;
    }
    *step = its->lanes[lane].steps[index];
    return 1;
}

static void channel(const rt_program *program, int32_t id, rt_channel *ends) {
    *ends = ((const stored *)program)->ends[id];
}

static int32_t lanes(const rt_program *program, int32_t rank) {
    return ((const stored *)program)->ranks[rank].length;
}

static int64_t scratch(const rt_program *program, int32_t rank) {
    return ((const stored *)program)->ranks[rank].scratch;
}

static void destroy(rt_program *program) {
    stored *self = (stored *)program;
    for (int32_t r = 0; self->ranks && r < program->collective.ranks; r++) {
        for (int32_t l = 0; l < self->ranks[r].length; l++) {
            free(self->ranks[r].lanes[l].steps);
        }
        free(self->ranks[r].lanes);
    }
    free(self->ranks);
    free(self->ends);
    rt_program_release(program);
    free(self);
}

static const rt_program_table TABLE = {next, channel, lanes, scratch, destroy};

static int check_shape(const rt_collective *c, int32_t channels, const rt_channel *ends, const int64_t *scratch_by_rank,
                       rt_error *error) {
    for (int32_t i = 0; i < channels; i++) {
        if (ends[i].src < 0 || ends[i].src >= c->ranks || ends[i].dst < 0 || ends[i].dst >= c->ranks ||
            ends[i].src == ends[i].dst || ends[i].detour < 0 || ends[i].detour > 1) {
            return rt_fail(error, RT_ERR_INVALID, "program: channel %d: found %d to %d, expected two of the %d ranks",
                           i, ends[i].src, ends[i].dst, c->ranks);
        }
    }
    for (int32_t r = 0; scratch_by_rank && r < c->ranks; r++) {
        if (scratch_by_rank[r] < 0) {
            return rt_fail(error, RT_ERR_INVALID,
                           "program: rank %d: found %" PRId64 " elements of scratch, expected at least 0", r,
                           scratch_by_rank[r]);
        }
    }
    return RT_OK;
}

int rt_stored_new(const rt_collective *collective, int32_t depth, int32_t channels, const rt_channel *ends,
                  const int64_t *scratch_by_rank, rt_program **program, rt_error *error) {
    stored *self = calloc(1, sizeof *self);
    if (!self) {
        return rt_fail(error, RT_ERR_NO_MEMORY, "program: no memory");
    }
    int status = rt_program_init(&self->program, &TABLE, collective, channels, depth, error);
    if (status) {
        free(self);
        return status;
    }
    self->ends = malloc(((size_t)channels + 1) * sizeof *self->ends);
    self->ranks = calloc((size_t)collective->ranks, sizeof *self->ranks);
    status = self->ends && self->ranks ? check_shape(collective, channels, ends, scratch_by_rank, error)
                                       : rt_fail(error, RT_ERR_NO_MEMORY, "program: no memory");
    if (status) {
        destroy(&self->program);
        return status;
    }
    for (int32_t i = 0; i < channels; i++) {
        self->ends[i] = ends[i];
    }
    for (int32_t r = 0; scratch_by_rank && r < collective->ranks; r++) {
        self->ranks[r].scratch = scratch_by_rank[r];
    }
    *program = &self->program;
    return RT_OK;
}

static const char *complaint(const stored *self, int32_t rank, int32_t lane, const rt_step *step) {
    bool receives = step->opcode == RT_RECV || (step->opcode >= RT_RECV_SEND && step->opcode < RT_MULTICAST);
    bool sends = step->opcode == RT_SEND || step->opcode == RT_RECV_SEND || step->opcode == RT_RECV_REDUCE_SEND ||
                 step->opcode == RT_RECV_REDUCE_STORE_SEND;
    if (rank < 0 || rank >= self->program.collective.ranks || lane < 0 || lane >= MOST_LANES) {
        return "no such rank or lane";
    }
    if (step->opcode >= RT_MULTICAST) {
        return "opcode unknown or reserved";
    }
    if (receives && (step->recv_channel < 0 || step->recv_channel >= self->program.channels ||
                     self->ends[step->recv_channel].dst != rank)) {
        return "receives on a channel that does not end here";
    }
    if (sends && (step->send_channel < 0 || step->send_channel >= self->program.channels ||
                  self->ends[step->send_channel].src != rank)) {
        return "sends on a channel that does not begin here";
    }
    if (step->src_buffer >= RT_BUFFERS || step->dst_buffer >= RT_BUFFERS || step->count < 0 || step->src_offset < 0 ||
        step->dst_offset < 0) {
        return "not a range of a buffer";
    }
    if (step->n_deps > RT_MAX_DEPS) {
        return "too many dependencies";
    }
    return NULL;
}

/* Room for one more in an array that doubles. */
static void *grown(void *array, int64_t *capacity, size_t size) {
    int64_t more = *capacity ? *capacity * 2 : 4;
    void *moved = realloc(array, (size_t)more * size);
    if (moved) {
        *capacity = more;
    }
    return moved;
}

static bool has_lane(stored_rank *its, int32_t lane) {
    if (lane >= its->capacity) {
        int64_t capacity = lane;
        stored_lane *moved = grown(its->lanes, &capacity, sizeof *moved);
        if (!moved) {
            return false;
        }
        its->lanes = moved;
        its->capacity = (int32_t)capacity;
    }
    while (its->length <= lane) {
        its->lanes[its->length++] = (stored_lane){0};
    }
    return true;
}

int rt_stored_add(rt_program *program, int32_t rank, int32_t lane, const rt_step *step, rt_error *error) {
    if (program->table != &TABLE) {
        return rt_fail(error, RT_ERR_INVALID, "program: generated, no step can be added");
    }
    stored *self = (stored *)program;
    const char *wrong = complaint(self, rank, lane, step);
    if (wrong) {
        return rt_fail(error, RT_ERR_INVALID, "program: rank %d, lane %d, opcode %d: %s", rank, lane, step->opcode,
                       wrong);
    }
    stored_rank *its = &self->ranks[rank];
    if (!has_lane(its, lane)) {
        return rt_fail(error, RT_ERR_NO_MEMORY, "program: no memory for lane %d of rank %d", lane, rank);
    }
    stored_lane *to = &its->lanes[lane];
    if (to->length == to->capacity) {
        rt_step *moved = grown(to->steps, &to->capacity, sizeof *moved);
        if (!moved) {
            return rt_fail(error, RT_ERR_NO_MEMORY, "program: no memory for step %" PRId64 " of rank %d, lane %d",
                           to->length, rank, lane);
        }
        to->steps = moved;
    }
    to->steps[to->length++] = *step;
    return RT_OK;
}
