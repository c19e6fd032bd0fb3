/* progress: who makes operations go on, and how one waits for them. */
#include <math.h>

#include "comm.h"
#include "direction.h"

/* A timed sleep ends about this late: sleep until then, and look for the rest. */
static const int64_t OVERSLEEP_NS = 150000;
/* How long to sleep while communicators with other bells have work. */
static const int64_t OTHERS_NS = 1000000;
/* A turn of work between two looks at the clock of the caller. */
static const int64_t WORK_NS = 1000000;

int rt_engine_advance_others(rt_engine *engine, const rt_comm *mine, int64_t until_ns) {
    int pending = 0;
    pthread_mutex_lock(&engine->lock);
    for (rt_comm *comm = engine->comms; comm; comm = comm->next) {
        pending += comm == mine ? 0 : rt_direct_help(comm->direct);
        if (comm == mine || atomic_load(&comm->pending) == 0) {
            continue;
        }
        if (pthread_mutex_trylock(&comm->lock) == 0) {
            /* The comm stays in the list while its lock is held (comm.c), so its successor can be found after. */
            pthread_mutex_unlock(&engine->lock);
            rt_comm_advance(comm, until_ns);
            pthread_mutex_lock(&engine->lock);
            pthread_mutex_unlock(&comm->lock);
        }
        pending += atomic_load(&comm->pending);
    }
    pthread_mutex_unlock(&engine->lock);
    return pending;
}

int rt_progress(rt_engine *engine, int64_t budget_ns) {
    return rt_engine_check(engine, NULL) == RT_OK ? rt_engine_advance_others(engine, NULL, rt_now_ns() + budget_ns) : 0;
}

/* When the operation at work is due though no bell rings. */
static int64_t due_ns(const rt_comm *comm) {
    const rt_op *op = comm->first;
    int64_t due = INT64_MAX;
    if (op && op->active && op->program) {
        due = op->relief_ns;
        if (op->wall && op->due_us < INFINITY && rt_wall_ns(comm->wall, op->due_us) - OVERSLEEP_NS < due) {
            due = rt_wall_ns(comm->wall, op->due_us) - OVERSLEEP_NS;
        }
    }
    return due;
}

/* Go on with the operation's communicator; its status, and until when nothing is due. */
static int look(rt_op *op, int64_t until_ns, bool *moved, int64_t *due) {
    rt_comm *comm = op->comm;
    pthread_mutex_lock(&comm->lock);
    *moved = op->status == RT_PENDING && rt_comm_advance(comm, until_ns);
    int status = op->status;
    *due = due_ns(comm);
    pthread_mutex_unlock(&comm->lock);
    return status;
}

/* Sleep until the bell rings or something is due, but not beyond until_ns; the operation's status. */
static int doze(rt_op *op, int64_t until_ns) {
    rt_comm *comm = op->comm;
    rt_bell *bell = &comm->arena->seats[comm->rank].bell;
    bool moved;
    int64_t due;
    uint32_t heard = rt_bell_listen(bell);
    int status = look(op, rt_now_ns() + WORK_NS, &moved, &due);
    if (status == RT_PENDING && !moved) {
        int64_t now = rt_now_ns();
        until_ns = due < until_ns ? due : until_ns;
        if (until_ns > now) {
            rt_bell_sleep(bell, heard, until_ns - now);
        } else {
            rt_yield();
        }
    }
    rt_bell_leave(bell);
    return status;
}

static int answer(const rt_op *op, int status, rt_error *error) {
    if (status < RT_OK) {
        rt_arena_reason(op->comm->arena, op->sequence, error);
    }
    return status;
}

int rt_op_wait(rt_op *op, int64_t wait_ns, rt_error *error) {
    rt_comm *comm = op->comm;
    int status = rt_engine_check(comm->engine, error);
    if (status != RT_OK) {
        return status;
    }
    int64_t deadline = rt_now_ns() + wait_ns;
    for (int32_t looks = 0;;) {
        bool moved;
        int64_t due;
        status = look(op, deadline, &moved, &due);
        looks = moved ? 0 : looks + 1;
        if (status == RT_PENDING && looks > comm->patience.looks) {
            bool others = rt_engine_advance_others(comm->engine, comm, deadline) > 0;
            int64_t now = rt_now_ns();
            status = doze(op, others && now + OTHERS_NS < deadline ? now + OTHERS_NS : deadline);
        } else if (!moved) {
            rt_pause(&comm->patience, looks);
        }
        if (status != RT_PENDING || rt_now_ns() >= deadline) {
            return answer(op, status, error);
        }
    }
}
