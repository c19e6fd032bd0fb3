/* direct_move: the collectives that combine nothing, without a program.
 *
 * Turn j of a rank, S elements of every block at a time:
 *
 *   copy in    piece j of what it has for others       input ──▶ slot             unless they can read its input
 *   fetch      piece j - 1 of what others have for it  their input or slot ──▶ output
 *
 * all_gather and broadcast have the same for everybody, so a slot holds one piece; else it holds one for each rank.
 */
#include "build.h"
#include "direction.h"
#include "fetch.h"
#include "stream.h"

/* What ranks that share a processor read before it is the next one's turn: who comes second finds it in the cache. */
enum { TOGETHER_BYTES = 512 << 10 };

static bool same_for_all(int kind) {
    return kind == RT_ALL_GATHER || kind == RT_BROADCAST || kind == RT_GATHER;
}

static bool has_something(const rt_direct *d, int32_t src, int32_t dst) {
    const rt_collective *c = &d->at.c;
    if (src == dst || c->kind == RT_BARRIER) {
        return false;
    }
    return c->kind == RT_GATHER ? dst == c->root : !rt_takes_root(c->kind) || src == c->root;
}

/* Piece `piece` of the block from src to dst; false where there is nothing left of it. */
static bool piece_of(const rt_direct *d, int32_t src, int32_t dst, int64_t piece, rt_block *block) {
    const rt_turns *at = &d->at;
    if (piece < 0 || piece >= at->pieces || !has_something(d, src, dst)) {
        return false;
    }
    *block = rt_pair_block(&at->c, src, dst);
    const int64_t offset = piece * at->piece;
    if (offset >= block->count) {
        return false;
    }
    block->src_offset += offset;
    block->dst_offset += offset;
    block->count = block->count - offset < at->piece ? block->count - offset : at->piece;
    return true;
}

static void copy_in(rt_direct *d, int64_t piece) {
    const rt_turns *at = &d->at;
    const bool same = same_for_all(at->c.kind);
    char *slot = rt_outbox(d);
    rt_block block;
    for (int32_t dst = 0; dst < d->rounds.ranks; dst++) {
        if (piece_of(d, d->rounds.rank, dst, piece, &block)) {
            rt_copy(slot + (same ? 0 : dst * at->piece * at->element), at->input + block.src_offset * at->element,
                    block.count * at->element);
            if (same) {
                return;
            }
        }
    }
}

static int fetch(rt_direct *d, int32_t src, const rt_block *block, rt_error *error) {
    const rt_turns *at = &d->at;
    const rt_peer *peer = &d->peers[src];
    const int64_t bytes = block->count * at->element;
    char *to = at->output + block->dst_offset * at->element;
    if (at->large && peer->process) {
        const int64_t from = peer->input_at + block->src_offset * at->element;
        return rt_fetch(peer->process, (uint64_t)from, to, bytes, error);
    }
    if (!at->large || !peer->input) {
        const int64_t mine = same_for_all(at->c.kind) ? 0 : d->rounds.rank * at->piece * at->element;
        (at->stream ? rt_stream : rt_copy)(to, rt_inbox(d, src) + mine, bytes);
        return RT_OK;
    }
    const int64_t most = rt_crowded(&d->comm->patience) ? TOGETHER_BYTES : bytes;
    for (int64_t done = 0; done < bytes;) {
        char *from;
        const int64_t begin = peer->input_at + block->src_offset * at->element + done;
        const int64_t wanted = bytes - done < most ? bytes - done : most;
        const int64_t run = rt_reach_run(peer->input, src, begin, wanted, &from);
        (at->stream ? rt_stream : rt_copy)(to + done, from, run);
        done += run;
        if (most < bytes) {
            rt_yield();
        }
    }
    return RT_OK;
}

static int fetch_all(rt_direct *d, int64_t piece, rt_error *error) {
    const int32_t ranks = d->rounds.ranks, me = d->rounds.rank;
    rt_block block;
    int status = RT_OK;
    for (int32_t distance = 1; distance < ranks && status == RT_OK; distance++) {
        const int32_t src = (me + distance) % ranks; /* not all at the same one */
        if (piece_of(d, src, me, piece, &block)) {
            status = fetch(d, src, &block, error);
        }
    }
    if (d->at.stream) {
        rt_stream_fence();
    }
    return status;
}

/* What a rank keeps for itself. */
void rt_move_own(rt_direct *d) {
    const rt_turns *at = &d->at;
    const int32_t me = d->rounds.rank;
    const bool none = at->c.kind == RT_BROADCAST || at->c.kind == RT_BARRIER;
    if (none || (rt_takes_root(at->c.kind) && me != at->c.root)) {
        return;
    }
    rt_block block = rt_pair_block(&at->c, me, me);
    const char *from = at->input + block.src_offset * at->element;
    char *to = at->output + block.dst_offset * at->element;
    if (from != to && block.count) {
        (at->stream ? rt_stream : rt_copy)(to, from, block.count * at->element);
    }
}

/* Where everything that is fetched can be reached, one piece is enough; only a collective in which everybody hears
 * everybody, or nobody but the root has something, can know. */
static void settle_pieces(rt_direct *d) {
    rt_turns *at = &d->at;
    bool reachable = at->c.kind != RT_GATHER;
    for (int32_t rank = 0; rank < d->rounds.ranks; rank++) {
        const bool source = !rt_takes_root(at->c.kind) || rank == at->c.root;
        reachable &= !source || rt_peer_open(&d->peers[rank]);
    }
    if (reachable) {
        at->pieces = 1;
        at->piece = INT64_MAX / 2 / at->element;
    }
    at->marks = at->pieces + 1;
    at->last_wait = rt_peer_open(&d->peers[d->rounds.rank]);
}

int rt_move_pieces(rt_direct *d, int64_t turn, rt_error *error) {
    rt_turns *at = &d->at;
    if (at->large && turn == 0) {
        rt_places_tell(d);
    } else if (at->large && turn == 1) {
        if (rt_places_hear(d, error) != RT_OK) {
            return RT_ERR_INVALID;
        }
        settle_pieces(d);
    }
    if (!at->large || !rt_peer_open(&d->peers[d->rounds.rank])) {
        copy_in(d, turn);
    }
    return fetch_all(d, turn - 1, error);
}
