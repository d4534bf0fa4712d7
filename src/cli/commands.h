/* commands.h: the words a person types; each stands in its own file. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_CLI_COMMANDS_H
#define HOLDFAST_CLI_COMMANDS_H

#include "cli/flags.h"

extern const struct command run_command;                                              /* run.c */
extern const struct command check_command;                                            /* check.c */
extern const struct command schema_command;                                           /* schema.c */
extern const struct command audit_command, check_plugin_command, test_plugin_command; /* elsewhere.c */
extern const struct command origin_command;                                           /* origin.c */
extern const struct command verify_command;                                           /* verify.c */
extern const struct command version_command;                                          /* version.c */

/* Runs the command that the first word names, with the words behind it; without any word: the help. Returns the
 * process's exit code. */
int commands_run(int argc, char **argv);

#endif
