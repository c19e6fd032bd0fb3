/* symbolic: what a step does to symbolic buffers. */
#include <inttypes.h>
#include <stddef.h>

#include "proof.h"

static bool race(rt_proof *proof, const rt_proof_lane *lane, int buffer, const rt_touch *touch) {
    if (touch->no_memory) {
        return rt_proof_no_memory(proof);
    }
    return rt_proof_fail(proof, lane->rank, lane->lane, lane->step, RT_ERR_RACE,
                         "touches element %" PRId64 " of the %s, as lane %d does in step %" PRId64
                         ", without an order between them",
                         touch->element - rt_proof_place(proof, lane->rank, buffer)->shift, rt_buffer_name(buffer),
                         proof->lanes[touch->other_lane].lane, touch->other_step);
}

static rt_touch touch_of(rt_proof *proof, int32_t id) {
    const rt_proof_lane *lane = &proof->lanes[id];
    return (rt_touch){.clocks = rt_proof_lanes(proof, lane->rank) > 1 ? &proof->clocks : NULL,
                      .readers = &proof->readers,
                      .step = lane->step,
                      .lane = id,
                      .other_lane = -1};
}

static bool read_buffer(rt_proof *proof, int32_t id, int buffer, int64_t offset, rt_spans *out) {
    const rt_proof_lane *lane = &proof->lanes[id];
    const rt_place *place = rt_proof_place(proof, lane->rank, buffer);
    rt_touch touch = touch_of(proof, id);
    rt_spans_clear(out);
    if (!rt_memory_read(rt_proof_memory(proof, lane->rank, buffer), place->shift + offset, lane->now.count, &touch,
                        out)) {
        return race(proof, lane, buffer, &touch);
    }
    for (int64_t i = 0, at = offset; i < out->n; at += out->items[i++].length) {
        if (out->items[i].set == RT_NOBODY) {
            return rt_proof_fail(proof, lane->rank, lane->lane, lane->step, RT_ERR_WRONG_RESULT,
                                 "reads element %" PRId64 " of the %s, which has not been written", at,
                                 rt_buffer_name(buffer));
        }
    }
    return true;
}

static bool combine_span(rt_proof *proof, const rt_proof_lane *lane, rt_span a, rt_span b) {
    char first[64], second[64];
    if (a.element != b.element) {
        return rt_proof_fail(proof, lane->rank, lane->lane, lane->step, RT_ERR_WRONG_RESULT,
                             "combines element %" PRId64 " of %s with element %" PRId64 " of %s", a.element,
                             rt_sets_text(&proof->sets, a.set, first, sizeof first), b.element,
                             rt_sets_text(&proof->sets, b.set, second, sizeof second));
    }
    int32_t twice = rt_sets_common(&proof->sets, a.set, b.set);
    if (twice >= 0) {
        return rt_proof_fail(proof, lane->rank, lane->lane, lane->step, RT_ERR_WRONG_RESULT,
                             "combines element %" PRId64 " of %s with that of %s: rank %d would count twice", a.element,
                             rt_sets_text(&proof->sets, a.set, first, sizeof first),
                             rt_sets_text(&proof->sets, b.set, second, sizeof second), twice);
    }
    a.set = rt_sets_union(&proof->sets, a.set, b.set);
    return (a.set != RT_NO_SET && rt_spans_add(&proof->result, a)) || rt_proof_no_memory(proof);
}

static bool combine(rt_proof *proof, const rt_proof_lane *lane, const rt_spans *a, const rt_spans *b) {
    int64_t i = 0, j = 0, in_a = 0, in_b = 0;
    rt_spans_clear(&proof->result);
    while (i < a->n && j < b->n) {
        rt_span x = a->items[i], y = b->items[j];
        int64_t length = x.length - in_a < y.length - in_b ? x.length - in_a : y.length - in_b;
        if (!combine_span(proof, lane, (rt_span){length, x.element + in_a, x.set},
                          (rt_span){length, y.element + in_b, y.set})) {
            return false;
        }
        in_a = in_a + length == x.length ? (i++, 0) : in_a + length;
        in_b = in_b + length == y.length ? (j++, 0) : in_b + length;
    }
    return true;
}

static bool onto_itself(const rt_proof *proof, const rt_proof_lane *lane) {
    const rt_step *step = &lane->now;
    const rt_place *src = rt_proof_place(proof, lane->rank, step->src_buffer);
    const rt_place *dst = rt_proof_place(proof, lane->rank, step->dst_buffer);
    return step->opcode == RT_COPY && src->memory == dst->memory &&
           src->shift + step->src_offset == dst->shift + step->dst_offset;
}

bool rt_proof_compute(rt_proof *proof, int32_t id, const rt_spans *received, const rt_spans **value) {
    const rt_proof_lane *lane = &proof->lanes[id];
    const rt_step *step = &lane->now;
    *value = received;
    if (step->count == 0 || onto_itself(proof, lane)) {
        rt_spans_clear(&proof->read);
        *value = received ? received : &proof->read;
        return true;
    }
    if (rt_opcode_in(RT_OPS_READ_SRC, step->opcode)) {
        if (!read_buffer(proof, id, step->src_buffer, step->src_offset, &proof->read)) {
            return false;
        }
        *value = &proof->read;
    }
    if (step->opcode == RT_REDUCE_LOCAL) {
        if (!read_buffer(proof, id, step->dst_buffer, step->dst_offset, &proof->other)) {
            return false;
        }
        received = &proof->other;
    }
    if (rt_opcode_in(RT_OPS_COMBINE, step->opcode)) {
        if (!combine(proof, lane, received, &proof->read)) {
            return false;
        }
        *value = &proof->result;
    }
    if (rt_opcode_in(RT_OPS_WRITE_DST, step->opcode)) {
        const rt_place *place = rt_proof_place(proof, lane->rank, step->dst_buffer);
        rt_touch touch = touch_of(proof, id);
        if (!rt_memory_write(rt_proof_memory(proof, lane->rank, step->dst_buffer), place->shift + step->dst_offset,
                             *value, &touch)) {
            return race(proof, lane, step->dst_buffer, &touch);
        }
    }
    return true;
}
