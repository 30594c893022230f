/*
 * The proof behind folding through layout operators. Elements keep their row-major order in a reshape, so an index
 * along an axis is a digit of the element's linear number L: with stride the product of the dimensions after the axis,
 *     channel = (L / (stride * inner)) % count.
 * The same digit is an index of another axis b of the new shape when stride_b divides stride * inner and the digit does
 * not reach beyond dimension b. Nothing else is assumed; where dimensions after the axis are symbolic, equal dimensions
 * up to and including the axis prove the same.
 */
#include "passes/place.h"

typedef bool mapper(const sn_pass_context *x, const sn_node *n, bool upward, sn_place *place);

static bool map_same(const sn_pass_context *x, const sn_node *n, bool upward, sn_place *place)
{
    (void)x, (void)n, (void)upward, (void)place;
    return true;
}

/* ---------------------------------------------------------------------------------------------------- reshape */

/* Product of the dimensions after `axis`; false when one is not a positive number. */
static bool stride_of(const sn_shape *s, int axis, int64_t *out)
{
    int64_t stride = 1;
    for (int i = axis + 1; i < s->rank; i++)
        if (!sn_dim_is_number(s->dims[i]) || s->dims[i] <= 0 || __builtin_mul_overflow(stride, s->dims[i], &stride))
            return false;
    *out = stride;
    return true;
}

static bool map_by_stride(const sn_shape *from, const sn_shape *to, sn_place *place)
{
    int64_t step;
    if (!stride_of(from, place->axis, &step) || __builtin_mul_overflow(step, place->inner, &step)) return false;
    for (int b = to->rank - 1; b >= 0; b--) {
        int64_t stride, inner, block, size = to->dims[b];
        if (!stride_of(to, b, &stride) || stride > step) return false;
        if (!sn_dim_is_number(size) || size <= 0 || step % stride != 0) continue;
        inner = step / stride;
        if (__builtin_mul_overflow(inner, place->count, &block) || size % block != 0) continue;
        *place = (sn_place){b, inner, place->count};
        return true;
    }
    return false;
}

static bool map_by_prefix(const sn_shape *from, const sn_shape *to, const sn_place *place)
{
    if (place->axis >= to->rank) return false;
    for (int i = 0; i <= place->axis; i++)
        if (from->dims[i] != to->dims[i] || from->dims[i] == SN_DIM_UNKNOWN) return false;
    return true;
}

static bool map_reshape(const sn_pass_context *x, const sn_node *n, bool upward, sn_place *place)
{
    const sn_shape *in = sn_pass_shape(x, n->in[0]), *out = sn_pass_shape(x, n->out[0]);
    const sn_shape *from = upward ? out : in, *to = upward ? in : out;
    if (from->rank < 0 || to->rank < 0 || place->axis >= from->rank) return false;
    return map_by_prefix(from, to, place) || map_by_stride(from, to, place);
}

/* ---------------------------------------------------------------------------------------------------- transpose */

static bool map_transpose(const sn_pass_context *x, const sn_node *n, bool upward, sn_place *place)
{
    size_t count;
    const int64_t *perm = sn_node_ints(n, "perm", &count);
    if (!perm) {
        const sn_shape *shape = sn_pass_shape(x, n->in[0]);
        if (shape->rank < 0 || place->axis >= shape->rank) return false;
        place->axis = shape->rank - 1 - place->axis;
        return true;
    }
    if ((size_t)place->axis >= count) return false;
    if (upward) {
        place->axis = (int)perm[place->axis];
        return true;
    }
    for (size_t i = 0; i < count; i++)
        if (perm[i] == place->axis) {
            place->axis = (int)i;
            return true;
        }
    return false;
}

/* ---------------------------------------------------------------------------------------------------- (un)squeeze */

/* Marks the axes that Unsqueeze adds or Squeeze removes, in the tensor of higher rank. */
static bool extra_axes(const sn_pass_context *x, const sn_node *n, int rank, bool extra[SN_MAX_RANK])
{
    int64_t numbers[SN_MAX_KNOWN];
    size_t count;
    const int64_t *axes = sn_node_ints(n, "axes", &count);
    if (!axes) {
        if (!sn_pass_numbers(x, sn_node_in(n, 1), numbers, &count)) return false;
        axes = numbers;
    }
    memset(extra, 0, SN_MAX_RANK * sizeof *extra);
    for (size_t i = 0; i < count; i++) {
        int axis;
        if (!sn_axis_normalize(axes[i], rank, &axis)) return false;
        extra[axis] = true;
    }
    return true;
}

static bool map_extra_axes(const sn_pass_context *x, const sn_node *n, bool upward, sn_place *place)
{
    bool adds = sn_node_is(n, "Unsqueeze");
    const sn_shape *high = sn_pass_shape(x, adds ? n->out[0] : n->in[0]);
    bool extra[SN_MAX_RANK];
    if (high->rank < 0 || !extra_axes(x, n, high->rank, extra)) return map_reshape(x, n, upward, place);

    if (adds == upward) { /* from high rank to low */
        if (place->axis >= high->rank || extra[place->axis]) return false;
        int low = 0;
        for (int i = 0; i < place->axis; i++) low += !extra[i];
        place->axis = low;
        return true;
    }
    for (int i = 0, low = 0; i < high->rank; i++) {
        if (extra[i]) continue;
        if (low++ == place->axis) {
            place->axis = i;
            return true;
        }
    }
    return false;
}

/* ---------------------------------------------------------------------------------------------------- table */

static const struct {
    const char *op_type;
    mapper *map;
} layouts[] = {
    {"Transpose", map_transpose}, {"Reshape", map_reshape},      {"Flatten", map_reshape},
    {"Squeeze", map_extra_axes},  {"Unsqueeze", map_extra_axes}, {"Identity", map_same},
};

static mapper *find_mapper(const sn_node *n)
{
    if (n->n_in == 0 || n->in[0] == SN_NONE || n->n_out == 0 || n->out[0] == SN_NONE) return NULL;
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
        if (sn_node_is(n, layouts[i].op_type)) return layouts[i].map;
    return NULL;
}

bool sn_is_layout(const sn_node *n)
{
    return find_mapper(n) != NULL;
}

static bool move(const sn_pass_context *x, sn_node_id node, bool upward, sn_place *place)
{
    const sn_node *n = &x->model->nodes[node];
    mapper *map = find_mapper(n);
    if (!map) return false;
    if (place->axis == SN_PLACE_UNIFORM) return true;
    sn_place moved = *place;
    if (!map(x, n, upward, &moved)) return false;
    *place = moved;
    return true;
}

bool sn_place_upward(const sn_pass_context *x, sn_node_id node, sn_place *place)
{
    return move(x, node, true, place);
}

bool sn_place_downward(const sn_pass_context *x, sn_node_id node, sn_place *place)
{
    return move(x, node, false, place);
}

bool sn_place_fits(const sn_place *place, int axis, int64_t size)
{
    if (place->axis == SN_PLACE_UNIFORM) return true;
    return place->axis == axis && size > 0 && size % (place->inner * place->count) == 0;
}
