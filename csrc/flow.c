/* flow: lanes, taken from step to step as far as times are known. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "opcode.h"
#include "simulation.h"

static bool stop(rt_simulation *sim, const rt_flow *flow, int status, const char *what) {
    sim->status = rt_fail(sim->error, status, "simulate: job %d, rank %d, lane %d, step %" PRId64 ": %s", flow->job,
                          flow->rank, flow->lane, flow->step, what);
    return false;
}

static double later(double a, double b) {
    return a > b ? a : b;
}

static int32_t lanes_of(const rt_simulation *sim, const rt_flow *flow) {
    const int32_t *first = &sim->first_flow[sim->first_rank[flow->job] + flow->rank];
    return first[1] - first[0];
}

static bool finish(rt_simulation *sim, rt_flow *flow) {
    double *finish_us = &sim->jobs[flow->job].finish_us[flow->rank];
    *finish_us = later(*finish_us, flow->now_us);
    flow->phase = RT_FINISHED;
    sim->unfinished--;
    return false;
}

static bool load(rt_simulation *sim, int32_t id, rt_flow *flow) {
    const rt_program *program = sim->jobs[flow->job].program;
    rt_step step;
    if (!rt_program_next(program, flow->rank, flow->lane, flow->step, &step)) {
        return finish(sim, flow);
    }
    const int64_t base = sim->first_pipe[flow->job];
    const uint32_t channels = (uint32_t)program->channels;
    const bool receives = rt_opcode_in(RT_OPS_RECEIVE, step.opcode), sends = rt_opcode_in(RT_OPS_SEND, step.opcode);
    if (step.opcode >= RT_MULTICAST || step.n_deps > RT_MAX_DEPS || step.count < 0 ||
        (receives && (uint32_t)step.recv_channel >= channels) || (sends && (uint32_t)step.send_channel >= channels)) {
        return stop(sim, flow, RT_ERR_INVALID, "found an opcode, count, channel or dependencies that cannot be");
    }
    flow->count = step.count;
    flow->receives = receives ? (int32_t)base + step.recv_channel : -1;
    flow->sends = sends ? (int32_t)base + step.send_channel : -1;
    flow->deps = step.n_deps;
    flow->phase = RT_RECEIVE;
    if (step.n_deps) {
        for (int d = 0; d < step.n_deps; d++) {
            sim->deps[id][d] = step.deps[d];
        }
        flow->dep = 0;
        flow->dep_lanes = 0;
        flow->phase = RT_DEPEND;
    }
    return true;
}

/* When a step that has ended did so. One that was overwritten ended before the last event, and so before now. */
static double ended_us(const rt_flow *flow, int64_t step) {
    bool kept = flow->ended_us && flow->step - step <= (int64_t)flow->ended_mask + 1;
    return kept ? flow->ended_us[step & flow->ended_mask] : 0;
}

static bool wait_for(rt_flow *other, rt_flow *flow, int32_t id, int64_t step) {
    flow->awaited = step;
    flow->next_waiter = other->first_waiter;
    other->first_waiter = id;
    return false;
}

static bool depend(rt_simulation *sim, int32_t id, rt_flow *flow) {
    int32_t lanes = lanes_of(sim, flow);
    for (; flow->dep < flow->deps; flow->dep++, flow->dep_lanes = 0) {
        const rt_dep *dep = &sim->deps[id][flow->dep];
        if (dep->lane < 0 || dep->lanes < 1 || dep->lane > lanes - dep->lanes || dep->step < 0) {
            return stop(sim, flow, RT_ERR_INVALID, "depends on a lane that its rank does not have");
        }
        for (; flow->dep_lanes < dep->lanes; flow->dep_lanes++) {
            rt_flow *other = &sim->flows[id - flow->lane + dep->lane + flow->dep_lanes];
            if (other->step <= dep->step) {
                return wait_for(other, flow, id, dep->step);
            }
            flow->now_us = later(flow->now_us, ended_us(other, dep->step));
        }
    }
    flow->phase = RT_RECEIVE;
    return true;
}

static bool wait_at(rt_simulation *sim, int32_t *end, int32_t id, const char *what) {
    if (*end >= 0 && *end != id) {
        return stop(sim, &sim->flows[id], RT_ERR_INVALID, what);
    }
    *end = id;
    return false;
}

static bool receive(rt_simulation *sim, int32_t id, rt_flow *flow) {
    rt_pipe *pipe = &sim->pipes[flow->receives];
    double arrives_us = pipe->slots_us[pipe->receive_at];
    if (pipe->taken == 0 || arrives_us < 0) {
        return wait_at(sim, &pipe->receiver, id, "two lanes receive on one channel at once");
    }
    flow->now_us = later(flow->now_us, arrives_us);
    return true;
}

/* True when the send has ended at once; otherwise traffic ends it. */
static bool post(rt_simulation *sim, int32_t id, rt_flow *flow) {
    rt_pipe *pipe = &sim->pipes[flow->sends];
    if (pipe->taken == pipe->depth) {
        return wait_at(sim, &pipe->sender, id, "two lanes send on one channel at once");
    }
    int32_t slot = pipe->send_at;
    flow->now_us = later(flow->now_us, pipe->slots_us[slot]);
    pipe->slots_us[slot] = -1;
    pipe->send_at = slot + 1 == pipe->depth ? 0 : slot + 1;
    pipe->taken++;
    flow->phase = RT_LEAVING;
    rt_traffic_start(sim, id, slot);
    return flow->phase == RT_END;
}

/* Keep every end that is still to come: somebody may ask for it. */
static bool remember(rt_simulation *sim, rt_flow *flow) {
    uint32_t mask = flow->ended_mask;
    if (flow->step > mask && flow->ended_us[flow->step & mask] > sim->now_us) {
        uint32_t larger = 2 * mask + 1;
        /* Zero for the steps that were overwritten: they ended before the last event. */
        double *moved = calloc((size_t)larger + 1, sizeof *moved);
        if (!moved) {
            return stop(sim, flow, RT_ERR_NO_MEMORY, "no memory for the ends of its steps");
        }
        for (int64_t step = flow->step - mask - 1; step < flow->step; step++) {
            moved[step & larger] = flow->ended_us[step & mask];
        }
        if (mask != RT_ENDS_KEPT - 1) {
            free(flow->ended_us);
        }
        flow->ended_us = moved;
        flow->ended_mask = mask = larger;
    }
    flow->ended_us[flow->step & mask] = flow->now_us;
    return true;
}

static void wake_waiters(rt_simulation *sim, rt_flow *flow) {
    for (int32_t *at = &flow->first_waiter; *at >= 0;) {
        rt_flow *waiter = &sim->flows[*at];
        if (waiter->awaited < flow->step) {
            sim->ready[sim->n_ready++] = *at;
            *at = waiter->next_waiter;
        } else {
            at = &waiter->next_waiter;
        }
    }
}

static bool end(rt_simulation *sim, rt_flow *flow) {
    if (flow->receives >= 0) {
        rt_pipe *pipe = &sim->pipes[flow->receives];
        pipe->slots_us[pipe->receive_at] = flow->now_us;
        pipe->receive_at = pipe->receive_at + 1 == pipe->depth ? 0 : pipe->receive_at + 1;
        pipe->taken--;
        rt_flow_wake(sim, &pipe->sender);
    }
    if (flow->ended_us && !remember(sim, flow)) {
        return false;
    }
    flow->step++;
    flow->phase = RT_LOAD;
    sim->stats.steps++;
    if (flow->first_waiter >= 0) {
        wake_waiters(sim, flow);
    }
    return true;
}

/* Each part leaves the phase of what comes next, or returns false where the lane has to wait. */
static void run(rt_simulation *sim, int32_t id) {
    rt_flow *flow = &sim->flows[id];
    while (sim->status == RT_OK) {
        if ((flow->phase == RT_END && !end(sim, flow)) || (flow->phase == RT_LOAD && !load(sim, id, flow)) ||
            (flow->phase == RT_DEPEND && !depend(sim, id, flow))) {
            return;
        }
        if (flow->phase == RT_RECEIVE) {
            if (flow->receives >= 0 && !receive(sim, id, flow)) {
                return;
            }
            flow->phase = RT_SENDING;
        }
        if (flow->sends >= 0 && !post(sim, id, flow)) {
            return;
        }
        flow->phase = RT_END;
    }
}

void rt_flow_run_ready(rt_simulation *sim) {
    while (sim->n_ready > 0 && sim->status == RT_OK) {
        run(sim, sim->ready[--sim->n_ready]);
    }
}

int rt_flow_stuck(const rt_simulation *sim, int32_t id, rt_error *error) {
    const rt_flow *flow = &sim->flows[id];
    const rt_program *program = sim->jobs[flow->job].program;
    char what[128];
    rt_channel ends = {.src = -1, .dst = -1};
    int32_t base = (int32_t)sim->first_pipe[flow->job];
    if (flow->phase == RT_DEPEND) {
        const rt_dep *dep = &sim->deps[id][flow->dep];
        snprintf(what, sizeof what, "step %" PRId64 " of lane %d", dep->step, dep->lane + flow->dep_lanes);
    } else if (flow->phase == RT_RECEIVE) {
        rt_program_channel(program, flow->receives - base, &ends);
        snprintf(what, sizeof what, "a chunk from rank %d on channel %d", ends.src, flow->receives - base);
    } else {
        rt_program_channel(program, flow->sends - base, &ends);
        snprintf(what, sizeof what, "a free slot of channel %d to rank %d", flow->sends - base, ends.dst);
    }
    return rt_fail(error, RT_ERR_DEADLOCK,
                   "simulate: job %d cannot go on: rank %d, lane %d, step %" PRId64 " waits for %s", flow->job,
                   flow->rank, flow->lane, flow->step, what);
}
