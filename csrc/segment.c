/* segment: POSIX shared memory, private to this user, with every page reserved before use. */
#include "lend.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#ifdef __APPLE__
#include <sys/random.h>
#endif

enum { PRIVATE_MODE = 0600, RANDOM_BYTES = 16, NAME_BYTES = 48 };

struct rt_segment {
    void *data;
    int64_t bytes;
    pid_t creator;         /* 0: attached */
    int file;              /* of what has no name in /dev/shm, as long as others may come; -1 */
    char name[NAME_BYTES]; /* of what was created */
};

static const char OPEN_FILES[] = "/proc/";

int rt_segment_name(char *name, rt_error *error) {
    unsigned char noise[RANDOM_BYTES];
    if (getentropy(noise, sizeof noise) != 0) {
        return rt_fail(error, RT_ERR_SYSTEM, "shared segment: no random name: %s", strerror(errno));
    }
    int length = sprintf(name, "/ringtree-");
    for (size_t i = 0; i < sizeof noise; i++) {
        length += sprintf(name + length, "%02x", noise[i]);
    }
    return RT_OK;
}

static int no_room(int file, int64_t bytes, rt_error *error) {
    struct statvfs space;
    int64_t available = fstatvfs(file, &space) == 0 ? (int64_t)space.f_bavail * (int64_t)space.f_frsize : 0;
    return rt_fail(error, RT_ERR_NO_MEMORY,
                   "shared segment: %" PRId64 " bytes asked for, %" PRId64
                   " free in /dev/shm (or the file size limit is lower): set RINGTREE_ARENA to a smaller size or "
                   "enlarge /dev/shm",
                   bytes, available);
}

/* Take all pages now: a page missing later would be a bus error. */
static int reserve(int file, int64_t bytes, rt_error *error) {
#ifdef __APPLE__
    int failed = ftruncate(file, bytes) == 0 ? 0 : errno;
#else
    int failed;
    do {
        failed = posix_fallocate(file, 0, bytes);
    } while (failed == EINTR);
#endif
    if (failed == ENOSPC || failed == EFBIG || failed == ENOMEM) {
        return no_room(file, bytes, error);
    }
    if (failed) {
        return rt_fail(error, RT_ERR_SYSTEM, "shared segment: cannot reserve %" PRId64 " bytes: %s", bytes,
                       strerror(failed));
    }
    return RT_OK;
}

static int map(int file, int64_t bytes, rt_segment **segment, rt_error *error) {
    rt_segment *made = malloc(sizeof *made);
    if (!made) {
        return rt_fail(error, RT_ERR_NO_MEMORY, "shared segment: out of memory");
    }
    *made = (struct rt_segment){.bytes = bytes, .file = -1};
    made->data = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (made->data == MAP_FAILED) {
        free(made);
        return rt_fail(error, RT_ERR_NO_MEMORY, "shared segment: cannot map %" PRId64 " bytes: %s", bytes,
                       strerror(errno));
    }
    *segment = made;
    return RT_OK;
}

static int check_bytes(int64_t bytes, rt_error *error) {
    return bytes > 0 ? RT_OK
                     : rt_fail(error, RT_ERR_INVALID, "shared segment: size is %" PRId64 " bytes, expected more than 0",
                               bytes);
}

int rt_segment_create(const char *name, int64_t bytes, rt_segment **segment, rt_error *error) {
    int status = check_bytes(bytes, error);
    if (status == RT_OK && strlen(name) >= NAME_BYTES) {
        status = rt_fail(error, RT_ERR_INVALID, "shared segment %s: the name has more than %d characters", name,
                         NAME_BYTES - 1);
    }
    if (status != RT_OK) {
        return status;
    }
    int file = shm_open(name, O_CREAT | O_EXCL | O_RDWR, PRIVATE_MODE);
    if (file < 0) {
        return rt_fail(error, RT_ERR_SYSTEM, "shared segment %s: cannot create: %s", name, strerror(errno));
    }
    status = reserve(file, bytes, error);
    if (status == RT_OK) {
        status = map(file, bytes, segment, error);
    }
    close(file);
    if (status != RT_OK) {
        shm_unlink(name);
        return status;
    }
    (*segment)->creator = getpid();
    snprintf((*segment)->name, NAME_BYTES, "%s", name);
    return RT_OK;
}

#ifdef __linux__
int rt_segment_create_nameless(const char *label, int64_t bytes, rt_segment **segment, rt_error *error) {
    int status = check_bytes(bytes, error);
    if (status != RT_OK) {
        return status;
    }
    int file = memfd_create(label, MFD_CLOEXEC);
    if (file < 0) {
        return rt_fail(error, RT_ERR_SYSTEM, "shared segment: no memory without a name: %s", strerror(errno));
    }
    status = fchmod(file, PRIVATE_MODE) == 0 ? RT_OK : RT_ERR_SYSTEM;
    status = status ? rt_fail(error, status, "shared segment: %s", strerror(errno)) : reserve(file, bytes, error);
    status = status ? status : map(file, bytes, segment, error);
    if (status != RT_OK) {
        close(file);
        return status;
    }
    (*segment)->creator = getpid();
    (*segment)->file = file;
    snprintf((*segment)->name, NAME_BYTES, "%s%ld/fd/%d", OPEN_FILES, (long)getpid(), file);
    return RT_OK;
}
#else
int rt_segment_create_nameless(const char *label, int64_t bytes, rt_segment **segment, rt_error *error) {
    (void)label;
    char name[NAME_BYTES];
    int status = rt_segment_name(name, error);
    return status ? status : rt_segment_create(name, bytes, segment, error);
}
#endif

const char *rt_segment_name_of(const rt_segment *segment) {
    return segment->name;
}

int rt_segment_hide(rt_segment *segment, rt_error *error) {
    if (segment->file < 0) {
        return rt_segment_unlink(segment->name, error);
    }
    close(segment->file);
    segment->file = -1;
    return RT_OK;
}

static bool is_nameless(const char *name) {
    return strncmp(name, OPEN_FILES, sizeof OPEN_FILES - 1) == 0;
}

/* The name may have been guessed or reused by somebody else: trust only what we could have made. */
static int check_file(int file, const char *name, int64_t bytes, rt_error *error) {
    struct stat facts;
    if (fstat(file, &facts) != 0) {
        return rt_fail(error, RT_ERR_SYSTEM, "shared segment %s: %s", name, strerror(errno));
    }
    if (facts.st_uid != geteuid()) {
        return rt_fail(error, RT_ERR_INVALID, "shared segment %s: belongs to user %ld, expected %ld", name,
                       (long)facts.st_uid, (long)geteuid());
    }
    if ((facts.st_mode & 0777) != PRIVATE_MODE) {
        return rt_fail(error, RT_ERR_INVALID, "shared segment %s: mode is %04o, expected %04o", name,
                       (unsigned)facts.st_mode & 0777, PRIVATE_MODE);
    }
    if ((int64_t)facts.st_size != bytes) {
        return rt_fail(error, RT_ERR_INVALID, "shared segment %s: holds %" PRId64 " bytes, expected %" PRId64, name,
                       (int64_t)facts.st_size, bytes);
    }
    return RT_OK;
}

int rt_segment_attach(const char *name, int64_t bytes, rt_segment **segment, rt_error *error) {
    int status = check_bytes(bytes, error);
    if (status != RT_OK) {
        return status;
    }
    int file = is_nameless(name) ? open(name, O_RDWR | O_CLOEXEC) : shm_open(name, O_RDWR, 0);
    if (file < 0) {
        return rt_fail(error, RT_ERR_SYSTEM, "shared segment %s: cannot open: %s", name, strerror(errno));
    }
    status = check_file(file, name, bytes, error);
    if (status == RT_OK) {
        status = map(file, bytes, segment, error);
    }
    close(file);
    return status;
}

int rt_segment_unlink(const char *name, rt_error *error) {
    if (shm_unlink(name) != 0) {
        return rt_fail(error, RT_ERR_SYSTEM, "shared segment %s: cannot unlink: %s", name, strerror(errno));
    }
    return RT_OK;
}

void *rt_segment_data(rt_segment *segment) {
    return segment->data;
}

int64_t rt_segment_bytes(const rt_segment *segment) {
    return segment->bytes;
}

void rt_segment_free(rt_segment *segment) {
    if (segment) {
        munmap(segment->data, (size_t)segment->bytes);
        if (segment->file >= 0) {
            close(segment->file);
        } else if (segment->creator == getpid() && !is_nameless(segment->name)) {
            shm_unlink(segment->name); /* mostly gone already; a forked child's copy is not the creator's */
        }
        free(segment);
    }
}

void rt_whole_pages(uint64_t address, int64_t bytes, int64_t lengths[3]) {
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), end = address + (uint64_t)bytes;
    const uint64_t first = (address + page - 1) / page * page, last = end / page * page;
    const bool some = last > first;
    lengths[0] = some ? (int64_t)(first - address) : bytes;
    lengths[1] = some ? (int64_t)(last - first) : 0;
    lengths[2] = some ? (int64_t)(end - last) : 0;
}

#ifdef __linux__
static int exchange(void *pages, uint64_t address, int64_t bytes, rt_error *error) {
    void *target = (void *)(uintptr_t)address;
    memcpy(pages, target, (size_t)bytes);
    if (mremap(pages, (size_t)bytes, (size_t)bytes, MREMAP_MAYMOVE | MREMAP_FIXED, target) == MAP_FAILED) {
        return rt_fail(error, RT_ERR_SYSTEM, "register: cannot map %" PRId64 " bytes of the array: %s", bytes,
                       strerror(errno));
    }
    return RT_OK;
}

int rt_segment_lend(rt_segment *segment, uint64_t address, int64_t bytes, rt_error *error) {
    if (bytes == 0) {
        return RT_OK;
    }
    int status = exchange(segment->data, address, bytes, error);
    if (status == RT_OK) {
        segment->data = (char *)segment->data + bytes;
        segment->bytes -= bytes;
    }
    return status;
}

int rt_segment_take_back(uint64_t address, int64_t bytes, rt_error *error) {
    if (bytes == 0) {
        return RT_OK;
    }
    void *pages = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) {
        return rt_fail(error, RT_ERR_NO_MEMORY, "register: no %" PRId64 " bytes to give the array back: %s", bytes,
                       strerror(errno));
    }
    int status = exchange(pages, address, bytes, error);
    if (status != RT_OK) {
        munmap(pages, (size_t)bytes);
    }
    return status;
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

int rt_segment_take_back(uint64_t address, int64_t bytes, rt_error *error) {
    (void)address, (void)bytes, (void)error;
    return RT_OK;
}

int rt_segment_discard(uint64_t address, int64_t bytes, rt_error *error) {
    (void)address, (void)bytes, (void)error;
    return RT_OK;
}
#endif
