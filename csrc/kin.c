/* kin: children by parent, sorted by counting. */
#include "kin.h"

#include <stdlib.h>
#include <string.h>

int rt_kin_new(rt_kin *kin, int32_t ranks, rt_error *error) {
    size_t n = (size_t)ranks;
    *kin = (rt_kin){.ranks = ranks};
    kin->first = calloc(3 * n + 1, sizeof *kin->first);
    if (!kin->first) {
        return rt_fail(error, RT_ERR_NO_MEMORY, "forest: no memory for %d ranks", ranks);
    }
    kin->kids = kin->first + n + 1;
    kin->seat = kin->kids + n;
    return RT_OK;
}

void rt_kin_free(rt_kin *kin) {
    free(kin->first);
    *kin = (rt_kin){0};
}

/* first[r] is where the next child of r goes, until all stand; children that are ranks above their parent are nearer.
 */
static void seat_all(rt_kin *kin, bool farthest_first) {
    const int32_t n = kin->ranks;
    for (int pass = 0; pass < 2; pass++) {
        bool above = (pass == 0) != farthest_first;
        for (int32_t i = 0; i < n; i++) {
            int32_t kid = farthest_first ? n - 1 - i : i, parent = kin->parent[kid];
            if (parent >= 0 && (kid > parent) == above) {
                int32_t seat = kin->first[parent]++;
                kin->kids[seat] = kid;
                kin->seat[kid] = seat;
            }
        }
    }
    memmove(kin->first + 1, kin->first, (size_t)n * sizeof *kin->first);
    kin->first[0] = 0;
}

/* Ranks below the root: as many as have a parent, unless some hang from another rank or go round in a circle. */
static int32_t below(const rt_kin *kin, int32_t rank) {
    int32_t found = 0;
    for (int32_t i = kin->first[rank]; i < kin->first[rank + 1]; i++) {
        found += 1 + below(kin, kin->kids[i]);
    }
    return found;
}

int rt_kin_fill(rt_kin *kin, const int32_t *parent, int32_t root, bool farthest_first, rt_error *error) {
    const int32_t n = kin->ranks;
    memset(kin->first, 0, ((size_t)n + 1) * sizeof *kin->first);
    kin->parent = parent;
    kin->edges = 0;
    for (int32_t r = 0; parent && r < n; r++) {
        if (parent[r] < -1 || parent[r] >= n || (r == root && parent[r] != -1)) {
            return rt_fail(error, RT_ERR_INVALID, "forest: found %d as parent of rank %d in the tree of root %d",
                           parent[r], r, root);
        }
        if (parent[r] >= 0) {
            kin->first[parent[r] + 1]++;
            kin->edges++;
        }
    }
    for (int32_t r = 0; r < n; r++) {
        kin->first[r + 1] += kin->first[r];
    }
    if (parent) {
        seat_all(kin, farthest_first);
    }
    if (parent && below(kin, root) != kin->edges) {
        return rt_fail(error, RT_ERR_INVALID,
                       "forest: in the tree of root %d, %d ranks have a parent but %d hang from it", root, kin->edges,
                       below(kin, root));
    }
    return RT_OK;
}
