/* flags.c: reading a command line by its table of flags. SPDX-License-Identifier: Apache-2.0 */
#include "cli/flags.h"

#include "base/text.h"
#include "os/file.h"

#include <stdarg.h>
#include <stdio.h>

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

bool flags_refuse(const struct command *command, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    print(2, "Error: %s\n", text);
    if (command)
        help_command(2, command);
    else
        help_all(2);
    print(1, "%s\n", text);
    return false;
}

/* A command line being read. */
struct reading {
    const struct command *command;
    int argc, at; /* at: the word in hand */
    char **argv;
    void *values;
    bool help;
};

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

/* The words of Go's ParseBool. */
static bool text_to_bool(struct str text, bool *out)
{
    static const char *const words[] = {"1", "t", "T", "true",  "TRUE",  "True",
                                        "0", "f", "F", "false", "FALSE", "False"};

    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (str_eq(text, str_from(words[i]))) {
            *out = i < COUNT_OF(words) / 2;
            return true;
        }
    return false;
}

static bool refuse_value(const struct command *command, const struct flag *flag, const char *text, const char *wanted)
{
    return flags_refuse(command, "invalid argument \"%s\" for \"--%s\" flag: %s", text, flag->name, wanted);
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
               refuse_value(command, flag, text, "not a number");
    case FLAG_BOOL:
        return text_to_bool(text ? str_from(text) : STR("true"), (bool *)field) ||
               refuse_value(command, flag, text, "neither true nor false");
    case FLAG_COUNT:
        if (text)
            return text_to_i64(str_from(text), (int64_t *)(void *)field) ||
                   refuse_value(command, flag, text, "not a number");
        ++*(int64_t *)(void *)field;
        return true;
    }
    return false;
}

/* The next word, as a value; NULL: there is none. */
static const char *next_word(struct reading *reading)
{
    return reading->at + 1 < reading->argc ? reading->argv[++reading->at] : NULL;
}

/* "--name", "--name=value", "--name value". */
static bool read_long(struct reading *reading)
{
    struct str word = str_from_offset(str_from(reading->argv[reading->at]), 2);
    size_t equals = str_find_char(word, '=');
    struct str name = str_first(word, equals);
    const struct flag *flag = find_long(reading->command, name);
    const char *value = equals < word.len ? word.data + equals + 1 : NULL;

    if (!flag && str_eq(word, STR("help"))) {
        reading->help = true;
        return true;
    }
    if (!flag)
        return flags_refuse(reading->command, "unknown flag: --%.*s", STR_ARG(name));
    if (!value && takes_value(flag) && !(value = next_word(reading)))
        return flags_refuse(reading->command, "flag needs an argument: --%s", flag->name);
    return store(reading->command, flag, value, reading->values);
}

/* The value of the flag whose letter stands at `letter`: "-c=FILE", "-cFILE", "-c FILE". NULL: there is none. */
static const char *value_behind(struct reading *reading, const char *letter)
{
    if (letter[1] == '=' && letter[2] != '\0')
        return letter + 2;
    return letter[1] != '\0' ? letter + 1 : next_word(reading);
}

/* "-d", "-dc FILE", "-cFILE". */
static bool read_letters(struct reading *reading)
{
    for (const char *letter = reading->argv[reading->at] + 1; *letter && !reading->help; letter++) {
        const struct flag *flag = find_letter(reading->command, *letter);
        bool has_value = flag && (takes_value(flag) || (letter[1] == '=' && letter[2] != '\0'));
        const char *value;

        if (!flag && *letter == 'h') {
            reading->help = true;
            return true;
        }
        if (!flag)
            return flags_refuse(reading->command, "unknown shorthand flag: '%c' in -%s", *letter, letter);
        if (!has_value) {
            if (!store(reading->command, flag, NULL, reading->values))
                return false;
            continue;
        }
        value = value_behind(reading, letter);
        if (!value)
            return flags_refuse(reading->command, "flag needs an argument: '%c' in -%s", *letter, letter);
        return store(reading->command, flag, value, reading->values);
    }
    return true;
}

bool flags_parse(const struct command *command, int argc, char **argv, void *values, int *words, bool *help)
{
    struct reading reading = {.command = command, .argc = argc, .argv = argv, .values = values};
    bool flags_over = false, ok = true;

    *words = 0;
    for (; ok && !reading.help && reading.at < argc; reading.at++) {
        struct str word = str_from(argv[reading.at]);

        if (flags_over || word.len < 2 || word.data[0] != '-')
            argv[(*words)++] = argv[reading.at];
        else if (word.data[1] != '-')
            ok = read_letters(&reading);
        else if (word.len == 2)
            flags_over = true;
        else
            ok = read_long(&reading);
    }
    *help = ok && reading.help;
    if (*help)
        help_command(1, command);
    return ok;
}
