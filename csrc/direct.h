/* direct: collectives of ranks that share memory, with no program and no links: the host's own speed.
 *
 *   at most 48 bytes    in the mark itself: one hand-over of a cache line
 *   small               whole inputs into slots, every rank combines all of them            one hand-over
 *   large, all_reduce   each rank combines its part of all inputs                            two, or one per piece
 *
 *        rank 0  input │ part 0 │ part 1 │      rank r reads part r of every rank's input where it lies, or a copy in
 *        rank 1  input │ part 0 │ part 1 │      its slot, and writes the result where every rank wants it, or into
 *                          ▼        ▼           its own slot for the others to fetch
 *                       rank 0   rank 1
 *
 *   large, moving       each rank fetches what is for it, from where it lies or from slots, piece by piece
 *
 * Memory that the others can reach (reach.h) is read and written in place, all other is copied through slots that stay
 * in the cache, in pieces: while a rank fetches a piece, its neighbour writes the next. Each rank decides for its own
 * buffers and says so in its first mark, so buffers of both sorts may meet in one call.
 *
 * Results: every element is combined in the order of the ranks, narrow floating types in float32 and rounded once
 * (fold.h). So all ranks, all runs and all ways get the same bits.
 *
 * A call is resumable: run and start do what they can, wait goes on. One operation per communicator at a time; one that
 * was started (and not waited for) is finished first when the next begins. Its progress also comes from waits on other
 * communicators of the process.
 *
 * Lending: plain buffers that come often (regular.h) cost a copy each time that they need not. Where every rank's call
 * is one whose caller can lend, and one of them says that it pays, all of them learn it in the same call, from the
 * marks; the call then ends with RT_LEND, and the callers together make regions of those buffers.
 *
 * Errors are as in execute.h: what fails revokes the communicator, for everybody.
 *
 * Ownership: a direct borrows its communicator, segment and regions. Buffers must outlive their operation.
 */
#ifndef RINGTREE_DIRECT_H
#define RINGTREE_DIRECT_H

#include "execute.h"
#include "ndarray.h"
#include "reach.h"

/* cffi: begin */
typedef struct rt_direct rt_direct;

/* Sizes at which another way is taken; the same on all ranks. What is out of range is drawn into it. */
typedef struct rt_limits {
    int64_t whole_bytes;  /* up to here every rank combines whole inputs */
    int64_t piece_bytes;  /* what a rank puts into a slot at a time */
    int64_t stream_bytes; /* from here on results go past the cache; a broadcast's from 8 times that on */
    int64_t fetch_bytes;  /* from here on private memory is read by the kernel's single copy; INT64_MAX: never */
} rt_limits;

typedef struct rt_direct_spec {
    rt_collective collective;
    const void *input; /* may equal output, or lie in it as in-place collectives do */
    void *output;
    int32_t dtype;
    int32_t op;    /* an rt_redop, or -1 for collectives that do not reduce */
    int32_t lends; /* whether the caller does what RT_LEND says */
} rt_direct_spec;

/* In place of RT_OK: it has ended well, and all ranks are to lend. */
enum { RT_LEND = 2 };

int64_t rt_direct_least_bytes(int32_t ranks);
/* format: the segment is fresh and this rank's. */
int rt_direct_new(rt_comm *comm, rt_segment *segment, int format, rt_direct **direct, rt_error *error);
void rt_direct_free(rt_direct *direct);
void rt_direct_set_limits(rt_direct *direct, const rt_limits *limits);
void rt_direct_limits(const rt_direct *direct, rt_limits *limits);

/* Begin, and go on for at most about wait_ns. RT_PENDING: call rt_direct_wait. RT_ERR_INVALID before anything is
 * said to the others; every other error revokes. */
int rt_direct_run(rt_direct *direct, const rt_direct_spec *spec, int64_t wait_ns, rt_error *error);
int rt_direct_wait(rt_direct *direct, int64_t wait_ns, rt_error *error);
/* Of the last operation, which buffers are to be lent: 1: some rank's input, 2: some rank's output; 4, 8: this rank's.
 */
int rt_direct_lending(const rt_direct *direct);
/* That has been done: nothing is owed. */
void rt_direct_lent(rt_direct *direct);
/* Whether this rank lends at all from here on; at first not. */
void rt_direct_set_lends(rt_direct *direct, int lends);
/* What Python's calls have in common, and those of one kind. */
typedef struct rt_direct_caller {
    rt_direct *direct; /* NULL: the communicator was freed */
    const rt_ndarrays *known;
    rt_error *error;
} rt_direct_caller;

typedef struct rt_direct_kind {
    const rt_direct_caller *caller;
    int64_t code; /* collective | (op + 1) << 8 | root << 16 */
} rt_direct_kind;

/* Run for equal parts. call: the address of a tuple of an array whose memory is an rt_direct_kind, and two NumPy
 * arrays (the same one for broadcast; in place the same one, or for all_reduce what the table has for that): one
 * argument, for every one costs Python time. RT_ERR_INVALID without a text: not a call that this understands; nothing
 * was begun. Dangerous: nothing else may be given. The second is for tuples whose items begin after four words. */
int rt_direct_call(uint64_t call);
int rt_direct_call_hashed(uint64_t call);
int rt_direct_barrier(const rt_direct_caller *caller);

typedef struct rt_direct_prepared {
    const rt_direct_caller *caller;
    rt_direct_spec spec;
} rt_direct_prepared;

int rt_direct_again(const rt_direct_prepared *prepared);
/* The same operation so many times, for measurements: nanoseconds of all of them, or a status below 0. */
int64_t rt_direct_repeat(rt_direct *direct, const rt_direct_spec *spec, int32_t times, rt_error *error);
/* Begin and return at once. Wait as above. */
int rt_direct_start(rt_direct *direct, const rt_direct_spec *spec, rt_error *error);
/* Number of the operation that was begun last; whether it is under way: 0: no, 1: somebody runs it, 2: started. */
uint64_t rt_direct_sequence(const rt_direct *direct);
int rt_direct_busy(const rt_direct *direct);
/* End the communicator for everyone, with a reason; the first reason stays. */
void rt_direct_revoke(rt_direct *direct, int status, const char *text);
/* The caller gives the operation up (after revoking). */
void rt_direct_abandon(rt_direct *direct);
/* Ranks that the operation waits for. */
int32_t rt_direct_missing(const rt_direct *direct, int32_t *ranks, int32_t capacity);

/* A region that all ranks have made (reach.h): by rank, where its body is mapped here, where its mirrors are (head,
 * then tail), and the bytes of head, body and tail. array: whose memory this rank's part is, or NULL. */
int rt_direct_add_region(rt_direct *direct, int64_t number, void *address, int64_t bytes, const rt_array_state *array,
                         void *const *bodies, void *const *mirrors, const int64_t *lengths, rt_region **region,
                         rt_error *error);
void rt_direct_remove_region(rt_direct *direct, int64_t number);
/* cffi: end */

#endif
