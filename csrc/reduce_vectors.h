/* The folds of the narrow floating types in x86 vectors: what reduce_narrow.h does in loops, to the same bits.
 *
 *   in[k] ──load, decode──▶ two vectors of float32 ──(+)──▶ ──divide──▶ encode, store ──▶ out
 *
 * Nothing but the inputs and the output touches memory. Included once per target by reduce_kernels.h; the target gives
 * its vectors as
 *   RT_VECTOR               bytes
 *   RT_BITS, RT_HALF        a vector of integers, and one of half the size
 *   RT_V(x)                 the intrinsic x of a vector
 *   RT_LOW(x), RT_HIGH(x)   the halves of RT_BITS
 *   RT_PACK(a, b)           16-bit lanes below 256 to bytes
 *   RT_ANY_NAN(a, b)        whether a or b has one
 *   RT_PLUS_BIT_16(x, bits) x + (bits >> 16 & 1)
 */

typedef float RT_NAME(floats) __attribute__((vector_size(RT_VECTOR), may_alias));
typedef int32_t RT_NAME(ints) __attribute__((vector_size(RT_VECTOR), may_alias));
typedef uint32_t RT_NAME(words) __attribute__((vector_size(RT_VECTOR), may_alias));
typedef uint16_t RT_NAME(shorts) __attribute__((vector_size(RT_VECTOR), may_alias));
typedef uint16_t RT_NAME(half_shorts) __attribute__((vector_size(RT_VECTOR / 2), may_alias));
typedef uint8_t RT_NAME(half_bytes) __attribute__((vector_size(RT_VECTOR / 2), may_alias));

/* Which elements are in which vector is up to the type. */
typedef struct RT_NAME(pair) {
    RT_NAME(floats) a, b;
} RT_NAME(pair);

#define RT_FLOATS RT_NAME(floats)
#define RT_INTS RT_NAME(ints)
#define RT_WORDS RT_NAME(words)
#define RT_SHORTS RT_NAME(shorts)
#define RT_HALF_SHORTS RT_NAME(half_shorts)
#define RT_HALF_BYTES RT_NAME(half_bytes)
#define RT_PAIR RT_NAME(pair)
#define RT_FUNCTION RT_TARGET RT_INLINE

RT_FUNCTION RT_FLOATS RT_NAME(without_nan)(RT_FLOATS x) {
    const RT_INTS is_nan = (RT_INTS)(x != x);
    return (RT_FLOATS)(((RT_INTS)x & ~is_nan) | (is_nan & (int32_t)RT_F32_NAN));
}

/* NaN is rare enough for a branch. */
RT_FUNCTION RT_PAIR RT_NAME(canonical)(RT_PAIR x) {
    if (__builtin_expect(RT_ANY_NAN(x.a, x.b), 0)) {
        return (RT_PAIR){RT_NAME(without_nan)(x.a), RT_NAME(without_nan)(x.b)};
    }
    return x;
}

/* bfloat16: the lower and the upper halves of 32-bit lanes. */
RT_FUNCTION RT_PAIR RT_NAME(load_bf16)(const void *from) {
    RT_WORDS x;
    memcpy(&x, from, sizeof x);
    return (RT_PAIR){(RT_FLOATS)(x << 16), (RT_FLOATS)(x & UINT32_C(0xffff0000))};
}

RT_FUNCTION RT_WORDS RT_NAME(round_bf16)(RT_FLOATS x) {
    const RT_WORDS bits = (RT_WORDS)x;
    return RT_PLUS_BIT_16(bits + UINT32_C(0x7fff), bits);
}

RT_FUNCTION void RT_NAME(store_bf16)(void *to, RT_PAIR x) {
    x = RT_NAME(canonical)(x);
    const RT_WORDS lower = RT_NAME(round_bf16)(x.a), upper = RT_NAME(round_bf16)(x.b);
    const RT_WORDS both = lower >> 16 | (upper & UINT32_C(0xffff0000));
    memcpy(to, &both, sizeof both);
}

/* float16, and through it float8: every value of float8 is one of float16, float8_e4m3fn times a power of two. */
RT_FUNCTION RT_PAIR RT_NAME(widen_f16)(RT_SHORTS x) {
    return (RT_PAIR){(RT_FLOATS)RT_V(cvtph_ps)(RT_LOW((RT_BITS)x)), (RT_FLOATS)RT_V(cvtph_ps)(RT_HIGH((RT_BITS)x))};
}

RT_FUNCTION RT_PAIR RT_NAME(load_f16)(const void *from) {
    RT_SHORTS x;
    memcpy(&x, from, sizeof x);
    return RT_NAME(widen_f16)(x);
}

RT_FUNCTION RT_HALF RT_NAME(narrow_f16)(RT_FLOATS x) {
    return RT_V(cvtps_ph)(x, _MM_FROUND_TO_NEAREST_INT);
}

RT_FUNCTION void RT_NAME(store_f16)(void *to, RT_PAIR x) {
    x = RT_NAME(canonical)(x);
    const RT_HALF first = RT_NAME(narrow_f16)(x.a), second = RT_NAME(narrow_f16)(x.b);
    memcpy(to, &first, sizeof first);
    memcpy((char *)to + sizeof first, &second, sizeof second);
}

/* Rounds to a mantissa of so many bits and to multiples of 2^least, keeping the sign of zero: a number plus 1.5 * 2^k
 * has its last place at 2^(k - 23). `exponent` is x's, in place, or less where x is far out of range. */
RT_FUNCTION RT_FLOATS RT_NAME(round_to)(RT_FLOATS x, RT_INTS exponent, int mantissa, int least) {
    const RT_INTS zero = {0};
    const RT_INTS anchor = zero + (((least + 23 + 127) << 23) | 0x400000);
    const RT_INTS adder = exponent + (((23 - mantissa) << 23) | 0x400000);
    const RT_FLOATS large = (RT_FLOATS)RT_V(max_epi32)((RT_BITS)adder, (RT_BITS)anchor);
    const RT_FLOATS rounded = (x + large) - large;
    return (RT_FLOATS)((RT_INTS)rounded | ((RT_INTS)x & INT32_MIN));
}

RT_FUNCTION RT_PAIR RT_NAME(load_e5m2)(const void *from) {
    RT_HALF x;
    memcpy(&x, from, sizeof x);
    return RT_NAME(widen_f16)((RT_SHORTS)RT_V(cvtepu8_epi16)(x) << 8);
}

/* From 2^64 on there is nothing to round: it is infinite in float16. */
RT_FUNCTION RT_HALF_SHORTS RT_NAME(narrow_e5m2)(RT_FLOATS x) {
    const RT_INTS zero = {0};
    const RT_INTS exponent = (RT_INTS)x & (int32_t)RT_F32_INFINITY, most = zero + ((64 + 127) << 23);
    const RT_INTS capped = (RT_INTS)RT_V(min_epi32)((RT_BITS)exponent, (RT_BITS)most);
    return (RT_HALF_SHORTS)RT_NAME(narrow_f16)(RT_NAME(round_to)(x, capped, 2, -16)) >> 8;
}

RT_FUNCTION void RT_NAME(store_e5m2)(void *to, RT_PAIR x) {
    x = RT_NAME(canonical)(x);
    const RT_HALF codes = RT_PACK((RT_HALF)RT_NAME(narrow_e5m2)(x.a), (RT_HALF)RT_NAME(narrow_e5m2)(x.b));
    memcpy(to, &codes, sizeof codes);
}

/* float8_e4m3fn as float16 reads its bits: every value divided by 256, which sums may keep. */
RT_FUNCTION RT_PAIR RT_NAME(load_e4m3fn_scaled)(const void *from) {
    RT_HALF x;
    memcpy(&x, from, sizeof x);
    const RT_SHORTS spread = (RT_SHORTS)RT_V(cvtepi8_epi16)(x) << 7;
    const RT_SHORTS magnitude = spread & 0x3f80;
    const RT_SHORTS nan = (magnitude + 0x80) & 0x4000; /* of the largest magnitude alone */
    return RT_NAME(widen_f16)(magnitude | nan | (spread & 0x8000));
}

/* NaN and what lies above 480 / 256 become that, whose code is NaN's. */
RT_FUNCTION RT_HALF_SHORTS RT_NAME(narrow_e4m3fn_scaled)(RT_FLOATS x) {
    const RT_INTS zero = {0}, largest = zero + 0x3ff00000;
    const RT_INTS magnitude = (RT_INTS)x & INT32_MAX, sign = (RT_INTS)x & INT32_MIN;
    const RT_INTS clamped = (RT_INTS)RT_V(min_epi32)((RT_BITS)magnitude, (RT_BITS)largest) | sign;
    const RT_INTS exponent = clamped & (int32_t)RT_F32_INFINITY;
    const RT_FLOATS rounded = RT_NAME(round_to)((RT_FLOATS)clamped, exponent, 3, -17);
    const RT_HALF_SHORTS code = (RT_HALF_SHORTS)RT_NAME(narrow_f16)(rounded);
    return ((code & 0x8000) | (code << 1 & 0x7fff)) >> 8;
}

RT_FUNCTION void RT_NAME(store_e4m3fn_scaled)(void *to, RT_PAIR x) {
    const RT_HALF codes =
        RT_PACK((RT_HALF)RT_NAME(narrow_e4m3fn_scaled)(x.a), (RT_HALF)RT_NAME(narrow_e4m3fn_scaled)(x.b));
    const RT_HALF_BYTES signed_nan = (RT_HALF_BYTES)((RT_HALF_BYTES)codes == 0xff) & 0x80;
    const RT_HALF_BYTES canonical = (RT_HALF_BYTES)codes ^ signed_nan;
    memcpy(to, &canonical, sizeof canonical);
}

RT_FUNCTION RT_PAIR RT_NAME(load_e4m3fn)(const void *from) {
    const RT_PAIR x = RT_NAME(load_e4m3fn_scaled)(from);
    return (RT_PAIR){x.a * 256.0F, x.b * 256.0F};
}

RT_FUNCTION void RT_NAME(store_e4m3fn)(void *to, RT_PAIR x) {
    RT_NAME(store_e4m3fn_scaled)(to, (RT_PAIR){x.a * (1 / 256.0F), x.b * (1 / 256.0F)});
}

/* A step is two vectors' worth of elements; what is left of one at the end goes through padded copies. A line takes so
 * many instructions that too few lines are asked for at a time: what comes 1 KiB later is asked for now. */
#define RT_VECTOR_FOLD(name, type, format, operator)                                                                   \
    RT_FUNCTION RT_PAIR RT_NAME(name##_load)(const void *from, int64_t bytes) {                                        \
        enum { step = sizeof(type) * RT_VECTOR / 2 };                                                                  \
        if (bytes == step) {                                                                                           \
            return RT_NAME(load_##format)(from);                                                                       \
        }                                                                                                              \
        char padded[step] = {0};                                                                                       \
        memcpy(padded, from, (size_t)bytes);                                                                           \
        return RT_NAME(load_##format)(padded);                                                                         \
    }                                                                                                                  \
    RT_FUNCTION RT_PAIR RT_NAME(name##_step)(const void *const *in, int32_t n_in, int64_t at, int64_t bytes,           \
                                             float divisor) {                                                          \
        RT_PAIR sum = RT_NAME(name##_load)((const char *)in[0] + at, bytes);                                           \
        for (int32_t k = 1; k < n_in; k++) {                                                                           \
            const RT_PAIR next = RT_NAME(name##_load)((const char *)in[k] + at, bytes);                                \
            sum = (RT_PAIR){sum.a operator next.a, sum.b operator next.b};                                             \
        }                                                                                                              \
        return divisor == 1 ? sum : (RT_PAIR){sum.a / divisor, sum.b / divisor};                                       \
    }                                                                                                                  \
    RT_FUNCTION void RT_NAME(name##_steps)(char *out, const void *const *in, int32_t n_in, int64_t at, int64_t bytes,  \
                                           float divisor) {                                                            \
        enum { step = sizeof(type) * RT_VECTOR / 2, ahead = 1024 };                                                    \
        for (int64_t i = 0; i + step <= bytes; i += step) {                                                            \
            for (int32_t k = 0; k < n_in; k++) {                                                                       \
                __builtin_prefetch((const char *)in[k] + at + i + ahead);                                              \
            }                                                                                                          \
            RT_NAME(store_##format)(out + i, RT_NAME(name##_step)(in, n_in, at + i, step, divisor));                   \
        }                                                                                                              \
        const int64_t rest = bytes % step;                                                                             \
        if (rest) {                                                                                                    \
            char padded[step];                                                                                         \
            RT_NAME(store_##format)(padded, RT_NAME(name##_step)(in, n_in, at + bytes - rest, rest, divisor));         \
            memcpy(out + bytes - rest, padded, (size_t)rest);                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    RT_TARGET static void RT_NAME(fold_##name)(void *out, const void *const *in, int32_t n_in, int64_t at, int64_t n,  \
                                               int64_t divisor) {                                                      \
        const int64_t size = sizeof(type);                                                                             \
        if (n_in == 2 && divisor == 1) {                                                                               \
            const void *const both[2] = {in[0], in[1]};                                                                \
            RT_NAME(name##_steps)(out, both, 2, at * size, n * size, 1);                                               \
        } else if (n_in == 4 && divisor == 1) {                                                                        \
            const void *const four[4] = {in[0], in[1], in[2], in[3]};                                                  \
            RT_NAME(name##_steps)(out, four, 4, at * size, n * size, 1);                                               \
        } else {                                                                                                       \
            RT_NAME(name##_steps)(out, in, n_in, at * size, n * size, (float)divisor);                                 \
        }                                                                                                              \
    }                                                                                                                  \
    RT_TARGET static void RT_NAME(name)(void *dst, const void *a, const void *b, int64_t n) {                          \
        RT_NAME(fold_##name)(dst, (const void *const[]){a, b}, 2, 0, n, 1);                                            \
    }

/* `format`: in which sums are kept. */
#define RT_VECTOR_TYPE(suffix, type, format)                                                                           \
    RT_VECTOR_FOLD(sum_##suffix, type, format, +)                                                                      \
    RT_VECTOR_FOLD(prod_##suffix, type, suffix, *)                                                                     \
    RT_TARGET static void RT_NAME(divide_##suffix)(void *data, int64_t n, int64_t divisor) {                           \
        RT_NAME(fold_sum_##suffix)(data, (const void *const[]){data}, 1, 0, n, divisor);                               \
    }

RT_VECTOR_TYPE(f16, rt_u16, f16)
RT_VECTOR_TYPE(bf16, rt_u16, bf16)
RT_VECTOR_TYPE(e5m2, rt_u8, e5m2)
RT_VECTOR_TYPE(e4m3fn, rt_u8, e4m3fn_scaled)
