/* move: one step's data, slice by slice. */
#include <inttypes.h>
#include <stddef.h>

#include "lane.h"
#include "stream.h"

/* What is combined or copied at once, then passed on while it is still in the first-level cache: a multiple of every
 * element's size. Not more, since C libraries copy more with string instructions, which some processors carry out ten
 * times slower when source and target lie at nearly the same place of their pages (Zen 3: 3 instead of 30 GB/s). */
enum { BLOCK = 2048 };

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

typedef struct traits {
    bool src, dst, receives, sends, combines;
} traits;

static const traits OPCODES[RT_OPCODES] = {
    [RT_NOP] = {0},
    [RT_SEND] = {.src = true, .sends = true},
    [RT_RECV] = {.dst = true, .receives = true},
    [RT_COPY] = {.src = true, .dst = true},
    [RT_REDUCE_LOCAL] = {.src = true, .dst = true, .combines = true},
    [RT_RECV_SEND] = {.dst = true, .receives = true, .sends = true},
    [RT_RECV_REDUCE] = {.src = true, .dst = true, .receives = true, .combines = true},
    [RT_RECV_REDUCE_SEND] = {.src = true, .receives = true, .sends = true, .combines = true},
    [RT_RECV_REDUCE_STORE_SEND] = {.src = true, .dst = true, .receives = true, .sends = true, .combines = true},
};

static int bad_step(rt_op *op, const rt_step *step, int32_t lane, int64_t index, const char *what) {
    rt_op_fail(op, RT_ERR_INVALID, "program: rank %d, lane %d, step %" PRId64 " (opcode %d): %s", op->comm->rank, lane,
               index, step->opcode, what);
    return -1;
}

static bool inside(const rt_op *op, int buffer, int64_t offset, int64_t count) {
    return count == 0 || (buffer < RT_BUFFERS && offset >= 0 && count > 0 && count <= op->extents[buffer] &&
                          offset <= op->extents[buffer] - count);
}

/* Every index and range of a step is checked here, once. */
static const char *complaint(const rt_op *op, const rt_step *step, const traits *is) {
    const rt_channels *channels = &op->comm->channels;
    if (is->combines && !op->kernel) {
        return "combines, but the operation has no reduction";
    }
    if ((is->src && !inside(op, step->src_buffer, step->src_offset, step->count)) ||
        (is->dst && !inside(op, step->dst_buffer, step->dst_offset, step->count)) || step->count < 0) {
        return "reaches beyond its buffer";
    }
    if ((is->receives && (step->recv_channel < 0 || step->recv_channel >= op->layout.channels ||
                          channels->fifos[step->recv_channel].channel.dst != op->comm->rank)) ||
        (is->sends && (step->send_channel < 0 || step->send_channel >= op->layout.channels ||
                       channels->fifos[step->send_channel].channel.src != op->comm->rank))) {
        return "uses a channel that does not end here";
    }
    if (step->n_deps > RT_MAX_DEPS) {
        return "has too many dependencies";
    }
    for (int d = 0; d < step->n_deps; d++) {
        const rt_dep *dep = &step->deps[d];
        if (dep->lane < 0 || dep->lanes < 1 || dep->lane > op->n_lanes - dep->lanes || dep->step < 0) {
            return "depends on a lane that this rank does not have";
        }
    }
    return NULL;
}

static int64_t slices_of(const rt_op *op, int64_t bytes) {
    int64_t payload = rt_layout_payload(&op->layout);
    return bytes > payload ? (bytes + payload - 1) / payload : 1;
}

int rt_move_load(rt_op *op, int32_t lane, int64_t index, rt_move *move) {
    rt_step *step = &move->step;
    if (!rt_program_next(op->program, op->comm->rank, lane, index, step)) {
        return 0;
    }
    if (step->opcode > RT_RECV_REDUCE_STORE_SEND) {
        return bad_step(op, step, lane, index, "not implemented");
    }
    const traits *is = &OPCODES[step->opcode];
    const char *wrong = complaint(op, step, is);
    if (wrong) {
        return bad_step(op, step, lane, index, wrong);
    }
    *move = (rt_move){.step = *step, .loaded = true, .begun_us = -1};
    if (step->count > 0 && (is->src || is->dst)) {
        move->bytes = step->count * op->element;
        move->src = is->src ? op->buffers[step->src_buffer] + step->src_offset * op->element : NULL;
        move->dst = is->dst ? op->buffers[step->dst_buffer] + step->dst_offset * op->element : NULL;
    }
    move->slices = is->receives || is->sends ? slices_of(op, move->bytes) : 0;
    if (is->receives) {
        move->from = &op->comm->channels.fifos[step->recv_channel];
    } else {
        move->received = move->slices;
    }
    if (is->sends) {
        move->to = &op->comm->channels.fifos[step->send_channel];
    } else {
        move->sent = move->slices;
    }
    ptrdiff_t apart = move->src && move->dst ? (ptrdiff_t)((uintptr_t)move->src - (uintptr_t)move->dst) : 0;
    if (is->combines && apart != 0 && apart < move->bytes && -apart < move->bytes) {
        return bad_step(op, step, lane, index, "combines into memory that overlaps its source");
    }
    return 1;
}

bool rt_move_receives(const rt_move *move) {
    return OPCODES[move->step.opcode].receives;
}

const char *rt_move_stored(const rt_move *move) {
    return move->dst ? move->dst : move->src;
}

void rt_move_local(const rt_op *op, const rt_move *move) {
    if (move->slices > 0 || !move->dst) {
        return;
    }
    if (OPCODES[move->step.opcode].combines) {
        op->kernel(move->dst, move->src, move->dst, move->step.count);
    } else if (move->dst != move->src) {
        memmove(move->dst, move->src, (size_t)move->bytes);
    }
}

/* The slice that comes next, if it has come: exactly the one the step expects. */
static const char *arrived(rt_op *op, rt_move *move, rt_slice *slice) {
    rt_channels *channels = &op->comm->channels;
    const char *data = rt_fifo_peek(channels, move->from, slice);
    if (!data) {
        return NULL;
    }
    if (slice->bytes < 0) {
        rt_op_fail(op, RT_ERR_SYSTEM, "arena: the channel from rank %d to rank %d holds what no rank sends",
                   move->from->channel.src, op->comm->rank);
        return NULL;
    }
    int64_t payload = rt_layout_payload(&op->layout), left = move->bytes - move->received * payload;
    int64_t bytes = least(left, payload);
    if (slice->tag != op->tag || slice->left != left || slice->bytes != bytes) {
        rt_op_fail(op, RT_ERR_MISMATCH,
                   "ranks %d and %d disagree about operation %" PRIu64 " of the communicator: rank %d received %" PRId64
                   " bytes of it, or of another, and expected %" PRId64,
                   move->from->channel.src, op->comm->rank, op->sequence, op->comm->rank, slice->left, left);
        return NULL;
    }
    if (slice->left == slice->bytes && !move->tail_seen) {
        move->tail_seen = true;
        move->ready_us = slice->ready_us;
    }
    return data;
}

/* Whether the move's next slice, of `bytes`, touches what `other` has begun to send and is not through with. Until
 * `other` has sent something nothing can be an answer to it. */
static bool overtakes(const rt_op *op, const rt_move *move, const rt_move *other, int64_t bytes) {
    int64_t payload = rt_layout_payload(&op->layout);
    int64_t at = move->received * payload, done = other->sent * payload, left = other->bytes - done;
    if (other == move || !other->loaded || !other->to || other->sent == 0 || other->sent == other->slices) {
        return false;
    }
    return (move->dst && other->src && rt_overlap(move->dst + at, other->src + done, bytes, left)) ||
           (move->dst && other->dst && rt_overlap(move->dst + at, other->dst + done, bytes, left)) ||
           (move->src && other->dst && rt_overlap(move->src + at, other->dst + done, bytes, left));
}

/* Chunks of one slice leave whole, so no answer overtakes them. */
static bool overtakes_any(const rt_op *op, const rt_move *move, int64_t bytes) {
    for (int32_t i = 0; move->slices > 1 && i < op->n_lanes; i++) {
        if (overtakes(op, move, &op->lanes[i].moves[op->lanes[i].ended & 1], bytes)) {
            return true;
        }
    }
    return false;
}

/* Whether what it sends goes past the cache. Ranks that take turns on a core find each other's slots in there. */
static bool streams(const rt_op *op, const rt_move *move) {
    bool crowded = rt_crowded(&op->comm->patience);
    return !crowded && move->slices > op->layout.slots;
}

static void fill(const rt_op *op, const rt_move *move, char *room, const char *data, int64_t bytes) {
    if (streams(op, move)) {
        rt_stream(room, data, bytes);
    } else {
        memcpy(room, data, (size_t)bytes);
    }
}

/* What has come, combined or not, into dst and into the slot that goes on, whichever there are. */
static void store(const rt_op *op, const rt_move *move, char *room, const char *data, int64_t bytes) {
    bool combines = OPCODES[move->step.opcode].combines;
    int64_t offset = move->received * rt_layout_payload(&op->layout);
    _Alignas(RT_LINE) char block[BLOCK];
    for (int64_t at = 0; at < bytes; at += BLOCK) {
        int64_t some = least(bytes - at, BLOCK);
        char *into = move->dst ? move->dst + offset + at : streams(op, move) ? block : room + at;
        if (combines) {
            op->kernel(into, data + at, move->src + offset + at, some / op->element);
        } else {
            memcpy(into, data + at, (size_t)some);
        }
        if (room && into != room + at) {
            fill(op, move, room + at, into, some);
        }
    }
}

static void push(rt_op *op, rt_move *move) {
    int64_t payload = rt_layout_payload(&op->layout), left = move->bytes - move->sent * payload;
    rt_slice slice = {op->tag, left, least(left, payload), move->tail_us};
    if (streams(op, move)) {
        rt_stream_fence();
    }
    rt_fifo_push(&op->comm->channels, move->to, &slice);
    op->moved_bytes += slice.bytes;
    move->sent++;
}

static void send_stored(rt_op *op, rt_move *move, char *room) {
    int64_t payload = rt_layout_payload(&op->layout), offset = move->sent * payload;
    int64_t bytes = least(move->bytes - offset, payload);
    for (int64_t at = 0; at < bytes; at += BLOCK) {
        fill(op, move, room + at, rt_move_stored(move) + offset + at, least(bytes - at, BLOCK));
    }
    push(op, move);
}

bool rt_move_slice(rt_op *op, rt_move *move, bool early) {
    rt_channels *channels = &op->comm->channels;
    rt_slice slice;
    const char *data = move->received < move->slices ? arrived(op, move, &slice) : NULL;
    char *room = NULL;
    if (data && overtakes_any(op, move, slice.bytes)) {
        data = NULL;
    }
    if (!early && move->sent < move->slices && (data || move->sent < move->received)) {
        bool may_send = !op->wall || rt_move_posted(op, move) || move->sent + 1 < move->slices;
        room = may_send ? rt_fifo_room(channels, move->to) : NULL;
    }
    if (room && move->sent < move->received) {
        send_stored(op, move, room);
        return true;
    }
    bool has_place = room || move->dst || move->bytes == 0;
    if (!data || (!has_place && move->sent < move->slices)) {
        return false;
    }
    store(op, move, room, data, slice.bytes);
    rt_fifo_pop(channels, move->from);
    move->received++;
    if (room) {
        push(op, move);
    }
    return true;
}
