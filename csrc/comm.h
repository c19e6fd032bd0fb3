/* comm: what execute.c, lane.c and cells.c know of engines, communicators and operations.
 *
 * A communicator's queue holds its operations in the order of their start; only the first is at work. Whoever holds
 * the communicator's lock may make it progress. Any failure revokes the arena from its operation on; that one and those
 * behind it then fail with the reason.
 */
#ifndef RINGTREE_COMM_H
#define RINGTREE_COMM_H

#include <pthread.h>

#include "channel.h"
#include "execute.h"
#include "wall.h"

typedef struct rt_lane rt_lane;

/* The part of an operation that an exchange needs. */
typedef struct rt_gather {
    char *all;
    int32_t bytes;
    int32_t seen; /* ranks whose part has been copied */
    uint64_t number;
    unsigned char mine[RT_EXCHANGE_BYTES];
} rt_gather;

struct rt_op {
    rt_comm *comm;
    rt_op *next;
    uint64_t sequence;
    uint64_t signature;
    bool published, active;
    int status;                /* RT_PENDING while queued */
    const rt_program *program; /* NULL: an exchange */
    rt_gather gather;
    rt_layout layout;
    uint64_t tag; /* stamps every slice of this operation */
    char *buffers[RT_BUFFERS];
    int64_t extents[RT_BUFFERS]; /* elements */
    int32_t dtype, redop;
    int64_t element;  /* bytes of one */
    rt_kernel kernel; /* NULL: nothing is combined */
    rt_lane *lanes;
    int32_t n_lanes, lanes_left;
    int64_t moved_bytes;
    int64_t stuck_ns;  /* when nothing moved for the first time, with senders waiting for room; 0: all goes well */
    int64_t relief_ns; /* when room is to be made for them */
    bool wall;         /* the rest: wall clock only */
    double started_us, now_us;
    double due_us; /* the next moment at which something ends by itself */
};

struct rt_comm {
    rt_engine *engine;
    rt_comm *next;
    pthread_mutex_t lock;
    int32_t rank;
    rt_arena *arena;
    rt_patience patience;
    rt_channels channels;
    rt_wall *wall;
    uint64_t sequence, exchanges;
    rt_op *first, **last, *unpublished;
    _Atomic int32_t pending;
    struct rt_direct *direct; /* NULL: programs only */
};

struct rt_engine {
    pthread_mutex_t lock;
    rt_comm *comms;
    unsigned forks; /* how often this process had been forked when the engine was made */
};

/* Revoke the communicator: the first reason stays. */
__attribute__((format(printf, 3, 4))) void rt_op_fail(rt_op *op, int status, const char *format, ...);

/* Whether a moment has come; otherwise the operation is due again then. */
static inline bool rt_op_reached(rt_op *op, double us) {
    if (op->now_us >= us) {
        return true;
    }
    op->due_us = us < op->due_us ? us : op->due_us;
    return false;
}

/* An exchange at work: begin writes the own part; advance copies what has come, true when all has. */
void rt_exchange_begin(rt_op *op);
bool rt_exchange_advance(rt_op *op);

/* RT_ERR_FORKED in a child of the process that made the engine. */
int rt_engine_check(const rt_engine *engine, rt_error *error);
/* Make the engine's other communicators go on, those that no other thread is at; how many operations are left. */
int rt_engine_advance_others(rt_engine *engine, const rt_comm *mine, int64_t until_ns);
/* Check, number and queue an operation. */
int rt_op_queue(rt_op *op, rt_error *error);
/* Do what can be done until until_ns, the lock being held; whether anything moved. */
bool rt_comm_advance(rt_comm *comm, int64_t until_ns);

#endif
