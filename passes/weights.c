#include "passes/weights.h"
#include <math.h>

static sinter_status not_finite(sinter_error *why, const char *what, size_t channel, sinter_dtype dtype)
{
    return sn_fail(why, SINTER_UNSUPPORTED, "the folded %s of channel %zu is not finite in %s", what, channel,
                   sinter_dtype_name(dtype));
}

/* Most weights are float: worth a loop without a switch per element. Results are added up because a sum of finite
 * floats in double is finite, and anything else makes it NaN or infinite. */
static bool scale_floats(const char *src, char *dst, size_t n, double scale)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        float f;
        memcpy(&f, src + i * sizeof f, sizeof f);
        f = (float)(f * scale);
        memcpy(dst + i * sizeof f, &f, sizeof f);
        sum += f;
    }
    return isfinite(sum);
}

static bool scale_run(sinter_dtype dtype, const void *src, void *dst, size_t first, size_t n, double scale)
{
    if (dtype == SINTER_FLOAT) {
        size_t offset = first * sizeof(float);
        return scale_floats((const char *)src + offset, (char *)dst + offset, n, scale);
    }
    bool finite = true;
    for (size_t i = first; i < first + n; i++) {
        sn_store_double(dtype, dst, i, sn_load_double(dtype, src, i) * scale);
        finite &= isfinite(sn_load_double(dtype, dst, i)) != 0;
    }
    return finite;
}

sinter_status sn_weights_scale(const sinter_value *w, const sn_weight_view *view, const double *scale,
                               sinter_value **out, sinter_error *why)
{
    sinter_value *scaled = NULL;
    SN_TRY(sn_tensor_create(w->dtype, &w->shape, &scaled, why));
    size_t first = 0;
    for (size_t g = 0; g < view->groups; g++)
        for (size_t o = 0; o < view->outer; o++)
            for (size_t c = 0; c < view->channels; c++) {
                size_t channel = g * view->channels + c;
                if (!scale_run(w->dtype, w->data, scaled->data, first, view->inner, scale[channel])) {
                    sinter_value_release(scaled);
                    return not_finite(why, "weight", channel, w->dtype);
                }
                first += view->inner;
            }
    *out = scaled;
    return SINTER_OK;
}

void sn_weights_project(const sinter_value *w, const sn_weight_view *view, const double *shift, bool by_inner,
                        double *sums)
{
    size_t n_sums = by_inner ? view->inner : view->groups * view->outer, element = 0;
    for (size_t i = 0; i < n_sums; i++) sums[i] = 0.0;
    for (size_t g = 0; g < view->groups; g++)
        for (size_t o = 0; o < view->outer; o++)
            for (size_t c = 0; c < view->channels; c++)
                for (size_t i = 0; i < view->inner; i++, element++)
                    sums[by_inner ? i : g * view->outer + o] +=
                        sn_load_double(w->dtype, w->data, element) * shift[g * view->channels + c];
}

sinter_status sn_weights_store(sinter_dtype dtype, const sn_shape *shape, const double *values, const char *what,
                               sinter_value **out, sinter_error *why)
{
    sinter_value *tensor = NULL;
    SN_TRY(sn_tensor_create(dtype, shape, &tensor, why));
    for (size_t i = 0; i < tensor->count; i++) {
        sn_store_double(dtype, tensor->data, i, values[i]);
        if (isfinite(sn_load_double(dtype, tensor->data, i))) continue;
        sinter_value_release(tensor);
        return not_finite(why, what, i, dtype);
    }
    *out = tensor;
    return SINTER_OK;
}
