/* execute: operations, from their start to their end. */
#include "execute.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "agree.h"
#include "lane.h"

static const int64_t STUCK_NS = 300000;

static int check_buffers(rt_op *op, const rt_op_spec *spec, rt_error *error) {
    static const char *const names[RT_BUFFERS] = {"input", "output", "scratch"};
    const rt_collective *collective = rt_program_collective(op->program);
    const void *buffers[RT_BUFFERS] = {spec->input, spec->output, spec->scratch};
    op->extents[RT_INPUT] = rt_collective_extent(collective, op->comm->rank, RT_INPUT);
    op->extents[RT_OUTPUT] = rt_collective_extent(collective, op->comm->rank, RT_OUTPUT);
    op->extents[RT_SCRATCH] = rt_program_scratch(op->program, op->comm->rank);
    for (int i = 0; i < RT_BUFFERS; i++) {
        op->buffers[i] = (char *)buffers[i];
        if (op->extents[i] > INT64_MAX / op->element) {
            return rt_fail(error, RT_ERR_OVERFLOW, "operation: %s of %" PRId64 " elements of %" PRId64 " bytes",
                           names[i], op->extents[i], op->element);
        }
        if (op->extents[i] > 0 && !buffers[i]) {
            return rt_fail(error, RT_ERR_INVALID, "operation: no %s, expected %" PRId64 " elements", names[i],
                           op->extents[i]);
        }
    }
    return RT_OK;
}

static int check_type(rt_op *op, rt_error *error) {
    op->element = rt_dtype_size(op->dtype);
    if (op->element < 1) {
        return rt_fail(error, RT_ERR_INVALID, "operation: unknown type %d", op->dtype);
    }
    if (op->redop >= 0) {
        op->kernel = rt_reduce_kernel(op->dtype, op->redop);
        if (!op->kernel) {
            return rt_fail(error, RT_ERR_UNSUPPORTED, "operation: reduction %d means nothing for type %d", op->redop,
                           op->dtype);
        }
    }
    return RT_OK;
}

/* Under the wall clock every channel that begins here needs a path. */
static int check_paths(const rt_op *op, rt_error *error) {
    for (int32_t i = 0; op->wall && i < op->layout.channels; i++) {
        rt_channel channel;
        rt_program_channel(op->program, i, &channel);
        if (channel.src == op->comm->rank && rt_wall_route(op->comm->wall, &channel)->length < 0) {
            return rt_fail(error, RT_ERR_NO_ROUTE, "wall clock: no path on the board joins ranks %d and %d",
                           channel.src, channel.dst);
        }
    }
    return RT_OK;
}

static int prepare(rt_op *op, const rt_op_spec *spec, rt_error *error) {
    const rt_comm *comm = op->comm;
    int32_t ranks = rt_program_collective(op->program)->ranks;
    if (ranks != comm->arena->ranks) {
        return rt_fail(error, RT_ERR_INVALID, "operation: a program for %d ranks, the communicator has %d", ranks,
                       comm->arena->ranks);
    }
    int status = check_type(op, error);
    if (status == RT_OK) {
        status = check_buffers(op, spec, error);
    }
    if (status == RT_OK) {
        status = rt_layout_plan(comm->arena, op->program, &op->layout, error);
    }
    if (status == RT_OK) {
        status = check_paths(op, error);
    }
    op->n_lanes = op->lanes_left = rt_program_lanes(op->program, comm->rank);
    op->lanes = calloc((size_t)op->n_lanes + 1, sizeof *op->lanes);
    return status == RT_OK && !op->lanes ? rt_fail(error, RT_ERR_NO_MEMORY, "operation: out of memory") : status;
}

int rt_op_start(rt_comm *comm, const rt_op_spec *spec, rt_op **op, rt_error *error) {
    rt_op *made = calloc(1, sizeof *made);
    if (!made) {
        return rt_fail(error, RT_ERR_NO_MEMORY, "operation: out of memory");
    }
    made->comm = comm;
    made->program = spec->program;
    made->dtype = spec->dtype;
    made->redop = spec->op;
    made->wall = comm->wall != NULL;
    int status = prepare(made, spec, error);
    /* Ranks must agree about the channels as well: they are what a slice is found by. */
    made->signature = rt_mix(spec->signature ^ rt_mix(made->layout.hash + (uint64_t)made->layout.channels));
    if (status == RT_OK) {
        status = rt_op_queue(made, error);
    }
    if (status != RT_OK) {
        free(made->lanes);
        free(made);
        return status;
    }
    *op = made;
    return RT_OK;
}

/* Tell the others about the operations that they do not know yet. */
static void publish(rt_comm *comm) {
    rt_error error;
    while (comm->unpublished) {
        rt_op *op = comm->unpublished;
        int status = rt_agree_publish(&comm->channels, op->sequence, op->signature, &error);
        if (status == RT_PENDING) {
            return;
        }
        op->published = true;
        comm->unpublished = op->next;
        if (status != RT_OK) {
            rt_op_fail(op, status, "%s", error.text);
            return;
        }
    }
}

static void append(rt_op *op) {
    rt_comm *comm = op->comm;
    op->tag = rt_mix(op->signature + rt_mix(op->sequence));
    op->status = RT_PENDING;
    *comm->last = op;
    comm->last = &op->next;
    comm->unpublished = comm->unpublished ? comm->unpublished : op;
    atomic_fetch_add(&comm->pending, 1);
}

int rt_op_queue(rt_op *op, rt_error *error) {
    rt_comm *comm = op->comm;
    int status = rt_engine_check(comm->engine, error);
    if (status != RT_OK) {
        return status;
    }
    pthread_mutex_lock(&comm->lock);
    op->sequence = ++comm->sequence;
    status = rt_arena_reason(comm->arena, op->sequence, error);
    if (status == RT_OK) {
        append(op);
        publish(comm);
    }
    pthread_mutex_unlock(&comm->lock);
    return status;
}

static bool activate(rt_op *op) {
    rt_comm *comm = op->comm;
    rt_error error;
    if (!op->published) {
        return false;
    }
    if (!op->program) {
        rt_exchange_begin(op);
    } else {
        int status = rt_channels_enter(&comm->channels, &op->layout, op->program, &error);
        if (status < 0) {
            rt_op_fail(op, status, "%s", error.text);
        }
        if (status != RT_OK) {
            return false;
        }
    }
    op->started_us = op->wall ? rt_wall_us(comm->wall, rt_now_ns()) : 0;
    return op->active = true;
}

/* Nothing moves, and senders wait for room that no step here makes. Mostly the rank that must go first is just not
 * running; when it does not after a while, what they have sent is taken out of their way. */
static bool relieve(rt_op *op) {
    rt_channels *channels = &op->comm->channels;
    int32_t depth = rt_program_depth(op->program);
    if (!rt_channels_pressed(channels, op->tag, depth)) {
        return false;
    }
    int64_t now = rt_now_ns();
    op->stuck_ns = op->stuck_ns ? op->stuck_ns : now;
    if (now - op->stuck_ns < STUCK_NS) {
        op->relief_ns = op->stuck_ns + STUCK_NS;
        return false;
    }
    rt_error error;
    int status = rt_channels_take_aside(channels, op->tag, depth, &error);
    if (status != RT_OK) {
        rt_op_fail(op, status, "%s", error.text);
    }
    return true;
}

/* One turn for each lane; whether anything moved. */
static bool turn(rt_op *op) {
    rt_comm *comm = op->comm;
    bool moved = false;
    op->now_us = op->wall ? rt_wall_us(comm->wall, rt_now_ns()) : 0;
    op->due_us = INFINITY;
    op->relief_ns = INT64_MAX;
    for (int32_t i = 0; i < op->n_lanes; i++) {
        moved |= !op->lanes[i].finished && rt_lane_advance(op, &op->lanes[i]);
    }
    if (moved) {
        op->stuck_ns = 0;
    } else if (op->lanes_left > 0) {
        moved = relieve(op);
    }
    rt_channels_ring(&comm->channels);
    return moved;
}

/* The operation at work ends, or one behind it that is given up. */
static void finish(rt_op *op, int status) {
    rt_comm *comm = op->comm;
    rt_op **link = &comm->first;
    if (status == RT_OK && op->program && op->redop == RT_AVG) {
        rt_divide(op->dtype, op->buffers[RT_OUTPUT], op->extents[RT_OUTPUT], comm->arena->ranks);
    }
    op->status = status;
    while (*link != op) {
        link = &(*link)->next;
    }
    *link = op->next;
    comm->last = op->next ? comm->last : link;
    comm->unpublished = comm->unpublished == op ? op->next : comm->unpublished;
    atomic_fetch_sub(&comm->pending, 1);
    rt_channels_owe(&comm->channels, comm->rank); /* another thread may wait for it */
    rt_channels_ring(&comm->channels);
}

/* Whether the operation has ended. */
static bool advance(rt_op *op, int64_t until_ns, bool *moved) {
    if (!op->program) {
        return rt_exchange_advance(op);
    }
    while (turn(op)) {
        *moved = true;
        if (op->lanes_left == 0 || rt_arena_revoked(op->comm->arena, op->sequence) || rt_now_ns() >= until_ns) {
            break;
        }
    }
    return op->lanes_left == 0;
}

bool rt_comm_advance(rt_comm *comm, int64_t until_ns) {
    bool moved = false;
    while (comm->first) {
        rt_op *op = comm->first;
        publish(comm);
        if (rt_arena_revoked(comm->arena, op->sequence)) {
            rt_channels_drop_aside(&comm->channels);
            finish(op, rt_arena_reason(comm->arena, op->sequence, NULL));
            continue;
        }
        if ((!op->active && !activate(op)) || !advance(op, until_ns, &moved)) {
            break;
        }
        moved = true;
        finish(op, RT_OK);
    }
    return moved;
}

int64_t rt_op_moved_bytes(const rt_op *op) {
    return op->moved_bytes;
}

int32_t rt_op_missing(const rt_op *op, int32_t *ranks, int32_t capacity) {
    const rt_arena *arena = op->comm->arena;
    int32_t missing = 0;
    for (int32_t rank = 0; rank < arena->ranks && missing < capacity; rank++) {
        if (rank != op->comm->rank &&
            atomic_load_explicit(&arena->seats[rank].published, memory_order_relaxed) < op->sequence) {
            ranks[missing++] = rank;
        }
    }
    return missing;
}

void rt_op_free(rt_op *op) {
    if (!op) {
        return;
    }
    rt_comm *comm = op->comm;
    if (rt_engine_check(comm->engine, NULL) == RT_OK && op->status == RT_PENDING) {
        /* Its buffers are about to go: nobody may work on it any more. */
        rt_op_fail(op, RT_ERR_REVOKED, "rank %d gave up operation %" PRIu64, comm->rank, op->sequence);
        pthread_mutex_lock(&comm->lock);
        rt_comm_advance(comm, 0);
        if (op->status == RT_PENDING) { /* those before it go on */
            finish(op, RT_ERR_REVOKED);
        }
        pthread_mutex_unlock(&comm->lock);
    }
    free(op->lanes);
    free(op);
}
