/* main.c: where the program starts; all else of this folder is a library, for the tests' sake.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"

int main(int argc, char **argv)
{
    return argc > 0 ? commands_run(argc - 1, argv + 1) : EXIT_USAGE;
}
