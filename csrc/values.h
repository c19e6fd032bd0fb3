/* values: what an element of a buffer holds, as the verifier sees it.
 *
 *   span = {length, element, set}: element, element + 1, ... of the input, each with the contributions of the ranks in
 *   `set`. A buffer, or a message, is a sequence of spans, so that counts of any size cost nothing.
 *
 * Sets of ranks are interned: equal sets have equal numbers. 0 is the empty set (never written), rank + 1 is {rank}.
 */
#ifndef RINGTREE_VALUES_H
#define RINGTREE_VALUES_H

#include <stdbool.h>
#include <stdint.h>

enum { RT_NOBODY = 0, RT_NO_SET = -1 };

typedef struct rt_span {
    int64_t length;
    int64_t element;
    int32_t set;
} rt_span;

typedef struct rt_spans {
    rt_span *items;
    int64_t n, capacity;
    int64_t length; /* of all together */
} rt_spans;

/* Append, joined with the last span where it goes on from there; false: no memory. */
bool rt_spans_add(rt_spans *spans, rt_span span);
void rt_spans_free(rt_spans *spans);
static inline void rt_spans_clear(rt_spans *spans) {
    spans->n = spans->length = 0;
}

typedef struct rt_sets {
    int32_t ranks, words, n, capacity;
    uint64_t *bits; /* n x words */
    int32_t *table; /* hash of the bits -> number, open addressing */
    int64_t table_mask;
    struct rt_union {
        int32_t a, b, both;
    } *unions; /* what was asked lately */
} rt_sets;

bool rt_sets_init(rt_sets *sets, int32_t ranks);
void rt_sets_free(rt_sets *sets);
/* The union of two sets without a common rank; RT_NO_SET where there is no memory. */
int32_t rt_sets_union(rt_sets *sets, int32_t a, int32_t b);
int32_t rt_sets_everybody(rt_sets *sets);
/* A rank in both, -1: none. */
int32_t rt_sets_common(const rt_sets *sets, int32_t a, int32_t b);
/* "ranks 0-2, 5", cut short where it does not fit. Returns `text`. */
const char *rt_sets_text(const rt_sets *sets, int32_t set, char *text, int32_t size);

#endif
