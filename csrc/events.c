/* events: runs in order, and a heap for the rest. */
#include "events.h"

#include <math.h>
#include <stdlib.h>

static const rt_event NEVER = {INFINITY, INT32_MAX, -1};

static inline bool before(const rt_events *events, const rt_event *a, const rt_event *b) {
    if (a->us != b->us) {
        return a->us < b->us;
    }
    if (a->lane != b->lane) {
        return a->lane < b->lane;
    }
    return a->transfer >= 0 && b->transfer >= 0 &&
           events->transfers[a->transfer].step < events->transfers[b->transfer].step;
}

int rt_events_init(rt_events *events) {
    *events = (rt_events){0};
    for (int r = 0; r < RT_RUNS; r++) {
        events->runs[r].mask = 63;
        events->runs[r].events = malloc(64 * sizeof(rt_event));
        events->heads[r] = NEVER;
    }
    events->heads[RT_HEAP] = NEVER;
    events->heap_capacity = 64;
    events->heap = malloc(64 * sizeof(rt_event));
    bool whole = events->heap != NULL;
    for (int r = 0; r < RT_RUNS; r++) {
        whole = whole && events->runs[r].events;
    }
    return whole;
}

void rt_events_release(rt_events *events) {
    for (int r = 0; r < RT_RUNS; r++) {
        free(events->runs[r].events);
    }
    free(events->heap);
}

static bool grow_run(rt_run *run) {
    uint32_t capacity = run->mask + 1;
    rt_event *larger = malloc(2 * (size_t)capacity * sizeof *larger);
    if (!larger) {
        return false;
    }
    for (uint32_t i = 0; i < capacity; i++) {
        larger[i] = run->events[(run->first + i) & run->mask];
    }
    free(run->events);
    *run = (rt_run){larger, 2 * capacity - 1, 0, capacity, run->last};
    return true;
}

/* The heap holds what comes after its top, which stands among the heads. */
static bool heap_add(rt_events *events, rt_event event) {
    rt_event *top = &events->heads[RT_HEAP];
    if (before(events, &event, top)) {
        rt_event later = *top;
        *top = event;
        event = later;
    }
    if (event.transfer < 0) {
        return true;
    }
    if (events->heap_length == events->heap_capacity) {
        rt_event *larger = realloc(events->heap, 2 * (size_t)events->heap_capacity * sizeof *larger);
        if (!larger) {
            return false;
        }
        events->heap = larger;
        events->heap_capacity *= 2;
    }
    int32_t at = events->heap_length++;
    while (at > 0 && before(events, &event, &events->heap[(at - 1) / 4])) {
        events->heap[at] = events->heap[(at - 1) / 4];
        at = (at - 1) / 4;
    }
    events->heap[at] = event;
    return true;
}

static rt_event heap_take(rt_events *events) {
    if (events->heap_length == 0) {
        return NEVER;
    }
    rt_event *heap = events->heap, top = heap[0], moved = heap[--events->heap_length];
    int32_t length = events->heap_length, at = 0;
    for (int32_t child = 1; child < length; child = 4 * at + 1) {
        int32_t end = child + 4 < length ? child + 4 : length, least = child;
        for (int32_t i = child + 1; i < end; i++) {
            least = before(events, &heap[i], &heap[least]) ? i : least;
        }
        if (!before(events, &heap[least], &moved)) {
            break;
        }
        heap[at] = heap[least];
        at = least;
    }
    heap[at] = moved;
    return top;
}

int rt_events_push(rt_events *events, rt_event event) {
    for (int r = 0; r < RT_RUNS; r++) {
        rt_run *run = &events->runs[r];
        if (events->heads[r].transfer < 0) {
            events->heads[r] = run->last = event;
            return 1;
        }
        if (!before(events, &event, &run->last)) {
            if (run->end - run->first > run->mask && !grow_run(run)) {
                return 0;
            }
            run->events[run->end++ & run->mask] = event;
            run->last = event;
            return 1;
        }
    }
    return heap_add(events, event);
}

int rt_events_pop(rt_events *events, rt_event *event) {
    int least = 0;
    for (int i = 1; i <= RT_RUNS; i++) {
        least = before(events, &events->heads[i], &events->heads[least]) ? i : least;
    }
    *event = events->heads[least];
    if (event->transfer < 0) {
        return 0;
    }
    if (least == RT_HEAP) {
        events->heads[RT_HEAP] = heap_take(events);
        return 1;
    }
    rt_run *run = &events->runs[least];
    events->heads[least] = run->first == run->end ? NEVER : run->events[run->first++ & run->mask];
    return 1;
}
