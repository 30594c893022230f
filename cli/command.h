/*
 * What every command is made of: a syntax (operands and option tables) and a body that returns a status. The frame
 * around it parses, calls the body, prints its error as "sinter COMMAND: text" and turns the status into the exit code.
 */
#ifndef SN_CLI_COMMAND_H
#define SN_CLI_COMMAND_H

#include "base/status.h"
#include "cli/options.h"

#define COMMAND(name, summary) int sn_cmd_##name(int argc, char **argv);
#include "cli/commands.def"
#undef COMMAND

/* `arguments` is the command's own struct, already filled. A failure without a text was reported by the body. */
typedef sinter_status sn_command_body(void *arguments, const sn_list *operands, sinter_error *err);

/* The whole life of a command; returns its exit code. argv[0] is the command's name. */
int sn_command_main(const sn_syntax *syntax, int argc, char **argv, sn_command_body *body, void *arguments);

/* A line on stderr: "sinter COMMAND: text". */
void sn_command_note(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Everything that `report` says about rewrites and doubts, as such lines. NULL is allowed. */
void sn_command_report_notes(const char *command, const sinter_report *report);

/* A flag that SIGINT and SIGTERM make true, so that a run ends soon and temporary files are removed. */
const bool *sn_command_interrupted(void);

#endif
