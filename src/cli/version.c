/* version.c: the three lines that scripts grep. SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"

#include <gnu/libc-version.h>

static int run(int argc, char **argv)
{
    int words;
    bool help;

    if (!flags_parse(&version_command, argc, argv, NULL, &words, &help))
        return EXIT_USAGE;
    if (!help)
        print(2, "KrakenD Version: %s\nGo Version: none (Holdfast is written in C)\nGlibc Version: %s\n",
              HOLDFAST_VERSION, gnu_get_libc_version());
    return EXIT_OK;
}

const struct command version_command = {
    .name = "version",
    .summary = "Shows the version",
    .usage = "version",
    .run = run,
};
