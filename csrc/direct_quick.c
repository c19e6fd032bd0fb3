/* direct_quick: a call of equal parts, from two NumPy arrays. What is not plain and right goes the long way round,
 * where it gets its error or its meaning. */
#include "direction.h"
#include "ndarray.h"

static bool apart(const rt_ndarray *a, const rt_ndarray *b, int64_t element) {
    const char *x = a->data, *y = b->data;
    return x + a->count * element <= y || y + b->count * element <= x;
}

/* The count of the collective, or -1. */
static int64_t count_of(int kind, int64_t ranks, int64_t send, int64_t receive) {
    switch (kind) {
    case RT_ALL_REDUCE:
        return send == receive ? send : -1;
    case RT_REDUCE_SCATTER:
        return send % ranks == 0 && receive >= send / ranks ? send : -1;
    case RT_ALL_GATHER:
        return send <= receive / ranks ? send * ranks : -1;
    case RT_ALL_TO_ALL:
        return send % ranks == 0 && receive >= send ? send : -1;
    case RT_BROADCAST:
        return receive;
    default:
        return -1;
    }
}

static int refuse(rt_error *error) {
    error->text[0] = '\0';
    return RT_ERR_INVALID;
}

int rt_direct_arrays(rt_direct *d, const rt_ndarrays *known, int32_t kind, int32_t op, int32_t root, uint64_t send,
                     uint64_t receive, rt_error *error) {
    rt_ndarray from, to;
    if (!rt_ndarray_read(known, receive, &to) || (!to.writable && (kind != RT_BROADCAST || root != d->rounds.rank))) {
        return refuse(error);
    }
    from = to;
    if (send != receive) {
        if (!rt_ndarray_read(known, send, &from) || from.dtype != to.dtype ||
            (from.data != to.data && !apart(&from, &to, rt_dtype_size(to.dtype)))) {
            return refuse(error);
        }
    }
    if (from.data == to.data && kind != RT_ALL_REDUCE && kind != RT_BROADCAST && from.count > 0) {
        return refuse(error);
    }
    rt_direct_spec spec = {{.kind = kind, .ranks = d->rounds.ranks, .root = root}, from.data, to.data, to.dtype, op};
    spec.collective.count = count_of(kind, d->rounds.ranks, from.count, to.count);
    if (spec.collective.count < 0 || root < 0 || root >= d->rounds.ranks ||
        (op >= 0 && !rt_reduce_supports(to.dtype, op))) {
        return refuse(error);
    }
    return rt_direct_run(d, &spec, RT_QUICK_WAIT_NS, error);
}

int rt_direct_barrier(rt_direct *d, rt_error *error) {
    rt_direct_spec spec = {{.kind = RT_BARRIER, .ranks = d->rounds.ranks}, NULL, NULL, RT_UINT8, -1};
    return rt_direct_run(d, &spec, RT_QUICK_WAIT_NS, error);
}

int64_t rt_direct_repeat(rt_direct *d, const rt_direct_spec *spec, int32_t times, rt_error *error) {
    const int64_t begin = rt_now_ns();
    for (int32_t i = 0; i < times; i++) {
        int status = rt_direct_run(d, spec, INT64_C(1) << 40, error);
        if (status != RT_OK) {
            return status < 0 ? status : RT_ERR_TIMEOUT;
        }
    }
    return rt_now_ns() - begin;
}
