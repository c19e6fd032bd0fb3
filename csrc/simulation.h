/* simulation: the state of a run of the simulator, for simulate.c and its parts only.
 *
 *   events.c   pops the next event ─▶ traffic.c  takes the transfer over one element ─▶ an event for the next one,
 *                                                or the chunk arrives; past its first link, the send has ended
 *                                     flow.c     takes lanes as far as they can be known to go: times in the future
 *                                                are known as soon as their causes are
 *
 * Only the order in which elements are asked for needs the queue; all else is maxima over times that are known.
 */
#ifndef RINGTREE_SIMULATION_H
#define RINGTREE_SIMULATION_H

#include "events.h"
#include "simulate.h"

enum { RT_ENDS_KEPT = 4 }; /* at first, of each lane that others may depend on; a power of two */

typedef enum rt_phase { RT_LOAD, RT_DEPEND, RT_RECEIVE, RT_SENDING, RT_LEAVING, RT_END, RT_FINISHED } rt_phase;

typedef struct rt_flow {
    double now_us;    /* how far it has come: the end of the step before, then of the parts of this one */
    int64_t step;     /* the present one; all before have ended */
    int64_t count;    /* elements of the step */
    int64_t awaited;  /* the step that it waits for, of the lane in whose list of waiters it is */
    double *ended_us; /* when the last steps ended, a ring; NULL where no other lane can ask */
    uint32_t ended_mask;
    int32_t receives; /* channel or -1 */
    int32_t sends;
    int32_t job, rank, lane;
    int32_t first_waiter; /* lanes that wait for steps of this one, a list */
    int32_t next_waiter;
    int32_t dep_lanes; /* of the present dependency, how many lanes have been seen to */
    uint8_t deps, dep; /* how many dependencies, and the present one */
    uint8_t phase;
} rt_flow;

/* slots_us: when the chunk in a slot arrives, or, once it is consumed, when the slot was freed. */
typedef struct rt_pipe {
    double *slots_us;
    int32_t path; /* elements path .. end of the pool; path -1: there is no route */
    int32_t leaves;
    int32_t end;
    int32_t depth;
    int32_t taken; /* slots from `receive_at` on, up to `send_at` */
    int32_t send_at, receive_at;
    int32_t sender, receiver; /* the lane that waits at this end, -1: none */
} rt_pipe;

typedef struct rt_element {
    rt_link_rate rate; /* in force */
    double free_us;
    double change_us; /* when the next link event takes effect */
    int64_t change;   /* its number */
} rt_element;

typedef struct rt_change {
    rt_link_event event;
    int64_t number;
} rt_change;

typedef struct rt_simulation {
    const rt_board *board;
    const rt_job *jobs;
    int32_t n_jobs;
    rt_events events;
    double now_us; /* of the last event */
    double until_us;

    rt_flow *flows;
    int32_t n_flows;
    rt_dep (*deps)[RT_MAX_DEPS]; /* of the present step of each lane */
    int32_t *ready;              /* lanes that can go on, a stack */
    int32_t n_ready;
    int32_t unfinished;
    int32_t *first_flow; /* per job and rank, jobs one after the other; one more at the end */
    int64_t *first_rank; /* per job: where its ranks begin in first_flow */
    double *ended_us;    /* what the lanes' rings of ends begin with */

    rt_pipe *pipes;
    int64_t n_pipes;
    int64_t *first_pipe; /* per job */
    double *slots_us;
    int32_t *paths;
    int64_t paths_length, paths_capacity;

    rt_element *elements;
    rt_change *changes; /* by element, then time, then as they were given */
    int64_t n_changes;

    rt_transfer *transfers;
    int32_t transfers_capacity;
    int32_t unused; /* the first unused transfer, -1: none */

    rt_observer observer;
    void *context;
    rt_record *records;
    int64_t n_records;

    rt_sim_stats stats;
    int status;
    rt_error *error;
} rt_simulation;

/* flow.c */
void rt_flow_run_ready(rt_simulation *sim); /* take the lanes that are ready as far as they go */
static inline void rt_flow_wake(rt_simulation *sim, int32_t *waiting) {
    if (*waiting >= 0) {
        sim->ready[sim->n_ready++] = *waiting;
        *waiting = -1;
    }
}
int rt_flow_stuck(const rt_simulation *sim, int32_t flow, rt_error *error); /* says what the lane waits for */

/* traffic.c */
int rt_traffic_init(rt_simulation *sim, const rt_link_event *events, int64_t n_events, rt_error *error);
void rt_traffic_release(rt_simulation *sim);
/* Send the chunk of the lane's step at its now_us; where there is nothing to pass, the send ends at once (RT_END). */
void rt_traffic_start(rt_simulation *sim, int32_t flow, int32_t slot);
void rt_traffic_pass(rt_simulation *sim, const rt_event *event); /* take a transfer over its next element */
void rt_traffic_flush(rt_simulation *sim);                       /* hand the records to the observer */

/* pipes.c */
int rt_pipes_init(rt_simulation *sim, rt_error *error);
void rt_pipes_release(rt_simulation *sim);

#endif
