/* simulate: the time of every step of programs on a board, in emulated time, without moving a byte.
 *
 *   jobs (program, placement, start) ──▶ events by (time, job, rank, lane, step, hop) ──▶ finish time of each rank
 *                                                │
 *                                                └──▶ observer: batches of one record per transfer and link
 *
 * Exactly the model of link.h and program.h: a send asks for its first element when it starts and a slot is free;
 * it ends when its tail has left its first link (without limits: link.free), before that link's latency; a receive
 * ends when the tail leaves the last link. A step that receives and sends does one after the other, and holds its
 * chunk's slot until it has sent. Copies, reductions and the return of a slot take no time. A link serves heads in the
 * order of arrival; ties go by job, rank, lane, step. A message of no bytes still pays latency and cost. A transfer
 * between ranks on one device takes no time. A link event changes what begins after it, not what is on its way.
 * All doubles, us. The same input gives the same output on every run and processor (built with -ffp-contract=off).
 *
 * What the model leaves out: packets and their headers (a message takes a link whole, in one piece, so two that meet
 * take turns and do not share); flow control between hops (switches buffer without end: no credit stalls, no head of
 * line blocking, no loss when many send to one, no retransmission); adaptive or multipath routes (all messages of a
 * channel take one path); arbitration other than first come, first served; protocol factors that depend on the size
 * of a message; the device's own work (launches, copies, reductions, memory bandwidth); noise. What remains bounded is
 * what the program bounds: the chunks in flight, by the depth of its channels and its dependencies.
 *
 * Programs are taken as they are: verify.h proves them. Counts that do not match are not noticed here.
 *
 * Cost: some 50 ns per link event, 48 bytes per channel and link, 200 per lane, nothing per transfer that has ended.
 */
#ifndef RINGTREE_SIMULATE_H
#define RINGTREE_SIMULATE_H

#include "board.h"
#include "program.h"

/* cffi: begin */
typedef struct rt_job {
    const rt_program *program;
    const int32_t *placement; /* ranks: the node that each rank sits on */
    const double *start_us;   /* ranks: when each rank enters, at least 0; NULL: all at 0 */
    double element_bytes;
    double *finish_us; /* out, ranks: when the last lane of each rank ended (start_us where it has no step) */
} rt_job;

typedef struct rt_link_event { /* from time_us on, the element runs at factor x its bandwidth (0 < factor) */
    double time_us;
    int32_t element;
    double factor;
} rt_link_event;

typedef struct rt_record {
    int32_t job;
    int32_t rank; /* the sender */
    int32_t lane;
    int32_t element; /* of the board: link, or links + limit */
    int64_t step;
    double bytes;
    double start_us;  /* the element begins to be occupied */
    double finish_us; /* the tail is at its far end */
} rt_record;

typedef void (*rt_observer)(void *context, const rt_record *records, int64_t n);

typedef struct rt_sim_stats {
    int64_t transfers;
    int64_t link_events; /* reservations of elements */
    int64_t steps;
    double finish_us; /* of the last rank of all jobs */
} rt_sim_stats;

/* RT_PENDING where something would still happen after until_us (INFINITY: see it through); the rest is then undefined.
 */
int rt_simulate(const rt_board *board, const rt_job *jobs, int32_t n_jobs, const rt_link_event *events,
                int64_t n_events, double until_us, rt_observer observer, void *context, rt_sim_stats *stats,
                rt_error *error);
/* cffi: end */

#endif
