/* blame: who waits for whom, when no lane can go on. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "proof.h"

enum { TOLD = 4 }; /* members of a cycle that are spelled out */

/* The lane of the rank that is the next to use this end of the channel; -1: none will. */
static int32_t next_user(const rt_proof *proof, int32_t rank, int32_t channel, int opcodes) {
    for (int32_t id = proof->first_lane[rank]; id < proof->first_lane[rank + 1]; id++) {
        const rt_proof_lane *lane = &proof->lanes[id];
        rt_step step;
        for (int64_t i = lane->step; rt_program_next(proof->program, rank, lane->lane, i, &step); i++) {
            int32_t used = opcodes == RT_OPS_SEND ? step.send_channel : step.recv_channel;
            if (rt_opcode_in(opcodes, step.opcode) && used == channel) {
                return id;
            }
        }
    }
    return -1;
}

/* Who is waited for, and words for it. */
static int32_t waited_for(const rt_proof *proof, int32_t id, char *what, size_t size) {
    const rt_proof_lane *lane = &proof->lanes[id];
    if (lane->waits == RT_WAITS_STEP) {
        const rt_dep *dep = &lane->now.deps[lane->dep];
        int32_t other = proof->first_lane[lane->rank] + dep->lane + lane->dep_lanes;
        snprintf(what, size, "step %" PRId64 " of lane %d", dep->step, dep->lane + lane->dep_lanes);
        return proof->lanes[other].waits == RT_ALL_DONE ? -1 : other;
    }
    bool chunk = lane->waits == RT_WAITS_CHUNK;
    int32_t channel = chunk ? lane->now.recv_channel : lane->now.send_channel;
    const rt_channel *ranks = &proof->channels[channel].ranks;
    snprintf(what, size, chunk ? "a chunk from rank %d on channel %d" : "rank %d to free a slot of channel %d",
             chunk ? ranks->src : ranks->dst, channel);
    return chunk ? next_user(proof, ranks->src, channel, RT_OPS_SEND)
                 : next_user(proof, ranks->dst, channel, RT_OPS_RECEIVE);
}

static bool nobody(rt_proof *proof, const rt_proof_lane *lane, const char *what) {
    return rt_proof_fail(proof, lane->rank, lane->lane, lane->step, RT_ERR_DEADLOCK, "waits for %s, which never comes",
                         what);
}

static bool cycle(rt_proof *proof, int32_t first) {
    char text[400], what[96];
    int used = 0, members = 0;
    int32_t id = first;
    do {
        const rt_proof_lane *lane = &proof->lanes[id];
        int32_t next = waited_for(proof, id, what, sizeof what);
        if (members > 0 && members < TOLD) {
            used += snprintf(text + used, sizeof text - (size_t)used, "; rank %d, lane %d, step %" PRId64 " for %s",
                             lane->rank, lane->lane, lane->step, what);
        } else if (members == 0) {
            used += snprintf(text, sizeof text, "waits for %s", what);
        }
        members++;
        id = next;
    } while (id != first);
    const rt_proof_lane *lane = &proof->lanes[first];
    return rt_proof_fail(proof, lane->rank, lane->lane, lane->step, RT_ERR_DEADLOCK,
                         "%s%s: a circle of %d lanes with %d slots per channel", text, members > TOLD ? "; ..." : "",
                         members, proof->depth);
}

/* Follow whoever is waited for, from the first lane that cannot go on, until somebody comes up again or nobody does. */
bool rt_proof_blame(rt_proof *proof) {
    char what[96];
    uint8_t *met = calloc((size_t)proof->n_lanes, 1);
    int32_t id = 0;
    if (!met) {
        return rt_proof_no_memory(proof);
    }
    while (proof->lanes[id].waits == RT_ALL_DONE) {
        id++;
    }
    while (!met[id]) {
        met[id] = 1;
        int32_t next = waited_for(proof, id, what, sizeof what);
        if (next < 0) {
            free(met);
            return nobody(proof, &proof->lanes[id], what);
        }
        id = next;
    }
    free(met);
    return cycle(proof, id);
}
