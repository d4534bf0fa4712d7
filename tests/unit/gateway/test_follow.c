/* test_follow.c: where a Location leads. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/follow.h"
#include "gateway_test.h"

TEST(locations_are_resolved)
{
    static const struct {
        const char *location, *url; /* NULL: refused */
    } cases[] = {
        {"/b", "http://h:8080/b"},
        {"b", "http://h:8080/a/b"},
        {"", "http://h:8080/a/x?q=1"},
        {"#f", "http://h:8080/a/x?q=1"},
        {"?z=2", "http://h:8080/a/x?z=2"},
        {"../b?c=/../d#e", "http://h:8080/b?c=/../d"},
        {"/../../b/./c/..", "http://h:8080/b/"},
        {"./", "http://h:8080/a/"},
        {"b//c", "http://h:8080/a/b//c"},
        {"http://other", "http://other/"},
        {"HTTPS://other:8443?x", "https://other:8443/?x"},
        {"//other/p", "http://other/p"},
        {"http://user:secret@other/p", "http://other/p"},
        {" /b ", "http://h:8080/b"},
        {"/a b\xc3\xa9%20", "http://h:8080/a%20b%C3%A9%20"},
        {"/b?x=a b", "http://h:8080/b?x=a%20b"},
        {"/b:c", "http://h:8080/b:c"},
        {"ftp://other/", NULL},
        {"b:c", NULL},
        {"http://", NULL},
        {"http://?x", NULL},
        {"/a\r\nX: y", NULL},
        {"http:/b", NULL},
    };
    const struct follow_url base = {STR("http"), STR("h:8080"), STR("/a/x?q=1")};

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct follow_url to;
        bool ok = follow_resolve(test_arena(), &base, guard_copy(str_from(cases[i].location)), &to);

        test_case_is("%s", cases[i].location);
        CHECK_EQ(ok, cases[i].url != NULL);
        if (ok)
            CHECK_CSTR(arena_format(test_arena(), "%.*s://%.*s%.*s", STR_ARG(to.scheme), STR_ARG(to.authority),
                                    STR_ARG(to.path))
                           .data,
                       cases[i].url);
    }
}
