/* report.c: collects problems, sorts them by place, gives them as JSON, finds the nearest name. Their text with the
 * source line is in report_text.c. Start with report_add. SPDX-License-Identifier: Apache-2.0 */
#include "config/report.h"

#include "base/assert.h"
#include "base/text.h"
#include "config/report_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { PROBLEMS_MAX = 1000, NAME_BYTES_MAX = 64 };

void report_init(struct report *report, struct arena *arena)
{
    *report = (struct report){.arena = arena};
}

static void count(struct report *report, enum severity severity)
{
    switch (severity) {
    case SEVERITY_NOTE:
        report->notes++;
        return;
    case SEVERITY_WARNING:
        report->warnings++;
        return;
    case SEVERITY_ERROR:
        report->errors++;
        return;
    }
}

static const char *PRINTF_LIKE(2, 0) format_text(struct arena *arena, const char *format, va_list arguments)
{
    va_list again;

    va_copy(again, arguments);
    int len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *text = len >= 0 ? arena_alloc(arena, (size_t)len + 1, 1) : NULL;

    if (text)
        vsnprintf(text, (size_t)len + 1, format, arguments);
    return text;
}

static void append(struct report *report, const struct problem *problem)
{
    struct problem *copy = arena_make(report->arena, struct problem);

    if (!copy || !problem->text)
        return;
    *copy = *problem;
    if (problem->hint)
        copy->hint = arena_copy(report->arena, str_from(problem->hint)).data;
    if (report->last)
        report->last->next = copy;
    else
        report->first = copy;
    report->last = copy;
}

void report_add(struct report *report, enum severity severity, unsigned code, struct place place, const char *hint,
                const char *format, ...)
{
    struct problem problem = {.severity = severity, .code = code, .place = place, .hint = hint};
    va_list arguments;

    count(report, severity);
    if (report->errors + report->warnings + report->notes > PROBLEMS_MAX)
        return;
    va_start(arguments, format);
    problem.text = format_text(report->arena, format, arguments);
    va_end(arguments);
    append(report, &problem);
}

const char *severity_name(enum severity severity)
{
    switch (severity) {
    case SEVERITY_NOTE:
        return "note";
    case SEVERITY_WARNING:
        return "warning";
    case SEVERITY_ERROR:
        return "error";
    }
    ASSERT(false);
}

static int compare(const void *left, const void *right)
{
    const struct sorted_problem *a = left, *b = right;

    if (a->source_rank != b->source_rank)
        return a->source_rank < b->source_rank ? -1 : 1;
    if (a->problem->place.at != b->problem->place.at)
        return a->problem->place.at < b->problem->place.at ? -1 : 1;
    return a->rank < b->rank ? -1 : a->rank > b->rank;
}

/* Where the source of sorted[i] was first met; 0 for no place, so that such problems lead. */
static size_t rank_source(const struct sorted_problem *sorted, size_t i)
{
    const struct source *source = sorted[i].problem->place.source;

    if (!source)
        return 0;
    for (size_t j = 0; j < i; j++) {
        if (sorted[j].problem->place.source == source)
            return sorted[j].source_rank;
    }
    return i + 1;
}

struct sorted_problem *report_sort(const struct report *report, struct arena *arena, size_t *length)
{
    size_t kept = 0, i = 0;
    struct sorted_problem *sorted;

    for (const struct problem *at = report->first; at; at = at->next)
        kept++;
    sorted = arena_array(arena, struct sorted_problem, kept + 1);
    if (!sorted)
        return NULL;
    for (const struct problem *at = report->first; at; at = at->next, i++) {
        sorted[i] = (struct sorted_problem){.problem = at, .rank = i};
        sorted[i].source_rank = rank_source(sorted, i);
    }
    qsort(sorted, kept, sizeof(*sorted), compare);
    *length = kept;
    return sorted;
}

static void write_place(struct json_writer *out, const struct place *place)
{
    uint32_t line, column;

    if (!place->source) {
        json_write_raw(out, STR("\"file\":null,\"line\":null,\"column\":null"));
        return;
    }
    json_position(place->source->text, place->at, &line, &column);
    json_write_raw(out, STR("\"file\":"));
    json_write_string(out, str_from(place->source->name));
    json_write_raw(out, STR(",\"line\":"));
    json_write_u64(out, line);
    json_write_raw(out, STR(",\"column\":"));
    json_write_u64(out, column);
}

static void write_problem(struct json_writer *out, const struct problem *problem)
{
    char code[16];
    int len = snprintf(code, sizeof(code), "\"HF%04u\"", problem->code);

    json_write_raw(out, STR("{"));
    write_place(out, &problem->place);
    json_write_raw(out, STR(",\"severity\":"));
    json_write_string(out, str_from(severity_name(problem->severity)));
    json_write_raw(out, STR(",\"code\":"));
    json_write_raw(out, str_of(code, (size_t)len));
    json_write_raw(out, STR(",\"text\":"));
    json_write_string(out, str_from(problem->text));
    json_write_raw(out, STR(",\"hint\":"));
    if (problem->hint)
        json_write_string(out, str_from(problem->hint));
    else
        json_write_raw(out, STR("null"));
    json_write_raw(out, STR("}"));
}

struct str report_json(const struct report *report, struct arena *arena)
{
    struct json_writer out = {.arena = arena};
    size_t length;
    const struct sorted_problem *sorted = report_sort(report, arena, &length);

    if (!sorted)
        return STR_EMPTY;
    json_write_raw(&out, STR("["));
    for (size_t i = 0; i < length; i++) {
        json_write_raw(&out, i ? STR(",") : STR_EMPTY);
        write_problem(&out, sorted[i].problem);
    }
    json_write_raw(&out, STR("]"));
    return json_written(&out);
}

/* How many changed letters still look like a slip. */
static unsigned slips_max(size_t len)
{
    return len <= 3 ? 1 : len <= 8 ? 2 : (unsigned)len / 3;
}

/* `s` in lower case in `out`, which has its length. */
static struct str lower(struct str s, char *out)
{
    for (size_t i = 0; i < s.len; i++)
        out[i] = s.data[i] >= 'A' && s.data[i] <= 'Z' ? (char)(s.data[i] | 0x20) : s.data[i];
    return str_of(out, s.len);
}

const char *report_nearest(struct str wrong, const char *const *names, size_t count_of_names)
{
    char folded_bytes[NAME_BYTES_MAX];
    const char *nearest = NULL;

    if (wrong.len == 0 || wrong.len > NAME_BYTES_MAX)
        return NULL;
    unsigned limit = slips_max(wrong.len);
    struct str folded = lower(wrong, folded_bytes);

    for (size_t i = 0; i < count_of_names; i++) {
        struct str name = str_from(names[i]);
        unsigned distance = text_distance(wrong, name, limit), folded_distance = text_distance(folded, name, limit);

        distance = folded_distance < distance ? folded_distance : distance;
        /* A name that would have to change altogether is no suggestion. */
        if (distance > limit || distance >= name.len)
            continue;
        nearest = names[i];
        if (distance == 0)
            return nearest;
        limit = distance - 1;
    }
    return nearest;
}
