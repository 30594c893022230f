/* The implementation table. */
#include "runtime/impl.h"

static const sn_impl *const rows[] = {
#define SN_IMPL(row) &sn_impl_##row,
#include "runtime/impls.def"
#undef SN_IMPL
};

#define N_ROWS (sizeof rows / sizeof *rows)

static bool is_of(const sn_impl *row, const sn_op *op)
{
    return strcmp(row->op_type, op->name) == 0 && strcmp(row->domain, op->domain) == 0;
}

bool sn_impl_accepts(const sn_impl *row, const sn_impl_site *site, sn_impl_layouts *layouts)
{
    for (size_t k = 0; k < site->n_in; k++) layouts->in[k] = SN_LAYOUT_PLAIN;
    layouts->out = SN_LAYOUT_PLAIN;
    return row->accepts(site, layouts);
}

const sn_impl *sn_impl_next(const sn_impl *row, const sn_impl_site *site, sn_impl_layouts *layouts)
{
    size_t i = 0;
    while (row && rows[i++] != row) continue;
    for (; i < N_ROWS; i++) {
        if (is_of(rows[i], site->op) && sn_impl_accepts(rows[i], site, layouts)) return rows[i];
    }
    return NULL;
}

const sn_impl *sn_impl_find(const sn_impl_site *site, sn_impl_layouts *layouts)
{
    const sn_impl *row = sn_impl_next(NULL, site, layouts);
    while (row && row->prefers && !row->prefers(site)) row = sn_impl_next(row, site, layouts);
    return row;
}

bool sn_impl_fuses(const sn_op *op)
{
    for (size_t i = 0; i < N_ROWS; i++) {
        if (is_of(rows[i], op)) return rows[i]->fuses;
    }
    return false;
}

bool sn_impl_weights(const sn_op *op, const void *params, const sn_shape *weight, sn_pack_form *form)
{
    for (size_t i = 0; i < N_ROWS; i++) {
        if (is_of(rows[i], op) && rows[i]->weights && rows[i]->weights(params, weight, form)) return true;
    }
    return false;
}

int sn_layout_axis(sn_layout layout, int rank, int i)
{
    if (layout == SN_LAYOUT_PLAIN || rank < 3 || i == 0) return i;
    return i == rank - 1 ? 1 : i + 1;
}

void sn_layout_strides(const sn_shape *shape, sn_layout layout, size_t stride[SN_MAX_RANK])
{
    size_t step = 1;
    for (int i = shape->rank - 1; i >= 0; i--) {
        int axis = sn_layout_axis(layout, shape->rank, i);
        stride[axis] = step;
        step *= (size_t)shape->dims[axis];
    }
}
