/* pipes: the channels of all jobs, their slots and their routes. */
#include <stdbool.h>
#include <stdlib.h>

#include "route.h"
#include "simulation.h"

static int no_memory(const rt_simulation *sim, rt_error *error) {
    return rt_fail(error, RT_ERR_NO_MEMORY, "simulate: no memory for %lld channels", (long long)sim->n_pipes);
}

static int count_pipes(rt_simulation *sim, int64_t *n_slots, rt_error *error) {
    sim->first_pipe = calloc((size_t)sim->n_jobs + 1, sizeof *sim->first_pipe);
    if (!sim->first_pipe) {
        return no_memory(sim, error);
    }
    for (int32_t j = 0; j < sim->n_jobs; j++) {
        const rt_program *program = sim->jobs[j].program;
        sim->first_pipe[j] = sim->n_pipes;
        sim->n_pipes += rt_program_channels(program);
        *n_slots += (int64_t)rt_program_channels(program) * rt_program_depth(program);
    }
    sim->first_pipe[sim->n_jobs] = sim->n_pipes;
    return sim->n_pipes > INT32_MAX ? rt_fail(error, RT_ERR_OVERFLOW, "simulate: more than 2^31 channels") : RT_OK;
}

static bool add_path(rt_simulation *sim, rt_pipe *pipe, const int32_t *path, int32_t length) {
    if (sim->paths_length + length > sim->paths_capacity) {
        int64_t capacity = 2 * sim->paths_capacity + length + 64;
        int32_t *larger = capacity > INT32_MAX ? NULL : realloc(sim->paths, (size_t)capacity * sizeof *larger);
        if (!larger) {
            return false;
        }
        sim->paths = larger;
        sim->paths_capacity = capacity;
    }
    int32_t before = 0;
    while (before < length && !rt_board_is_link(sim->board, path[before])) {
        before++;
    }
    pipe->path = (int32_t)sim->paths_length;
    pipe->leaves = pipe->path + before;
    pipe->end = pipe->path + length;
    for (int32_t i = 0; i < length; i++) {
        sim->paths[sim->paths_length++] = path[i];
    }
    return true;
}

static int add_pipe(rt_simulation *sim, const rt_job *job, rt_router *router, int32_t id, rt_pipe *pipe,
                    rt_error *error) {
    rt_channel ends;
    const int32_t *path;
    int32_t length;
    rt_program_channel(job->program, id, &ends);
    int status =
        rt_router_find(router, job->placement[ends.src], job->placement[ends.dst], ends.detour, &path, &length, error);
    if (status == RT_ERR_NO_ROUTE) {
        pipe->path = -1; /* an error only for a program that uses it */
        return RT_OK;
    }
    if (status == RT_OK && !add_path(sim, pipe, path, length)) {
        return no_memory(sim, error);
    }
    return status;
}

/* Channels in order of their sending rank: the router keeps what it found out about one source. */
static int32_t *by_sender(const rt_program *program) {
    const int32_t channels = rt_program_channels(program), ranks = rt_program_collective(program)->ranks;
    int32_t *order = malloc(((size_t)channels + 1) * sizeof *order);
    int32_t *first = calloc((size_t)ranks + 1, sizeof *first);
    rt_channel ends;
    if (order && first) {
        for (int32_t i = 0; i < channels; i++) {
            rt_program_channel(program, i, &ends);
            first[ends.src + 1]++;
        }
        for (int32_t r = 0; r < ranks; r++) {
            first[r + 1] += first[r];
        }
        for (int32_t i = 0; i < channels; i++) {
            rt_program_channel(program, i, &ends);
            order[first[ends.src]++] = i;
        }
    } else {
        free(order);
        order = NULL;
    }
    free(first);
    return order;
}

static int add_job(rt_simulation *sim, int32_t j, rt_router *router, double *slots_us, rt_error *error) {
    const rt_job *job = &sim->jobs[j];
    const int32_t channels = rt_program_channels(job->program), depth = rt_program_depth(job->program);
    rt_pipe *pipes = &sim->pipes[sim->first_pipe[j]];
    int32_t *order = by_sender(job->program);
    int status = order ? RT_OK : no_memory(sim, error);
    for (int32_t i = 0; i < channels && status == RT_OK; i++) {
        int32_t id = order[i];
        pipes[id] = (rt_pipe){.slots_us = slots_us + (int64_t)id * depth, .depth = depth, .sender = -1, .receiver = -1};
        status = add_pipe(sim, job, router, id, &pipes[id], error);
    }
    free(order);
    return status;
}

int rt_pipes_init(rt_simulation *sim, rt_error *error) {
    int64_t n_slots = 0;
    int status = count_pipes(sim, &n_slots, error);
    if (status != RT_OK) {
        return status;
    }
    sim->pipes = calloc((size_t)sim->n_pipes + 1, sizeof *sim->pipes);
    sim->slots_us = calloc((size_t)n_slots + 1, sizeof *sim->slots_us);
    rt_router *router;
    status = sim->pipes && sim->slots_us ? rt_router_new(sim->board, &router, error) : no_memory(sim, error);
    if (status != RT_OK) {
        return status;
    }
    double *slots_us = sim->slots_us;
    for (int32_t j = 0; j < sim->n_jobs && status == RT_OK; j++) {
        status = add_job(sim, j, router, slots_us, error);
        slots_us += (int64_t)rt_program_channels(sim->jobs[j].program) * rt_program_depth(sim->jobs[j].program);
    }
    rt_router_free(router);
    return status;
}

void rt_pipes_release(rt_simulation *sim) {
    free(sim->pipes);
    free(sim->first_pipe);
    free(sim->slots_us);
    free(sim->paths);
}
