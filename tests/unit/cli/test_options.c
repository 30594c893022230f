#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "cli/options.h"
#include <stdlib.h>
#include <string.h>

typedef struct target {
    bool flag;
    const char *text;
    int64_t count;
    double number;
    int choice;
    sn_list list, names;
    sn_shape_list shapes;
} target;

static const char *const colours[] = {"red", "green", NULL};
static const sn_option table[] = {
    {.name = "flag", .help = "a flag", .offset = offsetof(target, flag)},
    {.name = "text",
     .letter = 't',
     .metavar = "T",
     .help = "a text",
     .kind = SN_OPTION_TEXT,
     .offset = offsetof(target, text)},
    {.name = "count",
     .metavar = "N",
     .help = "a count",
     .kind = SN_OPTION_COUNT,
     .offset = offsetof(target, count),
     .minimum = 1,
     .maximum = 9},
    {.name = "number",
     .metavar = "X",
     .help = "a number",
     .kind = SN_OPTION_NUMBER,
     .offset = offsetof(target, number)},
    {.name = "choice",
     .metavar = "red|green",
     .help = "a choice",
     .kind = SN_OPTION_CHOICE,
     .offset = offsetof(target, choice),
     .choices = colours},
    {.name = "list",
     .letter = 'l',
     .metavar = "L",
     .help = "a list",
     .kind = SN_OPTION_LIST,
     .offset = offsetof(target, list)},
    {.name = "names", .metavar = "A,B", .help = "names", .kind = SN_OPTION_NAMES, .offset = offsetof(target, names)},
    {.name = "shape",
     .metavar = "NAME=1x2",
     .help = "a shape",
     .kind = SN_OPTION_SHAPES,
     .offset = offsetof(target, shapes)},
    {0},
};

typedef struct parsed {
    target t;
    sn_list operands;
    bool help;
    sinter_error err;
    sinter_status status;
} parsed;

/* Parses a space-separated command line. */
static parsed parse(const char *line)
{
    parsed p = {0};
    char *copy = strdup(line), *argv[32], *next = copy;
    int argc = 0;
    for (char *word; (word = strsep(&next, " "));) argv[argc++] = word;
    const sn_option_group groups[] = {{table, &p.t}, {0}};
    const sn_syntax syntax = {
        .command = "x", .operands = "A [B]", .min_operands = 1, .max_operands = 2, .text = "", .groups = groups};
    p.status = sn_options_parse(&syntax, argc, argv, &p.operands, &p.help, &p.err);
    if (p.t.text) p.t.text = strcmp(p.t.text, "v=w") == 0 ? "v=w" : "?"; /* outlives the copy */
    free(copy);
    return p;
}

static void release(parsed *p)
{
    const sn_option_group groups[] = {{table, &p->t}, {0}};
    const sn_syntax syntax = {.command = "x", .operands = "", .text = "", .groups = groups};
    sn_options_free(&syntax);
    sn_list_free(&p->operands);
}

static void reads_every_kind(void **state)
{
    static const char *const lines[] = {
        "x --flag --text v=w --count 9 --number 1e-3 --choice green --list a --list b,c --names d,e --names f --shape "
        "i=1x2 A",
        "x A --shape=i=1x2 --names=d,e,f --list=a -lb,c --choice=green --number=0.001 --count=9 -tv=w --flag",
    };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        parsed p = parse(lines[i]);
        if (p.status != SINTER_OK) fail_msg("%s", p.err.text);
        assert_true(p.t.flag);
        assert_string_equal(p.t.text, "v=w");
        assert_int_equal(p.t.count, 9);
        assert_true(p.t.number == 1e-3);
        assert_int_equal(p.t.choice, 1);
        assert_int_equal(p.t.list.n, 2);
        assert_string_equal(p.t.list.items[1], "b,c");
        assert_int_equal(p.t.names.n, 3);
        assert_string_equal(p.t.names.items[2], "f");
        const sinter_shape *s = sn_shape_list_find(&p.t.shapes, "i");
        assert_non_null(s);
        assert_int_equal(s->rank, 2);
        assert_int_equal(s->dims[1], 2);
        assert_null(sn_shape_list_find(&p.t.shapes, "j"));
        assert_int_equal(p.operands.n, 1);
        release(&p);
    }
}

static void refuses_and_says_why(void **state)
{
    static const struct {
        const char *line, *text;
    } rows[] = {
        {"x A --cout 3", "did you mean --count?"},
        {"x A --zzzzzzzzzzz", "unknown option '--zzzzzzzzzzz'"},
        {"x A -z", "unknown option '-z'"},
        {"x A --count", "expected a value"},
        {"x A --count --flag", "expected a value"},
        {"x A --count 0", "1 to 9"},
        {"x A --count 10", "1 to 9"},
        {"x A --count 3x", "1 to 9"},
        {"x A --count 99999999999999999999", "1 to 9"},
        {"x A --number nan", "a number >= 0"},
        {"x A --number -1", "a number >= 0"},
        {"x A --choice blue", "red|green"},
        {"x A --names a,,b", "comma-separated"},
        {"x A --shape i", "NAME=1x3x224x224"},
        {"x A --shape i=", "NAME=1x3x224x224"},
        {"x A --shape i=1x", "NAME=1x3x224x224"},
        {"x A --shape i=-1", "NAME=1x3x224x224"},
        {"x A --shape =1", "NAME=1x3x224x224"},
        {"x A --shape i=99999999999999999999", "NAME=1x3x224x224"},
        {"x A --shape i=1x1x1x1x1x1x1x1x1x1x1x1x1x1x1x1x1", "NAME=1x3x224x224"},
        {"x A --flag=yes", "takes no value"},
        {"x A --text=", "the value is empty"},
        {"x", "expected A [B]"},
        {"x A B C", "unexpected argument 'C'"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        parsed p = parse(rows[i].line);
        assert_int_equal(p.status, SINTER_INVALID_ARGUMENT);
        if (!strstr(p.err.text, rows[i].text)) fail_msg("%s: %s", rows[i].line, p.err.text);
        release(&p);
    }
}

static void double_dash_ends_options(void **state)
{
    (void)state;
    parsed p = parse("x -- --flag -");
    assert_int_equal(p.status, SINTER_OK);
    assert_false(p.t.flag);
    assert_int_equal(p.operands.n, 2);
    release(&p);
}

static void help_wins_over_what_is_missing(void **state)
{
    (void)state;
    parsed p = parse("x --flag --help --nonsense");
    assert_int_equal(p.status, SINTER_OK);
    assert_true(p.help);
    release(&p);
}

static void lack_of_memory_is_an_error(void **state)
{
    (void)state;
    long n = 0;
    for (sinter_status status = SINTER_NO_MEMORY; status != SINTER_OK; n++) {
        sn_alloc_fail_after(n);
        parsed p = parse("x --list a --names b,c --shape i=1x2 A B");
        sn_alloc_fail_after(-1);
        status = p.status;
        if (status != SINTER_OK) assert_int_equal(status, SINTER_NO_MEMORY);
        release(&p);
        assert_true(n < 100);
    }
    assert_true(n > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_kind),           cmocka_unit_test(refuses_and_says_why),
        cmocka_unit_test(double_dash_ends_options),   cmocka_unit_test(help_wins_over_what_is_missing),
        cmocka_unit_test(lack_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
