/* Geometry of convolution steps: see conv.h. */
#include "runtime/conv.h"

static bool is_floats(const sn_impl_site *site, size_t i)
{
    return !sn_site_has(site, i) || sn_fact_is_float(&site->in[i]);
}

static bool site_sizes(const sn_impl_site *site, sn_conv_geometry_fn *geometry, sn_conv_sizes *sizes)
{
    const sn_shape *x = sn_site_in(site, 0), *w = sn_site_in(site, 1);
    if (!is_floats(site, 0) || !is_floats(site, 1) || !is_floats(site, 2) || !sn_fact_is_float(&site->out[0]))
        return false;
    if (x->rank < 3 || x->rank > 2 + SN_WINDOW_AXES || w->rank != x->rank) return false;
    return geometry(site->params, x, w, sizes, NULL) == SINTER_OK;
}

bool sn_conv_site(const sn_impl_site *site, sn_conv_sizes *sizes)
{
    return site_sizes(site, sn_conv_geometry, sizes);
}

bool sn_conv_transpose_site(const sn_impl_site *site, sn_conv_sizes *sizes)
{
    return site_sizes(site, sn_conv_transpose_geometry, sizes);
}

sn_image_window sn_conv_window(const sn_conv_sizes *sizes, size_t channels)
{
    sn_image_window w;
    ptrdiff_t pitch = (ptrdiff_t)channels;
    for (int axis = SN_WINDOW_AXES - 1; axis >= 0; axis--) {
        int i = axis - (SN_WINDOW_AXES - sizes->rank);
        sn_window_axis a = {.in = 1, .out = 1, .kernel = 1, .stride = 1, .dilation = 1};
        if (i >= 0) a = sizes->axis[i];
        w.in[axis] = a.in;
        w.out[axis] = a.out;
        w.kernel[axis] = a.kernel;
        w.stride[axis] = a.stride;
        w.dilation[axis] = a.dilation;
        w.pad[axis] = a.pad_begin;
        w.pitch[axis] = pitch;
        pitch *= a.in;
    }
    w.image = pitch;
    w.zeros = NULL;
    return w;
}

bool sn_conv_zeros(sn_image_window *w, size_t channels, sn_arena *arena)
{
    w->zeros = SN_ARENA_ARRAY(arena, float, channels);
    return w->zeros != NULL;
}
