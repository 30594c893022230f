/* The implementation tables, put together. */
#include "runtime/impl.h"

static const struct {
    const sn_impl *rows;
    const size_t *count;
} tables[] = {
#define SN_IMPLS(family) {sn_impls_##family, &sn_impls_##family##_count},
#include "runtime/impls.def"
#undef SN_IMPLS
};

/* The next row of the operator after `row` (NULL: the first); NULL when there are no more. */
static const sn_impl *next_row(const sn_op *op, const sn_impl *row)
{
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++) {
        const sn_impl *rows = tables[t].rows, *end = rows + *tables[t].count;
        if (row && (row < rows || row >= end)) continue;
        for (const sn_impl *i = row ? row + 1 : rows; i < end; i++) {
            if (strcmp(i->op_type, op->name) == 0 && strcmp(i->domain, op->domain) == 0) return i;
        }
        if (row) return NULL;
    }
    return NULL;
}

const sn_impl *sn_impl_find(const sn_impl_site *site, sn_impl_layouts *layouts)
{
    for (const sn_impl *i = next_row(site->op, NULL); i; i = next_row(site->op, i)) {
        for (size_t k = 0; k < site->n_in; k++) layouts->in[k] = SN_LAYOUT_PLAIN;
        layouts->out = SN_LAYOUT_PLAIN;
        if (i->accepts(site, layouts)) return i;
    }
    return NULL;
}

bool sn_impl_fuses(const sn_op *op)
{
    const sn_impl *i = next_row(op, NULL);
    return i && i->fuses;
}

bool sn_impl_weights(const sn_op *op, const void *params, const sn_shape *weight, sn_pack_form *form)
{
    for (const sn_impl *i = next_row(op, NULL); i; i = next_row(op, i)) {
        if (i->weights && i->weights(params, weight, form)) return true;
    }
    return false;
}
