/* opcode: what each kind of step does. */
#ifndef RINGTREE_OPCODE_H
#define RINGTREE_OPCODE_H

#include <stdbool.h>

#include "program.h"

enum {
    RT_OPS_RECEIVE = 1 << RT_RECV | 1 << RT_RECV_SEND | 1 << RT_RECV_REDUCE | 1 << RT_RECV_REDUCE_SEND |
        1 << RT_RECV_REDUCE_STORE_SEND,
    RT_OPS_SEND = 1 << RT_SEND | 1 << RT_RECV_SEND | 1 << RT_RECV_REDUCE_SEND | 1 << RT_RECV_REDUCE_STORE_SEND,
    RT_OPS_COMBINE = 1 << RT_REDUCE_LOCAL | 1 << RT_RECV_REDUCE | 1 << RT_RECV_REDUCE_SEND |
        1 << RT_RECV_REDUCE_STORE_SEND,
    RT_OPS_READ_SRC = RT_OPS_COMBINE | 1 << RT_SEND | 1 << RT_COPY,
    RT_OPS_WRITE_DST = 1 << RT_RECV | 1 << RT_COPY | 1 << RT_REDUCE_LOCAL | 1 << RT_RECV_SEND | 1 << RT_RECV_REDUCE |
        1 << RT_RECV_REDUCE_STORE_SEND
};

/* One of the sets above; opcodes that are reserved or unknown are in none. */
static inline bool rt_opcode_in(int set, int opcode) {
    return opcode < RT_MULTICAST && (set >> opcode & 1);
}

#endif
