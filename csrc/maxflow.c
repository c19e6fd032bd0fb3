/* maxflow: levels by breadth first search from the sink, then paths down the levels until none is left.
 *
 *   level   2 ──▶ 1 ──▶ 0        an arc goes down one level or is not used; `next` is the first arc of a node that
 *        source         sink     may still lead to the sink: what failed once in a phase is not tried again
 *
 * Every arc lies beside its reverse in the lists of their tails; what flows back over a pair is room on the other.
 */
#include "maxflow.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct rt_network {
    int32_t nodes, arcs;
    int32_t *first; /* nodes + 1: where the arcs of each node begin */
    int32_t *place; /* by arc of the caller: where it lies */
    int32_t *head;  /* by place, of 2 x arcs */
    int32_t *pair;  /* by place: its reverse */
    int64_t *room;  /* by place: what can still flow */
    int32_t *level; /* by node: steps to the sink, UNSEEN where it was not reached */
    int32_t *next;  /* by node: the place to try next */
    int32_t *queue; /* nodes in the order of their levels */
    int32_t *path;  /* places from a source on */
    uint8_t *gives; /* by node: the source, or a sink that got enough */
};

enum { UNSEEN = -1 };

static void lay_arcs(rt_network *net, const int32_t *src, const int32_t *dst) {
    for (int32_t i = 0; i < net->arcs; i++) {
        net->first[src[i] + 1]++;
        net->first[dst[i] + 1]++;
    }
    for (int32_t node = 0; node < net->nodes; node++) {
        net->first[node + 1] += net->first[node];
        net->next[node] = net->first[node];
        net->level[node] = UNSEEN;
    }
    for (int32_t i = 0; i < net->arcs; i++) {
        int32_t there = net->next[src[i]]++, back = net->next[dst[i]]++;
        net->place[i] = there;
        net->head[there] = dst[i];
        net->head[back] = src[i];
        net->pair[there] = back;
        net->pair[back] = there;
    }
}

static int check_arcs(int32_t nodes, int32_t arcs, const int32_t *src, const int32_t *dst, rt_error *error) {
    if (nodes < 1 || arcs < 0 || arcs > INT32_MAX / 2) {
        return rt_fail(error, RT_ERR_INVALID, "network: found %d nodes and %d arcs, expected at least 1, and 0 to %d",
                       nodes, arcs, INT32_MAX / 2);
    }
    for (int32_t i = 0; i < arcs; i++) {
        if (src[i] < 0 || src[i] >= nodes || dst[i] < 0 || dst[i] >= nodes) {
            return rt_fail(error, RT_ERR_INVALID, "network: arc %d goes from %d to %d, expected nodes 0 to %d", i,
                           src[i], dst[i], nodes - 1);
        }
    }
    return RT_OK;
}

int rt_network_new(int32_t nodes, int32_t arcs, const int32_t *src, const int32_t *dst, rt_network **made,
                   rt_error *error) {
    int status = check_arcs(nodes, arcs, src, dst, error);
    if (status != RT_OK) {
        return status;
    }
    size_t n = (size_t)nodes, m = (size_t)arcs;
    rt_network *net = calloc(1, sizeof *net);
    int32_t *words = calloc(5 * n + 1 + 5 * m, sizeof *words);
    int64_t *room = calloc(2 * m + 1, sizeof *room);
    uint8_t *gives = calloc(n, 1);
    if (!net || !words || !room || !gives) {
        free(net);
        free(words);
        free(room);
        free(gives);
        return rt_fail(error, RT_ERR_NO_MEMORY, "network: no memory for %d nodes and %d arcs", nodes, arcs);
    }
    *net = (rt_network){.nodes = nodes, .arcs = arcs, .first = words, .room = room, .gives = gives};
    net->level = net->first + n + 1;
    net->next = net->level + n;
    net->queue = net->next + n;
    net->path = net->queue + n;
    net->place = net->path + n;
    net->head = net->place + m;
    net->pair = net->head + 2 * m;
    lay_arcs(net, src, dst);
    *made = net;
    return RT_OK;
}

void rt_network_free(rt_network *net) {
    if (net) {
        free(net->first);
        free(net->room);
        free(net->gives);
        free(net);
    }
}

static int load(rt_network *net, const int64_t *capacity, rt_error *error) {
    int64_t total = 0;
    for (int32_t i = 0; i < net->arcs; i++) {
        if (capacity[i] < 0) {
            return rt_fail(error, RT_ERR_INVALID, "network: arc %d has capacity %lld, expected 0 or more", i,
                           (long long)capacity[i]);
        }
        if (__builtin_add_overflow(total, capacity[i], &total)) {
            return rt_fail(error, RT_ERR_OVERFLOW, "network: the capacities together exceed 2^63 - 1");
        }
        net->room[net->place[i]] = capacity[i];
        net->room[net->pair[net->place[i]]] = 0;
    }
    memset(net->gives, 0, (size_t)net->nodes);
    return RT_OK;
}

static void forget_levels(rt_network *net, int32_t seen) {
    for (int32_t i = 0; i < seen; i++) {
        net->level[net->queue[i]] = UNSEEN;
    }
}

/* Levels of the nodes up to that of the nearest sources, `nearest`, which is UNSEEN where none leads to the sink: then
 * all nodes that do were seen. Returns how many were; they are in the queue. */
static int32_t find_levels(rt_network *net, int32_t sink, int32_t *nearest) {
    int32_t seen = 0;
    *nearest = UNSEEN;
    net->queue[seen++] = sink;
    net->level[sink] = 0;
    for (int32_t i = 0; i < seen; i++) {
        int32_t node = net->queue[i];
        if (*nearest != UNSEEN && net->level[node] >= *nearest) {
            break;
        }
        for (int32_t at = net->first[node]; at < net->first[node + 1]; at++) {
            int32_t from = net->head[at];
            if (net->level[from] == UNSEEN && net->room[net->pair[at]] > 0) {
                net->level[from] = net->level[node] + 1;
                net->next[from] = net->first[from];
                net->queue[seen++] = from;
                if (net->gives[from]) {
                    *nearest = net->level[from];
                }
            }
        }
    }
    return seen;
}

/* One more path from the source down the levels, and what can flow along it, up to `most`; 0 where there is none. */
static int64_t push(rt_network *net, int32_t source, int32_t sink, int64_t most) {
    int32_t length = 0, node = source;
    while (node != sink) {
        int32_t at = net->next[node];
        if (at == net->first[node + 1]) { /* a dead end */
            if (length == 0) {
                return 0;
            }
            node = net->head[net->pair[net->path[--length]]];
            net->next[node]++;
        } else if (net->room[at] > 0 && net->level[net->head[at]] == net->level[node] - 1) {
            net->path[length++] = at;
            node = net->head[at];
        } else {
            net->next[node]++;
        }
    }
    for (int32_t i = 0; i < length; i++) {
        most = net->room[net->path[i]] < most ? net->room[net->path[i]] : most;
    }
    for (int32_t i = 0; i < length; i++) {
        net->room[net->path[i]] -= most;
        net->room[net->pair[net->path[i]]] += most;
    }
    return most;
}

/* What reaches the sink, up to `enough`; where it is less, its side of the cut. */
static int64_t fill(rt_network *net, int32_t sink, int64_t enough, uint8_t *beyond) {
    int64_t flow = 0;
    while (flow < enough) {
        int32_t nearest, seen = find_levels(net, sink, &nearest);
        if (nearest == UNSEEN) {
            memset(beyond, 0, (size_t)net->nodes);
            for (int32_t i = 0; i < seen; i++) {
                beyond[net->queue[i]] = 1;
            }
            forget_levels(net, seen);
            return flow;
        }
        for (int32_t i = seen - 1; net->level[net->queue[i]] == nearest; i--) {
            int64_t sent = net->gives[net->queue[i]];
            while (sent > 0 && flow < enough) {
                sent = push(net, net->queue[i], sink, enough - flow);
                flow += sent;
            }
        }
        forget_levels(net, seen);
    }
    return flow;
}

int rt_network_short(rt_network *net, const int64_t *capacity, int32_t source, int32_t n_sinks, const int32_t *sinks,
                     int64_t enough, int32_t *first, int64_t *flow, uint8_t *beyond, rt_error *error) {
    for (int32_t i = -1; i < n_sinks; i++) {
        int32_t node = i < 0 ? source : sinks[i];
        if (node < 0 || node >= net->nodes || (i >= 0 && node == source)) {
            return rt_fail(error, RT_ERR_INVALID, "network: found %s %d, expected a node of 0 to %d%s",
                           i < 0 ? "source" : "sink", node, net->nodes - 1, i < 0 ? "" : " that is not the source");
        }
    }
    int status = load(net, capacity, error);
    if (status != RT_OK) {
        return status;
    }
    net->gives[source] = 1;
    for (*first = 0; *first < n_sinks; ++*first) {
        int32_t sink = sinks[*first];
        if (net->gives[sink]) {
            continue; /* named twice */
        }
        *flow = fill(net, sink, enough, beyond);
        if (*flow < enough) {
            break;
        }
        net->gives[sink] = 1;
    }
    return RT_OK;
}
