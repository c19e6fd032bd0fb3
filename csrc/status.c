#include "status.h"

#include <stdarg.h>
#include <stdio.h>

int rt_fail(rt_error *error, int status, const char *format, ...) {
    if (error) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(error->text, sizeof error->text, format, arguments);
        va_end(arguments);
    }
    return status;
}
