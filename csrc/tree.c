/* tree: the named shapes, as parents.
 *
 *   binary      a heap: place v hangs below (v - 1) / 2
 *   tree        two heaps, each with half of the data, the second over the places in reverse: of n places a heap has
 *               the first n/2 as inner ones, so no rank is inner in both; with a root, both hang below it
 *   binomial    a place gives the upper half of its range of places to the first of that half, and so on (build.h)
 *   star        all hang below the root
 *   two_level   on each board, all hang below the rank with the root's local index (modulo the board's size), and
 *               those below the root
 *
 * Places count from the root, in rank order; those of the tree's all_reduce are in the orders of its recipe, if it has
 * any: one for each heap, as they lie best on a board. A collective without a root and with parts has a tree for each
 * rank (all_gather, reduce_scatter; two_shot and two_level also for all_reduce, with a share of the vector each).
 */
#include <stdbool.h>
#include <stdlib.h>

#include "build.h"

typedef struct boards {
    int32_t *of_rank;
    int32_t *local; /* a rank's index on its board */
    int32_t *size;  /* of each board */
    int32_t *first; /* of each board, in members */
    int32_t *members;
} boards;

static int32_t heap_parent(int32_t place, int32_t places, bool reversed) {
    int32_t v = reversed ? places - 1 - place : place;
    if (v == 0) {
        return -1;
    }
    int32_t parent = (v - 1) / 2;
    return reversed ? places - 1 - parent : parent;
}

/* By place, for all shapes but two_level; -1 at the root. */
static int32_t parent_place(int algorithm, int32_t place, int32_t n, bool rooted, bool second) {
    if (algorithm == RT_ALGO_TREE && !rooted) {
        return heap_parent(place, n, second);
    }
    if (place == 0) {
        return -1;
    }
    int32_t end;
    switch (algorithm) {
    case RT_ALGO_TREE:
        return heap_parent(place - 1, n - 1, second) + 1;
    case RT_ALGO_BINARY_TREE:
        return (place - 1) / 2;
    case RT_ALGO_BINOMIAL:
        return rt_binomial_parent(place, n, 0, &end);
    default:
        return 0;
    }
}

static int32_t two_level_parent(const boards *b, int32_t rank, int32_t root) {
    int32_t board = b->of_rank[rank];
    int32_t head = b->members[b->first[board] + b->local[root] % b->size[board]];
    if (rank == root) {
        return -1;
    }
    return board == b->of_rank[root] || rank == head ? root : head;
}

static void free_boards(boards *b) {
    free(b->of_rank);
    *b = (boards){0};
}

static int find_boards(const rt_collective *c, const rt_recipe *recipe, boards *b, rt_error *error) {
    const int32_t n = c->ranks, many = recipe->boards;
    if (many < 1 || many > n || !recipe->board_of_rank) {
        return rt_fail(error, RT_ERR_INVALID, "two_level: found %d boards for %d ranks, expected 1 to %d", many, n, n);
    }
    b->of_rank = calloc(3 * (size_t)n + 2 * (size_t)many, sizeof *b->of_rank);
    if (!b->of_rank) {
        return rt_fail(error, RT_ERR_NO_MEMORY, "two_level: no memory");
    }
    b->local = b->of_rank + n;
    b->members = b->local + n;
    b->size = b->members + n;
    b->first = b->size + many;
    for (int32_t r = 0; r < n; r++) {
        int32_t board = recipe->board_of_rank[r];
        if (board < 0 || board >= many) {
            free_boards(b);
            return rt_fail(error, RT_ERR_INVALID, "two_level: found rank %d on board %d, expected 0 to %d", r, board,
                           many - 1);
        }
        b->of_rank[r] = board;
        b->local[r] = b->size[board]++;
    }
    for (int32_t i = 1; i < many; i++) {
        b->first[i] = b->first[i - 1] + b->size[i - 1];
    }
    for (int32_t r = 0; r < n; r++) {
        b->members[b->first[b->of_rank[r]] + b->local[r]] = r;
    }
    return RT_OK;
}

/* How many trees, and where each has its root and its share. */
typedef struct layout {
    const rt_collective *c;
    const int32_t *orders; /* the ranks by place, of each half; NULL: from the origin on */
    int algorithm;
    bool by_rank; /* a root for each rank */
    bool rooted;
    int32_t halves; /* trees per root */
} layout;

static layout plan(const rt_collective *c, const rt_recipe *recipe) {
    const int algorithm = recipe->algorithm;
    bool parts = c->kind == RT_ALL_GATHER || c->kind == RT_REDUCE_SCATTER;
    bool shares = c->kind == RT_ALL_REDUCE && (algorithm == RT_ALGO_TWO_SHOT || algorithm == RT_ALGO_TWO_LEVEL);
    return (layout){.c = c,
                    .orders = algorithm == RT_ALGO_TREE && c->kind == RT_ALL_REDUCE ? recipe->orders : NULL,
                    .algorithm = algorithm,
                    .by_rank = parts || shares,
                    .rooted = parts || c->kind == RT_BROADCAST || c->kind == RT_REDUCE,
                    .halves = algorithm == RT_ALGO_TREE && c->kind != RT_BARRIER ? 2 : 1};
}

static int32_t rank_at(const layout *l, int32_t index, int32_t origin, int32_t place) {
    const int32_t n = l->c->ranks;
    return l->orders ? l->orders[index % l->halves * n + place] : (place + origin) % n;
}

static rt_tree tree_of(const layout *l, int32_t index) {
    const rt_collective *c = l->c;
    int32_t owner = index / l->halves;
    rt_share share = {0, c->count};
    if (l->by_rank && c->kind == RT_ALL_REDUCE) {
        share = rt_piece(share, c->ranks, owner);
    } else if (l->by_rank) {
        rt_collective_part(c, owner, &share.offset, &share.length);
    }
    share = rt_piece(share, l->halves, index % l->halves);
    int32_t root = l->by_rank ? owner : c->root;
    if (!l->by_rank && !l->rooted) {
        root = rank_at(l, index, 0, index % l->halves == 1 ? c->ranks - 1 : 0);
    }
    return (rt_tree){.offset = share.offset, .length = share.length, .root = root};
}

static void set_parents(const layout *l, const boards *b, int32_t index, int32_t root, int32_t *parents) {
    const int32_t n = l->c->ranks;
    const bool second = index % l->halves == 1;
    const int32_t origin = second && !l->rooted ? 0 : root;
    for (int32_t place = 0; place < n; place++) {
        int32_t rank = rank_at(l, index, origin, place);
        if (l->algorithm == RT_ALGO_TWO_LEVEL) {
            parents[rank] = two_level_parent(b, rank, root);
            continue;
        }
        int32_t parent = parent_place(l->algorithm, place, n, l->rooted || l->halves == 1, second);
        parents[rank] = parent < 0 ? -1 : rank_at(l, index, origin, parent);
    }
}

int rt_tree_shapes(const rt_collective *c, const rt_recipe *recipe, rt_tree **trees, int32_t *n_trees,
                   rt_error *error) {
    boards b = {0};
    const layout l = plan(c, recipe);
    int status = recipe->algorithm == RT_ALGO_TWO_LEVEL ? find_boards(c, recipe, &b, error) : RT_OK;
    if (l.orders) {
        status = recipe->rings == 2 ? rt_check_orders(l.orders, 2, c->ranks, error)
                                    : rt_fail(error, RT_ERR_INVALID,
                                              "tree: found %d orders, expected one for each half", recipe->rings);
    }
    if (status) {
        return status;
    }
    const size_t many = (size_t)(l.by_rank ? c->ranks : 1) * (size_t)l.halves, n = (size_t)c->ranks;
    *trees = malloc(many * (sizeof **trees + n * sizeof(int32_t)));
    if (!*trees) {
        free_boards(&b);
        return rt_fail(error, RT_ERR_NO_MEMORY, "tree: no memory for %zu trees of %zu ranks", many, n);
    }
    int32_t *parents = (int32_t *)(*trees + many);
    for (size_t i = 0; i < many; i++, parents += n) {
        rt_tree tree = tree_of(&l, (int32_t)i);
        set_parents(&l, &b, (int32_t)i, tree.root, parents);
        tree.up = tree.down = parents;
        (*trees)[i] = tree;
    }
    *n_trees = (int32_t)many;
    free_boards(&b);
    return RT_OK;
}
