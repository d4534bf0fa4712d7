/* schema.c: `holdfast schema`: the JSON Schema of the whole configuration. SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"
#include "gateway/service.h"
#include "os/file.h"

static int print_schema(void)
{
    struct arena *arena = arena_new(NULL, SIZE_MAX);
    struct str text = arena ? service_json_schema(arena) : STR_EMPTY;

    if (text.data)
        file_print(1, text);
    else
        print(2, "ERROR out of memory\n");
    arena_free(arena);
    return text.data ? EXIT_OK : EXIT_ERROR;
}

static int run(int argc, char **argv)
{
    int words;
    bool help;

    if (!flags_parse(&schema_command, argc, argv, NULL, &words, &help))
        return EXIT_USAGE;
    return help ? EXIT_OK : print_schema();
}

const struct command schema_command = {
    .name = "schema",
    .summary = "Prints the JSON Schema of the configuration, for editors",
    .usage = "schema",
    .text = "Write it to a file and name that file in \"$schema\" of the configuration, or in the editor's settings: "
            "keys,\n"
            "descriptions, defaults and ranges are those of this version.\n\n"
            "Example:\n"
            "  holdfast schema > holdfast.schema.json",
    .run = run,
};
