/* elementwise_template.h - pooling, sums and element-wise kernels, compiled once per instruction set (see isa_*.c). */

static void clamp(const float *x, float *y, size_t n, float lo, float hi)
{
    vf low = vf_splat(lo), high = vf_splat(hi);
    size_t whole = n / VL * VL;
    for (size_t i = 0; i < whole; i += VL) vf_store(y + i, vf_clamp(vf_load(x + i), low, high));
    for (size_t i = whole; i < n; i++) {
        float v = x[i] < lo ? lo : x[i];
        y[i] = v > hi ? hi : v;
    }
}

static void add(const float *a, const float *b, float *y, size_t n)
{
    size_t whole = n / VL * VL;
    for (size_t i = 0; i < whole; i += VL) vf_store(y + i, vf_load(a + i) + vf_load(b + i));
    for (size_t i = whole; i < n; i++) y[i] = a[i] + b[i];
}

static void mul(const float *a, const float *b, float *y, size_t n)
{
    size_t whole = n / VL * VL;
    for (size_t i = 0; i < whole; i += VL) vf_store(y + i, vf_load(a + i) * vf_load(b + i));
    for (size_t i = whole; i < n; i++) y[i] = a[i] * b[i];
}

static void affine(const float *x, float *y, size_t n, float scale, float shift, float lo, float hi)
{
    vf low = vf_splat(lo), high = vf_splat(hi), s = vf_splat(scale), t = vf_splat(shift);
    size_t whole = n / VL * VL, rest = n - whole;
    for (size_t i = 0; i < whole; i += VL) vf_store(y + i, vf_clamp(vf_fma(vf_load(x + i), s, t), low, high));
    if (rest > 0) {
        vf v = vf_clamp(vf_fma(vf_load_part(x + whole, rest), s, t), low, high);
        memcpy(y + whole, &v, rest * sizeof(float));
    }
}

static float sum(const float *x, size_t n)
{
    vf a = {0}, b = {0};
    size_t i = 0;
    for (; i + 2 * VL <= n; i += 2 * VL) {
        a += vf_load(x + i);
        b += vf_load(x + i + VL);
    }
    for (; i < n; i += VL) a += n - i < VL ? vf_load_part(x + i, n - i) : vf_load(x + i);
    return vf_sum(a + b);
}

/* ------------------------------------------------------------------------------------------------ max pooling */

/* The taps [*first, *last) that lie inside `size` for output position `o`. */
static void tap_range(size_t o, size_t stride, size_t pad, size_t dilation, size_t kernel, size_t size, size_t *first,
                      size_t *last)
{
    size_t start = o * stride; /* in padded coordinates */
    *first = start >= pad ? 0 : (pad - start + dilation - 1) / dilation;
    *last = start >= size + pad ? 0 : (size + pad - start + dilation - 1) / dilation;
    *last = smaller(*last, kernel);
    if (*first > *last) *first = *last;
}

static float pool_position(const sn_max_pool *p, size_t y0, size_t y1, size_t oy, size_t ox)
{
    size_t x0, x1;
    tap_range(ox, p->stride[1], p->pad[1], p->dilation[1], p->kernel[1], p->width, &x0, &x1);
    float best = -INFINITY;
    for (size_t ky = y0; ky < y1; ky++) {
        const float *row = p->source + (oy * p->stride[0] + ky * p->dilation[0] - p->pad[0]) * p->width;
        for (size_t kx = x0; kx < x1; kx++) {
            float v = row[ox * p->stride[1] + kx * p->dilation[1] - p->pad[1]];
            best = v > best ? v : best;
        }
    }
    return best;
}

/* Positions [from, to) of a row, all of whose horizontal taps are inside: the loop over positions is the inner one. */
static void pool_inside(const sn_max_pool *p, size_t y0, size_t y1, size_t oy, size_t from, size_t to, float *target)
{
    for (size_t x = from; x < to; x++) target[x] = -INFINITY;
    for (size_t ky = y0; ky < y1; ky++) {
        const float *row = p->source + (oy * p->stride[0] + ky * p->dilation[0] - p->pad[0]) * p->width;
        for (size_t kx = 0; kx < p->kernel[1]; kx++) {
            const float *source = row + from * p->stride[1] + kx * p->dilation[1] - p->pad[1];
            float *to_row = target + from;
            size_t count = to - from;
            if (p->stride[1] == 1) {
                for (size_t x = 0; x < count; x++) to_row[x] = source[x] > to_row[x] ? source[x] : to_row[x];
            } else if (p->stride[1] == 2) {
                for (size_t x = 0; x < count; x++) to_row[x] = source[2 * x] > to_row[x] ? source[2 * x] : to_row[x];
            } else {
                for (size_t x = 0; x < count; x++) {
                    float v = source[x * p->stride[1]];
                    to_row[x] = v > to_row[x] ? v : to_row[x];
                }
            }
        }
    }
}

static void max_pool(const sn_max_pool *p)
{
    size_t width = p->out[1];
    size_t from = (p->pad[1] + p->stride[1] - 1) / p->stride[1];
    size_t span = (p->kernel[1] - 1) * p->dilation[1] + 1;
    size_t to = p->width + p->pad[1] >= span ? (p->width + p->pad[1] - span) / p->stride[1] + 1 : 0;
    to = smaller(to, width);
    from = smaller(from, to);
    for (size_t oy = 0; oy < p->out[0]; oy++) {
        size_t y0, y1;
        tap_range(oy, p->stride[0], p->pad[0], p->dilation[0], p->kernel[0], p->height, &y0, &y1);
        float *target = p->target + oy * width;
        for (size_t x = 0; x < from; x++) target[x] = pool_position(p, y0, y1, oy, x);
        pool_inside(p, y0, y1, oy, from, to, target);
        for (size_t x = to; x < width; x++) target[x] = pool_position(p, y0, y1, oy, x);
    }
}
