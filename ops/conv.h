/*
 * conv.h - Conv and ConvTranspose: parameters and geometry, read by the references here, by passes and by the runtime.
 *
 * Both connect a dense side and a strided side: element d of the dense side meets, through kernel tap k, element
 * d * stride + k * dilation - pad_begin of the strided side. Conv's output is dense and its input strided;
 * ConvTranspose is the same the other way round.
 */
#ifndef SN_OPS_CONV_H
#define SN_OPS_CONV_H

#include "ops/window.h"

typedef struct sn_conv_params {
    sn_window window;
    int64_t group;
    /* ConvTranspose */
    int64_t output_padding[SN_MAX_SPATIAL];
    bool has_output_shape;
    int64_t output_shape[SN_MAX_SPATIAL];
} sn_conv_params;

/* Sizes of one call. When made from facts, any size may be unknown or a symbol. */
typedef struct sn_conv_sizes {
    int rank; /* spatial axes */
    int64_t batch, group;
    int64_t in_channels, out_channels; /* of all groups */
    sn_window_axis axis[SN_MAX_SPATIAL];
} sn_conv_sizes;

typedef sinter_status sn_conv_geometry_fn(const sn_conv_params *p, const sn_shape *x, const sn_shape *w,
                                          sn_conv_sizes *out, sinter_error *err);

/* Checks that input [N, C, ...] and weight fit each other and the attributes; both ranks must be known. The weight is
 * [M, C/group, ...] for Conv, [C, M/group, ...] for ConvTranspose. */
SINTER_CHECK sinter_status sn_conv_geometry(const sn_conv_params *p, const sn_shape *x, const sn_shape *w,
                                            sn_conv_sizes *out, sinter_error *err);
SINTER_CHECK sinter_status sn_conv_transpose_geometry(const sn_conv_params *p, const sn_shape *x, const sn_shape *w,
                                                      sn_conv_sizes *out, sinter_error *err);
sn_shape sn_conv_output_shape(const sn_conv_sizes *s);

/* What the two operators share. */
typedef sinter_status sn_conv_loops_fn(sn_eval *x, const sn_conv_sizes *s, const void *in, const void *weight,
                                       const void *bias, void *out);
SINTER_CHECK sinter_status sn_conv_check_weight(const sn_conv_params *p, const sn_shape *x, const sn_shape *w,
                                                sinter_error *err);
SINTER_CHECK sinter_status sn_conv_prepare(sn_prepare *p, void *params);
SINTER_CHECK sinter_status sn_conv_infer(sn_infer *x, sn_conv_geometry_fn *geometry);
SINTER_CHECK sinter_status sn_conv_eval(sn_eval *x, sn_conv_geometry_fn *geometry, sn_conv_loops_fn *loops_float,
                                        sn_conv_loops_fn *loops_double);

/* The reference loops (conv_loops.c): in, weight, bias (or NULL) and out are float or double arrays. */
sn_conv_loops_fn sn_conv_loops_float, sn_conv_loops_double;
sn_conv_loops_fn sn_conv_transpose_loops_float, sn_conv_transpose_loops_double;

#endif
