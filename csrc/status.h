/* status: how every function of the core says what went wrong.
 *
 *   caller ── rt_error err ──▶ rt_x(..., &err) ──▶ RT_OK | RT_PENDING | RT_ERR_*
 *                 ▲                                       │
 *                 └── one sentence: what, where, ◀────────┘
 *                     found, expected
 *
 * The caller owns the rt_error; the core keeps no error state of its own. A function that returns RT_OK or
 * RT_PENDING leaves the text as it was. Passing NULL for the error is allowed and loses the text.
 */
#ifndef RINGTREE_STATUS_H
#define RINGTREE_STATUS_H

/* cffi: begin */
typedef enum rt_status {
    RT_OK = 0,
    RT_PENDING = 1,           /* not finished yet: call again */
    RT_ERR_INVALID = -1,      /* an argument is wrong */
    RT_ERR_NO_MEMORY = -2,    /* malloc, or no space in /dev/shm */
    RT_ERR_NO_ROUTE = -3,     /* two devices that no path joins */
    RT_ERR_DEADLOCK = -4,     /* a program that cannot advance */
    RT_ERR_WRONG_RESULT = -5, /* a program whose output is not the collective's */
    RT_ERR_RACE = -6,         /* two unordered steps on the same bytes, one of them writing */
    RT_ERR_OVERFLOW = -7,     /* a size that does not fit */
    RT_ERR_TIMEOUT = -8,      /* ranks did not arrive in time */
    RT_ERR_MISMATCH = -9,     /* ranks disagree about the operation */
    RT_ERR_REVOKED = -10,     /* an earlier error ended this communicator */
    RT_ERR_SYSTEM = -11,      /* the operating system refused; the text has errno's words */
    RT_ERR_UNSUPPORTED = -12, /* a type the operation does not know, an algorithm that cannot run here */
    RT_ERR_FORKED = -13,      /* used in a child of the process that made it */
    RT_ERR_BUSY = -14         /* another thread is at it */
} rt_status;

enum { RT_ERROR_TEXT = 512 };

typedef struct rt_error {
    char text[512];
} rt_error;
/* cffi: end */

/* Write the text (printf form) into `error` when it is not NULL, and return `status`. */
int rt_fail(rt_error *error, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
