/* torus: sizes, order and places, checked. */
#include "torus.h"

#include <stdlib.h>

enum { MOST_DIMENSIONS = 31 }; /* of two ranks at least */

static int check_sizes(int32_t ranks, const rt_recipe *recipe, rt_error *error) {
    const int32_t many = recipe->dimensions;
    if (many < 0 || many > MOST_DIMENSIONS || (many && !recipe->sizes)) {
        return rt_fail(error, RT_ERR_INVALID, "torus: found %d dimensions, expected 1 to %d", many, MOST_DIMENSIONS);
    }
    int64_t places = 1;
    for (int32_t i = 0; i < many; i++) {
        if (recipe->sizes[i] < 2 || recipe->sizes[i] > ranks) {
            return rt_fail(error, RT_ERR_INVALID, "torus: dimension %d: found size %d, expected 2 to %d", i,
                           recipe->sizes[i], ranks);
        }
        places *= recipe->sizes[i];
        if (places > ranks) {
            break;
        }
    }
    if (many && places != ranks) {
        return rt_fail(error, RT_ERR_INVALID, "torus: found sizes for %s than %d ranks",
                       places > ranks ? "more" : "fewer", ranks);
    }
    if (recipe->orders && recipe->rings != 1) {
        return rt_fail(error, RT_ERR_INVALID, "torus: found %d orders, expected 1", recipe->rings);
    }
    return recipe->orders ? rt_check_orders(recipe->orders, 1, ranks, error) : RT_OK;
}

int rt_torus_new(rt_torus *torus, int32_t ranks, const rt_recipe *recipe, rt_error *error) {
    *torus = (rt_torus){.ranks = ranks, .directions = 1};
    int status = check_sizes(ranks, recipe, error);
    if (status) {
        return status;
    }
    const int32_t many = recipe->dimensions ? recipe->dimensions : 1;
    torus->sizes = malloc((2 * (size_t)many + 2 * (size_t)ranks) * sizeof *torus->sizes);
    if (!torus->sizes) {
        return rt_fail(error, RT_ERR_NO_MEMORY, "torus: no memory for %d ranks", ranks);
    }
    torus->dimensions = many;
    torus->strides = torus->sizes + many;
    torus->order = torus->strides + many;
    torus->place = torus->order + ranks;
    int32_t stride = 1;
    for (int32_t i = many - 1; i >= 0; i--) {
        torus->sizes[i] = recipe->dimensions ? recipe->sizes[i] : ranks;
        torus->strides[i] = stride;
        stride *= torus->sizes[i];
        torus->directions = torus->sizes[i] > 2 ? 2 : torus->directions;
    }
    for (int32_t p = 0; p < ranks; p++) {
        torus->order[p] = recipe->orders ? recipe->orders[p] : p;
        torus->place[torus->order[p]] = p;
    }
    return RT_OK;
}

void rt_torus_free(rt_torus *torus) {
    free(torus->sizes);
    *torus = (rt_torus){0};
}
