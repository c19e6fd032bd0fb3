/* segment: POSIX shared memory, private to this user, with every page reserved before use. */
#include "segment.h"

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

enum { PRIVATE_MODE = 0600, RANDOM_BYTES = 16 };

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
int rt_segment_reserve(int file, int64_t begin, int64_t bytes, rt_error *error) {
#ifdef __APPLE__
    int failed = ftruncate(file, begin + bytes) == 0 ? 0 : errno;
#else
    int failed;
    do {
        failed = posix_fallocate(file, begin, bytes);
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
    if (status == RT_OK && strlen(name) >= RT_SEGMENT_NAME_BYTES) {
        status = rt_fail(error, RT_ERR_INVALID, "shared segment %s: the name has more than %d characters", name,
                         RT_SEGMENT_NAME_BYTES - 1);
    }
    if (status != RT_OK) {
        return status;
    }
    int file = shm_open(name, O_CREAT | O_EXCL | O_RDWR, PRIVATE_MODE);
    if (file < 0) {
        return rt_fail(error, RT_ERR_SYSTEM, "shared segment %s: cannot create: %s", name, strerror(errno));
    }
    status = rt_segment_reserve(file, 0, bytes, error);
    if (status == RT_OK) {
        status = map(file, bytes, segment, error);
    }
    close(file);
    if (status != RT_OK) {
        shm_unlink(name);
        return status;
    }
    (*segment)->creator = getpid();
    snprintf((*segment)->name, RT_SEGMENT_NAME_BYTES, "%s", name);
    return RT_OK;
}

#ifdef __linux__
int rt_segment_create_nameless(const char *label, int64_t later, int64_t bytes, rt_segment **segment, rt_error *error) {
    int status = check_bytes(bytes, error);
    if (status == RT_OK && (later < 0 || later > bytes)) {
        status = rt_fail(error, RT_ERR_INVALID, "shared segment: %" PRId64 " of %" PRId64 " bytes later", later, bytes);
    }
    if (status != RT_OK) {
        return status;
    }
    int file = memfd_create(label, MFD_CLOEXEC);
    if (file < 0) {
        return rt_fail(error, RT_ERR_SYSTEM, "shared segment: no memory without a name: %s", strerror(errno));
    }
    status = fchmod(file, PRIVATE_MODE) == 0 && ftruncate(file, bytes) == 0
                 ? RT_OK
                 : rt_fail(error, RT_ERR_SYSTEM, "shared segment: %" PRId64 " bytes: %s", bytes, strerror(errno));
    status = status || later == bytes ? status : rt_segment_reserve(file, later, bytes - later, error);
    status = status ? status : map(file, bytes, segment, error);
    if (status != RT_OK) {
        close(file);
        return status;
    }
    (*segment)->creator = getpid();
    (*segment)->file = file;
    snprintf((*segment)->name, RT_SEGMENT_NAME_BYTES, "%s%ld/fd/%d#%s", OPEN_FILES, (long)getpid(), file, label);
    return RT_OK;
}

/* Who has that number here may be another process than the one that was meant (containers): the label tells. */
static int open_nameless(const char *name, rt_error *error) {
    char path[RT_SEGMENT_NAME_BYTES], wanted[RT_SEGMENT_NAME_BYTES + 20], link[40], found[RT_SEGMENT_NAME_BYTES + 20];
    const char *label = strchr(name, '#');
    if (!label || strlen(name) >= sizeof path) {
        return rt_fail(error, RT_ERR_INVALID, "shared segment %s: not a name of ours", name);
    }
    snprintf(path, sizeof path, "%.*s", (int)(label - name), name);
    int file = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) {
        return rt_fail(error, RT_ERR_SYSTEM, "shared segment %s: cannot open: %s", name, strerror(errno));
    }
    snprintf(wanted, sizeof wanted, "/memfd:%s (deleted)", label + 1);
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, found, sizeof found - 1);
    found[length < 0 ? 0 : length] = '\0';
    if (strcmp(found, wanted) != 0) {
        close(file);
        return rt_fail(error, RT_ERR_SYSTEM, "shared segment %s: found %s: the ranks see different processes", name,
                       found);
    }
    return file;
}
#else
int rt_segment_create_nameless(const char *label, int64_t later, int64_t bytes, rt_segment **segment, rt_error *error) {
    (void)label, (void)later;
    char name[RT_SEGMENT_NAME_BYTES];
    int status = rt_segment_name(name, error);
    return status ? status : rt_segment_create(name, bytes, segment, error);
}

static int open_nameless(const char *name, rt_error *error) {
    return rt_fail(error, RT_ERR_UNSUPPORTED, "shared segment %s: not on this system", name);
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
    int file = is_nameless(name) ? open_nameless(name, error) : shm_open(name, O_RDWR, 0);
    if (file < 0) {
        return is_nameless(name)
                   ? file
                   : rt_fail(error, RT_ERR_SYSTEM, "shared segment %s: cannot open: %s", name, strerror(errno));
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
