/* simulate: sets a simulation up, runs it, and says where it cannot go on. */
#include "simulate.h"

#include <math.h>
#include <stdlib.h>

#include "simulation.h"

static int check_job(const rt_job *job, int32_t number, rt_error *error) {
    const int32_t ranks = rt_program_collective(job->program)->ranks;
    if (!isfinite(job->element_bytes) || job->element_bytes < 0) {
        return rt_fail(error, RT_ERR_INVALID, "simulate: job %d: found %g bytes per element, expected at least 0",
                       number, job->element_bytes);
    }
    for (int32_t r = 0; r < ranks; r++) {
        double start_us = job->start_us ? job->start_us[r] : 0;
        if (!isfinite(start_us) || start_us < 0) {
            return rt_fail(error, RT_ERR_INVALID, "simulate: job %d, rank %d: starts at %g us, expected at least 0",
                           number, r, start_us);
        }
        job->finish_us[r] = start_us;
    }
    return RT_OK;
}

static int count_flows(rt_simulation *sim, rt_error *error) {
    int64_t ranks = 0;
    sim->first_rank = calloc((size_t)sim->n_jobs + 1, sizeof *sim->first_rank);
    for (int32_t j = 0; j < sim->n_jobs && sim->first_rank; j++) {
        sim->first_rank[j] = ranks;
        ranks += rt_program_collective(sim->jobs[j].program)->ranks;
    }
    sim->first_flow = calloc((size_t)ranks + 1, sizeof *sim->first_flow);
    if (!sim->first_rank || !sim->first_flow) {
        return rt_fail(error, RT_ERR_NO_MEMORY, "simulate: no memory for %lld ranks", (long long)ranks);
    }
    int64_t rank = 0, flows = 0;
    for (int32_t j = 0; j < sim->n_jobs; j++) {
        const rt_program *program = sim->jobs[j].program;
        for (int32_t r = 0; r < rt_program_collective(program)->ranks; r++) {
            sim->first_flow[rank++] = (int32_t)flows;
            flows += rt_program_lanes(program, r);
            if (flows > INT32_MAX) {
                return rt_fail(error, RT_ERR_OVERFLOW, "simulate: more than 2^31 lanes");
            }
        }
    }
    sim->first_flow[rank] = (int32_t)flows;
    sim->n_flows = (int32_t)flows;
    return RT_OK;
}

static int allocate_flows(rt_simulation *sim, rt_error *error) {
    size_t flows = (size_t)sim->n_flows + 1;
    sim->flows = calloc(flows, sizeof *sim->flows);
    sim->deps = calloc(flows, sizeof *sim->deps);
    sim->ready = calloc(flows, sizeof *sim->ready);
    sim->ended_us = calloc(flows * RT_ENDS_KEPT, sizeof *sim->ended_us);
    if (!sim->flows || !sim->deps || !sim->ready || !sim->ended_us) {
        return rt_fail(error, RT_ERR_NO_MEMORY, "simulate: no memory for %d lanes", sim->n_flows);
    }
    return RT_OK;
}

static int set_flows(rt_simulation *sim, rt_error *error) {
    int status = count_flows(sim, error);
    if (status == RT_OK) {
        status = allocate_flows(sim, error);
    }
    if (status != RT_OK) {
        return status;
    }
    int32_t id = 0;
    for (int32_t j = 0; j < sim->n_jobs; j++) {
        for (int32_t r = 0; r < rt_program_collective(sim->jobs[j].program)->ranks; r++) {
            int32_t lanes = rt_program_lanes(sim->jobs[j].program, r);
            for (int32_t lane = 0; lane < lanes; lane++, id++) {
                sim->flows[id] = (rt_flow){.now_us = sim->jobs[j].finish_us[r],
                                           .ended_us = lanes > 1 ? &sim->ended_us[(size_t)id * RT_ENDS_KEPT] : NULL,
                                           .ended_mask = RT_ENDS_KEPT - 1,
                                           .job = j,
                                           .rank = r,
                                           .lane = lane,
                                           .first_waiter = -1};
            }
        }
    }
    /* The stack gives the first lane first. */
    for (int32_t i = 0; i < sim->n_flows; i++) {
        sim->ready[i] = sim->n_flows - 1 - i;
    }
    sim->n_ready = sim->unfinished = sim->n_flows;
    return RT_OK;
}

static void release(rt_simulation *sim) {
    for (int32_t i = 0; sim->flows && i < sim->n_flows; i++) {
        if (sim->flows[i].ended_mask > RT_ENDS_KEPT - 1) {
            free(sim->flows[i].ended_us);
        }
    }
    free(sim->flows);
    free(sim->deps);
    free(sim->ready);
    free(sim->ended_us);
    free(sim->first_flow);
    free(sim->first_rank);
    rt_pipes_release(sim);
    rt_traffic_release(sim);
}

static int run(rt_simulation *sim) {
    rt_event event;
    rt_flow_run_ready(sim);
    while (sim->status == RT_OK && rt_events_pop(&sim->events, &event)) {
        if (event.us > sim->until_us) {
            return RT_PENDING;
        }
        sim->now_us = event.us;
        rt_traffic_pass(sim, &event);
        rt_flow_run_ready(sim);
    }
    if (sim->observer) {
        rt_traffic_flush(sim);
    }
    for (int32_t i = 0; sim->status == RT_OK && sim->unfinished > 0 && i < sim->n_flows; i++) {
        if (sim->flows[i].phase != RT_FINISHED) {
            return rt_flow_stuck(sim, i, sim->error);
        }
    }
    return sim->status;
}

static double last_finish(const rt_simulation *sim) {
    double last_us = 0;
    for (int32_t j = 0; j < sim->n_jobs; j++) {
        for (int32_t r = 0; r < rt_program_collective(sim->jobs[j].program)->ranks; r++) {
            last_us = fmax(last_us, sim->jobs[j].finish_us[r]);
        }
    }
    return last_us;
}

int rt_simulate(const rt_board *board, const rt_job *jobs, int32_t n_jobs, const rt_link_event *events,
                int64_t n_events, double until_us, rt_observer observer, void *context, rt_sim_stats *stats,
                rt_error *error) {
    rt_simulation sim = {.board = board,
                         .jobs = jobs,
                         .n_jobs = n_jobs,
                         .until_us = until_us,
                         .observer = observer,
                         .context = context,
                         .error = error};
    int status = RT_OK;
    for (int32_t j = 0; j < n_jobs && status == RT_OK; j++) {
        status = check_job(&jobs[j], j, error);
    }
    if (status == RT_OK) {
        status = rt_traffic_init(&sim, events, n_events, error);
    }
    if (status == RT_OK) {
        status = rt_pipes_init(&sim, error);
    }
    if (status == RT_OK) {
        status = set_flows(&sim, error);
    }
    if (status == RT_OK) {
        status = run(&sim);
    }
    if (status == RT_OK) {
        sim.stats.finish_us = last_finish(&sim);
        *stats = sim.stats;
    }
    release(&sim);
    return status;
}
