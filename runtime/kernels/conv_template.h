/*
 * conv_template.h - convolutions, compiled once per instruction set (see isa_*.c).
 *
 * A convolution is a matrix product whose right side, the columns under each tap, is made panel by panel: the source is
 * padded beforehand, so an element is source[base of the position + offset of the tap], without a border in sight.
 * Along a row of output positions with stride 1 these are contiguous.
 */

/* Positions of a panel whose sources follow each other. */
typedef struct run_of_positions {
    size_t base;  /* of the first one */
    size_t first; /* column in the panel */
    size_t count;
} run_of_positions;

/* Splits `columns` positions from `n` on into rows of output. */
static size_t split_positions(const size_t *out, const size_t *step, size_t n, size_t columns, run_of_positions *runs)
{
    size_t n_runs = 0;
    for (size_t j = 0; j < columns;) {
        size_t x = (n + j) % out[2], row = (n + j) / out[2];
        size_t y = row % out[1], z = row / out[1];
        run_of_positions *r = &runs[n_runs++];
        *r = (run_of_positions){
            .base = z * step[0] + y * step[1] + x * step[2], .first = j, .count = smaller(columns - j, out[2] - x)};
        j += r->count;
    }
    return n_runs;
}

/* Vectors may run over the end of a run: the next run, or the next line of the panel, is written later. */
static void copy_runs(const run_of_positions *runs, size_t n_runs, const float *source, float *line)
{
    for (size_t r = 0; r < n_runs; r++) {
        const float *from = source + runs[r].base;
        float *to = line + runs[r].first;
        for (size_t i = 0; i < runs[r].count; i += VL) vf_store(to + i, vf_load(from + i));
    }
}

static void copy_runs_exactly(const run_of_positions *runs, size_t n_runs, const float *source, float *line)
{
    for (size_t r = 0; r < n_runs; r++) {
        memcpy(line + runs[r].first, source + runs[r].base, runs[r].count * sizeof(float));
    }
}

/* Every second element; may run over the end of a run like copy_runs, and reads 2 VL elements at a time. */
static void copy_second(const run_of_positions *runs, size_t n_runs, const float *source, float *line)
{
    for (size_t r = 0; r < n_runs; r++) {
        const float *from = source + runs[r].base;
        float *to = line + runs[r].first;
        for (size_t i = 0; i < runs[r].count; i += VL) {
            vf_store(to + i, vf_even(vf_load(from + 2 * i), vf_load(from + 2 * i + VL)));
        }
    }
}

static void copy_strided(const run_of_positions *runs, size_t n_runs, const float *source, float *line, size_t step)
{
    for (size_t r = 0; r < n_runs; r++) {
        const float *from = source + runs[r].base;
        float *to = line + runs[r].first;
        for (size_t i = 0; i < runs[r].count; i++) to[i] = from[step * i];
    }
}

/* One line of a panel. `reach`: how far its runs read when they read whole vectors. */
static void gather_line(const sn_conv *p, const run_of_positions *runs, size_t n_runs, size_t offset, size_t reach,
                        float *line)
{
    const float *source = p->source + offset;
    bool whole_vectors = offset + reach <= p->readable;
    if (p->step[2] == 1 && whole_vectors) {
        copy_runs(runs, n_runs, source, line);
    } else if (p->step[2] == 1) {
        copy_runs_exactly(runs, n_runs, source, line);
    } else if (p->step[2] == 2 && whole_vectors) {
        copy_second(runs, n_runs, source, line);
    } else {
        copy_strided(runs, n_runs, source, line, p->step[2]);
    }
}

static void conv_panel(const void *context, size_t k0, size_t k, size_t n, size_t columns, float *panel)
{
    const sn_conv *p = context;
    run_of_positions runs[TILE_COLUMNS];
    size_t n_runs = split_positions(p->out, p->step, n, columns, runs);
    size_t channel = k0 / p->taps, tap = k0 % p->taps;
    size_t reach = 0; /* how far the runs read, vectors included */
    for (size_t r = 0; r < n_runs; r++) {
        size_t end = runs[r].base + (runs[r].count + VL - 1) / VL * VL * p->step[2];
        reach = end > reach ? end : reach;
    }
    for (size_t i = 0; i < k; i++) {
        size_t offset = channel * p->plane + p->tap_offset[tap];
        float *line = panel + i * TILE_COLUMNS;
        gather_line(p, runs, n_runs, offset, reach, line);
        if (columns < TILE_COLUMNS) memset(line + columns, 0, (TILE_COLUMNS - columns) * sizeof(float));
        if (++tap == p->taps) {
            tap = 0;
            channel++;
        }
    }
}

static void conv(const sn_conv *p, size_t m0, size_t m1, size_t n0, size_t n1, float *scratch)
{
    product x = {.k = p->k,
                 .a = p->weights,
                 .a_row = p->k,
                 .c = p->target,
                 .c_row = p->out[0] * p->out[1] * p->out[2],
                 .bias = p->bias,
                 .lo = p->lo,
                 .hi = p->hi,
                 .source = conv_panel,
                 .context = p};
    product_run(&x, m0, m1, n0, n1, scratch);
}

/* ------------------------------------------------------------------------------------------------ depthwise */

/* VL sources of neighbouring positions. */
KERNEL_INLINE vf depthwise_load(const float *from, size_t step)
{
    if (step == 1) return vf_load(from);
    if (step == 2) return vf_even(vf_load(from), vf_load(from + VL));
    vf x = {0};
    for (size_t j = 0; j < VL; j++) x[j] = from[j * step];
    return x;
}

KERNEL_INLINE vf depthwise_vector(const sn_depthwise_plane *p, const float *source, size_t step)
{
    vf a = vf_splat(p->bias);
    for (size_t t = 0; t < p->taps; t++) {
        a = vf_fma(vf_splat(p->weights[t]), depthwise_load(source + p->tap_offset[t], step), a);
    }
    return vf_clamp(a, vf_splat(p->lo), vf_splat(p->hi));
}

/* Fewer than VL positions where whole vectors would read too far. */
static void depthwise_rest(const sn_depthwise_plane *p, const float *source, float *target, size_t count)
{
    vf a = vf_splat(p->bias);
    for (size_t t = 0; t < p->taps; t++) {
        const float *from = source + p->tap_offset[t];
        vf x = {0};
        for (size_t j = 0; j < count; j++) x[j] = from[j * p->step[2]];
        a = vf_fma(vf_splat(p->weights[t]), x, a);
    }
    a = vf_clamp(a, vf_splat(p->lo), vf_splat(p->hi));
    memcpy(target, &a, count * sizeof *target);
}

/* One row of output. Its first position reads from `source`, the last tap of it `last` further; `readable` elements
 * follow. */
KERNEL_INLINE void depthwise_row(const sn_depthwise_plane *p, const float *source, size_t readable, size_t last,
                                 float *target, const size_t step)
{
    size_t count = p->out[2];
    for (size_t i = 0; i < count; i += VL) {
        const float *from = source + i * step;
        if (i * step + last + VL * step > readable) {
            depthwise_rest(p, from, target + i, smaller(VL, count - i));
        } else if (i + VL <= count) {
            vf_store(target + i, depthwise_vector(p, from, step));
        } else {
            vf v = depthwise_vector(p, from, step);
            memcpy(target + i, &v, (count - i) * sizeof *target);
        }
    }
}

static void depthwise(const sn_depthwise_plane *p)
{
    float *target = p->target;
    size_t last = p->tap_offset[p->taps - 1];
    for (size_t z = 0; z < p->out[0]; z++) {
        for (size_t y = 0; y < p->out[1]; y++, target += p->out[2]) {
            size_t base = z * p->step[0] + y * p->step[1], readable = p->readable - base;
            const float *source = p->source + base;
            if (p->step[2] == 1) {
                depthwise_row(p, source, readable, last, target, 1);
            } else if (p->step[2] == 2) {
                depthwise_row(p, source, readable, last, target, 2);
            } else {
                depthwise_row(p, source, readable, last, target, p->step[2]);
            }
        }
    }
}
