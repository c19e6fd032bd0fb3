/* arena: the layout of the shared segment, its checks, and its end. */
#include "arena.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "execute.h"

#ifndef RT_BUILD_HASH
#define RT_BUILD_HASH 0ULL
#endif

_Static_assert((int)RT_CELL_BYTES == (int)RT_EXCHANGE_BYTES, "a cell holds one rank's part of an exchange");

enum { LAYOUT_VERSION = 1, LEAST_SLOT_BYTES = 4096, ENDS_SHARE = 16, DEATH_NS = 100000000 };
static const uint64_t MAGIC = 0x72696e6774726565; /* "ringtree" */

enum { NO_REASON, BEING_WRITTEN, WRITTEN };

struct rt_arena_header {
    _Atomic uint64_t magic; /* written last */
    uint64_t build;
    int64_t bytes;
    int64_t epoch_ns;
    uint32_t version;
    int32_t ranks;
    int32_t elements;
    _Alignas(RT_LINE) _Atomic uint64_t revoked_from; /* the first operation that fails */
    _Atomic uint32_t reason;
    _Atomic int32_t status;
    uint64_t failed; /* the operation that the reason is about */
    char text[RT_ERROR_TEXT];
};

static int64_t lines(int64_t bytes) {
    return (bytes + RT_LINE - 1) / RT_LINE * RT_LINE;
}

static int64_t links_bytes(int32_t elements) {
    return lines((int64_t)sizeof(rt_links) + (int64_t)elements * (int64_t)sizeof(double));
}

/* Bytes before the channels. */
static int64_t fixed_bytes(int32_t ranks, int32_t elements) {
    return lines(sizeof(rt_arena_header)) + (int64_t)ranks * (int64_t)sizeof(rt_seat) + links_bytes(elements);
}

int64_t rt_arena_least_bytes(int32_t ranks, int32_t elements) {
    return fixed_bytes(ranks, elements) + (int64_t)ranks * LEAST_SLOT_BYTES + lines(sizeof(rt_ends)) * ENDS_SHARE;
}

static void lay_out(rt_arena *arena, rt_segment *segment, int32_t ranks, int32_t elements) {
    char *base = rt_segment_data(segment);
    int64_t fixed = fixed_bytes(ranks, elements);
    int64_t area = (rt_segment_bytes(segment) - fixed) / RT_LINE * RT_LINE;
    int64_t channels = area / ENDS_SHARE / (int64_t)sizeof(rt_ends);
    *arena = (rt_arena){.segment = segment, .ranks = ranks, .elements = elements};
    arena->most_channels = channels > INT32_MAX ? INT32_MAX : (int32_t)channels;
    arena->header = (rt_arena_header *)base;
    arena->seats = (rt_seat *)(base + lines(sizeof(rt_arena_header)));
    arena->links = (rt_links *)(arena->seats + ranks);
    arena->ends = (rt_ends *)(base + fixed);
    arena->slots = (char *)(arena->ends + arena->most_channels);
    arena->slot_bytes = area - arena->most_channels * (int64_t)sizeof(rt_ends);
}

static int new_arena(rt_segment *segment, int32_t ranks, int32_t elements, rt_arena **arena, rt_error *error) {
    if (ranks < 1 || elements < 0) {
        return rt_fail(error, RT_ERR_INVALID, "arena: %d ranks and %d board elements, expected at least 1 and 0", ranks,
                       elements);
    }
    int64_t least = rt_arena_least_bytes(ranks, elements);
    if (rt_segment_bytes(segment) < least) {
        return rt_fail(error, RT_ERR_NO_MEMORY,
                       "arena: %" PRId64 " bytes for %d ranks, at least %" PRId64 " are needed: raise RINGTREE_ARENA",
                       rt_segment_bytes(segment), ranks, least);
    }
    *arena = malloc(sizeof **arena);
    if (!*arena) {
        return rt_fail(error, RT_ERR_NO_MEMORY, "arena: out of memory");
    }
    lay_out(*arena, segment, ranks, elements);
    return RT_OK;
}

int rt_arena_format(rt_segment *segment, int32_t ranks, int32_t elements, rt_arena **arena, rt_error *error) {
    int status = new_arena(segment, ranks, elements, arena, error);
    if (status != RT_OK) {
        return status;
    }
    memset(rt_segment_data(segment), 0, (size_t)((char *)(*arena)->slots - (char *)rt_segment_data(segment)));
    rt_arena_header *header = (*arena)->header;
    header->version = LAYOUT_VERSION;
    header->build = RT_BUILD_HASH;
    header->ranks = ranks;
    header->elements = elements;
    header->bytes = rt_segment_bytes(segment);
    header->epoch_ns = rt_clock_ns();
    (*arena)->epoch_ns = header->epoch_ns;
    atomic_init(&header->revoked_from, UINT64_MAX);
    /* The whole header before its magic: who sees the magic sees a formatted arena. */
    atomic_store_explicit(&header->magic, MAGIC, memory_order_release);
    return RT_OK;
}

static int check_header(const rt_arena_header *header, const rt_arena *mine, rt_error *error) {
    uint64_t magic = atomic_load_explicit(&header->magic, memory_order_acquire);
    int64_t bytes = rt_segment_bytes(mine->segment);
    if (magic != MAGIC) {
        return rt_fail(error, RT_ERR_INVALID, "arena: magic is %016" PRIx64 ", expected %016" PRIx64, magic, MAGIC);
    }
    if (header->version != LAYOUT_VERSION) {
        return rt_fail(error, RT_ERR_INVALID, "arena: layout version is %" PRIu32 ", expected %d", header->version,
                       LAYOUT_VERSION);
    }
    if (header->build != RT_BUILD_HASH) {
        return rt_fail(error, RT_ERR_INVALID,
                       "arena: made by build %016" PRIx64 " of ringtree, this rank runs build %016" PRIx64
                       ": all ranks must run the same one",
                       header->build, (uint64_t)RT_BUILD_HASH);
    }
    if (header->ranks != mine->ranks || header->elements != mine->elements) {
        return rt_fail(error, RT_ERR_INVALID, "arena: made for %d ranks and %d board elements, expected %d and %d",
                       header->ranks, header->elements, mine->ranks, mine->elements);
    }
    if (header->bytes != bytes) {
        return rt_fail(error, RT_ERR_INVALID, "arena: header says %" PRId64 " bytes, the segment has %" PRId64,
                       header->bytes, bytes);
    }
    return RT_OK;
}

int rt_arena_open(rt_segment *segment, int32_t ranks, int32_t elements, rt_arena **arena, rt_error *error) {
    int status = new_arena(segment, ranks, elements, arena, error);
    if (status != RT_OK) {
        return status;
    }
    status = check_header((*arena)->header, *arena, error);
    if (status != RT_OK) {
        free(*arena);
        *arena = NULL;
        return status;
    }
    (*arena)->epoch_ns = (*arena)->header->epoch_ns;
    return RT_OK;
}

void rt_arena_free(rt_arena *arena) {
    if (arena) {
        rt_segment_free(arena->segment);
        free(arena);
    }
}

static void lower(_Atomic uint64_t *value, uint64_t most) {
    uint64_t now = atomic_load_explicit(value, memory_order_relaxed);
    while (now > most && !atomic_compare_exchange_weak(value, &now, most)) {
    }
}

void rt_arena_revoke(rt_arena *arena, int status, uint64_t sequence, const char *text) {
    rt_arena_header *header = arena->header;
    uint32_t expected = NO_REASON;
    if (atomic_compare_exchange_strong(&header->reason, &expected, BEING_WRITTEN)) {
        atomic_store_explicit(&header->status, status, memory_order_relaxed);
        header->failed = sequence;
        snprintf(header->text, sizeof header->text, "%s", text);
        /* The reason before the flag: who sees WRITTEN reads the whole text. */
        atomic_store_explicit(&header->reason, WRITTEN, memory_order_release);
    }
    lower(&header->revoked_from, sequence);
    atomic_thread_fence(memory_order_seq_cst);
    for (int32_t i = 0; i < arena->ranks; i++) {
        rt_bell_ring(&arena->seats[i].bell);
    }
}

int rt_arena_revoked(const rt_arena *arena, uint64_t sequence) {
    return atomic_load_explicit(&arena->header->revoked_from, memory_order_relaxed) <= sequence;
}

int rt_arena_reason(const rt_arena *arena, uint64_t sequence, rt_error *error) {
    rt_arena_header *header = arena->header;
    if (!rt_arena_revoked(arena, sequence)) {
        return RT_OK;
    }
    uint32_t state = BEING_WRITTEN;
    for (int64_t since = rt_clock_ns(); state != WRITTEN && rt_clock_ns() - since < DEATH_NS;) {
        state = atomic_load_explicit(&header->reason, memory_order_acquire);
        rt_yield();
    }
    /* Read once: what is checked is what is returned, whoever writes to the arena. */
    int status = atomic_load_explicit(&header->status, memory_order_relaxed);
    if (state != WRITTEN || status >= RT_OK) {
        return rt_fail(error, RT_ERR_REVOKED, "the communicator was ended by a rank that died while it said why");
    }
    char text[RT_ERROR_TEXT];
    memcpy(text, header->text, sizeof text);
    text[sizeof text - 1] = '\0';
    return sequence > header->failed
               ? rt_fail(error, RT_ERR_REVOKED, "an earlier error ended this communicator: %.440s", text)
               : rt_fail(error, status, "%s", text);
}
