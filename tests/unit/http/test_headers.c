/* test_headers.c: lists of fields and of the elements in them. SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "http/head.h"

static struct http_headers three(struct arena *arena)
{
    struct http_headers headers = {0};

    CHECK(headers_add(&headers, arena, STR("X-A"), STR("1")));
    CHECK(headers_add(&headers, arena, STR("cookie"), STR("a=b")));
    CHECK(headers_add(&headers, arena, STR("x-a"), STR("2")));
    return headers;
}

TEST(fields_keep_their_order_and_their_bytes)
{
    struct http_headers headers = three(test_arena());

    CHECK_EQ(headers.count, 3);
    CHECK_TEXT(headers.fields[0].name, "X-A");
    CHECK_EQ(headers.fields[0].id, HEADER_OTHER);
    CHECK_TEXT(headers.fields[1].name, "cookie");
    CHECK_EQ(headers.fields[1].id, HEADER_COOKIE);
    CHECK_TEXT(headers_get(&headers, STR("X-a")), "1");
    CHECK_TEXT(headers_get_id(&headers, HEADER_COOKIE), "a=b");
    CHECK_TEXT(headers_get(&headers, STR("Cookie")), "a=b");
    CHECK(!headers_get(&headers, STR("X-B")).data);
    CHECK(!headers_get_id(&headers, HEADER_HOST).data);
}

TEST(fields_are_removed_by_name_and_by_number)
{
    struct http_headers headers = three(test_arena());

    headers_remove(&headers, STR("X-A"));
    CHECK_EQ(headers.count, 1);
    headers_remove(&headers, STR("X-None"));
    headers_remove_id(&headers, HEADER_COOKIE);
    CHECK_EQ(headers.count, 0);
}

TEST(setting_replaces_all_and_adds_when_there_is_none)
{
    struct arena *arena = test_arena();
    struct http_headers headers = three(arena);

    CHECK(headers_add_id(&headers, arena, HEADER_COOKIE, STR("c=d")));
    CHECK(headers_set_id(&headers, arena, HEADER_COOKIE, STR("e=f")));
    CHECK_EQ(headers.count, 3);
    CHECK_TEXT(headers.fields[1].value, "e=f");
    CHECK(headers_set_id(&headers, arena, HEADER_SERVER, STR("s")));
    CHECK_TEXT(headers.fields[3].name, "Server");
}

TEST(the_array_grows)
{
    struct arena *arena = test_arena();
    struct http_headers headers = {0};

    for (uint32_t i = 0; i < 1000; i++)
        CHECK(headers_add(&headers, arena, STR("X-N"), i % 2 ? STR("odd") : STR("even")));
    CHECK_EQ(headers.count, 1000);
    CHECK_TEXT(headers.fields[999].value, "odd");
    CHECK_TEXT(headers.fields[0].value, "even");
}

TEST(a_field_that_finds_no_room_is_not_added)
{
    struct arena *arena = arena_new(NULL, 1024);
    struct http_headers headers = {0};
    uint32_t added = 0;

    CHECK(arena != NULL);
    while (headers_add(&headers, arena, STR("X-N"), STR("v")))
        added++;
    CHECK_EQ(headers.count, added);
    CHECK(added < 1024);
    arena_free(arena);
}

TEST(list_elements_come_one_by_one)
{
    static const struct {
        const char *first, *second; /* two fields of the list */
        const char *elements;       /* joined by '|' */
    } rows[] = {
        {"a", NULL, "a|"},
        {"a, b ,c", NULL, "a|b|c|"},
        {"", NULL, ""},
        {" ,, \t, a,", "", "a|"},
        {"close", "foo ,, CLOSE  ,bar", "close|foo|CLOSE|bar|"},
        {"\"a,b\", c", NULL, "\"a,b\"|c|"},
        {"\"a\\\",b\", c", NULL, "\"a\\\",b\"|c|"},
        {"\"open, b", "c", "\"open, b|c|"},
        {"\"\\", "d", "\"\\|d|"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct http_headers headers = {0};
        struct header_list cursor = {0};
        char joined[64] = "";
        struct str element;

        test_case_is("row %zu", i);
        CHECK(headers_add(&headers, test_arena(), STR("X-Other"), STR("x, y")));
        CHECK(headers_add(&headers, test_arena(), STR("Connection"), guard_copy(str_from(rows[i].first))));
        if (rows[i].second)
            CHECK(headers_add(&headers, test_arena(), STR("connection"), guard_copy(str_from(rows[i].second))));
        while (headers_list_next(&headers, HEADER_CONNECTION, &cursor, &element)) {
            strncat(joined, element.data, element.len);
            strcat(joined, "|");
        }
        CHECK_CSTR(joined, rows[i].elements);
        CHECK(!headers_list_next(&headers, HEADER_CONNECTION, &cursor, &element));
    }
}
