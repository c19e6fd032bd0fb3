/* regular: counting, and what lending costs in bytes copied. */
#include "regular.h"

#include <string.h>

/* Measured on the processor of docs/measurements.md: lending takes about 0.5 ms, or 3 ms on 8 ranks of 2 processors,
 * and 0.75 ns a byte; a copy through slots that it saves 0.1 ns a byte. */
enum { LEAST_BYTES = 16 << 10, FIXED_BYTES = 4 << 20, TIMES = 8, MOST_ASKED = 30, HASH_BITS = 6 };
_Static_assert(RT_REGULAR_SETS == 1 << HASH_BITS, "one set for every hash");

static rt_regular *set_of(rt_regulars *regulars, uint64_t key, int64_t bytes) {
    return regulars->sets[((key ^ (uint64_t)bytes) * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - HASH_BITS)];
}

/* Where in its set the buffer is, or RT_WAYS. */
static int find(const rt_regular *set, uint64_t key, int64_t bytes) {
    int at = 0;
    while (at < RT_WAYS && (set[at].address != key || set[at].bytes != bytes)) {
        at++;
    }
    return at;
}

/* The buffer, now the first of its set; the last one goes if it was not there. */
static rt_regular *first(rt_regular *set, uint64_t key, int64_t bytes) {
    const int at = find(set, key, bytes);
    const rt_regular found = at < RT_WAYS ? set[at] : (rt_regular){key, bytes, 0, 0};
    memmove(set + 1, set, (size_t)(at < RT_WAYS ? at : RT_WAYS - 1) * sizeof *set);
    set[0] = found;
    return set;
}

/* Whether copies of so many bytes cost as much as to lend the buffer, times 2^asked. */
static bool pays(const rt_regular *regular, int64_t copied, int32_t sharing, int32_t asked) {
    return (copied - (int64_t)sharing * FIXED_BYTES) / TIMES >> asked >= regular->bytes;
}

bool rt_regular_meet(rt_regulars *regulars, const void *address, int64_t bytes, int32_t sharing) {
    if (bytes < LEAST_BYTES) {
        return false;
    }
    const uint64_t key = (uint64_t)(uintptr_t)address;
    rt_regular *regular = first(set_of(regulars, key, bytes), key, bytes);
    regular->copied = (regular->copied < 0 ? 0 : regular->copied) + bytes;
    if (!pays(regular, regular->copied, sharing, regular->asked)) {
        return false;
    }
    regular->copied = 0;
    regular->asked += regular->asked < MOST_ASKED;
    return true;
}

void rt_regular_saves(rt_regulars *regulars, const void *address, int64_t bytes, int32_t sharing) {
    const uint64_t key = (uint64_t)(uintptr_t)address;
    rt_regular *set = set_of(regulars, key, bytes);
    const int at = find(set, key, bytes);
    if (at < RT_WAYS && set[at].asked) {
        set[at].copied -= bytes;
        if (pays(&set[at], -set[at].copied, sharing, 0)) {
            set[at] = (rt_regular){0};
        }
    }
}
