/* comm: engines and communicators, their life and their end. */
#include "comm.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned forks; /* written only in a child that has one thread yet */

static void count_fork(void) {
    forks++;
}

static void watch_forks(void) {
    pthread_atfork(NULL, NULL, count_fork);
}

int64_t rt_now_ns(void) {
    return rt_clock_ns();
}

int rt_engine_new(rt_engine **engine, rt_error *error) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    rt_engine *made = calloc(1, sizeof *made);
    if (!made) {
        return rt_fail(error, RT_ERR_NO_MEMORY, "engine: out of memory");
    }
    pthread_mutex_init(&made->lock, NULL);
    made->forks = forks;
    *engine = made;
    return RT_OK;
}

void rt_engine_free(rt_engine *engine) {
    free(engine);
}

int rt_engine_check(const rt_engine *engine, rt_error *error) {
    return engine->forks == forks ? RT_OK
                                  : rt_fail(error, RT_ERR_FORKED,
                                            "this communicator was made before the process was forked: only the "
                                            "process that made it can use it");
}

static int take_seat(rt_arena *arena, int32_t rank, rt_error *error) {
    uint32_t free_seat = 0;
    if (rank < 0 || rank >= arena->ranks) {
        return rt_fail(error, RT_ERR_INVALID, "communicator: rank is %d, expected 0 to %d", rank, arena->ranks - 1);
    }
    if (!atomic_compare_exchange_strong(&arena->seats[rank].taken, &free_seat, 1)) {
        return rt_fail(error, RT_ERR_INVALID, "communicator: rank %d has been in this arena before", rank);
    }
    return RT_OK;
}

int rt_comm_new(rt_engine *engine, rt_arena *arena, int32_t rank, int32_t ranks_here, rt_comm **comm, rt_error *error) {
    rt_comm *made = calloc(1, sizeof *made);
    if (!made) {
        return rt_fail(error, RT_ERR_NO_MEMORY, "communicator: out of memory");
    }
    int status = rt_engine_check(engine, error);
    if (status == RT_OK) {
        status = take_seat(arena, rank, error);
    }
    if (status == RT_OK) {
        status = rt_channels_init(&made->channels, arena, rank, error);
    }
    if (status != RT_OK) {
        free(made);
        return status;
    }
    made->engine = engine;
    made->arena = arena;
    made->rank = rank;
    made->patience = rt_patience_for(ranks_here);
    made->last = &made->first;
    pthread_mutex_init(&made->lock, NULL);
    pthread_mutex_lock(&engine->lock);
    made->next = engine->comms;
    engine->comms = made;
    pthread_mutex_unlock(&engine->lock);
    *comm = made;
    return RT_OK;
}

static void leave_engine(rt_comm *comm) {
    rt_engine *engine = comm->engine;
    if (rt_engine_check(engine, NULL) != RT_OK) {
        return; /* locks may be held by threads that this process does not have */
    }
    /* The comm's lock first: whoever walks the list stands still only on comms whose lock it holds. */
    pthread_mutex_lock(&comm->lock);
    pthread_mutex_lock(&engine->lock);
    rt_comm **link = &engine->comms;
    while (*link != comm) {
        link = &(*link)->next;
    }
    *link = comm->next;
    pthread_mutex_unlock(&engine->lock);
    pthread_mutex_unlock(&comm->lock);
}

void rt_comm_free(rt_comm *comm) {
    if (comm) {
        leave_engine(comm);
        rt_channels_release(&comm->channels);
        rt_wall_free(comm->wall);
        free(comm);
    }
}

int rt_comm_wall(rt_comm *comm, const rt_board *board, const int32_t *placement, double dilation, rt_error *error) {
    rt_wall *wall = NULL;
    int status = rt_engine_check(comm->engine, error);
    if (status == RT_OK && atomic_load(&comm->pending) > 0) {
        status = rt_fail(error, RT_ERR_INVALID, "wall clock: the communicator has operations under way");
    }
    if (status == RT_OK) {
        status = rt_wall_new(comm->arena, comm->rank, board, placement, dilation, &wall, error);
    }
    if (status == RT_OK) {
        rt_wall_free(comm->wall);
        comm->wall = wall;
    }
    return status;
}

void rt_comm_revoke(rt_comm *comm, int status, const char *text) {
    if (rt_engine_check(comm->engine, NULL) == RT_OK) {
        pthread_mutex_lock(&comm->lock);
        uint64_t sequence = comm->first ? comm->first->sequence : comm->sequence + 1;
        pthread_mutex_unlock(&comm->lock);
        rt_arena_revoke(comm->arena, status, sequence, text);
    }
}

void rt_op_fail(rt_op *op, int status, const char *format, ...) {
    char text[RT_ERROR_TEXT];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    rt_arena_revoke(op->comm->arena, status, op->sequence, text);
}
