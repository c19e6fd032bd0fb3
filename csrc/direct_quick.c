/* direct_quick: a call of equal parts, from two buffers and their bytes. What is not plain and right goes the long way
 * round, where it gets its error or its meaning. */
#include "direction.h"

static bool apart(const char *a, int64_t a_bytes, const char *b, int64_t b_bytes) {
    return a + a_bytes <= b || b + b_bytes <= a;
}

/* The count of the collective, or -1. */
static int64_t count_of(const rt_direct *d, int kind, int64_t element, int64_t send, int64_t receive) {
    const int64_t ranks = d->rounds.ranks;
    switch (kind) {
    case RT_ALL_REDUCE:
        return send == receive ? send / element : -1;
    case RT_REDUCE_SCATTER:
        return send % (ranks * element) == 0 && receive >= send / ranks ? send / element : -1;
    case RT_ALL_GATHER:
        return send <= receive / ranks ? send / element * ranks : -1;
    case RT_ALL_TO_ALL:
        return send % (ranks * element) == 0 && receive >= send ? send / element : -1;
    case RT_BROADCAST:
        return receive / element;
    case RT_BARRIER:
        return 0;
    default:
        return -1;
    }
}

int rt_direct_quick(rt_direct *d, int32_t code, int32_t root, const void *send, int64_t send_bytes, void *receive,
                    int64_t receive_bytes, rt_error *error) {
    rt_direct_spec spec = {{.kind = code & 0xff, .ranks = d->rounds.ranks, .root = root},
                           send,
                           receive,
                           code >> 8 & 0xff,
                           (code >> 16) - 1};
    const int64_t element = rt_dtype_size(spec.dtype);
    const bool same = spec.collective.kind == RT_ALL_REDUCE && send == receive;
    error->text[0] = '\0';
    if (element < 1 || send_bytes % element || receive_bytes % element ||
        (send && !same && !apart(send, send_bytes, receive, receive_bytes))) {
        return RT_ERR_INVALID;
    }
    spec.collective.count = count_of(d, spec.collective.kind, element, send_bytes, receive_bytes);
    if (spec.collective.count < 0) {
        return RT_ERR_INVALID;
    }
    spec.input = send ? send : receive;
    return rt_direct_run(d, &spec, RT_QUICK_WAIT_NS, error);
}
