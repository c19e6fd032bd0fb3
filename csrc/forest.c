/* forest: the steps of a forest that was laid out. */
#include "forest.h"

#include <stdbool.h>
#include <stdlib.h>

static void add_dep(rt_step *step, int32_t lane, int32_t lanes, int64_t index) {
    step->deps[step->n_deps++] = (rt_dep){.lane = lane, .lanes = lanes, .step = index};
}

static int next(const rt_program *program, int32_t rank, int32_t number, int64_t index, rt_step *step) {
    const rt_forest *self = (const rt_forest *)program;
    const rt_forest_lane *lanes = self->lanes + self->first[rank], *l = &lanes[number];
    const rt_share_tree *t = &self->trees[l->tree];
    const bool copies = l->opcode == RT_COPY, sends = l->opcode == RT_SEND;
    int64_t chunk = index, peer = 0;
    if (l->fan > 1) {
        chunk = index / l->fan;
        peer = index % l->fan;
    }
    if (chunk >= (copies ? 1 : t->pieces)) {
        return 0;
    }
    rt_share piece = rt_piece(t->share, copies ? 1 : t->pieces, chunk);
    int32_t channel = l->channel + (int32_t)peer;
    const bool from_own = l->src_buffer == self->own_buffer, to_own = l->dst_buffer == self->own_buffer;
    rt_step_set(step, l->opcode, copies || sends ? -1 : channel, sends ? channel : -1, piece.length);
    rt_step_from(step, l->src_buffer, piece.offset - (from_own ? t->own : 0));
    rt_step_to(step, l->dst_buffer, piece.offset - (to_own ? t->own : 0));
    if (l->after >= 0) {
        add_dep(step, l->after, 1, chunk);
    }
    if (self->pace && chunk >= self->pace && l->pace_lanes) {
        int32_t fan = lanes[l->pace_lane].fan;
        add_dep(step, l->pace_lane, l->pace_lanes, (chunk - self->pace) * fan + fan - 1);
    }
    return 1;
}

static void channel(const rt_program *program, int32_t id, rt_channel *ends) {
    *ends = ((const rt_forest *)program)->ends[id];
}

static int32_t lanes(const rt_program *program, int32_t rank) {
    const int64_t *first = ((const rt_forest *)program)->first;
    return (int32_t)(first[rank + 1] - first[rank]);
}

static int64_t scratch(const rt_program *program, int32_t rank) {
    return ((const rt_forest *)program)->scratch[rank];
}

static void destroy(rt_program *program) {
    rt_forest *self = (rt_forest *)program;
    free(self->trees);
    free(self->ends);
    free(self->scratch);
    free(self->first);
    free(self->lanes);
    rt_program_release(program);
    free(self);
}

const rt_program_table RT_FOREST_TABLE = {next, channel, lanes, scratch, destroy};

static int lower(const rt_collective *c, const rt_recipe *recipe, const rt_tree *trees, int32_t n_trees,
                 rt_program **program, rt_error *error) {
    rt_forest *self = calloc(1, sizeof *self);
    if (!self) {
        return rt_fail(error, RT_ERR_NO_MEMORY, "forest: no memory");
    }
    int status = rt_program_init(&self->program, &RT_FOREST_TABLE, c, 0, recipe->depth, error);
    if (status) {
        free(self);
        return status;
    }
    status = rt_forest_lay(self, recipe, trees, n_trees, error);
    if (status) {
        destroy(&self->program);
        return status;
    }
    *program = &self->program;
    return RT_OK;
}

int rt_build_forest(const rt_collective *collective, const rt_recipe *recipe, rt_program **program, rt_error *error) {
    if (recipe->algorithm == RT_ALGO_FOREST) {
        return lower(collective, recipe, recipe->forest, recipe->trees, program, error);
    }
    rt_tree *trees;
    int32_t n_trees;
    int status = rt_tree_shapes(collective, recipe, &trees, &n_trees, error);
    if (status) {
        return status;
    }
    status = lower(collective, recipe, trees, n_trees, program, error);
    free(trees);
    return status;
}
