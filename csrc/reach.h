/* reach: memory of other ranks that this rank can read and write where it lies.
 *
 *   region 7 of rank 2:   address ┬ head   bytes before the first whole page      mirrored in the segment
 *                                 ├ body   whole pages                            are the segment's pages themselves
 *                                 └ tail   bytes behind the last whole page       mirrored
 *
 * A region is made by all ranks together, so its number is the same everywhere; each rank's part has its own length.
 * Memory from comm.empty is all body. Of an array that was registered later, the pages that hold nothing else have
 * become the segment's; the rest is copied to its mirrors when an operation begins, and back when it ends.
 *
 * A rank tells where its buffer lies as {region, offset}; who reads that checks both (shared memory is hostile).
 *
 * Ownership: a reach borrows the segments; the caller keeps them mapped until the last rank has dropped its part. It
 * owns its regions; rt_region_drop may come from any thread, all else from the one that uses the communicator.
 */
#ifndef RINGTREE_REACH_H
#define RINGTREE_REACH_H

#include <stdbool.h>
#include <stdint.h>

#include "ndarray.h"
#include "status.h"

/* cffi: begin */
typedef struct rt_region rt_region;
/* This rank's buffer is gone; the others may still name theirs. */
void rt_region_drop(rt_region *region);
/* The byte that says so once it is not 0, for who can only write a byte. */
void *rt_region_dropped(rt_region *region);
/* cffi: end */

/* One rank's part of a region, as this rank sees it. */
typedef struct rt_part_view {
    char *body;
    char *head, *tail; /* the mirrors */
    int64_t head_bytes, body_bytes, tail_bytes;
} rt_part_view;

struct rt_region {
    int64_t number;
    char *address; /* of this rank's own part */
    int64_t bytes;
    rt_array_state array; /* whose memory that is, if it may be taken away from it */
    _Atomic int dropped;
    rt_part_view *parts;
};

typedef struct rt_reach {
    int32_t ranks, rank;
    int32_t many, own_many, room;
    rt_region **regions; /* by number */
    rt_region **own;     /* those in which this rank has memory, by address */
    rt_region *last;     /* that was found last */
    bool used;           /* there has been a region: the same on all ranks */
} rt_reach;

enum { RT_NOWHERE = -1, RT_PRIVATE = -2 /* at is an address of the rank's own (fetch.h) */ };

/* Where a buffer lies, as ranks tell each other. */
typedef struct rt_place {
    int64_t region; /* number, or RT_NOWHERE */
    int64_t at;     /* bytes from the begin of the rank's part */
} rt_place;

rt_place rt_reach_find(rt_reach *reach, const void *address, int64_t bytes);
/* The region of a place that another rank told, with room for `bytes` in its part; NULL where that cannot be. */
const rt_region *rt_reach_check(const rt_reach *reach, int32_t rank, rt_place place, int64_t bytes);
/* How many of `bytes` from `at` on lie in one piece, and where. */
int64_t rt_reach_run(const rt_region *region, int32_t rank, int64_t at, int64_t bytes, char **where);
/* Between a rank's own memory and its mirrors: before others read it, and after they wrote it. */
void rt_reach_push(const rt_region *region, int32_t rank, int64_t at, int64_t bytes);
void rt_reach_pull(const rt_region *region, int32_t rank, int64_t at, int64_t bytes);

/* A region with this number, address and so on; its parts are copied. */
int rt_reach_add(rt_reach *reach, const rt_region *region, rt_region **added, rt_error *error);
void rt_reach_remove(rt_reach *reach, int64_t number); /* everybody has dropped it */
void rt_reach_free(rt_reach *reach);

#endif
