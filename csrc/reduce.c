#include "reduce.h"

#include "reduce_types.h"

#include <stdatomic.h>
#include <stddef.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

#if defined(__clang__)
#define RT_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define RT_INDEPENDENT _Pragma("GCC ivdep")
#else
#define RT_INDEPENDENT
#endif

#define RT_ELEMENT(name, type) typedef type __attribute__((aligned(1), may_alias)) name
RT_ELEMENT(rt_i8, int8_t);
RT_ELEMENT(rt_i16, int16_t);
RT_ELEMENT(rt_i32, int32_t);
RT_ELEMENT(rt_i64, int64_t);
RT_ELEMENT(rt_u8, uint8_t);
RT_ELEMENT(rt_u16, uint16_t);
RT_ELEMENT(rt_u32, uint32_t);
RT_ELEMENT(rt_u64, uint64_t);
RT_ELEMENT(rt_f32, float);
RT_ELEMENT(rt_f64, double);

typedef struct rt_target {
    const char *isa;
    rt_kernel combine[RT_DTYPES][RT_REDOPS];
    rt_divide_kernel divide[RT_DTYPES];
    rt_narrow_fold fold[RT_DTYPES][RT_PROD + 1];
} rt_target;

#if defined(__aarch64__)
#define RT_ISA "neon" /* part of the architecture: what the compiler vectorises for anyway */
#else
#define RT_ISA "c"
#endif
#define RT_NAME(x) x##_plain
#define RT_TARGET
#define RT_VECTOR 0
#include "reduce_kernels.h"

#if defined(__x86_64__)
#define RT_ISA "avx2"
#define RT_NAME(x) x##_avx2
#define RT_TARGET __attribute__((target("avx2,f16c")))
#define RT_VECTOR 32
#define RT_BITS __m256i
#define RT_HALF __m128i
#define RT_V(x) _mm256_##x
#define RT_LOW(x) _mm256_castsi256_si128(x)
#define RT_HIGH(x) _mm256_extracti128_si256(x, 1)
#define RT_PACK(a, b) _mm_packus_epi16(a, b)
#define RT_ANY_NAN(a, b) _mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_UNORD_Q))
#define RT_PLUS_BIT_16(x, bits) ((x) + ((bits) >> 16 & 1))
#include "reduce_kernels.h"

#define RT_ISA "avx512"
#define RT_NAME(x) x##_avx512
#define RT_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,f16c,prefer-vector-width=512")))
#define RT_VECTOR 64
#define RT_BITS __m512i
#define RT_HALF __m256i
#define RT_V(x) _mm512_##x
#define RT_LOW(x) _mm512_castsi512_si256(x)
#define RT_HIGH(x) _mm512_extracti64x4_epi64(x, 1)
#define RT_PACK(a, b) _mm256_permute4x64_epi64(_mm256_packus_epi16(a, b), 0xd8)
#define RT_ANY_NAN(a, b) _mm512_cmp_ps_mask(a, b, _CMP_UNORD_Q)
#define RT_PLUS_BIT_16(x, bits)                                                                                        \
    ((RT_WORDS)_mm512_mask_add_epi32((__m512i)(x),                                                                     \
                                     _mm512_test_epi32_mask((__m512i)(bits), _mm512_set1_epi32(1 << 16)),              \
                                     (__m512i)(x), _mm512_set1_epi32(1)))
#include "reduce_kernels.h"

static int has_avx2(void) {
    unsigned a, b, c, d;
    return __builtin_cpu_supports("avx2") && __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}

static int has_avx512(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

/* __builtin_cpu_supports asks the operating system too: it must keep the registers. */
static int best(void) {
    return !has_avx2() ? RT_ISA_PLAIN : has_avx512() ? RT_ISA_AVX512 : RT_ISA_AVX2;
}

static const rt_target *const targets[RT_ISAS] = {&target_plain, &target_avx2, &target_avx512};
#else
static int best(void) {
    return RT_ISA_PLAIN;
}

static const rt_target *const targets[RT_ISAS] = {&target_plain};
#endif

/* CPUID traps under virtualisation, so it is asked once. Threads that race here store the same answer. */
int rt_isa_best(void) {
    static _Atomic int known = -1;
    int isa = atomic_load_explicit(&known, memory_order_relaxed);
    if (isa < 0) {
        isa = best();
        atomic_store_explicit(&known, isa, memory_order_relaxed);
    }
    return isa;
}

const char *rt_isa_name(int isa) {
    return isa >= 0 && isa <= rt_isa_best() ? targets[isa]->isa : NULL;
}

const char *rt_reduce_isa(void) {
    return rt_isa_name(rt_isa_best());
}

int64_t rt_dtype_size(int dtype) {
    static const int8_t sizes[RT_DTYPES] = {
        [RT_INT8] = 1,          [RT_INT16] = 2,       [RT_INT32] = 4,   [RT_INT64] = 8,   [RT_UINT8] = 1,
        [RT_UINT16] = 2,        [RT_UINT32] = 4,      [RT_UINT64] = 8,  [RT_FLOAT16] = 2, [RT_BFLOAT16] = 2,
        [RT_FLOAT8_E4M3FN] = 1, [RT_FLOAT8_E5M2] = 1, [RT_FLOAT32] = 4, [RT_FLOAT64] = 8, [RT_COMPLEX64] = 8,
        [RT_COMPLEX128] = 16,   [RT_BOOL] = 1,
    };
    return dtype >= 0 && dtype < RT_DTYPES ? sizes[dtype] : 0;
}

rt_kernel rt_reduce_kernel_of(int isa, int dtype, int op) {
    const int known = dtype >= 0 && dtype < RT_DTYPES && op >= 0 && op < RT_REDOPS;
    return known ? targets[isa]->combine[dtype][op] : NULL;
}

rt_divide_kernel rt_divide_kernel_of(int isa, int dtype) {
    return targets[isa]->divide[dtype];
}

rt_narrow_fold rt_narrow_fold_of(int isa, int dtype, int op) {
    const int folded = op == RT_AVG ? RT_SUM : op;
    return folded == RT_SUM || folded == RT_PROD ? targets[isa]->fold[dtype][folded] : NULL;
}

rt_kernel rt_reduce_kernel(int dtype, int op) {
    return rt_reduce_kernel_of(rt_isa_best(), dtype, op);
}

int rt_reduce_supports(int dtype, int op) {
    return rt_reduce_kernel_of(RT_ISA_PLAIN, dtype, op) != NULL;
}

int rt_reduce_with(int isa, int dtype, int op, void *dst, const void *a, const void *b, int64_t n) {
    if (!rt_reduce_supports(dtype, op)) {
        return RT_ERR_UNSUPPORTED;
    }
    if (n < 0 || !rt_isa_name(isa)) {
        return RT_ERR_INVALID;
    }
    rt_reduce_kernel_of(isa, dtype, op)(dst, a, b, n);
    return RT_OK;
}

int rt_reduce(int dtype, int op, void *dst, const void *a, const void *b, int64_t n) {
    return rt_reduce_with(rt_isa_best(), dtype, op, dst, a, b, n);
}

int rt_divide_with(int isa, int dtype, void *data, int64_t n, int64_t divisor) {
    if (!rt_reduce_supports(dtype, RT_AVG)) {
        return RT_ERR_UNSUPPORTED;
    }
    if (n < 0 || divisor < 1 || !rt_isa_name(isa)) {
        return RT_ERR_INVALID;
    }
    rt_divide_kernel_of(isa, dtype)(data, n, divisor);
    return RT_OK;
}

int rt_divide(int dtype, void *data, int64_t n, int64_t divisor) {
    return rt_divide_with(rt_isa_best(), dtype, data, n, divisor);
}
