/*
 * planar.h - convolution of few channels over plain (channels-first) images, with output positions in the vector:
 *
 *     y[n][m][o] = activation(sum over c, t of w[m][c][t] * x[n][c][position(o, t)] + bias[m] + residual[n][m][o])
 *
 * for every output position o. Taps outside of the image are zeros. With few output channels a vector of channels
 * would be half empty, and both images would have to be reordered; positions there are always enough. The stride along
 * the width is 1, so that neighbours in a vector read neighbours.
 *
 * Every sum runs over c, then over the taps (the width fastest), one term after the other: it depends on nothing else.
 */
#ifndef SN_RUNTIME_KERNELS_PLANAR_H
#define SN_RUNTIME_KERNELS_PLANAR_H

#include "runtime/kernels/activation.h"
#include "runtime/kernels/window.h"

/* How the zero-padded copy of a strip of rows lies, which the sums are read from. */
typedef struct sn_planar_copy {
    size_t strip;       /* output rows that a copy serves */
    size_t pitch, rows; /* of a plane */
    size_t plane;       /* pitch * rows */
    size_t floats;      /* of all planes, and what vectors reach beyond them */
} sn_planar_copy;

typedef struct sn_planar {
    const sn_image_window *window; /* over dense planes: pitch[2] and stride[2] are 1, image is a plane */
    size_t in, out;                /* channels */
    const float *x;
    const float *weights; /* packed */
    float *y;
    const float *bias;     /* one per output channel, or NULL: 0 */
    const float *residual; /* lies as y, or NULL: 0 */
    sn_activation activation;
    sn_planar_copy copy;      /* both set by settle */
    const ptrdiff_t *offsets; /* of channel and tap, from where the copy has an output's first */
} sn_planar;

typedef struct sn_planar_kernels {
    /* Settles `copy`, and `offsets` in memory for in * taps of them. */
    void (*settle)(sn_planar *p, ptrdiff_t *offsets);
    /* ONNX weights [out][k], k counting channels and taps, to as many packed ones. */
    void (*pack)(const float *weights, size_t out, size_t k, float *packed);
    /* Output rows [row0, row1); image i, depth d, height h is row (i * out[0] + d) * out[1] + h. `scratch` has
     * copy.floats floats. */
    void (*run)(const sn_planar *p, size_t row0, size_t row1, float *scratch);
} sn_planar_kernels;

#endif
