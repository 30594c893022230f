/* What the tests of implementations share beyond compare_sessions.h. */
#ifndef SN_TEST_IMPL_CASES_H
#define SN_TEST_IMPL_CASES_H

#include "tests/unit/runtime/compare_sessions.h"

/* How a model runs, for check_model; good until the next call. */
__attribute__((format(printf, 1, 2))) static inline const char *runs_as(const char *format, ...)
{
    static char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return text;
}

/* ---------------------------------------------------------------------------------------------------- windows */

static inline int axes_of(const int64_t size[3])
{
    return size[2] > 0 ? 3 : size[1] > 0 ? 2 : 1;
}

static inline void window_attrs(sn_model *m, int axes, const int64_t *kernel, const int64_t *stride,
                                const int64_t *dilation, const int64_t *pads, const char *auto_pad)
{
    attr_ints(m, "kernel_shape", kernel, (size_t)axes);
    if (stride[0] > 0) attr_ints(m, "strides", stride, (size_t)axes);
    if (dilation[0] > 0) attr_ints(m, "dilations", dilation, (size_t)axes);
    if (auto_pad) {
        attr_string(m, "auto_pad", auto_pad);
    } else {
        attr_ints(m, "pads", pads, 2 * (size_t)axes);
    }
}

#endif
