/*
 * Element-wise operators of two inputs, and the variadic ones (Sum, Mean, Min, Max), which fold the two-input loop over
 * their inputs. Broadcasting is sn_broadcast's, the loops are binary_loops.c's; here are the attributes, the types that
 * have no loop (16-bit floats, the mixed types of Pow) and shape inference, arithmetic on known small integers
 * included.
 *
 * Before opset 7 broadcasting was an attribute: B's shape is matched from A's dimension `axis` on (`legacy` below).
 * A row starts at the oldest version whose meaning is the same, and takes the types of the newest.
 */
#include "ops/binary_loops.h"
#include "ops/broadcast.h"
#include "ops/typed.h"

typedef struct binary_params {
    sn_binary_kind kind;
    bool swap;     /* Greater is Less of the operands swapped */
    bool legacy;   /* numpy broadcasting does not hold: see `axis` */
    bool has_axis; /* else the trailing dimensions are matched, as in numpy */
    int64_t axis;
} binary_params;

enum { /* variants that are not a sn_binary_kind: operators that choose by attribute or swap their operands */
       BY_FMOD = SN_BINARY_KIND_COUNT,
       BY_DIRECTION,
       SWAPPED_LESS,
       SWAPPED_LESS_OR_EQUAL
};

/* ---------------------------------------------------------------------------------------------------- prepare */

static sinter_status choose_kind(sn_prepare *p, binary_params *b)
{
    static const char *const directions[] = {"LEFT", "RIGHT", NULL};
    int direction = 0;
    bool is_fmod = false;
    switch (p->op->variant) {
    case BY_FMOD:
        SN_TRY(sn_attr_bool(p, "fmod", false, &is_fmod));
        b->kind = is_fmod ? SN_BINARY_FMOD : SN_BINARY_MOD;
        return SINTER_OK;
    case BY_DIRECTION:
        if (!sn_attr_present(p, "direction"))
            return sn_prepare_fail(p, SINTER_INVALID_MODEL, "attribute 'direction' is missing");
        SN_TRY(sn_attr_choice(p, "direction", directions, 0, &direction));
        b->kind = direction ? SN_BINARY_SHIFT_RIGHT : SN_BINARY_SHIFT_LEFT;
        return SINTER_OK;
    case SWAPPED_LESS:
    case SWAPPED_LESS_OR_EQUAL:
        b->swap = true;
        b->kind = p->op->variant == SWAPPED_LESS ? SN_BINARY_LESS : SN_BINARY_LESS_OR_EQUAL;
        return SINTER_OK;
    default: b->kind = (sn_binary_kind)p->op->variant; return SINTER_OK;
    }
}

static sinter_status prepare_binary(sn_prepare *p, void *params)
{
    binary_params *b = params;
    SN_TRY(choose_kind(p, b));
    if (p->version >= 7) return SINTER_OK;
    b->legacy = true;
    b->has_axis = sn_attr_present(p, "axis");
    return sn_attr_int(p, "axis", 0, &b->axis);
}

/* ---------------------------------------------------------------------------------------------------- legacy shapes */

/* B's shape with as many trailing ones as numpy broadcasting needs to match it where the node says. Ranks are known. */
static bool align_legacy(const binary_params *p, const sn_shape *a, const sn_shape *b, sn_shape *out)
{
    int axis = a->rank - b->rank;
    *out = *b;
    if (p->kind == SN_BINARY_PRELU && b->rank == 1 && a->rank > 1) {
        axis = 1; /* one slope per channel; a single one fits anyway */
    } else if (p->has_axis && b->rank < a->rank) {
        if (!sn_axis_normalize(p->axis, a->rank, &axis)) return false;
    }
    if (axis <= 0 && a->rank <= b->rank) return true;
    int trailing = a->rank - axis - b->rank;
    if (trailing < 0) return false;
    for (int i = 0; i < trailing; i++) out->dims[out->rank++] = 1;
    return true;
}

/* ---------------------------------------------------------------------------------------------------- infer */

static bool fits(sinter_dtype dtype, int64_t v)
{
    return dtype == SINTER_INT64 ? sn_dim_is_number(v) : v >= sn_dtype_min(dtype) && v <= sn_dtype_max(dtype);
}

static int64_t combine_numbers(sn_binary_kind kind, sinter_dtype dtype, int64_t a, int64_t b)
{
    int64_t r;
    bool overflow = false;
    switch (kind) {
    case SN_BINARY_ADD: overflow = __builtin_add_overflow(a, b, &r); break;
    case SN_BINARY_SUB: overflow = __builtin_sub_overflow(a, b, &r); break;
    case SN_BINARY_MUL: overflow = __builtin_mul_overflow(a, b, &r); break;
    case SN_BINARY_DIV:
        if (b == 0 || b == -1) return SN_DIM_UNKNOWN;
        r = a / b;
        break;
    case SN_BINARY_MIN: r = a < b ? a : b; break;
    case SN_BINARY_MAX: r = a > b ? a : b; break;
    default: return SN_DIM_UNKNOWN;
    }
    return overflow || !fits(dtype, r) ? SN_DIM_UNKNOWN : r;
}

/* Elements may be symbols, of which only the neutral element of the operation leaves something known. */
static int64_t combine(sn_binary_kind kind, sinter_dtype dtype, int64_t a, int64_t b)
{
    if (sn_dim_is_number(a) && sn_dim_is_number(b)) return combine_numbers(kind, dtype, a, b);
    switch (kind) {
    case SN_BINARY_ADD: return b == 0 ? a : a == 0 ? b : SN_DIM_UNKNOWN;
    case SN_BINARY_SUB: return b == 0 ? a : a == b && sn_dim_is_symbol(a) ? 0 : SN_DIM_UNKNOWN;
    case SN_BINARY_MUL: return a == 0 || b == 0 ? 0 : b == 1 ? a : a == 1 ? b : SN_DIM_UNKNOWN;
    case SN_BINARY_DIV: return b == 1 ? a : SN_DIM_UNKNOWN;
    default: return SN_DIM_UNKNOWN;
    }
}

static void infer_elements(sn_infer *x, sn_binary_kind kind, const sn_shape *shape)
{
    const sn_fact *a = &x->in[0], *b = &x->in[1];
    sinter_dtype dtype = sn_infer_dtype(x, 0);
    if (kind > SN_BINARY_MAX || shape->rank < 0 || shape->rank > 1) return;
    if (!a->known || !b->known || a->n_known == 0 || b->n_known == 0) return;
    if (dtype != SINTER_INT64 && dtype != SINTER_INT32) return;
    size_t n = a->n_known > b->n_known ? a->n_known : b->n_known;
    if ((a->n_known != n && a->n_known != 1) || (b->n_known != n && b->n_known != 1) || n > SN_MAX_KNOWN) return;
    int64_t known[SN_MAX_KNOWN];
    for (size_t i = 0; i < n; i++)
        known[i] = combine(kind, dtype, a->known[a->n_known == 1 ? 0 : i], b->known[b->n_known == 1 ? 0 : i]);
    sn_infer_known(x, 0, known, n);
}

static sinter_status fail_broadcast(sn_infer *x, const sn_shape *a, const sn_shape *b)
{
    char ta[SN_SHAPE_TEXT], tb[SN_SHAPE_TEXT];
    return sn_infer_fail(x, "shapes %s and %s do not broadcast", sn_shape_text(a, NULL, ta, sizeof ta),
                         sn_shape_text(b, NULL, tb, sizeof tb));
}

static sinter_status infer_binary(sn_infer *x)
{
    const binary_params *p = x->params;
    const sn_shape *a = sn_infer_shape(x, 0);
    sn_shape b = *sn_infer_shape(x, 1), out;
    if (p->legacy && a->rank >= 0 && b.rank >= 0 && !align_legacy(p, a, sn_infer_shape(x, 1), &b))
        return fail_broadcast(x, a, &b);
    if (!sn_infer_broadcast(a, &b, &out)) return fail_broadcast(x, a, &b);
    sn_infer_tensor(x, 0, p->kind >= SN_BINARY_EQUAL ? SINTER_BOOL : sn_infer_dtype(x, 0), &out);
    if (!p->legacy) infer_elements(x, p->kind, &out);
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- eval */

typedef struct operand {
    const void *data;
    const sn_shape *shape;
} operand;

/* A run of 16-bit floats, through chunks of float. */
static void run_float16(sn_binary_kind kind, sinter_dtype dtype, const uint16_t *a, const uint16_t *b, void *out,
                        size_t n, size_t step_a, size_t step_b)
{
    float fa[SN_CHUNK], fb[SN_CHUNK];
    sn_binary_loop loop = sn_binary_loop_for(kind, SINTER_FLOAT);
    for (size_t done = 0; done < n; done += SN_CHUNK) {
        size_t m = n - done < SN_CHUNK ? n - done : SN_CHUNK;
        sn_load_floats(dtype, a + done * step_a, step_a ? m : 1, fa);
        sn_load_floats(dtype, b + done * step_b, step_b ? m : 1, fb);
        if (kind >= SN_BINARY_EQUAL) {
            loop(fa, fb, (uint8_t *)out + done, m, step_a, step_b);
        } else {
            float result[SN_CHUNK];
            loop(fa, fb, result, m, step_a, step_b);
            sn_store_floats(dtype, result, m, (uint16_t *)out + done);
        }
    }
}

static void run_binary(sn_binary_kind kind, sinter_dtype dtype, operand a, operand b, const sn_shape *shape, void *out)
{
    size_t element = sn_dtypes[dtype].size, result = kind >= SN_BINARY_EQUAL ? 1 : element;
    sn_binary_loop loop = sn_binary_loop_for(kind, dtype);
    sn_broadcast w;
    for (sn_broadcast_begin(&w, shape, (const sn_shape *const[]){a.shape, b.shape}, 2); w.left; sn_broadcast_next(&w)) {
        const void *pa = sn_at(a.data, w.in[0], element), *pb = sn_at(b.data, w.in[1], element);
        void *po = sn_at_mutable(out, w.out, result);
        size_t step_a = sn_broadcast_step(&w, 0), step_b = sn_broadcast_step(&w, 1);
        if (loop)
            loop(pa, pb, po, w.run, step_a, step_b);
        else
            run_float16(kind, dtype, pa, pb, po, w.run, step_a, step_b);
    }
}

static sinter_status check_divisors(sn_eval *x, const sinter_value *b)
{
    if (!sn_dtype_is_integer(b->dtype)) return SINTER_OK;
    size_t element = sn_dtypes[b->dtype].size;
    int64_t v[SN_CHUNK];
    for (size_t done = 0; done < b->count; done += SN_CHUNK) {
        size_t n = b->count - done < SN_CHUNK ? b->count - done : SN_CHUNK;
        sn_load_int64s(b->dtype, sn_at(b->data, done, element), n, v);
        for (size_t i = 0; i < n; i++)
            if (v[i] == 0)
                return sn_eval_fail(x, SINTER_INVALID_INPUT, "integer division by zero (element %zu of the divisor)",
                                    done + i);
    }
    return SINTER_OK;
}

static sinter_status output_shape(sn_eval *x, const sinter_value *a, const sinter_value *b, sn_shape *aligned_b,
                                  sn_shape *out)
{
    const binary_params *p = x->params;
    *aligned_b = b->shape;
    if (p->legacy && !align_legacy(p, &a->shape, &b->shape, aligned_b))
        return sn_eval_fail(x, SINTER_INVALID_MODEL, "axis %lld does not fit operands of rank %d and %d",
                            (long long)p->axis, a->shape.rank, b->shape.rank);
    return sn_eval_broadcast_shape(x, (const sn_shape *const[]){&a->shape, aligned_b}, 2, out);
}

static sinter_status eval_binary(sn_eval *x)
{
    const binary_params *p = x->params;
    const sinter_value *a = x->in[0], *b = x->in[1];
    sn_shape shape, shape_b;
    SN_TRY(output_shape(x, a, b, &shape_b, &shape));
    if (p->kind == SN_BINARY_DIV || p->kind == SN_BINARY_MOD || p->kind == SN_BINARY_FMOD) SN_TRY(check_divisors(x, b));
    sinter_value *out;
    SN_TRY(sn_eval_output(x, 0, p->kind >= SN_BINARY_EQUAL ? SINTER_BOOL : a->dtype, &shape, &out));
    operand first = {a->data, &a->shape}, second = {b->data, &shape_b};
    run_binary(p->kind, a->dtype, p->swap ? second : first, p->swap ? first : second, &shape, out->data);
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- Pow */

/* The type to compute in: exact for integers, else wide enough for both. */
static sinter_dtype power_dtype(sinter_dtype base, sinter_dtype exponent)
{
    if (!sn_dtype_is_float(base) && !sn_dtype_is_float(exponent)) return SINTER_INT64;
    bool narrow = base == SINTER_FLOAT || sn_dtype_is_float16(base);
    return narrow && (exponent == SINTER_FLOAT || sn_dtype_is_float16(exponent)) ? SINTER_FLOAT : SINTER_DOUBLE;
}

/* The elements of v as `dtype`, in scratch memory unless they are that already; NULL when memory is out. */
static const void *elements_as(sn_eval *x, const sinter_value *v, sinter_dtype dtype)
{
    if (v->dtype == dtype) return v->data;
    void *converted = sn_eval_scratch(x, v->count * sn_dtypes[dtype].size);
    if (converted) sn_convert(dtype, converted, v->dtype, v->data, v->count);
    return converted;
}

static sinter_status eval_pow(sn_eval *x)
{
    const sinter_value *base = x->in[0], *exponent = x->in[1];
    sn_shape shape, shape_b;
    SN_TRY(output_shape(x, base, exponent, &shape_b, &shape));
    sinter_value *out;
    SN_TRY(sn_eval_output(x, 0, base->dtype, &shape, &out));
    sinter_dtype dtype = power_dtype(base->dtype, exponent->dtype);
    const void *a = elements_as(x, base, dtype), *b = elements_as(x, exponent, dtype);
    void *result = dtype == base->dtype ? out->data : sn_eval_scratch(x, out->count * sn_dtypes[dtype].size);
    if (!a || !b || !result) return sn_no_memory(x->err, "evaluating Pow");
    run_binary(SN_BINARY_POW, dtype, (operand){a, &base->shape}, (operand){b, &shape_b}, &shape, result);
    if (result != out->data) sn_convert(base->dtype, out->data, dtype, result, out->count);
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- PRelu */

/* The slope is broadcast to X, never X to the slope. */
static sinter_status infer_prelu(sn_infer *x)
{
    SN_TRY(infer_binary(x));
    sn_infer_tensor(x, 0, sn_infer_dtype(x, 0), sn_infer_shape(x, 0));
    return SINTER_OK;
}

static sinter_status eval_prelu(sn_eval *x)
{
    const sinter_value *in = x->in[0], *slope = x->in[1];
    sn_shape shape, aligned;
    SN_TRY(output_shape(x, in, slope, &aligned, &shape));
    if (!sn_shape_eq(&shape, &in->shape)) {
        char a[SN_SHAPE_TEXT], b[SN_SHAPE_TEXT];
        return sn_eval_fail(x, SINTER_INVALID_INPUT, "slope of shape %s does not broadcast to X of shape %s",
                            sn_shape_text(&slope->shape, NULL, a, sizeof a),
                            sn_shape_text(&in->shape, NULL, b, sizeof b));
    }
    sinter_value *out;
    SN_TRY(sn_eval_output(x, 0, in->dtype, &shape, &out));
    run_binary(SN_BINARY_PRELU, in->dtype, (operand){in->data, &in->shape}, (operand){slope->data, &aligned}, &shape,
               out->data);
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- variadic */

typedef struct variadic_params {
    sn_binary_kind kind;
    bool mean;
} variadic_params;

static sinter_status prepare_variadic(sn_prepare *p, void *params)
{
    variadic_params *v = params;
    v->mean = p->op->variant == SN_BINARY_DIV;
    v->kind = v->mean ? SN_BINARY_ADD : (sn_binary_kind)p->op->variant;
    return SINTER_OK;
}

static sinter_status infer_variadic(sn_infer *x)
{
    SN_TRY(sn_infer_broadcast_all(x));
    const variadic_params *p = x->params;
    if (x->n_in == 2 && x->n_out > 0 && !p->mean) infer_elements(x, p->kind, &x->out[0].type.shape);
    return SINTER_OK;
}

static void divide(sinter_value *v, size_t divisor)
{
    const sn_shape scalar = {.rank = 0};
    float f = (float)divisor;
    double d = (double)divisor;
    if (v->dtype == SINTER_DOUBLE) {
        run_binary(SN_BINARY_DIV, v->dtype, (operand){v->data, &v->shape}, (operand){&d, &scalar}, &v->shape, v->data);
    } else {
        uint16_t narrow = 0;
        if (v->dtype != SINTER_FLOAT) sn_store_floats(v->dtype, &f, 1, &narrow);
        const void *by = v->dtype == SINTER_FLOAT ? (const void *)&f : &narrow;
        run_binary(SN_BINARY_DIV, v->dtype, (operand){v->data, &v->shape}, (operand){by, &scalar}, &v->shape, v->data);
    }
}

static sinter_status eval_variadic(sn_eval *x)
{
    const variadic_params *p = x->params;
    sn_shape shape = x->in[0]->shape;
    for (size_t i = 1; i < x->n_in; i++) {
        const sn_shape so_far = shape;
        SN_TRY(sn_eval_broadcast_shape(x, (const sn_shape *const[]){&so_far, &x->in[i]->shape}, 2, &shape));
    }
    sinter_dtype dtype = x->in[0]->dtype;
    if (x->n_in == 1) return sn_eval_copy(x, 0, x->in[0], &shape);
    sinter_value *out;
    SN_TRY(sn_eval_output(x, 0, dtype, &shape, &out));
    run_binary(p->kind, dtype, (operand){x->in[0]->data, &x->in[0]->shape}, (operand){x->in[1]->data, &x->in[1]->shape},
               &shape, out->data);
    for (size_t i = 2; i < x->n_in; i++)
        run_binary(p->kind, dtype, (operand){out->data, &shape}, (operand){x->in[i]->data, &x->in[i]->shape}, &shape,
                   out->data);
    if (p->mean) divide(out, x->n_in);
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- rows */

#define BINARY(name, since, signature, variant)                                                                        \
    {                                                                                                                  \
        "", name, since, signature, SN_OP_INPLACE, variant, sizeof(binary_params), prepare_binary, infer_binary,       \
            eval_binary                                                                                                \
    }
#define ARITHMETIC(name, kind)           BINARY(name, 1, "A:T, B:T -> C:T; T=@num", kind)
#define COMPARISON(name, since, variant) BINARY(name, since, "A:T, B:T -> C:bool; T=@num", variant)
#define LOGICAL(name, kind)              BINARY(name, 1, "A:bool, B:bool -> C:bool", kind)
#define BITWISE(name, kind)              BINARY(name, 18, "A:T, B:T -> C:T; T=@int", kind)
/* Not in place: the result is built up while later inputs are still to be read. */
#define VARIADIC(name, since, types, variant)                                                                          \
    {                                                                                                                  \
        "", name, since, "data:T... -> out:T; T=" types, 0, variant, sizeof(variadic_params), prepare_variadic,        \
            infer_variadic, eval_variadic                                                                              \
    }

const sn_op sn_ops_binary[] = {
    ARITHMETIC("Add", SN_BINARY_ADD),
    ARITHMETIC("Sub", SN_BINARY_SUB),
    ARITHMETIC("Mul", SN_BINARY_MUL),
    ARITHMETIC("Div", SN_BINARY_DIV),
    BINARY("Mod", 10, "A:T, B:T -> C:T; T=@num", BY_FMOD),
    {"", "Pow", 1, "X:T, Y:T1 -> Z:T; T=@float|int32|int64, T1=@num", 0, SN_BINARY_POW, sizeof(binary_params),
     prepare_binary, infer_binary, eval_pow},
    {"", "PRelu", 1, "X:T, slope:T -> Y:T; T=@float|int32|int64|uint32|uint64", SN_OP_INPLACE, SN_BINARY_PRELU,
     sizeof(binary_params), prepare_binary, infer_prelu, eval_prelu},
    BINARY("Equal", 1, "A:T, B:T -> C:bool; T=@num|bool|string", SN_BINARY_EQUAL),
    COMPARISON("Less", 1, SN_BINARY_LESS),
    COMPARISON("LessOrEqual", 12, SN_BINARY_LESS_OR_EQUAL),
    COMPARISON("Greater", 1, SWAPPED_LESS),
    COMPARISON("GreaterOrEqual", 12, SWAPPED_LESS_OR_EQUAL),
    LOGICAL("And", SN_BINARY_BIT_AND),
    LOGICAL("Or", SN_BINARY_BIT_OR),
    LOGICAL("Xor", SN_BINARY_BIT_XOR),
    BITWISE("BitwiseAnd", SN_BINARY_BIT_AND),
    BITWISE("BitwiseOr", SN_BINARY_BIT_OR),
    BITWISE("BitwiseXor", SN_BINARY_BIT_XOR),
    BINARY("BitShift", 11, "X:T, Y:T -> Z:T; T=uint8|uint16|uint32|uint64", BY_DIRECTION),
    VARIADIC("Min", 1, "@num", SN_BINARY_MIN),
    VARIADIC("Max", 1, "@num", SN_BINARY_MAX),
    VARIADIC("Sum", 1, "@float", SN_BINARY_ADD),
    VARIADIC("Mean", 1, "@float", SN_BINARY_DIV),
    {0},
};
