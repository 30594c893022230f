/* Weights sorted by phases: see phases.h. */
#include "runtime/phases.h"

#include "runtime/impl.h"

/* Taps of the kernel in the classes before this one, on one axis. */
static size_t taps_before(size_t kernel, size_t step, size_t class)
{
    size_t more = kernel % step;
    return kernel / step * class + (class < more ? class : more);
}

/* Floats of so many taps in the matrix of one group. */
static size_t floats_of(const sn_kernels *k, const sn_pack_form *form, size_t taps)
{
    return k->gemm->packed_size(taps * form->source.kc, form->source.n);
}

static size_t taps_of(const sn_pack_form *form, const size_t class[SN_WINDOW_AXES])
{
    size_t taps = 1;
    for (int i = 0; i < SN_WINDOW_AXES; i++) taps *= sn_phase_taps(form->kernel[i], form->step[i], class[i]);
    return taps;
}

size_t sn_phase_group(const sn_kernels *k, const sn_pack_form *form, const size_t class[SN_WINDOW_AXES])
{
    return floats_of(k, form, taps_of(form, class));
}

size_t sn_phase_at(const sn_kernels *k, const sn_pack_form *form, const size_t class[SN_WINDOW_AXES])
{
    size_t before = 0, behind = form->source.taps, chosen = 1;
    for (int i = 0; i < SN_WINDOW_AXES; i++) {
        behind /= form->kernel[i];
        before += chosen * taps_before(form->kernel[i], form->step[i], class[i]) * behind;
        chosen *= sn_phase_taps(form->kernel[i], form->step[i], class[i]);
    }
    return form->groups * floats_of(k, form, before);
}

/* One tap of one group as a source, and where in the pack the matrix is that it belongs to. */
static sn_gemm_source source_of_tap(const sn_kernels *k, const sn_pack_form *form, size_t group, size_t tap, size_t *at)
{
    size_t class[SN_WINDOW_AXES], rest = tap, line = 0, pitch = 1;
    for (int i = SN_WINDOW_AXES - 1; i >= 0; i--) {
        size_t index = rest % form->kernel[i];
        rest /= form->kernel[i];
        class[i] = index % form->step[i];
        size_t taps = sn_phase_taps(form->kernel[i], form->step[i], class[i]);
        line += (taps - 1 - index / form->step[i]) * pitch;
        pitch *= taps;
    }
    *at = sn_phase_at(k, form, class) + group * floats_of(k, form, pitch);
    sn_gemm_source s = form->source;
    s.taps = 1;
    s.line = line * s.kc;
    s.lines = pitch * s.kc;
    return s;
}

static ptrdiff_t offset_of_tap(const sn_pack_form *form, size_t group, size_t tap)
{
    return (ptrdiff_t)group * form->group_pitch + (ptrdiff_t)tap * form->source.tap_pitch;
}

typedef struct packing {
    const sn_kernels *kernels;
    const sn_pack_form *form;
    const float *from;
    float *to;
    size_t panels; /* of a group */
} packing;

/* All taps of a panel, which lie next to each other in the tensor, before those of the next. */
static void pack_panels(void *context, size_t begin, size_t end, int worker)
{
    const packing *x = context;
    (void)worker;
    for (size_t i = begin; i < end; i++) {
        size_t group = i / x->panels, panel = i % x->panels, at;
        for (size_t tap = 0; tap < x->form->source.taps; tap++) {
            sn_gemm_source s = source_of_tap(x->kernels, x->form, group, tap, &at);
            s.b = x->from + offset_of_tap(x->form, group, tap);
            x->kernels->gemm->pack(&s, x->to + at, panel, panel + 1);
        }
    }
}

void sn_phases_pack(const sn_kernels *k, const sn_pack_form *form, const float *from, float *to, sinter_pool *pool)
{
    packing x = {k, form, from, to, sn_divide_up(form->source.n, k->gemm->nr)};
    sn_parallel_for(pool, form->groups * x.panels, 1, pack_panels, &x);
}

void sn_phases_unpack(const sn_kernels *k, const sn_pack_form *form, const float *packed, float *to)
{
    for (size_t group = 0; group < form->groups; group++) {
        for (size_t tap = 0; tap < form->source.taps; tap++) {
            size_t at;
            sn_gemm_source s = source_of_tap(k, form, group, tap, &at);
            k->gemm->unpack(&s, packed + at, to + offset_of_tap(form, group, tap));
        }
    }
}
