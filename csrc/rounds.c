/* rounds: the layout of the segment, its checks, and the bells. */
#include "rounds.h"

#include <inttypes.h>

#ifndef RT_BUILD_HASH
#define RT_BUILD_HASH 0ULL
#endif

enum { LEAST_SLOT_BYTES = 4096, PAGE = 4096 };
static const uint64_t MAGIC = 0x726f756e64732e31; /* "rounds.1" */

typedef struct header {
    _Alignas(RT_LINE) _Atomic uint64_t magic; /* written last */
    uint64_t build;
    int64_t bytes;
    int32_t ranks;
    _Alignas(RT_LINE) _Atomic uint64_t failed;
} header;

/* Slots begin on a page: they are shared out whole. */
static int64_t before_slots(int32_t ranks) {
    int64_t bytes = (int64_t)sizeof(header) + (int64_t)ranks * RT_DEPTH * (int64_t)sizeof(rt_mark);
    return (bytes + PAGE - 1) / PAGE * PAGE;
}

int64_t rt_rounds_least_bytes(int32_t ranks) {
    return before_slots(ranks) + (int64_t)ranks * RT_DEPTH * LEAST_SLOT_BYTES;
}

static int check(const header *head, int64_t bytes, int32_t ranks, rt_error *error) {
    uint64_t magic = atomic_load_explicit(&head->magic, memory_order_acquire);
    if (magic != MAGIC || head->build != RT_BUILD_HASH) {
        return rt_fail(error, RT_ERR_INVALID,
                       "rounds: magic %016" PRIx64 " of build %016" PRIx64 ", expected %016" PRIx64 " of %016" PRIx64
                       ": all ranks must run the same ringtree",
                       magic, head->build, MAGIC, (uint64_t)RT_BUILD_HASH);
    }
    if (head->bytes != bytes || head->ranks != ranks) {
        return rt_fail(error, RT_ERR_INVALID, "rounds: made for %d ranks in %" PRId64 " bytes, expected %d in %" PRId64,
                       head->ranks, head->bytes, ranks, bytes);
    }
    return RT_OK;
}

int rt_rounds_open(rt_rounds *rounds, rt_segment *segment, rt_arena *arena, int32_t rank, bool format,
                   rt_error *error) {
    const int32_t ranks = arena->ranks;
    int64_t bytes = rt_segment_bytes(segment), least = rt_rounds_least_bytes(ranks);
    if (bytes < least || rank < 0 || rank >= ranks) {
        return rt_fail(error, RT_ERR_INVALID,
                       "rounds: rank %d of %d in %" PRId64 " bytes, expected at least %" PRId64 " bytes", rank, ranks,
                       bytes, least);
    }
    char *base = rt_segment_data(segment);
    header *head = (header *)base;
    if (format) {
        head->build = RT_BUILD_HASH;
        head->bytes = bytes;
        head->ranks = ranks;
        atomic_store_explicit(&head->magic, MAGIC, memory_order_release); /* after the rest of the header */
    }
    int status = check(head, bytes, ranks, error);
    *rounds = (rt_rounds){.arena = arena, .rank = rank, .ranks = ranks};
    rounds->failed = &head->failed;
    rounds->marks = (rt_mark *)(base + sizeof(header));
    rounds->slots = base + before_slots(ranks);
    rounds->slot_bytes = (bytes - before_slots(ranks)) / ((int64_t)ranks * RT_DEPTH) / RT_LINE * RT_LINE;
    return status;
}

void rt_rounds_settle(const rt_rounds *rounds) {
    atomic_thread_fence(memory_order_seq_cst); /* our marks before the look at the sleepers */
    for (int32_t i = 0; i < rounds->ranks; i++) {
        if (i != rounds->rank) {
            rt_bell_ring(&rounds->arena->seats[i].bell);
        }
    }
}
