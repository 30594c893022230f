/* The program's first word: a command, or a question about them all. */
#include "cli/command.h"
#include <stdio.h>
#include <string.h>

static const struct command {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
} commands[] = {
#define COMMAND(name, summary) {#name, summary, sn_cmd_##name},
#include "cli/commands.def"
#undef COMMAND
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0) return &commands[i];
    }
    return NULL;
}

static const char *command_name(const void *context, size_t index)
{
    (void)context;
    return index < N_COMMANDS ? commands[index].name : NULL;
}

static void print_usage(FILE *out)
{
    fputs("Usage: sinter COMMAND [ARGUMENT...]\n\n"
          "Optimizes ONNX models, runs them on the CPU, and serves them over HTTP.\n\nCommands:\n",
          out);
    for (size_t i = 0; i < N_COMMANDS; i++) fprintf(out, "  %-10s%s\n", commands[i].name, commands[i].summary);
    fputs("\n'sinter help COMMAND' tells more about one; 'sinter --version' prints the version.\n", out);
}

static int unknown_command(const char *name)
{
    const char *nearest = sn_nearest(name, command_name, NULL);
    fprintf(stderr, "sinter: unknown command '%s'", name);
    if (nearest) fprintf(stderr, "; did you mean '%s'?", nearest);
    fputs("\nTry 'sinter --help'.\n", stderr);
    return sinter_status_exit_code(SINTER_INVALID_ARGUMENT);
}

static int help(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stdout);
        return 0;
    }
    const struct command *command = find_command(argv[1]);
    char *help_argv[] = {argv[1], (char[]){"--help"}, NULL};
    return command ? command->run(2, help_argv) : unknown_command(argv[1]);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stderr);
        return sinter_status_exit_code(SINTER_INVALID_ARGUMENT);
    }
    const char *word = argv[1];
    if (strcmp(word, "--version") == 0) {
        printf("sinter %s\n", sinter_version());
        return 0;
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
        return help(argc - 1, argv + 1);
    }
    const struct command *command = find_command(word);
    return command ? command->run(argc - 1, argv + 1) : unknown_command(word);
}
