/* direct_plan: from what is asked for to turns: which way, in how many pieces. */
#include <inttypes.h>

#include "direction.h"

/* Below, a copy costs less than a second hand-over; and what is worth saying where nothing can be reached yet. */
enum { PLACED_BYTES = 2048, TOLD_BYTES = 16 << 10, CROWDED_BROADCAST_BYTES = 128 << 10 };

static bool reduces(int kind) {
    return kind == RT_ALL_REDUCE || kind == RT_REDUCE_SCATTER || kind == RT_REDUCE;
}

static int check_types(const rt_direct *d, const rt_direct_spec *spec, rt_turns *at, rt_error *error) {
    at->element = rt_dtype_size(spec->dtype);
    if (at->element < 1) {
        return rt_fail(error, RT_ERR_INVALID, "operation: unknown type %d", spec->dtype);
    }
    if (reduces(spec->collective.kind) && rt_fold_find(spec->dtype, spec->op, d->rounds.ranks, &at->fold) != RT_OK) {
        return rt_fail(error, RT_ERR_UNSUPPORTED, "operation: reduction %d means nothing for type %d", spec->op,
                       spec->dtype);
    }
    return RT_OK;
}

static int check_buffers(const rt_direct *d, rt_turns *at, rt_error *error) {
    int64_t in = rt_collective_extent(&at->c, d->rounds.rank, RT_INPUT);
    int64_t out = rt_collective_extent(&at->c, d->rounds.rank, RT_OUTPUT);
    if (in > INT64_MAX / 2 / at->element || out > INT64_MAX / 2 / at->element) {
        return rt_fail(error, RT_ERR_OVERFLOW, "operation: %" PRId64 " elements of %" PRId64 " bytes",
                       in > out ? in : out, at->element);
    }
    if ((in > 0 && !at->input) || (out > 0 && !at->output)) {
        return rt_fail(error, RT_ERR_INVALID, "operation: no %s, expected %" PRId64 " elements",
                       in > 0 && !at->input ? "input" : "output", in > 0 && !at->input ? in : out);
    }
    at->input_bytes = in * at->element;
    at->output_bytes = out * at->element;
    return RT_OK;
}

static int check(const rt_direct *d, const rt_direct_spec *spec, rt_turns *at, rt_error *error) {
    int status = rt_collective_check(&at->c, error);
    if (status == RT_OK && at->c.ranks != d->rounds.ranks) {
        status = rt_fail(error, RT_ERR_INVALID, "operation: for %d ranks, the communicator has %d", at->c.ranks,
                         d->rounds.ranks);
    }
    if (status == RT_OK && at->c.kind == RT_ALL_TO_ALL && at->c.counts && !(at->c.displs && at->c.recv_displs)) {
        status = rt_fail(error, RT_ERR_INVALID, "operation: counts of all_to_all without displacements");
    }
    status = status ? status : check_types(d, spec, at, error);
    return status ? status : check_buffers(d, at, error);
}

/* Elements of the longest part, or of the longest block of all_to_all. */
static int64_t longest_part(const rt_collective *c) {
    const int64_t cells = c->kind == RT_ALL_TO_ALL ? (int64_t)c->ranks * c->ranks : c->ranks;
    if (!c->counts) {
        return c->kind == RT_BROADCAST ? c->count : c->count / c->ranks + (c->count % c->ranks != 0);
    }
    int64_t longest = 0;
    for (int64_t i = 0; i < cells; i++) {
        longest = c->counts[i] > longest ? c->counts[i] : longest;
    }
    return longest;
}

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* Pieces of at most `bytes`, in whole lines where there is more than one. */
static void cut(rt_turns *at, int64_t longest, int64_t bytes) {
    const int64_t line = at->element < RT_LINE ? RT_LINE / at->element : 1;
    at->piece = bytes / at->element;
    at->piece = at->piece > line ? at->piece / line * line : at->piece;
    at->pieces = longest ? (longest + at->piece - 1) / at->piece : 1;
    at->marks = at->pieces + 1;
    at->large = at->placed = true;
}

/* Whether what fits one slot is worth a word about where it lies. */
static bool is_told(const rt_direct *d, int64_t bytes) {
    return bytes >= (d->reach.used ? PLACED_BYTES : TOLD_BYTES);
}

static void plan_reduction(const rt_direct *d, rt_turns *at) {
    const int32_t ranks = d->rounds.ranks;
    at->bytes = at->input_bytes;
    at->pieces = at->marks = 1;
    at->work = rt_reduce_whole;
    at->inside = at->bytes <= RT_INLINE_BYTES;
    at->all_wait = at->c.kind != RT_REDUCE;
    if (is_told(d, at->bytes) && at->bytes <= d->limits.whole_bytes) {
        at->work = rt_reduce_placed;
        at->all_wait = at->placed = at->large = true;
        at->marks = 2;
    }
    if (at->bytes > d->limits.whole_bytes) {
        at->work = rt_reduce_parts;
        at->all_wait = true;
        const int64_t line = at->element < RT_LINE ? RT_LINE / at->element : 1; /* parts are whole lines */
        cut(at, longest_part(&at->c) + line, least(d->limits.piece_bytes, d->rounds.slot_bytes / (ranks + 1)));
    }
}

/* Up to which size a moving collective goes through one slot. A broadcast then keeps its root for one hand-over only:
 * where ranks share processors, every one more costs as many changes of process as a processor has ranks. */
static int64_t most_in_one_slot(const rt_direct *d, int kind) {
    const bool crowded = rt_crowded(&d->comm->patience);
    if (kind == RT_BROADCAST && crowded && d->limits.whole_bytes < CROWDED_BROADCAST_BYTES) {
        return least(CROWDED_BROADCAST_BYTES, d->rounds.slot_bytes);
    }
    return d->limits.whole_bytes;
}

static void plan_move(const rt_direct *d, rt_turns *at) {
    const int kind = at->c.kind;
    const int64_t longest = longest_part(&at->c);
    const int32_t copies = kind == RT_SCATTER || kind == RT_ALL_TO_ALL ? d->rounds.ranks : 1;
    at->bytes = longest * at->element * copies;
    at->pieces = at->marks = 1;
    at->piece = longest;
    at->work = rt_move_pieces;
    at->inside = at->bytes <= RT_INLINE_BYTES;
    at->all_wait = !rt_takes_root(kind);
    if (at->bytes <= most_in_one_slot(d, kind)) {
        if (at->all_wait && is_told(d, at->bytes)) {
            cut(at, longest, d->rounds.slot_bytes / copies);
        }
    } else {
        cut(at, longest, least(d->limits.piece_bytes, d->rounds.slot_bytes / copies));
        /* Of two ranks the sender of a broadcast would stand idle: through slots it copies while the other does. */
        at->all_hear = kind == RT_BROADCAST; /* the root's buffer may be lent */
        at->fetched = at->bytes >= d->limits.fetch_bytes && (kind != RT_BROADCAST || d->rounds.ranks > 2);
    }
}

static uint64_t signature_of(const rt_turns *at) {
    const rt_collective *c = &at->c;
    uint64_t hash =
        rt_mix((uint64_t)c->kind | (uint64_t)at->dtype << 8 | (uint64_t)(at->op + 1) << 16 | (uint64_t)c->root << 32);
    hash = rt_mix(hash + (uint64_t)c->count);
    const int64_t cells = !c->counts ? 0 : c->kind == RT_ALL_TO_ALL ? (int64_t)c->ranks * c->ranks : c->ranks;
    for (int64_t i = 0; i < cells; i++) {
        hash = rt_mix(hash + (uint64_t)c->counts[i]);
    }
    return hash;
}

/* Whether the plan of the operation before holds for this one: all is the same but where the memory is. */
static bool as_before(const rt_direct *d, const rt_direct_spec *spec) {
    const rt_collective *c = &spec->collective, *known = &d->plan.c;
    return d->plan.work && !c->counts && !known->counts && c->kind == known->kind && c->count == known->count &&
           c->root == known->root && c->ranks == known->ranks && !c->displs && !c->recv_displs &&
           spec->dtype == d->plan.dtype && spec->op == d->plan.op && (spec->input || !d->plan.input_bytes) &&
           (spec->output || !d->plan.output_bytes);
}

enum { BROADCAST_CACHED = 8 }; /* times the size from which results go past the cache */

/* Whether they do. What a broadcast overwrites is what its ranks worked with last: as long as that
 * may still be in the cache, to store past it costs up to twice the time. */
static bool streams(const rt_direct *d, const rt_turns *at) {
    const int64_t bytes = at->input_bytes > at->output_bytes ? at->input_bytes : at->output_bytes;
    return (at->c.kind == RT_BROADCAST ? bytes / BROADCAST_CACHED : bytes) >= d->limits.stream_bytes;
}

static int plan_anew(rt_direct *d, const rt_direct_spec *spec, rt_error *error) {
    rt_turns at = {
        .c = spec->collective, .input = spec->input, .output = spec->output, .dtype = spec->dtype, .op = spec->op};
    int status = check(d, spec, &at, error);
    if (status != RT_OK) {
        return status;
    }
    if (reduces(at.c.kind)) {
        plan_reduction(d, &at);
    } else {
        plan_move(d, &at);
    }
    at.all_hear |= at.all_wait;
    at.stream = streams(d, &at);
    d->plan = at;
    d->planned = signature_of(&at);
    return RT_OK;
}

int rt_direct_plan(rt_direct *d, const rt_direct_spec *spec, rt_error *error) {
    int status = as_before(d, spec) ? RT_OK : plan_anew(d, spec, error);
    if (status == RT_OK) {
        d->at = d->plan;
        d->at.input = spec->input;
        d->at.output = spec->output;
        d->at.lends = d->lends && spec->lends && d->at.all_hear;
        d->at.first = d->rounds.marked + 1;
        /* With all that came before: who asked nothing of the others then, as two roots of one broadcast, hears it now.
         */
        d->signature = rt_mix(d->planned + d->signature);
    }
    return status;
}
