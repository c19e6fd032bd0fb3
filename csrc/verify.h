/* verify: a symbolic run that proves a program right, or says where it is wrong.
 *
 *   buffers of each rank = runs of [begin, end) ─▶ value: {which element of the input, which ranks' contributions}
 *
 * Proved: every element of every output holds each rank's contribution exactly once (or the one rank's that it must
 * hold); every send is received with its count, nothing is left in a FIFO; with `depth` slots per channel some lane
 * can always advance; no two steps of a rank touch the same element, one of them writing, without an order between
 * them (lane order, dependencies and messages: vector clocks). Nothing is read before it is written, nothing beyond a
 * buffer's extent, and nothing is written to the input or between the parts of the output. Of a barrier: every rank
 * leaves after every other has come. Lanes may share a channel's end if they use it in an order that is fixed.
 *
 * That a send found a free slot orders nothing, since a transport may have more room than the program asks for: so
 * what is free of races at this depth is so at any, and what cannot block at this depth cannot at a larger one.
 *
 * Not proved: what rounding makes of the order of a sum, and anything about time.
 *
 * Cost: about 1 us per step; where ranks have several lanes, also a pass over (all such lanes)^2 x 4 bytes of clocks.
 *
 * in_place: input and output are one memory, as MPI.IN_PLACE lays them
 * (formats.md 4.1: all_gather, input c is output displacement + c; reduce_scatter, output c is input displacement + c).
 */
#ifndef RINGTREE_VERIFY_H
#define RINGTREE_VERIFY_H

#include "program.h"

/* cffi: begin */
typedef struct rt_verdict {
    int64_t steps;
    int64_t messages;
    int32_t rank; /* where it went wrong; -1 when right */
    int32_t lane;
    int64_t step;
} rt_verdict;

/* RT_OK, or RT_ERR_WRONG_RESULT, RT_ERR_DEADLOCK (who waits for whom), RT_ERR_RACE, RT_ERR_INVALID.
 * depth 0: the program's own. */
int rt_verify(const rt_program *program, int32_t depth, int in_place, rt_verdict *verdict, rt_error *error);
/* cffi: end */

#endif
