/* main.c: from the first word to its command. SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/text.h"
#include "cli/commands.h"

const struct command *const all_commands[] = {
    &run_command, &check_command, &origin_command, &version_command, NULL,
};

static const struct command *find(struct str word)
{
    for (const struct command *const *command = all_commands; *command; command++)
        if (str_eq(word, str_from((*command)->name)) || ((*command)->alias && str_eq(word, str_from((*command)->alias))))
            return *command;
    return NULL;
}

static int refuse(struct str word)
{
    const char *nearest = NULL;
    unsigned best = 3;

    for (const struct command *const *command = all_commands; *command; command++) {
        unsigned distance = text_distance(word, str_from((*command)->name), 3);

        if (distance < best) {
            best = distance;
            nearest = (*command)->name;
        }
    }
    print(2, "Error: unknown command \"%.*s\" for \"holdfast\"\n", STR_ARG(word));
    if (nearest)
        print(2, "\nDid you mean this?\n\t%s\n", nearest);
    print(2, "\nRun 'holdfast --help' for usage.\n");
    print(1, "unknown command \"%.*s\" for \"holdfast\"\n", STR_ARG(word));
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    const struct command *command;
    struct str word = argc > 1 ? str_from(argv[1]) : STR("help");

    if (str_eq(word, STR("help")) && argc > 2 && (command = find(str_from(argv[2])))) {
        help_command(1, command);
        return EXIT_OK;
    }
    if (str_eq(word, STR("help")) || str_eq(word, STR("-h")) || str_eq(word, STR("--help"))) {
        help_all(1);
        return EXIT_OK;
    }
    command = find(word);
    return command ? command->run(argc - 2, argv + 2) : refuse(word);
}
