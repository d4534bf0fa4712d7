/* commands.c: all commands, and from the first word of a command line to the one it names.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"

#include "base/text.h"

const struct command *const all_commands[] = {
    &run_command,   &check_command,   &schema_command,       &origin_command,      &verify_command,
    &audit_command, &version_command, &check_plugin_command, &test_plugin_command, NULL,
};

static const struct command *find(struct str word)
{
    for (const struct command *const *command = all_commands; *command; command++)
        if (str_eq(word, str_from((*command)->name)) ||
            ((*command)->alias && str_eq(word, str_from((*command)->alias))))
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

/* Flags belong to commands. */
static int refuse_flag(struct str word)
{
    struct str name = str_from_offset(word, 2);

    if (str_starts(word, STR("--")))
        (void)flags_refuse(NULL, "unknown flag: --%.*s", STR_ARG(str_first(name, str_find_char(name, '='))));
    else
        (void)flags_refuse(NULL, "unknown shorthand flag: '%c' in %.*s", word.data[1], STR_ARG(word));
    return EXIT_USAGE;
}

/* The first word that is no flag. Before the command is known, a flag that does not bring its value along ("-c",
 * "--config") takes the next word for it, as in KrakenD. argc: there is none. */
static int find_word(int argc, char **argv)
{
    int at = 0;

    while (at < argc && argv[at][0] == '-') {
        struct str word = str_from(argv[at]);
        bool alone = word.len == 2 || (word.data[1] == '-' && str_find_char(word, '=') == word.len);

        if (str_eq(word, STR("--")))
            return argc;
        at += alone ? 2 : 1;
    }
    return at < argc ? at : argc;
}

/* The command whose flags may stand before and behind its name. */
static int run_named(int argc, char **argv, int at)
{
    char *name = argv[at];
    const struct command *command = find(str_from(name));

    if (!command)
        return refuse(str_from(name));
    memmove(argv + 1, argv, (size_t)at * sizeof(*argv));
    return command->run(argc - 1, argv + 1);
}

/* What stands behind "--" is no command: there is none then. */
static bool asks_for_help(struct str word)
{
    return str_eq(word, STR("help")) || str_eq(word, STR("-h")) || str_eq(word, STR("--help")) ||
           str_eq(word, STR("--"));
}

int commands_run(int argc, char **argv)
{
    const struct command *command;
    struct str word = argc > 0 ? str_from(argv[0]) : STR("help");
    int at = find_word(argc, argv);

    if (str_eq(word, STR("help")) && argc > 1 && (command = find(str_from(argv[1])))) {
        help_command(1, command);
        return EXIT_OK;
    }
    if (asks_for_help(word)) {
        help_all(1);
        return EXIT_OK;
    }
    if (word.len > 1 && word.data[0] == '-' && (at == argc || str_eq(str_from(argv[at]), STR("help"))))
        return refuse_flag(word);
    return run_named(argc, argv, at < argc ? at : 0);
}
