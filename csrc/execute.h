/* execute: runs a program on real buffers, a resumable step at a time.
 *
 *   engine (one per process) ─ comm (rank in an arena) ─ op (program, buffers, kernel, cursor of each lane)
 *                │
 *                └ progress: each lane does what it can without blocking; op_wait: progress, spin, sleep
 *
 * start publishes {sequence, signature} and compares it with what the others published for the same sequence: ranks
 * that disagree about count, type or operation all get RT_ERR_MISMATCH. Operations of one communicator run in the
 * order of their start.
 *
 * A channel is a FIFO of slices in the arena; a chunk larger than its memory moves in slices. While a send waits for
 * room, the receives of the rank go on (into place where that is safe, else aside), so a program proved at depth d
 * cannot block. When the channel layout changes from one operation to the next, ranks meet once before it is reused.
 *
 * Wall clock: a chunk reserves all the elements of its route, under the board's lock, when it is posted; the step of
 * the sender ends no earlier than it left, that of the receiver no earlier than its tail arrived, both stretched by
 * the dilation.
 *
 * After an error or a timeout the communicator is revoked: all its waits end, later calls return RT_ERR_REVOKED with
 * the first error's text.
 *
 * Ownership: free ops before their comm, comms before the engine. A program and its buffers must outlive their op.
 * Threads: a comm belongs to one thread at a time; different comms of an engine may be used by different threads.
 */
#ifndef RINGTREE_EXECUTE_H
#define RINGTREE_EXECUTE_H

#include "arena.h"
#include "board.h"
#include "program.h"
#include "reduce.h"

/* cffi: begin */
typedef struct rt_engine rt_engine;
typedef struct rt_comm rt_comm;
typedef struct rt_op rt_op;

int rt_engine_new(rt_engine **engine, rt_error *error);
void rt_engine_free(rt_engine *engine);

/* ranks_here: how many ranks share the processors, for the spin budget. */
int rt_comm_new(rt_engine *engine, rt_arena *arena, int32_t rank, int32_t ranks_here, rt_comm **comm, rt_error *error);
void rt_comm_free(rt_comm *comm);

/* Wall clock from here on: placement[rank] is the node of each rank; emulated us = host us / dilation. */
int rt_comm_wall(rt_comm *comm, const rt_board *board, const int32_t *placement, double dilation, rt_error *error);

typedef struct rt_op_spec {
    const rt_program *program;
    const void *input; /* may equal output, or lie in it as in-place collectives do */
    void *output;
    void *scratch; /* rt_program_scratch elements, or NULL where none are needed */
    int32_t dtype;
    int32_t op;         /* an rt_redop, or -1 for collectives that do not reduce */
    uint64_t signature; /* what the ranks must agree about, hashed by the caller */
} rt_op_spec;

int rt_op_start(rt_comm *comm, const rt_op_spec *spec, rt_op **op, rt_error *error);
/* All-gather `bytes` (at most RT_EXCHANGE_BYTES) from each rank into all[ranks x bytes]: agreement about clocks,
 * counts, names. An op like any other. */
enum { RT_EXCHANGE_BYTES = 512 };
int rt_exchange_start(rt_comm *comm, const void *mine, void *all, int32_t bytes, uint64_t signature, rt_op **op,
                      rt_error *error);

/* Do what can be done without blocking, for at most about budget_ns. Returns how many ops of the engine are not done.
 */
int rt_progress(rt_engine *engine, int64_t budget_ns);
/* RT_OK when done; RT_PENDING after wait_ns (sleeping, not burning); else the error. */
int rt_op_wait(rt_op *op, int64_t wait_ns, rt_error *error);
int64_t rt_op_moved_bytes(const rt_op *op); /* that this rank sent through channels */
void rt_op_free(rt_op *op);                 /* of a finished or failed op */

/* Ranks that have not reached operation `op`'s sequence number: written to ranks[], at most capacity; returns how many.
 */
int32_t rt_op_missing(const rt_op *op, int32_t *ranks, int32_t capacity);
/* End the communicator for everyone, with a reason; the first reason stays. */
void rt_comm_revoke(rt_comm *comm, int status, const char *text);
int64_t rt_now_ns(void); /* CLOCK_MONOTONIC */
/* cffi: end */

#endif
