/* agree: publishing signatures, and comparing them. */
#include "agree.h"

#include <inttypes.h>

enum { BLOCK = RT_WINDOW / 2 };

static rt_entry *entry_of(const rt_arena *arena, int32_t rank, uint64_t sequence) {
    return &arena->seats[rank].entries[sequence % RT_WINDOW];
}

static void write_entry(rt_entry *entry, uint64_t sequence, uint64_t signature) {
    atomic_store_explicit(&entry->sequence, 0, memory_order_relaxed);
    /* The old sequence goes before the new signature comes, which is there before the new sequence: a reader that
     * finds one sequence before and after has read its signature. */
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&entry->signature, signature, memory_order_relaxed);
    atomic_store_explicit(&entry->sequence, sequence, memory_order_release);
}

static bool differs(rt_entry *entry, uint64_t sequence, uint64_t signature) {
    if (atomic_load_explicit(&entry->sequence, memory_order_acquire) != sequence) {
        return false;
    }
    uint64_t theirs = atomic_load_explicit(&entry->signature, memory_order_relaxed);
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&entry->sequence, memory_order_relaxed) == sequence && theirs != signature;
}

static int compare(const rt_channels *channels, uint64_t sequence, uint64_t signature, rt_error *error) {
    for (int32_t rank = 0; rank < channels->arena->ranks; rank++) {
        if (rank != channels->rank && differs(entry_of(channels->arena, rank, sequence), sequence, signature)) {
            return rt_fail(error, RT_ERR_MISMATCH,
                           "ranks %d and %d disagree about operation %" PRIu64
                           " of the communicator: expected the same collective, count, type, operation, root and "
                           "algorithm on every rank",
                           rank < channels->rank ? rank : channels->rank, rank < channels->rank ? channels->rank : rank,
                           sequence);
        }
    }
    return RT_OK;
}

/* Whether block `sequence / BLOCK` may begin, its entries being free. */
static int begin_block(const rt_channels *channels, uint64_t sequence, rt_error *error) {
    const rt_arena *arena = channels->arena;
    if (sequence < RT_WINDOW) {
        return RT_OK;
    }
    for (int32_t rank = 0; rank < arena->ranks; rank++) {
        if (atomic_load_explicit(&arena->seats[rank].published, memory_order_acquire) < sequence - BLOCK) {
            return RT_PENDING;
        }
    }
    int status = RT_OK;
    for (uint64_t old = sequence - RT_WINDOW; old < sequence - BLOCK && status == RT_OK; old++) {
        if (old > 0) {
            rt_entry *mine = entry_of(arena, channels->rank, old);
            status = compare(channels, old, atomic_load_explicit(&mine->signature, memory_order_relaxed), error);
        }
    }
    return status;
}

int rt_agree_publish(rt_channels *channels, uint64_t sequence, uint64_t signature, rt_error *error) {
    rt_arena *arena = channels->arena;
    int status = sequence % BLOCK == 0 ? begin_block(channels, sequence, error) : RT_OK;
    if (status != RT_OK) {
        return status;
    }
    write_entry(entry_of(arena, channels->rank, sequence), sequence, signature);
    atomic_store_explicit(&arena->seats[channels->rank].published, sequence, memory_order_release);
    atomic_thread_fence(memory_order_seq_cst); /* our entry before the look at the others' */
    if (sequence % BLOCK == 0) {
        rt_channels_ring_all(channels); /* somebody may wait to begin the next block */
    }
    return compare(channels, sequence, signature, error);
}
