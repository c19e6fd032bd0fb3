/* agree: ranks say what they are about to do, and notice when they disagree.
 *
 *   publish s:  entries[s mod 16] = {s, signature};  fence;  compare with entry s of every other rank
 *
 * Of two ranks that publish different signatures for s, at least one sees the other's: both store before they load.
 * Whoever sees it revokes the communicator, so both get the error, and everybody else.
 *
 * A rank is at most 16 operations ahead of the slowest: it begins a block of 8 when all have begun the block before,
 * and compares what it is about to overwrite. So no disagreement is overwritten unseen.
 */
#ifndef RINGTREE_AGREE_H
#define RINGTREE_AGREE_H

#include "channel.h"

/* RT_OK; RT_PENDING while too far ahead; RT_ERR_MISMATCH, the text naming the ranks. */
int rt_agree_publish(rt_channels *channels, uint64_t sequence, uint64_t signature, rt_error *error);

#endif
