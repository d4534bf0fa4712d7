/* test_documents.c: what the tables in the code know stands in the documents too: commands and flags in the manual
 * page, keys in the reference of the configuration. SPDX-License-Identifier: Apache-2.0 */
#include "capture.h"
#include "cli/commands.h"
#include "gateway/service_internal.h"
#include "os/file.h"

#define FILE_BYTES_MAX (1u << 20)

static struct str read_file(const char *name)
{
    struct str path = arena_format(test_arena(), "%s/%s", HOLDFAST_SOURCE_ROOT, name), text;
    struct error err;

    if (!file_read(test_arena(), path.data, FILE_BYTES_MAX, &text, &err))
        test_fail(__FILE__, __LINE__, "%s", err.text);
    return text;
}

/* Dashes as roff wants them. */
static struct str roff(struct str text)
{
    char *out = arena_alloc(test_arena(), 2 * text.len + 1, 1);
    size_t len = 0;

    CHECK(out != NULL);
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '-')
            out[len++] = '\\';
        out[len++] = text.data[i];
    }
    return str_of(out, len);
}

/* The part of the manual page about a command. */
static struct str section_of(struct str manual, const struct command *command)
{
    struct str heading = arena_format(test_arena(), "\n.SS %s\n", command->name);
    struct str rest = str_from_offset(manual, str_find(manual, heading) + heading.len);

    test_case_is("%s", command->name);
    CHECK(str_find(manual, heading) < manual.len);
    return str_first(rest, str_find(rest, STR("\n.S")));
}

TEST(the_manual_page_has_every_command_and_flag)
{
    struct str manual = read_file("docs/holdfast.1");

    for (const struct command *const *command = all_commands; *command; command++) {
        struct str section = section_of(manual, *command);

        if ((*command)->alias)
            CHECK(str_find(section, str_from((*command)->alias)) < section.len);
        for (size_t i = 0; i < (*command)->flag_count; i++) {
            struct str name = arena_format(test_arena(), "--%s", (*command)->flags[i].name);

            test_case_is("%s %s", (*command)->name, name.data);
            CHECK(str_find(section, roff(name)) < section.len);
        }
    }
}

/* Is the key there, as `key`? */
static void check_key(struct str page, struct str name)
{
    struct str quoted = arena_format(test_arena(), "`%.*s`", STR_ARG(name));

    test_case_is("%.*s", STR_ARG(name));
    CHECK(str_find(page, quoted) < page.len);
}

static void visit_option(void *arg, const char *path, const struct option *option)
{
    (void)path;
    check_key(*(struct str *)arg, str_from(option->name));
}

TEST(the_reference_has_every_key_of_krakend)
{
    struct str page = read_file("docs/configuration.md");

    schema_visit(&service_schema, visit_option, &page);
}

/* The text between the first `open` of the line and the next `close`; empty when there is none. */
static struct str between(struct str line, const char *open, const char *close)
{
    struct str rest = str_from_offset(line, str_find(line, str_from(open)) + strlen(open));
    size_t end = str_find(rest, str_from(close));

    return str_find(line, str_from(open)) < line.len && end < rest.len ? str_first(rest, end) : STR_EMPTY;
}

/* The key that a row of a table in the source is about. */
static struct str key_of_row(struct str line)
{
    static const char *const opens[][2] = {
        {"OPTION_", NULL}, {"    ROW(", ","}, {"    ROW_UNUSED(", ","}, {"    {\"", "\""}};

    if (str_starts(str_trim(line), STR("OPTION_SEEN")) || str_starts(str_trim(line), STR("OPTION_PLACE")))
        return STR_EMPTY; /* parts of a row */
    for (size_t i = 0; i < COUNT_OF(opens); i++) {
        if (!str_starts(str_trim(line), str_trim(str_from(opens[i][0]))))
            continue;
        return opens[i][1] ? between(line, opens[i][0], opens[i][1]) : between(line, "\"", "\"");
    }
    return STR_EMPTY;
}

TEST(the_reference_has_every_key_of_components)
{
    static const struct {
        const char *file;
        size_t rows_min; /* so that a change of form is noticed here */
    } files[] = {{"src/gateway/service_ours.c", 30},
                 {"src/gateway/service_upstream.c", 23},
                 {"src/gateway/service_answer.c", 3},
                 {"src/gateway/service_router.c", 22}};
    struct str page = read_file("docs/configuration.md");

    for (size_t i = 0; i < COUNT_OF(files); i++) {
        struct str text = read_file(files[i].file), line;
        size_t rows = 0;

        while (str_split(&text, '\n', &line)) {
            struct str key = key_of_row(line);

            if (key.len == 0)
                continue;
            check_key(page, key);
            rows++;
        }
        test_case_is("%s", files[i].file);
        CHECK(rows >= files[i].rows_min);
    }
}
