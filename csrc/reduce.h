/* reduce: dst = a (+) b over n elements, for every type and operation, chosen at run time for the processor.
 *
 *   (dtype, op) ──▶ rt_reduce_kernel ──▶ function pointer, looked up once per operation
 *
 * Floating types narrower than 32 bits are combined in float32 and rounded to nearest even; integers wrap; min and
 * max propagate NaN; logical operations give 0 or 1; bool is a byte that is 0 or 1, its sum is OR and its product AND
 * (NumPy's meaning). avg is sum, then rt_divide once at the end. Every kernel of a (type, operation) gives the same
 * bits, whatever the processor and whichever operand comes first: a NaN result is the type's canonical quiet NaN, and
 * -0 is less than +0. Complex products are (ac - bd) + (ad + bc)i without fused operations.
 */
#ifndef RINGTREE_REDUCE_H
#define RINGTREE_REDUCE_H

#include <stdint.h>

#include "status.h"

/* cffi: begin */
typedef enum rt_dtype {
    RT_INT8,
    RT_INT16,
    RT_INT32,
    RT_INT64,
    RT_UINT8,
    RT_UINT16,
    RT_UINT32,
    RT_UINT64,
    RT_FLOAT16,
    RT_BFLOAT16,
    RT_FLOAT8_E4M3FN,
    RT_FLOAT8_E5M2,
    RT_FLOAT32,
    RT_FLOAT64,
    RT_COMPLEX64,
    RT_COMPLEX128,
    RT_BOOL,
    RT_DTYPES
} rt_dtype;

typedef enum rt_redop {
    RT_SUM,
    RT_PROD,
    RT_MIN,
    RT_MAX,
    RT_AVG,
    RT_LAND,
    RT_LOR,
    RT_LXOR,
    RT_BAND,
    RT_BOR,
    RT_BXOR,
    RT_REDOPS
} rt_redop;

/* The instruction sets that kernels are compiled for, from slow to fast; the first runs everywhere. */
typedef enum rt_isa { RT_ISA_PLAIN, RT_ISA_AVX2, RT_ISA_AVX512, RT_ISAS } rt_isa;

int64_t rt_dtype_size(int dtype); /* bytes; 0 for an unknown type */
/* 1 if the operation means something for the type. */
int rt_reduce_supports(int dtype, int op);
/* dst = a (+) b; dst may be a or b, else no overlap. RT_ERR_UNSUPPORTED where rt_reduce_supports says 0. */
int rt_reduce(int dtype, int op, void *dst, const void *a, const void *b, int64_t n);
/* The same through the kernels of one rt_isa, to test them against each other. RT_ERR_INVALID where it cannot run. */
int rt_reduce_with(int isa, int dtype, int op, void *dst, const void *a, const void *b, int64_t n);
/* The end of avg: x /= divisor (at least 1), in float32 for narrow types, truncating for integers. */
int rt_divide(int dtype, void *data, int64_t n, int64_t divisor);
int rt_divide_with(int isa, int dtype, void *data, int64_t n, int64_t divisor);
/* The rt_isa in use, and its name for reports ("avx512", "avx2", "neon", "c"). */
int rt_isa_best(void);
const char *rt_reduce_isa(void);
/* NULL where this processor does not run it. */
const char *rt_isa_name(int isa);
/* cffi: end */

typedef void (*rt_kernel)(void *dst, const void *a, const void *b, int64_t n);
typedef void (*rt_divide_kernel)(void *data, int64_t n, int64_t divisor);
/* Folds elements [at, at + n) of all inputs in float32, divides, and rounds once; `out` may be an input from `at` on.
 */
typedef void (*rt_narrow_fold)(void *out, const void *const *in, int32_t n_in, int64_t at, int64_t n, int64_t divisor);

rt_kernel rt_reduce_kernel(int dtype, int op); /* NULL where unsupported; RT_AVG gives the sum */
/* Of an instruction set that this processor runs. */
rt_kernel rt_reduce_kernel_of(int isa, int dtype, int op);
rt_divide_kernel rt_divide_kernel_of(int isa, int dtype);
rt_narrow_fold rt_narrow_fold_of(int isa, int dtype, int op); /* NULL but for sum, prod, avg of narrow floats */

#endif
