#include "fold.h"

#include "stream.h"

#include <stddef.h>

#define BLOCK 4096 /* bytes of a result that stays in L1 */
#define LINE 64

static int find(int isa, int dtype, int op, int64_t divisor, rt_fold *fold) {
    if (!rt_reduce_supports(dtype, op)) {
        return RT_ERR_UNSUPPORTED;
    }
    if (divisor < 1) {
        return RT_ERR_INVALID;
    }
    *fold = (rt_fold){
        .combine = rt_reduce_kernel_of(isa, dtype, op),
        .narrow = rt_narrow_fold_of(isa, dtype, op),
        .divisor = op == RT_AVG ? divisor : 1,
        .size = rt_dtype_size(dtype),
    };
    if (fold->divisor > 1 && !fold->narrow) {
        fold->divide = rt_divide_kernel_of(isa, dtype);
    }
    return RT_OK;
}

int rt_fold_find(int dtype, int op, int64_t divisor, rt_fold *fold) {
    return find(rt_isa_best(), dtype, op, divisor, fold);
}

/* The fold of n elements from element `at` on, to `result`, which is at most one block long or is no input. */
static void fold_to(const rt_fold *fold, void *result, const void *const *in, int32_t n_in, int64_t at, int64_t n) {
    _Alignas(LINE) char sums[BLOCK];
    const int64_t offset = at * fold->size;
    if (fold->narrow) {
        fold->narrow(result, in, n_in, at, n, fold->divisor);
        return;
    }
    const void *left = (const char *)in[0] + offset;
    if (n_in == 1) {
        memmove(result, left, (size_t)(n * fold->size));
    }
    for (int32_t i = 1; i < n_in; i++) {
        void *to = i + 1 == n_in ? result : sums;
        fold->combine(to, left, (const char *)in[i] + offset, n);
        left = to;
    }
    if (fold->divide) {
        fold->divide(result, n, fold->divisor);
    }
}

static void publish(char *out, const char *result, int64_t bytes, int stream) {
    if (stream) {
        rt_stream(out, result, bytes);
    } else if (out != result) {
        memcpy(out, result, (size_t)bytes);
    }
}

/* Elements until the output begins a line: blocks that start there are streamed whole. */
static int64_t before_a_line(const void *out, int64_t size) {
    const int64_t bytes = (int64_t)(-(uintptr_t)out % LINE);
    return bytes % size == 0 ? bytes / size : 0;
}

/* Nothing to compute: one input, not divided. */
static void copy(const rt_fold *fold, void *const *out, int32_t n_out, const char *from, int64_t n, int stream) {
    for (int32_t i = 0; i < n_out; i++) {
        if (out[i] != from) {
            publish(out[i], from, n * fold->size, stream);
        }
    }
}

void rt_fold_run(const rt_fold *fold, void *const *out, int32_t n_out, const void *const *in, int32_t n_in, int64_t n,
                 int stream) {
    const int direct = n_out == 1 && !stream;
    if (n_in == 1 && !fold->divide && fold->divisor == 1) {
        copy(fold, out, n_out, in[0], n, stream);
        return;
    }
    if (direct && !fold->divide && (fold->narrow || n_in == 2)) { /* no kernel comes back to what it has read */
        fold_to(fold, out[0], in, n_in, 0, n);
        return;
    }
    _Alignas(LINE) char block[BLOCK];
    const int64_t most = BLOCK / fold->size;
    const int64_t lead = before_a_line(out[0], fold->size);
    for (int64_t at = 0, count = lead ? lead : most; at < n; at += count, count = most) {
        count = count < n - at ? count : n - at;
        char *result = direct ? (char *)out[0] + at * fold->size : block;
        fold_to(fold, result, in, n_in, at, count);
        for (int32_t i = 0; i < n_out; i++) {
            publish((char *)out[i] + at * fold->size, result, count * fold->size, stream);
        }
    }
}

int rt_fold_with(int isa, int dtype, int op, int64_t divisor, void *const *out, int32_t n_out, const void *const *in,
                 int32_t n_in, int64_t n, int stream) {
    if (n < 0 || n_in < 1 || n_out < 1 || !rt_isa_name(isa)) {
        return RT_ERR_INVALID;
    }
    rt_fold fold;
    const int error = find(isa, dtype, op, divisor, &fold);
    if (error == RT_OK) {
        rt_fold_run(&fold, out, n_out, in, n_in, n, stream);
        rt_stream_fence();
    }
    return error;
}
