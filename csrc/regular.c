/* regular: counting, and what lending costs in bytes copied. */
#include "regular.h"

#include <string.h>

/* Measured on the processor of docs/measurements.md: lending takes about 0.5 ms, or 3 ms on 8 ranks of 2 processors,
 * and 0.75 ns a byte; a copy through slots that it saves 0.1 ns a byte. */
enum { LEAST_BYTES = 16 << 10, FIXED_BYTES = 4 << 20, TIMES = 8, MOST_ASKED = 30, HASH_BITS = 6 };
_Static_assert(RT_REGULAR_SETS == 1 << HASH_BITS, "one set for every hash");

/* The buffer, now the first of its set; in an empty place, or that of the last one, if it was not there. */
static rt_regular *find(rt_regulars *regulars, const void *address, int64_t bytes) {
    const uint64_t key = (uint64_t)(uintptr_t)address;
    rt_regular *set = regulars->sets[((key ^ (uint64_t)bytes) * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - HASH_BITS)];
    rt_regular found = {key, bytes, 0, 0};
    int at = 0;
    while (at < RT_WAYS - 1 && (set[at].address != key || set[at].bytes != bytes)) {
        at++;
    }
    if (set[at].address == key && set[at].bytes == bytes) {
        found = set[at];
    }
    memmove(set + 1, set, (size_t)at * sizeof *set);
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
    rt_regular *regular = find(regulars, address, bytes);
    regular->copied = (regular->copied < 0 ? 0 : regular->copied) + bytes;
    if (!pays(regular, regular->copied, sharing, regular->asked)) {
        return false;
    }
    regular->copied = 0;
    regular->asked += regular->asked < MOST_ASKED;
    return true;
}

void rt_regular_saves(rt_regulars *regulars, const void *address, int64_t bytes, int32_t sharing) {
    if (bytes < LEAST_BYTES) {
        return;
    }
    rt_regular *regular = find(regulars, address, bytes);
    regular->copied -= regular->asked ? bytes : 0;
    if (pays(regular, -regular->copied, sharing, 0)) {
        regular->asked = 0;
    }
}
