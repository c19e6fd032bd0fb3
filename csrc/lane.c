/* lane: which step may go on. */
#include "lane.h"

enum { TURN = 8 }; /* slices or steps before the next lane has its turn */

static bool overlap(const char *a, const char *b, int64_t a_bytes, int64_t b_bytes) {
    return (uintptr_t)a < (uintptr_t)b + (uintptr_t)b_bytes && (uintptr_t)b < (uintptr_t)a + (uintptr_t)a_bytes;
}

static bool dependencies_ended(const rt_op *op, const rt_step *step) {
    for (int d = 0; d < step->n_deps; d++) {
        const rt_dep *dep = &step->deps[d];
        for (int32_t i = dep->lane; i < dep->lane + dep->lanes; i++) {
            if (op->lanes[i].ended <= dep->step) {
                return false;
            }
        }
    }
    return true;
}

/* Whether another lane has sent the beginning of what this move will store over, and not yet its end. Chunks of one
 * slice leave whole. */
static bool spoils_another(const rt_op *op, const rt_lane *lane, const rt_move *move) {
    if (move->slices < 2 || !move->dst) {
        return false;
    }
    for (int32_t i = 0; i < op->n_lanes; i++) {
        const rt_lane *other = &op->lanes[i];
        const rt_move *at_work = &other->moves[other->ended & 1];
        if (other != lane && at_work->loaded && at_work->to && at_work->sent > 0 && at_work->sent < at_work->slices &&
            ((at_work->src && overlap(move->dst, at_work->src, move->bytes, at_work->bytes)) ||
             (at_work->dst && overlap(move->dst, at_work->dst, move->bytes, at_work->bytes)))) {
            return true;
        }
    }
    return false;
}

static bool begin(rt_op *op, rt_lane *lane, rt_move *move) {
    if (!dependencies_ended(op, &move->step) || spoils_another(op, lane, move)) {
        return false;
    }
    rt_move_local(op, move);
    move->begun = true;
    return true;
}

/* The receive half of the step behind one that has only to send, and waits. */
static bool receive_early(rt_op *op, rt_lane *lane, const rt_move *send) {
    rt_move *next = &lane->moves[(lane->ended + 1) & 1];
    if (send->sent == send->slices || send->received < send->slices ||
        (!next->loaded && rt_move_load(op, (int32_t)(lane - op->lanes), lane->ended + 1, next) != 1)) {
        return false;
    }
    if (!rt_move_receives(next) || !next->dst || overlap(next->dst, rt_move_stored(send), next->bytes, send->bytes)) {
        return false;
    }
    if (!next->begun && !begin(op, lane, next)) {
        return false;
    }
    return rt_move_slice(op, next, true);
}

static void end(rt_op *op, rt_lane *lane, rt_move *move) {
    rt_move_end_time(op, lane, move);
    move->loaded = false;
    lane->ended++;
}

bool rt_lane_advance(rt_op *op, rt_lane *lane) {
    int turn = 0;
    for (; turn < TURN && !lane->finished; turn++) {
        rt_move *move = &lane->moves[lane->ended & 1];
        int loaded = move->loaded ? 1 : rt_move_load(op, (int32_t)(lane - op->lanes), lane->ended, move);
        if (loaded != 1) {
            lane->finished = loaded == 0;
            op->lanes_left -= lane->finished;
            break;
        }
        if (!move->begun && !begin(op, lane, move)) {
            break;
        }
        rt_move_begin_time(op, lane, move);
        bool moved = rt_move_slice(op, move, false);
        if (move->received == move->slices && move->sent == move->slices && rt_move_time_over(op, move)) {
            end(op, lane, move);
        } else if (!moved && !receive_early(op, lane, move)) {
            break;
        }
    }
    return turn > 0;
}
