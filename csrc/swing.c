/* swing: all-reduce on a torus by halving and doubling whose partners stay near (De Sensi et al., arXiv 2401.09356).
 *
 *   round s of a dimension of 2^k ranks: even coordinates meet the one rho(s) further on, odd ones rho(s) back
 *       rho(s) = (1 - (-2)^(s+1)) / 3 = 1, -1, 3, -5, 11, ...       against 1, 2, 4, 8, 16 of recursive doubling
 *   dimensions take turns; each flow begins with another one, and the mirrored flows swing the other way
 *
 *   halves:  reduce-scatter, round after round the half that the partner keeps; then all-gather, back again
 *   whole:   all of the flow's share in every round: half as many rounds, for short vectors
 *
 * Labels: whom a rank meets, at once or through others, in round s or later is one half whom it meets in later rounds
 * only, and another half behind its partner of round s. Bit s of a rank's label, the first being the highest, says in
 * which half it is, as seen from place 0; the ranks of a half see the same half. So what a rank keeps after round s are
 * the blocks whose labels begin with its own s + 1 bits, which is one range of the data.
 *
 * `whole` takes the rounds in reverse: then partners add up the sums of two whole halves, and all ranks get the same
 * bits. A swap is a send, then a receive, each on a channel of its own: depth 1 is enough.
 */
#include <stdlib.h>

#include "torus.h"

typedef struct swing {
    rt_program program;
    rt_torus torus;
    bool whole;
    int32_t bits;    /* of a label */
    int32_t *turns;  /* flows x bits: the dimension that swings */
    int32_t *rounds; /* flows x bits: how often it has swung before */
    int32_t *labels; /* flows x places */
} swing;

static int64_t distance(int32_t round) {
    int64_t power = -2;
    for (int32_t i = 0; i < round; i++) {
        power *= -2;
    }
    return (1 - power) / 3;
}

static int32_t partner(const swing *self, int32_t flow, int32_t bit, int32_t place) {
    const int32_t at = flow * self->bits + bit, dimension = self->turns[at];
    const bool odd = rt_torus_coordinate(&self->torus, place, dimension) % 2;
    const int64_t by = distance(self->rounds[at]);
    return rt_torus_moved(&self->torus, place, dimension, odd != rt_torus_mirrored(&self->torus, flow) ? -by : by);
}

/* Swaps of a lane: all bits, and back again unless whole shares are swapped. */
static int32_t swaps(const swing *self) {
    return self->whole ? self->bits : 2 * self->bits;
}

static int32_t bit_of(const swing *self, int32_t swap) {
    if (self->whole) {
        return self->bits - 1 - swap;
    }
    return swap < self->bits ? swap : 2 * self->bits - 1 - swap;
}

/* The blocks whose labels begin with those of `label` up to the bit, which is turned over if `other`. */
static rt_share half(const swing *self, int32_t flow, int32_t label, int32_t bit, bool other) {
    const rt_collective *c = &self->program.collective;
    const int32_t behind = self->bits - 1 - bit, first = (label >> behind ^ (int32_t)other) << behind;
    rt_share all = rt_piece((rt_share){0, c->count}, rt_torus_flows(&self->torus), flow);
    rt_share head = rt_piece(all, c->ranks, first), last = rt_piece(all, c->ranks, first + (1 << behind) - 1);
    return (rt_share){head.offset, last.offset + last.length - head.offset};
}

static int next(const rt_program *program, int32_t rank, int32_t flow, int64_t index, rt_step *step) {
    const swing *self = (const swing *)program;
    const rt_collective *c = &program->collective;
    if (index >= 2 * swaps(self)) {
        return 0;
    }
    const int32_t swap = (int32_t)(index / 2), bit = bit_of(self, swap), place = self->torus.place[rank];
    const bool receives = index % 2, reduces = self->whole || swap < self->bits;
    rt_share range = rt_piece((rt_share){0, c->count}, rt_torus_flows(&self->torus), flow);
    if (!self->whole) {
        int32_t label = self->labels[flow * c->ranks + place];
        range = half(self, flow, label, bit, receives != reduces);
    }
    const int32_t channels = (flow * swaps(self) + swap) * c->ranks;
    const int32_t from = channels + self->torus.order[partner(self, flow, bit, place)];
    const int opcode = !receives ? RT_SEND : reduces ? RT_RECV_REDUCE : RT_RECV;
    rt_step_set(step, opcode, receives ? from : -1, receives ? -1 : channels + rank, range.length);
    rt_step_from(step, swap ? RT_OUTPUT : RT_INPUT, range.offset);
    rt_step_to(step, RT_OUTPUT, range.offset);
    return 1;
}

static void channel(const rt_program *program, int32_t id, rt_channel *ends) {
    const swing *self = (const swing *)program;
    const int32_t n = program->collective.ranks, rank = id % n, swap = id / n % swaps(self);
    const int32_t flow = id / n / swaps(self);
    *ends = (rt_channel){.src = rank,
                         .dst = self->torus.order[partner(self, flow, bit_of(self, swap), self->torus.place[rank])]};
}

static int32_t lanes(const rt_program *program, int32_t rank) {
    (void)rank;
    return rt_torus_flows(&((const swing *)program)->torus);
}

static int64_t scratch(const rt_program *program, int32_t rank) {
    (void)program;
    (void)rank;
    return 0;
}

static void destroy(rt_program *program) {
    swing *self = (swing *)program;
    rt_torus_free(&self->torus);
    free(self->turns);
    rt_program_release(program);
    free(self);
}

static const rt_program_table TABLE = {next, channel, lanes, scratch, destroy};

/* Dimensions in turn, those that are through left out. */
static void take_turns(swing *self, int32_t flow) {
    const rt_torus *t = &self->torus;
    for (int32_t bit = 0, round = 0; bit < self->bits; round++) {
        for (int32_t turn = 0; turn < t->dimensions; turn++) {
            int32_t dimension = rt_torus_dimension(t, flow, turn);
            if (t->sizes[dimension] >> round > 1) {
                self->turns[flow * self->bits + bit] = dimension;
                self->rounds[flow * self->bits + bit] = round;
                bit++;
            }
        }
    }
}

static void set_labels(swing *self, int32_t flow) {
    for (int32_t label = 0; label < self->torus.ranks; label++) {
        int32_t place = 0;
        for (int32_t bit = 0; bit < self->bits; bit++) {
            if (label >> (self->bits - 1 - bit) & 1) {
                place = partner(self, flow, bit, place);
            }
        }
        self->labels[flow * self->torus.ranks + place] = label;
    }
}

static int lay_out(swing *self, rt_error *error) {
    while (1 << self->bits < self->torus.ranks) {
        self->bits++;
    }
    const size_t flows = (size_t)rt_torus_flows(&self->torus), bits = (size_t)self->bits;
    const int64_t channels = (int64_t)flows * swaps(self) * self->torus.ranks;
    if (channels > INT32_MAX) {
        return rt_fail(error, RT_ERR_OVERFLOW, "swing: too many channels for %d ranks", self->torus.ranks);
    }
    self->program.channels = (int32_t)channels;
    self->turns = malloc(flows * (2 * bits + (size_t)self->torus.ranks) * sizeof *self->turns);
    if (!self->turns) {
        return rt_fail(error, RT_ERR_NO_MEMORY, "swing: no memory for %d ranks", self->torus.ranks);
    }
    self->rounds = self->turns + flows * bits;
    self->labels = self->rounds + flows * bits;
    for (int32_t flow = 0; flow < (int32_t)flows; flow++) {
        take_turns(self, flow);
        set_labels(self, flow);
    }
    return RT_OK;
}

int rt_build_swing(const rt_collective *collective, const rt_recipe *recipe, rt_program **program, rt_error *error) {
    swing *self = calloc(1, sizeof *self);
    if (!self) {
        return rt_fail(error, RT_ERR_NO_MEMORY, "swing: no memory");
    }
    int status = rt_program_init(&self->program, &TABLE, collective, 0, recipe->depth, error);
    if (status) {
        free(self);
        return status;
    }
    self->whole = recipe->whole;
    status = rt_torus_new(&self->torus, collective->ranks, recipe, error);
    status = status ? status : lay_out(self, error);
    if (status) {
        destroy(&self->program);
        return status;
    }
    *program = &self->program;
    return RT_OK;
}
