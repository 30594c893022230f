/*
 * C = epilogue(A * B): the product that all matrix operators and convolutions run on.
 *
 * Goto's blocking (2008), with B packed beforehand and A read in place: a block of B, some panels wide and some steps
 * of k deep, stays in the second-level cache while all rows of A meet it, a tile of them after the other; each tile is
 * read from far away once, and meets all panels of the block. Between blocks of k the sums wait in C, which is written
 * and read again for each: so blocks are deep rather than wide. Rows are dealt evenly to the tiles: 49 are
 * 13 + 12 + 12 + 12, not 14 + 14 + 14 + 7. Where lines of C do not follow each other, each has tiles of its own.
 *
 * While a block is worked on, the lines of the next one are asked for, one with every step of k: it lies in one stretch
 * per panel, far apart, where the hardware does not guess it. Products of few rows are another matter: they read B as
 * fast as memory gives it, in a few long streams, which the hardware does best alone.
 *
 * gemm_tile.h has the register tile, gemm_rows.h where its rows are, gemm_pack.h the panels.
 */
#include "runtime/kernels/gemm.h"
#include "runtime/kernels/gemm_pack.h"
#include "runtime/kernels/gemm_rows.h"
#include "runtime/kernels/gemm_tile.h"
#include "runtime/kernels/isa.h"

#define BLOCK_FLOATS   65536 /* of B in a block: a quarter of a megabyte, as the next one and A need room, too */
#define PREFETCH_TILES 64    /* the last that many tiles of a block prefetch the next one */

/* Rows that lie apart by a multiple of ALIAS_FLOATS meet in the same set of the first cache at every step of k; more of
 * them than it has ways, beside a line of B, would drive each other out. */
#define ALIAS_FLOATS 1024
#define CACHE_WAYS   8
#define ALIAS_ROWS   (TILE_ROWS < CACHE_WAYS ? TILE_ROWS : CACHE_WAYS - 1)

extern const sn_activation_kernels SN_FOR_ISA(sn_activation);

/* The lines of B that are needed after the current block, as the tiles of the block share them. */
typedef struct next_lines {
    const float *b;      /* or NULL */
    size_t panel, share; /* floats from one panel to the next; that each tile asks for in each panel */
    size_t step;         /* bytes for each step of k: at most a line, so that none is left out */
    size_t first_tile;   /* that has a share */
} next_lines;

/* The group of panels and the block of k that are being worked on. */
typedef struct gemm_pass {
    const sn_gemm *g;
    size_t panel, panels; /* the group */
    k_block block;
    bool first, last;
    size_t tile_rows; /* at most */
    next_lines next;
    const window_tap *taps;
} gemm_pass;

static size_t block_depth(const k_block *x)
{
    return x->taps * x->channels;
}

/* Where a block of k begins in a panel of this width. */
static const float *block_lines(const sn_gemm *g, const k_block *block, size_t panel, size_t width)
{
    return g->b + panel * TILE_COLUMNS * g->taps * g->kc + (block->tap * g->kc + block->channel) * width;
}

/* Where a row of C, or of the residual, begins. */
static size_t row_at(const sn_gemm *g, size_t row, size_t pitch)
{
    if (!g->lines) return row * pitch;
    window_position p = position_of_row(g->window, row);
    return (size_t)p.image * g->lines->image + (size_t)p.at[0] * g->lines->depth + (size_t)p.at[1] * g->lines->height +
           (size_t)p.at[2] * pitch;
}

static void set_epilogue(const gemm_pass *p, size_t row, size_t column, tile_args *t)
{
    const sn_epilogue *e = &p->g->epilogue;
    t->scale = e->scale ? e->scale + column : NULL;
    t->bias = e->bias ? e->bias + column : NULL;
    t->residual = e->residual ? e->residual + row_at(p->g, row, e->residual_row) + column : NULL;
    t->residual_row = e->residual_row;
    t->clamp = e->activation.kind == SN_ACT_CLAMP;
    t->lo = e->activation.alpha;
    t->hi = e->activation.beta;
}

/* Tile `index` asks for its share of the next lines; without one it asks for lines that it has. */
static void set_prefetch(const gemm_pass *p, size_t panel, size_t index, tile_args *t)
{
    const next_lines *next = &p->next;
    if (next->b && index >= next->first_tile) {
        t->next = (const char *)(next->b + panel * next->panel + (index - next->first_tile) * next->share);
        t->next_step = next->step;
    } else {
        t->next = (const char *)t->b;
        t->next_step = 0;
    }
}

static void run_tile(const gemm_pass *p, size_t row, size_t rows, size_t index)
{
    const sn_gemm *g = p->g;
    const float *a[BLOCK_TAPS * TILE_ROWS];
    locate_rows(g, &p->block, p->taps, row, rows, a);

    float aside[TILE_SUMS * VL];
    tile_args t = {.aside = aside,
                   .a = a,
                   .taps = p->block.taps,
                   .channels = p->block.channels,
                   .first = p->first,
                   .last = p->last};
    t.c_row = g->c_row;
    t.b_panel = TILE_COLUMNS * g->taps * g->kc;
    size_t column0 = p->panel * TILE_COLUMNS, columns = least(g->n - column0, p->panels * TILE_COLUMNS);
    float *c = g->c + row_at(g, row, g->c_row) + column0;
    for (size_t done = 0, panels; done < p->panels; done += panels) {
        size_t column = done * TILE_COLUMNS, left = columns - column;
        bool several = rows <= FEW_ROWS && left >= few_rows_tiles[rows - 1].panels * TILE_COLUMNS;
        panels = several ? few_rows_tiles[rows - 1].panels : 1;
        t.b = block_lines(g, &p->block, p->panel + done, panel_width(left));
        t.c = c + column;
        t.columns = least(left, panels * TILE_COLUMNS);
        set_epilogue(p, row, column0 + column, &t);
        set_prefetch(p, done, index, &t);
        if (several) {
            few_rows_tiles[rows - 1].run(&t);
        } else {
            /* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): a tile has rows */
            tiles[rows - 1][panel_width(left) == TILE_COLUMNS](&t);
        }
    }
    sn_activation_kind kind = g->epilogue.activation.kind;
    if (p->last && kind != SN_ACT_NONE && kind != SN_ACT_CLAMP) {
        SN_FOR_ISA(sn_activation).apply(&g->epilogue.activation, c, rows, columns, g->c_row);
    }
}

static size_t rows_of_tiles(const sn_gemm *g)
{
    size_t pitch = g->window ? (size_t)(g->window->stride[2] * g->window->pitch[2]) : g->a_row;
    return pitch % ALIAS_FLOATS == 0 ? ALIAS_ROWS : TILE_ROWS;
}

/* How many of `panels` fit a block: at least one. The first block of k is the deepest. */
static size_t panels_that_fit(const sn_gemm *g, size_t blocks, size_t panels)
{
    if (panels * TILE_COLUMNS * g->taps * g->kc <= BLOCK_FLOATS) return panels;
    k_block deepest = k_block_at(g, blocks, 0);
    size_t fit = BLOCK_FLOATS / (TILE_COLUMNS * block_depth(&deepest));
    return fit > 0 ? fit : 1;
}

/* The panels of the next group, as they are dealt evenly to the groups. */
static size_t panels_of_group(size_t left, size_t fit)
{
    return left <= fit ? left : ceil_div(left, ceil_div(left, fit));
}

/* What follows block i of `blocks` of this group: the next block, the next group, or the next product. */
static next_lines lines_after(const gemm_pass *p, size_t blocks, size_t i, size_t next_panels, size_t n_tiles)
{
    const sn_gemm *g = p->g;
    bool ends = i + 1 == blocks;
    size_t depth = block_depth(&p->block), size, sharers = least(n_tiles, PREFETCH_TILES);
    next_lines next;
    if (ends && next_panels == 0) {
        /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): a group has panels */
        size = least(TILE_COLUMNS * depth, g->next_size / p->panels);
        next = (next_lines){.b = g->next, .panel = size};
    } else {
        k_block after = k_block_at(g, blocks, ends ? 0 : i + 1);
        size = TILE_COLUMNS * block_depth(&after);
        next = (next_lines){.b = block_lines(g, &after, ends ? p->panel + p->panels : p->panel, TILE_COLUMNS),
                            .panel = TILE_COLUMNS * g->taps * g->kc};
    }
    next.share = size / sharers;
    next.step = depth > 0 ? least(ceil_div(next.share * sizeof(float), depth), CACHE_LINE) : 0;
    next.first_tile = n_tiles - sharers;
    return next;
}

/* The end of the rows that lie c_row apart from `row` on, as far as m1. */
static size_t end_of_line(const sn_gemm *g, size_t row, size_t m1)
{
    if (!g->lines) return m1;
    size_t line = (size_t)g->window->out[SN_WINDOW_AXES - 1];
    return least(m1, row - row % line + line);
}

static size_t count_tiles(const sn_gemm *g, size_t tile_rows, size_t m0, size_t m1)
{
    size_t n = 0;
    for (size_t row = m0, end; row < m1; row = end) {
        end = end_of_line(g, row, m1);
        n += ceil_div(end - row, tile_rows);
    }
    return n;
}

static void run_block(const gemm_pass *p, size_t m0, size_t m1)
{
    size_t index = 0;
    for (size_t row = m0; row < m1;) {
        size_t left = end_of_line(p->g, row, m1) - row;
        for (size_t tiles_left = ceil_div(left, p->tile_rows); tiles_left > 0; tiles_left--) {
            size_t height = ceil_div(left, tiles_left);
            run_tile(p, row, height, index++);
            row += height;
            left -= height;
        }
    }
}

static void run(const sn_gemm *g, size_t m0, size_t m1, size_t panel0, size_t panel1)
{
    if (m0 >= m1 || panel0 >= panel1) return;
    window_tap taps[BLOCK_TAPS];
    gemm_pass p = {.g = g, .taps = taps, .tile_rows = rows_of_tiles(g)};
    size_t rows = m1 - m0, n_tiles = count_tiles(g, p.tile_rows, m0, m1), blocks = count_k_blocks(g);
    const bool few = rows <= FEW_ROWS;
    const size_t fit = few ? few_rows_tiles[rows - 1].panels : panels_that_fit(g, blocks, panel1 - panel0);
    for (p.panel = panel0; p.panel < panel1; p.panel += p.panels) {
        size_t left = panel1 - p.panel;
        p.panels = few ? least(left, fit) : panels_of_group(left, fit);
        for (size_t i = 0; i < blocks; i++) {
            p.block = k_block_at(g, blocks, i);
            p.first = i == 0;
            p.last = i + 1 == blocks;
            if (!few) p.next = lines_after(&p, blocks, i, left - p.panels, n_tiles);
            if (g->window) locate_taps(g->window, &p.block, taps);
            run_block(&p, m0, m1);
        }
    }
}

extern const sn_gemm_kernels SN_FOR_ISA(sn_gemm);
const sn_gemm_kernels SN_FOR_ISA(sn_gemm) = {
    .mr = TILE_ROWS, .nr = TILE_COLUMNS, .packed_size = packed_size, .pack = pack, .unpack = unpack, .run = run};
