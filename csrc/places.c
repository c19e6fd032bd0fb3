/* places: ranks tell each other where their buffers lie, and hear it. */
#include "direction.h"
#include "fetch.h"

_Static_assert(sizeof(rt_places) <= RT_INLINE_BYTES, "places travel in the mark");

/* Ranks cut at pages: elements must not lie across two. */
static bool is_whole(const rt_direct *d, const void *buffer) {
    return (uintptr_t)buffer % (uintptr_t)d->at.element == 0;
}

/* Whether the buffer is plain and has come so often that the ranks should lend it. */
static bool wish(rt_direct *d, rt_place place, const void *buffer, int64_t bytes) {
    const int32_t sharing = rt_crowded(&d->comm->patience) ? (d->rounds.ranks + 1) / 2 : 1;
    if (place.region != RT_NOWHERE) {
        rt_regular_saves(&d->regulars, buffer, bytes, sharing);
        return false;
    }
    return is_whole(d, buffer) && rt_regular_meet(&d->regulars, buffer, bytes, sharing);
}

static uint32_t wishes(rt_direct *d, const rt_places *mine) {
    const rt_turns *at = &d->at;
    const bool writes = at->c.kind == RT_ALL_REDUCE && at->output != at->input; /* what others can write */
    const uint32_t input = wish(d, mine->input, at->input, at->input_bytes) ? RT_LEND_INPUT : 0;
    return input | (writes && wish(d, mine->output, at->output, at->output_bytes) ? RT_LEND_OUTPUT : 0);
}

static rt_place place_of(rt_direct *d, const void *buffer, int64_t bytes) {
    if (!is_whole(d, buffer)) {
        return (rt_place){RT_NOWHERE, 0};
    }
    return rt_reach_find(&d->reach, buffer, bytes);
}

/* In the first turn, before its mark. */
void rt_places_tell(rt_direct *d) {
    rt_turns *at = &d->at;
    rt_places mine = {place_of(d, at->input, at->input_bytes), place_of(d, at->output, at->output_bytes), 0, 0, 0};
    if (at->lends) {
        d->wishes = wishes(d, &mine);
        mine.lending = RT_CAN_LEND | d->wishes;
    }
    rt_peer *me = &d->peers[d->rounds.rank];
    me->input = rt_reach_check(&d->reach, d->rounds.rank, mine.input, at->input_bytes);
    me->output = rt_reach_check(&d->reach, d->rounds.rank, mine.output, at->output_bytes);
    me->input_at = mine.input.at;
    me->output_at = mine.output.at;
    me->process = 0;
    if (!me->input && at->fetched && at->input_bytes > 0) {
        mine.input = (rt_place){RT_PRIVATE, (int64_t)(uintptr_t)at->input};
        mine.process = me->process = rt_fetch_process();
    }
    if (me->input) {
        rt_reach_push(me->input, d->rounds.rank, mine.input.at, at->input_bytes);
    }
    memcpy(rt_rounds_mark_of(&d->rounds, d->rounds.rank, at->first)->bytes, &mine, sizeof mine);
}

static int hear(rt_direct *d, int32_t rank, uint32_t *lending) {
    rt_places places;
    rt_peer *peer = &d->peers[rank];
    int64_t in = rt_collective_extent(&d->at.c, rank, RT_INPUT) * d->at.element;
    int64_t out = rt_collective_extent(&d->at.c, rank, RT_OUTPUT) * d->at.element;
    memcpy(&places, rt_rounds_mark_of(&d->rounds, rank, d->at.first)->bytes, sizeof places);
    peer->input = rt_reach_check(&d->reach, rank, places.input, in);
    peer->output = rt_reach_check(&d->reach, rank, places.output, out);
    peer->input_at = places.input.at;
    peer->output_at = places.output.at;
    peer->process = places.input.region == RT_PRIVATE && d->at.fetched ? places.process : 0;
    *lending = places.lending;
    const bool known = places.input.region == RT_NOWHERE || rt_peer_open(peer);
    return known && (places.output.region == RT_NOWHERE || peer->output) ? RT_OK : RT_ERR_INVALID;
}

/* In the second turn: of every rank that this one needs. */
int rt_places_hear(rt_direct *d, rt_error *error) {
    uint32_t wished = d->wishes, all = d->at.lends ? RT_CAN_LEND : 0;
    for (int32_t rank = 0; rank < d->rounds.ranks; rank++) {
        bool needed = d->at.all_hear || (rank == d->at.c.root && d->at.c.kind != RT_GATHER) ||
                      (d->at.c.kind == RT_GATHER && d->rounds.rank == d->at.c.root);
        if (rank != d->rounds.rank) {
            uint32_t lending = 0;
            d->peers[rank] = (rt_peer){0};
            if (needed && hear(d, rank, &lending) != RT_OK) {
                return rt_fail(error, RT_ERR_INVALID, "rank %d names memory that rank %d does not know", rank,
                               d->rounds.rank);
            }
            wished |= lending & (RT_LEND_INPUT | RT_LEND_OUTPUT);
            all &= lending;
        }
    }
    d->wished = all ? wished : 0;
    return RT_OK;
}
