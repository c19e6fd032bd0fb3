/* outcome: what every output should hold, and whether it does. */
#include <inttypes.h>

#include "proof.h"

static bool check_piece(rt_proof *proof, int32_t rank, int64_t at, rt_span found, rt_span expected) {
    char has[96], should[96];
    if (found.set == RT_NOBODY) {
        return rt_proof_fail(proof, rank, -1, -1, RT_ERR_WRONG_RESULT,
                             "output element %" PRId64 ": found nothing, expected element %" PRId64 " of %s", at,
                             expected.element, rt_sets_text(&proof->sets, expected.set, should, sizeof should));
    }
    if (found.set != expected.set || found.element != expected.element) {
        return rt_proof_fail(proof, rank, -1, -1, RT_ERR_WRONG_RESULT,
                             "output element %" PRId64 ": found element %" PRId64 " of %s, expected element %" PRId64
                             " of %s",
                             at, found.element, rt_sets_text(&proof->sets, found.set, has, sizeof has),
                             expected.element, rt_sets_text(&proof->sets, expected.set, should, sizeof should));
    }
    return true;
}

/* Output elements offset .. offset + length hold elements element, element + 1, ... of `set`. */
static bool check_part(rt_proof *proof, int32_t rank, int64_t offset, rt_span expected) {
    rt_memory *memory = rt_proof_memory(proof, rank, RT_OUTPUT);
    const int64_t begin = rt_proof_place(proof, rank, RT_OUTPUT)->shift + offset;
    if (expected.length == 0) {
        return true;
    }
    int64_t end = rt_memory_split(memory, &proof->readers, begin + expected.length);
    int64_t at = end < 0 ? -1 : rt_memory_split(memory, &proof->readers, begin);
    if (at < 0) {
        return rt_proof_no_memory(proof);
    }
    for (; memory->cells[at].begin < begin + expected.length; at++) {
        rt_shadow_cell *cell = &memory->cells[at];
        int64_t within = cell->begin - begin;
        cell->expected = true;
        if (!check_piece(proof, rank, offset + within, (rt_span){0, cell->element, cell->set},
                         (rt_span){0, expected.element + within, expected.set})) {
            return false;
        }
    }
    return true;
}

/* What lies between the parts of an output is the caller's. */
static bool check_gaps(rt_proof *proof, int32_t rank) {
    const rt_memory *memory = rt_proof_memory(proof, rank, RT_OUTPUT);
    for (int64_t i = 0; i < memory->n && !proof->in_place; i++) {
        if (!memory->cells[i].expected && memory->cells[i].set != RT_NOBODY) {
            return rt_proof_fail(proof, rank, -1, -1, RT_ERR_WRONG_RESULT,
                                 "output element %" PRId64 ": found something written, expected it to be left alone",
                                 memory->cells[i].begin);
        }
    }
    return true;
}

/* The block that `src` sends to `dst`: where it is in the sender's input and in the receiver's output. Without counts,
 * the receiver's blocks are all as long as its part of a sender's input. */
static void exchange_block(const rt_collective *c, int32_t src, int32_t dst, int64_t *from, int64_t *to,
                           int64_t *length) {
    if (!c->counts) {
        rt_part(c->count, c->ranks, dst, from, length);
        *to = *length * src;
        return;
    }
    int64_t there = (int64_t)src * c->ranks + dst, here = (int64_t)dst * c->ranks + src;
    *length = c->counts[there];
    *from = c->displs[there];
    *to = c->recv_displs[here];
}

static bool check_from(rt_proof *proof, int32_t rank, int32_t src) {
    const rt_collective *c = proof->collective;
    int64_t from = 0, to, length;
    if (c->kind == RT_ALL_TO_ALL) {
        exchange_block(c, src, rank, &from, &to, &length);
    } else {
        rt_collective_part(c, src, &to, &length);
    }
    return check_part(proof, rank, to, (rt_span){length, from, src + 1});
}

/* The rank has gone through a barrier only after every other rank had come to it. */
static bool check_barrier(rt_proof *proof, int32_t rank) {
    for (int32_t other = 0; other < proof->collective->ranks; other++) {
        bool met = other == rank;
        for (int32_t id = proof->first_lane[rank]; id < proof->first_lane[rank + 1]; id++) {
            for (int32_t of = proof->first_lane[other]; of < proof->first_lane[other + 1]; of++) {
                met = met || rt_clocks_knows(&proof->clocks, id, of, 0);
            }
        }
        if (!met) {
            return rt_proof_fail(proof, rank, -1, -1, RT_ERR_WRONG_RESULT,
                                 "leaves the barrier without knowing that rank %d has come to it", other);
        }
    }
    return true;
}

static bool check_rank(rt_proof *proof, int32_t rank, int32_t everybody) {
    const rt_collective *c = proof->collective;
    int64_t offset, length;
    switch (c->kind) {
    case RT_ALL_REDUCE:
        return check_part(proof, rank, 0, (rt_span){c->count, 0, everybody});
    case RT_REDUCE:
        return rank != c->root || check_part(proof, rank, 0, (rt_span){c->count, 0, everybody});
    case RT_BROADCAST:
        return check_part(proof, rank, 0, (rt_span){c->count, 0, c->root + 1});
    case RT_REDUCE_SCATTER:
    case RT_SCATTER:
        rt_collective_part(c, rank, &offset, &length);
        return check_part(proof, rank, 0, (rt_span){length, offset, c->kind == RT_SCATTER ? c->root + 1 : everybody});
    case RT_BARRIER:
        return check_barrier(proof, rank);
    default:
        break;
    }
    for (int32_t src = 0; src < c->ranks && (c->kind != RT_GATHER || rank == c->root); src++) {
        if (!check_from(proof, rank, src)) {
            return false;
        }
    }
    return check_gaps(proof, rank);
}

bool rt_proof_outcome(rt_proof *proof) {
    int32_t everybody = rt_sets_everybody(&proof->sets);
    if (everybody == RT_NO_SET) {
        return rt_proof_no_memory(proof);
    }
    for (int32_t rank = 0; rank < proof->collective->ranks; rank++) {
        if (!check_rank(proof, rank, everybody)) {
            return false;
        }
    }
    return true;
}
