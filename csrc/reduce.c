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

typedef void (*rt_divide_kernel)(void *data, int64_t n, int64_t divisor);

typedef struct rt_target {
    const char *isa;
    rt_kernel combine[RT_DTYPES][RT_REDOPS];
    rt_divide_kernel divide[RT_DTYPES];
} rt_target;

#if defined(__aarch64__)
#define RT_ISA "neon" /* part of the architecture: what the compiler vectorises for anyway */
#else
#define RT_ISA "c"
#endif
#define RT_NAME(x) x##_plain
#define RT_TARGET
#define RT_HAS_F16C 0
#include "reduce_kernels.h"

#if defined(__x86_64__)
#define RT_ISA "avx2"
#define RT_NAME(x) x##_avx2
#define RT_TARGET __attribute__((target("avx2,f16c")))
#define RT_HAS_F16C 1
#include "reduce_kernels.h"

static int has_avx2_and_f16c(void) {
    unsigned a, b, c, d;
    return __builtin_cpu_supports("avx2") && __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}
#endif

/* CPUID traps under virtualisation, so it is asked once. Threads that race here store the same answer. */
static const rt_target *chosen(void) {
    static _Atomic(const rt_target *) known;
    const rt_target *target = atomic_load_explicit(&known, memory_order_relaxed);
    if (!target) {
        target = &target_plain;
#if defined(__x86_64__)
        if (has_avx2_and_f16c()) {
            target = &target_avx2;
        }
#endif
        atomic_store_explicit(&known, target, memory_order_relaxed);
    }
    return target;
}

const char *rt_reduce_isa(void) {
    return chosen()->isa;
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

static rt_kernel kernel_of(const rt_target *target, int dtype, int op) {
    const int known = dtype >= 0 && dtype < RT_DTYPES && op >= 0 && op < RT_REDOPS;
    return known ? target->combine[dtype][op] : NULL;
}

rt_kernel rt_reduce_kernel(int dtype, int op) {
    return kernel_of(chosen(), dtype, op);
}

rt_kernel rt_reduce_kernel_plain(int dtype, int op) {
    return kernel_of(&target_plain, dtype, op);
}

int rt_reduce_supports(int dtype, int op) {
    return rt_reduce_kernel_plain(dtype, op) != NULL;
}

static int run(rt_kernel kernel, void *dst, const void *a, const void *b, int64_t n) {
    if (!kernel) {
        return RT_ERR_UNSUPPORTED;
    }
    if (n < 0) {
        return RT_ERR_INVALID;
    }
    kernel(dst, a, b, n);
    return RT_OK;
}

int rt_reduce(int dtype, int op, void *dst, const void *a, const void *b, int64_t n) {
    return run(rt_reduce_kernel(dtype, op), dst, a, b, n);
}

int rt_reduce_plain(int dtype, int op, void *dst, const void *a, const void *b, int64_t n) {
    return run(rt_reduce_kernel_plain(dtype, op), dst, a, b, n);
}

int rt_divide(int dtype, void *data, int64_t n, int64_t divisor) {
    if (!rt_reduce_supports(dtype, RT_AVG)) {
        return RT_ERR_UNSUPPORTED;
    }
    if (n < 0 || divisor < 1) {
        return RT_ERR_INVALID;
    }
    chosen()->divide[dtype](data, n, divisor);
    return RT_OK;
}
