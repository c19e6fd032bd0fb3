/* blocks: how a bucket cuts the data into flows, pieces and blocks. */
#include <stdlib.h>

#include "bucket.h"

enum {
    TOGETHER = 2,              /* pieces that hide the latency of each other's way */
    MOST_BEGINNINGS = 1 << 22, /* so that a wild number of pieces is no wild table */
};

int32_t rt_bucket_rank(const rt_bucket *self, int32_t flow, int32_t block) {
    const rt_torus *t = &self->torus;
    int32_t place = 0;
    for (int32_t turn = t->dimensions - 1; turn >= 0; turn--) {
        const int32_t dimension = rt_torus_dimension(t, flow, turn), size = t->sizes[dimension];
        place += block % size * t->strides[dimension];
        block /= size;
    }
    return t->order[place];
}

/* The flow's piece of `whole`. */
static rt_share cut(const rt_bucket *self, rt_share whole, int32_t flow, int64_t piece) {
    int64_t ends[2];
    for (int i = 0; i < 2; i++) {
        const double end = (double)whole.length * self->cuts[flow + i] + 0.5;
        const bool all = flow + i == self->flows || end >= (double)whole.length;
        ends[i] = all ? whole.length : (int64_t)end;
    }
    return rt_piece((rt_share){whole.offset + ends[0], ends[1] - ends[0]}, self->pieces, piece);
}

rt_share rt_bucket_in_part(const rt_bucket *self, int32_t flow, int64_t piece, int32_t rank) {
    rt_share part;
    rt_collective_part(&self->program.collective, rank, &part.offset, &part.length);
    return cut(self, part, flow, piece);
}

static int64_t *beginnings_of(const rt_bucket *self, int32_t flow, int64_t piece) {
    return self->beginnings + (flow * self->pieces + piece) * (self->torus.ranks + 1);
}

rt_share rt_bucket_blocks(const rt_bucket *self, int32_t flow, int64_t piece, int32_t first, int32_t many) {
    if (rt_bucket_has_parts(self)) {
        const int64_t *begin = beginnings_of(self, flow, piece) + first;
        return (rt_share){begin[0], begin[many] - begin[0]};
    }
    const rt_share share = cut(self, (rt_share){0, self->program.collective.count}, flow, piece);
    const rt_share head = rt_piece(share, self->torus.ranks, first);
    const rt_share last = rt_piece(share, self->torus.ranks, first + many - 1);
    return (rt_share){head.offset, last.offset + last.length - head.offset};
}

int64_t rt_bucket_scratch(const rt_bucket *self) {
    const bool needed = rt_bucket_has_parts(self);
    return needed ? beginnings_of(self, self->flows - 1, self->pieces - 1)[self->torus.ranks] : 0;
}

static int ports(const rt_torus *t, int32_t dimension) {
    return t->sizes[dimension] > 2 ? 2 : 1;
}

static void set_cuts(rt_bucket *self) {
    const rt_torus *t = &self->torus;
    int all = 0;
    for (int32_t i = 0; i < t->dimensions; i++) {
        all += ports(t, i);
    }
    self->cuts[0] = 0.0;
    for (int32_t flow = 0; flow < self->flows; flow++) {
        const int32_t mine = rt_torus_dimension(t, flow, 0), before = rt_torus_dimension(t, flow, t->dimensions - 1);
        const double size = t->sizes[mine], size_before = t->sizes[before];
        const double share = ports(t, mine) * size / (size - 1) - ports(t, before) / (size_before - 1);
        self->cuts[flow + 1] = self->cuts[flow] + share / all / t->directions;
    }
}

/* The most elements that a block has, uncut. */
static int64_t longest_block(const rt_bucket *self) {
    const int32_t n = self->torus.ranks, owners = rt_bucket_has_parts(self) ? n : 1;
    int64_t longest = 1;
    for (int32_t flow = 0; flow < self->flows; flow++) {
        for (int32_t rank = 0; rank < owners; rank++) {
            const rt_share block =
                owners > 1 ? rt_bucket_in_part(self, flow, 0, rank) : rt_bucket_blocks(self, flow, 0, 0, 1);
            longest = block.length > longest ? block.length : longest;
        }
    }
    return longest;
}

static void set_pieces(rt_bucket *self, const rt_recipe *recipe) {
    self->pieces = 1; /* so far */
    int64_t most = longest_block(self);
    if (rt_bucket_has_parts(self)) {
        const int64_t room = MOST_BEGINNINGS / self->flows / (self->torus.ranks + 1);
        most = room < 1 ? 1 : room < most ? room : most;
    }
    self->pieces = recipe->chunks < most ? recipe->chunks : most;
    const int32_t together = self->pieces < TOGETHER ? (int32_t)self->pieces : TOGETHER;
    self->program.depth = recipe->depth > together ? recipe->depth : together + 1;
    self->group = self->program.depth - 1;
}

static int set_beginnings(rt_bucket *self, rt_error *error) {
    const int32_t n = self->torus.ranks;
    self->beginnings = malloc((size_t)(self->flows * self->pieces * ((int64_t)n + 1)) * sizeof *self->beginnings);
    if (!self->beginnings) {
        return rt_fail(error, RT_ERR_NO_MEMORY, "bucket: no memory for %d ranks", n);
    }
    int64_t end = 0;
    for (int32_t flow = 0; flow < self->flows; flow++) {
        for (int64_t piece = 0; piece < self->pieces; piece++) {
            int64_t *begin = beginnings_of(self, flow, piece);
            for (int32_t block = 0; block < n; block++) {
                begin[block] = end;
                end += rt_bucket_in_part(self, flow, piece, rt_bucket_rank(self, flow, block)).length;
            }
            begin[n] = end;
        }
    }
    return RT_OK;
}

int rt_bucket_lay(rt_bucket *self, const rt_recipe *recipe, rt_error *error) {
    const rt_torus *t = &self->torus;
    self->flows = rt_torus_flows(t);
    self->stages = rt_bucket_has_parts(self) ? t->dimensions : 2 * t->dimensions;
    const int64_t channels = (int64_t)self->flows * self->stages * t->ranks;
    if (channels > INT32_MAX) {
        return rt_fail(error, RT_ERR_OVERFLOW, "bucket: too many channels for %d ranks", t->ranks);
    }
    self->program.channels = (int32_t)channels;
    self->cuts = malloc(((size_t)self->flows + 1) * sizeof *self->cuts);
    if (!self->cuts) {
        return rt_fail(error, RT_ERR_NO_MEMORY, "bucket: no memory for %d ranks", t->ranks);
    }
    set_cuts(self);
    set_pieces(self, recipe);
    return rt_bucket_has_parts(self) ? set_beginnings(self, error) : RT_OK;
}
