/* test_pattern.c: placeholders in paths, hosts made clean, percent-escapes. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/escape.h"
#include "gateway/pattern.h"
#include "gateway/service_internal.h"
#include "gateway_test.h"

TEST(pattern_finds_placeholders)
{
    static const struct {
        enum placeholder_rule rule;
        const char *text, *names;
    } rows[] = {
        {PLACEHOLDER_STRICT, "/a/{b}/{c-D_1}", "b c-D_1"},
        {PLACEHOLDER_STRICT, "/a{b}/{c.d}/{}/{e", ""},
        {PLACEHOLDER_STRICT, "/{a}{b}/{a}", "a"},
        {PLACEHOLDER_WIDE, "/a{b}/{c.d:e/f}?x={g}&y={b}", "b c.d:e/f g"},
        {PLACEHOLDER_WIDE, "{{x}}", "x"},
        {PLACEHOLDER_WIDE, "{a b}{}{", ""},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str_list names;
        struct str joined = STR("");

        test_case_is("%s", rows[i].text);
        CHECK(placeholders_list(test_arena(), rows[i].rule, guard_copy(str_from(rows[i].text)), &names));
        for (size_t name = 0; name < names.count; name++)
            joined =
                arena_format(test_arena(), "%.*s%s%.*s", STR_ARG(joined), name ? " " : "", STR_ARG(names.items[name]));
        CHECK_STR(joined, str_from(rows[i].names));
    }
}

TEST(pattern_makes_routes)
{
    static const struct {
        enum placeholder_rule rule;
        const char *text, *route;
    } rows[] = {
        {PLACEHOLDER_STRICT, "/a/{b}/c", "/a/:b/c"},       {PLACEHOLDER_STRICT, "/a{b}/{b}", "/a:b/:b"},
        {PLACEHOLDER_STRICT, "/x/{a}.json", "/x/:a.json"}, {PLACEHOLDER_STRICT, "/foo-{a}", "/foo-{a}"},
        {PLACEHOLDER_WIDE, "/file.{ext}", "/file.:ext"},   {PLACEHOLDER_STRICT, "/{a}?x={a}", "/:a?x={a}"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str_list names;

        test_case_is("%s", rows[i].text);
        CHECK(placeholders_list(test_arena(), rows[i].rule, str_from(rows[i].text), &names));
        CHECK_STR(path_to_route(test_arena(), str_from(rows[i].text), &names), str_from(rows[i].route));
    }
}

TEST(pattern_knows_special_names)
{
    static const char *const special[] = {"resp0_a", "resp12_a.b", "JWT.sub", "JWT.http://x/y"};
    static const char *const plain[] = {"resp_a", "resp0",    "resp0_",  "respx_a", "JWT.",
                                        "JWT",    "xresp0_a", "Resp0_a", ""};

    for (size_t i = 0; i < COUNT_OF(special); i++)
        CHECK(placeholder_is_special(str_from(special[i])));
    for (size_t i = 0; i < COUNT_OF(plain); i++)
        CHECK(!placeholder_is_special(str_from(plain[i])));
}

TEST(host_sanitize_follows_krakend)
{
    static const struct {
        const char *text, *host; /* NULL: refused */
    } rows[] = {
        {"http://a.b", "http://a.b"},
        {"a.b:80", "http://a.b:80"},
        {"https://a_b-c:8443/", "https://a_b-c:8443"},
        {"  host ", "http://host"},
        {"http://host//", "http://host"},
        {"http://h:8", NULL},
        {"http://h:123456", "http://h:123456"},
        {"http://h:1234567", NULL},
        {"http://h/path", NULL},
        {"ftp://h", NULL},
        {"user:pw@h", NULL},
        {"http://[::1]:80", NULL},
        {"http://", "http://http"},
        {"h1,h2", NULL},
        {"", NULL},
        {"/", NULL},
        {"HTTP://h", NULL},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str out = STR_EMPTY;

        test_case_is("%s", rows[i].text);
        CHECK_EQ(host_sanitize(test_arena(), guard_copy(str_from(rows[i].text)), &out), rows[i].host != NULL);
        if (rows[i].host)
            CHECK_STR(out, str_from(rows[i].host));
    }
}

TEST(escape_writes_as_go)
{
    static const struct {
        enum escape_set set;
        const char *text, *escaped;
    } rows[] = {
        {ESCAPE_QUERY, "aZ09-_.~", "aZ09-_.~"},
        {ESCAPE_QUERY, "a b&c=d/e?f+g%\xff", "a+b%26c%3Dd%2Fe%3Ff%2Bg%25%FF"},
        {ESCAPE_PATH, "/a b!$&'()*+,;=:@[]?#%", "/a%20b%21$&%27%28%29%2A+,;=:@%5B%5D%3F%23%25"},
        {ESCAPE_PATH_VALID, "/a!'()*[]b c", "/a!'()*[]b%20c"},
        {ESCAPE_PATH, "", ""},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str text = guard_copy(str_from(rows[i].text));

        test_case_is("%s", rows[i].text);
        CHECK_STR(escape_text(test_arena(), rows[i].set, text), str_from(rows[i].escaped));
        CHECK_EQ(escape_len(rows[i].set, text), strlen(rows[i].escaped));
    }
}

TEST(escape_encoded_path_as_go)
{
    static const struct {
        const char *text, *escaped;
    } rows[] = {
        {"/a%2Fb!", "/a%2Fb!"}, {"/a%2Fb c", "/a/b%20c"},       {"/%", "/%25"}, {"/%zz%41", "/%25zzA"},
        {"/a%4", "/a%254"},     {"/{{.X}}", "/%7B%7B.X%7D%7D"}, {"", ""},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        test_case_is("%s", rows[i].text);
        CHECK_STR(escape_encoded_path(test_arena(), guard_copy(str_from(rows[i].text))), str_from(rows[i].escaped));
    }
}
