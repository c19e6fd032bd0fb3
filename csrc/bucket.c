/* bucket: the steps of rings along the dimensions of a torus. */
#include "bucket.h"

#include <stdlib.h>

/* A ring of a stage, as one of its ranks sees it. */
typedef struct ring {
    int32_t dimension;
    int32_t size;
    int32_t first; /* of the blocks at work, those that have the rank's coordinates in the dimensions before */
    int32_t width; /* blocks for each coordinate */
    int32_t at;    /* the rank's coordinate, as seen in the flow's direction */
    bool mirrored;
    bool gathers;
} ring;

static int32_t mirror(int32_t coordinate, int32_t size) {
    return coordinate ? size - coordinate : 0;
}

static ring ring_at(const rt_bucket *self, int32_t flow, int32_t stage, int32_t place) {
    const rt_torus *t = &self->torus;
    ring r = {.width = t->ranks, .mirrored = rt_torus_mirrored(t, flow)};
    r.gathers = self->program.collective.kind == RT_ALL_GATHER || stage >= t->dimensions;
    const int32_t level = r.gathers ? self->stages - 1 - stage : stage;
    for (int32_t turn = 0; turn <= level; turn++) {
        r.first += r.at * r.width;
        r.dimension = rt_torus_dimension(t, flow, turn);
        r.size = t->sizes[r.dimension];
        r.width /= r.size;
        r.at = rt_torus_coordinate(t, place, r.dimension);
    }
    r.at = r.mirrored ? mirror(r.at, r.size) : r.at;
    return r;
}

/* The first of the blocks that turn `turn` works on. */
static int32_t block_at(const ring *r, int32_t turn) {
    const int32_t coordinate = (r->at - turn - !r->gathers + 2 * r->size) % r->size;
    return r->first + (r->mirrored ? mirror(coordinate, r->size) : coordinate) * r->width;
}

/* Pieces in the group that begins with `first`. */
static int64_t together(const rt_bucket *self, int64_t first) {
    return self->pieces - first < self->group ? self->pieces - first : self->group;
}

static void split(const rt_bucket *self, int32_t turns, int64_t index, int32_t *turn, int64_t *piece) {
    const int64_t per_group = self->group * turns, first = index / per_group * self->group;
    const int64_t here = together(self, first);
    index %= per_group;
    *turn = (int32_t)(index / here);
    *piece = first + index % here;
}

/* The last turn's step of a piece. */
static int64_t last_of(const rt_bucket *self, int32_t turns, int64_t piece) {
    const int64_t first = piece / self->group * self->group;
    return first * turns + together(self, first) * (turns - 1) + piece - first;
}

/* Lanes of a flow: the stages, then the one that packs, then the one that unpacks. */
static int32_t lanes_of_flow(const rt_bucket *self) {
    return self->stages + rt_bucket_has_parts(self) + (self->program.collective.kind == RT_ALL_GATHER);
}

/* all_gather packs the rank's own block, reduce_scatter those of all. */
static int32_t packed(const rt_bucket *self) {
    return self->program.collective.kind == RT_ALL_GATHER ? 1 : self->torus.ranks;
}

static void wait_for(rt_step *step, int32_t lane, int64_t index) {
    step->deps[step->n_deps++] = (rt_dep){.lane = lane, .lanes = 1, .step = index};
}

/* Wait until the piece is through the stage; stage -1 is packing. */
static void wait_for_stage(const rt_bucket *self, int32_t flow, int32_t stage, int64_t piece, rt_step *step) {
    const int32_t lane = flow * lanes_of_flow(self);
    if (stage >= 0) {
        const int32_t turns = ring_at(self, flow, stage, 0).size;
        wait_for(step, lane + stage, last_of(self, turns, piece));
    } else if (rt_bucket_has_parts(self)) {
        wait_for(step, lane + self->stages, (piece + 1) * packed(self) - 1);
    }
}

static int64_t own_begin(const rt_bucket *self, int32_t rank) {
    int64_t offset, length;
    rt_collective_part(&self->program.collective, rank, &offset, &length);
    return offset;
}

static int opcode_at(const ring *r, int32_t turn) {
    if (turn == 0) {
        return RT_SEND;
    }
    if (turn == r->size - 1) {
        return r->gathers ? RT_RECV : RT_RECV_REDUCE;
    }
    return r->gathers ? RT_RECV_SEND : RT_RECV_REDUCE_STORE_SEND;
}

static int move(const rt_bucket *self, int32_t rank, int32_t flow, int32_t stage, int64_t index, rt_step *step) {
    const rt_torus *t = &self->torus;
    const int32_t place = t->place[rank];
    const ring r = ring_at(self, flow, stage, place);
    if (index >= self->pieces * r.size) {
        return 0;
    }
    int32_t turn;
    int64_t piece;
    split(self, r.size, index, &turn, &piece);
    const rt_share range = rt_bucket_blocks(self, flow, piece, block_at(&r, turn), r.width);
    const int32_t channels = (flow * self->stages + stage) * t->ranks;
    const int32_t before = t->order[rt_torus_moved(t, place, r.dimension, r.mirrored ? 1 : -1)];
    const bool last = turn == r.size - 1, parts = rt_bucket_has_parts(self);
    const int work = parts ? RT_SCRATCH : RT_OUTPUT;
    rt_step_set(step, opcode_at(&r, turn), turn ? channels + before : -1, last ? -1 : channels + rank, range.length);
    rt_step_from(step, stage || parts ? work : RT_INPUT, range.offset);
    rt_step_to(step, work, range.offset);
    if (self->program.collective.kind == RT_REDUCE_SCATTER && stage == self->stages - 1 && last) {
        rt_step_to(step, RT_OUTPUT, rt_bucket_in_part(self, flow, piece, rank).offset - own_begin(self, rank));
    }
    if (turn == 0) {
        wait_for_stage(self, flow, stage - 1, piece, step);
    }
    return 1;
}

static int pack(const rt_bucket *self, int32_t rank, int32_t flow, int64_t index, rt_step *step) {
    const bool own = self->program.collective.kind == RT_ALL_GATHER;
    const int64_t piece = index / packed(self);
    int32_t block = (int32_t)(index % packed(self));
    if (piece >= self->pieces) {
        return 0;
    }
    if (own) {
        const ring first = ring_at(self, flow, 0, self->torus.place[rank]);
        block = block_at(&first, 0);
    }
    const rt_share from = rt_bucket_in_part(self, flow, piece, rt_bucket_rank(self, flow, block));
    rt_step_set(step, RT_COPY, -1, -1, from.length);
    rt_step_from(step, RT_INPUT, from.offset - (own ? own_begin(self, rank) : 0));
    rt_step_to(step, RT_SCRATCH, rt_bucket_blocks(self, flow, piece, block, 1).offset);
    return 1;
}

static int unpack(const rt_bucket *self, int32_t flow, int64_t index, rt_step *step) {
    const int32_t block = (int32_t)(index % self->torus.ranks);
    const int64_t piece = index / self->torus.ranks;
    if (piece >= self->pieces) {
        return 0;
    }
    const rt_share to = rt_bucket_in_part(self, flow, piece, rt_bucket_rank(self, flow, block));
    rt_step_set(step, RT_COPY, -1, -1, to.length);
    rt_step_from(step, RT_SCRATCH, rt_bucket_blocks(self, flow, piece, block, 1).offset);
    rt_step_to(step, RT_OUTPUT, to.offset);
    if (block == 0) {
        wait_for_stage(self, flow, self->stages - 1, piece, step);
    }
    return 1;
}

static int next(const rt_program *program, int32_t rank, int32_t lane, int64_t index, rt_step *step) {
    const rt_bucket *self = (const rt_bucket *)program;
    const int32_t flow = lane / lanes_of_flow(self), number = lane % lanes_of_flow(self);
    if (number < self->stages) {
        return move(self, rank, flow, number, index, step);
    }
    return number == self->stages ? pack(self, rank, flow, index, step) : unpack(self, flow, index, step);
}

static void channel(const rt_program *program, int32_t id, rt_channel *ends) {
    const rt_bucket *self = (const rt_bucket *)program;
    const rt_torus *t = &self->torus;
    const int32_t stage = id / t->ranks % self->stages, flow = id / t->ranks / self->stages;
    const int32_t rank = id % t->ranks, place = t->place[rank];
    const ring r = ring_at(self, flow, stage, place);
    *ends = (rt_channel){.src = rank, .dst = t->order[rt_torus_moved(t, place, r.dimension, r.mirrored ? -1 : 1)]};
}

static int32_t lanes(const rt_program *program, int32_t rank) {
    (void)rank;
    const rt_bucket *self = (const rt_bucket *)program;
    return self->flows * lanes_of_flow(self);
}

static int64_t scratch(const rt_program *program, int32_t rank) {
    (void)rank;
    return rt_bucket_scratch((const rt_bucket *)program);
}

static void destroy(rt_program *program) {
    rt_bucket *self = (rt_bucket *)program;
    rt_torus_free(&self->torus);
    free(self->cuts);
    free(self->beginnings);
    rt_program_release(program);
    free(self);
}

static const rt_program_table TABLE = {next, channel, lanes, scratch, destroy};

int rt_build_bucket(const rt_collective *collective, const rt_recipe *recipe, rt_program **program, rt_error *error) {
    rt_bucket *self = calloc(1, sizeof *self);
    if (!self) {
        return rt_fail(error, RT_ERR_NO_MEMORY, "bucket: no memory");
    }
    int status = rt_program_init(&self->program, &TABLE, collective, 0, recipe->depth, error);
    if (status) {
        free(self);
        return status;
    }
    status = rt_torus_new(&self->torus, collective->ranks, recipe, error);
    status = status ? status : rt_bucket_lay(self, recipe, error);
    if (status) {
        destroy(&self->program);
        return status;
    }
    *program = &self->program;
    return RT_OK;
}
