/* rounds: how ranks that share memory hand each other data without a program.
 *
 *   segment   ┌ header: magic, build, ranks, bytes
 *             ├ marks: RT_DEPTH lines per rank    {round, signature, 48 bytes inline}
 *             └ slots: RT_DEPTH per rank          what is too large for the line
 *
 *   round s of a rank:  write slot s, then mark s                 (release: who sees the mark sees the slot)
 *                       wait until others have marked s           (acquire), read their marks and slots
 *
 * Every rank takes part in every round, with or without data, so rounds number the same everywhere. Only its own rank
 * writes a mark or slot. Mark and slot s are those of s - RT_DEPTH: a rank writes them when all others have begun round
 * s + 1 - RT_DEPTH, that is, have finished reading what was written there before. Numbers only grow: nothing is reset.
 *
 * Who marks a round does not look whether somebody sleeps: a fence there would wait for the line. It looks before it
 * waits long itself, and when its operation has ended (rt_rounds_settle).
 *
 * Ownership: rt_rounds_open borrows the segment and the arena (bells, revocation), which must outlive it.
 */
#ifndef RINGTREE_ROUNDS_H
#define RINGTREE_ROUNDS_H

#include <stdbool.h>

#include "arena.h"

enum { RT_DEPTH = 4, RT_INLINE_BYTES = 48 };

typedef struct rt_mark {
    _Alignas(RT_LINE) _Atomic uint64_t round;
    uint64_t signature;
    unsigned char bytes[RT_INLINE_BYTES];
} rt_mark;

typedef struct rt_rounds {
    rt_arena *arena;
    _Atomic uint64_t *failed; /* shared: the operation that failed, 0: none */
    rt_mark *marks;
    char *slots;
    int64_t slot_bytes;
    int32_t rank, ranks;
    uint64_t marked; /* the last round that this rank has marked */
} rt_rounds;

/* The smallest segment for so many ranks, and what is worth having. */
int64_t rt_rounds_least_bytes(int32_t ranks);
/* Format the segment (fresh, zero) or check that somebody did. */
int rt_rounds_open(rt_rounds *rounds, rt_segment *segment, rt_arena *arena, int32_t rank, bool format, rt_error *error);
/* After marks, outside of hot loops: wake who sleeps. */
void rt_rounds_settle(const rt_rounds *rounds);

static inline rt_mark *rt_rounds_mark_of(const rt_rounds *rounds, int32_t rank, uint64_t round) {
    return &rounds->marks[(uint64_t)rank * RT_DEPTH + round % RT_DEPTH];
}

static inline char *rt_rounds_slot(const rt_rounds *rounds, int32_t rank, uint64_t round) {
    return rounds->slots + ((int64_t)rank * RT_DEPTH + (int64_t)(round % RT_DEPTH)) * rounds->slot_bytes;
}

/* Whether the rank has marked the round; then what it wrote before can be read. */
static inline bool rt_rounds_reached(const rt_rounds *rounds, int32_t rank, uint64_t round) {
    return atomic_load_explicit(&rt_rounds_mark_of(rounds, rank, round)->round, memory_order_acquire) >= round;
}

/* Mark the next round. What its slot and line hold has been written before. */
static inline void rt_rounds_mark(rt_rounds *rounds, uint64_t signature) {
    rt_mark *mark = rt_rounds_mark_of(rounds, rounds->rank, ++rounds->marked);
    mark->signature = signature;
    atomic_store_explicit(&mark->round, rounds->marked, memory_order_release); /* after slot, bytes and signature */
}

#endif
