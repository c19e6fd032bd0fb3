/* regular: which of a rank's plain buffers come so often that it pays to lend them (lend.h).
 *
 *   address, bytes ──hash──▶ set of [ key │ bytes that went through copies │ asked ]     of fixed size, newest first
 *
 * As long as nobody knows how often a buffer will come, the best rule is that of who rents skis: buy when the rent so
 * far is what buying costs. Then no sequence of calls costs more than twice what it had to. A buffer that was
 * asked for and comes again as a plain one (it could not be lent, or has died and another lies where it was) has to
 * pay twice as much as the last time; unless it has been used so often since that lending it has paid off.
 *
 * Ownership: a plain value; addresses are never followed.
 */
#ifndef RINGTREE_REGULAR_H
#define RINGTREE_REGULAR_H

#include <stdbool.h>
#include <stdint.h>

/* cffi: begin */
enum { RT_REGULAR_SETS = 64, RT_WAYS = 4 };

typedef struct rt_regular {
    uint64_t address;
    int64_t bytes, copied; /* below 0: lent, and so much was not copied */
    int32_t asked;
} rt_regular;

typedef struct rt_regulars {
    rt_regular sets[64][4]; /* of equal hash, the last one met first */
} rt_regulars;

/* The buffer takes part in a call; whether its ranks should lend it now. sharing: ranks for each processor, at least 1:
 * what all of them do to lend takes that much longer. */
bool rt_regular_meet(rt_regulars *regulars, const void *address, int64_t bytes, int32_t sharing);
/* The same where it is lent already, or was never plain. */
void rt_regular_saves(rt_regulars *regulars, const void *address, int64_t bytes, int32_t sharing);
/* cffi: end */

#endif
