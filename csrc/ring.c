/* ring: rings of all ranks, one lane per rank and ring.
 *
 *   place q of the ring, turn g        all_reduce   g = 0           send share q
 *   works on share q - g                            1 .. n-1        receive, reduce, store, send
 *   (reduce_scatter: q - 1 - g,                     n .. 2n-3       receive, store, send
 *   so that it ends with its own)                   2n-2            receive, store
 *
 * All pieces of a share take their turn before the next turn begins. Since a step that receives also sends, b pieces
 * on their way round need b + 1 slots per channel, or all ranks could wait for room at once; more pieces than that go
 * round in blocks, one after another.
 *
 * broadcast and reduce run along the ring from the root, or to it, as a chain: one turn, no circle, no blocks.
 */
#include <stdbool.h>
#include <stdlib.h>

#include "build.h"

typedef struct ring_program {
    rt_program program;
    int32_t rings;
    int32_t turns;
    int64_t pieces;   /* of a share */
    int64_t block;    /* pieces that go round together */
    int64_t moves;    /* steps of a lane, but for the copy of a rank's own part */
    int32_t *order;   /* rings x ranks */
    int32_t *place;   /* its inverse */
    rt_share *shares; /* rings x places; a chain's whole share is that of place 0 */
} ring_program;

static bool is_chain(int kind) {
    return kind == RT_BROADCAST || kind == RT_REDUCE;
}

static int32_t back(int32_t place, int32_t by, int32_t n) {
    place -= by;
    while (place < 0) {
        place += n;
    }
    return place;
}

/* A chain starts at the root of a broadcast, and right after the root of a reduce. */
static int32_t from_start(const rt_collective *c, const int32_t *place, int32_t rank) {
    return back(place[rank], place[c->root] + (c->kind == RT_REDUCE), c->ranks);
}

/* What is done at turn `turn` of the circle, or that many ranks after the start of the chain. */
static int opcode_at(const rt_collective *c, int32_t turn) {
    bool last = turn == (c->kind == RT_ALL_REDUCE ? 2 * c->ranks - 2 : c->ranks - 1);
    bool passes = c->kind == RT_ALL_GATHER || c->kind == RT_BROADCAST || turn >= c->ranks;
    if (turn == 0) {
        return RT_SEND;
    }
    if (passes) {
        return last ? RT_RECV : RT_RECV_SEND;
    }
    return last ? RT_RECV_REDUCE : RT_RECV_REDUCE_STORE_SEND;
}

static void split(const ring_program *self, int64_t index, int32_t *turn, int64_t *piece) {
    if (self->pieces == 1) {
        *turn = (int32_t)index;
        *piece = 0;
        return;
    }
    int64_t per_block = self->block * self->turns, first = index / per_block * self->block;
    int64_t here = self->pieces - first < self->block ? self->pieces - first : self->block;
    index %= per_block;
    *turn = (int32_t)(index / here);
    *piece = first + index % here;
}

/* all_gather's input and reduce_scatter's output hold the rank's own part alone. */
static int64_t own_begin(const rt_collective *c, int32_t rank) {
    int64_t offset, length;
    rt_collective_part(c, rank, &offset, &length);
    return offset;
}

static int copy_own(const ring_program *self, int32_t rank, int32_t ring, rt_step *step) {
    const rt_collective *c = &self->program.collective;
    const int32_t row = ring * c->ranks;
    bool gathers = c->kind == RT_ALL_GATHER;
    if (!gathers && !(c->kind == RT_BROADCAST && rank == c->root)) {
        return 0;
    }
    const rt_share *own = &self->shares[row + (gathers ? self->place[row + rank] : 0)];
    rt_step_set(step, RT_COPY, -1, -1, own->length);
    rt_step_from(step, RT_INPUT, own->offset - (gathers ? own_begin(c, rank) : 0));
    rt_step_to(step, RT_OUTPUT, own->offset);
    return 1;
}

static int next(const rt_program *program, int32_t rank, int32_t ring, int64_t index, rt_step *step) {
    const ring_program *self = (const ring_program *)program;
    const rt_collective *c = &program->collective;
    const int32_t n = c->ranks, row = ring * n, *place = self->place + row;
    if (index >= self->moves) {
        return index == self->moves && copy_own(self, rank, ring, step);
    }
    bool chain = is_chain(c->kind);
    int32_t turn;
    int64_t piece;
    split(self, index, &turn, &piece);
    int32_t at = chain ? 0 : back(place[rank], turn + (c->kind == RT_REDUCE_SCATTER), n);
    int opcode = opcode_at(c, chain ? from_start(c, place, rank) : turn);
    rt_share share = rt_piece(self->shares[row + at], self->pieces, piece);
    bool keeps_apart = opcode == RT_RECV_REDUCE_STORE_SEND && c->kind != RT_ALL_REDUCE;
    int32_t from = opcode == RT_SEND ? -1 : row + self->order[row + back(place[rank], 1, n)];
    int32_t to = opcode == RT_RECV || opcode == RT_RECV_REDUCE ? -1 : row + rank;
    rt_step_set(step, opcode, from, to, share.length);
    rt_step_from(step, RT_INPUT, share.offset);
    rt_step_to(step, keeps_apart ? RT_SCRATCH : RT_OUTPUT, share.offset);
    if (c->kind == RT_ALL_GATHER && opcode == RT_SEND) {
        step->src_offset -= own_begin(c, rank);
    } else if (c->kind == RT_REDUCE_SCATTER && opcode == RT_RECV_REDUCE) {
        step->dst_offset -= own_begin(c, rank);
    }
    return 1;
}

static void channel(const rt_program *program, int32_t id, rt_channel *ends) {
    const ring_program *self = (const ring_program *)program;
    const int32_t n = program->collective.ranks, row = id / n * n;
    int32_t place = self->place[id] + 1;
    *ends = (rt_channel){.src = id - row, .dst = self->order[row + (place == n ? 0 : place)]};
}

static int32_t lanes(const rt_program *program, int32_t rank) {
    (void)rank;
    return ((const ring_program *)program)->rings;
}

static int64_t scratch(const rt_program *program, int32_t rank) {
    const rt_collective *c = &program->collective;
    bool keeps_apart = (c->kind == RT_REDUCE && rank != c->root) || c->kind == RT_REDUCE_SCATTER;
    return keeps_apart && c->ranks > 2 ? rt_collective_extent(c, rank, RT_INPUT) : 0;
}

static void destroy(rt_program *program) {
    ring_program *self = (ring_program *)program;
    free(self->order);
    free(self->shares);
    rt_program_release(program);
    free(self);
}

static const rt_program_table TABLE = {next, channel, lanes, scratch, destroy};

static int set_orders(ring_program *self, const int32_t *orders, rt_error *error) {
    const int32_t n = self->program.collective.ranks, all = n * self->rings;
    int status = orders ? rt_check_orders(orders, self->rings, n, error) : RT_OK;
    self->place = self->order + all;
    for (int32_t i = 0; i < all && status == RT_OK; i++) {
        self->order[i] = orders ? orders[i] : i % n;
        self->place[i / n * n + self->order[i]] = i % n;
    }
    return status;
}

/* The parts are split over the rings, or the vector is, and each ring's piece of it over the places. */
static void set_shares(ring_program *self, int32_t chunks) {
    const rt_collective *c = &self->program.collective;
    const int32_t n = c->ranks;
    bool by_rank = c->kind == RT_REDUCE_SCATTER || c->kind == RT_ALL_GATHER;
    int64_t longest = 1;
    for (int32_t i = 0; i < n * self->rings; i++) {
        rt_share whole = {0, c->count};
        if (by_rank) {
            rt_collective_part(c, self->order[i], &whole.offset, &whole.length);
        }
        rt_share share = rt_piece(whole, self->rings, i / n);
        self->shares[i] = c->kind == RT_ALL_REDUCE ? rt_piece(share, n, i % n) : share;
        longest = self->shares[i].length > longest ? self->shares[i].length : longest;
    }
    self->pieces = chunks < longest ? chunks : longest;
}

static void set_turns(ring_program *self, int32_t depth) {
    const rt_collective *c = &self->program.collective;
    int64_t round = self->pieces < RT_MAX_DEPTH ? self->pieces + 1 : RT_MAX_DEPTH;
    self->program.depth = depth;
    if (is_chain(c->kind)) {
        self->turns = 1;
        self->block = self->pieces;
    } else {
        self->program.depth = round > depth ? (int32_t)round : depth;
        self->turns = c->kind == RT_ALL_REDUCE ? 2 * c->ranks - 1 : c->ranks;
        self->block = self->program.depth - 1;
    }
    self->moves = self->turns * self->pieces;
}

int rt_build_ring(const rt_collective *collective, const rt_recipe *recipe, rt_program **program, rt_error *error) {
    int32_t rings = recipe->rings ? recipe->rings : 1;
    if (rings < 1 || rings > INT32_MAX / 2 / collective->ranks) {
        return rt_fail(error, RT_ERR_INVALID, "ring: found %d rings of %d ranks", rings, collective->ranks);
    }
    size_t places = (size_t)rings * (size_t)collective->ranks;
    ring_program *self = calloc(1, sizeof *self);
    if (!self) {
        return rt_fail(error, RT_ERR_NO_MEMORY, "ring: no memory");
    }
    int status = rt_program_init(&self->program, &TABLE, collective, (int32_t)places, recipe->depth, error);
    if (status) {
        free(self);
        return status;
    }
    self->rings = rings;
    self->order = malloc(2 * places * sizeof *self->order);
    self->shares = malloc(places * sizeof *self->shares);
    status = self->order && self->shares ? set_orders(self, recipe->orders, error)
                                         : rt_fail(error, RT_ERR_NO_MEMORY, "ring: no memory for %d rings", rings);
    if (status) {
        destroy(&self->program);
        return status;
    }
    set_shares(self, recipe->chunks);
    set_turns(self, recipe->depth);
    *program = &self->program;
    return RT_OK;
}
