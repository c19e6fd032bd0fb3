/* timing: when the steps of a lane begin and end under the wall clock.
 *
 * A step's times are the model's, not those at which this rank got round to it: it begins when the one before it in
 * its lane and its dependencies ended, a receive ends when the tail is there, a send when it has left.
 */
#include <math.h>

#include "lane.h"

static double later(double a, double b) {
    return a > b ? a : b;
}

/* When a step that has ended did so; for one long gone, a moment after that. */
static double ended_us(const rt_op *op, const rt_lane *lane, int64_t step) {
    if (step < lane->ended - RT_REMEMBERED) {
        step = lane->ended - RT_REMEMBERED;
    }
    return step < 0 ? op->started_us : lane->ended_us[step % RT_REMEMBERED];
}

void rt_move_begin_time(rt_op *op, rt_lane *lane, rt_move *move) {
    if (!op->wall || move->begun_us >= 0) {
        return;
    }
    move->begun_us = ended_us(op, lane, lane->ended - 1);
    for (int d = 0; d < move->step.n_deps; d++) {
        const rt_dep *dep = &move->step.deps[d];
        for (int32_t i = dep->lane; i < dep->lane + dep->lanes; i++) {
            move->begun_us = later(move->begun_us, ended_us(op, &op->lanes[i], dep->step));
        }
    }
}

/* Since when the channel has had a slot for its next chunk; infinity while it has none. */
static double slot_us(const rt_op *op, rt_fifo *fifo) {
    uint64_t depth = (uint64_t)rt_program_depth(op->program);
    uint64_t posted = atomic_load_explicit(&fifo->ends->posted, memory_order_relaxed);
    /* Acquire: the time at which a chunk's step ended is stored before the count. */
    uint64_t ended = atomic_load_explicit(&fifo->ends->ended, memory_order_acquire);
    if (posted - ended >= depth) {
        return INFINITY;
    }
    if (posted < depth || depth > RT_REMEMBERED) {
        return 0;
    }
    return atomic_load_explicit(&fifo->ends->ended_us[(posted - depth) % RT_REMEMBERED], memory_order_relaxed);
}

static double received_us(const rt_move *move) {
    return move->from ? later(move->begun_us, move->ready_us) : move->begun_us;
}

bool rt_move_posted(rt_op *op, rt_move *move) {
    if (move->posted || (move->from && !move->tail_seen)) {
        return move->posted;
    }
    double slot = slot_us(op, move->to);
    if (slot == INFINITY || !rt_op_reached(op, later(received_us(move), slot))) {
        return false;
    }
    rt_error error;
    int status = rt_wall_post(op->comm->wall, &move->to->channel, move->bytes, later(received_us(move), slot),
                              &move->left_us, &move->tail_us, &error);
    if (status != RT_OK) {
        rt_op_fail(op, status, "%s", error.text);
        return false;
    }
    atomic_fetch_add_explicit(&move->to->ends->posted, 1, memory_order_relaxed);
    move->posted = true;
    return true;
}

bool rt_move_time_over(rt_op *op, const rt_move *move) {
    return !op->wall || rt_op_reached(op, move->posted ? move->left_us : received_us(move));
}

void rt_move_end_time(rt_op *op, rt_lane *lane, const rt_move *move) {
    if (!op->wall) {
        return;
    }
    double end = move->posted ? move->left_us : received_us(move);
    lane->ended_us[lane->ended % RT_REMEMBERED] = end;
    if (move->from) {
        rt_ends *ends = move->from->ends;
        uint64_t ended = atomic_load_explicit(&ends->ended, memory_order_relaxed);
        atomic_store_explicit(&ends->ended_us[ended % RT_REMEMBERED], end, memory_order_relaxed);
        /* Release: the time before the count that frees the slot. */
        atomic_store_explicit(&ends->ended, ended + 1, memory_order_release);
        rt_channels_owe(&op->comm->channels, move->from->channel.src);
    }
}
