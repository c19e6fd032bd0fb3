/* program: dispatch to the table, and the collective that a program is for. */
#include "program.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

const rt_collective *rt_program_collective(const rt_program *program) {
    return &program->collective;
}

int32_t rt_program_channels(const rt_program *program) {
    return program->channels;
}

int32_t rt_program_depth(const rt_program *program) {
    return program->depth;
}

int32_t rt_program_lanes(const rt_program *program, int32_t rank) {
    return program->table->lanes(program, rank);
}

int64_t rt_program_scratch(const rt_program *program, int32_t rank) {
    return program->table->scratch(program, rank);
}

void rt_program_channel(const rt_program *program, int32_t id, rt_channel *channel) {
    program->table->channel(program, id, channel);
}

int rt_program_next(const rt_program *program, int32_t rank, int32_t lane, int64_t index, rt_step *step) {
    return program->table->next(program, rank, lane, index, step);
}

void rt_program_free(rt_program *program) {
    if (program) {
        program->table->destroy(program);
    }
}

static int64_t part_end(const rt_collective *c, int32_t i) {
    int64_t offset, length;
    rt_collective_part(c, i, &offset, &length);
    return length ? offset + length : 0;
}

static int64_t part_length(const rt_collective *c, int32_t i) {
    int64_t offset, length;
    rt_collective_part(c, i, &offset, &length);
    return length;
}

/* Of the buffer that holds all parts. */
static int64_t parts_extent(const rt_collective *c) {
    if (!c->counts) {
        return c->count;
    }
    int64_t extent = 0, dense = 0;
    for (int32_t i = 0; i < c->ranks; i++) {
        dense += c->counts[i];
        int64_t end = c->displs ? part_end(c, i) : dense;
        extent = end > extent ? end : extent;
    }
    return extent;
}

/* Of one rank's send buffer (its row of the matrix) or receive buffer (its column). */
static int64_t exchange_extent(const rt_collective *c, int32_t rank, int buffer) {
    if (!c->counts) {
        return buffer == RT_INPUT ? c->count : part_length(c, rank) * c->ranks;
    }
    int64_t extent = 0, dense = 0;
    for (int64_t peer = 0; peer < c->ranks; peer++) {
        int64_t cell = rank * (int64_t)c->ranks + peer;
        int64_t length = c->counts[buffer == RT_INPUT ? cell : peer * c->ranks + rank];
        const int64_t *displs = buffer == RT_INPUT ? c->displs : c->recv_displs;
        int64_t end = displs ? displs[cell] + length : dense + length;
        dense += length;
        extent = length && end > extent ? end : extent;
    }
    return extent;
}

int64_t rt_collective_extent(const rt_collective *c, int32_t rank, int buffer) {
    bool is_input = buffer == RT_INPUT, is_root = rank == c->root;
    if (buffer != RT_INPUT && buffer != RT_OUTPUT) {
        return 0;
    }
    switch (c->kind) {
    case RT_ALL_REDUCE:
        return c->count;
    case RT_REDUCE_SCATTER:
        return is_input ? parts_extent(c) : part_length(c, rank);
    case RT_ALL_GATHER:
        return is_input ? part_length(c, rank) : parts_extent(c);
    case RT_BROADCAST:
        return is_input && !is_root ? 0 : c->count;
    case RT_REDUCE:
        return is_input || is_root ? c->count : 0;
    case RT_GATHER:
        return is_input ? part_length(c, rank) : is_root ? parts_extent(c) : 0;
    case RT_SCATTER:
        return !is_input ? part_length(c, rank) : is_root ? parts_extent(c) : 0;
    case RT_ALL_TO_ALL:
        return exchange_extent(c, rank, buffer);
    default:
        return 0;
    }
}

/* Counts that are added up, and displacements that counts are added to, all stay below this. */
static const int64_t LARGEST = INT64_C(1) << 62;

static bool has_parts(int kind) {
    return kind == RT_REDUCE_SCATTER || kind == RT_ALL_GATHER || kind == RT_GATHER || kind == RT_SCATTER ||
           kind == RT_ALL_TO_ALL;
}

static int check_counts(const rt_collective *c, int64_t cells, rt_error *error) {
    int64_t sum = 0;
    for (int64_t i = 0; i < cells; i++) {
        int64_t displ = c->displs ? c->displs[i] : 0, received = c->recv_displs ? c->recv_displs[i] : 0;
        if (c->counts[i] < 0 || displ < 0 || received < 0) {
            return rt_fail(error, RT_ERR_INVALID,
                           "collective: part %" PRId64 ": found count %" PRId64 " at displacement %" PRId64
                           ", expected none below 0",
                           i, c->counts[i], displ < 0 ? displ : received);
        }
        int64_t furthest = displ > received ? displ : received;
        if (c->counts[i] > LARGEST - sum || c->counts[i] > LARGEST - furthest) {
            return rt_fail(error, RT_ERR_OVERFLOW, "collective: part %" PRId64 " reaches beyond 2^62 elements", i);
        }
        sum += c->counts[i];
    }
    return RT_OK;
}

int rt_collective_check(const rt_collective *c, rt_error *error) {
    if (c->kind < 0 || c->kind >= RT_KINDS) {
        return rt_fail(error, RT_ERR_INVALID, "collective: found kind %d, expected 0 to %d", c->kind, RT_KINDS - 1);
    }
    if (c->ranks < 1) {
        return rt_fail(error, RT_ERR_INVALID, "collective: found %d ranks, expected at least 1", c->ranks);
    }
    if (c->root < 0 || c->root >= c->ranks) {
        return rt_fail(error, RT_ERR_INVALID, "collective: found root %d, expected 0 to %d", c->root, c->ranks - 1);
    }
    if (c->count < 0 || (c->kind == RT_BARRIER && c->count)) {
        return rt_fail(error, RT_ERR_INVALID, "collective: found count %" PRId64 ", expected %s", c->count,
                       c->kind == RT_BARRIER ? "0 for a barrier" : "at least 0");
    }
    if (c->count > LARGEST) {
        return rt_fail(error, RT_ERR_OVERFLOW, "collective: count %" PRId64 " is beyond 2^62", c->count);
    }
    if (c->counts && !has_parts(c->kind)) {
        return rt_fail(error, RT_ERR_INVALID, "collective: found counts of parts, but kind %d has no parts", c->kind);
    }
    if ((c->displs && !c->counts) || (c->recv_displs && (!c->counts || c->kind != RT_ALL_TO_ALL))) {
        return rt_fail(error, RT_ERR_INVALID, "collective: found displacements without the counts that they belong to");
    }
    return c->counts ? check_counts(c, c->kind == RT_ALL_TO_ALL ? (int64_t)c->ranks * c->ranks : c->ranks, error)
                     : RT_OK;
}

/* The program's own copies, with the displacements of dense buffers written out: a part's place is then one load. */
static int copy_parts(rt_collective *c, rt_error *error) {
    bool matrix = c->kind == RT_ALL_TO_ALL;
    size_t n = (size_t)c->ranks, cells = matrix ? n * n : n;
    int64_t *copies = malloc((matrix ? 3 : 2) * cells * sizeof *copies);
    if (!copies) {
        return rt_fail(error, RT_ERR_NO_MEMORY, "program: no memory for the counts of %zu parts", cells);
    }
    int64_t *displs = copies + cells, *received = matrix ? copies + 2 * cells : NULL;
    memcpy(copies, c->counts, cells * sizeof *copies);
    for (size_t i = 0; i < cells; i++) {
        bool first = i % n == 0;
        displs[i] = c->displs ? c->displs[i] : first ? 0 : displs[i - 1] + copies[i - 1];
        if (matrix) {
            size_t before = first ? 0 : (i % n - 1) * n + i / n;
            received[i] = c->recv_displs ? c->recv_displs[i] : first ? 0 : received[i - 1] + copies[before];
        }
    }
    c->counts = copies;
    c->displs = displs;
    c->recv_displs = received;
    return RT_OK;
}

int rt_program_init(rt_program *program, const rt_program_table *table, const rt_collective *collective,
                    int32_t channels, int32_t depth, rt_error *error) {
    int status = rt_collective_check(collective, error);
    if (status) {
        return status;
    }
    if (depth < 1 || depth > RT_MAX_DEPTH) {
        return rt_fail(error, RT_ERR_INVALID, "program: found FIFO depth %d, expected 1 to %d", depth, RT_MAX_DEPTH);
    }
    if (channels < 0) {
        return rt_fail(error, RT_ERR_INVALID, "program: found %d channels, expected at least 0", channels);
    }
    *program = (rt_program){.table = table, .collective = *collective, .channels = channels, .depth = depth};
    return collective->counts ? copy_parts(&program->collective, error) : RT_OK;
}

void rt_program_release(rt_program *program) {
    free((void *)program->collective.counts);
}
