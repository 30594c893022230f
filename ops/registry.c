/*
 * The registry: every family's rows behind one sorted index, so that finding a row is a binary search. The index is
 * built once, at the first look-up, and never changes afterwards: families stay plain constant arrays that nobody has
 * to register.
 */
#include "ops/op.h"

#include <pthread.h>
#include <stdlib.h>

#define SN_FAMILY(name) extern const sn_op sn_ops_##name[];
#include "ops/families.def"
#undef SN_FAMILY

static const sn_op *const families[] = {
#define SN_FAMILY(name) sn_ops_##name,
#include "ops/families.def"
#undef SN_FAMILY
};

/* ONNX has about 600 rows in all domains and versions; a test sees to it that the index has room to spare. */
enum { MAX_ROWS = 2048 };

static const sn_op *rows[MAX_ROWS];
static size_t n_rows;
static pthread_once_t rows_once = PTHREAD_ONCE_INIT;

static int compare_rows(const void *a, const void *b)
{
    const sn_op *p = *(const sn_op *const *)a, *q = *(const sn_op *const *)b;
    int order = strcmp(p->domain, q->domain);
    if (order == 0) order = strcmp(p->name, q->name);
    return order != 0 ? order : (p->since > q->since) - (p->since < q->since);
}

static void build_rows(void)
{
    for (size_t f = 0; f < sizeof families / sizeof *families; f++) {
        for (const sn_op *op = families[f]; op->name && n_rows < MAX_ROWS; op++) rows[n_rows++] = op;
    }
    qsort(rows, n_rows, sizeof *rows, compare_rows);
}

static int compare_str(const char *a, sn_str b)
{
    size_t n = strlen(a);
    int order = memcmp(a, b.p, n < b.n ? n : b.n);
    return order != 0 ? order : (n > b.n) - (n < b.n);
}

/* Does the row come after every row of (domain, name) up to `version`? */
static bool is_beyond(const sn_op *op, sn_str domain, sn_str name, int64_t version)
{
    int order = compare_str(op->domain, domain);
    if (order == 0) order = compare_str(op->name, name);
    return order != 0 ? order > 0 : op->since > version;
}

const sn_op *sn_op_find(sn_str domain, sn_str name, int64_t version)
{
    pthread_once(&rows_once, build_rows);
    if (sn_domain_is_onnx(domain)) domain = SN_STR("");
    size_t low = 0, high = n_rows;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (is_beyond(rows[middle], domain, name, version)) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    if (low == 0) return NULL;
    const sn_op *op = rows[low - 1];
    return sn_str_is(domain, op->domain) && sn_str_is(name, op->name) ? op : NULL;
}

size_t sn_op_count(void)
{
    pthread_once(&rows_once, build_rows);
    return n_rows;
}

const sn_op *sn_op_at(size_t index)
{
    return index < sn_op_count() ? rows[index] : NULL;
}
