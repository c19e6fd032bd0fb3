/* lane: carries out the steps of one lane, a slice at a time.
 *
 *            receive half                send half
 *   [FIFO] ──▶ combine with src ──▶ dst ──▶ [FIFO]
 *                      └──────────────────▶           a slice that can go straight on does
 *
 * received and sent count slices; sent <= received <= slices. A half that a step lacks counts as done. So a plain
 * send is a step that has received everything, and a step that receives and sends passes slices on as they come; if
 * there is no room it goes on receiving into dst and sends from there.
 *
 * While a step has only to send and waits, the receive half of the step behind it may begin, into place: no step that
 * must come first is unfinished, and dst is not what is being sent. A program without races cannot tell.
 *
 * Nor can it tell that slices leave before their chunk has ended. An answer to them may come back before the rest has
 * left, and only its own step can see that: it neither stores over what another lane has begun to send and is not
 * through with, nor combines with what that lane has yet to store. It waits, slice by slice.
 *
 * Wall clock: a chunk is posted when its step's receive half has ended; its last slice goes out after that and says
 * when the tail arrives.
 */
#ifndef RINGTREE_LANE_H
#define RINGTREE_LANE_H

#include "comm.h"

enum { RT_REMEMBERED = 8 };

typedef struct rt_move {
    rt_step step;
    const char *src;
    char *dst;
    rt_fifo *from, *to;
    int64_t bytes;
    int64_t slices, received, sent;
    bool loaded, begun;
    bool posted, tail_seen; /* wall clock, as are the times */
    double begun_us, ready_us, left_us, tail_us;
} rt_move;

struct rt_lane {
    int64_t ended;                  /* steps */
    bool finished;                  /* all of them */
    rt_move moves[2];               /* the step at work, and the one behind it: by step index */
    double ended_us[RT_REMEMBERED]; /* of the last steps, wall clock */
};

static inline bool rt_overlap(const char *a, const char *b, int64_t a_bytes, int64_t b_bytes) {
    return (uintptr_t)a < (uintptr_t)b + (uintptr_t)b_bytes && (uintptr_t)b < (uintptr_t)a + (uintptr_t)a_bytes;
}

/* Do what can be done for the lane in one turn; whether anything moved. */
bool rt_lane_advance(rt_op *op, rt_lane *lane);

/* Load step `index`: 1; 0 at the lane's end; -1 when this rank cannot carry it out (the operation fails). */
int rt_move_load(rt_op *op, int32_t lane, int64_t index, rt_move *move);
/* Move at most one slice through each half; early: the receive half alone. */
bool rt_move_slice(rt_op *op, rt_move *move, bool early);
bool rt_move_receives(const rt_move *move);
/* What it sends of what it has received: a plain send everything. */
const char *rt_move_stored(const rt_move *move);
/* Copy or combine what needs no channel. */
void rt_move_local(const rt_op *op, const rt_move *move);

/* Wall clock: the times of a step. Otherwise every time has come and nothing is noted. */
void rt_move_begin_time(rt_op *op, rt_lane *lane, rt_move *move);
bool rt_move_posted(rt_op *op, rt_move *move);
bool rt_move_time_over(rt_op *op, const rt_move *move);
void rt_move_end_time(rt_op *op, rt_lane *lane, const rt_move *move);

#endif
