/* The kernels of the narrow floating types in loops that compilers turn into vectors, included once per target by
 * reduce_kernels.h, which says what is defined.
 *
 *   in[k] ──decode──▶ float32 ──(+)──▶ sums, a block in L1 ──divide──▶ ──encode──▶ out
 */

#define RT_SAME(x) (x)
#define RT_F16_DECODE(x) rt_decode(RT_F16, x)
#define RT_F16_ENCODE(x) rt_encode(RT_F16, x)
#define RT_E5M2_DECODE(x) rt_decode(RT_E5M2, x)
#define RT_E5M2_ENCODE(x) rt_encode(RT_E5M2, x)
#define RT_E4M3FN_DECODE(x) rt_decode(RT_E4M3FN, x)
#define RT_E4M3FN_ENCODE(x) rt_encode(RT_E4M3FN, x)

#define RT_NARROW_BLOCK 512

/* With a single input and nothing to divide it by, a NaN becomes canonical. */
#define RT_NARROW(name, type, operator, decode, encode)                                                                \
    RT_TARGET static void RT_NAME(name)(void *out, const void *const *in, int32_t n_in, int64_t at, int64_t n,         \
                                        int64_t divisor) {                                                             \
        float sums[RT_NARROW_BLOCK];                                                                                   \
        for (int64_t begin = 0; begin < n; begin += RT_NARROW_BLOCK) {                                                 \
            const int64_t count = n - begin < RT_NARROW_BLOCK ? n - begin : RT_NARROW_BLOCK;                           \
            const type *input = (const type *)in[0] + at + begin;                                                      \
            RT_INDEPENDENT                                                                                             \
            for (int64_t i = 0; i < count; i++) {                                                                      \
                sums[i] = decode(input[i]);                                                                            \
            }                                                                                                          \
            for (int32_t k = 1; k < n_in; k++) {                                                                       \
                input = (const type *)in[k] + at + begin;                                                              \
                RT_INDEPENDENT                                                                                         \
                for (int64_t i = 0; i < count; i++) {                                                                  \
                    sums[i] = sums[i] operator decode(input[i]);                                                       \
                }                                                                                                      \
            }                                                                                                          \
            if (divisor != 1) {                                                                                        \
                RT_INDEPENDENT                                                                                         \
                for (int64_t i = 0; i < count; i++) {                                                                  \
                    sums[i] /= (float)divisor;                                                                         \
                }                                                                                                      \
            }                                                                                                          \
            type *result = (type *)out + begin;                                                                        \
            RT_INDEPENDENT                                                                                             \
            for (int64_t i = 0; i < count; i++) {                                                                      \
                result[i] = (type)encode(sums[i]);                                                                     \
            }                                                                                                          \
        }                                                                                                              \
    }

#define RT_NARROW_TYPE(name, type, decode, encode)                                                                     \
    RT_NARROW(fold_sum_##name, type, +, decode, encode)                                                                \
    RT_NARROW(fold_prod_##name, type, *, decode, encode)

RT_NARROW_TYPE(f16, rt_u16, RT_F16_DECODE, RT_F16_ENCODE)
RT_NARROW_TYPE(bf16, rt_u16, rt_bf16_decode, rt_bf16_encode)
RT_NARROW_TYPE(e5m2, rt_u8, RT_E5M2_DECODE, RT_E5M2_ENCODE)
RT_NARROW_TYPE(e4m3fn, rt_u8, RT_E4M3FN_DECODE, RT_E4M3FN_ENCODE)

#define RT_NARROW_BINARY(name, type, decode, encode)                                                                   \
    RT_ARITHMETIC(name, type, decode, encode)                                                                          \
    RT_DIVIDE(divide_##name, type, encode(decode(x) / (float)divisor))

RT_NARROW_BINARY(f16, rt_u16, RT_F16_DECODE, RT_F16_ENCODE)
RT_NARROW_BINARY(e5m2, rt_u8, RT_E5M2_DECODE, RT_E5M2_ENCODE)
RT_NARROW_BINARY(e4m3fn, rt_u8, RT_E4M3FN_DECODE, RT_E4M3FN_ENCODE)
RT_DIVIDE(divide_bf16, rt_u16, rt_bf16_encode(rt_bf16_decode(x) / (float)divisor))

RT_ARITHMETIC(bf16_one, rt_u16, rt_bf16_decode, rt_bf16_encode)

/* bfloat16, two to a 32-bit lane: widening and narrowing vectors would cost more than the additions. */
#define RT_BF16_PAIRS(name, operator)                                                                                  \
    RT_KERNEL(name##_pairs, rt_u32,                                                                                    \
              rt_bf16_pair(rt_bf16_low(x) operator rt_bf16_low(y), rt_bf16_high(x) operator rt_bf16_high(y)))          \
    RT_TARGET static void RT_NAME(name)(void *dst, const void *a, const void *b, int64_t n) {                          \
        RT_NAME(name##_pairs)(dst, a, b, n / 2);                                                                       \
        if (n % 2) {                                                                                                   \
            RT_NAME(name##_one)((rt_u16 *)dst + n - 1, (const rt_u16 *)a + n - 1, (const rt_u16 *)b + n - 1, 1);       \
        }                                                                                                              \
    }

RT_BF16_PAIRS(sum_bf16, +)
RT_BF16_PAIRS(prod_bf16, *)
