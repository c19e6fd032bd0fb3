/* direction: what the files of the direct path know of an operation under way.
 *
 *   turn 0      write the own contribution             mark round first
 *   turn j      read what others marked in round        mark round first + j
 *               first + j - 1, write the next piece
 *   turn marks  read the last of it                     nothing more to mark
 *
 * A turn begins when the ranks that it needs have marked: who wrote what it reads, and who has yet to read what it
 * overwrites (rounds.h). work() is the collective's own part of a turn; all else is the same for all of them.
 */
#ifndef RINGTREE_DIRECTION_H
#define RINGTREE_DIRECTION_H

#include "comm.h"
#include "direct.h"
#include "fold.h"
#include "regular.h"
#include "rounds.h"

/* What a rank says in the first mark of a large operation. */
typedef struct rt_places {
    rt_place input, output;
    int64_t process; /* of private memory that the kernel may copy from: input.region is RT_PRIVATE */
    uint32_t lending, reserved;
} rt_places;

/* lending: which of the rank's buffers it would lend, and whether its caller can. */
enum { RT_LEND_INPUT = 1, RT_LEND_OUTPUT = 2, RT_CAN_LEND = 4 };

/* Another rank's buffers, as far as they can be reached. */
typedef struct rt_peer {
    const rt_region *input, *output; /* NULL: through slots */
    int64_t input_at, output_at;
    int64_t process; /* 0, or whose private memory input_at is an address of */
} rt_peer;

typedef struct rt_turns {
    int (*work)(rt_direct *, int64_t turn, rt_error *);
    rt_collective c;
    const char *input;
    char *output;
    int32_t dtype, op;
    int64_t element, bytes; /* bytes: what the size classes are about */
    int64_t input_bytes, output_bytes;
    bool inside, large; /* inside: the contribution fits the mark; large: in pieces, or in place where reachable */
    bool stream;
    bool placed;    /* ranks tell where their buffers lie */
    bool fetched;   /* private memory may be copied by the kernel */
    bool all_wait;  /* every rank needs every other in each turn */
    bool all_hear;  /* ... in turn 1 at least: what they say in the first mark concerns all */
    bool last_wait; /* the last round has to be seen by all before the operation ends */
    bool started;   /* nobody waits for it: others may make it go on */
    bool lends;     /* its caller can lend */
    uint64_t first; /* round */
    int64_t turn, marks;
    int64_t pieces, piece; /* of each part: how many, elements of one */
    int32_t looked;        /* ranks that are known to be far enough for this turn */
    rt_fold fold;
} rt_turns;

struct rt_direct {
    rt_comm *comm;
    rt_rounds rounds;
    rt_reach reach;
    rt_limits limits;
    rt_turns at;
    rt_turns plan;          /* of the last operation, before its first turn: often the next is the same */
    _Atomic uint32_t taken; /* by the thread that runs an operation */
    bool active;
    bool lends; /* whether this rank lends at all */
    uint64_t sequence;
    uint64_t planned, signature; /* of the plan; of all operations so far */
    uint32_t wishes, wished;     /* what of the last operation this rank would lend; some rank, where all can */
    rt_regulars regulars;
    rt_peer *peers;
    const void **sources; /* ranks */
    void **targets;       /* ranks + 1 */
};

enum { RT_QUICK_WAIT_NS = 50000000 }; /* signals are seen between two waits */

/* Make a started operation go on for who waits elsewhere; whether there is one. */
int rt_direct_help(rt_direct *direct);

/* Choose the way for the spec; RT_ERR_INVALID and the like before anything was said. */
int rt_direct_plan(rt_direct *direct, const rt_direct_spec *spec, rt_error *error);

int rt_reduce_whole(rt_direct *direct, int64_t turn, rt_error *error);
int rt_reduce_placed(rt_direct *direct, int64_t turn, rt_error *error);
int rt_reduce_parts(rt_direct *direct, int64_t turn, rt_error *error);
int rt_move_pieces(rt_direct *direct, int64_t turn, rt_error *error);
void rt_move_own(rt_direct *direct);

/* The first turn's and second turn's words about where buffers lie. */
void rt_places_tell(rt_direct *direct);
int rt_places_hear(rt_direct *direct, rt_error *error);

/* Whether others read the rank's input where it lies. */
static inline bool rt_peer_open(const rt_peer *peer) {
    return peer->input || peer->process;
}

static inline uint64_t rt_turn_round(const rt_turns *at) {
    return at->first + (uint64_t)at->turn;
}

/* Where this rank's contribution to the coming mark goes, and where another rank's of the round before lies. */
static inline char *rt_outbox(const rt_direct *d) {
    uint64_t round = rt_turn_round(&d->at);
    return d->at.inside ? (char *)rt_rounds_mark_of(&d->rounds, d->rounds.rank, round)->bytes
                        : rt_rounds_slot(&d->rounds, d->rounds.rank, round);
}

static inline const char *rt_inbox(const rt_direct *d, int32_t rank) {
    uint64_t round = rt_turn_round(&d->at) - 1;
    return d->at.inside ? (const char *)rt_rounds_mark_of(&d->rounds, rank, round)->bytes
                        : rt_rounds_slot(&d->rounds, rank, round);
}

static inline bool rt_takes_root(int kind) {
    return kind == RT_BROADCAST || kind == RT_GATHER || kind == RT_SCATTER || kind == RT_REDUCE;
}

#endif
