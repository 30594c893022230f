/*
 * The models of the BatchNorm tutorial as PyTorch exports them: what must become of each BatchNormalization
 * (expected_bn.tsv), and PyTorch's own outputs in eval mode after optimizing. Skipped aloud when the data are not
 * there.
 */
#include "base/file.h"
#include "tests/passes/model_kit.h"

typedef struct expected_row {
    char name[128], into[128];
    int bn_nodes, folded, kept;
} expected_row;

static char folder[4096];

static bool find_data(void)
{
    const char *data = getenv("SINTER_TEST_DATA"), *source = getenv("SINTER_SOURCE_DIR");
    if (data && *data)
        snprintf(folder, sizeof folder, "%s/models/seed", data);
    else
        snprintf(folder, sizeof folder, "%s/../shared/models/seed", source ? source : ".");
    char probe[4200];
    snprintf(probe, sizeof probe, "%s/expected_bn.tsv", folder);
    FILE *f = fopen(probe, "r");
    if (!f) return false;
    fclose(f);
    return true;
}

static sinter_value *load_tensor(const char *name, const char *file)
{
    char path[4600], *bytes;
    size_t size;
    sinter_error err = {0};
    snprintf(path, sizeof path, "%s/%s/test_data_set_0/%s", folder, name, file);
    if (sn_file_load(path, (size_t)1 << 30, &bytes, &size, &err) != SINTER_OK) fail_msg("%s", err.text);
    sinter_value *v = NULL;
    if (sinter_value_from_proto(SINTER_KIND_TENSOR, bytes, size, &v, &err) != SINTER_OK) fail_msg("%s", err.text);
    sn_free(bytes);
    return v;
}

/* Folded rows' operators, in the order of the report, joined by commas; "-" for none. */
static void check_rows(const expected_row *e, const sinter_report *r)
{
    sn_text into = {0};
    int folded = 0, kept = 0;
    for (size_t i = 0; i < sinter_report_bn_count(r); i++) {
        sinter_bn_row row = sinter_report_bn(r, i);
        if (row.verdict == SINTER_BN_FOLDED) sn_text_append(&into, "%s%s", into.n ? "," : "", row.into_op);
        folded += row.verdict == SINTER_BN_FOLDED;
        kept += row.verdict == SINTER_BN_KEPT;
        assert_true(strlen(row.reason) > 10);
    }
    if (folded + kept != e->bn_nodes || folded != e->folded || kept != e->kept ||
        strcmp(into.p ? into.p : "-", e->into) != 0)
        fail_msg("%s: folded %d into %s, kept %d", e->name, folded, into.p ? into.p : "-", kept);
    sn_text_free(&into);
}

static void check_model(const expected_row *e)
{
    char path[4600];
    sinter_error err = {0};
    sinter_model *model = NULL;
    snprintf(path, sizeof path, "%s/%s/model.onnx", folder, e->name);
    if (sinter_model_load(path, NULL, &model, &err) != SINTER_OK) fail_msg("%s", err.text);
    sinter_report *r = kit_optimize(&model->m, NULL);
    check_rows(e, r);

    sinter_value *x = load_tensor(e->name, "input_0.pb"), *expected = load_tensor(e->name, "output_0.pb"), *y[4] = {0};
    if (kit_run_model(&model->m, &x, 1, y, &err) != SINTER_OK) fail_msg("%s: %s", e->name, err.text);
    sinter_difference d = sinter_value_compare(y[0], expected, 1e-4, 1e-5);
    if (!d.comparable || d.mismatches) fail_msg("%s: %s", e->name, d.text);
    for (size_t i = 0; i < 4; i++) sinter_value_release(y[i]);
    sinter_value_release(x);
    sinter_value_release(expected);
    sinter_report_free(r);
    sinter_model_free(model);
}

static void test_expected(void **state)
{
    (void)state;
    if (!find_data()) {
        print_message("SKIPPED: no test data at %s (set SINTER_TEST_DATA)\n", folder);
        skip();
    }
    char path[4200], line[1024];
    snprintf(path, sizeof path, "%s/expected_bn.tsv", folder);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    int models = 0;
    while (fgets(line, sizeof line, f)) {
        expected_row e;
        if (sscanf(line, "%127[^\t]\t%d\t%d\t%127[^\t]\t%d", e.name, &e.bn_nodes, &e.folded, e.into, &e.kept) != 5)
            continue;
        check_model(&e);
        models++;
    }
    fclose(f);
    assert_true(models >= 25);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_expected)};
    return cmocka_run_group_tests_name("seed", tests, NULL, NULL);
}
