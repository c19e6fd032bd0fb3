/* traffic: transfers on the elements of the board. */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "simulation.h"

enum { BATCH = 4096 }; /* records per call of the observer */

static int compare_changes(const void *a, const void *b) {
    const rt_change *x = a, *y = b;
    if (x->event.element != y->event.element) {
        return x->event.element < y->event.element ? -1 : 1;
    }
    if (x->event.time_us != y->event.time_us) {
        return x->event.time_us < y->event.time_us ? -1 : 1;
    }
    return x->number < y->number ? -1 : 1;
}

static int set_changes(rt_simulation *sim, const rt_link_event *events, int64_t n_events, rt_error *error) {
    const int32_t elements = rt_board_elements(sim->board);
    sim->changes = calloc((size_t)n_events + 1, sizeof *sim->changes);
    if (!sim->changes) {
        return rt_fail(error, RT_ERR_NO_MEMORY, "simulate: no memory for %lld link events", (long long)n_events);
    }
    for (int64_t i = 0; i < n_events; i++) {
        const rt_link_event *event = &events[i];
        if (event->element < 0 || event->element >= elements || isnan(event->time_us) || !isfinite(event->factor) ||
            event->factor <= 0) {
            return rt_fail(error, RT_ERR_INVALID,
                           "simulate: link event %lld: found element %d, time %g us, factor %g, expected one of %d "
                           "elements, a time and a finite factor above 0",
                           (long long)i, event->element, event->time_us, event->factor, elements);
        }
        sim->changes[i] = (rt_change){*event, i};
    }
    sim->n_changes = n_events;
    qsort(sim->changes, (size_t)n_events, sizeof *sim->changes, compare_changes);
    for (int64_t i = n_events - 1; i >= 0; i--) {
        rt_element *element = &sim->elements[sim->changes[i].event.element];
        element->change = i;
        element->change_us = sim->changes[i].event.time_us;
    }
    return RT_OK;
}

int rt_traffic_init(rt_simulation *sim, const rt_link_event *events, int64_t n_events, rt_error *error) {
    const int32_t elements = rt_board_elements(sim->board);
    sim->unused = -1;
    sim->elements = calloc((size_t)elements + 1, sizeof *sim->elements);
    sim->records = sim->observer ? malloc(BATCH * sizeof *sim->records) : NULL;
    if (!sim->elements || (sim->observer && !sim->records) || !rt_events_init(&sim->events)) {
        return rt_fail(error, RT_ERR_NO_MEMORY, "simulate: no memory for %d links", elements);
    }
    for (int32_t i = 0; i < elements; i++) {
        sim->elements[i] = (rt_element){.rate = rt_board_rates(sim->board)[i], .change_us = INFINITY};
    }
    return set_changes(sim, events, n_events, error);
}

void rt_traffic_release(rt_simulation *sim) {
    rt_events_release(&sim->events);
    free(sim->elements);
    free(sim->changes);
    free(sim->transfers);
    free(sim->records);
}

static void no_memory(rt_simulation *sim) {
    sim->status = rt_fail(sim->error, RT_ERR_NO_MEMORY, "simulate: no memory for %d transfers on their way",
                          sim->transfers_capacity);
}

static rt_transfer *unused_transfer(rt_simulation *sim) {
    if (sim->unused < 0) {
        int32_t capacity = sim->transfers_capacity, larger = capacity ? 2 * capacity : 256;
        rt_transfer *moved = capacity > INT32_MAX / 2 ? NULL : realloc(sim->transfers, (size_t)larger * sizeof *moved);
        if (!moved) {
            no_memory(sim);
            return NULL;
        }
        for (int32_t i = larger - 1; i >= capacity; i--) {
            moved[i].next_unused = sim->unused;
            sim->unused = i;
        }
        sim->events.transfers = sim->transfers = moved;
        sim->transfers_capacity = larger;
    }
    rt_transfer *transfer = &sim->transfers[sim->unused];
    sim->unused = transfer->next_unused;
    return transfer;
}

static void arrive(rt_simulation *sim, int32_t pipe_number, int32_t slot, double us) {
    rt_pipe *pipe = &sim->pipes[pipe_number];
    pipe->slots_us[slot] = us;
    if (slot == pipe->receive_at) {
        rt_flow_wake(sim, &pipe->receiver);
    }
}

/* The channel's ranks, and the nodes that no path joins. */
static void no_route(rt_simulation *sim, const rt_flow *flow) {
    const rt_job *job = &sim->jobs[flow->job];
    rt_channel ends;
    rt_program_channel(job->program, flow->sends - (int32_t)sim->first_pipe[flow->job], &ends);
    sim->status = rt_fail(sim->error, RT_ERR_NO_ROUTE,
                          "simulate: job %d: rank %d sends to rank %d, but no path joins node %d to node %d", flow->job,
                          ends.src, ends.dst, job->placement[ends.src], job->placement[ends.dst]);
}

void rt_traffic_start(rt_simulation *sim, int32_t id, int32_t slot) {
    rt_flow *flow = &sim->flows[id];
    const rt_pipe *pipe = &sim->pipes[flow->sends];
    sim->stats.transfers++;
    if (pipe->path < 0) {
        no_route(sim, flow);
        return;
    }
    if (pipe->path == pipe->end) {
        flow->phase = RT_END;
        arrive(sim, flow->sends, slot, flow->now_us);
        return;
    }
    rt_transfer *transfer = unused_transfer(sim);
    if (!transfer) {
        return;
    }
    *transfer = (rt_transfer){.bytes = (double)flow->count * sim->jobs[flow->job].element_bytes,
                              .tail_us = flow->now_us,
                              .step = flow->step,
                              .pipe = flow->sends,
                              .slot = slot,
                              .at = pipe->path,
                              .leaves = pipe->leaves,
                              .end = pipe->end};
    if (!rt_events_push(&sim->events, (rt_event){flow->now_us, id, (int32_t)(transfer - sim->transfers)})) {
        no_memory(sim);
    }
}

/* The rate in force when the reservation begins applies to all of it. */
static void change_rate(const rt_simulation *sim, rt_element *element, int32_t number, double start_us) {
    const rt_link_rate *base = &rt_board_rates(sim->board)[number];
    while (element->change_us <= start_us) {
        element->rate.bytes_per_us = base->bytes_per_us * sim->changes[element->change].event.factor;
        element->change++;
        bool more = element->change < sim->n_changes && sim->changes[element->change].event.element == number;
        element->change_us = more ? sim->changes[element->change].event.time_us : INFINITY;
    }
}

static void record(rt_simulation *sim, int32_t id, const rt_transfer *transfer, int32_t element, double start_us) {
    const rt_flow *flow = &sim->flows[id];
    sim->records[sim->n_records++] = (rt_record){.job = flow->job,
                                                 .rank = flow->rank,
                                                 .lane = flow->lane,
                                                 .element = element,
                                                 .step = transfer->step,
                                                 .bytes = transfer->bytes,
                                                 .start_us = start_us,
                                                 .finish_us = transfer->tail_us};
    if (sim->n_records == BATCH) {
        rt_traffic_flush(sim);
    }
}

void rt_traffic_flush(rt_simulation *sim) {
    if (sim->n_records > 0) {
        sim->observer(sim->context, sim->records, sim->n_records);
        sim->n_records = 0;
    }
}

void rt_traffic_pass(rt_simulation *sim, const rt_event *event) {
    rt_transfer *transfer = &sim->transfers[event->transfer];
    const int32_t number = sim->paths[transfer->at];
    rt_element *element = &sim->elements[number];
    double head_us = event->us, tail_before_us = transfer->tail_us;
    double begins_us = head_us > element->free_us ? head_us : element->free_us;
    if (element->change_us <= begins_us) {
        change_rate(sim, element, number, begins_us);
    }
    double start_us = rt_link_reserve(&element->rate, &element->free_us, transfer->bytes, &head_us, &transfer->tail_us);
    sim->stats.link_events++;
    if (sim->observer) {
        record(sim, event->lane, transfer, number, start_us);
    }
    if (transfer->at == transfer->leaves) {
        rt_flow *flow = &sim->flows[event->lane];
        flow->now_us = element->free_us > tail_before_us ? element->free_us : tail_before_us;
        flow->phase = RT_END;
        sim->ready[sim->n_ready++] = event->lane;
    }
    if (++transfer->at < transfer->end) {
        if (!rt_events_push(&sim->events, (rt_event){head_us, event->lane, event->transfer})) {
            no_memory(sim);
        }
        return;
    }
    arrive(sim, transfer->pipe, transfer->slot, transfer->tail_us);
    transfer->next_unused = sim->unused;
    sim->unused = event->transfer;
}
