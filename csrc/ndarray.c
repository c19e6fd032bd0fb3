#include "ndarray.h"

#include <stddef.h>
#include <string.h>

/* As numpy/ndarraytypes.h has it, behind the object's head. */
typedef struct fields {
    char *data;
    int nd;
    const intptr_t *dimensions;
    const intptr_t *strides;
    void *base;
    void *descr;
    int flags;
} fields;

enum { C_CONTIGUOUS = 0x1, F_CONTIGUOUS = 0x2, ALIGNED = 0x100, WRITABLE = 0x400, MOST_DIMENSIONS = 64 };

static int32_t dtype_of(const rt_ndarrays *known, const void *descr) {
    for (int32_t i = 0; i < known->types; i++) {
        if (known->descrs[i] == (uint64_t)(uintptr_t)descr) {
            return known->dtypes[i];
        }
    }
    return -1;
}

/* -1: more dimensions than NumPy has */
static int64_t count_of(const fields *array) {
    int64_t count = 1;
    if (array->nd < 0 || array->nd > MOST_DIMENSIONS) {
        return -1;
    }
    for (int i = 0; i < array->nd; i++) {
        count *= array->dimensions[i];
    }
    return count;
}

int rt_ndarray_read(const rt_ndarrays *known, uint64_t object, rt_ndarray *view) {
    const char *address = (const char *)(uintptr_t)object;
    uintptr_t type;
    memcpy(&type, address + known->head_bytes - sizeof type, sizeof type);
    if (type != known->array_type) {
        return 0;
    }
    const fields *array = (const void *)(address + known->head_bytes);
    view->dtype = dtype_of(known, array->descr);
    view->count = count_of(array);
    if (view->dtype < 0 || !(array->flags & (C_CONTIGUOUS | F_CONTIGUOUS)) || !(array->flags & ALIGNED) ||
        view->count < 0) {
        return 0;
    }
    view->data = array->data;
    view->writable = (array->flags & WRITABLE) != 0;
    return 1;
}

static rt_array_state state_of(uint64_t object, int64_t head_bytes) {
    const fields *array = (const void *)((uintptr_t)object + (uintptr_t)head_bytes);
    return (rt_array_state){object, head_bytes, array->data, array->descr, count_of(array)};
}

void rt_array_note(const rt_ndarrays *known, uint64_t object, rt_array_state *state) {
    *state = state_of(object, known->head_bytes);
}

int rt_array_stands(const rt_array_state *state) {
    if (!state->object) {
        return 1;
    }
    const rt_array_state now = state_of(state->object, state->head_bytes);
    return now.data == state->data && now.descr == state->descr && now.count == state->count;
}
