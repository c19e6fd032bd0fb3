/* stream: copies that go past the cache.
 *
 *   source ──▶ registers ──▶ memory        the target's lines are neither read nor kept
 *
 * For chunks that are longer than their FIFO. Their slots' lines were last read by another core, so that plain stores
 * ask it for every line; on hosts whose cores share no cache that takes several times as long as the copy. What is
 * stored so is ordered by rt_stream_fence alone: it comes before the release that shows the slice.
 */
#ifndef RINGTREE_STREAM_H
#define RINGTREE_STREAM_H

#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* Best where `to` and its end are multiples of 64 bytes, a line: what lies beside whole 16 bytes is stored plainly. */
static inline void rt_stream(char *to, const char *from, int64_t bytes) {
    int64_t at = 0;
#if defined(__SSE2__)
    const int64_t head = (int64_t)(-(uintptr_t)to & 15);
    if (head < bytes) {
        memcpy(to, from, (size_t)head);
        for (at = head; at + 16 <= bytes; at += 16) {
            _mm_stream_si128((__m128i *)(void *)(to + at), _mm_loadu_si128((const __m128i *)(const void *)(from + at)));
        }
    }
#endif
    if (bytes > at) {
        memcpy(to + at, from + at, (size_t)(bytes - at));
    }
}

/* The same through the cache; nothing may be nowhere. */
static inline void rt_copy(char *to, const char *from, int64_t bytes) {
    if (bytes > 0) {
        memcpy(to, from, (size_t)bytes);
    }
}

static inline void rt_stream_fence(void) {
#if defined(__SSE2__)
    _mm_sfence();
#endif
}

#endif
