/* What eval functions lean on: outputs and scratch through the runner's services, copies, random numbers. */
#include "ops/op.h"

#include "base/size.h"
#include <math.h>
#include <stdio.h>

int sn_eval_error(sn_eval *x, sinter_status code, const char *format, ...)
{
    char text[600];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!x->model) return sn_error_set(x->err, code, "%s: %s", x->op->name, text);
    sn_str label = sn_node_label(x->model, x->node);
    return sn_error_set(x->err, code, "node '%.*s' (%s): %s", SN_STR_ARG(label), x->op->name, text);
}

static bool is_wanted(const sn_eval *x, size_t i)
{
    return i < x->n_out && x->out_wanted[i];
}

/* Memory that eval may write to and that nobody reads. */
static sinter_status unwanted_output(sn_eval *x, sinter_dtype dtype, const sn_shape *shape, size_t size,
                                     sinter_value **out)
{
    sinter_value *header = sn_eval_scratch(x, sizeof *header);
    void *data = sn_eval_scratch(x, size);
    if (!header || !data) return sn_no_memory(x->err, "evaluating a node");
    if (dtype == SINTER_STRING) memset(data, 0, size);
    memset(header, 0, sizeof *header);
    sn_tensor_init_borrowed(header, dtype, shape, data);
    *out = header;
    return SINTER_OK;
}

sinter_status sn_eval_output(sn_eval *x, size_t i, sinter_dtype dtype, const sn_shape *shape, sinter_value **out)
{
    size_t count, size;
    sinter_error why;
    sinter_status status = sn_tensor_extent(dtype, shape, &count, &size, &why);
    if (status != SINTER_OK) {
        status = status == SINTER_INVALID_ARGUMENT ? SINTER_INVALID_INPUT : status;
        return sn_eval_fail(x, status, "output %zu: %s", i, why.text);
    }
    if (!is_wanted(x, i)) return unwanted_output(x, dtype, shape, size, out);
    return x->services->output(x, i, dtype, shape, out);
}

sinter_status sn_eval_give(sn_eval *x, size_t i, sinter_value *value)
{
    if (is_wanted(x, i)) return x->services->give(x, i, value);
    sinter_value_release(value);
    return SINTER_OK;
}

void *sn_eval_scratch(sn_eval *x, size_t size)
{
    return size > SN_MAX_TENSOR_BYTES ? NULL : x->services->scratch(x, size);
}

bool sn_eval_cancelled(const sn_eval *x)
{
    /* Another thread sets the flag: without the atomic load a compiler may read it once before the loop. */
    return x->cancel && __atomic_load_n(x->cancel, __ATOMIC_RELAXED);
}

sinter_status sn_eval_copy(sn_eval *x, size_t i, const sinter_value *src, const sn_shape *shape)
{
    if (!is_wanted(x, i)) return SINTER_OK;
    if (src->kind != SINTER_KIND_TENSOR) return sn_eval_give(x, i, sinter_value_retain((sinter_value *)src));
    sinter_value *out;
    SN_TRY(sn_eval_output(x, i, src->dtype, shape, &out));
    if (out->size != src->size) {
        return sn_eval_fail(x, SINTER_INVALID_INPUT, "%zu elements do not fit a shape of %zu", src->count, out->count);
    }
    if (out->data != src->data && src->size > 0) memcpy(out->data, src->data, src->size);
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- random */

uint64_t sn_random_u64(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

double sn_random_uniform(uint64_t *state)
{
    return (double)(sn_random_u64(state) >> 11) * 0x1p-53;
}

double sn_random_normal(uint64_t *state)
{
    /* Box-Muller; 1 - u keeps the logarithm away from zero. */
    double u = 1.0 - sn_random_uniform(state), v = sn_random_uniform(state);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586476925 * v);
}
