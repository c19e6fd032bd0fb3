/* cells: an exchange, the all-gather of a few bytes through the seats.
 *
 * A rank writes exchange k into its cell k mod 2. It comes to k + 2 only when it has seen k + 1 of every rank, each of
 * which had copied all of k before it wrote that: so nothing is overwritten that somebody has yet to read.
 */
#include <stdlib.h>

#include "comm.h"

static rt_cell *cell_of(const rt_op *op, int32_t rank) {
    return &op->comm->arena->seats[rank].cells[op->gather.number & 1];
}

void rt_exchange_begin(rt_op *op) {
    op->gather.number = ++op->comm->exchanges;
    rt_cell *mine = cell_of(op, op->comm->rank);
    memcpy(mine->bytes, op->gather.mine, (size_t)op->gather.bytes);
    /* Release: the bytes before the number that shows them. */
    atomic_store_explicit(&mine->number, op->gather.number, memory_order_release);
    rt_channels_ring_all(&op->comm->channels);
}

bool rt_exchange_advance(rt_op *op) {
    rt_gather *gather = &op->gather;
    for (; gather->seen < op->comm->arena->ranks; gather->seen++) {
        rt_cell *cell = cell_of(op, gather->seen);
        /* Acquire: the number, then the bytes that were stored before it. */
        if (atomic_load_explicit(&cell->number, memory_order_acquire) != gather->number) {
            return false;
        }
        memcpy(gather->all + (size_t)gather->seen * (size_t)gather->bytes, cell->bytes, (size_t)gather->bytes);
    }
    return true;
}

int rt_exchange_start(rt_comm *comm, const void *mine, void *all, int32_t bytes, uint64_t signature, rt_op **op,
                      rt_error *error) {
    if (bytes < 1 || bytes > RT_EXCHANGE_BYTES) {
        return rt_fail(error, RT_ERR_INVALID, "exchange: %d bytes, expected 1 to %d", bytes, RT_EXCHANGE_BYTES);
    }
    rt_op *made = calloc(1, sizeof *made);
    if (!made) {
        return rt_fail(error, RT_ERR_NO_MEMORY, "exchange: out of memory");
    }
    made->comm = comm;
    made->signature = rt_mix(signature + (uint64_t)bytes);
    made->gather.all = all;
    made->gather.bytes = bytes;
    memcpy(made->gather.mine, mine, (size_t)bytes);
    int status = rt_op_queue(made, error);
    if (status != RT_OK) {
        free(made);
        return status;
    }
    *op = made;
    return RT_OK;
}
