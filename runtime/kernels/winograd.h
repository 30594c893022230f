/*
 * winograd.h - 3x3 convolutions with stride 1 over channels-last images by Winograd's minimal filtering (Lavin and Gray
 * 2015), F(2x2, 3x3) and F(4x4, 3x3): a tile of `side` x `side` outputs is
 *
 *     Y = A^T [ sum over channels of (G g G^T) * (B^T d B) ] A        (* is element by element)
 *
 * of the (side + 2)^2 inputs d below it, so that the sum over channels is one small matrix product for each of the
 * (side + 2)^2 points: 16 multiplications for 4 outputs and a channel, or 36 for 16, instead of 36 and 144.
 *
 * For random data and up to 2048 channels, the largest error is below 1e-6 (F(2x2)) and 5e-6 (F(4x4)) of the largest
 * output; measured were 7e-7 and 3.2e-6, where direct convolution has up to 6e-7. Outputs that are small beside the
 * largest have larger relative errors than direct convolution gives them. An input that is not finite spreads over its
 * tile: every output there may become NaN.
 *
 * Layouts, where points = (side + 2)^2:
 *   U, the weights    [point][the panels of gemm.h, with k = channels]
 *   V, the inputs     [point][tile][channels], rows and points padded to suit the caches
 * Tiles are numbered over the batch: image, row, column. A tile reads zeros outside of its image, and those at the
 * right and the bottom may have outputs that do not exist, which are left out. An output's value depends on channels
 * and side alone: neither on the batch, nor on the mode, nor on how tiles and panels are dealt to calls.
 *
 * There are two ways to run one convolution:
 *   by tiles:   any number of calls of run_tiles for parts of the tiles, each on its own. All of U is read for every
 *               block of tiles, which suits few channels and large images.
 *   by panels:  `input` for all tiles, in parts; then, when all of V is there, run_panels for parts of the panels. U is
 *               read once (for every few dozen tiles), V once a panel, which suits many channels and small images.
 */
#ifndef SN_RUNTIME_KERNELS_WINOGRAD_H
#define SN_RUNTIME_KERNELS_WINOGRAD_H

#include "runtime/kernels/gemm.h"

typedef struct sn_winograd {
    size_t side; /* 2 or 4 */
    /* As for direct convolution, except that b is U. The window has a 3 x 3 kernel, stride and dilation 1, any pad, and
     * nothing but ones on the depth axis; zeros are not read. next is prefetched by run_tiles and run_panels. */
    sn_gemm conv;
} sn_winograd;

typedef struct sn_winograd_kernels {
    size_t (*tiles)(const sn_winograd *w); /* of the batch */

    /* Sizes in floats, not checked for overflow. They depend on side, kc, n and, for V, the number of tiles. */
    size_t (*weights_size)(const sn_winograd *w);  /* U */
    size_t (*input_size)(const sn_winograd *w);    /* V */
    size_t (*tiles_scratch)(const sn_winograd *w); /* of a call of run_tiles */
    size_t (*panels_scratch)(const sn_winograd *w);

    /* The panels [panel0, panel1) of U, from weights that are packed for direct convolution. Computed in double. */
    void (*weights)(const sn_winograd *w, const float *packed, float *u, size_t panel0, size_t panel1);

    void (*run_tiles)(const sn_winograd *w, size_t tile0, size_t tile1, float *scratch);

    void (*input)(const sn_winograd *w, float *v, size_t tile0, size_t tile1);
    void (*run_panels)(const sn_winograd *w, const float *v, size_t panel0, size_t panel1, float *scratch);
} sn_winograd_kernels;

#endif
