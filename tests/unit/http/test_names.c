/* test_names.c: known names, what names and values are made of, Go's canonical form.
 * SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "http/head.h"

/* Fails when names_table.h was not made anew after a change of names.def. */
TEST(every_name_of_the_list_is_found_in_any_case)
{
    for (int id = 1; id < HEADER_ID_COUNT; id++) {
        struct str name = header_name((enum header_id)id);
        char lower[64], upper[64];

        test_case_is("%.*s", STR_ARG(name));
        CHECK(name.len > 0 && name.len < sizeof(lower));
        for (size_t i = 0; i < name.len; i++) {
            bool letter = name.data[i] >= 'A';

            lower[i] = letter ? (char)(name.data[i] | 0x20) : name.data[i];
            upper[i] = letter ? (char)(name.data[i] & ~0x20) : name.data[i];
        }
        CHECK_EQ(header_id_of(name), id);
        CHECK_EQ(header_id_of(str_of(lower, name.len)), id);
        CHECK_EQ(header_id_of(str_of(upper, name.len)), id);
        CHECK_STR(header_canonical(test_arena(), str_of(lower, name.len)), name);
    }
    CHECK_EQ(header_name(HEADER_OTHER).len, 0);
}

TEST(names_that_are_only_like_known_ones_are_others)
{
    static const struct str names[] = {
        STR_INIT(""),
        STR_INIT("H"),
        STR_INIT("Hos"),
        STR_INIT("Hostt"),
        STR_INIT("H0st"),
        STR_INIT("Content\rLength"),
        STR_INIT("Content_Length"),
        STR_INIT("Transfer-Encoding "),
        STR_INIT("X-Krakend-Completed-And-More"),
        STR_INIT("Content-Lengt\0"),
        STR_INIT("\xc8ost"),
    };

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        test_case_is("row %zu", i);
        CHECK_EQ(header_id_of(names[i]), HEADER_OTHER);
    }
}

TEST(names_are_tokens_and_values_have_no_controls)
{
    for (int c = 0; c < 256; c++) {
        char bytes[] = {'a', (char)c, 'b'};
        bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool mark = c != 0 && c < 0x80 && strchr("!#$%&'*+-.^_`|~", c);
        bool visible = c == '\t' || (c >= 0x20 && c != 0x7f);

        test_case_is("byte 0x%02x", (unsigned)c);
        CHECK_EQ(header_name_is_valid(str_of(bytes, 3)), alnum || mark);
        CHECK_EQ(header_value_is_valid(str_of(bytes, 3)), visible);
    }
    CHECK(!header_name_is_valid(STR("")));
    CHECK(header_value_is_valid(STR("")));
}

TEST(canonical_names_are_as_in_go)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"x-a-b", "X-A-B"}, {"X-A-B", "X-A-B"}, {"uSER-aGENT", "User-Agent"}, {"-x--y-", "-X--Y-"},
        {"a_b-c", "A_b-C"}, {"1a-2B", "1a-2b"}, {"no token", "no token"},     {"caf\xe9", "caf\xe9"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        test_case_is("%s", rows[i].in);
        CHECK_STR(header_canonical(test_arena(), guard_copy(str_from(rows[i].in))), str_from(rows[i].out));
    }
}

TEST(a_canonical_name_that_finds_no_room_has_no_data)
{
    struct arena *arena = arena_new(NULL, 1);

    CHECK(!arena || !header_canonical(arena, STR("x-a-b")).data);
    arena_free(arena);
}
