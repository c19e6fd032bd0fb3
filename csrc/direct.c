/* direct: operations from their begin to their end, and how they wait. */
#include "direct.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "direction.h"

enum { OTHERS_NS = 1000000 };

static bool is_source(const rt_turns *at, int32_t me, int32_t rank) {
    const int kind = at->c.kind;
    return kind == RT_GATHER || kind == RT_REDUCE ? me == at->c.root : rank == at->c.root;
}

/* The round that `rank` must have marked before this rank's turn. */
static uint64_t needed(const rt_direct *d, int32_t rank) {
    const rt_turns *at = &d->at;
    const uint64_t round = rt_turn_round(at);
    const bool last = at->turn == at->marks;
    const uint64_t free_slot = !last && round >= RT_DEPTH ? round + 1 - RT_DEPTH : 0;
    if (at->turn == 0) {
        return free_slot;
    }
    if (at->all_wait || (at->all_hear && at->turn == 1)) {
        return round - 1;
    }
    if (last && at->large) {
        return is_source(at, rank, d->rounds.rank) ? round - 1 : 0; /* it reads where this rank's input lies */
    }
    return is_source(at, d->rounds.rank, rank) ? round - 1 : free_slot;
}

static bool ready(rt_direct *d) {
    rt_turns *at = &d->at;
    for (; at->looked < d->rounds.ranks; at->looked++) {
        if (at->looked != d->rounds.rank && !rt_rounds_reached(&d->rounds, at->looked, needed(d, at->looked))) {
            return false;
        }
    }
    return true;
}

/* After the first round: whether those that are heard do the same. */
static int compare(const rt_direct *d, rt_error *error) {
    const rt_turns *at = &d->at;
    const int32_t me = d->rounds.rank;
    for (int32_t rank = 0; rank < d->rounds.ranks; rank++) {
        if (rank == me || !(at->all_hear || is_source(at, me, rank))) {
            continue;
        }
        if (rt_rounds_mark_of(&d->rounds, rank, at->first)->signature != d->signature) {
            return rt_fail(error, RT_ERR_MISMATCH,
                           "ranks %d and %d disagree about call %" PRIu64
                           " of the communicator: expected the same collective, count, type, operation and root on "
                           "every rank",
                           rank < me ? rank : me, rank < me ? me : rank, d->sequence);
        }
    }
    return RT_OK;
}

static int take_turn(rt_direct *d, rt_error *error) {
    rt_turns *at = &d->at;
    int status = at->turn == 1 ? compare(d, error) : RT_OK;
    status = status ? status : at->work(d, at->turn, error);
    if (status == RT_OK && at->turn < at->marks) {
        rt_rounds_mark(&d->rounds, d->signature);
        if (at->turn == 0 && at->work == rt_move_pieces) {
            rt_move_own(d);
        }
    }
    if (status == RT_OK) { /* what failed once fails again, for whoever waits for it */
        at->turn++;
        at->looked = 0;
    }
    return status;
}

/* What can be done without waiting. */
static int advance(rt_direct *d, bool *moved, rt_error *error) {
    const rt_turns *at = &d->at;
    while (at->turn < at->marks || (at->turn == at->marks && (!at->large || at->last_wait))) {
        if (!ready(d)) {
            return RT_PENDING;
        }
        int status = take_turn(d, error);
        *moved = true;
        if (status != RT_OK) {
            return status;
        }
    }
    return RT_OK;
}

static void release(rt_direct *d) {
    d->active = false;
    atomic_store_explicit(&d->taken, 0, memory_order_release);
}

void rt_direct_revoke(rt_direct *d, int status, const char *text) {
    uint64_t none = 0;
    atomic_compare_exchange_strong(d->rounds.failed, &none, d->sequence);
    rt_arena_revoke(d->rounds.arena, status, d->comm->sequence + 1, text);
}

/* RT_OK, or the reason why nothing goes on: as it was for the operation that failed, else as something earlier. */
static int reason(const rt_direct *d, rt_error *error) {
    const rt_arena *arena = d->rounds.arena;
    if (!rt_arena_revoked(arena, UINT64_MAX - 1)) {
        return RT_OK;
    }
    uint64_t failed = atomic_load(d->rounds.failed);
    if (d->sequence < failed) {
        return RT_OK; /* who failed later has done its part in this one */
    }
    return rt_arena_reason(arena, failed && d->sequence > failed ? UINT64_MAX - 1 : d->comm->sequence + 1, error);
}

/* Everything that failed ends here. */
static int fail(rt_direct *d, int status, rt_error *error) {
    rt_direct_revoke(d, status, error->text);
    rt_rounds_settle(&d->rounds);
    release(d);
    return status;
}

/* Sleep until the bell rings, but not beyond until_ns. */
static int doze(rt_direct *d, int64_t until_ns, bool *moved, rt_error *error) {
    rt_bell *bell = &d->rounds.arena->seats[d->rounds.rank].bell;
    uint32_t heard = rt_bell_listen(bell);
    int status = advance(d, moved, error);
    if (status == RT_PENDING && !*moved && !rt_arena_revoked(d->rounds.arena, UINT64_MAX - 1)) {
        int64_t now = rt_now_ns();
        if (rt_engine_advance_others(d->comm->engine, d->comm, now) > 0 && until_ns > now + OTHERS_NS) {
            until_ns = now + OTHERS_NS;
        }
        if (until_ns > now) {
            rt_bell_sleep(bell, heard, until_ns - now);
        }
    }
    rt_bell_leave(bell);
    return status;
}

/* Spin, then give the processor away, then sleep. */
static int wait_long(rt_direct *d, int64_t wait_ns, rt_error *error) {
    const rt_patience *patience = &d->comm->patience;
    const int64_t deadline = rt_now_ns() + wait_ns;
    rt_rounds_settle(&d->rounds);
    for (int32_t look = 0;; look++) {
        bool moved = false;
        int status;
        if (look <= patience->turn_looks) {
            rt_pause(patience, look);
            status = advance(d, &moved, error);
        } else {
            status = doze(d, deadline, &moved, error);
        }
        if (moved) {
            look = 0;
            rt_rounds_settle(&d->rounds);
        }
        if (status != RT_PENDING) {
            return status;
        }
        status = look > patience->close_looks ? reason(d, error) : RT_OK;
        if (status != RT_OK) {
            return status;
        }
        if (look > patience->close_looks && rt_now_ns() >= deadline) {
            return RT_PENDING;
        }
    }
}

static int go_on(rt_direct *d, int64_t wait_ns, rt_error *error) {
    bool moved = false;
    int status = advance(d, &moved, error);
    for (int32_t look = 0; status == RT_PENDING && wait_ns > 0 && look < d->comm->patience.first_looks; look++) {
        status = advance(d, &moved, error);
    }
    if (status == RT_PENDING && wait_ns > 0) {
        status = wait_long(d, wait_ns, error);
    }
    if (status == RT_OK) {
        rt_rounds_settle(&d->rounds);
        release(d);
        return d->wished ? RT_LEND : RT_OK;
    }
    return status == RT_PENDING ? status : fail(d, status, error);
}

static int begin(rt_direct *d, const rt_direct_spec *spec, rt_error *error) {
    uint32_t nobody = 0;
    if (!d) {
        return rt_fail(error, RT_ERR_INVALID, "the communicator was freed");
    }
    int status = rt_engine_check(d->comm->engine, error);
    if (status != RT_OK) {
        return status;
    }
    if (!atomic_compare_exchange_strong_explicit(&d->taken, &nobody, 1, memory_order_acquire, memory_order_relaxed)) {
        return rt_fail(error, RT_ERR_BUSY,
                       "this communicator is in use by another thread; give each thread its own (Dup)");
    }
    if (d->active) {
        atomic_store_explicit(&d->taken, 0, memory_order_release);
        return rt_fail(error, RT_ERR_BUSY, "an operation that was started has not been waited for");
    }
    d->sequence++;
    status = reason(d, error);
    status = status ? status : rt_direct_plan(d, spec, error);
    if (status != RT_OK) {
        d->sequence -= status != RT_ERR_REVOKED;
        release(d);
        return status;
    }
    d->active = true;
    d->wishes = d->wished = 0;
    return RT_OK;
}

int rt_direct_run(rt_direct *d, const rt_direct_spec *spec, int64_t wait_ns, rt_error *error) {
    int status = begin(d, spec, error);
    return status ? status : go_on(d, wait_ns, error);
}

int rt_direct_start(rt_direct *d, const rt_direct_spec *spec, rt_error *error) {
    int status = begin(d, spec, error);
    if (status != RT_OK) {
        return status;
    }
    d->at.lends = false; /* its caller may do something else before it hears that it should */
    status = go_on(d, 0, error);
    if (status == RT_PENDING) {
        rt_rounds_settle(&d->rounds);
        d->at.started = true;
        atomic_store_explicit(&d->taken, 0, memory_order_release);
    }
    return status;
}

int rt_direct_wait(rt_direct *d, int64_t wait_ns, rt_error *error) {
    uint32_t nobody = 0;
    int status = rt_engine_check(d->comm->engine, error);
    if (status != RT_OK || !d->active) {
        return status;
    }
    if (d->at.started) {
        while (!atomic_compare_exchange_weak(&d->taken, &nobody, 1)) { /* held for the time of a turn only */
            nobody = 0;
            rt_yield();
        }
        if (!d->active) {
            release(d);
            return RT_OK;
        }
    }
    const bool started = d->at.started;
    status = started ? reason(d, error) : RT_OK; /* it may have failed while somebody else made it go on */
    status = status ? fail(d, status, error) : go_on(d, wait_ns, error);
    if (status == RT_PENDING && started) {
        atomic_store_explicit(&d->taken, 0, memory_order_release);
    }
    return status;
}

/* Somebody waits on another communicator: make a started operation go on. */
int rt_direct_help(rt_direct *d) {
    uint32_t nobody = 0;
    rt_error error;
    bool moved = false;
    if (!d || !d->active || !d->at.started || !atomic_compare_exchange_strong(&d->taken, &nobody, 1)) {
        return 0;
    }
    int status = d->active ? advance(d, &moved, &error) : RT_OK;
    if (moved) {
        rt_rounds_settle(&d->rounds);
    }
    if (status < 0) {
        rt_direct_revoke(d, status, error.text);
    }
    d->active = status != RT_OK && d->active; /* what failed is told to who waits for it */
    atomic_store_explicit(&d->taken, 0, memory_order_release);
    return d->active;
}

int rt_direct_lending(const rt_direct *d) {
    return (int)(d->wished | d->wishes << 2);
}

void rt_direct_lent(rt_direct *d) {
    d->wished = d->wishes = 0;
}

uint64_t rt_direct_sequence(const rt_direct *d) {
    return d ? d->sequence : 0;
}

int rt_direct_busy(const rt_direct *d) {
    return d && d->active ? 1 + d->at.started : 0;
}

void rt_direct_abandon(rt_direct *d) {
    release(d);
}

int32_t rt_direct_missing(const rt_direct *d, int32_t *ranks, int32_t capacity) {
    int32_t missing = 0;
    for (int32_t rank = 0; rank < d->rounds.ranks && missing < capacity; rank++) {
        if (rank != d->rounds.rank && !rt_rounds_reached(&d->rounds, rank, d->at.first)) {
            ranks[missing++] = rank;
        }
    }
    return missing;
}
