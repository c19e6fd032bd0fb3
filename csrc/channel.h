/* channel: FIFOs of slices between two ranks, in the arena.
 *
 *   sender ── room, fill, push ──▶ [slot][slot][slot] ... ──▶ peek, read, pop ── receiver
 *              filled += 1                                       freed += 1
 *
 *   slot = header {tag of the operation, bytes left of the chunk, bytes here, when ready} + payload
 *
 * A chunk travels as one slice or more; a chunk of no elements as an empty slice. One writer per counter: the slice
 * is stored before `filled` (release) that the receiver loads (acquire) before it reads the slice; the reading is done
 * before `freed` (release) that the sender loads (acquire) before it fills the slot again.
 *
 * Layout: the arena's slots are divided among the channels of a program. Programs with the same channels share a
 * layout; before another one is used, every rank says that it has left the old one (rt_seat.layouts).
 *
 * Aside: a receiver that cannot use what has come takes it out of the way of the sender, up to as many chunks as the
 * program's FIFOs are deep, so that a channel never holds less than the program was proved with.
 */
#ifndef RINGTREE_CHANNEL_H
#define RINGTREE_CHANNEL_H

#include <stdbool.h>
#include <string.h>

#include "arena.h"
#include "program.h"

typedef struct rt_slice {
    uint64_t tag;
    int64_t left;  /* bytes of the chunk from this slice on */
    int64_t bytes; /* of this slice */
    double ready_us;
} rt_slice;

typedef struct rt_aside {
    struct rt_aside *next;
    rt_slice slice;
    char data[];
} rt_aside;

/* A channel as one of its two ranks sees it. */
typedef struct rt_fifo {
    rt_channel channel;
    rt_ends *ends;
    char *slots;
    uint64_t filled, freed;              /* the own counter, and what was last seen of the other */
    rt_aside *aside_first, **aside_last; /* older than all slots */
    int64_t chunks_aside;
} rt_fifo;

/* What two programs must have in common to use one layout. */
typedef struct rt_layout {
    int32_t channels;
    uint64_t hash; /* of their ends */
    int64_t slot;  /* bytes from slot to slot */
    int64_t slots; /* of a channel */
} rt_layout;

typedef struct rt_channels {
    rt_arena *arena;
    int32_t rank;
    rt_layout layout;
    uint64_t layouts; /* how many this rank has left */
    bool leaving;
    rt_fifo *fifos; /* by channel; those of other ranks stay empty */
    int32_t *incoming;
    int32_t n_incoming;
    bool *owed; /* ranks whose bell is to be rung */
    bool owing; /* any of them */
} rt_channels;

int rt_channels_init(rt_channels *channels, rt_arena *arena, int32_t rank, rt_error *error);
void rt_channels_release(rt_channels *channels);
/* RT_ERR_NO_MEMORY where the arena is too small for the program's channels. */
int rt_layout_plan(const rt_arena *arena, const rt_program *program, rt_layout *layout, rt_error *error);
/* RT_OK once the layout may be used; RT_PENDING while other ranks use the one before. */
int rt_channels_enter(rt_channels *channels, const rt_layout *layout, const rt_program *program, rt_error *error);

/* A free slot's payload, or NULL. */
char *rt_fifo_room(rt_channels *channels, rt_fifo *fifo);
void rt_fifo_push(rt_channels *channels, rt_fifo *fifo, const rt_slice *slice);
/* The oldest slice and its payload, or NULL; its fields are checked against the layout, not yet against the step. */
const char *rt_fifo_peek(rt_channels *channels, rt_fifo *fifo, rt_slice *slice);
void rt_fifo_pop(rt_channels *channels, rt_fifo *fifo);
/* Whether a FIFO is full of what operation `tag` cannot use yet, fewer than `depth` chunks being aside already. */
bool rt_channels_pressed(rt_channels *channels, uint64_t tag, int32_t depth);
/* Take aside what such FIFOs hold. */
int rt_channels_take_aside(rt_channels *channels, uint64_t tag, int32_t depth, rt_error *error);
void rt_channels_drop_aside(rt_channels *channels);

/* Ring the ranks for which something was pushed or popped, or that are owed it for another reason. */
void rt_channels_ring(rt_channels *channels);
void rt_channels_ring_all(rt_channels *channels);

static inline void rt_channels_owe(rt_channels *channels, int32_t rank) {
    channels->owed[rank] = channels->owing = true;
}

static inline int64_t rt_layout_payload(const rt_layout *layout) {
    return layout->slot - (int64_t)sizeof(rt_slice);
}

/* Spreads every bit of x over the result (splitmix64's finisher). */
static inline uint64_t rt_mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

#endif
