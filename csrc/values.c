/* values: spans and interned sets of ranks. */
#include "values.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { UNIONS = 4096, FIRST_TABLE = 1024 };

bool rt_spans_add(rt_spans *spans, rt_span span) {
    if (span.length == 0) {
        return true;
    }
    spans->length += span.length;
    if (spans->n > 0) {
        rt_span *last = &spans->items[spans->n - 1];
        if (last->set == span.set && (span.set == RT_NOBODY || last->element + last->length == span.element)) {
            last->length += span.length;
            return true;
        }
    }
    if (spans->n == spans->capacity) {
        int64_t larger = spans->capacity ? 2 * spans->capacity : 4;
        rt_span *moved = realloc(spans->items, (size_t)larger * sizeof *moved);
        if (!moved) {
            return false;
        }
        spans->items = moved;
        spans->capacity = larger;
    }
    spans->items[spans->n++] = span;
    return true;
}

void rt_spans_free(rt_spans *spans) {
    free(spans->items);
    *spans = (rt_spans){0};
}

static uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 32)) * UINT64_C(0xd6e8feb86659fd93);
    return x ^ (x >> 32);
}

static uint64_t hash(const uint64_t *bits, int32_t words) {
    uint64_t sum = 0;
    for (int32_t i = 0; i < words; i++) {
        sum = mix(sum + bits[i] + (uint64_t)i);
    }
    return sum;
}

static const uint64_t *bits_of(const rt_sets *sets, int32_t set) {
    return sets->bits + (size_t)set * (size_t)sets->words;
}

/* Where a set with these bits stands in the table, or would. */
static int64_t place_of(const rt_sets *sets, const uint64_t *bits) {
    int64_t at = (int64_t)(hash(bits, sets->words) & (uint64_t)sets->table_mask);
    while (sets->table[at] >= 0 &&
           memcmp(bits_of(sets, sets->table[at]), bits, (size_t)sets->words * sizeof *bits) != 0) {
        at = (at + 1) & sets->table_mask;
    }
    return at;
}

static bool rehash(rt_sets *sets, int64_t size) {
    int32_t *table = malloc((size_t)size * sizeof *table);
    if (!table) {
        return false;
    }
    free(sets->table);
    sets->table = table;
    sets->table_mask = size - 1;
    memset(table, 0xff, (size_t)size * sizeof *table);
    for (int32_t i = 0; i < sets->n; i++) {
        table[place_of(sets, bits_of(sets, i))] = i;
    }
    return true;
}

/* The set whose bits the caller has written behind the last one. */
static int32_t intern(rt_sets *sets) {
    const uint64_t *bits = bits_of(sets, sets->n);
    int64_t at = place_of(sets, bits);
    if (sets->table[at] >= 0) {
        return sets->table[at];
    }
    sets->table[at] = sets->n++;
    return 2 * (int64_t)sets->n <= sets->table_mask || rehash(sets, 2 * (sets->table_mask + 1)) ? sets->n - 1
                                                                                                : RT_NO_SET;
}

/* Room for the bits of one more set, all clear. */
static uint64_t *room(rt_sets *sets) {
    size_t words = (size_t)sets->words;
    if (sets->n == sets->capacity) {
        int32_t larger = sets->capacity ? 2 * sets->capacity : 64;
        uint64_t *moved = realloc(sets->bits, (size_t)larger * words * sizeof *moved);
        if (!moved) {
            return NULL;
        }
        sets->bits = moved;
        sets->capacity = larger;
    }
    uint64_t *bits = sets->bits + (size_t)sets->n * words;
    memset(bits, 0, words * sizeof *bits);
    return bits;
}

bool rt_sets_init(rt_sets *sets, int32_t ranks) {
    *sets = (rt_sets){.ranks = ranks, .words = (ranks + 63) / 64};
    sets->unions = calloc(UNIONS, sizeof *sets->unions);
    if (!sets->unions || !rehash(sets, FIRST_TABLE)) {
        return false;
    }
    for (int32_t i = 0; i <= ranks; i++) {
        uint64_t *bits = room(sets);
        if (!bits) {
            return false;
        }
        if (i > 0) {
            bits[(i - 1) / 64] = UINT64_C(1) << ((i - 1) % 64);
        }
        if (intern(sets) == RT_NO_SET) {
            return false;
        }
    }
    return true;
}

void rt_sets_free(rt_sets *sets) {
    free(sets->bits);
    free(sets->table);
    free(sets->unions);
}

int32_t rt_sets_union(rt_sets *sets, int32_t a, int32_t b) {
    struct rt_union *known = &sets->unions[mix((uint64_t)a << 32 | (uint32_t)b) % UNIONS];
    if (known->a == a && known->b == b) {
        return known->both;
    }
    uint64_t *bits = room(sets);
    if (!bits) {
        return RT_NO_SET;
    }
    for (int32_t i = 0; i < sets->words; i++) {
        bits[i] = bits_of(sets, a)[i] | bits_of(sets, b)[i];
    }
    *known = (struct rt_union){a, b, intern(sets)};
    return known->both;
}

int32_t rt_sets_everybody(rt_sets *sets) {
    uint64_t *bits = room(sets);
    if (!bits) {
        return RT_NO_SET;
    }
    for (int32_t rank = 0; rank < sets->ranks; rank++) {
        bits[rank / 64] |= UINT64_C(1) << (rank % 64);
    }
    return intern(sets);
}

static bool has(const rt_sets *sets, int32_t set, int32_t rank) {
    return bits_of(sets, set)[rank / 64] >> (rank % 64) & 1;
}

int32_t rt_sets_common(const rt_sets *sets, int32_t a, int32_t b) {
    for (int32_t i = 0; i < sets->words; i++) {
        uint64_t both = bits_of(sets, a)[i] & bits_of(sets, b)[i];
        for (int32_t bit = 0; both; bit++, both >>= 1) {
            if (both & 1) {
                return 64 * i + bit;
            }
        }
    }
    return -1;
}

const char *rt_sets_text(const rt_sets *sets, int32_t set, char *text, int32_t size) {
    int used = snprintf(text, (size_t)size, "rank");
    for (int32_t rank = 0, last; rank < sets->ranks && used < size; rank = last + 1) {
        last = rank;
        if (!has(sets, set, rank)) {
            continue;
        }
        while (last + 1 < sets->ranks && has(sets, set, last + 1)) {
            last++;
        }
        const char *comma = used > 4 ? "," : last > rank ? "s" : "";
        used += snprintf(text + used, (size_t)(size - used), last > rank ? "%s %d-%d" : "%s %d", comma, rank, last);
    }
    return text;
}
