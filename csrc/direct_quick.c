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

static inline int run(uint64_t call, int64_t head) {
    const rt_direct_kind *asked = rt_ndarray_memory(rt_object_word(call, head));
    const uint64_t send = rt_object_word(call, head + 1), receive = rt_object_word(call, head + 2);
    const rt_direct_caller *caller = asked->caller;
    rt_direct *d = caller->direct;
    const int kind = (int)(asked->code & 0xff), op = (int)(asked->code >> 8 & 0xff) - 1;
    const int32_t root = (int32_t)(asked->code >> 16);
    rt_ndarray from, to;
    if (!d || !rt_ndarray_read(caller->known, receive, &to) ||
        (!to.writable && (kind != RT_BROADCAST || root != d->rounds.rank))) {
        return refuse(caller->error);
    }
    from = to;
    if (send != receive && (send != caller->known->in_place || kind != RT_ALL_REDUCE)) {
        if (!rt_ndarray_read(caller->known, send, &from) || from.dtype != to.dtype ||
            (from.data != to.data && !apart(&from, &to, rt_dtype_size(to.dtype)))) {
            return refuse(caller->error);
        }
    }
    if (from.data == to.data && kind != RT_ALL_REDUCE && kind != RT_BROADCAST && from.count > 0) {
        return refuse(caller->error);
    }
    rt_direct_spec spec = {{.kind = kind, .ranks = d->rounds.ranks, .root = root}, from.data, to.data, to.dtype, op, 1};
    spec.collective.count = count_of(kind, d->rounds.ranks, from.count, to.count);
    if (spec.collective.count < 0 || root < 0 || root >= d->rounds.ranks ||
        (op >= 0 && !rt_reduce_supports(to.dtype, op))) {
        return refuse(caller->error);
    }
    return rt_direct_run(d, &spec, RT_QUICK_WAIT_NS, caller->error);
}

int rt_direct_call(uint64_t call) {
    return run(call, 3);
}

int rt_direct_call_hashed(uint64_t call) {
    return run(call, 4);
}

int rt_direct_barrier(const rt_direct_caller *caller) {
    rt_direct *d = caller->direct; /* NULL is rt_direct_run's to find */
    rt_direct_spec spec = {{.kind = RT_BARRIER, .ranks = d ? d->rounds.ranks : 0}, NULL, NULL, RT_UINT8, -1, 0};
    return rt_direct_run(d, &spec, RT_QUICK_WAIT_NS, caller->error);
}

int rt_direct_again(const rt_direct_prepared *prepared) {
    const rt_direct_caller *caller = prepared->caller;
    return rt_direct_run(caller->direct, &prepared->spec, RT_QUICK_WAIT_NS, caller->error);
}

int64_t rt_direct_repeat(rt_direct *d, const rt_direct_spec *spec, int32_t times, rt_error *error) {
    rt_direct_spec again = *spec;
    again.lends = 0;
    const int64_t begin = rt_now_ns();
    for (int32_t i = 0; i < times; i++) {
        int status = rt_direct_run(d, &again, INT64_C(1) << 40, error);
        if (status != RT_OK) {
            return status < 0 ? status : RT_ERR_TIMEOUT;
        }
    }
    return rt_now_ns() - begin;
}
