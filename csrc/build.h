/* build: the built-in algorithms, each a generator of a program (program.h).
 *
 *   collective + rt_recipe {algorithm, rings or trees, chunks, pace} ──▶ rt_build ──▶ rt_program
 *
 * A bandwidth-optimal all-reduce is a forest: a set of (share of the data, reduce in-tree, broadcast out-tree, root).
 * A ring is n shares, each a chain; a double binary tree is two shares; two-shot is n stars. Algorithms that
 * replicate work (one-shot, recursive doubling) are written as programs directly.
 *
 *   algorithm            AR RS AG bc re ga sc a2a ba    file
 *   ring                  x  x  x  x  x                 ring.c      rings, either direction
 *   tree, binary_tree     x  x  x  x  x           x     tree.c      shapes, as parents
 *   binomial, star        x  x  x  x  x  x  x     x     forest.c    a forest, lowered: pipelined and paced
 *   two_level             x  x  x  x  x           x     gather.c    binomial gather and scatter
 *   two_shot              x  x  x                       loom.c, kin.c: how it is laid out
 *   forest                x  x  x  x  x
 *   one_shot              x     x  x     x  x  x  x     oneshot.c   all-reduce; pairs.c the others
 *   pairwise                                   x        pairs.c     every pair of ranks, one after another
 *   recursive_doubling    x     2                 x     exchange.c  2: powers of two only
 *   rabenseifner          x  2  2                                   (cycles.c: rings for a board's direct links)
 *
 * One rank alone copies its input to its output, whatever the algorithm. Every program is right out of place and in
 * place (verify.h), except all_to_all, whose input and output must not overlap. A copy onto itself is no access.
 *
 * Chunks: pieces that each share is pipelined in, never more than its elements. They have a meaning for rings, buckets,
 * trees and forests; the others send each message whole. A ring sends on a piece as it comes and so keeps as many
 * pieces on the way round as its FIFOs have slots, less one: its depth is at least min(chunks, 7) + 1, and further
 * pieces follow when these have arrived. A ring's broadcast and reduce are chains without that limit. Buckets are rings
 * of two pieces at a time, or as many as the depth asked for allows: their depth is at least min(chunks, 2) + 1. All
 * others run at depth 1.
 *
 * A branching node of a binary tree, star, two-level tree or explicit forest sends to its children side by side; of
 * the binomial tree, one child after another, the largest subtree first, as textbooks count it.
 */
#ifndef RINGTREE_BUILD_H
#define RINGTREE_BUILD_H

#include "program.h"

/* cffi: begin */
typedef enum rt_algorithm {
    RT_ALGO_RING,
    RT_ALGO_TREE, /* the double binary tree */
    RT_ALGO_BINARY_TREE,
    RT_ALGO_BINOMIAL,
    RT_ALGO_STAR,
    RT_ALGO_ONE_SHOT,
    RT_ALGO_TWO_SHOT,
    RT_ALGO_RECURSIVE_DOUBLING,
    RT_ALGO_RABENSEIFNER,
    RT_ALGO_PAIRWISE,
    RT_ALGO_TWO_LEVEL,
    RT_ALGO_FOREST,
    RT_ALGO_BUCKET,
    RT_ALGO_SWING,
    RT_ALGORITHMS
} rt_algorithm;

/* One tree of a forest: a share of the data (in elements), its root, and for every rank its parent on the way up
 * (reduce) and on the way down (broadcast); -1 for the root and for ranks outside the tree; an array is NULL where
 * the collective has no such phase. Parts of all_gather and reduce_scatter: the share lies inside part `root`. */
typedef struct rt_tree {
    int64_t offset;
    int64_t length;
    int32_t root;
    const int32_t *up;
    const int32_t *down;
    const uint8_t *up_detour; /* by rank: 1 where the channel to the parent is a detour; NULL: nowhere */
    const uint8_t *down_detour;
} rt_tree;

typedef struct rt_recipe {
    int32_t algorithm;
    int32_t chunks;        /* pieces that a share is pipelined in; 1 is the textbook algorithm */
    int32_t pace;          /* a receive waits until chunk c - pace was forwarded; 0: no pacing */
    int32_t depth;         /* FIFO slots per channel, 1 to 8 */
    int32_t rings;         /* ring: how many; 0 means one, in rank order. tree: 2 where there are orders */
    const int32_t *orders; /* rings x ranks, by place; NULL: rank order. tree: of the two heaps of an all_reduce;
                              bucket, swing: one, of the torus's places in row-major order */
    int32_t boards;        /* two_level: how many groups; 0 otherwise */
    const int32_t *board_of_rank;
    int32_t trees; /* forest: explicit trees, else 0 */
    const rt_tree *forest;
    int32_t dimensions; /* bucket, swing: of the torus; 0: a ring of all ranks */
    const int32_t *sizes;
    int32_t whole; /* swing: every round swaps the whole share, in half as many rounds */
} rt_recipe;

/* Build; RT_ERR_UNSUPPORTED names the algorithm, the collective and why. Arrays are copied. */
int rt_build(const rt_collective *collective, const rt_recipe *recipe, rt_program **program, rt_error *error);
/* 1 if the algorithm exists for the collective on this many ranks, else 0. */
int rt_build_supports(int algorithm, int kind, int32_t ranks);

/* Directed Hamiltonian cycles over a link matrix (count[i*n+j] parallel links from i to j): finds up to `most`
 * arc-disjoint cycles, greedily with bounded backtracking (`budget` node visits), deterministic. Writes them to
 * orders (most x n) and returns how many; 0 where there is none. */
int32_t rt_find_cycles(int32_t n, const int32_t *count, int32_t most, int64_t budget, int32_t *orders);
/* cffi: end */

/* One builder per algorithm family; rt_build has checked collective and recipe, and there are two ranks or more. */
int rt_build_ring(const rt_collective *, const rt_recipe *, rt_program **, rt_error *);
int rt_build_forest(const rt_collective *, const rt_recipe *, rt_program **, rt_error *);
int rt_build_gather(const rt_collective *, const rt_recipe *, rt_program **, rt_error *);
int rt_build_one_shot(const rt_collective *, const rt_recipe *, rt_program **, rt_error *);
int rt_build_pairs(const rt_collective *, const rt_recipe *, rt_program **, rt_error *);
int rt_build_exchange(const rt_collective *, const rt_recipe *, rt_program **, rt_error *);
int rt_build_bucket(const rt_collective *, const rt_recipe *, rt_program **, rt_error *);
int rt_build_swing(const rt_collective *, const rt_recipe *, rt_program **, rt_error *);

/* Each order names each of n ranks once, or RT_ERR_INVALID. */
int rt_check_orders(const int32_t *orders, int32_t many, int32_t n, rt_error *error);

/* A range of elements, and piece `index` of it when it is split in `pieces`. */
typedef struct rt_share {
    int64_t offset;
    int64_t length;
} rt_share;

static inline rt_share rt_piece(rt_share share, int64_t pieces, int64_t index) {
    if (pieces > 1) {
        int64_t within;
        rt_part(share.length, pieces, index, &within, &share.length);
        share.offset += within;
    }
    return share;
}

/* The binomial tree by places: place 0 has all of them in its range; a place gives the upper half of its range to the
 * first of that half, then the upper half of the rest, and so on. Of an odd number, it keeps the smaller half (odd 0)
 * or the larger one (odd 1): the first makes the longest chain of first messages ceil(log2 n) long for every n, as the
 * closed form of the broadcast has it; the second passes fewer parts on, which is what counts where parts add up.
 * Returns the parent (-1 at place 0); *end: behind the last place of this one's range. */
static inline int32_t rt_binomial_parent(int32_t place, int32_t places, int odd, int32_t *end) {
    int32_t first = 0, parent = -1;
    *end = places;
    while (first != place) {
        int32_t middle = first + (*end - first + odd) / 2;
        if (place < middle) {
            *end = middle;
        } else {
            parent = first;
            first = middle;
        }
    }
    return parent;
}

/* Trees of the named shapes for a collective, as a forest to be lowered; *trees and its arrays are one malloc. */
int rt_tree_shapes(const rt_collective *, const rt_recipe *, rt_tree **trees, int32_t *n_trees, rt_error *);

/* What of rank src's input goes to rank dst's output where nothing is combined. */
typedef struct rt_block {
    int64_t src_offset;
    int64_t dst_offset;
    int64_t count;
} rt_block;
rt_block rt_pair_block(const rt_collective *, int32_t src, int32_t dst);

#endif
