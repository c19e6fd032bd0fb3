/* forest: trees, lowered to lanes that pass chunks on (forest.c), and how they are laid out (loom.c).
 *
 *   of one rank in one tree, if it has them:            reduce            broadcast
 *
 *     [hear 0] ─▶ [hear 1] ─▶ ... ─▶ [up]               children           [from parent]
 *         ▲  one lane per child        │                    │                │
 *         └────────── pace ◀───────────┘                    ▼                ├─▶ [to child 0]
 *                                                         rank               ├─▶ [to child 1] ...
 *     at the root: [hear k-1] ─▶ [to child 0], ...          │                │
 *                  and pace from there                      ▼                └ [copy], at a root
 *                                                         parent
 *
 * Step i of a lane handles chunk i of the tree's share. A chunk is combined child after child, nearest rank first, in
 * the accumulator: the output where there is room for it, else scratch. The lanes that a step waits for stand in its
 * lane's record, so nothing is kept per chunk. The lane of a binomial tree that sends down has `fan` steps per chunk,
 * one for each child, farthest first, which is largest subtree first.
 *
 * A rank's lanes are laid tree after tree, first those rooted just below it, its own last: where all ranks send up to
 * all roots at once, they then do not all begin with the same root.
 */
#ifndef RINGTREE_FOREST_H
#define RINGTREE_FOREST_H

#include "build.h"

typedef struct rt_forest_lane {
    uint8_t opcode;
    uint8_t src_buffer;
    uint8_t dst_buffer;
    int32_t tree;
    int32_t channel;    /* the first of its peers' */
    int32_t fan;        /* peers, each a step of every chunk */
    int32_t after;      /* lane that must have ended the same chunk; -1: none */
    int32_t pace_lane;  /* first of the lanes that must have ended chunk - pace */
    int32_t pace_lanes; /* 0: none */
} rt_forest_lane;

typedef struct rt_share_tree {
    rt_share share;
    int64_t pieces;
    int64_t own; /* where the root's part begins */
} rt_share_tree;

typedef struct rt_forest {
    rt_program program;
    int32_t pace;
    int own_buffer; /* the buffer that holds a rank's own part alone */
    rt_share_tree *trees;
    rt_channel *ends;
    int64_t *scratch; /* by rank */
    int64_t *first;   /* by rank, in lanes */
    rt_forest_lane *lanes;
} rt_forest;

extern const rt_program_table RT_FOREST_TABLE;

/* Fill in all that follows from the trees: channels, lanes, scratch. What was allocated before an error, the table's
 * destroy frees. */
int rt_forest_lay(rt_forest *forest, const rt_recipe *recipe, const rt_tree *trees, int32_t n_trees, rt_error *error);

#endif
