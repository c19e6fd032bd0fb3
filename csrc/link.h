/* link: the only place that knows what a link can carry.
 *
 *        head ──┐   ┌ cost ┬── bytes / bandwidth ──┐
 *               ▼   ▼      ▼                       ▼
 *   ──────────[wait]███████████████████████████████│── link.free          (occupied)
 *                   └ start        head' = start + cost + latency         tail' = max(link.free, tail) + latency
 *
 * Latency delays but does not occupy; the cost per message occupies. A link serves transfers in the order in which
 * their heads arrive. A transfer over several links is cut-through: it asks for the next link when its head gets
 * there. Simulator and wall-clock emulator both call rt_link_reserve; nobody else computes link times.
 */
#ifndef RINGTREE_LINK_H
#define RINGTREE_LINK_H

/* What is fixed about a link. 1 GB/s = 1000 bytes per us. */
typedef struct rt_link_rate {
    double bytes_per_us;
    double latency_us;
    double cost_us;
} rt_link_rate;

/* Reserve the link from *free_us on for `bytes`; *head_us and *tail_us move to the link's far end.
 * Returns when the link began to be occupied. */
static inline double rt_link_reserve(const rt_link_rate *rate, double *free_us, double bytes, double *head_us,
                                     double *tail_us) {
    double start = *head_us > *free_us ? *head_us : *free_us;
    *free_us = start + rate->cost_us + bytes / rate->bytes_per_us;
    *head_us = start + rate->cost_us + rate->latency_us;
    *tail_us = (*free_us > *tail_us ? *free_us : *tail_us) + rate->latency_us;
    return start;
}

#endif
