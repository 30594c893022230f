/* Constant in all its forms, and ConstantOfShape. */
#include "ops/infer_util.h"
#include "ops/movement.h"

/* ---------------------------------------------------------------------------------------------------- Constant */

typedef struct constant_params {
    sn_attr_type form;
    const sinter_value *tensor;
    const sn_sparse *sparse;
    const sn_attr *attr; /* of the other forms: numbers and strings as the attribute holds them */
    sinter_dtype dtype;
    sn_shape shape;
} constant_params;

typedef struct constant_form {
    const char *attr;
    sn_attr_type type;
    sinter_dtype dtype; /* UNDEFINED: the tensor's own */
    bool is_list;
} constant_form;

static const constant_form constant_forms[] = {
    {"value", SN_ATTR_TENSOR, SINTER_UNDEFINED, false},
    {"sparse_value", SN_ATTR_SPARSE_TENSOR, SINTER_UNDEFINED, false},
    {"value_int", SN_ATTR_INT, SINTER_INT64, false},
    {"value_ints", SN_ATTR_INTS, SINTER_INT64, true},
    {"value_float", SN_ATTR_FLOAT, SINTER_FLOAT, false},
    {"value_floats", SN_ATTR_FLOATS, SINTER_FLOAT, true},
    {"value_string", SN_ATTR_STRING, SINTER_STRING, false},
    {"value_strings", SN_ATTR_STRINGS, SINTER_STRING, true},
};

static sinter_status find_form(sn_prepare *p, const constant_form **form, const sn_attr **attr)
{
    *form = NULL;
    for (size_t i = 0; i < sizeof constant_forms / sizeof *constant_forms; i++) {
        const sn_attr *a = sn_node_attr(p->node, constant_forms[i].attr);
        if (!a) continue;
        if (*form) {
            return sn_prepare_fail(p, SINTER_INVALID_MODEL, "attributes '%s' and '%s', expected only one of them",
                                   (*form)->attr, constant_forms[i].attr);
        }
        *form = &constant_forms[i];
        *attr = a;
    }
    if (!*form) return sn_prepare_fail(p, SINTER_INVALID_MODEL, "attribute 'value' is missing");
    bool holds_one = (*attr)->type == (*form)->type;
    if ((*form)->type == SN_ATTR_TENSOR) holds_one = holds_one && (*attr)->tensor;
    if ((*form)->type == SN_ATTR_SPARSE_TENSOR) holds_one = holds_one && (*attr)->sparse;
    if (holds_one) return SINTER_OK;
    return sn_prepare_fail(p, SINTER_INVALID_MODEL, "attribute '%s' does not hold a value of its type", (*form)->attr);
}

/* values[nnz] and indices[nnz] or [nnz, rank]. */
static sinter_status check_sparse(sn_prepare *p, const sn_sparse *s)
{
    size_t count, size;
    const sinter_value *values = s->values, *indices = s->indices;
    if (!values || !indices || indices->dtype != SINTER_INT64) {
        return sn_prepare_fail(p, SINTER_INVALID_MODEL, "attribute 'sparse_value': expected values and int64 indices");
    }
    sinter_error why;
    if (sn_tensor_extent(values->dtype, &s->dims, &count, &size, &why) != SINTER_OK) {
        return sn_prepare_fail(p, SINTER_INVALID_MODEL, "attribute 'sparse_value': %s", why.text);
    }
    size_t per_value = indices->shape.rank == 2 ? (size_t)s->dims.rank : 1;
    bool fits = values->shape.rank == 1 && (indices->shape.rank == 1 || indices->shape.rank == 2) &&
                indices->shape.dims[0] == values->shape.dims[0] && indices->count == values->count * per_value;
    if (fits) return SINTER_OK;
    return sn_prepare_fail(p, SINTER_INVALID_MODEL, "attribute 'sparse_value': %zu indices for %zu values of rank %d",
                           indices->count, values->count, s->dims.rank);
}

static sinter_status prepare_constant(sn_prepare *p, void *params)
{
    constant_params *q = params;
    const constant_form *form;
    const sn_attr *attr = NULL;
    SN_TRY(find_form(p, &form, &attr));
    q->form = form->type;
    q->attr = attr;
    q->dtype = form->dtype;
    q->shape = (sn_shape){.rank = form->is_list, .dims = {form->is_list ? (int64_t)attr->count : 0}};
    if (form->type == SN_ATTR_TENSOR) {
        q->tensor = attr->tensor;
        q->dtype = attr->tensor->dtype;
        q->shape = attr->tensor->shape;
    } else if (form->type == SN_ATTR_SPARSE_TENSOR) {
        SN_TRY(check_sparse(p, attr->sparse));
        q->sparse = attr->sparse;
        q->dtype = attr->sparse->values->dtype;
        q->shape = attr->sparse->dims;
    }
    return SINTER_OK;
}

static sinter_status infer_constant(sn_infer *x)
{
    const constant_params *q = x->params;
    if (q->form == SN_ATTR_TENSOR) return sn_fact_of_constant(q->tensor, x->arena, &x->out[0], x->err);
    sn_infer_tensor(x, 0, q->dtype, &q->shape);
    if (q->form == SN_ATTR_INT) sn_infer_known(x, 0, &q->attr->i, 1);
    if (q->form == SN_ATTR_INTS) sn_infer_known(x, 0, q->attr->ints, q->attr->count);
    return SINTER_OK;
}

/* The linear position of value i; -1 when it lies outside. */
static int64_t sparse_position(const sn_sparse *s, size_t count, size_t i)
{
    int64_t position = 0;
    if (s->indices->shape.rank == 1) {
        position = sn_tensor_int(s->indices, i);
        return position >= 0 && (uint64_t)position < count ? position : -1;
    }
    for (int d = 0; d < s->dims.rank; d++) {
        int64_t index = sn_tensor_int(s->indices, i * (size_t)s->dims.rank + (size_t)d);
        if (index < 0 || index >= s->dims.dims[d]) return -1;
        position = position * s->dims.dims[d] + index;
    }
    return position;
}

static sinter_status eval_sparse(sn_eval *x, const sn_sparse *s, sinter_value *out)
{
    size_t element = sinter_dtype_size(out->dtype);
    if (out->dtype == SINTER_STRING) {
        for (size_t i = 0; i < out->count; i++) ((sinter_string *)out->data)[i] = (sinter_string){"", 0};
    } else {
        memset(out->data, 0, out->size);
    }
    for (size_t i = 0; i < s->values->count; i++) {
        int64_t at = sparse_position(s, out->count, i);
        if (at < 0) {
            return sn_eval_fail(x, SINTER_INVALID_MODEL, "attribute 'sparse_value': index of value %zu is outside", i);
        }
        memcpy((char *)out->data + (size_t)at * element, (const char *)s->values->data + i * element, element);
    }
    return SINTER_OK;
}

/* The characters stay where they are: in the model. */
static void store_strings(const sn_str *strings, size_t n, sinter_string *out)
{
    for (size_t i = 0; i < n; i++) out[i] = (sinter_string){strings[i].p, strings[i].n};
}

static sinter_status eval_constant(sn_eval *x)
{
    const constant_params *q = x->params;
    if (q->form == SN_ATTR_TENSOR) return sn_eval_copy(x, 0, q->tensor, &q->shape);
    sinter_value *out;
    SN_TRY(sn_eval_output(x, 0, q->dtype, &q->shape, &out));
    switch (q->form) {
    case SN_ATTR_SPARSE_TENSOR: return eval_sparse(x, q->sparse, out);
    case SN_ATTR_INT: memcpy(out->data, &q->attr->i, out->size); break;
    case SN_ATTR_FLOAT: memcpy(out->data, &q->attr->f, out->size); break;
    case SN_ATTR_STRING: store_strings(&q->attr->s, 1, out->data); break;
    case SN_ATTR_STRINGS: store_strings(q->attr->strings, out->count, out->data); break;
    case SN_ATTR_INTS:
    case SN_ATTR_FLOATS:
        if (out->size > 0)
            memcpy(out->data, q->form == SN_ATTR_INTS ? (const void *)q->attr->ints : q->attr->floats, out->size);
        break;
    default: return sn_eval_fail(x, SINTER_FAILED, "unknown form of constant");
    }
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- ConstantOfShape
 */

typedef struct fill_params {
    sinter_dtype dtype;
    _Alignas(16) unsigned char element[16]; /* no element is larger */
} fill_params;

static sinter_status prepare_fill(sn_prepare *p, void *params)
{
    fill_params *q = params;
    q->dtype = SINTER_FLOAT;
    const sinter_value *value;
    SN_TRY(sn_attr_tensor(p, "value", &value));
    if (!value) return SINTER_OK;
    if (value->kind != SINTER_KIND_TENSOR || value->count != 1 || value->size > sizeof q->element) {
        return sn_prepare_fail(p, SINTER_INVALID_MODEL, "attribute 'value' has %zu elements, expected 1", value->count);
    }
    q->dtype = value->dtype;
    memcpy(q->element, value->data, value->size);
    return SINTER_OK;
}

static void infer_fill_known(sn_infer *x, const fill_params *q, const sn_shape *shape)
{
    bool integer = q->dtype == SINTER_INT64 || q->dtype == SINTER_INT32 || q->dtype == SINTER_BOOL;
    size_t count;
    if (!integer || shape->rank > 1 || !sn_shape_count(shape, &count) || count > SN_MAX_KNOWN) return;
    int64_t known[SN_MAX_KNOWN];
    for (size_t i = 0; i < count; i++) known[i] = sn_load_int64(q->dtype, q->element, 0);
    sn_infer_known(x, 0, known, count);
}

static sinter_status infer_fill(sn_infer *x)
{
    const fill_params *q = x->params;
    const sn_fact *in = &x->in[0];
    const sn_shape *list = sn_infer_shape(x, 0);
    sn_shape shape = SN_SHAPE_UNKNOWN;
    if (in->known && in->n_known <= SN_MAX_RANK) {
        shape = sn_shape_of((int)in->n_known, in->known);
    } else if (list->rank == 1 && sn_dim_is_number(list->dims[0]) && list->dims[0] <= SN_MAX_RANK) {
        shape.rank = (int32_t)list->dims[0];
        for (int d = 0; d < shape.rank; d++) shape.dims[d] = SN_DIM_UNKNOWN;
    }
    for (int d = 0; d < shape.rank; d++) {
        if (sn_dim_is_number(shape.dims[d]) && shape.dims[d] < 0) {
            return sn_infer_fail(x, "dimension %d is %lld", d, (long long)shape.dims[d]);
        }
    }
    sn_infer_tensor(x, 0, q->dtype, &shape);
    infer_fill_known(x, q, &shape);
    return SINTER_OK;
}

static sinter_status eval_fill(sn_eval *x)
{
    const fill_params *q = x->params;
    const sinter_value *list = x->in[0];
    if (list->shape.rank > 1 || list->count > SN_MAX_RANK) {
        return sn_eval_fail(x, SINTER_INVALID_INPUT, "a shape of %zu dimensions, expected at most %d", list->count,
                            SN_MAX_RANK);
    }
    sn_shape shape = {.rank = (int32_t)list->count};
    for (size_t i = 0; i < list->count; i++) shape.dims[i] = sn_tensor_int(list, i);
    sinter_value *out;
    SN_TRY(sn_eval_output(x, 0, q->dtype, &shape, &out));
    if (out->count > 0) sn_copy_elements(sinter_dtype_size(q->dtype), out->data, q->element, 0, out->count);
    return SINTER_OK;
}

const sn_op sn_ops_constant[] = {
    {"", "Constant", 1, "-> output:T; T=@every", 0, 0, sizeof(constant_params), prepare_constant, infer_constant,
     eval_constant},
    {"", "ConstantOfShape", 9, "input:int64 -> output:T; T=@every", 0, 0, sizeof(fill_params), prepare_fill, infer_fill,
     eval_fill},
    {.name = NULL},
};
