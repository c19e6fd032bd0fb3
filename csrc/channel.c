/* channel: slices in and out of the arena, and the layout of its slots. */
#include "channel.h"

#include <inttypes.h>
#include <stdlib.h>

/* A slot's source, slot and target together fit a processor's second-level cache; a channel has enough of them that
 * both sides keep going while the other is looked away. */
enum { SLOT = 32768, MOST_SLOTS = 16, FEW_SLOTS = 4, LEAST_SLOT = 128 };

_Static_assert(sizeof(rt_slice) == 32, "a small chunk shares its header's cache line");

int rt_channels_init(rt_channels *channels, rt_arena *arena, int32_t rank, rt_error *error) {
    *channels = (rt_channels){.arena = arena, .rank = rank};
    channels->owed = calloc((size_t)arena->ranks, sizeof *channels->owed);
    return channels->owed ? RT_OK : rt_fail(error, RT_ERR_NO_MEMORY, "channels: out of memory");
}

void rt_channels_release(rt_channels *channels) {
    rt_channels_drop_aside(channels);
    free(channels->fifos);
    free(channels->incoming);
    free(channels->owed);
}

int rt_layout_plan(const rt_arena *arena, const rt_program *program, rt_layout *layout, rt_error *error) {
    *layout = (rt_layout){.channels = rt_program_channels(program)};
    if (layout->channels == 0) {
        return RT_OK;
    }
    int64_t region = arena->slot_bytes / layout->channels;
    layout->slot = region >= FEW_SLOTS * SLOT ? SLOT : region / FEW_SLOTS / RT_LINE * RT_LINE;
    if (layout->channels > arena->most_channels || layout->slot < LEAST_SLOT) {
        return rt_fail(error, RT_ERR_NO_MEMORY,
                       "arena: %" PRId64 " bytes hold no FIFOs for the %d channels of this program: raise "
                       "RINGTREE_ARENA",
                       rt_segment_bytes(arena->segment), layout->channels);
    }
    layout->slots = region / layout->slot < MOST_SLOTS ? region / layout->slot : MOST_SLOTS;
    for (int32_t i = 0; i < layout->channels; i++) {
        rt_channel channel;
        rt_program_channel(program, i, &channel);
        layout->hash = rt_mix(layout->hash + ((uint64_t)(uint32_t)channel.src << 32 | (uint32_t)channel.dst) + 1);
    }
    return RT_OK;
}

static int build_fifos(rt_channels *channels, const rt_program *program, rt_error *error) {
    const rt_layout *layout = &channels->layout;
    rt_channels_drop_aside(channels); /* what a program left that was never verified */
    free(channels->fifos);
    free(channels->incoming);
    channels->fifos = calloc((size_t)layout->channels, sizeof *channels->fifos);
    channels->incoming = calloc((size_t)layout->channels, sizeof *channels->incoming);
    channels->n_incoming = 0;
    if (!channels->fifos || !channels->incoming) {
        return rt_fail(error, RT_ERR_NO_MEMORY, "channels: out of memory for %d of them", layout->channels);
    }
    for (int32_t i = 0; i < layout->channels; i++) {
        rt_fifo *fifo = &channels->fifos[i];
        rt_program_channel(program, i, &fifo->channel);
        fifo->ends = &channels->arena->ends[i];
        fifo->slots = channels->arena->slots + i * layout->slots * layout->slot;
        fifo->aside_last = &fifo->aside_first;
        /* Each side starts from its own counter: the other side may already be at work. They are equal, or the
         * message that is missing will be noticed by its tag. */
        if (fifo->channel.src == channels->rank) {
            fifo->freed = fifo->filled = atomic_load_explicit(&fifo->ends->filled, memory_order_relaxed);
        }
        if (fifo->channel.dst == channels->rank) {
            fifo->freed = fifo->filled = atomic_load_explicit(&fifo->ends->freed, memory_order_relaxed);
            channels->incoming[channels->n_incoming++] = i;
        }
    }
    return RT_OK;
}

static bool all_have_left(const rt_channels *channels) {
    for (int32_t i = 0; i < channels->arena->ranks; i++) {
        /* Acquire: what that rank read from the old layout was read before we write the new one. */
        if (atomic_load_explicit(&channels->arena->seats[i].layouts, memory_order_acquire) < channels->layouts) {
            return false;
        }
    }
    return true;
}

int rt_channels_enter(rt_channels *channels, const rt_layout *layout, const rt_program *program, rt_error *error) {
    bool first = !channels->fifos;
    if (layout->channels == 0 ||
        (layout->channels == channels->layout.channels && layout->hash == channels->layout.hash)) {
        return RT_OK;
    }
    if (!first && !channels->leaving) {
        channels->leaving = true;
        channels->layouts++;
        atomic_store_explicit(&channels->arena->seats[channels->rank].layouts, channels->layouts, memory_order_release);
        rt_channels_ring_all(channels);
    }
    if (!first && !all_have_left(channels)) {
        return RT_PENDING;
    }
    channels->leaving = false;
    channels->layout = *layout;
    return build_fifos(channels, program, error);
}

static char *slot_at(const rt_channels *channels, const rt_fifo *fifo, uint64_t count) {
    return fifo->slots + (int64_t)(count % (uint64_t)channels->layout.slots) * channels->layout.slot;
}

char *rt_fifo_room(rt_channels *channels, rt_fifo *fifo) {
    uint64_t slots = (uint64_t)channels->layout.slots;
    if (fifo->filled - fifo->freed >= slots) {
        /* Acquire: the receiver has read a slot before it freed it, we fill it after. */
        fifo->freed = atomic_load_explicit(&fifo->ends->freed, memory_order_acquire);
        if (fifo->filled - fifo->freed >= slots) {
            return NULL;
        }
    }
    return slot_at(channels, fifo, fifo->filled) + sizeof(rt_slice);
}

void rt_fifo_push(rt_channels *channels, rt_fifo *fifo, const rt_slice *slice) {
    memcpy(slot_at(channels, fifo, fifo->filled), slice, sizeof *slice);
    fifo->filled++;
    /* Release: header and payload are stored before the count that shows them. */
    atomic_store_explicit(&fifo->ends->filled, fifo->filled, memory_order_release);
    rt_channels_owe(channels, fifo->channel.dst);
}

static const char *peek_slot(rt_channels *channels, rt_fifo *fifo, rt_slice *slice) {
    if (fifo->filled == fifo->freed) {
        /* Acquire: the sender has stored the slices before it counted them, we read them after. */
        fifo->filled = atomic_load_explicit(&fifo->ends->filled, memory_order_acquire);
        if (fifo->filled == fifo->freed) {
            return NULL;
        }
    }
    const char *slot = slot_at(channels, fifo, fifo->freed);
    memcpy(slice, slot, sizeof *slice);
    if (fifo->filled - fifo->freed > (uint64_t)channels->layout.slots || slice->bytes < 0 ||
        slice->bytes > rt_layout_payload(&channels->layout) || slice->left < slice->bytes) {
        slice->bytes = -1; /* no step expects that */
    }
    return slot + sizeof *slice;
}

static void pop_slot(rt_channels *channels, rt_fifo *fifo) {
    fifo->freed++;
    /* Release: the slot's last read comes before the count that lets the sender fill it. */
    atomic_store_explicit(&fifo->ends->freed, fifo->freed, memory_order_release);
    rt_channels_owe(channels, fifo->channel.src);
}

const char *rt_fifo_peek(rt_channels *channels, rt_fifo *fifo, rt_slice *slice) {
    if (fifo->aside_first) {
        *slice = fifo->aside_first->slice;
        return fifo->aside_first->data;
    }
    return peek_slot(channels, fifo, slice);
}

void rt_fifo_pop(rt_channels *channels, rt_fifo *fifo) {
    rt_aside *aside = fifo->aside_first;
    if (!aside) {
        pop_slot(channels, fifo);
        return;
    }
    fifo->chunks_aside -= aside->slice.left == aside->slice.bytes;
    fifo->aside_first = aside->next;
    if (!aside->next) {
        fifo->aside_last = &fifo->aside_first;
    }
    free(aside);
}

static int take_aside(rt_channels *channels, rt_fifo *fifo, const rt_slice *slice, const char *data, rt_error *error) {
    rt_aside *aside = malloc(sizeof *aside + (size_t)slice->bytes);
    if (!aside) {
        return rt_fail(error, RT_ERR_NO_MEMORY, "channel %d -> %d: out of memory for what cannot be used yet",
                       fifo->channel.src, fifo->channel.dst);
    }
    aside->next = NULL;
    aside->slice = *slice;
    memcpy(aside->data, data, (size_t)slice->bytes);
    *fifo->aside_last = aside;
    fifo->aside_last = &aside->next;
    fifo->chunks_aside += slice->left == slice->bytes;
    pop_slot(channels, fifo);
    return RT_OK;
}

/* Whether the FIFO is full, and of what may be taken aside. */
static const char *in_the_way(rt_channels *channels, rt_fifo *fifo, uint64_t tag, int32_t depth, rt_slice *slice) {
    uint64_t filled = atomic_load_explicit(&fifo->ends->filled, memory_order_relaxed);
    if (filled - fifo->freed < (uint64_t)channels->layout.slots || fifo->chunks_aside >= depth) {
        return NULL;
    }
    const char *data = peek_slot(channels, fifo, slice);
    return data && slice->tag == tag && slice->bytes >= 0 ? data : NULL;
}

bool rt_channels_pressed(rt_channels *channels, uint64_t tag, int32_t depth) {
    rt_slice slice;
    bool pressed = false;
    for (int32_t i = 0; i < channels->n_incoming && !pressed; i++) {
        pressed = in_the_way(channels, &channels->fifos[channels->incoming[i]], tag, depth, &slice) != NULL;
    }
    return pressed;
}

int rt_channels_take_aside(rt_channels *channels, uint64_t tag, int32_t depth, rt_error *error) {
    int status = RT_OK;
    for (int32_t i = 0; i < channels->n_incoming && status == RT_OK; i++) {
        rt_fifo *fifo = &channels->fifos[channels->incoming[i]];
        rt_slice slice;
        const char *data = in_the_way(channels, fifo, tag, depth, &slice);
        for (int64_t slots = data ? channels->layout.slots : 0; slots > 0 && status == RT_OK; slots--) {
            if (fifo->chunks_aside < depth && (data = peek_slot(channels, fifo, &slice)) != NULL && slice.tag == tag &&
                slice.bytes >= 0) {
                status = take_aside(channels, fifo, &slice, data, error);
            }
        }
    }
    return status;
}

void rt_channels_drop_aside(rt_channels *channels) {
    for (int32_t i = 0; i < channels->n_incoming; i++) {
        rt_fifo *fifo = &channels->fifos[channels->incoming[i]];
        while (fifo->aside_first) {
            rt_fifo_pop(channels, fifo);
        }
    }
}

static void ring(rt_channels *channels, bool all) {
    channels->owing = false;
    atomic_thread_fence(memory_order_seq_cst); /* what they wait for, before the look whether they sleep */
    for (int32_t i = 0; i < channels->arena->ranks; i++) {
        if (all || channels->owed[i]) {
            channels->owed[i] = false;
            rt_bell_ring(&channels->arena->seats[i].bell);
        }
    }
}

void rt_channels_ring(rt_channels *channels) {
    if (channels->owing) {
        ring(channels, false);
    }
}

void rt_channels_ring_all(rt_channels *channels) {
    ring(channels, true);
}
