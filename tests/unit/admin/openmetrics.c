/* openmetrics.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "openmetrics.h"

#include "base/map.h"
#include "base/text.h"

struct reader {
    struct map *families, *series; /* seen so far */
    struct str family, type;       /* the current one */
    bool has_help, has_samples;
};

static NORETURN void refuse(struct str line, const char *why)
{
    test_fail(__FILE__, __LINE__, "%s: %.*s", why, STR_ARG(line));
}

static bool is_name(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';

        if (!letter && !(i > 0 && c >= '0' && c <= '9'))
            return false;
    }
    return text.len > 0;
}

/* "# TYPE name counter": a family begins, once. */
static void read_type(struct reader *reader, struct str line, struct str rest)
{
    struct str name;

    if (!str_split(&rest, ' ', &name) || !is_name(name))
        refuse(line, "no name");
    if (!str_eq(rest, STR("counter")) && !str_eq(rest, STR("gauge")) && !str_eq(rest, STR("info")) &&
        !str_eq(rest, STR("histogram")))
        refuse(line, "no type that we use");
    if (str_eq(rest, STR("counter")) && str_ends(name, STR("_total")))
        refuse(line, "a counter's family has _total in its name");
    if (map_get(reader->families, name))
        refuse(line, "a family comes twice");
    CHECK(map_put(reader->families, name, reader));
    reader->family = name;
    reader->type = rest;
    reader->has_help = reader->has_samples = false;
}

static void read_help(struct reader *reader, struct str line, struct str rest)
{
    struct str name;

    if (!str_split(&rest, ' ', &name) || !str_eq(name, reader->family) || reader->has_help || reader->has_samples)
        refuse(line, "help of another family, or twice, or late");
    if (rest.len == 0)
        refuse(line, "empty help");
    reader->has_help = true;
}

/* The length of a label's quoted value at the front, quotes included. */
static size_t quoted_len(struct str line, struct str text)
{
    size_t at = 1;

    if (text.len == 0 || text.data[0] != '"')
        refuse(line, "a label's value without quotes");
    for (; at < text.len && text.data[at] != '"'; at++)
        if (text.data[at] == '\\' && (++at == text.len || !memchr("\\\"n", text.data[at], 3)))
            refuse(line, "an escape that there is not");
    if (at == text.len)
        refuse(line, "a label's value without an end");
    return at + 1;
}

/* "{a="b",c="d"}" at the front; what is behind it. */
static struct str read_labels(struct str line, struct str text)
{
    char before = text.data[0];

    while (before == '{' || before == ',') {
        size_t equals = str_find_char(text, '=');

        if (!is_name(str_first(str_from_offset(text, 1), equals - 1)))
            refuse(line, "a label without a name");
        text = str_from_offset(text, equals + 1);
        text = str_from_offset(text, quoted_len(line, text));
        if (text.len == 0)
            refuse(line, "labels without an end");
        before = text.data[0];
    }
    if (before != '}')
        refuse(line, "labels without an end");
    return str_from_offset(text, 1);
}

static struct str suffix_of(struct str type, struct str name)
{
    static const struct str parts[] = {STR_INIT("_bucket"), STR_INIT("_count"), STR_INIT("_sum")};

    if (str_eq(type, STR("histogram")))
        for (size_t i = 0; i < COUNT_OF(parts); i++)
            if (str_ends(name, parts[i]))
                return parts[i];
    return str_eq(type, STR("counter")) ? STR("_total") : str_eq(type, STR("info")) ? STR("_info") : STR("");
}

/* Sums of times may have digits behind the point; what counts is whole. */
static bool is_number(struct str name, struct str text)
{
    uint64_t number;
    double seconds;

    if (str_find(name, STR("_seconds")) < name.len || str_ends(name, STR("_sum")))
        return text_to_double(text, &seconds);
    return text_to_u64(text, &number);
}

static void read_sample(struct reader *reader, struct str line)
{
    size_t space = str_find_char(line, ' '), brace = str_find_char(line, '{');
    struct str name = str_first(line, size_min(space, brace)), rest = str_from_offset(line, name.len);
    struct str suffix = suffix_of(reader->type, name);

    if (name.len != reader->family.len + suffix.len || !str_starts(name, reader->family) || !str_ends(name, suffix))
        refuse(line, "a sample outside its family, or with the wrong suffix");
    if (rest.len > 0 && rest.data[0] == '{')
        rest = read_labels(line, rest);
    if (rest.len < 2 || rest.data[0] != ' ' || !is_number(name, str_from_offset(rest, 1)))
        refuse(line, "no number");
    if (map_get(reader->series, str_first(line, line.len - rest.len)))
        refuse(line, "a series comes twice");
    CHECK(map_put(reader->series, str_first(line, line.len - rest.len), reader));
    reader->has_samples = true;
}

void openmetrics_check(struct str text)
{
    struct reader reader = {.families = map_new(0), .series = map_new(0)};
    struct str rest = text, line = STR_EMPTY;

    CHECK(reader.families && reader.series);
    CHECK(text_is_utf8(text));
    CHECK(str_ends(text, STR("\n# EOF\n")));
    rest.len -= STR("# EOF\n").len + 1;
    while (str_split(&rest, '\n', &line)) {
        if (str_starts(line, STR("# TYPE ")))
            read_type(&reader, line, str_from_offset(line, 7));
        else if (str_starts(line, STR("# HELP ")))
            read_help(&reader, line, str_from_offset(line, 7));
        else
            read_sample(&reader, line);
    }
    map_free(reader.families);
    map_free(reader.series);
}

uint64_t openmetrics_value(struct str text, const char *series)
{
    struct str wanted = arena_format(test_arena(), "\n%s ", series);
    size_t at = str_find(text, wanted);
    struct str rest = str_from_offset(text, at + wanted.len);
    uint64_t number;

    if (at == text.len)
        test_fail(__FILE__, __LINE__, "no %s in\n%.*s", series, STR_ARG(text));
    CHECK(str_find(rest, wanted) == rest.len);
    CHECK(text_to_u64(str_first(rest, str_find_char(rest, '\n')), &number));
    return number;
}

uint64_t openmetrics_sum(struct str text, const char *name)
{
    struct str line, wanted = str_from(name);
    uint64_t sum = 0;

    while (str_split(&text, '\n', &line)) {
        struct str behind = str_from_offset(line, wanted.len);
        uint64_t number;

        if (!str_starts(line, wanted) || behind.len == 0 || (behind.data[0] != '{' && behind.data[0] != ' '))
            continue;
        CHECK(text_to_u64(str_from_offset(line, str_find_last_char(line, ' ') + 1), &number));
        sum += number;
    }
    return sum;
}
