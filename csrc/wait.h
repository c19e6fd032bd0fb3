/* wait: how a rank sleeps until another one has something for it.
 *
 *   ringer                                   sleeper
 *   ──────                                   ───────
 *   store what changed                       sleepers += 1
 *   fence                                    heard = rung
 *   sleepers > 0 ?                           fence; look again at what is waited for
 *     rung += 1, futex wake                  futex sleep while rung == heard, for a limited time
 *                                            sleepers -= 1
 *
 * Either the ringer's load sees the sleeper, then the bell rings after `heard` was read and the sleep ends or never
 * begins; or the sleeper's look, after its fence, sees what the ringer stored before its own. A bell that nobody
 * sleeps on costs its ringers one fence and one load of a line that nobody writes.
 */
#ifndef RINGTREE_WAIT_H
#define RINGTREE_WAIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { RT_LINE = 64 }; /* what two writers must not share */

typedef struct rt_bell {
    _Alignas(RT_LINE) _Atomic uint32_t rung; /* the futex word */
    _Atomic uint32_t sleepers;
} rt_bell;

/* The caller's stores are followed by one fence (seq_cst) for all the bells it then rings. */
void rt_bell_wake(rt_bell *bell);

static inline void rt_bell_ring(rt_bell *bell) {
    if (atomic_load_explicit(&bell->sleepers, memory_order_relaxed) > 0) {
        rt_bell_wake(bell);
    }
}

/* listen, look again, then sleep or not, leave. */
uint32_t rt_bell_listen(rt_bell *bell);
void rt_bell_sleep(rt_bell *bell, uint32_t heard, int64_t ns);
void rt_bell_leave(rt_bell *bell);

/* How often to look before sleeping. The first looks follow each other closely; between the later ones the processor
 * is given away, in case the rank that is waited for has none. With fewer processors than ranks that is so from the
 * first look on, and it is soon time to sleep. */
typedef struct rt_patience {
    int32_t first_looks; /* of the direct path, without a pause in between: as long as a hand-over takes */
    int32_t looks;
    int32_t close_looks;
    int32_t turn_looks; /* in place of `looks` for the direct path: its turns are short, to be woken takes longer */
} rt_patience;

rt_patience rt_patience_for(int32_t ranks_here);

/* Whether it is that of ranks that share processors. */
static inline bool rt_crowded(const rt_patience *patience) {
    return patience->close_looks == 0;
}

/* Between look number `look` and the next. */
void rt_pause(const rt_patience *patience, int32_t look);
void rt_yield(void);
int64_t rt_clock_ns(void); /* CLOCK_MONOTONIC */

#endif
