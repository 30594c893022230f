/*
 * conv_template.h - convolutions, compiled once per instruction set (see isa_*.c).
 *
 * A convolution is a matrix product whose right side, the columns under each tap, is made panel by panel: the source is padded
 * beforehand, so an element is source[base of the position + offset of the tap], without a border in sight. Along a row of
 * output positions with stride 1 these are contiguous.
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
        *r = (run_of_positions){.base = z * step[0] + y * step[1] + x * step[2],
                                .first = j,
                                .count = smaller(columns - j, out[2] - x)};
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

static void copy_strided(const run_of_positions *runs, size_t n_runs, const float *source, float *line, size_t step)
{
    for (size_t r = 0; r < n_runs; r++) {
        const float *from = source + runs[r].base;
        float *to = line + runs[r].first;
        if (step == 2) {
            for (size_t i = 0; i < runs[r].count; i++) to[i] = from[2 * i];
        } else {
            for (size_t i = 0; i < runs[r].count; i++) to[i] = from[step * i];
        }
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
        size_t end = runs[r].base + (runs[r].count + VL - 1) / VL * VL;
        reach = end > reach ? end : reach;
    }
    for (size_t i = 0; i < k; i++) {
        size_t offset = channel * p->plane + p->tap_offset[tap];
        float *line = panel + i * TILE_COLUMNS;
        if (p->step[2] != 1) {
            copy_strided(runs, n_runs, p->source + offset, line, p->step[2]);
        } else if (offset + reach <= p->readable) {
            copy_runs(runs, n_runs, p->source + offset, line);
        } else {
            copy_runs_exactly(runs, n_runs, p->source + offset, line);
        }
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

/* `count` positions of one output row with stride 1: whole vectors, then single elements. */
static void depthwise_row(const sn_depthwise *p, const float *source, float *target, size_t count)
{
    vf lo = vf_splat(p->lo), hi = vf_splat(p->hi), bias = vf_splat(p->bias);
    size_t i = 0;
    for (; i + 2 * VL <= count; i += 2 * VL) {
        vf a = bias, b = bias;
        for (size_t t = 0; t < p->taps; t++) {
            const float *from = source + p->tap_offset[t] + i;
            vf w = vf_splat(p->weights[t]);
            a = vf_fma(w, vf_load(from), a);
            b = vf_fma(w, vf_load(from + VL), b);
        }
        vf_store(target + i, vf_clamp(a, lo, hi));
        vf_store(target + i + VL, vf_clamp(b, lo, hi));
    }
    while (i < count) {
        size_t n = smaller(VL, count - i);
        vf a = bias;
        for (size_t t = 0; t < p->taps; t++) {
            const float *from = source + p->tap_offset[t] + i;
            a = vf_fma(vf_splat(p->weights[t]), n == VL ? vf_load(from) : vf_load_part(from, n), a);
        }
        a = vf_clamp(a, lo, hi);
        memcpy(target + i, &a, n * sizeof(float));
        i += n;
    }
}

static void depthwise_row_strided(const sn_depthwise *p, const float *source, float *target, size_t count)
{
    vf lo = vf_splat(p->lo), hi = vf_splat(p->hi);
    for (size_t i = 0; i < count; i += VL) {
        size_t n = smaller(VL, count - i);
        vf a = vf_splat(p->bias);
        for (size_t t = 0; t < p->taps; t++) {
            const float *from = source + p->tap_offset[t] + i * p->step[2];
            vf x = {0};
            for (size_t j = 0; j < n; j++) x[j] = from[j * p->step[2]];
            a = vf_fma(vf_splat(p->weights[t]), x, a);
        }
        a = vf_clamp(a, lo, hi);
        memcpy(target + i, &a, n * sizeof(float));
    }
}

static void depthwise(const sn_depthwise *p)
{
    float *target = p->target;
    for (size_t z = 0; z < p->out[0]; z++) {
        for (size_t y = 0; y < p->out[1]; y++, target += p->out[2]) {
            const float *source = p->source + z * p->step[0] + y * p->step[1];
            if (p->step[2] == 1) {
                depthwise_row(p, source, target, p->out[2]);
            } else {
                depthwise_row_strided(p, source, target, p->out[2]);
            }
        }
    }
}
