/*
 * C = epilogue(A * B): the product that all matrix operators and convolutions run on.
 *
 * Goto's blocking (2008), with B packed beforehand and A read in place: for a group of panels (about COLUMN_BLOCK
 * columns) and a block of k, which together stay in the second-level cache, each tile of rows is read from far away
 * once, and then from the first cache while it meets all panels of the group. Between blocks of k the sums wait in C.
 * Rows are dealt evenly to the tiles: 49 are 13 + 12 + 12 + 12, not 14 + 14 + 14 + 7.
 *
 * While a block is worked on, the lines of the next one are asked for, a few with every step of k: it lies in one
 * stretch per panel, far apart, where the hardware does not guess it.
 *
 * gemm_tile.h has the register tile, gemm_rows.h where its rows are, gemm_pack.h the panels.
 */
#include "runtime/kernels/gemm.h"
#include "runtime/kernels/gemm_pack.h"
#include "runtime/kernels/gemm_rows.h"
#include "runtime/kernels/gemm_tile.h"
#include "runtime/kernels/isa.h"
#include <math.h>

#define COLUMN_BLOCK   256
#define GROUP_PANELS   (COLUMN_BLOCK / TILE_COLUMNS)
#define PREFETCH_TILES 64 /* the last that many tiles of a block prefetch the next one */

/* Rows whose addresses agree in these bits share few sets of the first cache and drive each other out. */
#define ALIAS_FLOATS 1024
#define COPY_PANELS  2 /* that many panels must read the rows, or copying them does not pay */

extern const sn_activation_kernels SN_FOR_ISA(sn_activation);

/* The lines of B that are needed after the current block: `size` floats for each panel of the group. */
typedef struct next_lines {
    const float *b; /* or NULL */
    size_t panel, size;
} next_lines;

/* The group of panels and the block of k that are being worked on. */
typedef struct gemm_pass {
    const sn_gemm *g;
    size_t k;             /* of the whole product */
    size_t panel, panels; /* the group */
    k_block block;
    bool first, last;
    bool copy_rows;
    next_lines next;
    window_tap taps[BLOCK_TAPS];
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

/* Pieces of A are gathered into `copy`, where the tile reads them instead. */
static void copy_rows(const k_block *block, size_t rows, const float **a, float *copy)
{
    for (size_t i = 0; i < block->taps * rows; i++) {
        memcpy(copy, a[i], block->channels * sizeof *copy);
        a[i] = copy;
        copy += block->channels;
    }
}

static void set_epilogue(const gemm_pass *p, size_t row, size_t column, tile_args *t)
{
    const sn_epilogue *e = &p->g->epilogue;
    t->scale = e->scale ? e->scale + column : NULL;
    t->bias = e->bias ? e->bias + column : NULL;
    t->residual = e->residual ? e->residual + row * e->residual_row + column : NULL;
    t->residual_row = e->residual_row;
    t->clamp = e->activation.kind == SN_ACT_CLAMP;
    t->lo = e->activation.alpha;
    t->hi = e->activation.beta;
}

/* Tile `index` of `tiles` asks for its share of the next lines; without any it asks for lines that it has. */
static void set_prefetch(const gemm_pass *p, size_t panel, size_t index, size_t n_tiles, tile_args *t)
{
    size_t sharers = least(n_tiles, PREFETCH_TILES), depth = block_depth(&p->block);
    t->next = (const char *)t->b;
    t->next_step = 0;
    t->next_panel = 0;
    if (!p->next.b || depth == 0 || index + sharers < n_tiles) return;
    size_t share = index - (n_tiles - sharers);
    const float *lines = p->next.b + (panel - p->panel) * p->next.panel;
    t->next = (const char *)(lines + part_start(p->next.size, sharers, share));
    t->next_step = ceil_div(p->next.size * sizeof(float), sharers * depth);
    t->next_panel = p->next.panel * sizeof(float);
}

static void run_tile(const gemm_pass *p, size_t row, size_t rows, size_t index, size_t n_tiles)
{
    const sn_gemm *g = p->g;
    const float *a[BLOCK_TAPS * TILE_ROWS];
    float copy[K_BLOCK * TILE_ROWS];
    locate_rows(g, &p->block, p->taps, row, rows, a);
    if (p->copy_rows) copy_rows(&p->block, rows, a, copy);

    tile_args t = {.a = a, .taps = p->block.taps, .channels = p->block.channels, .first = p->first, .last = p->last};
    t.c_row = g->c_row;
    t.b_panel = TILE_COLUMNS * p->k;
    size_t column0 = p->panel * TILE_COLUMNS, columns = least(g->n - column0, p->panels * TILE_COLUMNS);
    for (size_t done = 0, panels; done < p->panels; done += panels) {
        size_t column = done * TILE_COLUMNS, left = columns - column;
        bool several = rows <= FEW_ROWS && left >= few_rows_tiles[rows - 1].panels * TILE_COLUMNS;
        panels = several ? few_rows_tiles[rows - 1].panels : 1;
        t.b = block_lines(g, &p->block, p->panel + done, panel_width(left));
        t.c = g->c + row * g->c_row + column0 + column;
        t.columns = least(left, panels * TILE_COLUMNS);
        set_epilogue(p, row, column0 + column, &t);
        set_prefetch(p, p->panel + done, index, n_tiles, &t);
        if (several) {
            few_rows_tiles[rows - 1].run(&t);
        } else {
            tiles[rows - 1][panel_width(left) == TILE_COLUMNS](&t);
        }
    }
    sn_activation_kind kind = g->epilogue.activation.kind;
    if (p->last && kind != SN_ACT_NONE && kind != SN_ACT_CLAMP) {
        SN_FOR_ISA(sn_activation)
            .apply(&g->epilogue.activation, g->c + row * g->c_row + column0, rows, columns, g->c_row);
    }
}

/* Whether the rows of a tile lie apart by a multiple of what the first cache tells apart. */
static bool rows_alias(const sn_gemm *g)
{
    size_t pitch = g->window ? (size_t)(g->window->stride[2] * g->window->pitch[2]) : g->a_row;
    return pitch % ALIAS_FLOATS == 0;
}

/* What follows block i of `blocks` of this group: the next block, the next group, or the next product. */
static next_lines lines_after(const gemm_pass *p, size_t blocks, size_t i, size_t next_panels)
{
    const sn_gemm *g = p->g;
    bool ends = i + 1 == blocks;
    if (ends && next_panels == 0) {
        size_t size = least(TILE_COLUMNS * block_depth(&p->block), g->next_size / p->panels);
        return (next_lines){g->next, size, size};
    }
    k_block after = k_block_at(g, blocks, ends ? 0 : i + 1);
    const float *lines = block_lines(g, &after, ends ? p->panel + p->panels : p->panel, TILE_COLUMNS);
    return (next_lines){lines, TILE_COLUMNS * p->k, TILE_COLUMNS * block_depth(&after)};
}

static void run(const sn_gemm *g, size_t m0, size_t m1, size_t panel0, size_t panel1)
{
    if (m0 >= m1 || panel0 >= panel1) return;
    gemm_pass p = {.g = g, .k = g->taps * g->kc};
    size_t rows = m1 - m0, n_tiles = ceil_div(rows, TILE_ROWS), blocks = count_k_blocks(g);
    size_t group_panels = rows <= FEW_ROWS ? few_rows_tiles[rows - 1].panels : GROUP_PANELS;
    size_t groups = ceil_div(panel1 - panel0, group_panels);
    for (size_t group = 0; group < groups; group++) {
        p.panel = panel0 + part_start(panel1 - panel0, groups, group);
        p.panels = panel0 + part_start(panel1 - panel0, groups, group + 1) - p.panel;
        p.copy_rows = p.panels >= COPY_PANELS && n_tiles > 1 && rows_alias(g);
        for (size_t i = 0; i < blocks; i++) {
            p.block = k_block_at(g, blocks, i);
            p.first = i == 0;
            p.last = i + 1 == blocks;
            p.next = lines_after(&p, blocks, i, panel1 - p.panel - p.panels);
            if (g->window) locate_taps(g->window, &p.block, p.taps);
            for (size_t tile = 0; tile < n_tiles; tile++) {
                size_t start = part_start(rows, n_tiles, tile);
                run_tile(&p, m0 + start, part_start(rows, n_tiles, tile + 1) - start, tile, n_tiles);
            }
        }
    }
}

extern const sn_gemm_kernels SN_FOR_ISA(sn_gemm);
const sn_gemm_kernels SN_FOR_ISA(sn_gemm) = {
    .mr = TILE_ROWS, .nr = TILE_COLUMNS, .packed_size = packed_size, .pack = pack, .unpack = unpack, .run = run};
