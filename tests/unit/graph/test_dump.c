#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "build.h"
#include <string.h>

static void a_model_reads_well(void **state)
{
    (void)state;
    sn_model *m = sn_model_create();
    m->graphs[0].name = SN_STR("main_graph");
    int64_t n = SN_DIM_SYMBOL(sn_symbol(m, SN_STR("N")));
    sn_type image = float_type(4, (int64_t[]){n, 3, 32, SN_DIM_UNKNOWN});
    sn_value_id x = sn_add_value(m, 0, SN_STR("x"), &image), w = initializer(m, 0, "conv.weight");
    assert_true(sn_add_input(m, 0, x));
    sn_value_id in[] = {x, SN_NONE, w}, out[] = {value(m, 0, "y"), SN_NONE};
    sn_node_id node = sn_add_node(m, 0, SIZE_MAX, SN_STR("Op"), SN_STR("com.example"), SN_STR(""), in, 3, out, 2);
    assert_true(sn_set_attr_ints(m, node, "pads", (int64_t[]){1, -2}, 2));
    assert_true(sn_set_attr_float(m, node, "alpha", 0.01f));
    assert_true(sn_set_attr_string(m, node, "mode", SN_STR("a\nb")));
    sn_attr tensor = {.name = SN_STR("value"), .type = SN_ATTR_TENSOR, .count = 1, .tensor = floats(10)};
    assert_true(sn_set_attr(m, node, &tensor));
    sn_attr reference = {.name = SN_STR("k"), .type = SN_ATTR_INT, .ref_attr_name = SN_STR("outer_k")};
    assert_true(sn_set_attr(m, node, &reference));
    sn_value_id r = apply(m, 0, "If", x, SN_NONE, "r");
    sn_graph_id body = subgraph(m, producer(m, r), "then_branch");
    m->graphs[body].name = SN_STR("then");
    assert_true(sn_add_output(m, body, apply(m, body, "Neg", out[0], SN_NONE, "t")));
    assert_true(sn_add_output(m, 0, r));
    const char *expected = "graph main_graph\n"
                           "  input x: float[Nx3x32x?]\n"
                           "  init conv.weight: float[2]\n"
                           "  y, _ = com.example.Op(x, _, conv.weight) pads=[1, -2] alpha=0.01 mode=\"a?b\""
                           " value=float[10]{0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, ...} k=@outer_k\n"
                           "  r = If(x) then_branch=graph\n"
                           "    then_branch: graph then\n"
                           "      t = Neg(y)\n"
                           "      output t: float[2]\n"
                           "  output r: float[2]\n";
    assert_dump(m, expected);
    char *text = NULL;
    assert_int_equal(sinter_model_dump((sinter_model *)m, &text, NULL), SINTER_OK);
    assert_string_equal(text, expected);
    free(text);
    sn_alloc_fail_after(0);
    sinter_status status = sinter_model_dump((sinter_model *)m, &text, NULL);
    sn_alloc_fail_after(-1);
    assert_int_equal(status, SINTER_NO_MEMORY);
    sn_model_destroy(m);
}

static void functions_follow(void **state)
{
    (void)state;
    sn_model *m = sn_model_create();
    sn_function f[2] = {{.name = SN_STR("F"), .domain = SN_STR("d"), .body = sn_add_graph(m, SN_NONE)}, {.dead = true}};
    sn_value_id a = value(m, f[0].body, "a");
    m->values[a].type = SN_TYPE_UNKNOWN;
    assert_true(sn_add_input(m, f[0].body, a));
    m->functions = f;
    m->n_functions = 2;
    assert_dump(m, "graph \nfunction d.F\n  input a: ?\n");
    sn_model_destroy(m);
}

static void types_are_trees(void **state)
{
    (void)state;
    sn_model *m = sn_model_create();
    const sn_type tensor = {.kind = SINTER_KIND_TENSOR, .dtype = SINTER_INT64, .shape = SN_SHAPE_UNKNOWN};
    const sn_type scalar = {.kind = SINTER_KIND_TENSOR};
    const sn_type sequence = {.kind = SINTER_KIND_SEQUENCE, .elem = &tensor};
    const sn_type optional = {.kind = SINTER_KIND_OPTIONAL, .elem = &sequence};
    const sn_type map = {.kind = SINTER_KIND_MAP, .dtype = SINTER_STRING, .elem = &scalar};
    sn_type loop = {.kind = SINTER_KIND_SEQUENCE};
    loop.elem = &loop;
    const struct {
        const sn_type *type;
        const char *text;
    } cases[] = {{&tensor, "int64[?]"},
                 {&optional, "optional(seq(int64[?]))"},
                 {&map, "map(string, ?[scalar])"},
                 {&SN_TYPE_UNKNOWN, "?"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        sn_text t = {0};
        sn_dump_type(m, cases[i].type, &t);
        assert_string_equal(t.p, cases[i].text);
        sn_text_free(&t);
    }
    sn_text t = {0};
    sn_dump_type(m, &loop, &t); /* ends */
    assert_false(t.failed);
    sn_text_free(&t);
    sn_model_destroy(m);
}

static void inputs_and_outputs_are_described(void **state)
{
    (void)state;
    sn_model *m = sn_model_create();
    const sinter_model *model = (const sinter_model *)m;
    int64_t n = SN_DIM_SYMBOL(sn_symbol(m, SN_STR("batch")));
    sn_type image = float_type(3, (int64_t[]){n, 3, SN_DIM_UNKNOWN});
    sn_value_id w = initializer(m, 0, "w"), x = sn_add_value(m, 0, SN_STR("x"), &image);
    const sn_type sequence = {.kind = SINTER_KIND_SEQUENCE, .elem = &image};
    sn_value_id s = sn_add_value(m, 0, SN_STR("s"), &sequence);
    assert_true(sn_add_input(m, 0, w) && sn_add_input(m, 0, x) && sn_add_output(m, 0, x) && sn_add_output(m, 0, s));
    m->ir_version = 3;
    assert_int_equal(sinter_model_input_count(model), 1);
    assert_string_equal(sinter_model_input(model, 0).name, "x");
    m->ir_version = 7;
    assert_int_equal(sinter_model_input_count(model), 2);
    sinter_io io = sinter_model_input(model, 0); /* required ones first */
    assert_string_equal(io.name, "x");
    assert_false(io.optional);
    assert_int_equal(io.rank, 3);
    assert_int_equal(io.dims[0], -1);
    assert_int_equal(io.dims[1], 3);
    assert_int_equal(io.dims[2], -1);
    assert_string_equal(io.symbols[0], "batch");
    assert_null(io.symbols[1]);
    assert_null(io.symbols[2]);
    assert_int_equal(io.dtype, SINTER_FLOAT);
    io = sinter_model_input(model, 1);
    assert_string_equal(io.name, "w");
    assert_true(io.optional);
    assert_int_equal(sinter_model_output_count(model), 2);
    io = sinter_model_output(model, 1);
    assert_int_equal(io.kind, SINTER_KIND_SEQUENCE);
    assert_int_equal(io.dtype, SINTER_FLOAT);
    assert_int_equal(io.rank, -1);
    assert_string_equal(sinter_model_input(model, 2).name, "");
    assert_string_equal(sinter_model_output(model, 2).name, "");
    sinter_model_free(NULL);
    sinter_model_free((sinter_model *)m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_reads_well),
        cmocka_unit_test(functions_follow),
        cmocka_unit_test(types_are_trees),
        cmocka_unit_test(inputs_and_outputs_are_described),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
