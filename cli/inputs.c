#include "cli/inputs.h"
#include "base/alloc.h"
#include "base/dtype.h"
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

sinter_value **sn_values_create(size_t count)
{
    return sn_calloc(count ? count : 1, sizeof(sinter_value *));
}

void sn_values_release(sinter_value **values, size_t count)
{
    for (size_t i = 0; values && i < count; i++) {
        sinter_value_release(values[i]);
        values[i] = NULL;
    }
}

void sn_values_free(sinter_value **values, size_t count)
{
    sn_values_release(values, count);
    sn_free(values);
}

/* ------------------------------------------------------------------------------------------------ given */

/* The input whose name and a '=' start `argument`: of several the longest name, for names may hold a '=' themselves. */
static size_t find_named(const sinter_session *s, const char *argument)
{
    size_t found = SIZE_MAX, longest = 0;
    for (size_t i = 0, n = sinter_session_input_count(s); i < n; i++) {
        const char *name = sinter_session_input(s, i).name;
        size_t length = strlen(name);
        bool fits = strncmp(argument, name, length) == 0 && argument[length] == '=';
        if (!fits || (found != SIZE_MAX && length <= longest)) continue;
        found = i;
        longest = length;
    }
    return found;
}

static size_t count_required(const sinter_session *s)
{
    size_t required = 0;
    for (size_t i = 0, n = sinter_session_input_count(s); i < n; i++) required += !sinter_session_input(s, i).optional;
    return required;
}

static sinter_status no_such_input(const sinter_session *s, const char *argument, sinter_error *err)
{
    char names[512] = "";
    size_t used = 0, n = sinter_session_input_count(s);
    for (size_t i = 0; i < n && used < sizeof names; i++) {
        used += (size_t)snprintf(names + used, sizeof names - used, "%s'%.80s'", i ? ", " : "",
                                 sinter_session_input(s, i).name);
    }
    return sn_fail(err, SINTER_INVALID_ARGUMENT, "-i %s: expected NAME=FILE with one of the model's inputs: %s",
                   argument, n ? names : "(it has none)");
}

sinter_status sn_inputs_match(const sn_list *arguments, const sinter_session *session, const char **paths,
                              sinter_error *err)
{
    for (size_t k = 0; k < arguments->n; k++) {
        const char *argument = arguments->items[k], *path = argument;
        size_t index = find_named(session, argument);
        if (index != SIZE_MAX) {
            path = argument + strlen(sinter_session_input(session, index).name) + 1;
        } else {
            bool file = !strchr(argument, '=') || access(argument, F_OK) == 0;
            if (count_required(session) != 1 || !file) return no_such_input(session, argument, err);
            index = 0; /* required inputs come first */
        }
        if (!*path) return sn_fail(err, SINTER_INVALID_ARGUMENT, "-i %s: no file name", argument);
        if (paths[index]) {
            return sn_fail(err, SINTER_INVALID_ARGUMENT, "-i %s: input '%s' is given twice", argument,
                           sinter_session_input(session, index).name);
        }
        paths[index] = path;
    }
    return SINTER_OK;
}

/* ------------------------------------------------------------------------------------------------ made up */

/* splitmix64 */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static double uniform(uint64_t *state)
{
    return (double)(next_random(state) >> 11) * 0x1p-53;
}

/* Near enough to the standard normal distribution for activations to look like activations. */
static double bell(uint64_t *state)
{
    double sum = 0;
    for (int i = 0; i < 12; i++) sum += uniform(state);
    return sum - 6;
}

/* Integers are often indices: 0 and 1 are in range of nearly anything. */
static sinter_status randomize(sinter_value *tensor, uint64_t seed, const char *name, sinter_error *err)
{
    sinter_dtype dtype = sinter_tensor_dtype(tensor);
    sn_dtype_class klass = sn_dtypes[dtype].klass;
    void *data = sinter_tensor_mutable_data(tensor);
    size_t count = sinter_tensor_count(tensor);
    switch (klass) {
    case SN_CLASS_FLOAT:
        for (size_t i = 0; i < count; i++) sn_store_double(dtype, data, i, bell(&seed));
        return SINTER_OK;
    case SN_CLASS_SIGNED:
    case SN_CLASS_UNSIGNED:
    case SN_CLASS_BOOL:
        for (size_t i = 0; i < count; i++) sn_store_int64(dtype, data, i, (int64_t)(next_random(&seed) & 1));
        return SINTER_OK;
    default:
        return sn_fail(err, SINTER_UNSUPPORTED, "input '%s': cannot make up elements of type %s; give it with -i", name,
                       sinter_dtype_name(dtype));
    }
}

/* The sizes of input i, as far as --shape or a given value decides them. */
static bool decided_dims(const sn_fill *fill, const sinter_io *io, const sinter_value *value, int *rank,
                         const int64_t **dims)
{
    const sinter_shape *shape = sn_shape_list_find(fill->shapes, io->name);
    bool tensor = value && sinter_value_kind(value) == SINTER_KIND_TENSOR;
    if (!tensor && !shape) return false;
    *rank = tensor ? sinter_tensor_rank(value) : shape->rank;
    *dims = tensor ? sinter_tensor_dims(value) : shape->dims;
    return true;
}

/* What another input's decided size says about `symbol`; -1: nothing. */
static int64_t bound_size(const sn_fill *fill, const sinter_session *s, sinter_value *const *values, const char *symbol)
{
    for (size_t i = 0, n = sinter_session_input_count(s); symbol && i < n; i++) {
        sinter_io io = sinter_session_input(s, i);
        const int64_t *dims;
        int rank;
        if (!decided_dims(fill, &io, values[i], &rank, &dims) || rank != io.rank) continue;
        for (int d = 0; d < rank; d++) {
            if (io.dims[d] < 0 && io.symbols[d] && strcmp(io.symbols[d], symbol) == 0) return dims[d];
        }
    }
    return -1;
}

static sinter_status choose_dims(const sn_fill *fill, const sinter_session *s, sinter_value *const *values,
                                 const sinter_io *io, sinter_shape *out, sinter_error *err)
{
    const sinter_shape *shape = sn_shape_list_find(fill->shapes, io->name);
    if (shape) {
        *out = *shape;
        return SINTER_OK;
    }
    if (io->rank < 0) {
        return sn_fail(err, SINTER_INVALID_ARGUMENT, "input '%s': the model does not say its shape; give --shape",
                       io->name);
    }
    out->rank = io->rank;
    for (int d = 0; d < io->rank; d++) {
        int64_t size = io->dims[d] >= 0 ? io->dims[d] : bound_size(fill, s, values, io->symbols[d]);
        if (size < 0) size = d == 0 ? fill->rows : fill->other;
        if (size == 0 && io->dims[d] < 0) {
            return sn_fail(err, SINTER_INVALID_ARGUMENT,
                           "input '%s': the model leaves dimension %d (%s) open; give --shape %s=...", io->name, d,
                           io->symbols[d] ? io->symbols[d] : "?", io->name);
        }
        out->dims[d] = size;
    }
    return SINTER_OK;
}

static sinter_status make_up(const sn_fill *fill, const sinter_session *s, sinter_value **values, size_t index,
                             sinter_error *err)
{
    sinter_io io = sinter_session_input(s, index);
    if (io.kind != SINTER_KIND_TENSOR) {
        return sn_fail(err, SINTER_UNSUPPORTED, "input '%s' is not a tensor and cannot be made up; give it with -i",
                       io.name);
    }
    sinter_shape shape = {.rank = 0};
    SN_TRY(choose_dims(fill, s, values, &io, &shape, err));
    sinter_value *value;
    SN_TRY(sinter_tensor_create(io.dtype, shape.rank, shape.dims, &value, err));
    sinter_status status = randomize(value, index, io.name, err);
    if (status == SINTER_OK)
        values[index] = value;
    else
        sinter_value_release(value);
    return status;
}

sinter_status sn_inputs_fill(const sn_fill *fill, const sinter_session *session, sinter_value **values,
                             sinter_error *err)
{
    for (size_t i = 0, n = sinter_session_input_count(session); i < n; i++) {
        if (values[i] || sinter_session_input(session, i).optional) continue;
        SN_TRY(make_up(fill, session, values, i, err));
    }
    return SINTER_OK;
}

sinter_status sn_inputs_check_shapes(const sn_shape_list *shapes, const sinter_session *session, sinter_error *err)
{
    for (size_t k = 0; k < shapes->n; k++) {
        bool found = false;
        for (size_t i = 0, n = sinter_session_input_count(session); i < n && !found; i++) {
            found = strcmp(sinter_session_input(session, i).name, shapes->items[k].name) == 0;
        }
        if (!found) {
            return sn_fail(err, SINTER_INVALID_ARGUMENT, "--shape %s=...: the model has no such input",
                           shapes->items[k].name);
        }
    }
    return SINTER_OK;
}
