/* ndarray: where a NumPy array's elements are, read from the array object itself.
 *
 *   object ─▶ [ object head │ data │ nd │ dimensions │ strides │ base │ descr │ flags │ ... ]
 *
 * Asking NumPy through Python's buffer protocol takes longer than a small collective does. These fields are public
 * (PyArrayObject_fields in numpy/ndarraytypes.h) and have been the same since NumPy 1.7; Python checks them against
 * what NumPy says of arrays made for the purpose before it offers a table here, else none is used.
 *
 * A table knows the array type and the element types by the addresses of their objects, which live as long as the
 * process. What is not exactly that type, contiguous and aligned is not understood, and takes the long way.
 *
 * Ownership: the table is Python's, as are the objects, which live for the time of the call.
 */
#ifndef RINGTREE_NDARRAY_H
#define RINGTREE_NDARRAY_H

#include <stdbool.h>
#include <stdint.h>

/* cffi: begin */
enum { RT_ARRAY_TYPES = 32 };

typedef struct rt_ndarrays {
    uint64_t array_type; /* address of numpy.ndarray */
    int32_t head_bytes;  /* of an object's head; its type is the last pointer in it */
    int32_t types;
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
/* cffi: end */

#endif
