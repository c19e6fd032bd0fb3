/* lane: which step may go on. */
#include "lane.h"

enum { TURN = 8 }; /* slices or steps before the next lane has its turn */

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

static bool begin(rt_op *op, rt_move *move) {
    if (!dependencies_ended(op, &move->step)) {
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
    if (!rt_move_receives(next) || !next->dst ||
        rt_overlap(next->dst, rt_move_stored(send), next->bytes, send->bytes)) {
        return false;
    }
    if (!next->begun && !begin(op, next)) {
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
        if (!move->begun && !begin(op, move)) {
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
