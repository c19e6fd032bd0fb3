/* events: which transfer asks for its next element, in order of time; ties by lane, then step.
 *
 *   push ──▶ runs: FIFOs that are in order by themselves ──┐
 *        └─▶ heap: what fits at the end of no run ─────────┴──▶ pop: the earliest of their heads
 *
 * Schedules are regular: most events come in the order in which they will be taken, so a push is an append to a run
 * and a pop looks at a few heads. The heap makes the worst case logarithmic.
 */
#ifndef RINGTREE_EVENTS_H
#define RINGTREE_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct rt_event {
    double us;
    int32_t lane;     /* of the sender; lanes are numbered by job, rank, lane */
    int32_t transfer; /* in flight, rt_transfer */
} rt_event;

/* A message on its way. A transfer has one event at a time. */
typedef struct rt_transfer {
    double bytes;
    double tail_us;
    int64_t step;
    int32_t pipe;
    int32_t slot;
    int32_t at;     /* the next element: an index of the pool of paths */
    int32_t leaves; /* the first link: once past it, the send has ended */
    int32_t end;
    int32_t next_unused;
} rt_transfer;

enum { RT_RUNS = 2, RT_HEAP = RT_RUNS };

typedef struct rt_run {
    rt_event *events; /* a ring of mask + 1; the heap uses it as an array */
    uint32_t mask;
    uint32_t first;
    uint32_t end;
    rt_event last;
} rt_run;

typedef struct rt_events {
    rt_event heads[RT_RUNS + 1]; /* of each run, and the top of the heap; at infinity where there is none */
    rt_run runs[RT_RUNS];
    rt_event *heap; /* 4-ary, its top in heads[RT_HEAP] */
    int32_t heap_length;
    int32_t heap_capacity;
    const rt_transfer *transfers; /* for the last tie-break */
} rt_events;

int rt_events_init(rt_events *events); /* 0 when there is no memory */
void rt_events_release(rt_events *events);

/* 0 when there is no memory. No event may be earlier than the last one popped. */
int rt_events_push(rt_events *events, rt_event event);
/* 0 when there is none. */
int rt_events_pop(rt_events *events, rt_event *event);

#endif
