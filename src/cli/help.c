/* help.c: the help of all commands, on standard output, made from their tables. SPDX-License-Identifier: Apache-2.0 */
#include "cli/flags.h"

#include <stdio.h>

void help_command(int fd, const struct command *command)
{
    print(fd, "%s\n\nUsage:\n  holdfast %s\n", command->summary, command->usage);
    if (command->alias)
        print(fd, "\nAliases:\n  %s, %s\n", command->name, command->alias);
    if (command->text)
        print(fd, "\n%s\n", command->text);
    print(fd, "\nFlags:\n");
    for (size_t i = 0; i < command->flag_count; i++) {
        const struct flag *flag = &command->flags[i];
        char name[64];

        snprintf(name, sizeof(name), "--%s%s%s", flag->name, flag->value ? " " : "", flag->value ? flag->value : "");
        if (flag->letter)
            print(fd, "  -%c, %-26s %s\n", flag->letter, name, flag->help);
        else
            print(fd, "      %-26s %s\n", name, flag->help);
    }
    print(fd, "  -h, %-26s %s\n", "--help", "shows this help");
}

void help_all(int fd)
{
    print(fd, "Holdfast: an API gateway that keeps connections.\n\nVersion: %s\n\n", HOLDFAST_VERSION);
    print(fd, "Usage:\n  holdfast COMMAND [flags]\n\nCommands:\n");
    for (const struct command *const *command = all_commands; *command; command++)
        print(fd, "  %-14s %s\n", (*command)->name, (*command)->summary);
    print(fd, "\nFirst steps:\n"
              "  holdfast run --demo                       a gateway and origins to play with\n"
              "  holdfast run --to http://127.0.0.1:9001   a plain reverse proxy, no file needed\n"
              "  holdfast check -c krakend.json            what is wrong with a configuration, all at once\n"
              "  holdfast run -c krakend.json              serve it\n\n"
              "\"holdfast COMMAND --help\" tells more of one command. The program also answers to the name krakend.\n");
}
