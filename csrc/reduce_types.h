/* reduce_types: the narrow floating formats, to and from float32.
 *
 *   float16       s eeeee mmmmmmmmmm     bfloat16     s eeeeeeee mmmmmmm
 *   float8_e5m2   s eeeee mm             float8_e4m3fn s eeee mmm   (no infinity: what is too large is NaN)
 *
 * Rounding is to nearest, ties to even; subnormals are kept. A NaN keeps neither sign nor payload: every NaN that is
 * written is the format's one canonical NaN, because which payload survives an addition depends on the processor and
 * on the order of its operands. Everything is written without branches, so that compilers turn loops into vectors.
 */
#ifndef RINGTREE_REDUCE_TYPES_H
#define RINGTREE_REDUCE_TYPES_H

#include <stdint.h>
#include <string.h>

#define RT_INLINE static inline __attribute__((always_inline))

#define RT_F32_INFINITY UINT32_C(0x7f800000)
#define RT_F32_NAN UINT32_C(0x7fc00000)
#define RT_F64_INFINITY UINT64_C(0x7ff0000000000000)
#define RT_F64_NAN UINT64_C(0x7ff8000000000000)
#define RT_BF16_INFINITY 0x7f80
#define RT_BF16_NAN 0x7fc0

/* A format with fewer exponent bits than float32. */
typedef struct rt_float_format {
    int mantissa;     /* bits */
    int bias;         /* of the exponent */
    int sign;         /* how far the sign lies below float32's bit 31 */
    int32_t overflow; /* the first magnitude that is not finite: what too large a number becomes */
    int32_t nan;      /* canonical; equal to `overflow` where there is no infinity */
} rt_float_format;

#define RT_F16 ((rt_float_format){10, 15, 16, 0x7c00, 0x7e00})
#define RT_E5M2 ((rt_float_format){2, 15, 24, 0x7c, 0x7e})
#define RT_E4M3FN ((rt_float_format){3, 7, 24, 0x7f, 0x7f})

RT_INLINE float rt_f32_of_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

RT_INLINE uint32_t rt_f32_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* A select that stays arithmetic: a ternary may become a branch, which stops vectorisation. */
RT_INLINE uint32_t rt_select(int condition, uint32_t yes, uint32_t no) {
    return no ^ ((no ^ yes) & (0U - (uint32_t)condition));
}

RT_INLINE float rt_f32_canonical(float value) {
    return value == value ? value : rt_f32_of_bits(RT_F32_NAN);
}

RT_INLINE double rt_f64_canonical(double value) {
    const uint64_t nan_bits = RT_F64_NAN;
    double nan;
    memcpy(&nan, &nan_bits, sizeof nan);
    return value == value ? value : nan;
}

/* Magnitudes are compared as signed integers: vector units have no unsigned comparison. */
RT_INLINE float rt_decode(rt_float_format format, uint32_t code) {
    const uint32_t sign_bit = UINT32_C(0x80000000) >> format.sign;
    const int32_t magnitude = (int32_t)(code & (sign_bit - 1));
    const uint32_t widened = (uint32_t)magnitude << (23 - format.mantissa);
    const uint32_t rebias = (uint32_t)(127 - format.bias) << 23;
    /* A subnormal has no implicit one: lend it one, then take it back in float32, where the result is normal. */
    const uint32_t one = rebias + (UINT32_C(1) << 23);
    const uint32_t subnormal = rt_f32_bits(rt_f32_of_bits(widened + one) - rt_f32_of_bits(one));
    uint32_t bits = rt_select(magnitude < 1 << format.mantissa, subnormal, widened + rebias);
    if (format.overflow != format.nan) {
        bits = rt_select(magnitude >= format.overflow, RT_F32_INFINITY, bits);
        bits = rt_select(magnitude > format.overflow, RT_F32_NAN, bits);
    } else {
        bits = rt_select(magnitude == format.nan, RT_F32_NAN, bits);
    }
    return rt_f32_of_bits(bits | (code & sign_bit) << format.sign);
}

RT_INLINE uint32_t rt_encode(rt_float_format format, float value) {
    const uint32_t bits = rt_f32_bits(value);
    const int32_t magnitude = (int32_t)(bits & UINT32_C(0x7fffffff));
    const int dropped = 23 - format.mantissa;
    const int32_t rebias = (127 - format.bias) << 23;
    const int32_t smallest_normal = rebias + (1 << 23);
    const int32_t too_large = rebias + (format.overflow << dropped);
    const int32_t half = (1 << (dropped - 1)) - 1 + (magnitude >> dropped & 1);
    /* Adding a power of two whose last place is the format's smallest subnormal makes the hardware round there. */
    const uint32_t anchor = (uint32_t)(rebias + ((dropped + 1) << 23));
    const uint32_t subnormal = rt_f32_bits(rt_f32_of_bits((uint32_t)magnitude) + rt_f32_of_bits(anchor)) - anchor;
    const int32_t clamped = (int32_t)rt_select(magnitude < too_large, (uint32_t)magnitude, (uint32_t)too_large);
    const uint32_t normal = (uint32_t)((clamped + half - rebias) >> dropped);
    const uint32_t code = rt_select(magnitude < smallest_normal, subnormal, normal);
    const uint32_t signed_code = code | (bits & UINT32_C(0x80000000)) >> format.sign;
    const int is_nan =
        format.overflow == format.nan ? (int32_t)code == format.nan : magnitude > (int32_t)RT_F32_INFINITY;
    return rt_select(is_nan, (uint32_t)format.nan, signed_code);
}

RT_INLINE float rt_bf16_low(uint32_t pair) {
    return rt_f32_of_bits(pair << 16);
}

RT_INLINE float rt_bf16_high(uint32_t pair) {
    return rt_f32_of_bits(pair & UINT32_C(0xffff0000));
}

/* float32's bits, rounded so that the upper half is the bfloat16. */
RT_INLINE uint32_t rt_bf16_round(float value) {
    const uint32_t bits = rt_f32_bits(value);
    const uint32_t rounded = bits + UINT32_C(0x7fff) + (bits >> 16 & 1);
    return value == value ? rounded : RT_F32_NAN;
}

RT_INLINE uint32_t rt_bf16_pair(float low, float high) {
    return rt_bf16_round(low) >> 16 | (rt_bf16_round(high) & UINT32_C(0xffff0000));
}

RT_INLINE float rt_bf16_decode(uint16_t code) {
    return rt_bf16_low(code);
}

RT_INLINE uint16_t rt_bf16_encode(float value) {
    return (uint16_t)(rt_bf16_round(value) >> 16);
}

#endif
