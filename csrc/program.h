/* program: what a collective does, as steps that can be verified, simulated and executed.
 *
 *   program ─ rank 0 ─ lane 0 ─ step 0, step 1, ...        steps of a lane run in order, one at a time
 *           │        └ lane 1 ─ ...                        lanes of a rank run beside each other
 *           ├ rank 1 ─ ...
 *           └ channels: id ─▶ (src rank, dst rank)         FIFO: the k-th send meets the k-th receive
 *
 *   A step starts when the one before it in its lane and all its dependencies have ended. A dependency names
 *   lanes of the same rank: {lane, lanes, step} holds once `step` of each of lanes lane..lane+lanes-1 has ended.
 *   Order between ranks comes only from channels. A send takes one of its channel's `depth` slots when it starts;
 *   the slot is free again when the receiver's step that consumes the chunk has ended.
 *
 * These are the semantics of an MSCCL algorithm XML. Offsets and counts are in elements of the collective's type.
 * A program is stored (arrays of steps) or generated (the i-th step of a lane is a function of i): a reader only
 * asks for the next step, so a program of many thousand ranks need not fit in memory.
 *
 * Channels name ranks; where ranks sit on a board is not the program's business.
 *
 * Ownership: who builds a program frees it with rt_program_free. A program copies the collective it was built for,
 * is immutable once built, and may be read by any number of threads.
 */
#ifndef RINGTREE_PROGRAM_H
#define RINGTREE_PROGRAM_H

#include <stdint.h>

#include "status.h"

/* cffi: begin */
typedef enum rt_kind {
    RT_ALL_REDUCE,
    RT_REDUCE_SCATTER,
    RT_ALL_GATHER,
    RT_BROADCAST,
    RT_REDUCE,
    RT_GATHER,
    RT_SCATTER,
    RT_ALL_TO_ALL,
    RT_BARRIER,
    RT_KINDS
} rt_kind;

/* What is to be achieved. `count` is what a row's `bytes` counts, in elements: the vector (all_reduce, broadcast,
 * reduce), the concatenated output (all_gather), the whole input (reduce_scatter), the root's whole buffer (gather,
 * scatter), one rank's whole send buffer (all_to_all), 0 (barrier).
 *
 * Parts: part i belongs to rank i. counts == NULL: `count` is split over the ranks in whole elements, larger parts
 * first (rt_part). Otherwise counts[i] elements at displs[i] of the buffer that holds all parts (displs == NULL:
 * dense). all_to_all with counts: ranks x ranks matrices, row = sender: counts[s*ranks+d] elements go from
 * displs[s*ranks+d] of the sender's input to recv_displs[d*ranks+s] of the receiver's output. Without counts, each
 * sender's part d goes to rank d, whose output is `ranks` such parts, dense, in the order of the senders. */
typedef struct rt_collective {
    int32_t kind;
    int32_t ranks;
    int32_t root;
    int64_t count;
    const int64_t *counts;
    const int64_t *displs;
    const int64_t *recv_displs;
} rt_collective;

typedef enum rt_opcode {
    RT_NOP,                    /* carries dependencies only */
    RT_SEND,                   /* send src */
    RT_RECV,                   /* dst = received */
    RT_COPY,                   /* dst = src */
    RT_REDUCE_LOCAL,           /* dst = src (+) dst */
    RT_RECV_SEND,              /* dst = received; send dst               (rcs) */
    RT_RECV_REDUCE,            /* dst = received (+) src                  (rrc) */
    RT_RECV_REDUCE_SEND,       /* send received (+) src, store nothing    (rrs) */
    RT_RECV_REDUCE_STORE_SEND, /* dst = received (+) src; send dst  (rrcs) */
    RT_MULTICAST,              /* reserved */
    RT_AGGREGATE,              /* reserved */
    RT_CONVERT,                /* reserved */
    RT_CHECKSUM,               /* reserved */
    RT_OPCODES
} rt_opcode;

typedef enum rt_buffer { RT_INPUT, RT_OUTPUT, RT_SCRATCH, RT_BUFFERS } rt_buffer;

typedef struct rt_dep {
    int32_t lane;  /* first lane of this rank that is waited for */
    int32_t lanes; /* how many neighbouring lanes, at least 1 */
    int64_t step;  /* the step of each of them that must have ended */
} rt_dep;

enum { RT_MAX_DEPS = 4, RT_MAX_DEPTH = 8 };

typedef struct rt_step {
    uint8_t opcode;
    uint8_t src_buffer;
    uint8_t dst_buffer;
    uint8_t n_deps;
    int32_t recv_channel; /* -1: none */
    int32_t send_channel; /* -1: none */
    int64_t src_offset;
    int64_t dst_offset;
    int64_t count;
    rt_dep deps[4];
} rt_step;

/* detour: on a board, its messages keep away from the first link of the route between the two devices (route.h). */
typedef struct rt_channel {
    int32_t src;
    int32_t dst;
    int32_t detour; /* 0 or 1 */
} rt_channel;

typedef struct rt_program rt_program;

/* Facts about a program, and its steps. */
const rt_collective *rt_program_collective(const rt_program *program);
int32_t rt_program_channels(const rt_program *program);
int32_t rt_program_depth(const rt_program *program); /* FIFO slots it is meant for */
int32_t rt_program_lanes(const rt_program *program, int32_t rank);
int64_t rt_program_scratch(const rt_program *program, int32_t rank); /* elements of RT_SCRATCH the rank needs */
void rt_program_channel(const rt_program *program, int32_t id, rt_channel *channel);
/* 1 and *step filled, or 0 when the lane has no step `index`. Steps are asked for in any order. */
int rt_program_next(const rt_program *program, int32_t rank, int32_t lane, int64_t index, rt_step *step);
void rt_program_free(rt_program *program);

/* Elements rank `rank` reads (RT_INPUT) or writes (RT_OUTPUT) of its user buffer, counted from the buffer's start:
 * the smallest size that the buffer may have; 0 where it takes no part. */
int64_t rt_collective_extent(const rt_collective *collective, int32_t rank, int buffer);
/* Whether the fields make sense together: ranks >= 1, root in range, counts and displs >= 0, no sum beyond 2^62. */
int rt_collective_check(const rt_collective *collective, rt_error *error);

/* A stored program, built step by step (imported files, tests). Lanes and channels are numbered from 0. */
int rt_stored_new(const rt_collective *collective, int32_t depth, int32_t channels, const rt_channel *ends,
                  const int64_t *scratch_by_rank, rt_program **program, rt_error *error);
int rt_stored_add(rt_program *program, int32_t rank, int32_t lane, const rt_step *step, rt_error *error);
/* cffi: end */

/* Fill in a step without dependencies: field by field, since clearing what nobody reads (deps from n_deps on) would
 * cost as much as all the rest. */
static inline void rt_step_set(rt_step *step, int opcode, int32_t recv_channel, int32_t send_channel, int64_t count) {
    step->opcode = (uint8_t)opcode;
    step->n_deps = 0;
    step->recv_channel = recv_channel;
    step->send_channel = send_channel;
    step->count = count;
}

static inline void rt_step_from(rt_step *step, int buffer, int64_t offset) {
    step->src_buffer = (uint8_t)buffer;
    step->src_offset = offset;
}

static inline void rt_step_to(rt_step *step, int buffer, int64_t offset) {
    step->dst_buffer = (uint8_t)buffer;
    step->dst_offset = offset;
}

/* Split `count` into `parts` whole pieces, larger ones first: where piece `index` begins, and how long it is. */
static inline void rt_part(int64_t count, int64_t parts, int64_t index, int64_t *offset, int64_t *length) {
    int64_t small = count / parts, larger = count % parts;
    *length = small + (index < larger);
    *offset = small * index + (index < larger ? index : larger);
}

/* Part i of a collective: its place in the buffer that holds all parts (not for all_to_all with counts). */
static inline void rt_collective_part(const rt_collective *c, int32_t i, int64_t *offset, int64_t *length) {
    rt_part(c->count, c->ranks, i, offset, length);
    if (c->counts) {
        *length = c->counts[i];
        if (c->displs) {
            *offset = c->displs[i];
        } else {
            *offset = 0;
            for (int32_t k = 0; k < i; k++) {
                *offset += c->counts[k];
            }
        }
    }
}

/* The table a kind of program fills in. The rt_program is the first member of the builder's own struct. */
typedef struct rt_program_table {
    int (*next)(const rt_program *, int32_t rank, int32_t lane, int64_t index, rt_step *);
    void (*channel)(const rt_program *, int32_t id, rt_channel *);
    int32_t (*lanes)(const rt_program *, int32_t rank);
    int64_t (*scratch)(const rt_program *, int32_t rank);
    void (*destroy)(rt_program *);
} rt_program_table;

struct rt_program {
    const rt_program_table *table;
    rt_collective collective; /* counts and displs are the program's own copies; with counts, displs are never NULL */
    int32_t channels;
    int32_t depth;
};

/* Copy the collective (and its arrays) into the program; free them again. Used by builders. */
int rt_program_init(rt_program *program, const rt_program_table *table, const rt_collective *collective,
                    int32_t channels, int32_t depth, rt_error *error);
void rt_program_release(rt_program *program);

#endif
