/* lend: an array's own pages become those of a shared segment, where they are, and later private again.
 *
 *   before   array   [ head │ page page page │ tail ]      segment  [ body │ rest ]
 *   after    array   [ head │ body  (shared) │ tail ]               [ rest ]
 *
 * Only pages that hold nothing but the array are exchanged; what the array holds is carried over, at the same address.
 * No thread may write to the array meanwhile; to read it is safe.
 *
 * Ownership: the segment keeps its rest; the body is the array's until rt_segment_take_back, which must come before
 * the array's memory is freed.
 */
#ifndef RINGTREE_LEND_H
#define RINGTREE_LEND_H

#include "arena.h"

/* cffi: begin */
/* Of `bytes` at `address`: those before the first whole page, in whole pages, and behind the last. */
void rt_whole_pages(uint64_t address, int64_t bytes, int64_t lengths[3]);
/* The segment's next `bytes` become what is at `address`: whole pages, with their content; all or none. */
int rt_segment_lend(rt_segment *segment, uint64_t address, int64_t bytes, rt_error *error);
/* release: the segment's memory is free at once; not in a forked child, where it is its parent's. What fails in the
 * middle has given back the first part. */
int rt_segment_take_back(uint64_t address, int64_t bytes, int release, rt_error *error);
/* The same for memory that nobody reads again: zeros, and the segment's memory is free at once. */
int rt_segment_discard(uint64_t address, int64_t bytes, rt_error *error);
/* cffi: end */

#endif
