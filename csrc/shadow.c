/* shadow: cells, split, read and written. */
#include "shadow.h"

#include <stdlib.h>
#include <string.h>

bool rt_memory_init(rt_memory *memory, const int64_t *bounds, int64_t n) {
    memory->cells = malloc((size_t)n * sizeof *memory->cells);
    if (!memory->cells) {
        return false;
    }
    memory->n = n - 1;
    memory->capacity = n;
    for (int64_t i = 0; i < n; i++) {
        memory->cells[i] = (rt_shadow_cell){.begin = bounds[i], .set = RT_NOBODY, .writer = -1, .readers = -1};
    }
    return true;
}

void rt_memory_free(rt_memory *memory) {
    free(memory->cells);
}

bool rt_memory_fill(rt_memory *memory, rt_readers *readers, int64_t offset, int64_t length, int32_t set) {
    if (length == 0) {
        return true;
    }
    if (rt_memory_split(memory, readers, offset + length) < 0) {
        return false;
    }
    int64_t at = rt_memory_split(memory, readers, offset);
    for (; at >= 0 && at < memory->n && memory->cells[at].begin < offset + length; at++) {
        memory->cells[at].element = memory->cells[at].begin - offset;
        memory->cells[at].set = set;
    }
    return at >= 0;
}

static bool add_reader(rt_readers *readers, int32_t *list, int32_t lane, int64_t step) {
    int32_t at = readers->unused;
    if (at >= 0) {
        readers->unused = readers->items[at].next;
    } else if (readers->n < readers->capacity) {
        at = readers->n++;
    } else {
        int32_t larger = readers->capacity ? 2 * readers->capacity : 256;
        rt_reader *moved = realloc(readers->items, (size_t)larger * sizeof *moved);
        if (!moved) {
            return false;
        }
        readers->items = moved;
        readers->capacity = larger;
        at = readers->n++;
    }
    readers->items[at] = (rt_reader){step, lane, *list};
    *list = at;
    return true;
}

static void drop_readers(rt_readers *readers, int32_t *list) {
    while (*list >= 0) {
        int32_t next = readers->items[*list].next;
        readers->items[*list].next = readers->unused;
        readers->unused = *list;
        *list = next;
    }
}

/* The cell that holds `offset`: the last that begins at or before it. */
static int64_t cell_at(const rt_memory *memory, int64_t offset) {
    int64_t low = 0, high = memory->n;
    while (low < high) {
        int64_t middle = (low + high + 1) / 2;
        if (memory->cells[middle].begin <= offset) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

int64_t rt_memory_split(rt_memory *memory, rt_readers *readers, int64_t offset) {
    int64_t at = cell_at(memory, offset);
    if (memory->cells[at].begin == offset) {
        return at;
    }
    if (memory->n + 1 == memory->capacity) {
        rt_shadow_cell *moved = realloc(memory->cells, 2 * (size_t)memory->capacity * sizeof *moved);
        if (!moved) {
            return -1;
        }
        memory->cells = moved;
        memory->capacity *= 2;
    }
    rt_shadow_cell *whole = &memory->cells[at];
    memmove(whole + 1, whole, (size_t)(memory->n + 1 - at) * sizeof *whole);
    memory->n++;
    whole[1].begin = offset;
    whole[1].element += offset - whole->begin;
    whole[1].readers = -1;
    for (int32_t r = whole->readers; r >= 0; r = readers->items[r].next) {
        if (!add_reader(readers, &whole[1].readers, readers->items[r].lane, readers->items[r].step)) {
            return -1;
        }
    }
    return at + 1;
}

static bool in_order(rt_touch *touch, const rt_shadow_cell *cell, int32_t lane, int64_t step) {
    if (lane < 0 || rt_clocks_knows(touch->clocks, touch->lane, lane, step)) {
        return true;
    }
    touch->other_lane = lane;
    touch->other_step = step;
    touch->element = cell->begin;
    return false;
}

static bool note_read(rt_shadow_cell *cell, rt_touch *touch) {
    if (!in_order(touch, cell, cell->writer, cell->writer_step)) {
        return false;
    }
    for (int32_t r = cell->readers; r >= 0; r = touch->readers->items[r].next) {
        if (touch->readers->items[r].lane == touch->lane) {
            touch->readers->items[r].step = touch->step;
            return true;
        }
    }
    touch->no_memory = !add_reader(touch->readers, &cell->readers, touch->lane, touch->step);
    return !touch->no_memory;
}

static bool note_write(rt_shadow_cell *cell, rt_touch *touch) {
    if (!in_order(touch, cell, cell->writer, cell->writer_step)) {
        return false;
    }
    for (int32_t r = cell->readers; r >= 0; r = touch->readers->items[r].next) {
        if (!in_order(touch, cell, touch->readers->items[r].lane, touch->readers->items[r].step)) {
            return false;
        }
    }
    drop_readers(touch->readers, &cell->readers);
    cell->writer = touch->lane;
    cell->writer_step = touch->step;
    return true;
}

bool rt_memory_read(rt_memory *memory, int64_t offset, int64_t length, rt_touch *touch, rt_spans *out) {
    int64_t end = length ? rt_memory_split(memory, touch->readers, offset + length) : 0;
    int64_t at = length && end >= 0 ? rt_memory_split(memory, touch->readers, offset) : end;
    if (end < 0 || at < 0) {
        touch->no_memory = true;
        return false;
    }
    for (; length && memory->cells[at].begin < offset + length; at++) {
        rt_shadow_cell *cell = &memory->cells[at];
        if (touch->clocks && !note_read(cell, touch)) {
            return false;
        }
        if (!rt_spans_add(out, (rt_span){cell[1].begin - cell->begin, cell->element, cell->set})) {
            touch->no_memory = true;
            return false;
        }
    }
    return true;
}

static bool write_span(rt_memory *memory, int64_t offset, const rt_span *span, rt_touch *touch) {
    int64_t end = rt_memory_split(memory, touch->readers, offset + span->length);
    int64_t at = end >= 0 ? rt_memory_split(memory, touch->readers, offset) : -1;
    if (at < 0) {
        touch->no_memory = true;
        return false;
    }
    for (; memory->cells[at].begin < offset + span->length; at++) {
        rt_shadow_cell *cell = &memory->cells[at];
        if (touch->clocks && !note_write(cell, touch)) {
            return false;
        }
        cell->element = span->element + cell->begin - offset;
        cell->set = span->set;
    }
    return true;
}

bool rt_memory_write(rt_memory *memory, int64_t offset, const rt_spans *from, rt_touch *touch) {
    for (int64_t i = 0; i < from->n; i++) {
        if (!write_span(memory, offset, &from->items[i], touch)) {
            return false;
        }
        offset += from->items[i].length;
    }
    return true;
}
