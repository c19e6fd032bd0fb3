/* Hashes what every kernel and fold makes of random and special values, once per instruction set that runs here.
 * scripts/check_arm.sh compares the hashes of two architectures. */
#include "fold.h"

#include <stdio.h>
#include <string.h>

#define MOST_INPUTS 9
#define BYTES 40000

static char inputs[MOST_INPUTS][BYTES];

static uint64_t state;

static uint64_t next_random(void) {
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return state >> 29 ^ state << 35 ^ state;
}

/* Random bits: all of them (NaN, infinity and subnormals occur), or moderate floating values, or special ones. */
static void fill(int dtype) {
    static const uint32_t special[] = {0, 0x80000000, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00001, 1, 0x807fffff};
    for (int k = 0; k < MOST_INPUTS; k++) {
        for (int i = 0; i < BYTES; i += 8) {
            uint64_t bits = next_random();
            const uint64_t kind = next_random() >> 40 & 3;
            const uint64_t word = special[next_random() >> 40 & 7];
            const uint64_t moderate = (bits & UINT64_C(0x87ffffff87ffffff)) | UINT64_C(0x3800000038000000);
            bits = kind == 0 ? bits : kind == 1 ? word << 32 | word : moderate;
            bits = dtype == RT_BOOL ? bits & UINT64_C(0x0101010101010101) : bits;
            memcpy(inputs[k] + i, &bits, 8);
        }
    }
}

static uint64_t hash(uint64_t seed, const char *data, int64_t bytes) {
    for (int64_t i = 0; i < bytes; i++) {
        seed = (seed ^ (unsigned char)data[i]) * UINT64_C(1099511628211);
    }
    return seed;
}

static uint64_t of_pair(uint64_t seed, int isa, int dtype, int op) {
    static char result[BYTES];
    const int64_t size = rt_dtype_size(dtype), n = BYTES / size - 3;
    rt_reduce_with(isa, dtype, op, result, inputs[0], inputs[1], n);
    seed = hash(seed, result, n * size);
    for (int32_t n_in = 1; n_in <= MOST_INPUTS; n_in++) {
        const void *in[MOST_INPUTS];
        void *const out[1] = {result};
        for (int k = 0; k < n_in; k++) {
            in[k] = inputs[k];
        }
        rt_fold_with(isa, dtype, op, n_in, out, 1, in, n_in, n, n_in % 2);
        seed = hash(seed, result, n * size);
    }
    if (rt_divide_with(isa, dtype, result, n, 3) == RT_OK) {
        seed = hash(seed, result, n * size);
    }
    return seed;
}

int main(void) {
    for (int isa = 0; isa < RT_ISAS && rt_isa_name(isa); isa++) {
        uint64_t seed = UINT64_C(14695981039346656037);
        state = 1; /* the same inputs for all */
        for (int dtype = 0; dtype < RT_DTYPES; dtype++) {
            fill(dtype);
            for (int op = 0; op < RT_REDOPS; op++) {
                seed = rt_reduce_supports(dtype, op) ? of_pair(seed, isa, dtype, op) : seed;
            }
        }
        printf("%016llx %s\n", (unsigned long long)seed, rt_isa_name(isa));
    }
    return 0;
}
