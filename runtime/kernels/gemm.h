/*
 * gemm.h - C = epilogue(A * B), for matrices and for convolutions over channels-last images.
 *
 * The rows of A are read where they are: row m of a matrix is a[m * a_row ...]; row m of a convolution is output
 * position m (image, depth, height, width: the last one fastest), and consists of one piece of `kc` channels per tap,
 * read through pointers, so that the columns matrix never exists ("indirect" convolution, Dukhan 2019). B is packed:
 * panels of `nr` columns, each [k][nr], one after the other; k counts taps first, then channels. The last panel is
 * filled up with zeros, and is only nr / 2 wide when no more than nr / 2 columns are left.
 *
 * Every sum runs over k in an order that depends on taps and kc alone: neither on m, n, nor on the rectangle that a
 * call computes.
 */
#ifndef SN_RUNTIME_KERNELS_GEMM_H
#define SN_RUNTIME_KERNELS_GEMM_H

#include "runtime/kernels/activation.h"
#include "runtime/kernels/window.h"

/* Where lines of output positions begin in C, and in the residual, when they do not follow each other: floats from one
 * image, depth and height to the next. Within a line rows are c_row apart, and so are those of the residual. */
typedef struct sn_gemm_lines {
    size_t image, depth, height;
} sn_gemm_lines;

typedef struct sn_gemm {
    size_t m, n;
    size_t taps, kc; /* k = taps * kc; either may be 0 */
    const float *a;
    size_t a_row;
    const sn_image_window *window; /* NULL: A is a matrix, and taps is 1 */
    const float *b;                /* packed */
    float *c;                      /* element (m, n) at c[m * c_row + n]; overlaps neither A nor the residual */
    size_t c_row;
    const sn_gemm_lines *lines; /* NULL: row m of C at c[m * c_row]; only with a window */
    sn_epilogue epilogue;
    const float
        *next; /* what will be read next, to be prefetched along the way: the weights of the next product; or NULL */
    size_t next_size; /* floats there */
} sn_gemm;

/* Element (tap, channel, column) of an unpacked B is b[tap * tap_pitch + channel * channel_pitch + column *
 * column_pitch]. */
typedef struct sn_gemm_source {
    const float *b;
    size_t taps, kc, n;
    ptrdiff_t tap_pitch, channel_pitch, column_pitch;
    /* Where the taps of B come from several sources: these are the lines of the panels from `line` on, of `lines` that
     * there are. Both 0: these are all. */
    size_t line, lines;
} sn_gemm_source;

typedef struct sn_gemm_kernels {
    size_t mr, nr; /* of the register tile */

    /* Floats of a packed B; never more than k * round_up(n, nr). Not NULL-checked for overflow: the caller did. */
    size_t (*packed_size)(size_t k, size_t n);
    /* Packs panels [panel0, panel1) of the ceil(n / nr) there are to their places in `packed`. */
    void (*pack)(const sn_gemm_source *s, float *packed, size_t panel0, size_t panel1);
    /* The inverse, to `b` with the pitches of s (s->b is not read). */
    void (*unpack)(const sn_gemm_source *s, const float *packed, float *b);
    /* Rows [m0, m1) of panels [panel0, panel1). */
    void (*run)(const sn_gemm *g, size_t m0, size_t m1, size_t panel0, size_t panel1);
} sn_gemm_kernels;

#endif
