/* bucket: rings along one dimension of a torus after another (bucket.c), and where their blocks lie (blocks.c).
 *
 *   flow that begins with dimension a, of an all_reduce on sizes d0 x d1 x d2
 *
 *   stage            0        1          2       |    3          4        5
 *   rings along      a      a + 1      a + 2     |  a + 2      a + 1      a
 *   blocks        n to n/da   ...     da+2 to 1  |  1 to da+2   ...    n/da to n
 *                         reduce-scatter         |        all-gather
 *
 * All flows together keep every port of every rank busy: as many flows as dimensions and directions. A flow has a
 * block for each rank, ordered by the coordinates in the flow's dimensions, its first one's highest, so that what is
 * sent in a stage is one range. The flows' shares are such that all links carry the same bytes in the end: of flow j,
 * which begins with dimension j, of size d(j) and with p(j) of all P ports of a rank,
 *
 *   share(j) = (p(j) d(j) / (d(j) - 1) - p(j-1) / (d(j-1) - 1)) / P
 *
 * which is the same for all on a torus of equal sizes. There the stages of all flows end together; elsewhere it takes
 * some pieces to keep all links busy.
 *
 * Lanes: one for each flow and stage, a step of which does as a ring's (ring.c): turn 0 sends, turns 1 .. d-2 receive
 * and send on, turn d-1 receives. Pieces go round in groups of at most depth - 1, so that not all ranks wait for room
 * at once, and then on to the next stage, whose lane takes a piece up when the last turn of this one's has ended.
 *
 * all_reduce works on the vector itself. The parts of reduce_scatter and all_gather do not lie in the order of blocks:
 * they are copied into scratch in that order first (`pack`), or out of it at the end (`unpack`), by a lane of each
 * flow.
 */
#ifndef RINGTREE_BUCKET_H
#define RINGTREE_BUCKET_H

#include "torus.h"

typedef struct rt_bucket {
    rt_program program;
    rt_torus torus;
    int32_t flows;
    int32_t stages;
    int64_t pieces;
    int64_t group;       /* pieces that go round together */
    double *cuts;        /* flows + 1: where each flow's share begins, of 1 */
    int64_t *beginnings; /* of blocks in scratch, by flow, piece and block, and the end of the last; all_reduce: NULL */
} rt_bucket;

/* Fill in all that follows from the torus. What was allocated before an error, the table's destroy frees. */
int rt_bucket_lay(rt_bucket *bucket, const rt_recipe *recipe, rt_error *error);

/* `many` blocks as one range of the vector, or of scratch. */
rt_share rt_bucket_blocks(const rt_bucket *bucket, int32_t flow, int64_t piece, int32_t first, int32_t many);
/* A rank's block, in the buffer that holds all parts. */
rt_share rt_bucket_in_part(const rt_bucket *bucket, int32_t flow, int64_t piece, int32_t rank);
/* Whose block it is. */
int32_t rt_bucket_rank(const rt_bucket *bucket, int32_t flow, int32_t block);
int64_t rt_bucket_scratch(const rt_bucket *bucket);

static inline bool rt_bucket_has_parts(const rt_bucket *bucket) {
    return bucket->program.collective.kind != RT_ALL_REDUCE;
}

#endif
