/* What the convolution steps share: where the window is, and where taps outside of the image read. */
#ifndef SN_RUNTIME_CONV_H
#define SN_RUNTIME_CONV_H

#include "ops/conv.h"
#include "runtime/impl.h"

/* Sizes of the site's convolution; false when they do not fit what the kernels take (1 to 3 spatial axes, floats). */
bool sn_conv_site(const sn_impl_site *site, sn_conv_sizes *sizes);
bool sn_conv_transpose_site(const sn_impl_site *site, sn_conv_sizes *sizes);
/* The window over channels-last images of `channels`, the axes spread over depth, height and width. */
sn_image_window sn_conv_window(const sn_conv_sizes *sizes, size_t channels);
/* Gives the window its zeros, from the arena; false when memory is out. */
bool sn_conv_zeros(sn_image_window *w, size_t channels, sn_arena *arena);

/* [M, C / group, taps...]: per group a product with kc = C / group channels for each tap. */
bool sn_conv_weights(const void *params, const sn_shape *weight, sn_pack_form *form);

static inline size_t sn_conv_positions(const sn_image_window *w)
{
    return (size_t)(w->out[0] * w->out[1] * w->out[2]);
}

#endif
