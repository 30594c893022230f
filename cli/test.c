/* sinter test: ONNX backend-test folders, one line each, against lists of what must pass and what is left out. */
#include "base/alloc.h"
#include "base/file.h"
#include "base/map.h"
#include "cli/command.h"
#include "cli/table.h"
#include "cli/test_case.h"
#include <string.h>

typedef struct arguments {
    sn_case_options cases;
    const char *list, *skip_list;
} arguments;

static const sn_option options[] = {
    {.name = "rtol",
     .metavar = "R",
     .help = "relative tolerance (default 1e-3)",
     .kind = SN_OPTION_NUMBER,
     .offset = offsetof(arguments, cases.rtol)},
    {.name = "atol",
     .metavar = "A",
     .help = "absolute tolerance (default 1e-7)",
     .kind = SN_OPTION_NUMBER,
     .offset = offsetof(arguments, cases.atol)},
    {.name = "list",
     .metavar = "FILE",
     .help = "names of the cases that must pass, one per line: only they decide the exit code",
     .kind = SN_OPTION_TEXT,
     .offset = offsetof(arguments, list)},
    {.name = "skip-list",
     .metavar = "FILE",
     .help = "names of cases to leave out, each with its reason on the same line",
     .kind = SN_OPTION_TEXT,
     .offset = offsetof(arguments, skip_list)},
    {.name = "reference",
     .help = "use the plain-C reference of every operator",
     .offset = offsetof(arguments, cases.reference)},
    {.name = "save-reload",
     .help = "optimize each model, save it, and run what was saved",
     .offset = offsetof(arguments, cases.save_reload)},
    {.name = "timeout",
     .metavar = "SECONDS",
     .help = "for one case (default 120)",
     .kind = SN_OPTION_COUNT,
     .offset = offsetof(arguments, cases.timeout),
     .minimum = 1,
     .maximum = 86400},
    {.name = "in-process",
     .help = "do not run each case in a process of its own; a crash then ends the run",
     .offset = offsetof(arguments, cases.in_process)},
    {0},
};

/* ------------------------------------------------------------------------------------------------ lists */

/* One row per line: a name and, after blanks, the rest of the line. '#' starts a comment. */
typedef struct name_row {
    const char *name, *rest;
    bool seen;
} name_row;

typedef struct name_list {
    const char *path;
    char *text;
    name_row *rows;
    size_t n, capacity;
    sn_map index;
} name_list;

static bool add_line(name_list *l, char *line)
{
    line[strcspn(line, "#\r\n")] = '\0';
    line += strspn(line, " \t");
    if (!*line) return true;
    size_t n = strcspn(line, " \t");
    const char *rest = line + n + strspn(line + n, " \t");
    line[n] = '\0';
    if (!SN_GROW(l->rows, l->capacity, l->n)) return false;
    l->rows[l->n] = (name_row){.name = line, .rest = rest};
    return sn_map_put(&l->index, sn_str_of(line), (uint32_t)l->n++);
}

static sinter_status load_list(name_list *l, const char *path, sinter_error *err)
{
    enum { LIMIT = 16 << 20 };
    size_t size;
    if (!path) return SINTER_OK;
    SN_TRY(sn_file_load(path, LIMIT, &l->text, &size, err));
    l->path = path;
    for (char *line = l->text, *next; line; line = next) {
        next = strchr(line, '\n');
        if (next) *next++ = '\0';
        if (!add_line(l, line)) return sn_no_memory(err, "reading a list of cases");
    }
    return SINTER_OK;
}

static void free_list(name_list *l)
{
    sn_map_free(&l->index);
    sn_free(l->rows);
    sn_free(l->text);
}

/* The row of a name, or NULL. */
static name_row *find_row(const name_list *l, const char *name)
{
    uint32_t row = sn_map_get(&l->index, sn_str_of(name));
    return row == SN_MAP_NONE ? NULL : &l->rows[row];
}

/* ------------------------------------------------------------------------------------------------ the run */

typedef struct totals {
    size_t verdicts[SN_CASE_SKIP + 1];
    size_t listed_failures, promotable;
} totals;

/* The last part of a path, without slashes at its end; heap. */
static char *case_name(const char *folder)
{
    size_t n = strlen(folder);
    while (n > 1 && folder[n - 1] == '/') n--;
    size_t start = n;
    while (start > 0 && folder[start - 1] != '/') start--;
    char *name = sn_malloc(n - start + 1);
    if (!name) return NULL;
    memcpy(name, folder + start, n - start);
    name[n - start] = '\0';
    return name;
}

static void print_result(const char *name, const sn_case_result *r)
{
    static const char *const words[] = {[SN_CASE_PASS] = "PASS", [SN_CASE_FAIL] = "FAIL", [SN_CASE_SKIP] = "SKIP"};
    printf("%s ", words[r->verdict]);
    sn_print_text(stdout, name);
    if (r->reason[0]) fputs(": ", stdout);
    sn_print_text(stdout, r->reason);
    fputc('\n', stdout);
    fflush(stdout);
}

static void run_folder(const char *folder, const char *name, const sn_case_options *o, const name_list *skip,
                       sn_case_result *result)
{
    const name_row *left_out = find_row(skip, name);
    if (left_out) {
        result->verdict = SN_CASE_SKIP;
        snprintf(result->reason, sizeof result->reason, "%s", left_out->rest[0] ? left_out->rest : "in the skip list");
    } else {
        (o->in_process ? sn_case_run : sn_case_run_isolated)(folder, o, result);
    }
}

static void count(totals *t, const char *name, const sn_case_result *result, const name_list *list)
{
    t->verdicts[result->verdict]++;
    if (!list->path) return;
    name_row *listed = find_row(list, name);
    if (listed) {
        listed->seen = true;
        t->listed_failures += result->verdict != SN_CASE_PASS;
    } else if (result->verdict == SN_CASE_PASS) {
        t->promotable++;
        printf("NEW  %s: passes and is not in '%s': add it\n", name, list->path);
    }
}

static sinter_status run_folders(const arguments *a, const sn_list *folders, const name_list *list,
                                 const name_list *skip, totals *t, sinter_error *err)
{
    for (size_t i = 0; i < folders->n; i++) {
        sn_case_result result = {.verdict = SN_CASE_FAIL};
        char *name = case_name(folders->items[i]);
        if (!name) return sn_no_memory(err, "running cases");
        run_folder(folders->items[i], name, &a->cases, skip, &result);
        print_result(name, &result);
        count(t, name, &result, list);
        sn_free(name);
    }
    return SINTER_OK;
}

/* Cases that must pass but were not among the folders: a run that misses its data must not look green. */
static size_t report_unseen(const name_list *list)
{
    size_t unseen = 0;
    for (size_t i = 0; i < list->n; i++) {
        if (list->rows[i].seen) continue;
        printf("FAIL %s: in '%s', but no such folder was given\n", list->rows[i].name, list->path);
        unseen++;
    }
    return unseen;
}

static sinter_status judge(const totals *t, const name_list *list, sinter_error *err)
{
    size_t unseen = report_unseen(list);
    printf("%zu passed, %zu failed, %zu skipped\n", t->verdicts[SN_CASE_PASS], t->verdicts[SN_CASE_FAIL],
           t->verdicts[SN_CASE_SKIP]);
    if (!list->path) return t->verdicts[SN_CASE_FAIL] ? SINTER_FAILED : SINTER_OK;
    if (t->promotable) printf("%zu newly passing: add them to '%s'\n", t->promotable, list->path);
    if (t->listed_failures + unseen == 0) return SINTER_OK;
    return sn_fail(err, SINTER_FAILED, "%zu of the cases in '%s' did not pass", t->listed_failures + unseen,
                   list->path);
}

static sinter_status test(void *context, const sn_list *operands, sinter_error *err)
{
    const arguments *a = context;
    name_list list = {0}, skip = {0};
    totals t = {0};
    sinter_status status = load_list(&list, a->list, err);
    if (status == SINTER_OK) status = load_list(&skip, a->skip_list, err);
    if (status == SINTER_OK) status = run_folders(a, operands, &list, &skip, &t, err);
    if (status == SINTER_OK) status = judge(&t, &list, err);
    free_list(&list);
    free_list(&skip);
    return status;
}

int sn_cmd_test(int argc, char **argv)
{
    arguments a = {.cases = {.engine = {.bn_stats = SINTER_BN_STATS_KEEP}, .rtol = 1e-3, .atol = 1e-7, .timeout = 120}};
    const sn_option_group groups[] = {{options, &a}, {sn_engine_options, &a.cases.engine}, {0}};
    const sn_syntax syntax = {.command = "test",
                              .operands = "DIR...",
                              .min_operands = 1,
                              .max_operands = SIZE_MAX,
                              .text = "Runs folders in the layout of the ONNX backend tests (model.onnx and "
                                      "test_data_set_N/input_N.pb, output_N.pb) and compares the outputs.",
                              .groups = groups};
    return sn_command_main(&syntax, argc, argv, test, &a);
}
