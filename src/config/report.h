/* report.h: problems of a configuration, all of them, each at its place.
 *
 *   gateway.json:14:22: error: endpoints[2].timeout: "3sec" is not a duration [HF0102]
 *       14 |   "timeout": "3sec",
 *          |              ^~~~~~ did you mean "3s"?
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_CONFIG_REPORT_H
#define HOLDFAST_CONFIG_REPORT_H

#include "base/arena.h"
#include "base/error.h"

enum severity { SEVERITY_NOTE, SEVERITY_WARNING, SEVERITY_ERROR };

/* A source text that places point into: the file, or an environment variable. */
struct source {
    const char *name; /* "gateway.json", "KRAKEND_PORT" */
    struct str text;
};

struct place {
    const struct source *source; /* NULL: no place (a missing key of a default, a command line flag) */
    uint32_t at, len;            /* bytes in source->text; a zero len marks one column */
};

struct problem {
    enum severity severity;
    unsigned code; /* HFnnnn, stable: docs/diagnostics.md lists them */
    struct place place;
    const char *text; /* "endpoints[2].timeout: \"3sec\" is not a duration" */
    const char *hint; /* "did you mean \"3s\"?" or NULL */
    struct problem *next;
};

struct report {
    struct arena *arena;          /* borrowed: problems live there */
    struct problem *first, *last; /* in order of finding; report_text sorts by place */
    unsigned errors, warnings, notes;
    bool strict; /* unknown keys are errors */
};

void report_init(struct report *report, struct arena *arena);

/* Adds one; text and hint are formatted into the arena. `hint` may be NULL. At most 1,000 are kept, then counted. */
void report_add(struct report *report, enum severity severity, unsigned code, struct place place, const char *hint,
                const char *format, ...) PRINTF_LIKE(6, 7);

/* All problems as text (colour: ANSI), sorted by source (in order of their first problem, what has no place leading)
 * and offset; or one JSON array of file, line, column, severity, code, text, hint. data NULL: no room in the arena. */
struct str report_text(const struct report *report, struct arena *arena, bool colour);
struct str report_json(const struct report *report, struct arena *arena);

/* The nearest of `names` to `wrong`, for "did you mean"; NULL when none is near. */
const char *report_nearest(struct str wrong, const char *const *names, size_t count);

#endif
