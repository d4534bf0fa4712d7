/* report_text.c: a problem as people read it: the line with its place, the source line behind a gutter, and a mark
 * under what is meant, with the suggestion. Columns are counted as a terminal shows them; what could disturb the
 * terminal is replaced. Start with report_text. SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "config/report_internal.h"

#include <stdarg.h>
#include <stdio.h>

enum {
    COLUMNS_MAX = 100,   /* of a source line; longer ones are cut */
    COLUMNS_BEFORE = 40, /* kept before the place when a line is cut */
    REPLACEMENT = 0xfffd,
};

#define BOLD   "\x1b[1m"
#define RED    "\x1b[1;31m"
#define PURPLE "\x1b[1;35m"
#define CYAN   "\x1b[1;36m"
#define GREEN  "\x1b[1;32m"
#define PLAIN  "\x1b[0m"

struct printer {
    struct json_writer out;
    bool colour;
};

/* The source line of a place: [from, to) of it is shown, [mark, mark_end) is meant. */
struct excerpt {
    struct str line;
    uint32_t number;
    size_t from, to, mark, mark_end;
};

struct range {
    uint32_t first, last;
};

/* Characters that take no column, and those that take two (East Asian wide, emoji): the common blocks. */
static const struct range narrow_ranges[] = {{0x300, 0x36f},   {0x483, 0x489},   {0x591, 0x5bd},   {0x610, 0x61a},
                                             {0x64b, 0x65f},   {0x200b, 0x200f}, {0x20d0, 0x20f0}, {0xfe00, 0xfe0f},
                                             {0xfe20, 0xfe2f}, {0xfeff, 0xfeff}};
static const struct range wide_ranges[] = {
    {0x1100, 0x115f}, {0x2e80, 0x303e}, {0x3041, 0xa4cf},   {0xac00, 0xd7a3},   {0xf900, 0xfaff},   {0xfe30, 0xfe6f},
    {0xff00, 0xff60}, {0xffe0, 0xffe6}, {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}};

/* Controls, and marks that reorder text so that it reads other than it is. */
static const struct range hidden_ranges[] = {{0, 0x1f}, {0x7f, 0x9f}, {0x202a, 0x202e}, {0x2066, 0x2069}};

static bool is_in(uint32_t rune, const struct range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (rune >= ranges[i].first && rune <= ranges[i].last)
            return true;
    }
    return false;
}

/* The character at s.data; bytes it takes. A byte that is no UTF-8 counts as a character of its own. */
static size_t read_character(struct str s, uint32_t *rune)
{
    unsigned char lead = (unsigned char)s.data[0];
    size_t len = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

    if (len > s.len || !text_is_utf8(str_first(s, len))) {
        *rune = REPLACEMENT;
        return 1;
    }
    *rune = len == 1 ? lead : lead & (0x7fu >> len);
    for (size_t i = 1; i < len; i++)
        *rune = *rune << 6 | ((unsigned char)s.data[i] & 0x3f);
    return len;
}

static size_t columns_of(uint32_t rune)
{
    if (is_in(rune, narrow_ranges, COUNT_OF(narrow_ranges)))
        return 0;
    return is_in(rune, wide_ranges, COUNT_OF(wide_ranges)) ? 2 : 1;
}

static void print(struct printer *printer, const char *text)
{
    json_write_raw(&printer->out, str_from(text));
}

static void paint(struct printer *printer, const char *colour)
{
    if (printer->colour)
        print(printer, colour);
}

/* Text from outside; nothing in it moves the cursor. Tabs stay if asked for. */
static void print_visible(struct printer *printer, struct str text, bool tabs)
{
    for (size_t at = 0, len; at < text.len; at += len) {
        struct str rest = str_from_offset(text, at);
        uint32_t rune;

        len = read_character(rest, &rune);
        if (rune == REPLACEMENT)
            print(printer, "\xef\xbf\xbd");
        else if (is_in(rune, hidden_ranges, COUNT_OF(hidden_ranges)) && !(rune == '\t' && tabs))
            print(printer, "?");
        else
            json_write_raw(&printer->out, str_first(rest, len));
    }
}

static const char *colour_of(enum severity severity)
{
    switch (severity) {
    case SEVERITY_NOTE:
        return CYAN;
    case SEVERITY_WARNING:
        return PURPLE;
    case SEVERITY_ERROR:
        break;
    }
    return RED;
}

/* For pieces of a few bytes. */
static void PRINTF_LIKE(2, 3) print_short(struct printer *printer, const char *format, ...)
{
    va_list arguments;
    char text[32];

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    print(printer, text);
}

static void print_heading(struct printer *printer, const struct problem *problem, uint32_t line, uint32_t column)
{
    paint(printer, BOLD);
    if (problem->place.source) {
        print_visible(printer, str_from(problem->place.source->name), false);
        print_short(printer, ":%u:%u: ", line, column);
    }
    paint(printer, colour_of(problem->severity));
    print(printer, severity_name(problem->severity));
    print(printer, ": ");
    paint(printer, PLAIN);
    print_visible(printer, str_from(problem->text), false);
    print_short(printer, " [HF%04u]\n", problem->code);
}

/* The start of the character before `at`. */
static size_t step_back(struct str line, size_t at)
{
    do
        at--;
    while (at > 0 && ((unsigned char)line.data[at] & 0xc0) == 0x80);
    return at;
}

/* Moves `from` back until the shown part, `shown` columns so far, has `columns` or the line starts. Returns what it
 * has. */
static size_t extend_back(struct excerpt *excerpt, size_t shown, size_t columns)
{
    uint32_t rune;

    while (excerpt->from > 0 && shown < columns) {
        excerpt->from = step_back(excerpt->line, excerpt->from);
        read_character(str_from_offset(excerpt->line, excerpt->from), &rune);
        shown += columns_of(rune);
    }
    return shown;
}

/* Where the shown part of a line that may be too long starts and ends. */
static void cut(struct excerpt *excerpt)
{
    struct str line = excerpt->line;
    uint32_t rune;

    excerpt->from = excerpt->to = excerpt->mark;
    size_t columns = extend_back(excerpt, 0, COLUMNS_BEFORE);

    for (; excerpt->to < line.len && columns < COLUMNS_MAX; columns += columns_of(rune))
        excerpt->to += read_character(str_from_offset(line, excerpt->to), &rune);
    (void)extend_back(excerpt, columns, COLUMNS_MAX);
}

static struct excerpt find_excerpt(const struct place *place, uint32_t number)
{
    struct str text = place->source->text;
    size_t at = size_min(place->at, text.len), start = at;

    while (start > 0 && text.data[start - 1] != '\n')
        start--;
    struct str line = str_from_offset(text, start);

    line = str_first(line, str_find_char(line, '\n'));
    if (line.len > 0 && line.data[line.len - 1] == '\r')
        line.len--;
    struct excerpt excerpt = {.line = line, .number = number};

    excerpt.mark = size_min(at - start, line.len);
    excerpt.mark_end = size_min(excerpt.mark + place->len, line.len);
    cut(&excerpt);
    return excerpt;
}

static void repeat(struct printer *printer, const char *text, size_t times)
{
    while (times-- > 0)
        print(printer, text);
}

/* Blanks as wide as what stands before the mark, then the mark. */
static void print_mark(struct printer *printer, const struct excerpt *excerpt)
{
    struct str line = excerpt->line;
    uint32_t rune;
    size_t columns = 0;

    for (size_t at = excerpt->from; at < excerpt->mark;) {
        at += read_character(str_from_offset(line, at), &rune);
        if (rune == '\t')
            print(printer, "\t");
        else
            repeat(printer, " ", columns_of(rune));
    }
    for (size_t at = excerpt->mark; at < size_min(excerpt->mark_end, excerpt->to);) {
        at += read_character(str_from_offset(line, at), &rune);
        columns += columns_of(rune);
    }
    paint(printer, GREEN);
    print(printer, "^");
    repeat(printer, "~", columns > 1 ? columns - 1 : 0);
    paint(printer, PLAIN);
}

static void print_excerpt(struct printer *printer, const struct excerpt *excerpt, const char *hint)
{
    struct str shown = str_of(excerpt->line.data + excerpt->from, excerpt->to - excerpt->from);

    print_short(printer, "%6u | ", excerpt->number);
    print(printer, excerpt->from > 0 ? "..." : "");
    print_visible(printer, shown, true);
    print(printer, excerpt->to < excerpt->line.len ? "...\n" : "\n");
    print(printer, "       | ");
    print(printer, excerpt->from > 0 ? "   " : "");
    print_mark(printer, excerpt);
    if (hint) {
        print(printer, " ");
        print_visible(printer, str_from(hint), false);
    }
    print(printer, "\n");
}

static void print_problem(struct printer *printer, const struct problem *problem)
{
    const struct source *source = problem->place.source;
    uint32_t line = 0, column = 0;

    if (source)
        json_position(source->text, problem->place.at, &line, &column);
    print_heading(printer, problem, line, column);
    if (source && source->text.len > 0) {
        struct excerpt excerpt = find_excerpt(&problem->place, line);

        print_excerpt(printer, &excerpt, problem->hint);
    } else if (problem->hint) {
        print(printer, "       | ");
        print_visible(printer, str_from(problem->hint), false);
        print(printer, "\n");
    }
}

struct str report_text(const struct report *report, struct arena *arena, bool colour)
{
    struct printer printer = {.out = {.arena = arena}, .colour = colour};
    size_t length;
    const struct sorted_problem *sorted = report_sort(report, arena, &length);
    unsigned found = report->errors + report->warnings + report->notes;

    if (!sorted)
        return STR_EMPTY;
    for (size_t i = 0; i < length; i++)
        print_problem(&printer, sorted[i].problem);
    if (found > length)
        print_short(&printer, "and %u more\n", found - (unsigned)length);
    return json_written(&printer.out);
}
