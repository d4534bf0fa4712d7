/* flags.h: command lines in the manner that KrakenD's users type them: -c FILE, -cFILE, --config FILE, --config=FILE,
 * combined short flags (-dc FILE), counted flags (-ddd). SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_CLI_FLAGS_H
#define HOLDFAST_CLI_FLAGS_H

#include "base/compiler.h"
#include "base/str.h"

enum flag_type {
    FLAG_STRING, /* const char * */
    FLAG_NUMBER, /* int64_t */
    FLAG_BOOL,   /* bool; also --name=false */
    FLAG_COUNT,  /* int64_t: how often it was given */
};

struct flag {
    const char *name; /* "config" */
    char letter;      /* 'c'; 0: none */
    enum flag_type type;
    size_t offset;     /* of the field in the command's values */
    const char *value; /* what the help calls it: "FILE"; NULL for bools and counts */
    const char *help;  /* one line */
};

struct command {
    const char *name, *alias; /* alias: NULL or another name */
    const char *summary;      /* one line for the list */
    const char *usage;        /* "run -c FILE [flags]" */
    const char *text;         /* some paragraphs with examples */
    const struct flag *flags;
    size_t flag_count;
    int (*run)(int argc, char **argv); /* arguments behind the command's name; returns the exit code */
};

enum { EXIT_OK = 0, EXIT_ERROR = 1, EXIT_USAGE = 255 };

/* Reads flags into `values`; other words are moved to the front of argv and counted in *words. "--" ends flags; "-h"
 * and "--help" print the command's help and *help is set. False: the problem was printed as cobra does (exit with
 * EXIT_USAGE). */
bool flags_parse(const struct command *command, int argc, char **argv, void *values, int *words, bool *help) MUST_USE;

/* Says what is wrong with a command line as cobra does: the error and the usage (of all commands when it is NULL) on
 * stderr, the message again on stdout. False. */
bool flags_refuse(const struct command *command, const char *format, ...) PRINTF_LIKE(2, 3);

/* The help of one command, or the list of all. */
void help_command(int fd, const struct command *command);
void help_all(int fd);

/* printf to a descriptor. */
void print(int fd, const char *format, ...) PRINTF_LIKE(2, 3);

/* All commands; the end has name NULL. */
extern const struct command *const all_commands[];

#endif
