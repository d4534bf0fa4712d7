/* test_document.c: docs/admin.md names every page, member and metric that there is. SPDX-License-Identifier: Apache-2.0
 */
#include "os/file.h"
#include "view_stage.h"

#include "json/json.h"

#define FILE_BYTES_MAX (1u << 20)

static struct str read_document(void)
{
    struct error err;
    struct str text;

    if (!file_read(test_arena(), HOLDFAST_SOURCE_ROOT "/docs/admin.md", FILE_BYTES_MAX, &text, &err))
        test_fail(__FILE__, __LINE__, "%s", err.text);
    return text;
}

static void check_named(struct str document, struct str name)
{
    struct str quoted = arena_format(test_arena(), "`%.*s`", STR_ARG(name));

    test_case_is("%.*s", STR_ARG(name));
    CHECK(str_find(document, quoted) < document.len);
}

TEST(the_document_has_every_metric)
{
    struct str document = read_document(), text, line;
    struct view_stage stage;
    unsigned families = 0;

    view_stage_open(&stage);
    text = view_stage_page(&stage, "GET", "/metrics").body;
    while (str_split(&text, '\n', &line)) {
        struct str rest = str_from_offset(line, STR("# TYPE ").len), name, row;

        if (!str_starts(line, STR("# TYPE ")))
            continue;
        CHECK(str_split(&rest, ' ', &name));
        row = arena_format(test_arena(), "| `%.*s` | %.*s |", STR_ARG(name), STR_ARG(rest));
        test_case_is("%.*s", STR_ARG(row));
        CHECK(str_find(document, row) < document.len);
        families++;
    }
    CHECK(families >= 18);
    view_stage_close(&stage);
}

static void check_members(struct str document, struct json object)
{
    CHECK(json_count(object) > 0);
    for (struct json member = json_first(object); json_exists(member); member = json_after(object, member))
        check_named(document, json_string(test_arena(), json_name(member)));
}

TEST(the_document_has_every_member)
{
    static const char *const paths[] = {"/v1/status", "/v1/pools"};
    struct str document = read_document();
    struct view_stage stage;

    view_stage_open(&stage);
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct str text = view_stage_page(&stage, "GET", paths[i]).body;
        struct json_error err;
        struct json_doc doc;
        struct json hosts;

        CHECK(json_parse(test_arena(), text, &(struct json_options){0}, &doc, &err));
        hosts = json_member(json_root(&doc), STR("hosts"));
        check_members(document, json_exists(hosts) ? json_element(hosts, 0) : json_root(&doc));
    }
    view_stage_close(&stage);
}

TEST(the_document_has_every_reason)
{
    struct str document = read_document();

    for (int i = 0; i < REASONS; i++) {
        enum reason reason = (enum reason)i;
        struct str row = arena_format(test_arena(), "| `%s` | %s |", reason_name(reason), reason_text(reason));

        test_case_is("%.*s", STR_ARG(row));
        CHECK(str_find(document, row) < document.len);
    }
    for (int i = 0; i < SIDE_COUNT; i++)
        check_named(document, str_from(side_name((enum side)i)));
    for (int i = 0; i < RESEND_COUNT; i++)
        if (i != RESEND_NO && i != RESEND_ASK_KERNEL)
            check_named(document, str_from(resend_name((enum resend)i)));
}

TEST(the_document_has_every_page)
{
    struct str document = read_document(), body, path;
    struct view_stage stage;

    view_stage_open(&stage);
    body = view_stage_page(&stage, "GET", "/nothing").body; /* "no such page; see / /metrics ..." */
    body = str_trim(str_from_offset(body, str_find(body, STR("see ")) + 4));
    body = str_first(body, str_find_char(body, '\n'));
    while (str_split(&body, ' ', &path)) {
        const struct http_head request = {.method = STR("GET"), .path = path};

        /* Workers are asked for the one, which is no page by itself. */
        CHECK_INT(view_stage_page(&stage, "GET", arena_copy(test_arena(), path).data).status,
                  page_is_conns(&request) ? 404 : 200);
        check_named(document, path);
    }
    view_stage_close(&stage);
}
