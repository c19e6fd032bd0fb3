#include "fetch.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/uio.h>
#endif

int64_t rt_fetch_process(void) {
    return getpid();
}

int rt_fetch(int64_t process, uint64_t address, void *to, int64_t bytes, rt_error *error) {
#ifdef __linux__
    for (int64_t done = 0; done < bytes;) {
        struct iovec here = {(char *)to + done, (size_t)(bytes - done)};
        struct iovec there = {(void *)(uintptr_t)(address + (uint64_t)done), (size_t)(bytes - done)};
        ssize_t n = process_vm_readv((pid_t)process, &here, 1, &there, 1, 0);
        if (n <= 0 && errno != EINTR) {
            return rt_fail(error, RT_ERR_SYSTEM, "cannot read the memory of process %ld: %s", (long)process,
                           n < 0 ? strerror(errno) : "nothing was read");
        }
        done += n > 0 ? n : 0;
    }
    return RT_OK;
#else
    (void)process, (void)address, (void)to, (void)bytes;
    return rt_fail(error, RT_ERR_SYSTEM, "this system has no single copy between processes");
#endif
}
