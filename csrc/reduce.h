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

int64_t rt_dtype_size(int dtype); /* bytes; 0 for an unknown type */
/* 1 if the operation means something for the type. */
int rt_reduce_supports(int dtype, int op);
/* dst = a (+) b; dst may be a or b, else no overlap. RT_ERR_UNSUPPORTED where rt_reduce_supports says 0. */
int rt_reduce(int dtype, int op, void *dst, const void *a, const void *b, int64_t n);
/* The same through the plain C kernels, to test the others against. */
int rt_reduce_plain(int dtype, int op, void *dst, const void *a, const void *b, int64_t n);
/* The end of avg: x /= divisor (at least 1), in float32 for narrow types, truncating for integers. */
int rt_divide(int dtype, void *data, int64_t n, int64_t divisor);
/* The name of the instruction set in use ("avx2", "neon", "c"), for reports. */
const char *rt_reduce_isa(void);
/* cffi: end */

typedef void (*rt_kernel)(void *dst, const void *a, const void *b, int64_t n);
rt_kernel rt_reduce_kernel(int dtype, int op);       /* NULL where unsupported; RT_AVG gives the sum */
rt_kernel rt_reduce_kernel_plain(int dtype, int op); /* the plain C one */

#endif
