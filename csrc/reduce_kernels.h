/* The kernels, included once per target by reduce.c, which defines
 *   RT_ISA       its name, for reports
 *   RT_NAME(x)   the name of x in this target
 *   RT_TARGET    the function attribute that selects the instruction set
 *   RT_VECTOR    bytes of a vector to write kernels with (reduce_vectors.h), 0 for none
 *
 * dst may be a or b, so no pointer is restrict; RT_INDEPENDENT tells the vectoriser what does hold, that no iteration
 * reads what another one writes. Element types have alignment 1: chunks of a byte buffer start anywhere.
 */

#define RT_KERNEL(name, type, expression)                                                                              \
    RT_TARGET static void RT_NAME(name)(void *dst, const void *a, const void *b, int64_t n) {                          \
        type *out = dst;                                                                                               \
        const type *left = a, *right = b;                                                                              \
        RT_INDEPENDENT                                                                                                 \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            const type x = left[i], y = right[i];                                                                      \
            out[i] = (type)(expression);                                                                               \
        }                                                                                                              \
    }

#define RT_DIVIDE(name, type, expression)                                                                              \
    RT_TARGET static void RT_NAME(name)(void *data, int64_t n, int64_t divisor) {                                      \
        type *values = data;                                                                                           \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            const type x = values[i];                                                                                  \
            values[i] = (type)(expression);                                                                            \
        }                                                                                                              \
    }

/* Integers. Arithmetic is unsigned, so it wraps; `1U *` keeps uint16 from being promoted to a signed int. */
#define RT_INTEGERS(width)                                                                                             \
    RT_KERNEL(sum_##width, rt_u##width, 1U * x + y)                                                                    \
    RT_KERNEL(min_u##width, rt_u##width, x < y ? x : y)                                                                \
    RT_KERNEL(max_u##width, rt_u##width, x > y ? x : y)                                                                \
    RT_KERNEL(min_i##width, rt_i##width, x < y ? x : y)                                                                \
    RT_KERNEL(max_i##width, rt_i##width, x > y ? x : y)                                                                \
    RT_KERNEL(land_##width, rt_u##width, (x != 0) & (y != 0))                                                          \
    RT_KERNEL(lor_##width, rt_u##width, (x | y) != 0)                                                                  \
    RT_KERNEL(lxor_##width, rt_u##width, (x != 0) ^ (y != 0))                                                          \
    RT_KERNEL(band_##width, rt_u##width, (x) & y)                                                                      \
    RT_KERNEL(bor_##width, rt_u##width, x | y)                                                                         \
    RT_KERNEL(bxor_##width, rt_u##width, x ^ y)                                                                        \
    RT_DIVIDE(divide_i##width, rt_i##width, x / divisor)                                                               \
    RT_DIVIDE(divide_u##width, rt_u##width, x / (uint64_t)divisor)

RT_INTEGERS(8)
RT_INTEGERS(16)
RT_INTEGERS(32)
RT_INTEGERS(64)

#define RT_INTEGER_PRODUCT(width) RT_KERNEL(prod_##width, rt_u##width, 1U * x * y)
#if RT_VECTOR == 64
#define prod_8_avx512 prod_8_avx2 /* GCC 12's is half as fast in wider vectors */
#else
RT_INTEGER_PRODUCT(8)
#endif
RT_INTEGER_PRODUCT(16)
RT_INTEGER_PRODUCT(32)
RT_INTEGER_PRODUCT(64)

/* Floating types, where the bits are enough: ordered as sign and magnitude, -0 below +0, so that min and max are
 * commutative to the bit; RT_KEY turns that order into the one of signed integers. */
#define RT_KEY(width, x)                                                                                               \
    ((int##width##_t)(x) ^ (int##width##_t)((uint##width##_t)((int##width##_t)(x) >> (width - 1)) >> 1))
#define RT_MAGNITUDE(width, x) ((int##width##_t)((x) & (UINT##width##_MAX >> 1)))
#define RT_HAS_NAN(width, largest)                                                                                     \
    ((RT_MAGNITUDE(width, x) > (int##width##_t)(largest)) | (RT_MAGNITUDE(width, y) > (int##width##_t)(largest)))

#define RT_ORDER(name, width, largest, nan, one)                                                                       \
    RT_KERNEL(min_##name, rt_u##width, RT_HAS_NAN(width, largest) ? nan : RT_KEY(width, x) < RT_KEY(width, y) ? x : y) \
    RT_KERNEL(max_##name, rt_u##width, RT_HAS_NAN(width, largest) ? nan : RT_KEY(width, x) > RT_KEY(width, y) ? x : y) \
    RT_KERNEL(land_##name, rt_u##width, RT_MAGNITUDE(width, x) != 0 && RT_MAGNITUDE(width, y) != 0 ? one : 0)          \
    RT_KERNEL(lor_##name, rt_u##width, RT_MAGNITUDE(width, x | y) != 0 ? one : 0)                                      \
    RT_KERNEL(lxor_##name, rt_u##width, (RT_MAGNITUDE(width, x) != 0) != (RT_MAGNITUDE(width, y) != 0) ? one : 0)

RT_ORDER(f64, 64, RT_F64_INFINITY, RT_F64_NAN, UINT64_C(0x3ff0000000000000))
RT_ORDER(f32, 32, RT_F32_INFINITY, RT_F32_NAN, UINT32_C(0x3f800000))
RT_ORDER(bf16, 16, RT_BF16_INFINITY, RT_BF16_NAN, 0x3f80)
RT_ORDER(f16, 16, 0x7c00, 0x7e00, 0x3c00)
RT_ORDER(e5m2, 8, 0x7c, 0x7e, 0x3c)
RT_ORDER(e4m3fn, 8, 0x7e, 0x7f, 0x38)

/* Floating types, where arithmetic is needed. */
#define RT_ARITHMETIC(name, type, decode, encode)                                                                      \
    RT_KERNEL(sum_##name, type, encode(decode(x) + decode(y)))                                                         \
    RT_KERNEL(prod_##name, type, encode(decode(x) * decode(y)))

#define RT_SAME(x) (x)

RT_ARITHMETIC(f64, rt_f64, RT_SAME, rt_f64_canonical)
RT_ARITHMETIC(f32, rt_f32, RT_SAME, rt_f32_canonical)

RT_DIVIDE(divide_f64, rt_f64, rt_f64_canonical(x / (double)divisor))
RT_DIVIDE(divide_f32, rt_f32, rt_f32_canonical(x / (float)divisor))

/* Floating types that are computed with in float32. */
#if RT_VECTOR
#include "reduce_vectors.h"
#else
#include "reduce_narrow.h"
#endif

/* (ac - bd) + (ad + bc)i, the textbook product, as NumPy's up to the rounding of a fused multiply and add. */
#define RT_COMPLEX_PRODUCT(name, component, real, canonical)                                                           \
    RT_TARGET static void RT_NAME(prod_##name)(void *dst, const void *a, const void *b, int64_t n) {                   \
        rt_##component *out = dst;                                                                                     \
        const rt_##component *left = a, *right = b;                                                                    \
        RT_INDEPENDENT                                                                                                 \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            const real xr = left[2 * i], xi = left[2 * i + 1], yr = right[2 * i], yi = right[2 * i + 1];               \
            out[2 * i] = canonical(xr * yr - xi * yi);                                                                 \
            out[2 * i + 1] = canonical(xr * yi + xi * yr);                                                             \
        }                                                                                                              \
    }
#define RT_COMPLEX(name, component)                                                                                    \
    RT_TARGET static void RT_NAME(sum_##name)(void *dst, const void *a, const void *b, int64_t n) {                    \
        RT_NAME(sum_##component)(dst, a, b, 2 * n);                                                                    \
    }                                                                                                                  \
    RT_TARGET static void RT_NAME(divide_##name)(void *data, int64_t n, int64_t divisor) {                             \
        RT_NAME(divide_##component)(data, 2 * n, divisor);                                                             \
    }

RT_COMPLEX(complex64, f32)
RT_COMPLEX(complex128, f64)
#if RT_VECTOR == 64 /* where GCC 12 fuses (vfmaddsub) whatever -ffp-contract says */
#define prod_complex64_avx512 prod_complex64_avx2
#define prod_complex128_avx512 prod_complex128_avx2
#else
RT_COMPLEX_PRODUCT(complex64, f32, float, rt_f32_canonical)
RT_COMPLEX_PRODUCT(complex128, f64, double, rt_f64_canonical)
#endif

#define RT_INTEGER_ROW(sign, width)                                                                                    \
    {[RT_SUM] = RT_NAME(sum_##width),       [RT_PROD] = RT_NAME(prod_##width), [RT_MIN] = RT_NAME(min_##sign##width),  \
     [RT_MAX] = RT_NAME(max_##sign##width), [RT_AVG] = RT_NAME(sum_##width),   [RT_LAND] = RT_NAME(land_##width),      \
     [RT_LOR] = RT_NAME(lor_##width),       [RT_LXOR] = RT_NAME(lxor_##width), [RT_BAND] = RT_NAME(band_##width),      \
     [RT_BOR] = RT_NAME(bor_##width),       [RT_BXOR] = RT_NAME(bxor_##width)}
#define RT_FLOAT_ROW(name)                                                                                             \
    {[RT_SUM] = RT_NAME(sum_##name), [RT_PROD] = RT_NAME(prod_##name), [RT_MIN] = RT_NAME(min_##name),                 \
     [RT_MAX] = RT_NAME(max_##name), [RT_AVG] = RT_NAME(sum_##name),   [RT_LAND] = RT_NAME(land_##name),               \
     [RT_LOR] = RT_NAME(lor_##name), [RT_LXOR] = RT_NAME(lxor_##name)}
#define RT_COMPLEX_ROW(name)                                                                                           \
    {[RT_SUM] = RT_NAME(sum_##name), [RT_PROD] = RT_NAME(prod_##name), [RT_AVG] = RT_NAME(sum_##name)}
#define RT_BOOL_ROW                                                                                                    \
    {                                                                                                                  \
        [RT_SUM] = RT_NAME(lor_8),   [RT_PROD] = RT_NAME(land_8), [RT_MIN] = RT_NAME(land_8),                          \
        [RT_MAX] = RT_NAME(lor_8),   [RT_LAND] = RT_NAME(land_8), [RT_LOR] = RT_NAME(lor_8),                           \
        [RT_LXOR] = RT_NAME(lxor_8), [RT_BAND] = RT_NAME(land_8), [RT_BOR] = RT_NAME(lor_8),                           \
        [RT_BXOR] = RT_NAME(lxor_8)}

static const rt_target RT_NAME(target) = {
    .isa = RT_ISA,
    .combine = {[RT_INT8] = RT_INTEGER_ROW(i, 8),
                [RT_INT16] = RT_INTEGER_ROW(i, 16),
                [RT_INT32] = RT_INTEGER_ROW(i, 32),
                [RT_INT64] = RT_INTEGER_ROW(i, 64),
                [RT_UINT8] = RT_INTEGER_ROW(u, 8),
                [RT_UINT16] = RT_INTEGER_ROW(u, 16),
                [RT_UINT32] = RT_INTEGER_ROW(u, 32),
                [RT_UINT64] = RT_INTEGER_ROW(u, 64),
                [RT_FLOAT16] = RT_FLOAT_ROW(f16),
                [RT_BFLOAT16] = RT_FLOAT_ROW(bf16),
                [RT_FLOAT8_E4M3FN] = RT_FLOAT_ROW(e4m3fn),
                [RT_FLOAT8_E5M2] = RT_FLOAT_ROW(e5m2),
                [RT_FLOAT32] = RT_FLOAT_ROW(f32),
                [RT_FLOAT64] = RT_FLOAT_ROW(f64),
                [RT_COMPLEX64] = RT_COMPLEX_ROW(complex64),
                [RT_COMPLEX128] = RT_COMPLEX_ROW(complex128),
                [RT_BOOL] = RT_BOOL_ROW},
    .divide = {[RT_INT8] = RT_NAME(divide_i8),
               [RT_INT16] = RT_NAME(divide_i16),
               [RT_INT32] = RT_NAME(divide_i32),
               [RT_INT64] = RT_NAME(divide_i64),
               [RT_UINT8] = RT_NAME(divide_u8),
               [RT_UINT16] = RT_NAME(divide_u16),
               [RT_UINT32] = RT_NAME(divide_u32),
               [RT_UINT64] = RT_NAME(divide_u64),
               [RT_FLOAT16] = RT_NAME(divide_f16),
               [RT_BFLOAT16] = RT_NAME(divide_bf16),
               [RT_FLOAT8_E4M3FN] = RT_NAME(divide_e4m3fn),
               [RT_FLOAT8_E5M2] = RT_NAME(divide_e5m2),
               [RT_FLOAT32] = RT_NAME(divide_f32),
               [RT_FLOAT64] = RT_NAME(divide_f64),
               [RT_COMPLEX64] = RT_NAME(divide_complex64),
               [RT_COMPLEX128] = RT_NAME(divide_complex128)},
    .fold = {[RT_FLOAT16] = {RT_NAME(fold_sum_f16), RT_NAME(fold_prod_f16)},
             [RT_BFLOAT16] = {RT_NAME(fold_sum_bf16), RT_NAME(fold_prod_bf16)},
             [RT_FLOAT8_E4M3FN] = {RT_NAME(fold_sum_e4m3fn), RT_NAME(fold_prod_e4m3fn)},
             [RT_FLOAT8_E5M2] = {RT_NAME(fold_sum_e5m2), RT_NAME(fold_prod_e5m2)}},
};

#undef RT_ISA
#undef RT_NAME
#undef RT_TARGET
#undef RT_VECTOR
#undef RT_BITS
#undef RT_HALF
#undef RT_V
#undef RT_LOW
#undef RT_HIGH
#undef RT_PACK
#undef RT_ANY_NAN
#undef RT_PLUS_BIT_16
