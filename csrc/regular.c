/* regular: counting, and what lending costs in bytes copied. */
#include "regular.h"

/* Measured on the processor of docs/measurements.md: lending takes about 0.5 ms, or 3 ms on 8 ranks of 2 processors,
 * and 0.75 ns a byte; a copy through slots that it saves 0.1 ns a byte. */
enum { LEAST_BYTES = 16 << 10, FIXED_BYTES = 4 << 20, TIMES = 8, MOST_ASKED = 30, HASH_BITS = 8 };
_Static_assert(RT_REGULARS == 1 << HASH_BITS, "one place for every hash");

bool rt_regular_meet(rt_regulars *regulars, const void *address, int64_t bytes, int32_t sharing) {
    if (bytes < LEAST_BYTES) {
        return false;
    }
    const uint64_t key = (uint64_t)(uintptr_t)address;
    rt_regular *regular = &regulars->all[((key ^ (uint64_t)bytes) * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - HASH_BITS)];
    if (regular->address != key || regular->bytes != bytes) {
        *regular = (rt_regular){key, bytes, 0, 0};
    }
    regular->copied += bytes;
    if ((regular->copied - (int64_t)sharing * FIXED_BYTES) / TIMES >> regular->asked < bytes) {
        return false;
    }
    regular->copied = 0;
    regular->asked += regular->asked < MOST_ASKED;
    return true;
}
