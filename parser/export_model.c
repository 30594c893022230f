/* ModelProto, and the ways out: a file, a file with external data, memory. */
#include "parser/export.h"

#include "base/alloc.h"
#include "base/file.h"

/* What protobuf implementations read at most. */
#define PROTOBUF_LIMIT ((uint64_t)INT32_MAX)

void sn_export_pairs(sn_export *x, uint32_t field, const sn_pairs *pairs)
{
    for (size_t i = 0; i < pairs->count; ++i) {
        sn_mark mark = sn_put_begin(&x->w, field);
        sn_put_text(&x->w, 1, pairs->items[i].key);
        sn_put_text(&x->w, 2, pairs->items[i].value);
        sn_put_end(&x->w, mark);
    }
}

void sn_export_opsets(sn_export *x, uint32_t field, const sn_opset *opsets, size_t n)
{
    for (size_t i = 0; i < n; ++i) {
        sn_mark mark = sn_put_begin(&x->w, field);
        sn_put_text(&x->w, 1, opsets[i].domain);
        sn_put_int(&x->w, 2, opsets[i].version);
        sn_put_wire(&x->w, opsets[i].extra);
        sn_put_end(&x->w, mark);
    }
}

static void put_model(sn_export *x)
{
    const sn_model *m = x->m;
    sn_writer *w = &x->w;
    sn_put_int(w, 1, m->ir_version);
    sn_put_text(w, 2, m->producer_name);
    sn_put_text(w, 3, m->producer_version);
    sn_put_text(w, 4, m->domain);
    if (m->model_version) sn_put_int(w, 5, m->model_version);
    sn_put_text(w, 6, m->doc_string);
    sn_mark graph = sn_put_begin(w, 7);
    sn_export_graph(x, 0);
    sn_put_end(w, graph);
    sn_export_opsets(x, 8, m->opsets, m->n_opsets);
    sn_export_pairs(x, 14, &m->metadata);
    for (size_t i = 0; i < m->n_functions; ++i) {
        if (m->functions[i].dead) continue;
        sn_mark mark = sn_put_begin(w, 25);
        sn_export_function(x, &m->functions[i]);
        sn_put_end(w, mark);
    }
    sn_put_wire(w, m->extra);
}

static sinter_status measure(sn_export *x, sinter_error *err)
{
    sn_writer_measure(&x->w, err);
    x->data_size = 0;
    put_model(x);
    return x->w.status;
}

static sinter_status write_model(sn_export *x, sn_sink *sink, void *context)
{
    sn_writer_start(&x->w, sink, context);
    x->data_size = 0;
    put_model(x);
    return sn_writer_finish(&x->w);
}

/* Nobody else knows the operators that a session's passes make. */
static sinter_status check_standard(const sn_model *m, sinter_error *err)
{
    for (size_t i = 0; i < m->n_nodes; ++i) {
        const sn_node *n = &m->nodes[i];
        if (n->dead || !sn_str_is(n->domain, "sinter")) continue;
        sn_str label = sn_node_label(m, (sn_node_id)i);
        return sn_fail(err, SINTER_UNSUPPORTED, "node '%.*s' (%.*s): an operator of domain 'sinter' cannot be saved",
                       SN_STR_ARG(label), SN_STR_ARG(n->op_type));
    }
    return SINTER_OK;
}

/* The writer's buffer is too large for a caller's stack. */
static sinter_status create(const sn_model *m, sn_export **out, sinter_error *err)
{
    SN_TRY(check_standard(m, err));
    sn_export *x = sn_calloc(1, sizeof *x);
    if (!x) return sn_no_memory(err, "writing a model");
    x->m = m;
    *out = x;
    return SINTER_OK;
}

static void destroy(sn_export *x)
{
    sn_writer_free(&x->w);
    sn_free(x);
}

/* ---------------------------------------------------------------------------------------------------- files */

static sinter_status file_sink(void *context, const void *bytes, size_t size, sinter_error *err)
{
    return sn_file_write(context, bytes, size, err);
}

static sinter_status save_inline(sn_export *x, const char *path, sinter_error *err)
{
    sn_file_writer file;
    SN_TRY(sn_file_writer_open(&file, path, err));
    sinter_status status = write_model(x, file_sink, &file);
    if (status == SINTER_OK) status = sn_file_writer_commit(&file, err);
    sn_file_writer_close(&file);
    return status;
}

/* Both files are complete before either gets its name; the data first, since an old model may not find its own there.
 */
static sinter_status save_pair(sn_export *x, const char *path, const char *data_path, sinter_error *err)
{
    sn_file_writer file = {.fd = -1}, data = {.fd = -1};
    sinter_status status;
    SN_TRY_GOTO(status, done, sn_file_writer_open(&data, data_path, err));
    SN_TRY_GOTO(status, done, sn_file_writer_open(&file, path, err));
    x->data_sink = file_sink;
    x->data_context = &data;
    SN_TRY_GOTO(status, done, write_model(x, file_sink, &file));
    SN_TRY_GOTO(status, done, sn_file_writer_commit(&data, err));
    status = sn_file_writer_commit(&file, err);
done:
    sn_file_writer_close(&file);
    sn_file_writer_close(&data);
    return status;
}

static sinter_status save_external(sn_export *x, const char *path, sinter_error *err)
{
    sn_text name = {0};
    const char *slash = strrchr(path, '/');
    sn_text_append(&name, "%s.data", slash ? slash + 1 : path);
    char *data_path = name.failed ? NULL : sn_path_beside(path, name.p);
    sinter_status status = data_path ? SINTER_OK : sn_no_memory(err, "writing a model");
    x->data_name = name.p;
    if (status == SINTER_OK) status = measure(x, err);
    if (status == SINTER_OK && x->w.total > PROTOBUF_LIMIT)
        status = sn_fail(err, SINTER_TOO_LARGE, "'%s': %llu bytes without large tensors, the limit of protobuf is %llu",
                         path, (unsigned long long)x->w.total, (unsigned long long)PROTOBUF_LIMIT);
    if (status == SINTER_OK) status = save_pair(x, path, data_path, err);
    sn_free(data_path);
    sn_text_free(&name);
    return status;
}

sinter_status sn_export_file(const sn_model *m, const char *path, uint64_t inline_limit, sinter_error *err)
{
    sn_export *x = NULL;
    SN_TRY(create(m, &x, err));
    sinter_status status = measure(x, err);
    if (status == SINTER_OK)
        status = x->w.total > inline_limit ? save_external(x, path, err) : save_inline(x, path, err);
    destroy(x);
    return status;
}

sinter_status sinter_model_save(const sinter_model *model, const char *path, sinter_error *err)
{
    return sn_export_file(&model->m, path, PROTOBUF_LIMIT, err);
}

/* ---------------------------------------------------------------------------------------------------- memory */

static sinter_status memory_sink(void *context, const void *bytes, size_t size, sinter_error *err)
{
    uint8_t **to = context;
    (void)err;
    memcpy(*to, bytes, size);
    *to += size;
    return SINTER_OK;
}

sinter_status sn_export_to_memory(sn_export *x, void (*put)(sn_export *x), void **bytes, size_t *size,
                                  sinter_error *err)
{
    sn_writer_measure(&x->w, err);
    put(x);
    SN_TRY(sn_writer_finish(&x->w));
    if (x->w.total > PROTOBUF_LIMIT)
        return sn_fail(err, SINTER_TOO_LARGE, "%llu bytes, the limit of protobuf is %llu",
                       (unsigned long long)x->w.total, (unsigned long long)PROTOBUF_LIMIT);
    size_t total = (size_t)x->w.total;
    uint8_t *copy = sn_malloc(total), *to = copy; /* malloc's own, as the public functions promise */
    if (!copy) return sn_no_memory(err, "writing to memory");
    sn_writer_start(&x->w, memory_sink, &to);
    put(x);
    sinter_status status = sn_writer_finish(&x->w);
    if (status != SINTER_OK) {
        sn_free(copy);
        return status;
    }
    *bytes = copy;
    *size = total;
    return SINTER_OK;
}

sinter_status sinter_model_save_memory(const sinter_model *model, void **bytes, size_t *size, sinter_error *err)
{
    sn_export *x = NULL;
    SN_TRY(create(&model->m, &x, err));
    sinter_status status = sn_export_to_memory(x, put_model, bytes, size, err);
    destroy(x);
    return status;
}
