/* arena: the memory that the ranks of one communicator on one host share.
 *
 *   ┌ header: magic, layout version, build hash, ranks, size, revoked {status, operation, text}
 *   ├ seats, one per rank: bell, last 16 operations {sequence, signature}, two exchange cells
 *   ├ board: lock, free_us of every element                    wall clock only
 *   ├ ends: the counters of every channel                      channel.h
 *   └ slots: the channels' memory, laid out anew for each set of channels
 *
 * The segment is a POSIX shared-memory object: mode 0600, a name that cannot be guessed, all pages reserved before
 * use (posix_fallocate, so that a full /dev/shm is an error here and not a bus error later), unlinked by its creator
 * as soon as every rank has mapped it: from then on nothing is left behind whatever dies. Before, it goes when its
 * creator frees it, as it does on every error; only a creator that is killed in between leaves it.
 *
 * Shared memory is hostile until checked: attach validates the header; whoever reads a length or an index from the
 * arena checks it against its own copy of the layout before use.
 *
 * Waiting: one bell per rank (wait.h). Whoever changes something that a rank may wait for rings it. No wait is
 * unbounded.
 *
 * Revoked: from some operation on, everything fails, with the first reason; it is written once, then every bell is
 * rung.
 *
 * Ownership: create or attach gives a private handle; rt_arena_free unmaps it.
 */
#ifndef RINGTREE_ARENA_H
#define RINGTREE_ARENA_H

#include <stdint.h>

#include "status.h"

/* cffi: begin */
typedef struct rt_segment rt_segment; /* any shared mapping: arenas, and comm.empty */

/* A fresh random name ("/ringtree-" and 128 random bits), 48 bytes with its end. */
int rt_segment_name(char *name, rt_error *error);
int rt_segment_create(const char *name, int64_t bytes, rt_segment **segment, rt_error *error);
/* Without a name in /dev/shm, and not limited by its size: others attach it through this process's open files
 * (rt_segment_name_of), until rt_segment_hide. label: what /proc/PID/maps calls it, which nobody else's may be called.
 * later: its first bytes, which get their memory when they are lent (lend.h). */
int rt_segment_create_nameless(const char *label, int64_t later, int64_t bytes, rt_segment **segment, rt_error *error);
const char *rt_segment_name_of(const rt_segment *segment);
/* Nobody comes any more: the creator's name or file goes. */
int rt_segment_hide(rt_segment *segment, rt_error *error);
int rt_segment_attach(const char *name, int64_t bytes, rt_segment **segment, rt_error *error);
int rt_segment_unlink(const char *name, rt_error *error);
void *rt_segment_data(rt_segment *segment);
int64_t rt_segment_bytes(const rt_segment *segment);
void rt_segment_free(rt_segment *segment); /* the creator's takes the name along if it is still there */

typedef struct rt_arena rt_arena;

/* Format a segment as an arena (creator), or check one (the others). elements: of the board, 0 without wall clock.
 * The arena takes the segment over and frees it. */
int rt_arena_format(rt_segment *segment, int32_t ranks, int32_t elements, rt_arena **arena, rt_error *error);
int rt_arena_open(rt_segment *segment, int32_t ranks, int32_t elements, rt_arena **arena, rt_error *error);
int64_t rt_arena_least_bytes(int32_t ranks, int32_t elements); /* the smallest segment that can be formatted */
void rt_arena_free(rt_arena *arena);
/* cffi: end */

#include "wait.h"

enum { RT_WINDOW = 16, RT_CELL_BYTES = 512 };

/* What a rank said about one of its operations; sequence is 0 while the signature is being written. */
typedef struct rt_entry {
    _Atomic uint64_t sequence;
    _Atomic uint64_t signature;
} rt_entry;

/* One of a rank's two contributions to exchanges: even and odd ones. */
typedef struct rt_cell {
    _Alignas(RT_LINE) _Atomic uint64_t number; /* of the exchange whose bytes these are */
    unsigned char bytes[RT_CELL_BYTES];
} rt_cell;

/* All that a rank writes for the others to read; only the bell is written by them. */
typedef struct rt_seat {
    rt_bell bell;
    _Alignas(RT_LINE) _Atomic uint64_t published; /* sequence of its newest operation */
    _Atomic uint64_t layouts;                     /* how often it has left a channel layout behind */
    _Atomic uint32_t taken;
    _Alignas(RT_LINE) rt_entry entries[RT_WINDOW];
    rt_cell cells[2];
} rt_seat;

/* The counters of a channel: a line for each writer. Counts go on from layout to layout: every message has been
 * received when a layout ends, so both sides of whatever channel comes next find the same number. */
typedef struct rt_ends {
    _Alignas(RT_LINE) _Atomic uint64_t filled;    /* sender: slices made available */
    _Atomic uint64_t posted;                      /* sender: chunks, wall clock only */
    _Alignas(RT_LINE) _Atomic uint64_t freed;     /* receiver: slices taken */
    _Atomic uint64_t ended;                       /* receiver: chunks whose step has ended, wall clock only */
    _Alignas(RT_LINE) _Atomic double ended_us[8]; /* receiver: when the last of these ended */
} rt_ends;

typedef struct rt_links {
    _Alignas(RT_LINE) _Atomic uint32_t holder; /* rank + 1 of who holds the lock, 0: free */
    double free_us[];                          /* of every element of the board, guarded by the lock */
} rt_links;

typedef struct rt_arena_header rt_arena_header;

/* Where everything is: computed from ranks, elements and size by each rank for itself, never read from the arena. */
struct rt_arena {
    rt_segment *segment;
    rt_arena_header *header;
    rt_seat *seats;
    rt_links *links;
    rt_ends *ends;
    char *slots;
    int64_t slot_bytes; /* of all slots together */
    int32_t ranks;
    int32_t elements;
    int32_t most_channels;
    int64_t epoch_ns; /* when it was formatted */
};

/* Operation `sequence` and all after it end with the reason; the first reason stays. Earlier ones may still succeed:
 * who has done its part in them need not know. Rings everybody. */
void rt_arena_revoke(rt_arena *arena, int status, uint64_t sequence, const char *text);
int rt_arena_revoked(const rt_arena *arena, uint64_t sequence);
/* RT_OK, or the reason as operation `sequence` gets it: those that came later get RT_ERR_REVOKED, quoting it. */
int rt_arena_reason(const rt_arena *arena, uint64_t sequence, rt_error *error);

#endif
