/* gather: binomial gather and scatter, whose messages are the parts of a whole subtree.
 *
 *   places count from the root; the subtree of place v is a range of places that begins with v (build.h)
 *
 *   scratch of v = the parts of its subtree, packed in the order of places
 *   gather    copy own part in, receive each child's subtree (smallest first), send all to the parent
 *   scatter   the same backwards: receive all, send each child its subtree (largest first), copy own part out
 *
 * The root copies between scratch and the places where the parts belong; a leaf needs no scratch.
 */
#include <stdlib.h>

#include "build.h"

typedef struct writer {
    rt_program *program;
    const rt_collective *c;
    const int64_t *packed; /* by place: where its part begins when all are packed in the order of places */
    int32_t place;
    rt_error *error;
    int status;
} writer;

static int32_t rank_of(const rt_collective *c, int32_t place) {
    return (c->root + place) % c->ranks;
}

/* Behind the last place of v's subtree. */
static int32_t subtree_end(const rt_collective *c, int32_t place) {
    int32_t end;
    rt_binomial_parent(place, c->ranks, 1, &end);
    return end;
}

/* The children of v, largest subtree first; returns how many. */
static int children_of(const rt_collective *c, int32_t v, int32_t children[32]) {
    int many = 0;
    for (int32_t end = subtree_end(c, v); end - v > 1; end = children[many++]) {
        children[many] = v + (end - v + 1) / 2;
    }
    return many;
}

static void add(writer *w, rt_step step) {
    if (w->status == RT_OK) {
        w->status = rt_stored_add(w->program, rank_of(w->c, w->place), 0, &step, w->error);
    }
}

static void copy(writer *w, int from, int64_t src, int to, int64_t dst, int64_t count) {
    add(w, (rt_step){.opcode = RT_COPY,
                     .src_buffer = (uint8_t)from,
                     .dst_buffer = (uint8_t)to,
                     .recv_channel = -1,
                     .send_channel = -1,
                     .src_offset = src,
                     .dst_offset = dst,
                     .count = count});
}

/* The subtree of `child`, over the channel between it and its parent, from or to `buffer`. */
static void carry(writer *w, int opcode, int32_t child, int buffer) {
    int64_t at = buffer == RT_SCRATCH ? w->packed[child] - w->packed[w->place] : 0;
    add(w, (rt_step){.opcode = (uint8_t)opcode,
                     .src_buffer = (uint8_t)buffer,
                     .dst_buffer = (uint8_t)buffer,
                     .recv_channel = opcode == RT_RECV ? child - 1 : -1,
                     .send_channel = opcode == RT_SEND ? child - 1 : -1,
                     .src_offset = at,
                     .dst_offset = at,
                     .count = w->packed[subtree_end(w->c, child)] - w->packed[child]});
}

/* Between scratch and where the parts belong at the root. */
static void copy_parts(writer *w, int32_t first) {
    for (int32_t place = first; place < w->c->ranks; place++) {
        int64_t offset, length;
        rt_collective_part(w->c, rank_of(w->c, place), &offset, &length);
        if (w->c->kind == RT_GATHER) {
            copy(w, RT_SCRATCH, w->packed[place], RT_OUTPUT, offset, length);
        } else {
            copy(w, RT_INPUT, offset, RT_SCRATCH, w->packed[place], length);
        }
    }
}

static void copy_own(writer *w) {
    rt_block own = rt_pair_block(w->c, w->c->root, w->c->root);
    copy(w, RT_INPUT, own.src_offset, RT_OUTPUT, own.dst_offset, own.count);
}

static void write_gather(writer *w) {
    const int32_t v = w->place, end = subtree_end(w->c, v);
    const int64_t own = w->packed[v + 1] - w->packed[v];
    const int buffer = end - v > 1 ? RT_SCRATCH : RT_INPUT;
    if (v && buffer == RT_SCRATCH) {
        copy(w, RT_INPUT, 0, RT_SCRATCH, 0, own);
    }
    int32_t children[32];
    for (int i = children_of(w->c, v, children) - 1; i >= 0; i--) {
        carry(w, RT_RECV, children[i], RT_SCRATCH);
    }
    if (v) {
        carry(w, RT_SEND, v, buffer);
    } else {
        copy_own(w);
        copy_parts(w, 1);
    }
}

static void write_scatter(writer *w) {
    const int32_t v = w->place, end = subtree_end(w->c, v);
    const int64_t own = w->packed[v + 1] - w->packed[v];
    const int buffer = end - v > 1 ? RT_SCRATCH : RT_OUTPUT;
    if (v) {
        carry(w, RT_RECV, v, buffer);
    } else {
        copy_parts(w, 1);
    }
    int32_t children[32], many = children_of(w->c, v, children);
    for (int i = 0; i < many; i++) {
        carry(w, RT_SEND, children[i], RT_SCRATCH);
    }
    if (!v) {
        copy_own(w);
    } else if (buffer == RT_SCRATCH) {
        copy(w, RT_SCRATCH, 0, RT_OUTPUT, 0, own);
    }
}

/* Also the channels (place v's to its parent or back is v - 1) and every rank's scratch. */
static int new_program(const rt_collective *c, int32_t depth, int64_t *packed, rt_program **program, rt_error *error) {
    const int32_t n = c->ranks;
    rt_channel *ends = malloc((size_t)n * sizeof *ends);
    int64_t *scratch = malloc((size_t)n * sizeof *scratch);
    if (!ends || !scratch) {
        free(ends);
        free(scratch);
        return rt_fail(error, RT_ERR_NO_MEMORY, "binomial: no memory");
    }
    for (int32_t place = 0; place < n; place++) {
        rt_block block = c->kind == RT_GATHER ? rt_pair_block(c, rank_of(c, place), c->root)
                                              : rt_pair_block(c, c->root, rank_of(c, place));
        packed[place + 1] = packed[place] + block.count;
    }
    for (int32_t place = 0; place < n; place++) {
        int32_t end, above = rt_binomial_parent(place, c->ranks, 1, &end), rank = rank_of(c, place);
        scratch[rank] = end - place > 1 ? packed[end] - packed[place] : 0;
        if (place) {
            int32_t parent = rank_of(c, above);
            ends[place - 1] = c->kind == RT_GATHER ? (rt_channel){.src = rank, .dst = parent}
                                                   : (rt_channel){.src = parent, .dst = rank};
        }
    }
    int status = rt_stored_new(c, depth, n - 1, ends, scratch, program, error);
    free(ends);
    free(scratch);
    return status;
}

int rt_build_gather(const rt_collective *collective, const rt_recipe *recipe, rt_program **program, rt_error *error) {
    int64_t *packed = calloc((size_t)collective->ranks + 1, sizeof *packed);
    if (!packed) {
        return rt_fail(error, RT_ERR_NO_MEMORY, "binomial: no memory");
    }
    int status = new_program(collective, recipe->depth, packed, program, error);
    if (status == RT_OK) {
        writer w = {.program = *program, .c = rt_program_collective(*program), .packed = packed, .error = error};
        for (; w.place < collective->ranks; w.place++) {
            (collective->kind == RT_GATHER ? write_gather : write_scatter)(&w);
        }
        status = w.status;
        if (status) {
            rt_program_free(*program);
        }
    }
    free(packed);
    return status;
}
