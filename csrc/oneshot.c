/* oneshot: an all-reduce in one message time: everyone sends its input to everyone.
 *
 *   lanes 0 .. n-2   send to rank + 1, + 2, ...
 *   lane n-1         contributions 0, 1, ... n-1 combined in this order, the rank's own among them; then copied out
 *
 * The order is the same on every rank, so the bits are. The sum is kept in scratch: in place, the output is the
 * input, which must stay as it is until it has been sent.
 */
#include <stdlib.h>

#include "build.h"

/* From src to dst: by distance, then by sender. */
static int32_t channel_of(int32_t src, int32_t dst, int32_t n) {
    return ((dst - src + n) % n - 1) * n + src;
}

static void channel(const rt_program *program, int32_t id, rt_channel *ends) {
    const int32_t n = program->collective.ranks;
    *ends = (rt_channel){.src = id % n, .dst = (id % n + id / n + 1) % n};
}

/* Contribution `from` goes into the sum; contribution 0 begins it. */
static int combine(const rt_collective *c, int32_t rank, int32_t from, rt_step *step) {
    if (from == rank) {
        rt_step_set(step, from == 0 ? RT_COPY : RT_REDUCE_LOCAL, -1, -1, c->count);
        rt_step_from(step, RT_INPUT, 0);
    } else {
        rt_step_set(step, from == 0 ? RT_RECV : RT_RECV_REDUCE, channel_of(from, rank, c->ranks), -1, c->count);
        rt_step_from(step, RT_SCRATCH, 0);
    }
    rt_step_to(step, RT_SCRATCH, 0);
    return 1;
}

static int next(const rt_program *program, int32_t rank, int32_t lane, int64_t index, rt_step *step) {
    const rt_collective *c = &program->collective;
    const int32_t n = c->ranks, sends = n - 1;
    if (lane == sends && index < n) {
        return combine(c, rank, (int32_t)index, step);
    }
    if (index != (lane == sends ? n : 0)) {
        return 0;
    }
    if (lane == sends) {
        rt_step_set(step, RT_COPY, -1, -1, c->count);
        step->deps[step->n_deps++] = (rt_dep){.lane = 0, .lanes = sends, .step = 0};
    } else {
        rt_step_set(step, RT_SEND, -1, channel_of(rank, (rank + lane + 1) % n, n), c->count);
    }
    rt_step_from(step, lane == sends ? RT_SCRATCH : RT_INPUT, 0);
    rt_step_to(step, RT_OUTPUT, 0);
    return 1;
}

static int32_t lanes(const rt_program *program, int32_t rank) {
    (void)rank;
    return program->collective.ranks;
}

static int64_t scratch(const rt_program *program, int32_t rank) {
    (void)rank;
    return program->collective.count;
}

static void destroy(rt_program *program) {
    rt_program_release(program);
    free(program);
}

static const rt_program_table TABLE = {next, channel, lanes, scratch, destroy};

int rt_build_one_shot(const rt_collective *collective, const rt_recipe *recipe, rt_program **program, rt_error *error) {
    const int64_t n = collective->ranks, channels = n * (n - 1);
    if (channels > INT32_MAX) {
        return rt_fail(error, RT_ERR_UNSUPPORTED, "one_shot: %d ranks are too many for a channel between any two",
                       collective->ranks);
    }
    rt_program *self = malloc(sizeof *self);
    if (!self) {
        return rt_fail(error, RT_ERR_NO_MEMORY, "one_shot: no memory");
    }
    int status = rt_program_init(self, &TABLE, collective, (int32_t)channels, recipe->depth, error);
    if (status) {
        free(self);
        return status;
    }
    *program = self;
    return RT_OK;
}
