/*
 * Convolutions of few channels whose input lies plain and whose output is wanted plain (kernels/planar.h): neither is
 * reordered. Which those are follows from sizes without the batch and from the model.
 */
#include "runtime/conv.h"
#include "runtime/product.h"

#include "base/size.h"

#define FEW_CHANNELS 16   /* with as many in and out, Winograd and the product gain more than two reorderings cost */
#define LANES        16   /* of the widest vector */
#define MOST_TERMS   1024 /* of a sum, which is not blocked */
#define MOST_WEIGHTS ((size_t)1 << 15) /* of a plan's own: they stay in the second cache */
#define MOST_COPY    ((size_t)1 << 19) /* floats, of a single row of the output */

typedef struct planar_state {
    sn_planar planar;
    sn_image_window window;
    const sn_kernels *kernels;
    bool has_bias, residual;
    size_t terms;          /* of a sum: weights of an output channel */
    size_t weights_floats; /* of scratch, to pack them in each run */
    size_t copy_floats;    /* of scratch, for a worker */
    size_t rows, grain;
} planar_state;

static size_t taps_of(const sn_image_window *w)
{
    return (size_t)(w->kernel[0] * w->kernel[1] * w->kernel[2]);
}

/* The copy for one row of the output fits its limit. */
static bool copy_fits(const sn_image_window *w, size_t channels)
{
    const size_t rows = (size_t)((w->kernel[1] - 1) * w->dilation[1] + 1);
    const size_t columns = (size_t)((w->kernel[2] - 1) * w->dilation[2] + w->out[2]);
    size_t floats;
    return sn_size_mul(channels, (size_t)w->kernel[0], &floats) && sn_size_mul(floats, rows, &floats) &&
           sn_size_mul(floats, columns, &floats) && floats <= MOST_COPY;
}

/* Vectors of positions and vectors of channels are both filled up. The former may take somewhat more of them: the
 * latter come with reorderings. */
static bool fills_vectors(size_t width, size_t out)
{
    return 2 * sn_round_up(width, LANES) * out <= 3 * sn_round_up(out, LANES) * width;
}

static bool planar_accepts(const sn_impl_site *site, sn_impl_layouts *layouts)
{
    sn_conv_sizes sizes;
    (void)layouts; /* plain */
    if (!site->plain_out || site->in_layout[0] != SN_LAYOUT_PLAIN || !sn_conv_site(site, &sizes)) return false;
    const size_t in = (size_t)sizes.in_channels, out = (size_t)sizes.out_channels;
    if (sizes.group != 1 || (in >= FEW_CHANNELS && out >= FEW_CHANNELS)) return false;
    const sn_image_window w = sn_conv_window(&sizes, 1);
    if (w.stride[2] != 1 || !copy_fits(&w, in) || !fills_vectors((size_t)w.out[2], out)) return false;
    const size_t terms = in * taps_of(&w);
    return terms <= MOST_TERMS && out <= MOST_WEIGHTS / (terms > 0 ? terms : 1);
}

static void pack(const planar_state *s, const void *weights, float *to)
{
    s->kernels->planar->pack(weights, s->planar.out, s->terms, to);
}

/* They are few: each plan has its own. */
static sinter_status settle_weights(planar_state *s, const sn_impl_site *site, sinter_error *err)
{
    const sinter_value *constant = sn_site_weights(site);
    if (!constant) {
        s->weights_floats = sn_aligned_floats(s->planar.out * s->terms);
        return SINTER_OK;
    }
    float *packed = SN_ARENA_ARRAY(site->arena, float, s->planar.out * s->terms);
    if (!packed) return sn_no_memory(err, "packing the weights");
    s->planar.weights = packed;
    if (!sn_packs_is_hollow(site->packs, site->in_id[1])) {
        pack(s, constant->data, packed);
        return SINTER_OK;
    }
    sinter_value *plain;
    SN_TRY(sn_packs_restore(site->packs, site->in_id[1], &plain, err));
    pack(s, plain->data, packed);
    sinter_value_release(plain);
    return SINTER_OK;
}

static sinter_status planar_prepare(const sn_impl_site *site, void **state, size_t *scratch_size, sinter_error *err)
{
    planar_state *s = SN_ARENA_NEW(site->arena, planar_state);
    sn_conv_sizes sizes;
    if (!s || !sn_conv_site(site, &sizes)) return sn_no_memory(err, "preparing a convolution");
    const size_t in = (size_t)sizes.in_channels, out = (size_t)sizes.out_channels;
    s->kernels = site->kernels;
    s->window = sn_conv_window(&sizes, 1);
    s->terms = in * taps_of(&s->window);
    ptrdiff_t *offsets = SN_ARENA_ARRAY(site->arena, ptrdiff_t, s->terms);
    if (!offsets) return sn_no_memory(err, "preparing a convolution");
    s->planar = (sn_planar){.window = &s->window, .in = in, .out = out, .activation = site->fusion.activation};
    s->kernels->planar->settle(&s->planar, offsets);
    s->residual = site->fusion.residual;
    s->has_bias = sn_site_has(site, 2);
    SN_TRY(settle_weights(s, site, err));
    s->rows = (size_t)(sizes.batch * s->window.out[0] * s->window.out[1]);
    const size_t row_work = (size_t)s->window.out[2] * out * s->terms;
    /* A range copies the rows that its neighbours share with it, and its outputs move between caches. */
    s->grain = (size_t)s->window.kernel[1] + 3 * SN_SERIAL_FLOPS / (row_work > 0 ? row_work : 1);
    s->copy_floats = sn_aligned_floats(s->planar.copy.floats);
    *scratch_size = (s->weights_floats + s->copy_floats * (size_t)site->threads) * sizeof(float);
    *state = s;
    return SINTER_OK;
}

typedef struct planar_call {
    const planar_state *s;
    sn_planar planar;
    float *copies;
} planar_call;

static void planar_rows(void *context, size_t begin, size_t end, int worker)
{
    const planar_call *x = context;
    x->s->kernels->planar->run(&x->planar, begin, end, x->copies + (size_t)worker * x->s->copy_floats);
}

static void planar_run(const sn_impl_run *r)
{
    const planar_state *s = r->state;
    planar_call x = {.s = s, .planar = s->planar, .copies = (float *)r->scratch + s->weights_floats};
    x.planar.x = r->in[0];
    x.planar.y = r->out[0];
    x.planar.bias = s->has_bias ? r->in[2] : NULL;
    x.planar.residual = s->residual ? r->in[r->n_in] : NULL;
    if (!x.planar.weights) {
        pack(s, r->in[1], r->scratch);
        x.planar.weights = r->scratch;
    }
    sn_parallel_for(r->pool, s->rows, s->grain, planar_rows, &x);
}

const sn_impl sn_impl_planar_conv = {.domain = "",
                                     .op_type = "Conv",
                                     .name = "conv-planar",
                                     .fuses = true,
                                     .accepts = planar_accepts,
                                     .prepare = planar_prepare,
                                     .run = planar_run};
