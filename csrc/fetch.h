/* fetch: one copy from another process's private memory, by the kernel (process_vm_readv).
 *
 * Whether the kernel allows it depends on the system and the container: it is tried once, never assumed, and all ranks
 * must agree that it works before any of them says where its private memory lies.
 */
#ifndef RINGTREE_FETCH_H
#define RINGTREE_FETCH_H

#include <stdint.h>

#include "status.h"

/* cffi: begin */
int64_t rt_fetch_process(void); /* this process, as others name it */
/* RT_ERR_SYSTEM with errno's words where the kernel refuses. */
int rt_fetch(int64_t process, uint64_t address, void *to, int64_t bytes, rt_error *error);
/* cffi: end */

#endif
