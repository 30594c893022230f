/*
 * Winograd convolution: transforms around the products of gemm.c. The formula, the layouts and the two ways to run it
 * are in winograd.h, the transforms of a vector of channels in winograd_transforms.h.
 *
 * Everything is done block by block: some tiles and one or two panels of output channels, for all points. A block's
 * products stay in the second-level cache until they are transformed, and so does, by tiles, its V, for all panels.
 *
 * The pixels of a tile that reaches out of its image, and the last channels that are not a whole vector, are gathered
 * into a tile of their own first, with zeros for what does not exist: then there is one transform for all.
 */
#include "runtime/kernels/winograd.h"
#include "runtime/kernels/isa.h"
#include "runtime/kernels/winograd_transforms.h"
#include <math.h>
#include <stdbool.h>

#define LINE_FLOATS  16    /* of a cache line */
#define ALIAS_FLOATS 1024  /* rows that are a multiple of this apart drive each other out of the first cache */
#define PANEL_U      4096  /* floats of one point of a panel, up to which a block has two panels */
#define BLOCK_V      98304 /* floats of V in a block, by tiles: 384 KB */
#define PANEL_M      65536 /* floats of M in a block and panel: 256 KB */

extern const sn_activation_kernels SN_FOR_ISA(sn_activation);
extern const sn_gemm_kernels SN_FOR_ISA(sn_gemm);

/* ---------------------------------------------------------------------------------------------------- sizes */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t round_up(size_t n, size_t unit)
{
    return (n + unit - 1) / unit * unit;
}

static size_t count_points(const sn_winograd *w)
{
    return (w->side + 2) * (w->side + 2);
}

/* Points are an odd number of cache lines apart, so that those of one tile are not in the same sets of the cache. */
static size_t pad_point(size_t floats)
{
    size_t lines = round_up(floats, LINE_FLOATS) / LINE_FLOATS;
    return (lines | 1) * LINE_FLOATS;
}

/* Floats from one tile to the next in V: whole vectors. */
static size_t v_row(const sn_winograd *w)
{
    size_t row = round_up(w->conv.kc, VL);
    return row > 0 && row % ALIAS_FLOATS == 0 ? row + LINE_FLOATS : row;
}

/* Two panels share the reading of V from the second-level cache, which pays while their part of U is small. */
static size_t block_panels(const sn_winograd *w)
{
    return w->conv.kc * TILE_COLUMNS <= PANEL_U ? 2 : 1;
}

static size_t m_row(const sn_winograd *w)
{
    return block_panels(w) * TILE_COLUMNS;
}

/* Tiles in a block whose M, and V when it is part of the block, have about the size they should have: whole register
 * tiles of the product. */
static size_t block_tiles(const sn_winograd *w, bool with_v)
{
    size_t points = count_points(w), most = PANEL_M / (points * TILE_COLUMNS);
    if (with_v) most = least(most, BLOCK_V / (points * (v_row(w) + 1)));
    return most < TILE_ROWS ? TILE_ROWS : most / TILE_ROWS * TILE_ROWS;
}

static size_t count_panels(const sn_winograd *w)
{
    return (w->conv.n + TILE_COLUMNS - 1) / TILE_COLUMNS;
}

static size_t weights_size(const sn_winograd *w)
{
    return count_points(w) * SN_FOR_ISA(sn_gemm).packed_size(w->conv.kc, w->conv.n);
}

/* ---------------------------------------------------------------------------------------------------- where tiles are
 */

/* How tiles cover the outputs, and the tile that is worked on. */
typedef struct tiling {
    size_t height, width; /* of the outputs */
    size_t rows, columns; /* of tiles in an image */
    size_t image, row, column;
} tiling;

static tiling first_tile(const sn_winograd *w, size_t tile)
{
    const sn_image_window *window = w->conv.window;
    tiling t = {.height = (size_t)window->out[1], .width = (size_t)window->out[2]};
    t.rows = (t.height + w->side - 1) / w->side;
    t.columns = (t.width + w->side - 1) / w->side;
    if (t.rows == 0 || t.columns == 0) return t;
    t.column = tile % t.columns;
    t.row = tile / t.columns % t.rows;
    t.image = tile / t.columns / t.rows;
    return t;
}

static void next_tile(tiling *t)
{
    if (++t->column < t->columns) return;
    t->column = 0;
    if (++t->row < t->rows) return;
    t->row = 0;
    t->image++;
}

static size_t count_tiles(const sn_winograd *w)
{
    tiling t = first_tile(w, 0);
    size_t outputs = t.height * t.width;
    return outputs > 0 ? w->conv.m / outputs * t.rows * t.columns : 0;
}

static size_t input_size(const sn_winograd *w)
{
    return count_points(w) * pad_point(count_tiles(w) * v_row(w));
}

static size_t panels_scratch(const sn_winograd *w)
{
    return count_points(w) * pad_point(block_tiles(w, false) * m_row(w));
}

static size_t tiles_scratch(const sn_winograd *w)
{
    size_t tiles = block_tiles(w, true);
    return count_points(w) * (pad_point(tiles * v_row(w)) + pad_point(tiles * m_row(w)));
}

/* ---------------------------------------------------------------------------------------------------- weights */

/* U = G g G^T of VL output channels: element [i][j] of their kernels is g + (3 * i + j) * tap, and U's likewise. */
static void transform_weights(size_t inputs, const double (*matrix)[3], const float *g, size_t tap, float *u,
                              size_t point)
{
    double half[MAX_INPUTS][3][VL];
    for (size_t i = 0; i < inputs; i++) {
        for (size_t j = 0; j < 3; j++) {
            for (size_t l = 0; l < VL; l++) {
                half[i][j][l] = matrix[i][0] * (double)g[j * tap + l] + matrix[i][1] * (double)g[(3 + j) * tap + l] +
                                matrix[i][2] * (double)g[(6 + j) * tap + l];
            }
        }
    }
    for (size_t i = 0; i < inputs; i++) {
        for (size_t j = 0; j < inputs; j++) {
            for (size_t l = 0; l < VL; l++) {
                u[(i * inputs + j) * point + l] =
                    (float)(half[i][0][l] * matrix[j][0] + half[i][1][l] * matrix[j][1] + half[i][2][l] * matrix[j][2]);
            }
        }
    }
}

static void weights(const sn_winograd *w, const float *packed, float *u, size_t panel0, size_t panel1)
{
    const size_t channels = w->conv.kc, point = SN_FOR_ISA(sn_gemm).packed_size(channels, w->conv.n);
    const double(*matrix)[3] = w->side == 4 ? weights_4 : weights_2;
    for (size_t panel = panel0; panel < panel1; panel++) {
        size_t columns = w->conv.n - panel * TILE_COLUMNS;
        size_t size = channels * (columns <= TILE_COLUMNS / 2 ? TILE_COLUMNS / 2 : TILE_COLUMNS); /* of one tap */
        const float *g = packed + panel * 9 * channels * TILE_COLUMNS;
        float *target = u + panel * channels * TILE_COLUMNS;
        for (size_t at = 0; at < size; at += VL) {
            transform_weights(w->side + 2, matrix, g + at, size, target + at, point);
        }
    }
}

/* ---------------------------------------------------------------------------------------------------- inputs */

/* The part of a tile's inputs that is in the image: rows [row0, row1), columns [column0, column1) of the tile. */
typedef struct inside {
    ptrdiff_t row0, row1, column0, column1;
} inside;

static ptrdiff_t within(ptrdiff_t x, ptrdiff_t n)
{
    return x < 0 ? 0 : x > n ? n : x;
}

/* `lanes` channels of the existing pixels, from x[offset] on for the tile's first one, to their places in
 * d[inputs][inputs][VL], whose others are zeros. */
KERNEL_INLINE void gather(const float *x, ptrdiff_t offset, const sn_image_window *window, const inside *part,
                          ptrdiff_t inputs, size_t lanes, float *d)
{
    for (ptrdiff_t i = part->row0; i < part->row1; i++) {
        for (ptrdiff_t j = part->column0; j < part->column1; j++) {
            const float *from = x + (offset + i * window->pitch[1] + j * window->pitch[2]);
            vf_store(d + (i * inputs + j) * VL, lanes == VL ? vf_load(from) : vf_load_part(from, lanes));
        }
    }
}

KERNEL_INLINE void transform_inputs(const size_t side, const sn_winograd *w, float *v, size_t point, size_t tile0,
                                    size_t tile1)
{
    const sn_image_window *window = w->conv.window;
    const ptrdiff_t inputs = (ptrdiff_t)side + 2;
    const size_t channels = w->conv.kc, row = v_row(w);
    tiling t = first_tile(w, tile0);
    for (size_t tile = tile0; tile < tile1; tile++, next_tile(&t), v += row) {
        const ptrdiff_t y = (ptrdiff_t)(t.row * side) - window->pad[1],
                        x = (ptrdiff_t)(t.column * side) - window->pad[2];
        const ptrdiff_t offset = (ptrdiff_t)t.image * window->image + y * window->pitch[1] + x * window->pitch[2];
        const inside part = {within(-y, inputs), within(window->in[1] - y, inputs), within(-x, inputs),
                             within(window->in[2] - x, inputs)};
        const bool whole = part.row1 - part.row0 == inputs && part.column1 - part.column0 == inputs;
        size_t c = 0;
        if (whole) {
            pixels d = {w->conv.a + offset, window->pitch[1], window->pitch[2]};
            for (; c + VL <= channels; c += VL, d.x += VL) input_tile(side, &d, v + c, point);
        }
        if (c == channels) continue;
        float gathered[MAX_POINTS * VL] __attribute__((aligned(sizeof(vf)))) = {0};
        for (; c < channels; c += VL) {
            const size_t lanes = least(VL, channels - c);
            const pixels d = {gathered, inputs * VL, VL};
            gather(w->conv.a, offset + (ptrdiff_t)c, window, &part, inputs, lanes, gathered);
            input_tile(side, &d, v + c, point);
        }
    }
}

static void transform_block(const sn_winograd *w, float *v, size_t point, size_t tile0, size_t tile1)
{
    if (w->side == 4) {
        transform_inputs(4, w, v, point, tile0, tile1);
    } else {
        transform_inputs(2, w, v, point, tile0, tile1);
    }
}

static void input(const sn_winograd *w, float *v, size_t tile0, size_t tile1)
{
    transform_block(w, v + tile0 * v_row(w), pad_point(count_tiles(w) * v_row(w)), tile0, tile1);
}

/* ---------------------------------------------------------------------------------------------------- outputs */

/* Where the outputs of a tile go, and what happens to them before. */
typedef struct target {
    float *c;
    const float *residual; /* or NULL */
    const float *scale, *bias;
    size_t c_pixel, c_line, residual_pixel, residual_line; /* floats from a pixel, and a line of pixels, to the next */
    size_t rows, columns;                                  /* of the tile that exist */
    float lo, hi;
} target;

KERNEL_INLINE vf load_columns(const bool part, const float *p, size_t lanes)
{
    return part ? vf_load_part(p, lanes) : vf_load(p);
}

/* Row `row` of a tile's outputs, `lanes` channels from `at` on. Only a `part` of the tile, or of the vector, may exist.
 */
KERNEL_INLINE void store_row(const size_t side, const bool part, const target *t, size_t row, size_t at, size_t lanes,
                             const vf *y)
{
    if (part && row >= t->rows) return;
    const vf lo = vf_splat(t->lo), hi = vf_splat(t->hi);
    vf x[MAX_SIDE];
    UNROLL
    for (size_t j = 0; j < side; j++) x[j] = y[j];
    if (t->scale) {
        vf scale = load_columns(part, t->scale + at, lanes);
        UNROLL
        for (size_t j = 0; j < side; j++) x[j] *= scale;
    }
    if (t->bias) {
        vf bias = load_columns(part, t->bias + at, lanes);
        UNROLL
        for (size_t j = 0; j < side; j++) x[j] += bias;
    }
    if (t->residual) {
        const float *residual = opaque(t->residual + row * t->residual_line + at);
        UNROLL
        for (size_t j = 0; j < side; j++) {
            if (!part || j < t->columns) x[j] += load_columns(part, residual + j * t->residual_pixel, lanes);
        }
    }
    float *c = opaque_target(t->c + row * t->c_line + at);
    UNROLL
    for (size_t j = 0; j < side; j++) {
        if (part && j >= t->columns) break;
        x[j] = vf_clamp(x[j], lo, hi);
        if (part) {
            vf_store_part(c + j * t->c_pixel, x[j], lanes);
        } else {
            vf_store(c + j * t->c_pixel, x[j]);
        }
    }
}

KERNEL_INLINE void output_tile(const size_t side, const bool part, const target *t, size_t at, size_t lanes,
                               const float *m, size_t point)
{
    vf y[2][MAX_SIDE];
    if (side == 4) {
        output_4(0, m, point, y);
        store_row(4, part, t, 0, at, lanes, y[0]);
        store_row(4, part, t, 2, at, lanes, y[1]);
        output_4(1, m, point, y);
        store_row(4, part, t, 1, at, lanes, y[0]);
        store_row(4, part, t, 3, at, lanes, y[1]);
    } else {
        output_2(m, point, y);
        store_row(2, part, t, 0, at, lanes, y[0]);
        store_row(2, part, t, 1, at, lanes, y[1]);
    }
}

/* From column `column0` on, `columns` columns of the outputs of tiles [tile0, tile1). */
KERNEL_INLINE void transform_outputs(const size_t side, const sn_winograd *w, const float *m, size_t point,
                                     size_t tile0, size_t tile1, size_t column0, size_t columns)
{
    const sn_epilogue *e = &w->conv.epilogue;
    const bool clamp = e->activation.kind == SN_ACT_CLAMP, later = !clamp && e->activation.kind != SN_ACT_NONE;
    const size_t row = m_row(w);
    tiling t = first_tile(w, tile0);
    target to = {.scale = e->scale ? e->scale + column0 : NULL,
                 .bias = e->bias ? e->bias + column0 : NULL,
                 .c_pixel = w->conv.c_row,
                 .c_line = w->conv.c_row * t.width,
                 .residual_pixel = e->residual_row,
                 .residual_line = e->residual_row * t.width,
                 .lo = clamp ? e->activation.alpha : -INFINITY,
                 .hi = clamp ? e->activation.beta : INFINITY};
    for (size_t tile = tile0; tile < tile1; tile++, next_tile(&t), m += row) {
        const size_t y = t.row * side, x = t.column * side, pixel_index = (t.image * t.height + y) * t.width + x;
        to.rows = least(side, t.height - y);
        to.columns = least(side, t.width - x);
        to.c = w->conv.c + pixel_index * to.c_pixel + column0;
        to.residual = e->residual ? e->residual + pixel_index * to.residual_pixel + column0 : NULL;
        const bool whole = to.rows == side && to.columns == side;
        size_t at = 0;
        if (whole) {
            for (; at + VL <= columns; at += VL) output_tile(side, false, &to, at, VL, m + at, point);
        }
        for (; at < columns; at += VL) output_tile(side, true, &to, at, least(VL, columns - at), m + at, point);
        if (!later) continue;
        for (size_t i = 0; i < to.rows; i++) {
            SN_FOR_ISA(sn_activation).apply(&e->activation, to.c + i * to.c_line, to.columns, columns, to.c_pixel);
        }
    }
}

/* ---------------------------------------------------------------------------------------------------- blocks */

/* Tiles [tile0, tile1) and panels [panel0, panel1) of the output channels. */
typedef struct block {
    size_t tile0, tile1, panel0, panel1;
    size_t next_panel; /* the first one of the block after this, or `last` */
    bool last;         /* of the call */
} block;

/* Products, then outputs; v is the V of the block's first tile. */
static void run_block(const sn_winograd *w, const block *x, const float *v, size_t v_point, float *m)
{
    const sn_gemm_kernels *gemm = &SN_FOR_ISA(sn_gemm);
    const size_t points = count_points(w), channels = w->conv.kc, panel = channels * TILE_COLUMNS;
    const size_t tiles = x->tile1 - x->tile0, panels = x->panel1 - x->panel0, column0 = x->panel0 * TILE_COLUMNS;
    const size_t u_point = gemm->packed_size(channels, w->conv.n), m_point = pad_point(tiles * m_row(w));
    const size_t columns = least(w->conv.n - column0, panels * TILE_COLUMNS);
    sn_gemm g = {.m = tiles,
                 .n = columns,
                 .taps = 1,
                 .kc = channels,
                 .a = v,
                 .a_row = v_row(w),
                 .b = w->conv.b + x->panel0 * panel,
                 .c = m,
                 .c_row = m_row(w),
                 .next_size = channels * columns};
    for (size_t i = 0; i < points; i++) {
        g.next = g.b + u_point;
        if (i + 1 == points) {
            g.next = x->last ? w->conv.next : w->conv.b + x->next_panel * panel;
            g.next_size = x->last ? w->conv.next_size : channels * least(TILE_COLUMNS, columns);
        }
        gemm->run(&g, 0, tiles, 0, panels);
        g.a += v_point;
        g.b += u_point;
        g.c += m_point;
    }
    if (w->side == 4) {
        transform_outputs(4, w, m, m_point, x->tile0, x->tile1, column0, columns);
    } else {
        transform_outputs(2, w, m, m_point, x->tile0, x->tile1, column0, columns);
    }
}

/* Where the block that begins with tile `start` ends: those that are left are dealt evenly to blocks of at most `most`,
 * which is a multiple of the register tile's rows, as are all blocks but the last one. */
static size_t block_end(size_t start, size_t end, size_t most)
{
    size_t left = end - start, blocks = (left + most - 1) / most;
    return least(end, start + round_up((left + blocks - 1) / blocks, TILE_ROWS));
}

static void run_tiles(const sn_winograd *w, size_t tile0, size_t tile1, float *scratch)
{
    const size_t panels = count_panels(w), most = block_tiles(w, true);
    float *v = scratch, *m = scratch + count_points(w) * pad_point(most * v_row(w));
    for (size_t start = tile0, end; start < tile1; start = end) {
        end = block_end(start, tile1, most);
        const size_t v_point = pad_point((end - start) * v_row(w));
        transform_block(w, v, v_point, start, end);
        for (size_t panel = 0, after; panel < panels; panel = after) {
            after = least(panels, panel + block_panels(w));
            const block x = {start, end, panel, after, after < panels ? after : 0, after == panels && end == tile1};
            run_block(w, &x, v, v_point, m);
        }
    }
}

static void run_panels(const sn_winograd *w, const float *v, size_t panel0, size_t panel1, float *scratch)
{
    const size_t tiles = count_tiles(w), most = block_tiles(w, false), v_point = pad_point(tiles * v_row(w));
    for (size_t panel = panel0, after; panel < panel1; panel = after) {
        after = least(panel1, panel + block_panels(w));
        for (size_t start = 0, end; start < tiles; start = end) {
            end = block_end(start, tiles, most);
            const block x = {start, end, panel, after, end < tiles ? panel : after, end == tiles && after == panel1};
            run_block(w, &x, v + start * v_row(w), v_point, scratch);
        }
    }
}

extern const sn_winograd_kernels SN_FOR_ISA(sn_winograd);
const sn_winograd_kernels SN_FOR_ISA(sn_winograd) = {.tiles = count_tiles,
                                                     .weights_size = weights_size,
                                                     .input_size = input_size,
                                                     .tiles_scratch = tiles_scratch,
                                                     .panels_scratch = panels_scratch,
                                                     .weights = weights,
                                                     .run_tiles = run_tiles,
                                                     .input = input,
                                                     .run_panels = run_panels};
