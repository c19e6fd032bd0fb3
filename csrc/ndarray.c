#include "ndarray.h"

/* As numpy/ndarraytypes.h has it. */
typedef struct fields {
    uint64_t references;
    const void *type;
    char *data;
    int nd;
    const intptr_t *dimensions;
    const intptr_t *strides;
    void *base;
    void *descr;
    int flags;
} fields;

enum { C_CONTIGUOUS = 0x1, F_CONTIGUOUS = 0x2, ALIGNED = 0x100, WRITABLE = 0x400, MOST_DIMENSIONS = 64 };

static const fields *fields_of(uint64_t object) {
    return (const void *)(uintptr_t)object;
}

static int32_t dtype_of(const rt_ndarrays *known, const void *descr) {
    for (int64_t i = 0; i < known->types; i++) {
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
    const fields *array = fields_of(object);
    if ((uint64_t)(uintptr_t)array->type != known->array_type) {
        return 0;
    }
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

void *rt_ndarray_memory(uint64_t object) {
    return fields_of(object)->data;
}

uint64_t rt_object_word(uint64_t object, int64_t word) {
    const uintptr_t *words = (const void *)(uintptr_t)object;
    return words[word];
}

static rt_array_state state_of(uint64_t object) {
    const fields *array = fields_of(object);
    return (rt_array_state){object, array->data, array->descr, count_of(array)};
}

void rt_array_note(uint64_t object, rt_array_state *state) {
    *state = state_of(object);
}

int rt_array_stands(const rt_array_state *state) {
    if (!state->object) {
        return 1;
    }
    const rt_array_state now = state_of(state->object);
    return now.data == state->data && now.descr == state->descr && now.count == state->count;
}
