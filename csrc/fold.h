/* fold: many inputs into one result in a fixed order, and the result into every output, in one pass over memory.
 *
 *   in[0] ──▶┐
 *   in[1] ──▶├─(+) in this order, a block at a time in L1 ──▶ block ──▶ out[0], out[1], ..  (stored or streamed)
 *   in[2] ──▶┘
 *
 * For an all-reduce through shared memory: a rank reduces its share of all ranks' inputs into all ranks' outputs.
 * Floating types narrower than 32 bits are summed and multiplied in float32 and rounded once, at the end; avg divides
 * before that rounding. Every other (type, operation) gives the bits of rt_reduce from left to right, then rt_divide.
 * One input alone is copied, bit for bit, unless avg divides it. The bits are the same on every processor.
 *
 * All inputs of a block are read before any output of it is written, so that an output may be an input. All memory is
 * the caller's; an rt_fold holds no resources and is copied freely.
 */
#ifndef RINGTREE_FOLD_H
#define RINGTREE_FOLD_H

#include <stdint.h>

#include "reduce.h"

typedef struct rt_fold {
    rt_kernel combine;       /* two operands, of the type itself */
    rt_narrow_fold narrow;   /* all inputs, in float32; NULL: fold with `combine` */
    rt_divide_kernel divide; /* of the result; NULL: by 1, or `narrow` divides */
    int64_t divisor;
    int64_t size; /* of an element, in bytes */
} rt_fold;

/* Looked up once per operation. `divisor` (at least 1) is what avg divides by. RT_ERR_UNSUPPORTED as rt_reduce. */
int rt_fold_find(int dtype, int op, int64_t divisor, rt_fold *fold);
/* out[0..n_out) = in[0] (+) in[1] (+) .. (+) in[n_in - 1], n elements at each pointer. An output may be an input,
 * else no overlap. `stream`: outputs are written past the cache, and rt_stream_fence (stream.h) is the caller's. */
void rt_fold_run(const rt_fold *fold, void *const *out, int32_t n_out, const void *const *in, int32_t n_in, int64_t n,
                 int stream);

/* cffi: begin */
/* Both at once through the kernels of one rt_isa, fenced: for tests and measurements. */
int rt_fold_with(int isa, int dtype, int op, int64_t divisor, void *const *out, int32_t n_out, const void *const *in,
                 int32_t n_in, int64_t n, int stream);
/* cffi: end */

#endif
