/* wait: the futex behind a bell, and how long to spin. */
#include "wait.h"

#include <limits.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#endif

enum {
    FIRST_LOOKS = 200,
    CROWDED_FIRST_LOOKS = 20,
    LOOKS = 300,
    CLOSE_LOOKS = 100,
    CROWDED_LOOKS = 4,
    CROWDED_TURN_LOOKS = 50,
    NS_PER_S = 1000000000
};

int64_t rt_clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

#ifdef __linux__
/* Not FUTEX_PRIVATE: the word is shared by processes. */
static void futex(_Atomic uint32_t *word, int operation, uint32_t value, const struct timespec *limit) {
    syscall(SYS_futex, (void *)word, operation, value, limit, NULL, 0);
}

static void wake_all(_Atomic uint32_t *word) {
    futex(word, FUTEX_WAKE, INT_MAX, NULL);
}

static void sleep_on(_Atomic uint32_t *word, uint32_t value, const struct timespec *limit) {
    futex(word, FUTEX_WAIT, value, limit);
}
#else
static void wake_all(_Atomic uint32_t *word) {
    (void)word;
}

/* Without futexes: short naps. */
static void sleep_on(_Atomic uint32_t *word, uint32_t value, const struct timespec *limit) {
    struct timespec nap = {0, 200000};
    if (atomic_load(word) == value) {
        nanosleep(limit->tv_sec == 0 && limit->tv_nsec < nap.tv_nsec ? limit : &nap, NULL);
    }
}
#endif

void rt_bell_wake(rt_bell *bell) {
    atomic_fetch_add_explicit(&bell->rung, 1, memory_order_release);
    wake_all(&bell->rung);
}

uint32_t rt_bell_listen(rt_bell *bell) {
    atomic_fetch_add_explicit(&bell->sleepers, 1, memory_order_relaxed);
    uint32_t heard = atomic_load_explicit(&bell->rung, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst); /* our sleepers += 1 before the loads of the caller's second look */
    return heard;
}

void rt_bell_sleep(rt_bell *bell, uint32_t heard, int64_t ns) {
    struct timespec limit = {(time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S)};
    sleep_on(&bell->rung, heard, &limit);
}

void rt_bell_leave(rt_bell *bell) {
    atomic_fetch_sub_explicit(&bell->sleepers, 1, memory_order_relaxed);
}

static int32_t processors(void) {
#ifdef __linux__
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) {
        return CPU_COUNT(&allowed);
    }
#endif
    return (int32_t)sysconf(_SC_NPROCESSORS_ONLN);
}

rt_patience rt_patience_for(int32_t ranks_here) {
    return ranks_here <= processors() ? (rt_patience){FIRST_LOOKS, LOOKS, CLOSE_LOOKS, LOOKS}
                                      : (rt_patience){CROWDED_FIRST_LOOKS, CROWDED_LOOKS, 0, CROWDED_TURN_LOOKS};
}

void rt_yield(void) {
    sched_yield();
}

void rt_pause(const rt_patience *patience, int32_t look) {
    if (look >= patience->close_looks) {
        sched_yield();
        return;
    }
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}
