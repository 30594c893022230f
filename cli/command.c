#include "cli/command.h"
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void print_line(const char *command, const char *kind, const char *text)
{
    fflush(stdout);
    fprintf(stderr, "sinter %s: %s%s\n", command, kind, text);
}

void sn_command_note(const char *command, const char *format, ...)
{
    char text[SINTER_ERROR_TEXT_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    print_line(command, "", text);
}

void sn_command_report_notes(const char *command, const sinter_report *report)
{
    size_t count = report ? sinter_report_note_count(report) : 0;
    for (size_t i = 0; i < count; i++) print_line(command, "note: ", sinter_report_note(report, i));
}

/* What was printed is part of the result: a full disk must not look like success. */
static sinter_status flush_output(sinter_error *err)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) return SINTER_OK;
    return sn_fail(err, SINTER_IO, "cannot write to standard output: %s", strerror(errno));
}

int sn_command_main(const sn_syntax *syntax, int argc, char **argv, sn_command_body *body, void *arguments)
{
    sn_list operands = {0};
    sinter_error err = {.code = SINTER_OK};
    bool help = false;
    sinter_status status = sn_options_parse(syntax, argc, argv, &operands, &help, &err);
    if (status == SINTER_OK && help) sn_options_print_help(syntax, stdout);
    if (status == SINTER_OK && !help) status = body(arguments, &operands, &err);
    if (status == SINTER_OK) status = flush_output(&err);
    if (status != SINTER_OK && err.text[0]) print_line(syntax->command, "", err.text);
    if (status == SINTER_INVALID_ARGUMENT) {
        fprintf(stderr, "Try 'sinter %s --help'.\n", syntax->command);
    }
    sn_options_free(syntax);
    sn_list_free(&operands);
    return sinter_status_exit_code(status);
}

/* Written by the signal handler alone; the run reads it as its cancel flag. */
static bool interrupted;

static void on_signal(int number)
{
    (void)number;
    __atomic_store_n(&interrupted, true, __ATOMIC_RELAXED);
}

const bool *sn_command_interrupted(void)
{
    /* A second signal ends the process at once, for the case that something does not heed the first. */
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return &interrupted;
}
