/* shadow: what the buffers of one rank hold, and who last touched it.
 *
 *   memory = cells, one after the other: [begin, begin of the next) ─▶ {element, set}, last writer, readers since
 *
 * A read or write covers whole cells: cells are split where it begins and ends. Bounds that are known beforehand are
 * given to rt_shadow_new, so that few splits are left. Input and output are one memory where they are one in place.
 */
#ifndef RINGTREE_SHADOW_H
#define RINGTREE_SHADOW_H

#include "clocks.h"
#include "values.h"

typedef struct rt_shadow_cell {
    int64_t begin;
    int64_t element;
    int64_t writer_step;
    int32_t set;
    int32_t writer;  /* lane, -1: nobody yet */
    int32_t readers; /* since then, a list through rt_readers; -1: none */
    bool expected;   /* part of the result */
} rt_shadow_cell;

typedef struct rt_reader {
    int64_t step;
    int32_t lane;
    int32_t next;
} rt_reader;

typedef struct rt_readers {
    rt_reader *items;
    int32_t n, capacity, unused;
} rt_readers;

typedef struct rt_memory {
    rt_shadow_cell *cells; /* n, and one that begins where the memory ends */
    int64_t n, capacity;
} rt_memory;

/* Who touches memory, and which step was found to do so without an order between the two. */
typedef struct rt_touch {
    const rt_clocks *clocks; /* NULL: the rank has one lane, all is in order */
    rt_readers *readers;
    int64_t step;
    int32_t lane;
    int32_t other_lane; /* -1: no race */
    int64_t other_step;
    int64_t element; /* of the memory, where it was found */
    bool no_memory;
} rt_touch;

/* Bounds in ascending order without repetition, the last being the extent; not written yet. */
bool rt_memory_init(rt_memory *memory, const int64_t *bounds, int64_t n);
void rt_memory_free(rt_memory *memory);
/* The input of a rank: element i of it at `offset` + i. */
bool rt_memory_fill(rt_memory *memory, rt_readers *readers, int64_t offset, int64_t length, int32_t set);

/* False: a race, or no memory (touch says which). */
bool rt_memory_read(rt_memory *memory, int64_t offset, int64_t length, rt_touch *touch, rt_spans *out);
bool rt_memory_write(rt_memory *memory, int64_t offset, const rt_spans *from, rt_touch *touch);

/* Make `offset` the beginning of a cell and return its number; -1: no memory. */
int64_t rt_memory_split(rt_memory *memory, rt_readers *readers, int64_t offset);

#endif
