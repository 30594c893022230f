/* What the option tables say to a person: --help, and a guess at what a misspelt name was meant to be. */
#include "cli/options.h"
#include <string.h>

enum { LABEL_WIDTH = 32, PAGE_WIDTH = 100 };

/* Prints `text` from column `column` on, breaking at blanks; the cursor is already there. */
static void print_wrapped(FILE *out, const char *text, int column, int indent)
{
    for (const char *p = text; *p;) {
        int n = (int)strcspn(p, " ");
        if (column + n > PAGE_WIDTH && column > indent) {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
        }
        fprintf(out, "%.*s", n, p);
        column += n;
        p += n;
        if (*p == ' ') {
            p++;
            if (column + 1 + (int)strcspn(p, " ") <= PAGE_WIDTH) fputc(' ', out);
            column++;
        }
    }
    fputc('\n', out);
}

static void print_option(FILE *out, const sn_option *o)
{
    char label[96], letter[8] = "    ";
    if (o->letter) snprintf(letter, sizeof letter, "-%c, ", o->letter);
    int n = snprintf(label, sizeof label, "  %s--%s%s%s", letter, o->name, o->metavar ? " " : "",
                     o->metavar ? o->metavar : "");
    fputs(label, out);
    if (n > LABEL_WIDTH - 2) {
        fputc('\n', out);
        n = 0;
    }
    fprintf(out, "%*s", LABEL_WIDTH - n, "");
    print_wrapped(out, o->help, LABEL_WIDTH, LABEL_WIDTH);
}

void sn_options_print_help(const sn_syntax *syntax, FILE *out)
{
    static const sn_option help = {.name = "help", .letter = 'h', .help = "show this"};
    fprintf(out, "Usage: sinter %s %s [OPTION...]\n\n", syntax->command, syntax->operands);
    print_wrapped(out, syntax->text, 0, 0);
    fputs("\nOptions:\n", out);
    for (const sn_option_group *g = syntax->groups; g->options; g++) {
        for (const sn_option *o = g->options; o->name; o++) print_option(out, o);
    }
    print_option(out, &help);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Levenshtein's distance, of names shorter than 64 bytes. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b), row[64];
    if (n >= 64 || m >= 64) return SIZE_MAX;
    for (size_t j = 0; j <= m; j++) row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = least(replaced, least(row[j], row[j - 1]) + 1);
        }
    }
    return row[m];
}

const char *sn_nearest(const char *text, const char *(*candidate)(const void *context, size_t index),
                       const void *context)
{
    const char *nearest = NULL;
    size_t limit = strlen(text) / 3 + 1, best = limit + 1;
    const char *name;
    for (size_t i = 0; (name = candidate(context, i)); i++) {
        size_t distance = edit_distance(text, name);
        if (distance >= best) continue;
        best = distance;
        nearest = name;
    }
    return nearest;
}
