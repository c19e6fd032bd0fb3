/* direct_reduce: all_reduce, reduce_scatter and reduce without a program.
 *
 * In parts, turn j of a rank, S elements of every part at a time:
 *
 *   copy in    piece j of everybody else's part     input ──▶ slot             unless the others can read the input
 *   combine    piece j - 1 of its own part          all inputs and slots ──▶ output, reachable outputs, slot
 *   copy out   piece j - 2 of everybody else's      their slots ──▶ output     unless they could write the output
 *
 * A slot has room for a piece of every part, then one for the result.
 */
#include "direction.h"
#include "stream.h"

static bool goes_to(const rt_direct *d, int32_t rank) {
    return d->at.c.kind == RT_ALL_REDUCE || rank == d->at.c.root;
}

/* Part `rank` of the vector: of reduce_scatter what the caller says, else whole lines, so that no two ranks write one.
 */
static void part_of(const rt_turns *at, int32_t rank, int64_t *begin, int64_t *length) {
    if (at->c.kind == RT_REDUCE_SCATTER) {
        rt_collective_part(&at->c, rank, begin, length);
        return;
    }
    const int64_t line = at->element < RT_LINE ? RT_LINE / at->element : 1;
    const int64_t each = ((at->c.count + at->c.ranks - 1) / at->c.ranks + line - 1) / line * line;
    *begin = each * rank < at->c.count ? each * rank : at->c.count;
    *length = at->c.count - *begin < each ? at->c.count - *begin : each;
}

/* Piece `piece` of part `rank`, in elements; false where that part has ended. */
static bool piece_of(const rt_turns *at, int32_t rank, int64_t piece, int64_t *begin, int64_t *length) {
    int64_t offset;
    if (piece < 0 || piece >= at->pieces) {
        return false;
    }
    part_of(at, rank, begin, length);
    offset = piece * at->piece;
    if (offset >= *length) {
        return false;
    }
    *begin += offset;
    *length = *length - offset < at->piece ? *length - offset : at->piece;
    return true;
}

static void copy_in(rt_direct *d, int64_t piece) {
    const rt_turns *at = &d->at;
    char *slot = rt_outbox(d);
    int64_t begin, length;
    for (int32_t rank = 0; rank < d->rounds.ranks; rank++) {
        if (rank != d->rounds.rank && piece_of(at, rank, piece, &begin, &length)) {
            rt_copy(slot + rank * at->piece * at->element, at->input + begin * at->element, length * at->element);
        }
    }
}

static void copy_out(rt_direct *d, int64_t piece) {
    const rt_turns *at = &d->at;
    int64_t begin, length;
    for (int32_t rank = 0; rank < d->rounds.ranks; rank++) {
        if (rank != d->rounds.rank && piece_of(at, rank, piece, &begin, &length)) {
            const char *result = rt_inbox(d, rank) + d->rounds.ranks * at->piece * at->element;
            (at->stream ? rt_stream : rt_copy)(at->output + begin * at->element, result, length * at->element);
        }
    }
}

/* Where the own part's elements from `begin` on lie at each rank, and how many of `bytes` in one piece everywhere. */
static int64_t find_sources(rt_direct *d, int64_t begin, int64_t into_slot, int64_t bytes) {
    const rt_turns *at = &d->at;
    const int32_t me = d->rounds.rank;
    for (int32_t rank = 0; rank < d->rounds.ranks; rank++) {
        const rt_peer *peer = &d->peers[rank];
        char *where;
        if (peer->input) {
            bytes = rt_reach_run(peer->input, rank, peer->input_at + begin * at->element, bytes, &where);
        } else if (rank == me) {
            where = (char *)at->input + begin * at->element;
        } else {
            where = (char *)rt_inbox(d, rank) + me * at->piece * at->element + into_slot;
        }
        d->sources[rank] = where;
    }
    return bytes;
}

/* The outputs that this rank writes, into targets; whether anybody has to fetch the result from the slot. */
static int64_t find_targets(rt_direct *d, int64_t begin, int64_t bytes, int32_t *many, bool *fetched) {
    const rt_turns *at = &d->at;
    *many = 0;
    *fetched = false;
    for (int32_t rank = 0; rank < d->rounds.ranks; rank++) {
        const rt_peer *peer = &d->peers[rank];
        const bool mine = rank == d->rounds.rank;
        char *where;
        if (at->c.kind == RT_REDUCE_SCATTER ? !mine : !goes_to(d, rank)) {
            continue;
        }
        if (peer->output && at->c.kind != RT_REDUCE_SCATTER) {
            bytes = rt_reach_run(peer->output, rank, peer->output_at + begin * at->element, bytes, &where);
        } else if (mine) {
            int64_t own = 0, length;
            if (at->c.kind == RT_REDUCE_SCATTER) {
                part_of(at, rank, &own, &length);
            }
            where = at->output + (begin - own) * at->element;
        } else {
            *fetched = true;
            continue;
        }
        d->targets[(*many)++] = where;
    }
    return bytes;
}

/* Combine `bytes` of the sources into the targets, and into the slot at `slot` if the result is fetched from there. */
static void combine(rt_direct *d, int32_t targets, char *slot, int64_t bytes) {
    const rt_turns *at = &d->at;
    const int32_t ranks = d->rounds.ranks;
    const int64_t n = bytes / at->element;
    if (!slot) {
        rt_fold_run(&at->fold, d->targets, targets, d->sources, ranks, n, at->stream);
        return;
    }
    if (!at->stream) {
        d->targets[targets] = slot;
        rt_fold_run(&at->fold, d->targets, targets + 1, d->sources, ranks, n, 0);
        return;
    }
    /* The slot stays in the cache, the outputs do not. */
    void *first[1] = {slot};
    rt_fold_run(&at->fold, first, 1, d->sources, ranks, n, 0);
    for (int32_t i = 0; i < targets; i++) {
        rt_stream(d->targets[i], slot, bytes);
    }
}

static void combine_piece(rt_direct *d, int64_t piece) {
    const rt_turns *at = &d->at;
    int64_t begin, length;
    if (!piece_of(at, d->rounds.rank, piece, &begin, &length)) {
        return;
    }
    char *slot = rt_outbox(d) + d->rounds.ranks * at->piece * at->element;
    for (int64_t done = 0, all = length * at->element; done < all;) {
        int32_t targets;
        bool fetched;
        const int64_t from = begin + done / at->element;
        int64_t bytes = find_sources(d, from, done, all - done);
        bytes = find_targets(d, from, bytes, &targets, &fetched);
        combine(d, targets, fetched ? slot + done : NULL, bytes);
        done += bytes;
    }
    if (at->stream) {
        rt_stream_fence(); /* results before the mark that shows them */
    }
}

/* With all buffers in reach one piece is enough. */
static bool settle_pieces(rt_direct *d) {
    rt_turns *at = &d->at;
    bool reachable = true;
    for (int32_t rank = 0; rank < d->rounds.ranks; rank++) {
        const rt_peer *peer = &d->peers[rank];
        reachable &= peer->input && (peer->output || at->c.kind == RT_REDUCE_SCATTER || !goes_to(d, rank));
    }
    if (reachable) {
        at->pieces = 1;
        at->piece = at->c.count;
    }
    at->marks = at->pieces + 1;
    at->last_wait = at->c.kind == RT_ALL_REDUCE || goes_to(d, d->rounds.rank) || d->peers[d->rounds.rank].input;
    if (at->c.kind == RT_REDUCE_SCATTER) {
        at->last_wait = d->peers[d->rounds.rank].input != NULL;
    }
    return reachable;
}

int rt_reduce_parts(rt_direct *d, int64_t turn, rt_error *error) {
    rt_turns *at = &d->at;
    const rt_peer *me = &d->peers[d->rounds.rank];
    if (turn == 0) {
        rt_places_tell(d);
    } else if (turn == 1) {
        if (rt_places_hear(d, error) != RT_OK) {
            return RT_ERR_INVALID;
        }
        settle_pieces(d);
    }
    if (!me->input) {
        copy_in(d, turn);
    }
    combine_piece(d, turn - 1);
    if (at->c.kind != RT_REDUCE_SCATTER && !me->output && goes_to(d, d->rounds.rank)) {
        copy_out(d, turn - 2);
    }
    if (turn == at->marks && at->pieces && me->output && at->c.kind != RT_REDUCE_SCATTER) {
        rt_reach_pull(me->output, d->rounds.rank, me->output_at, at->output_bytes);
    }
    return RT_OK;
}

/* Whether the input can be read where it lies until all have read it: in place it is overwritten. */
static bool keeps_input(const rt_peer *peer) {
    return peer->input && !(peer->input == peer->output && peer->input_at == peer->output_at);
}

/* The whole result for this rank, from everybody's whole input: in a slot, or where it lies. */
static void combine_whole(rt_direct *d) {
    const rt_turns *at = &d->at;
    const int32_t me = d->rounds.rank;
    int64_t begin = 0, length = at->c.count;
    if (at->c.kind == RT_REDUCE_SCATTER) {
        rt_collective_part(&at->c, me, &begin, &length);
    } else if (!goes_to(d, me)) {
        return;
    }
    for (int64_t done = 0, all = length * at->element; done < all || done == 0;) {
        const int64_t from = begin * at->element + done;
        int64_t bytes = all - done;
        for (int32_t rank = 0; rank < d->rounds.ranks; rank++) {
            char *where = (char *)(rank == me ? at->input : rt_inbox(d, rank)) + from;
            if (at->placed && rank != me && keeps_input(&d->peers[rank])) {
                bytes = rt_reach_run(d->peers[rank].input, rank, d->peers[rank].input_at + from, bytes, &where);
            }
            d->sources[rank] = where;
        }
        void *target[1] = {at->output + done};
        rt_fold_run(&at->fold, target, 1, d->sources, d->rounds.ranks, bytes / at->element, 0);
        done += bytes;
        if (bytes == 0) {
            return;
        }
    }
}

/* Small: everybody's whole input, combined by everybody who wants the result. */
int rt_reduce_whole(rt_direct *d, int64_t turn, rt_error *error) {
    (void)error;
    if (turn == 0) {
        rt_copy(rt_outbox(d), d->at.input, d->at.input_bytes);
    } else {
        combine_whole(d);
    }
    return RT_OK;
}

/* Small, where some memory can be reached: with all buffers in reach in parts, else as whole inputs. */
int rt_reduce_placed(rt_direct *d, int64_t turn, rt_error *error) {
    rt_turns *at = &d->at;
    const rt_peer *me = &d->peers[d->rounds.rank];
    if (turn == 0) {
        rt_places_tell(d);
        if (!keeps_input(me)) {
            rt_copy(rt_outbox(d), at->input, at->input_bytes);
        }
        return RT_OK;
    }
    if (turn > 1) {
        return rt_reduce_parts(d, turn, error);
    }
    if (rt_places_hear(d, error) != RT_OK) {
        return RT_ERR_INVALID;
    }
    if (settle_pieces(d)) {
        combine_piece(d, 0);
        return RT_OK;
    }
    at->pieces = 0; /* nothing is left for later turns but to wait */
    at->marks = 2;
    at->last_wait = keeps_input(me);
    combine_whole(d);
    return RT_OK;
}
