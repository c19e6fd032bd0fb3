/* segment: what the files that handle shared mappings know of one (arena.h has what others may do with it).
 *
 *   file   [ lent, moved away │ data ...... ]      lent: its first bytes have become somebody's own pages (lend.h)
 *
 * Ownership: rt_segment_free unmaps what is left, and closes the file.
 */
#ifndef RINGTREE_SEGMENT_H
#define RINGTREE_SEGMENT_H

#include <sys/types.h>

#include "arena.h"

enum { RT_SEGMENT_NAME_BYTES = 128 };

struct rt_segment {
    char *data;
    int64_t bytes, lent;
    pid_t creator;                    /* 0: attached */
    int file;                         /* of what has no name in /dev/shm, as long as others may come; -1 */
    char name[RT_SEGMENT_NAME_BYTES]; /* of what was created */
};

/* Take these pages now: a page missing later would be a bus error. */
int rt_segment_reserve(int file, int64_t begin, int64_t bytes, rt_error *error);

#endif
