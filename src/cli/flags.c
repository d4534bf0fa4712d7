/* flags.c: reading a command line by its table of flags. SPDX-License-Identifier: Apache-2.0 */
#include "cli/flags.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"
#include "os/file.h"

enum { PRINT_BYTES = 16384 };

void print(int fd, const char *format, ...)
{
    char text[PRINT_BYTES];
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (len > 0)
        file_print(fd, str_of(text, size_min((size_t)len, sizeof(text) - 1)));
}

/* As cobra does: the error and the usage on stderr, the message again on stdout. */
static bool refuse(const struct command *command, const char *format, ...) PRINTF_LIKE(2, 3);
static bool refuse(const struct command *command, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    print(2, "Error: %s\n", text);
    help_command(2, command);
    print(1, "%s\n", text);
    return false;
}

static const struct flag *find_long(const struct command *command, struct str name)
{
    for (size_t i = 0; i < command->flag_count; i++)
        if (str_eq(str_from(command->flags[i].name), name))
            return &command->flags[i];
    return NULL;
}

static const struct flag *find_letter(const struct command *command, char letter)
{
    for (size_t i = 0; i < command->flag_count; i++)
        if (command->flags[i].letter == letter)
            return &command->flags[i];
    return NULL;
}

static bool takes_value(const struct flag *flag)
{
    return flag->type == FLAG_STRING || flag->type == FLAG_NUMBER;
}

/* Stores a value; `text` is NULL for a flag without one. */
static bool store(const struct command *command, const struct flag *flag, const char *text, void *values)
{
    char *field = (char *)values + flag->offset;

    switch (flag->type) {
    case FLAG_STRING:
        *(const char **)(void *)field = text;
        return true;
    case FLAG_NUMBER:
        return text_to_i64(str_from(text), (int64_t *)(void *)field) ||
               refuse(command, "invalid argument \"%s\" for \"--%s\" flag: not a number", text, flag->name);
    case FLAG_BOOL:
        *(bool *)field = !text || !(str_eq(str_from(text), STR("false")) || str_eq(str_from(text), STR("0")));
        return true;
    case FLAG_COUNT:
        ++*(int64_t *)(void *)field;
        return true;
    }
    return false;
}

/* "--name", "--name=value", "--name value". */
static bool parse_long(const struct command *command, int argc, char **argv, int *at, void *values)
{
    struct str word = str_from_offset(str_from(argv[*at]), 2);
    size_t equals = str_find_char(word, '=');
    const struct flag *flag = find_long(command, str_first(word, equals));
    const char *value = equals < word.len ? word.data + equals + 1 : NULL;

    if (!flag)
        return refuse(command, "unknown flag: --%.*s", STR_ARG(str_first(word, equals)));
    if (!value && takes_value(flag)) {
        if (*at + 1 >= argc)
            return refuse(command, "flag needs an argument: --%s", flag->name);
        value = argv[++*at];
    }
    return store(command, flag, value, values);
}

/* "-d", "-dc FILE", "-cFILE". */
static bool parse_letters(const struct command *command, int argc, char **argv, int *at, void *values)
{
    const char *word = argv[*at];

    for (const char *letter = word + 1; *letter; letter++) {
        const struct flag *flag = find_letter(command, *letter);
        const char *value = NULL;

        if (!flag)
            return refuse(command, "unknown shorthand flag: '%c' in %s", *letter, word);
        if (takes_value(flag)) {
            value = letter[1] == '=' ? letter + 2 : letter + 1;
            if (!*value && *at + 1 >= argc)
                return refuse(command, "flag needs an argument: '%c' in %s", *letter, word);
            if (!*value)
                value = argv[++*at];
            return store(command, flag, value, values);
        }
        if (!store(command, flag, NULL, values))
            return false;
    }
    return true;
}

bool flags_parse(const struct command *command, int argc, char **argv, void *values, int *words, bool *help)
{
    bool flags_over = false;

    *words = 0;
    *help = false;
    for (int i = 0; i < argc; i++) {
        struct str word = str_from(argv[i]);
        bool ok = true;

        if (flags_over || word.len < 2 || word.data[0] != '-') {
            argv[(*words)++] = argv[i];
        } else if (str_eq(word, STR("--"))) {
            flags_over = true;
        } else if (str_eq(word, STR("-h")) || str_eq(word, STR("--help"))) {
            help_command(1, command);
            *help = true;
            return true;
        } else if (word.data[1] == '-') {
            ok = parse_long(command, argc, argv, &i, values);
        } else {
            ok = parse_letters(command, argc, argv, &i, values);
        }
        if (!ok)
            return false;
    }
    return true;
}
