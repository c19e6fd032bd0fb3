/* regular: which of a rank's plain buffers come so often that it pays to lend them (lend.h).
 *
 *   address, bytes ──hash──▶ [ key │ bytes that went through copies │ asked ]      a table of fixed size, newest wins
 *
 * As long as nobody knows how often a buffer will come, the best rule is that of who rents skis: buy when the rent so
 * far is what buying costs. Then no sequence of calls costs more than twice what it had to. A buffer that was
 * asked for and comes again as a plain one (it could not be lent, or has died and another lies where it was) has to
 * pay twice as much as the last time.
 *
 * Ownership: a plain value; addresses are never followed.
 */
#ifndef RINGTREE_REGULAR_H
#define RINGTREE_REGULAR_H

#include <stdbool.h>
#include <stdint.h>

/* cffi: begin */
enum { RT_REGULARS = 256 };

typedef struct rt_regular {
    uint64_t address;
    int64_t bytes, copied;
    int32_t asked;
} rt_regular;

typedef struct rt_regulars {
    rt_regular all[256];
} rt_regulars;

/* The buffer takes part in a call; whether its ranks should lend it now. sharing: ranks for each processor, at least 1:
 * what all of them do to lend takes that much longer. */
bool rt_regular_meet(rt_regulars *regulars, const void *address, int64_t bytes, int32_t sharing);
/* cffi: end */

#endif
