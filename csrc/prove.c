/* prove: all lanes, step by step: who may go on, what goes along channels. */
#include <inttypes.h>
#include <stdlib.h>

#include "proof.h"

static void enqueue(rt_proof *proof, int32_t lane) {
    int64_t end = (int64_t)proof->queue_first + proof->queue_length++;
    proof->queue[end % proof->n_lanes] = lane;
    proof->lanes[lane].waits = RT_WAITS_NOT;
}

static void wake(rt_proof *proof, rt_end *end) {
    if (end->waiting >= 0) {
        enqueue(proof, end->waiting);
        end->waiting = -1;
    }
}

/* Programs may use a channel's end from several lanes, in a fixed order; otherwise which message is whose is chance. */
static bool use_end(rt_proof *proof, rt_end *end, int32_t id, const char *verb) {
    const rt_proof_lane *lane = &proof->lanes[id];
    int32_t before = end->waiting >= 0 && end->waiting != id ? end->waiting : end->last;
    if (before >= 0 && (before == end->waiting || !rt_clocks_knows(&proof->clocks, id, before, end->last_step))) {
        return rt_proof_fail(proof, lane->rank, lane->lane, lane->step, RT_ERR_RACE,
                             "%s on a channel that lane %d also uses, without an order between them", verb,
                             proof->lanes[before].lane);
    }
    return true;
}

static rt_parcel *parcel_of(const rt_proof *proof, int32_t channel, int32_t slot) {
    return &proof->parcels[(int64_t)channel * proof->depth + slot];
}

static bool wait_for_step(rt_proof *proof, int32_t id, int32_t other, int64_t step) {
    rt_proof_lane *lane = &proof->lanes[id];
    lane->waits = RT_WAITS_STEP;
    lane->awaited = step;
    lane->next_waiter = proof->lanes[other].first_waiter;
    proof->lanes[other].first_waiter = id;
    return false;
}

static void join_step(rt_proof *proof, int32_t id, int32_t other, int64_t step) {
    int64_t low = 0, high = proof->n_targets - 1;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        const rt_target *target = &proof->targets[middle];
        if (target->lane < other || (target->lane == other && target->step < step)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    rt_clocks_join(&proof->clocks, id, proof->targets[low].snapshot);
}

static bool dependencies_ended(rt_proof *proof, int32_t id) {
    rt_proof_lane *lane = &proof->lanes[id];
    for (; lane->dep < lane->now.n_deps; lane->dep++, lane->dep_lanes = 0) {
        const rt_dep *dep = &lane->now.deps[lane->dep];
        for (; lane->dep_lanes < dep->lanes; lane->dep_lanes++) {
            int32_t other = proof->first_lane[lane->rank] + dep->lane + lane->dep_lanes;
            if (proof->lanes[other].step <= dep->step) {
                return wait_for_step(proof, id, other, dep->step);
            }
            if (other != id) {
                join_step(proof, id, other, dep->step);
            }
        }
    }
    return true;
}

static bool wait_at(rt_proof *proof, rt_end *end, int32_t id, rt_waits what) {
    proof->lanes[id].waits = what;
    end->waiting = id;
    return false;
}

/* False: it has to wait, or something is wrong. */
static bool channels_ready(rt_proof *proof, int32_t id) {
    const rt_step *step = &proof->lanes[id].now;
    if (rt_opcode_in(RT_OPS_RECEIVE, step->opcode)) {
        rt_proof_channel *from = &proof->channels[step->recv_channel];
        if (!use_end(proof, &from->receive, id, "receives")) {
            return false;
        }
        if (from->taken == 0) {
            return wait_at(proof, &from->receive, id, RT_WAITS_CHUNK);
        }
    }
    if (rt_opcode_in(RT_OPS_SEND, step->opcode)) {
        rt_proof_channel *to = &proof->channels[step->send_channel];
        if (!use_end(proof, &to->send, id, "sends")) {
            return false;
        }
        if (to->taken == proof->depth) {
            return wait_at(proof, &to->send, id, RT_WAITS_SLOT);
        }
    }
    return true;
}

static void note_use(rt_end *end, int32_t id, int64_t step) {
    end->last = id;
    end->last_step = step;
}

static int32_t next_slot(const rt_proof *proof, int32_t slot) {
    return slot + 1 == proof->depth ? 0 : slot + 1;
}

static bool send(rt_proof *proof, int32_t id, const rt_spans *value) {
    const rt_proof_lane *lane = &proof->lanes[id];
    rt_proof_channel *to = &proof->channels[lane->now.send_channel];
    rt_parcel *parcel = parcel_of(proof, lane->now.send_channel, to->send_at);
    rt_spans_clear(&parcel->spans);
    for (int64_t i = 0; i < value->n; i++) {
        if (!rt_spans_add(&parcel->spans, value->items[i])) {
            return rt_proof_no_memory(proof);
        }
    }
    to->send_at = next_slot(proof, to->send_at);
    to->taken++;
    note_use(&to->send, id, lane->step);
    proof->verdict->messages++;
    wake(proof, &to->receive);
    return true;
}

static void consume(rt_proof *proof, int32_t id) {
    const rt_proof_lane *lane = &proof->lanes[id];
    rt_proof_channel *from = &proof->channels[lane->now.recv_channel];
    from->receive_at = next_slot(proof, from->receive_at);
    from->taken--;
    note_use(&from->receive, id, lane->step);
    wake(proof, &from->send);
}

/* One snapshot serves all who go on from here: the receiver of the message and the lanes that depend on the step. */
static bool publish(rt_proof *proof, int32_t id, rt_parcel *sent) {
    rt_proof_lane *lane = &proof->lanes[id];
    rt_target *target = lane->target < proof->n_targets ? &proof->targets[lane->target] : NULL;
    bool awaited = target && target->lane == id && target->step == lane->step;
    int32_t snapshot = RT_NO_SNAPSHOT, references = (awaited ? target->references : 0) + (sent != NULL);
    rt_clocks_end(&proof->clocks, id, lane->step);
    if (references > 0 && !rt_clocks_snapshot(&proof->clocks, id, references, &snapshot)) {
        return rt_proof_no_memory(proof);
    }
    if (awaited) {
        target->snapshot = snapshot;
        lane->target++;
    }
    if (sent) {
        sent->snapshot = snapshot;
    }
    return true;
}

static void wake_waiters(rt_proof *proof, rt_proof_lane *lane) {
    for (int32_t *at = &lane->first_waiter; *at >= 0;) {
        rt_proof_lane *waiter = &proof->lanes[*at];
        if (waiter->awaited < lane->step) {
            int32_t id = *at;
            *at = waiter->next_waiter;
            enqueue(proof, id);
        } else {
            at = &waiter->next_waiter;
        }
    }
}

static bool perform(rt_proof *proof, int32_t id) {
    rt_proof_lane *lane = &proof->lanes[id];
    const rt_step *step = &lane->now;
    const rt_spans *received = NULL, *value;
    rt_parcel *sent = NULL;
    bool receives = rt_opcode_in(RT_OPS_RECEIVE, step->opcode);
    if (receives) {
        const rt_proof_channel *from = &proof->channels[step->recv_channel];
        rt_parcel *parcel = parcel_of(proof, step->recv_channel, from->receive_at);
        received = &parcel->spans;
        if (received->length != step->count) {
            return rt_proof_fail(proof, lane->rank, lane->lane, lane->step, RT_ERR_WRONG_RESULT,
                                 "receives %" PRId64 " elements on channel %d, but rank %d sent %" PRId64, step->count,
                                 step->recv_channel, from->ranks.src, received->length);
        }
        rt_clocks_join(&proof->clocks, id, parcel->snapshot);
    }
    if (!rt_proof_compute(proof, id, received, &value)) {
        return false;
    }
    if (rt_opcode_in(RT_OPS_SEND, step->opcode)) {
        sent = parcel_of(proof, step->send_channel, proof->channels[step->send_channel].send_at);
        if (!send(proof, id, value)) {
            return false;
        }
    }
    if (receives) {
        consume(proof, id);
    }
    if (!publish(proof, id, sent)) {
        return false;
    }
    lane->step++;
    lane->loaded = false;
    wake_waiters(proof, lane);
    return true;
}

/* Take the lane one step on; where it cannot go, it says what it waits for. */
static void advance(rt_proof *proof, int32_t id) {
    rt_proof_lane *lane = &proof->lanes[id];
    if (!lane->loaded) {
        if (!rt_program_next(proof->program, lane->rank, lane->lane, lane->step, &lane->now)) {
            lane->waits = RT_ALL_DONE;
            return;
        }
        lane->loaded = true;
        lane->dep = lane->dep_lanes = 0;
    }
    if (dependencies_ended(proof, id) && channels_ready(proof, id) && perform(proof, id)) {
        enqueue(proof, id);
    }
}

static bool check_channels(rt_proof *proof) {
    for (int32_t i = 0; i < proof->program->channels; i++) {
        const rt_proof_channel *channel = &proof->channels[i];
        if (channel->taken > 0) {
            return rt_proof_fail(proof, channel->ranks.dst, -1, -1, RT_ERR_WRONG_RESULT,
                                 "does not receive %d of the chunks that rank %d sends on channel %d", channel->taken,
                                 channel->ranks.src, i);
        }
    }
    return true;
}

bool rt_proof_run(rt_proof *proof) {
    for (int32_t i = 0; i < proof->n_lanes; i++) {
        enqueue(proof, i);
    }
    while (proof->queue_length > 0 && proof->status == RT_OK) {
        int32_t id = proof->queue[proof->queue_first];
        proof->queue_first = proof->queue_first + 1 == proof->n_lanes ? 0 : proof->queue_first + 1;
        proof->queue_length--;
        advance(proof, id);
    }
    for (int32_t i = 0; i < proof->n_lanes && proof->status == RT_OK; i++) {
        if (proof->lanes[i].waits != RT_ALL_DONE) {
            return rt_proof_blame(proof);
        }
    }
    return proof->status == RT_OK && check_channels(proof);
}
