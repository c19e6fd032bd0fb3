/* clocks: which steps must have ended before which others begin.
 *
 *   a lane's clock = for each other lane, how many of its steps must have ended by now
 *
 * Grows along a lane, by dependencies, and by messages: a snapshot of the sender's clock goes with each. That a slot
 * came free is not counted: a transport may have more room than the program asks for.
 *
 * Only lanes whose rank has several have a column: the order of a single lane's steps is in question nowhere else.
 *
 * Snapshots are counted references to one pool. Where no rank has several lanes, all of this does nothing.
 */
#ifndef RINGTREE_CLOCKS_H
#define RINGTREE_CLOCKS_H

#include <stdbool.h>
#include <stdint.h>

enum { RT_NO_SNAPSHOT = -1 };

typedef struct rt_clocks {
    int32_t lanes;
    int32_t columns;
    int32_t *column;  /* per lane, -1: none */
    int32_t *present; /* lanes x columns */
    int32_t **pool;   /* snapshots */
    struct rt_snapshot {
        int32_t references;
        int32_t lane;
        int32_t ended; /* steps of the lane */
        int32_t next_unused;
    } *snapshots;
    int32_t n_snapshots, capacity, unused;
} rt_clocks;

/* column[lane]: 0 or more where the lane has one; taken over. */
bool rt_clocks_init(rt_clocks *clocks, int32_t lanes, int32_t *column, int32_t columns);
void rt_clocks_free(rt_clocks *clocks);

/* Step `step` of the lane has ended. */
void rt_clocks_end(rt_clocks *clocks, int32_t lane, int64_t step);
/* The lane's clock now, for `references` uses; RT_NO_SNAPSHOT where there are no columns. False: no memory. */
bool rt_clocks_snapshot(rt_clocks *clocks, int32_t lane, int32_t references, int32_t *snapshot);
/* The lane goes on after what the snapshot knows; this use of it is over. */
void rt_clocks_join(rt_clocks *clocks, int32_t lane, int32_t snapshot);

/* Whether `lane` knows that `step` of lane `other` has ended. */
static inline bool rt_clocks_knows(const rt_clocks *clocks, int32_t lane, int32_t other, int64_t step) {
    return lane == other || clocks->present[(int64_t)lane * clocks->columns + clocks->column[other]] > step;
}

#endif
