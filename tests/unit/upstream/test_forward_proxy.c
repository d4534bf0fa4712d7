/* test_forward_proxy.c: proxies' URLs, and which host is reached through which, by the rules of Go's httpproxy.
 * SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "upstream/forward_proxy.h"

TEST(forward_proxy_urls)
{
    static const struct {
        const char *text, *url, *name, *authorization;
        uint16_t port;
    } rows[] = {
        {"http://proxy.example:3128", "http://proxy.example:3128", "proxy.example", "", 3128},
        {"http://proxy.example", "http://proxy.example:80", "proxy.example", "", 80},
        {"http://proxy.example:", "http://proxy.example:80", "proxy.example", "", 80},
        {"HTTP://proxy.example:1/", "http://proxy.example:1", "proxy.example", "", 1},
        {"http://proxy.example:1/path?query#fragment", "http://proxy.example:1", "proxy.example", "", 1},
        {"http://proxy.example?query", "http://proxy.example:80", "proxy.example", "", 80},
        {"proxy.example", "http://proxy.example:80", "proxy.example", "", 80},
        {"proxy.example:8080", "http://proxy.example:8080", "proxy.example", "", 8080},
        {"localhost:8080", "http://localhost:8080", "localhost", "", 8080},
        {"127.0.0.1:8080", "http://127.0.0.1:8080", "127.0.0.1", "", 8080},
        {"[::1]:8080", "http://[::1]:8080", "::1", "", 8080},
        {"http://[2001:db8::1]", "http://[2001:db8::1]:80", "2001:db8::1", "", 80},
        {"http://user:pass@proxy:1", "http://user:pass@proxy:1", "proxy", "Basic dXNlcjpwYXNz", 1},
        {"user:pass@proxy:1", "http://user:pass@proxy:1", "proxy", "Basic dXNlcjpwYXNz", 1},
        {"http://user@proxy:1", "http://user@proxy:1", "proxy", "Basic dXNlcjo=", 1},
        {"http://:@proxy:1", "http://:@proxy:1", "proxy", "Basic Og==", 1},
        {"http://@proxy:1", "http://@proxy:1", "proxy", "Basic Og==", 1},
        {"http://a:b:c@proxy:1", "http://a:b:c@proxy:1", "proxy", "Basic YTpiOmM=", 1},
        {"http://a%40b:c%3Ad%2F@proxy:1", "http://a%40b:c%3Ad%2F@proxy:1", "proxy", "Basic YUBiOmM6ZC8=", 1},
        {"http://a@b:c@proxy:1", "http://a@b:c@proxy:1", "proxy", "Basic YUBiOmM=", 1},
        {"https://proxy.example", "https://proxy.example:443", "proxy.example", "", 443},
        {"HTTPS://user:pass@proxy:8443/x", "https://user:pass@proxy:8443", "proxy", "Basic dXNlcjpwYXNz", 8443},
        {"https://[::1]", "https://[::1]:443", "::1", "", 443},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct forward_proxy proxy;
        struct error err;

        test_case_is("%s", rows[i].text);
        CHECK(forward_proxy_parse(test_arena(), guard_copy(str_from(rows[i].text)), &proxy, &err));
        CHECK_STR(proxy.url, str_from(rows[i].url));
        CHECK_STR(proxy.name, str_from(rows[i].name));
        CHECK_STR(proxy.authorization, str_from(rows[i].authorization));
        CHECK_EQ(proxy.port, rows[i].port);
        CHECK(str_find_char(proxy.shown, '@') == proxy.shown.len);
        CHECK_EQ(proxy.secure, str_starts(proxy.url, STR("https://")));
    }
}

TEST(forward_proxy_refuses_what_it_cannot_use)
{
    static const struct {
        const char *text, *words;
    } rows[] = {
        {"http://", "name"},
        {"http://:3128", "name"},
        {"http:///path", "name"},
        {"://proxy:1", "name"},
        {"http:proxy:80", "name"},
        {"a b", "name"},
        {"pr\xc3\xb6xy", "name"},
        {"http://::1", "name"},
        {"http://[proxy]:1", "brackets"},
        {"http://[1.2.3.4]:1", "brackets"},
        {"http://[::1", "name"},
        {"http://proxy:0", "port"},
        {"http://proxy:65536", "port"},
        {"http://proxy:x", "port"},
        {"http://proxy:-1", "port"},
        {"http://secret%zz:b@proxy", "escape"},
        {"http://a:secret%4@proxy", "escape"},
        {"https://secret:secret@", "name"},
        {"socks5://secret@proxy:1080", "SOCKS"},
        {"socks5h://proxy", "SOCKS"},
        {"SOCKS4://proxy", "SOCKS"},
        {"ftp://proxy", "begins with http://"},
        {"\r\nhttp://proxy", "name"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct forward_proxy proxy;
        struct error err;
        struct str text;

        test_case_is("%s", rows[i].text);
        CHECK(!forward_proxy_parse(test_arena(), guard_copy(str_from(rows[i].text)), &proxy, &err));
        CHECK_EQ(err.code, ERROR_ADDRESS_INVALID);
        CHECK_EQ(err.fault, FAULT_CONFIG);
        text = str_from(err.text);
        CHECK(str_find(text, str_from(rows[i].words)) < text.len);
        CHECK(str_find(text, STR("secret")) == text.len);
    }
}

/* The proxy of "http://name:port"; empty: none. */
static struct str find(const struct forward_rules *rules, bool secure, const char *name, uint16_t port)
{
    const struct forward_proxy *proxy;
    struct error err;

    CHECK(forward_rules_find(rules, secure, str_from(name), port, &proxy, &err));
    return proxy ? proxy->name : STR("");
}

TEST(forward_rules_by_scheme)
{
    static const struct {
        const char *http, *https, *for_http, *for_https;
    } rows[] = {
        {"", "", "", ""},
        {"plain:1", "", "plain", ""},
        {"", "secure:1", "", "secure"},
        {"plain:1", "secure:1", "plain", "secure"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct forward_proxy_variables variables = {.http = str_from(rows[i].http), .https = str_from(rows[i].https)};
        const struct forward_rules *rules = forward_rules_new(test_arena(), &variables);

        CHECK(rules != NULL);
        CHECK_STR(find(rules, false, "a.example", 80), str_from(rows[i].for_http));
        CHECK_STR(find(rules, true, "a.example", 443), str_from(rows[i].for_https));
    }
    CHECK_TEXT(find(NULL, false, "a.example", 80), "");
}

TEST(forward_rules_copied_are_the_same)
{
    struct forward_proxy_variables variables = {.http = STR("p:1"), .none = STR("direct.example")};
    struct arena *arena = arena_new(NULL, SIZE_MAX);
    const struct forward_rules *copy;
    bool ok = false;

    copy = forward_rules_copy(test_arena(), forward_rules_new(arena, &variables), &ok);
    arena_free(arena);
    CHECK(ok && copy);
    CHECK_TEXT(find(copy, false, "a.example", 80), "p");
    CHECK_TEXT(find(copy, false, "direct.example", 80), "");
    CHECK_TEXT(find(copy, true, "a.example", 443), "");
    CHECK(!forward_rules_copy(test_arena(), NULL, &ok) && ok);
}

static const struct {
    const char *list, *name;
    uint16_t port;
    bool direct;
} exceptions[] = {
    /* Never proxied. */
    {"", "a.example", 80, false},
    {"", "localhost", 80, true},
    {"", "LocalHost", 80, true},
    {"", "localhost.", 80, false},
    {"", "a.localhost", 80, false},
    {"", "127.0.0.1", 80, true},
    {"", "127.9.8.7", 80, true},
    {"", "128.0.0.1", 80, false},
    {"", "::1", 80, true},
    {"", "::ffff:127.0.0.1", 80, true},
    {"", "::2", 80, false},
    /* Everything. */
    {"*", "a.example", 80, true},
    {"*", "10.0.0.1", 80, true},
    {" , * ,x", "a.example", 80, true},
    {"*.", "a.example", 80, false},
    /* Names: it and what is below it. */
    {"example.com", "example.com", 80, true},
    {"example.com", "EXAMPLE.com", 80, true},
    {"Example.COM", "www.example.com", 80, true},
    {"example.com", "a.b.example.com", 80, true},
    {"example.com", "myexample.com", 80, false},
    {"example.com", "example.com.evil", 80, false},
    {"example.com", "com", 80, false},
    {"com", "example.com", 80, true},
    /* Only below it. */
    {".example.com", "example.com", 80, false},
    {".example.com", "www.example.com", 80, true},
    {"*.example.com", "example.com", 80, false},
    {"*.example.com", "www.example.com", 80, true},
    {"*example.com", "example.com", 80, false},
    {".", "example.com", 80, false},
    {".", "example.com.", 80, true},
    /* Ports. */
    {"example.com:80", "example.com", 80, true},
    {"example.com:80", "www.example.com", 80, true},
    {"example.com:80", "example.com", 81, false},
    {"example.com:", "example.com", 81, true},
    {".example.com:443", "www.example.com", 443, true},
    {"example.com:x", "example.com", 80, false},
    {":80", "example.com", 80, false},
    {"a:b:80", "b", 80, false},
    /* Addresses. */
    {"10.0.0.1", "10.0.0.1", 80, true},
    {"10.0.0.1", "10.0.0.11", 80, false},
    {"10.0.0.1", "110.0.0.1", 80, false},
    {"10.0.0.1:8080", "10.0.0.1", 8080, true},
    {"10.0.0.1:8080", "10.0.0.1", 80, false},
    {"10.0.0.1", "::ffff:10.0.0.1", 80, true},
    {"::ffff:10.0.0.1", "10.0.0.1", 80, true},
    {"2001:db8::1", "2001:db8::1", 80, true},
    {"2001:DB8:0:0::1", "2001:db8::1", 80, true},
    {"[2001:db8::1]:80", "2001:db8::1", 80, true},
    {"[2001:db8::1]:80", "2001:db8::1", 81, false},
    {"[2001:db8::1]", "2001:db8::1", 80, false}, /* as in Go: brackets are for ports */
    {"010.0.0.1", "10.0.0.1", 80, false},
    {"0.1", "10.0.0.1", 80, false}, /* an address is below no name */
    /* Networks. */
    {"10.0.0.0/8", "10.255.1.2", 80, true},
    {"10.0.0.0/8", "11.0.0.1", 80, false},
    {"10.1.2.3/8", "10.255.1.2", 80, true},
    {"10.0.0.0/8", "ten.example", 80, false},
    {"192.168.0.0/17", "192.168.127.255", 80, true},
    {"192.168.0.0/17", "192.168.128.0", 80, false},
    {"192.168.0.1/32", "192.168.0.1", 80, true},
    {"192.168.0.1/32", "192.168.0.2", 80, false},
    {"0.0.0.0/0", "8.8.8.8", 80, true},
    {"0.0.0.0/0", "2001:db8::1", 80, false},
    {"10.0.0.0/33", "10.0.0.1", 80, false},
    {"10.0.0.0/", "10.0.0.1", 80, false},
    {"10.0.0.0/8", "::ffff:10.1.1.1", 80, true},
    {"::ffff:10.0.0.0/104", "10.1.1.1", 80, true},
    {"2001:db8::/32", "2001:db8:ffff::1", 80, true},
    {"2001:db8::/33", "2001:db8:ffff::1", 80, false},
    {"::/0", "2001:db8::1", 80, true},
    /* Lists. */
    {"a.example,b.example", "b.example", 80, true},
    {" a.example ,\tb.example ", "b.example", 80, true},
    {",,a.example,,", "a.example", 80, true},
    {"a.example b.example", "b.example", 80, false},
};

TEST(forward_rules_exceptions)
{
    for (size_t i = 0; i < COUNT_OF(exceptions); i++) {
        struct forward_proxy_variables variables = {.http = STR("proxy:1")};
        const struct forward_rules *rules;

        variables.none = guard_copy(str_from(exceptions[i].list));
        rules = forward_rules_new(test_arena(), &variables);
        test_case_is("\"%s\" %s:%u", exceptions[i].list, exceptions[i].name, (unsigned)exceptions[i].port);
        CHECK(rules != NULL);
        CHECK_STR(find(rules, false, exceptions[i].name, exceptions[i].port),
                  str_from(exceptions[i].direct ? "" : "proxy"));
    }
}

TEST(forward_rules_tell_only_of_what_is_needed)
{
    struct forward_proxy_variables variables = {
        .http = STR("socks5://secret@p:1"), .https = STR("http://p:x"), .none = STR("direct.example")};
    const struct forward_rules *rules = forward_rules_new(test_arena(), &variables);
    const struct forward_proxy *proxy;
    struct error err;

    CHECK_TEXT(find(rules, false, "localhost", 80), "");
    CHECK_TEXT(find(rules, true, "direct.example", 443), "");
    CHECK(!forward_rules_find(rules, false, STR("a.example"), 80, &proxy, &err));
    CHECK(str_starts(str_from(err.text), STR("HTTP_PROXY: SOCKS")));
    CHECK(!forward_rules_find(rules, true, STR("a.example"), 443, &proxy, &err));
    CHECK(str_starts(str_from(err.text), STR("HTTPS_PROXY: ")));
}

TEST(forward_rules_mistrust_http_proxy_under_cgi)
{
    struct forward_proxy_variables variables = {.http = STR("p:1"), .https = STR("q:1"), .cgi = true};
    const struct forward_rules *rules = forward_rules_new(test_arena(), &variables);
    const struct forward_proxy *proxy;
    struct error err;

    CHECK_TEXT(find(rules, true, "a.example", 443), "q");
    CHECK_TEXT(find(rules, false, "localhost", 80), "");
    CHECK(!forward_rules_find(rules, false, STR("a.example"), 80, &proxy, &err));
    CHECK_EQ(err.fault, FAULT_CONFIG);
    variables.http = STR("");
    CHECK_TEXT(find(forward_rules_new(test_arena(), &variables), false, "a.example", 80), "");
}

static void with_little_memory(size_t bytes)
{
    struct forward_proxy_variables variables = {
        .http = STR("http://user:password@p:1"), .https = STR("q:1"), .none = STR("a,b,c,10.0.0.0/8")};
    struct arena *arena = arena_new(NULL, bytes);
    const struct forward_rules *rules = arena ? forward_rules_new(arena, &variables) : NULL;

    if (rules)
        CHECK_TEXT(find(rules, false, "a.example", 80), "p");
    arena_free(arena);
}

TEST(forward_rules_bear_arenas_of_every_size)
{
    for (size_t bytes = 128; bytes < 8192; bytes += 24)
        with_little_memory(bytes);
}
