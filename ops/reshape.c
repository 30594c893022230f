/*
 * Reshape's arithmetic on dims that may be symbols or unknown. A single unknown element of the target is as good as -1:
 * whatever it turns out to be, it makes the number of elements right.
 */
#include "ops/reshape.h"

#include <stdio.h>

static bool refuse(char *why, const char *text)
{
    snprintf(why, SN_RESHAPE_WHY, "%s", text);
    return false;
}

/* A number of elements: a number times symbols and unknown dims. */
typedef struct dim_product {
    int64_t number;
    int64_t others[SN_MAX_RANK];
    int n_others;
} dim_product;

static bool multiply(dim_product *p, int64_t dim)
{
    if (sn_dim_is_number(dim)) return !__builtin_mul_overflow(p->number, dim, &p->number);
    p->others[p->n_others++] = dim;
    return true;
}

static void cancel_symbols(dim_product *a, dim_product *b)
{
    for (int i = 0; i < a->n_others; i++) {
        for (int k = 0; k < b->n_others; k++) {
            if (a->others[i] != b->others[k] || a->others[i] == SN_DIM_UNKNOWN) continue;
            a->others[i--] = a->others[--a->n_others];
            b->others[k] = b->others[--b->n_others];
            break;
        }
    }
}

/* The dimension that makes `have` elements out of `given`; SN_DIM_UNKNOWN when it cannot be told. */
static bool solve_dim(const dim_product *have, const dim_product *given, int64_t *out, char *why)
{
    *out = SN_DIM_UNKNOWN;
    if (given->n_others > 0 || given->number == 0) return true;
    if (have->n_others == 0) {
        if (have->number % given->number != 0) {
            return refuse(why, "the number of elements is not a multiple of the target shape's other dimensions");
        }
        *out = have->number / given->number;
    } else if (have->n_others == 1 && have->number == given->number) {
        *out = have->others[0];
    }
    return true;
}

/* What a target shape asks for, dimension by dimension. */
typedef struct reshape_plan {
    dim_product given;        /* of the dimensions that stand there */
    bool copied[SN_MAX_RANK]; /* 0: taken from the input, so left out of both products */
    int n_inferred, n_free;   /* -1; -1 or unknown */
    int free_dim;
} reshape_plan;

static bool read_target(const sn_shape *in, const int64_t *target, bool allow_zero, sn_shape *out, reshape_plan *r,
                        char *why)
{
    for (int i = 0; i < out->rank; i++) {
        int64_t t = target[i];
        if (sn_dim_is_number(t) && t < -1) return refuse(why, "the target shape has a dimension below -1");
        if (t == -1 || t == SN_DIM_UNKNOWN) {
            r->n_inferred += t == -1;
            r->n_free++;
            r->free_dim = i;
        } else if (t == 0 && !allow_zero) {
            if (in->rank >= 0 && i >= in->rank) return refuse(why, "a 0 in the target shape has no input dimension");
            r->copied[i] = true;
            if (in->rank >= 0) out->dims[i] = in->dims[i];
        } else {
            out->dims[i] = t;
            if (!multiply(&r->given, t)) return refuse(why, "the target shape is too large");
        }
    }
    return r->n_inferred <= 1 || refuse(why, "the target shape has more than one -1");
}

static bool has_copied_zero(const reshape_plan *r, const sn_shape *out)
{
    for (int i = 0; i < out->rank; i++) {
        if (r->copied[i] && out->dims[i] == 0) return true;
    }
    return false;
}

/* `in` may be of unknown rank. A single unknown element of the target is as good as -1: whatever it turns out to be, it
 * makes the number of elements right. */
bool sn_reshape(const sn_shape *in, const int64_t *target, size_t n, bool allow_zero, sn_shape *out, char *why)
{
    if (n > SN_MAX_RANK) return refuse(why, "the target shape has too many dimensions");
    *out = (sn_shape){.rank = (int32_t)n};
    for (int i = 0; i < out->rank; i++) out->dims[i] = SN_DIM_UNKNOWN;
    reshape_plan r = {.given = {.number = 1}};
    if (!read_target(in, target, allow_zero, out, &r, why)) return false;
    if (in->rank < 0) return true;
    dim_product have = {.number = 1};
    for (int i = 0; i < in->rank; i++) {
        if (!r.copied[i] && !multiply(&have, in->dims[i])) return refuse(why, "the input is too large");
    }
    cancel_symbols(&have, &r.given);
    if (r.n_free > 1) return true;
    if (r.n_free == 1) return solve_dim(&have, &r.given, &out->dims[r.free_dim], why);
    bool comparable = have.n_others == 0 && r.given.n_others == 0 && !has_copied_zero(&r, out);
    if (!comparable || have.number == r.given.number) return true;
    return refuse(why, "the target shape has another number of elements");
}
