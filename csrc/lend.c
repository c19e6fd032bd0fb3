/* lend: pages change places in pieces, so that at no time there is much more memory than the array's. */
#include "lend.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "segment.h"

void rt_whole_pages(uint64_t address, int64_t bytes, int64_t lengths[3]) {
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), end = address + (uint64_t)bytes;
    const uint64_t first = (address + page - 1) / page * page, last = end / page * page;
    const bool some = last > first;
    lengths[0] = some ? (int64_t)(first - address) : bytes;
    lengths[1] = some ? (int64_t)(last - first) : 0;
    lengths[2] = some ? (int64_t)(end - last) : 0;
}

#ifdef __linux__
enum { PIECE = 8 << 20 };

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* The pages become those at the target, with what is there. */
static int exchange(void *pages, char *target, int64_t bytes, rt_error *error) {
    memcpy(pages, target, (size_t)bytes);
    if (mremap(pages, (size_t)bytes, (size_t)bytes, MREMAP_MAYMOVE | MREMAP_FIXED, target) == MAP_FAILED) {
        return rt_fail(error, RT_ERR_SYSTEM, "register: cannot map %" PRId64 " bytes of the array: %s", bytes,
                       strerror(errno));
    }
    return RT_OK;
}

static int lend_piece(rt_segment *segment, char *target, int64_t bytes, rt_error *error) {
    int status = segment->file < 0 ? RT_OK : rt_segment_reserve(segment->file, segment->lent, bytes, error);
    status = status ? status : exchange(segment->data, target, bytes, error);
    if (status == RT_OK) {
        segment->data += bytes;
        segment->bytes -= bytes;
        segment->lent += bytes;
    }
    return status;
}

int rt_segment_lend(rt_segment *segment, uint64_t address, int64_t bytes, rt_error *error) {
    char *target = (char *)(uintptr_t)address;
    for (int64_t done = 0, piece; done < bytes; done += piece) {
        piece = least(PIECE, bytes - done);
        int status = lend_piece(segment, target + done, piece, error);
        if (status != RT_OK) {
            rt_segment_take_back(address, done, 1, NULL);
            return status;
        }
    }
    return RT_OK;
}

/* At most `bytes`, less where there is not so much; 0: nothing at all. */
static int64_t fresh(int64_t bytes, void **pages) {
    const int64_t page = sysconf(_SC_PAGESIZE);
    for (;; bytes = (bytes / 2 + page - 1) / page * page) {
        *pages = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (*pages != MAP_FAILED || bytes <= page) {
            return *pages == MAP_FAILED ? 0 : bytes;
        }
    }
}

static int take_back_piece(void *pages, char *target, int64_t bytes, int release, rt_error *error) {
    memcpy(pages, target, (size_t)bytes);
    if (release) {
        madvise(target, (size_t)bytes, MADV_REMOVE); /* if it cannot, the memory goes with the last mapping */
    }
    if (mremap(pages, (size_t)bytes, (size_t)bytes, MREMAP_MAYMOVE | MREMAP_FIXED, target) == MAP_FAILED) {
        int status = rt_fail(error, RT_ERR_SYSTEM, "register: cannot give the array %" PRId64 " bytes back: %s", bytes,
                             strerror(errno));
        memcpy(target, pages, (size_t)bytes);
        munmap(pages, (size_t)bytes);
        return status;
    }
    return RT_OK;
}

int rt_segment_take_back(uint64_t address, int64_t bytes, int release, rt_error *error) {
    char *target = (char *)(uintptr_t)address;
    for (int64_t done = 0, piece; done < bytes; done += piece) {
        void *pages;
        piece = fresh(least(PIECE, bytes - done), &pages);
        if (piece == 0) {
            return rt_fail(error, RT_ERR_NO_MEMORY, "register: no memory to give the array back: %s", strerror(errno));
        }
        int status = take_back_piece(pages, target + done, piece, release, error);
        if (status != RT_OK) {
            return status;
        }
    }
    return RT_OK;
}

int rt_segment_discard(uint64_t address, int64_t bytes, rt_error *error) {
    void *target = (void *)(uintptr_t)address;
    if (bytes == 0) {
        return RT_OK;
    }
    madvise(target, (size_t)bytes, MADV_REMOVE); /* if it cannot, the memory goes with the last mapping */
    if (mmap(target, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
        MAP_FAILED) {
        return rt_fail(error, RT_ERR_NO_MEMORY, "register: no %" PRId64 " bytes in place of the array: %s", bytes,
                       strerror(errno));
    }
    return RT_OK;
}
#else
int rt_segment_lend(rt_segment *segment, uint64_t address, int64_t bytes, rt_error *error) {
    (void)segment, (void)address;
    return bytes ? rt_fail(error, RT_ERR_UNSUPPORTED, "register: this system cannot move pages; use empty") : RT_OK;
}

int rt_segment_take_back(uint64_t address, int64_t bytes, int release, rt_error *error) {
    (void)address, (void)bytes, (void)release, (void)error;
    return RT_OK;
}

int rt_segment_discard(uint64_t address, int64_t bytes, rt_error *error) {
    (void)address, (void)bytes, (void)error;
    return RT_OK;
}
#endif
