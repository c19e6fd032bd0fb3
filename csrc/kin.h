/* kin: the children of every rank in a tree that is given by parents.
 *
 *   parent[rank] ──▶ kids[first[r] .. first[r+1]) of rank r, seat[kid] = its index there
 *
 * Children stand in the order of their distance, (child - parent) modulo ranks: nearest first, or farthest first.
 *
 * Ownership: rt_kin_new allocates for `ranks` ranks, rt_kin_fill may then be called for tree after tree.
 */
#ifndef RINGTREE_KIN_H
#define RINGTREE_KIN_H

#include <stdbool.h>

#include "build.h"

typedef struct rt_kin {
    int32_t ranks;
    int32_t edges;         /* ranks that have a parent */
    const int32_t *parent; /* the caller's; NULL: a tree without edges */
    int32_t *first;        /* ranks + 1 */
    int32_t *kids;
    int32_t *seat;
} rt_kin;

int rt_kin_new(rt_kin *kin, int32_t ranks, rt_error *error);
void rt_kin_free(rt_kin *kin);
/* RT_ERR_INVALID where a parent is no rank, or a rank that has a parent does not hang from the root. */
int rt_kin_fill(rt_kin *kin, const int32_t *parent, int32_t root, bool farthest_first, rt_error *error);

static inline int32_t rt_kin_kids(const rt_kin *kin, int32_t rank) {
    return kin->first[rank + 1] - kin->first[rank];
}

static inline bool rt_kin_has_parent(const rt_kin *kin, int32_t rank) {
    return kin->parent && kin->parent[rank] >= 0;
}

#endif
