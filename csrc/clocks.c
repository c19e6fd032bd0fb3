/* clocks: vector clocks, joined and copied. */
#include "clocks.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_LANES = 1 << 15 }; /* 4 GiB of clocks: beyond, calloc would promise what the machine does not have */

bool rt_clocks_init(rt_clocks *clocks, int32_t lanes, int32_t *column, int32_t columns) {
    *clocks = (rt_clocks){.lanes = lanes, .columns = columns, .column = column, .unused = -1};
    if (columns <= MOST_LANES) {
        clocks->present = calloc((size_t)lanes * (size_t)columns + 1, sizeof *clocks->present);
    }
    return clocks->present;
}

void rt_clocks_free(rt_clocks *clocks) {
    for (int32_t i = 0; i < clocks->n_snapshots; i++) {
        free(clocks->pool[i]);
    }
    free(clocks->pool);
    free(clocks->snapshots);
    free(clocks->present);
    free(clocks->column);
}

static int32_t *clock_of(const rt_clocks *clocks, int32_t lane) {
    return clocks->present + (int64_t)lane * clocks->columns;
}

void rt_clocks_end(rt_clocks *clocks, int32_t lane, int64_t step) {
    if (clocks->column[lane] >= 0) {
        clock_of(clocks, lane)[clocks->column[lane]] = (int32_t)step + 1;
    }
}

static bool enlarge(rt_clocks *clocks) {
    int32_t larger = clocks->capacity ? 2 * clocks->capacity : 64;
    int32_t **pool = realloc(clocks->pool, (size_t)larger * sizeof *pool);
    if (pool) {
        clocks->pool = pool;
    }
    struct rt_snapshot *snapshots = realloc(clocks->snapshots, (size_t)larger * sizeof *snapshots);
    if (snapshots) {
        clocks->snapshots = snapshots;
    }
    if (pool && snapshots) {
        clocks->capacity = larger;
    }
    return pool && snapshots;
}

static int32_t unused_snapshot(rt_clocks *clocks) {
    int32_t snapshot = clocks->unused;
    if (snapshot >= 0) {
        clocks->unused = clocks->snapshots[snapshot].next_unused;
        return snapshot;
    }
    if (clocks->n_snapshots == clocks->capacity && !enlarge(clocks)) {
        return -1;
    }
    int32_t *fresh = malloc((size_t)clocks->columns * sizeof *fresh);
    if (!fresh) {
        return -1;
    }
    clocks->pool[clocks->n_snapshots] = fresh;
    return clocks->n_snapshots++;
}

bool rt_clocks_snapshot(rt_clocks *clocks, int32_t lane, int32_t references, int32_t *snapshot) {
    *snapshot = RT_NO_SNAPSHOT;
    if (clocks->columns == 0) {
        return true;
    }
    int32_t taken = unused_snapshot(clocks);
    if (taken < 0) {
        return false;
    }
    memcpy(clocks->pool[taken], clock_of(clocks, lane), (size_t)clocks->columns * sizeof(int32_t));
    int32_t column = clocks->column[lane];
    clocks->snapshots[taken] =
        (struct rt_snapshot){references, lane, column >= 0 ? clocks->pool[taken][column] : 0, -1};
    *snapshot = taken;
    return true;
}

void rt_clocks_join(rt_clocks *clocks, int32_t lane, int32_t snapshot) {
    if (snapshot == RT_NO_SNAPSHOT) {
        return;
    }
    struct rt_snapshot *its = &clocks->snapshots[snapshot];
    const int32_t *from = clocks->pool[snapshot];
    int32_t *to = clock_of(clocks, lane);
    /* Who knows that the step has ended has joined its clock, or one that had. */
    if (clocks->column[its->lane] < 0 || to[clocks->column[its->lane]] < its->ended) {
        for (int32_t i = 0; i < clocks->columns; i++) {
            to[i] = from[i] > to[i] ? from[i] : to[i];
        }
    }
    if (--its->references == 0) {
        its->next_unused = clocks->unused;
        clocks->unused = snapshot;
    }
}
