/* ndarray: where a NumPy array's elements are, read from the array object itself; and what a tuple holds.
 *
 *   array ─▶ [ references │ type │ data │ nd │ dimensions │ strides │ base │ descr │ flags │ ... ]
 *   tuple ─▶ [ references │ type │ length │ item │ item │ ... ]          from CPython 3.14 on a hash before the items
 *
 * Asking NumPy through Python's buffer protocol takes longer than a small collective does, and each argument of a call
 * a tenth of one. These fields are public (PyArrayObject_fields in numpy/ndarraytypes.h, PyTupleObject in CPython's
 * cpython/tupleobject.h), the array's the same since NumPy 1.7; Python checks them against what it says of objects
 * made for the purpose before it offers a table here, else none is used. It is none where an object's head is not two
 * words, as in CPython without its lock.
 *
 * A table knows the array type and the element types by the addresses of their objects, which live as long as the
 * process. What is not exactly that type, contiguous and aligned is not understood, and takes the long way.
 *
 * What was done to an array's memory holds as long as the array has it: rt_array_state is how to see that it has not
 * been resized.
 *
 * Ownership: the table is Python's, as are the objects, which live for the time of the call; that of a state must live
 * as long as it is asked about.
 */
#ifndef RINGTREE_NDARRAY_H
#define RINGTREE_NDARRAY_H

#include <stdbool.h>
#include <stdint.h>

/* cffi: begin */
enum { RT_ARRAY_TYPES = 32 };

typedef struct rt_ndarrays {
    uint64_t array_type; /* address of numpy.ndarray */
    uint64_t in_place;   /* of the object that stands for "where the result goes"; 0: none */
    int64_t types;
    uint64_t descrs[32]; /* addresses of dtype objects */
    int32_t dtypes[32];  /* the rt_dtype of each */
} rt_ndarrays;

typedef struct rt_ndarray {
    void *data;
    int64_t count;
    int32_t dtype;
    int32_t writable;
} rt_ndarray;

/* 1 and the view filled, or 0 where the object is not understood. Dangerous: the object must be a Python object. */
int rt_ndarray_read(const rt_ndarrays *known, uint64_t object, rt_ndarray *view);

typedef struct rt_array_state {
    uint64_t object; /* 0: of no array, which stands for ever */
    const void *data, *descr;
    int64_t count;
} rt_array_state;

/* Dangerous: the object must be a NumPy array, of the table's type or below it. */
void *rt_ndarray_memory(uint64_t object);
void rt_array_note(uint64_t object, rt_array_state *state);
/* Whether the array still has the memory that it had. */
int rt_array_stands(const rt_array_state *state);

/* Dangerous: the object must have so many words. */
uint64_t rt_object_word(uint64_t object, int64_t word);
/* cffi: end */

#endif
