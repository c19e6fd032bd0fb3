/* direct_life: the direct path of a communicator is made, set and freed; the memory that it can reach. */
#include <stdlib.h>

#include "direction.h"

static const rt_limits LIMITS = {32768, 65536, 4 << 20, INT64_MAX};

int64_t rt_direct_least_bytes(int32_t ranks) {
    return rt_rounds_least_bytes(ranks);
}

int rt_direct_new(rt_comm *comm, rt_segment *segment, int format, rt_direct **direct, rt_error *error) {
    const size_t ranks = (size_t)comm->arena->ranks;
    rt_direct *made = aligned_alloc(RT_LINE, (sizeof *made + RT_LINE - 1) / RT_LINE * RT_LINE);
    if (!made) {
        return rt_fail(error, RT_ERR_NO_MEMORY, "direct path: out of memory");
    }
    *made = (rt_direct){.comm = comm, .limits = LIMITS};
    made->reach.ranks = comm->arena->ranks;
    made->reach.rank = comm->rank;
    made->peers = calloc(ranks, sizeof *made->peers);
    made->sources = calloc(ranks, sizeof *made->sources);
    made->targets = calloc(ranks + 1, sizeof *made->targets);
    int status = made->peers && made->sources && made->targets
                     ? rt_rounds_open(&made->rounds, segment, comm->arena, comm->rank, format != 0, error)
                     : rt_fail(error, RT_ERR_NO_MEMORY, "direct path: out of memory");
    if (status != RT_OK) {
        rt_direct_free(made);
        return status;
    }
    rt_direct_set_limits(made, &LIMITS);
    comm->direct = made;
    *direct = made;
    return RT_OK;
}

void rt_direct_free(rt_direct *d) {
    if (d) {
        if (d->comm->direct == d) {
            d->comm->direct = NULL;
        }
        rt_reach_free(&d->reach);
        free(d->peers);
        free((void *)d->sources);
        free(d->targets);
        free(d);
    }
}

static int64_t between(int64_t least, int64_t value, int64_t most) {
    return value < least ? least : value > most ? most : value;
}

void rt_direct_set_limits(rt_direct *d, const rt_limits *limits) {
    const int64_t slot = d->rounds.slot_bytes, piece = slot / (d->rounds.ranks + 1);
    d->limits.whole_bytes = between(RT_INLINE_BYTES, limits->whole_bytes, slot);
    d->limits.piece_bytes = between(RT_LINE, limits->piece_bytes, piece);
    d->limits.stream_bytes = between(0, limits->stream_bytes, INT64_MAX);
    d->limits.fetch_bytes = between(0, limits->fetch_bytes, INT64_MAX);
    d->plan.work = NULL;
}

void rt_direct_set_lends(rt_direct *d, int lends) {
    d->lends = lends != 0;
}

void rt_direct_limits(const rt_direct *d, rt_limits *limits) {
    *limits = d->limits;
}

int rt_direct_add_region(rt_direct *d, int64_t number, void *address, int64_t bytes, const rt_array_state *array,
                         void *const *bodies, void *const *mirrors, const int64_t *lengths, rt_region **region,
                         rt_error *error) {
    rt_part_view *parts = calloc((size_t)d->rounds.ranks, sizeof *parts);
    if (!parts) {
        return rt_fail(error, RT_ERR_NO_MEMORY, "region: out of memory");
    }
    rt_region made = {.number = number, .address = address, .bytes = bytes, .parts = parts};
    if (array) {
        made.array = *array;
    }
    for (int32_t i = 0; i < d->rounds.ranks; i++) {
        const int64_t *length = lengths + 3 * (int64_t)i;
        char *mirror = mirrors[i];
        parts[i] = (rt_part_view){bodies[i], mirror, mirror + length[0], length[0], length[1], length[2]};
    }
    d->plan.work = NULL;
    int status = rt_reach_add(&d->reach, &made, region, error);
    free(parts);
    return status;
}

void rt_direct_remove_region(rt_direct *d, int64_t number) {
    rt_reach_remove(&d->reach, number);
}
