/* proof: the state of a run of the verifier, for verify.c and its parts only.
 *
 *   inspect.c   every step by itself: fields, bounds; which steps are depended on
 *   prove.c     all lanes, step by step, with clocks (clocks.h)
 *   symbolic.c  one step, on symbolic buffers (shadow.h, values.h)
 *   blame.c     who waits for whom, when no lane can go on
 *   outcome.c   what the outputs should hold, and whether they do
 *
 * Steps that are ready run in any order: if there is no race, what they compute does not depend on it, nor does
 * whether all of them can run.
 */
#ifndef RINGTREE_PROOF_H
#define RINGTREE_PROOF_H

#include "opcode.h"
#include "shadow.h"
#include "verify.h"

typedef enum rt_waits { RT_WAITS_NOT, RT_WAITS_STEP, RT_WAITS_CHUNK, RT_WAITS_SLOT, RT_ALL_DONE } rt_waits;

typedef struct rt_proof_lane {
    rt_step now;
    int32_t rank, lane;
    int64_t step;         /* the present one; all before have ended */
    int64_t awaited;      /* of the lane in whose list of waiters it is */
    int32_t first_waiter; /* lanes that wait for steps of this one, a list */
    int32_t next_waiter;
    int64_t target;         /* the next of its steps that is depended on: an index of proof->targets */
    int32_t dep, dep_lanes; /* the present dependency, and how many of its lanes have been seen to */
    rt_waits waits;
    bool loaded;
} rt_proof_lane;

typedef struct rt_parcel {
    rt_spans spans;
    int32_t snapshot;
} rt_parcel;

/* A user of one end of a channel. */
typedef struct rt_end {
    int32_t waiting; /* lane or -1 */
    int32_t last;    /* the lane that used it last, -1: none yet */
    int64_t last_step;
} rt_end;

typedef struct rt_proof_channel {
    rt_channel ranks;
    int32_t taken, send_at, receive_at; /* slots */
    rt_end send, receive;
} rt_proof_channel;

/* A step that other lanes depend on. */
typedef struct rt_target {
    int32_t lane;
    int32_t references;
    int32_t snapshot;
    int64_t step;
} rt_target;

/* Where a buffer lies: element i is element shift + i of the rank's memory. */
typedef struct rt_place {
    int32_t memory;
    int64_t shift;
} rt_place;

typedef struct rt_bounds {
    int64_t *items;
    int64_t n, capacity;
} rt_bounds;

typedef struct rt_proof {
    const rt_program *program;
    const rt_collective *collective;
    int32_t depth;
    bool in_place;

    int32_t *first_lane; /* per rank, and one more */
    rt_proof_lane *lanes;
    int32_t n_lanes;
    int32_t *queue; /* lanes to look at, a ring of n_lanes */
    int32_t queue_first, queue_length;

    rt_proof_channel *channels;
    rt_parcel *parcels; /* channels x depth */

    rt_place *places;    /* ranks x RT_BUFFERS */
    rt_memory *memories; /* ranks x RT_BUFFERS */
    rt_bounds *bounds;   /* likewise; until the memories are made */
    rt_readers readers;
    rt_sets sets;
    rt_spans read, other, result; /* of the step at work */

    rt_clocks clocks;
    rt_target *targets; /* by lane, then step */
    int64_t n_targets, targets_capacity;

    rt_verdict *verdict;
    rt_error *error;
    int status;
} rt_proof;

/* All return false after they have set status, verdict and text. */
bool rt_proof_fail(rt_proof *proof, int32_t rank, int32_t lane, int64_t step, int status, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
bool rt_proof_no_memory(rt_proof *proof);

bool rt_proof_inspect(rt_proof *proof);
bool rt_proof_run(rt_proof *proof);
/* What the lane's step makes of what it received and reads, stored where it says; *value is what it may send. */
bool rt_proof_compute(rt_proof *proof, int32_t lane, const rt_spans *received, const rt_spans **value);
bool rt_proof_blame(rt_proof *proof);
bool rt_proof_outcome(rt_proof *proof);

static inline rt_place *rt_proof_place(const rt_proof *proof, int32_t rank, int buffer) {
    return &proof->places[(int64_t)rank * RT_BUFFERS + buffer];
}

static inline rt_memory *rt_proof_memory(const rt_proof *proof, int32_t rank, int buffer) {
    return &proof->memories[(int64_t)rank * RT_BUFFERS + rt_proof_place(proof, rank, buffer)->memory];
}

/* Elements of a buffer. */
int64_t rt_proof_extent(const rt_proof *proof, int32_t rank, int buffer);
const char *rt_buffer_name(int buffer);

static inline int32_t rt_proof_lanes(const rt_proof *proof, int32_t rank) {
    return proof->first_lane[rank + 1] - proof->first_lane[rank];
}

#endif
