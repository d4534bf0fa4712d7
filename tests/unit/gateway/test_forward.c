/* test_forward.c: what a backend gets of a client's request. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/forward.h"
#include "gateway/router.h"
#include "gateway_test.h"

/* A request on its way through the first endpoint of a configuration. */
static struct http_head forward(const struct service *service, const struct http_head *request)
{
    static const struct router_rules none;
    struct endpoint *endpoint = gateway_endpoint(service);
    struct router *router = router_new(test_arena(), &none);
    struct report *report = gateway_report();
    struct str path = str_first(request->path, str_find_char(request->path, '?'));
    struct route_match match;
    struct http_head out;
    struct error err;

    CHECK(router_add(router, endpoint->options->method, endpoint->path, endpoint, endpoint->options->place, report));
    router_find(router, test_arena(), request->method, path, &match);
    CHECK_EQ(match.kind, ROUTE_FOUND);
    CHECK(forward_request(test_arena(),
                          &(struct forward_input){
                              .service = service,
                              .endpoint = endpoint,
                              .backend = &endpoint->backends[0],
                              .host = endpoint->backends[0].hosts[0],
                              .request = request,
                              .match = &match,
                              .client_ip = STR("192.0.2.7"),
                          },
                          &out, &err));
    out.authority = arena_copy(test_arena(), out.authority);
    gateway_forget();
    return out;
}

#define VIA "KrakenD Version " HOLDFAST_VERSION

TEST(forward_headers_by_the_rules)
{
    static const char client[] = "accept: a\nX-Own: 1\nuser-agent: curl\nCookie: c\nx-own: 2\nContent-Type: t/t\n"
                                 "X-Forwarded-For: 9.9.9.9\nX-Forwarded-Host: evil\nX-Forwarded-Via: me\nweird-NAME: w";
    static const struct {
        const char *endpoint, *backend, *fields;
    } rows[] = {
        {"", "",
         "Content-Type: t/t\nX-Forwarded-For: 192.0.2.7\nX-Forwarded-Host: front.example\nUser-Agent: " VIA "\n"},
        {"\"input_headers\": [\"X-OWN\"],", "",
         "X-Own: 1\nX-Own: 2\nX-Forwarded-For: 192.0.2.7\nX-Forwarded-Host: front.example\nUser-Agent: " VIA "\n"},
        {"\"input_headers\": [\"user-agent\", \"accept\"],", "",
         "Accept: a\nUser-Agent: curl\nX-Forwarded-For: 192.0.2.7\nX-Forwarded-Host: "
         "front.example\nX-Forwarded-Via: " VIA "\n"},
        {"\"input_headers\": [\"*\"],", "",
         "Accept: a\nX-Own: 1\nUser-Agent: curl\nCookie: c\nX-Own: 2\nContent-Type: t/t\nWeird-Name: w\n"
         "X-Forwarded-For: 192.0.2.7\nX-Forwarded-Host: front.example\nX-Forwarded-Via: " VIA "\n"},
        {"\"input_headers\": [\"X-Forwarded-Via\"],", "",
         "X-Forwarded-Via: me\nX-Forwarded-For: 192.0.2.7\nX-Forwarded-Host: front.example\nUser-Agent: " VIA "\n"},
        {"\"input_headers\": [\"*\"],", "\"input_headers\": [\"x-own\", \"User-Agent\"]",
         "X-Own: 1\nUser-Agent: curl\nX-Own: 2\n"},
        {"\"input_headers\": [\"*\"],", "\"input_headers\": [\"X-Forwarded-For\"]",
         "X-Forwarded-For: 192.0.2.7\nUser-Agent: Go-http-client/1.1\n"},
        {"\"input_headers\": [\"*\"],", "\"input_headers\": [\"*\"]", "User-Agent: Go-http-client/1.1\n"},
        {"\"input_headers\": [\"*\"],", "\"input_headers\": [\"\"]", "User-Agent: Go-http-client/1.1\n"},
        {"\"input_headers\": [\"*\"],", "\"input_headers\": [\"user-agent\", \"X-Forwarded-Via\"]",
         "User-Agent: curl\nX-Forwarded-Via: " VIA "\n"},
        {"", "\"input_headers\": [\"user-agent\"]", "User-Agent: " VIA "\n"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str text = arena_format(test_arena(), "{\"endpoint\": \"/a\", %s \"backend\": [{%s}]}", rows[i].endpoint,
                                       rows[i].backend);
        struct http_head out;

        test_case_is("%.*s", STR_ARG(text));
        out = forward(gateway_service_of(text.data), gateway_request("GET", "/a", client));
        CHECK_STR(gateway_fields(&out.headers), str_from(rows[i].fields));
        CHECK_TEXT(out.authority, "h:81");
        CHECK_TEXT(out.method, "GET");
    }
}

TEST(forward_addresses_proxies)
{
    static const char client[] = "Proxy-Authorization: Basic forged\nAccept: a";
    static const struct {
        const char *authorization;
        bool secure;
        const char *scheme, *last;
    } rows[] = {
        {"", false, "http", "X-Forwarded-Host: front.example\nUser-Agent: " VIA "\n"},
        {"Basic YTpi", false, "http",
         "X-Forwarded-Host: front.example\nUser-Agent: " VIA "\nProxy-Authorization: Basic YTpi\n"},
        {"Basic YTpi", true, "", "X-Forwarded-Host: front.example\nUser-Agent: " VIA "\n"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct service *service = gateway_service_of(
            "{\"endpoint\": \"/a\", \"input_headers\": [\"Proxy-Authorization\"], \"backend\": [{}]}");
        struct forward_proxy proxy = {.authorization = str_from(rows[i].authorization)};
        struct endpoint *endpoint = gateway_endpoint(service);
        struct host host = *endpoint->backends[0].hosts[0];
        struct route_match match = {0};
        struct http_head out;
        struct error err;

        test_case_is("row %zu", i);
        host.forward = &proxy;
        host.tls = rows[i].secure ? (struct tls_profile *)&proxy : NULL; /* only looked at for being there */
        CHECK(forward_request(test_arena(),
                              &(struct forward_input){.service = service,
                                                      .endpoint = endpoint,
                                                      .backend = &endpoint->backends[0],
                                                      .host = &host,
                                                      .request = gateway_request("GET", "/a", client),
                                                      .match = &match},
                              &out, &err));
        CHECK_STR(out.scheme, str_from(rows[i].scheme));
        CHECK_STR(gateway_fields(&out.headers), str_from(rows[i].last));
        gateway_forget();
    }
}

TEST(forward_asks_for_gzip_where_go_does)
{
    static const struct {
        const char *endpoint, *method, *headers;
        bool asks;
    } rows[] = {
        {"\"input_headers\": [\"*\"],", "GET", "Accept: a", true},
        {"\"input_headers\": [\"*\"],", "POST", "Content-Length: 3", true},
        {"\"input_headers\": [\"*\"],", "HEAD", NULL, false},
        {"\"input_headers\": [\"*\"],", "GET", "accept-encoding: br", false},
        {"\"input_headers\": [\"*\"],", "GET", "Accept-Encoding: gzip", false},
        {"\"input_headers\": [\"*\"],", "GET", "Accept-Encoding:", true},
        {"\"input_headers\": [\"*\"],", "GET", "Range: bytes=0-1", false},
        {"", "GET", "Accept-Encoding: br\nRange: bytes=0-1", true}, /* neither is passed on */
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str text = arena_format(test_arena(), "{\"endpoint\": \"/a\", \"method\": \"*\", %s \"backend\": [{}]}",
                                       rows[i].endpoint);
        const struct service *service = gateway_service_of(text.data);
        struct http_head out = forward(service, gateway_request(rows[i].method, "/a", rows[i].headers));
        struct transport transport = service->endpoints[0].backends[0].transport;
        struct backend backend = {.transport = &transport};
        struct error err;

        test_case_is("%.*s %s %s", STR_ARG(text), rows[i].method, rows[i].headers ? rows[i].headers : "");
        CHECK_EQ(forward_may_ask_for_gzip(&backend, &out), rows[i].asks);
        backend.subtree = true;
        CHECK(!forward_may_ask_for_gzip(&backend, &out));
        backend.subtree = false;
        transport.disable_compression = true;
        CHECK(!forward_may_ask_for_gzip(&backend, &out));
        CHECK(forward_ask_for_gzip(test_arena(), &out, &err));
        CHECK_STR(out.headers.fields[out.headers.count - 1].value, STR("gzip"));
    }
}

TEST(forward_hides_the_gzip_that_it_asked_for)
{
    static const struct {
        const char *headers, *left;
        int64_t bytes, bytes_left;
    } rows[] = {
        {"A: b\nContent-Encoding: gzip\nContent-Length: 9\nEtag: e", "A: b\nEtag: e\n", 9, -1},
        {"Content-Encoding: GZip", "", -1, -1},
        {"Content-Encoding: gzip\nContent-Encoding: br", "", -1, -1}, /* as Go: all of them go */
        {"Content-Encoding: br", NULL, 9, 9},
        {"Content-Encoding: x-gzip", NULL, 9, 9},
        {"Content-Encoding: gzip, gzip", NULL, 9, 9},
        {"Content-Encoding: gzip\nContent-Length: 0", NULL, 0, 0},
        {"Content-Length: 9", NULL, 9, 9},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct http_head *answer = gateway_request("", "", rows[i].headers);
        struct str before = gateway_fields(&answer->headers);

        test_case_is("%s", rows[i].headers);
        answer->body_bytes = answer->announced_bytes = rows[i].bytes;
        CHECK_EQ(forward_unpack_head(answer), rows[i].left != NULL);
        CHECK_STR(gateway_fields(&answer->headers), rows[i].left ? str_from(rows[i].left) : before);
        CHECK_INT(answer->body_bytes, rows[i].bytes_left);
        CHECK_INT(answer->announced_bytes, rows[i].bytes_left);
    }
}

TEST(forward_tells_a_length_only_when_its_header_passes)
{
    static const struct {
        const char *endpoint, *backend, *length;
        int64_t expected;
    } rows[] = {
        {"", "", "Content-Length: 5", -1},
        {"\"input_headers\": [\"Content-Length\"],", "", "Content-Length: 5", 5},
        {"\"input_headers\": [\"*\"],", "", "Content-Length: 5", 5},
        {"\"input_headers\": [\"*\"],", "\"input_headers\": [\"Content-Type\"]", "Content-Length: 5", -1},
        {"\"input_headers\": [\"*\"],", "\"input_headers\": [\"content-length\"]", "Content-Length: 5", 5},
        {"", "", "Content-Length: 0", 0},
        {"", "", "X: y", 0},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str text =
            arena_format(test_arena(), "{\"endpoint\": \"/a\", \"method\": \"POST\", %s \"backend\": [{%s}]}",
                         rows[i].endpoint, rows[i].backend);
        struct http_head out;

        test_case_is("%.*s %s", STR_ARG(text), rows[i].length);
        out = forward(gateway_service_of(text.data), gateway_request("POST", "/a", rows[i].length));
        CHECK_INT(out.body_bytes, rows[i].expected);
        CHECK(!headers_get_id(&out.headers, HEADER_CONTENT_LENGTH).data);
    }
}

TEST(forward_keeps_a_body_without_length_open)
{
    struct http_head *request = gateway_request("POST", "/a", NULL);
    struct http_head out;

    request->body_bytes = -1;
    out = forward(gateway_service_of(
                      "{\"endpoint\": \"/a\", \"method\": \"POST\", \"input_headers\": [\"*\"], \"backend\": [{}]}"),
                  request);
    CHECK_INT(out.body_bytes, -1);
    CHECK_INT(out.announced_bytes, -1);
}

TEST(forward_passes_expectations_with_their_header)
{
    struct http_head *request = gateway_request("POST", "/a", "Content-Length: 3\nExpect: 100-continue");
    struct http_head out =
        forward(gateway_service_of(
                    "{\"endpoint\": \"/a\", \"method\": \"POST\", \"input_headers\": [\"*\"], \"backend\": [{}]}"),
                request);

    CHECK(out.expect_continue);
    out = forward(gateway_service_of("{\"endpoint\": \"/a\", \"method\": \"POST\", \"backend\": [{}]}"), request);
    CHECK(!out.expect_continue);
}

TEST(forward_method_is_the_backends)
{
    static const struct {
        const char *endpoint, *backend, *method, *expected;
    } rows[] = {
        {"GET", "", "GET", "GET"},
        {"POST", "\"method\": \"put\"", "POST", "PUT"},
        {"*", "", "PURGE", "PURGE"},
        {"*", "\"method\": \"GET\"", "DELETE", "GET"},
        {"GET", "\"method\": \"*\"", "GET", "GET"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str text = arena_format(test_arena(), "{\"endpoint\": \"/a\", \"method\": \"%s\", \"backend\": [{%s}]}",
                                       rows[i].endpoint, rows[i].backend);
        struct http_head out;

        test_case_is("%.*s", STR_ARG(text));
        out = forward(gateway_service_of(text.data), gateway_request(rows[i].method, "/a", NULL));
        CHECK_STR(out.method, str_from(rows[i].expected));
    }
}

static const struct {
    const char *endpoint, *pattern, *lists, *second, *path, *expected;
} paths[] = {
    /* Patterns. */
    {"/a", "/", "", "", "/a", "/"},
    {"/a", "", "", "", "/a", "/"},
    {"/a", "b", "", "", "/a", "/b"},
    {"/a", "/x y/%41?q=1 2", "", "", "/a", "/x%20y/A?q=1%202"},
    {"/a", "/x%2Fy!", "", "", "/a", "/x%2Fy!"},
    {"/a", "/x#frag", "", "", "/a", "/x"},
    {"/a", "/x?", "\"input_query_strings\": [\"*\"],", "", "/a?b=1", "/x?b=1"},
    {"/a", "/x?", "", "", "/a", "/x?"},
    /* Parameters in the path. */
    {"/a/{id}", "/b/{id}", "", "", "/a/7", "/b/7"},
    {"/a/{id}", "/b/{id}/c", "", "", "/a/x%20y", "/b/x%20y/c"},
    {"/a/{id}", "/b/{id}", "", "", "/a/%e4%bd%a0", "/b/%E4%BD%A0"},
    {"/a/{id}", "/b/{id}", "", "", "/a/a!b", "/b/a!b"},
    {"/a/{id}", "/b!/{id}", "", "", "/a/a%20b", "/b%21/a%20b"},
    {"/a/{id}", "/b/{id}", "", "", "/a/%25", "/b/%25"},
    {"/a/{id}", "/b/{id}", "", "", "/a/%3F%23", "/b/%3F%23"},
    {"/a/{id}", "/b/{id}", "", "", "/a/a%0d%0ab", "/b/a%0D%0Ab"},
    {"/a/{id}", "/b/{id}", "", "", "/a/a;b=c,d", "/b/a;b=c,d"},
    {"/a/{x}/{y}", "/{y}/{x}/{y}", "", "", "/a/1/2", "/2/1/2"},
    {"/a/{Id}", "/b/{Id}", "", "", "/a/7", "/b/7"},
    {"/a/{x}/c", "/b/{x}/c", "", "", "/a//c", "/b//c"},
    {"/a/{x}.json", "/b/{x}", "", "", "/a/7.json", "/b/%7B%7B.X%7D%7D"},
    {"/a", "/b/{resp0_x}?r={JWT.sub}", "", "", "/a", "/b/%7B%7B.Resp0_x%7D%7D?r=%7B%7B.JWT.sub%7D%7D"},
    /* Parameters in the query: escaped, which KrakenD does not. */
    {"/a/{id}", "/b?x={id}", "", "", "/a/7", "/b?x=7"},
    {"/a/{id}", "/b?x={id}&y=1", "", "", "/a/a%26b=c%20d", "/b?x=a%26b%3Dc+d&y=1"},
    {"/a/{id}", "/{id}?x={id}", "", "", "/a/a%20b", "/a%20b?x=a+b"},
    /* The client's query. */
    {"/a", "/b", "", "", "/a?x=1", "/b"},
    {"/a", "/b", "\"input_query_strings\": [\"x\"],", "", "/a?y=2&x=1&x=0&X=3", "/b?x=1&x=0"},
    {"/a", "/b", "\"input_query_strings\": [\"*\"],", "", "/a?y=2&x=1&x=0", "/b?x=1&x=0&y=2"},
    {"/a", "/b?k=v", "\"input_query_strings\": [\"*\"],", "", "/a?y=2", "/b?k=v&y=2"},
    {"/a", "/b?k=v", "\"input_query_strings\": [\"*\"],", "", "/a", "/b?k=v"},
    {"/a", "/b", "\"input_query_strings\": [\"*\"],", "", "/a?", "/b"},
    {"/a", "/b", "\"input_query_strings\": [\"*\"],", "", "/a?x", "/b?x="},
    {"/a", "/b", "\"input_query_strings\": [\"*\"],", "", "/a?&&=v&x=a+b%20c&", "/b?=v&x=a+b+c"},
    {"/a", "/b", "\"input_query_strings\": [\"*\"],", "", "/a?a;b=1&c=%zz&d=%c3%a9~&e=(*)", "/b?d=%C3%A9~&e=%28%2A%29"},
    {"/a", "/b", "\"input_query_strings\": [\"a b\"],", "", "/a?a+b=1&a%20b=2", "/b?a+b=1&a+b=2"},
    {"/a", "/b", "\"input_query_strings\": [\"*\"],", "\"input_query_strings\": [\"x\", \"*\"]", "/a?x=1&y=2",
     "/b?x=1"},
    {"/a", "/b", "\"input_query_strings\": [\"x\"],", "\"input_query_strings\": [\"y\"]", "/a?x=1&y=2", "/b"},
    /* Subtrees. */
    {"/*", "/*", "\"input_query_strings\": [\"*\"],", "", "/a%2fb//c?z=1&a=%zz", "/a%2fb//c?z=1&a=%zz"},
    {"/*", "/*", "\"input_query_strings\": [\"*\"],", "", "/", "/"},
    {"/*", "/*", "\"input_query_strings\": [\"*\"],", "", "/?x=1", "/?x=1"},
    {"/*", "/*", "\"input_query_strings\": [\"*\"],", "", "/x?", "/x?"},
    {"/*", "/*", "", "", "/x?y=1", "/x"},
    {"/*", "/*", "\"input_query_strings\": [\"y\"],", "", "/x?z=1&y=1", "/x?y=1"},
    {"/*", "/*", "\"input_query_strings\": [\"*\"],", "\"input_query_strings\": [\"y\"]", "/x?z=1&y=1", "/x?y=1"},
    {"/s/*", "/t/u/*", "\"input_query_strings\": [\"*\"],", "", "/s/a/b?c", "/t/u/a/b?c"},
    {"/s/*", "/*", "\"input_query_strings\": [\"*\"],", "", "/s/", "/"},
    {"/s/{x}/*", "/t/{x}/*", "\"input_query_strings\": [\"*\"],", "", "/s/1%202/b%41?c", "/t/1%202/b%41?c"},
    {"/s/*", "/fixed", "\"input_query_strings\": [\"*\"],", "", "/s/a?c=1", "/fixed?c=1"},
};

TEST(forward_path_and_query)
{
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct str text = arena_format(
            test_arena(), "{\"endpoint\": \"%s\", %s \"backend\": [{\"url_pattern\": \"%s\"%s%s}]}", paths[i].endpoint,
            paths[i].lists, paths[i].pattern, paths[i].second[0] ? ", " : "", paths[i].second);
        struct http_head out;

        test_case_is("%s to %s, %s", paths[i].endpoint, paths[i].pattern, paths[i].path);
        out = forward(gateway_service_of(text.data), gateway_request("GET", paths[i].path, NULL));
        CHECK_STR(out.path, str_from(paths[i].expected));
    }
}

TEST(forward_puts_a_hosts_path_before_the_pattern)
{
    struct http_head out =
        forward(gateway_service_of("{\"endpoint\": \"/a/{x}\", \"backend\": [{\"url_pattern\": \"/b/{x}\", "
                                   "\"host\": [\"http://h:81/base\"], \"disable_host_sanitize\": true}]}"),
                gateway_request("GET", "/a/1", NULL));

    CHECK_TEXT(out.path, "/base/b/1");
    CHECK_TEXT(out.authority, "h:81");
}

TEST(forward_copies_nothing_of_a_plain_proxy)
{
    struct http_head *request = gateway_request("GET", "/x/y?z=1", "Accept: a\nX-Known-To-Nobody: b");
    struct http_head out =
        forward(gateway_service_of("{\"endpoint\": \"/*\", \"method\": \"*\", \"output_encoding\": \"no-op\", "
                                   "\"input_headers\": [\"*\"], \"input_query_strings\": [\"*\"], "
                                   "\"backend\": [{\"url_pattern\": \"/*\"}]}"),
                request);

    CHECK(out.path.data == request->path.data);
    CHECK(out.headers.fields[0].value.data == request->headers.fields[0].value.data);
    CHECK(out.headers.fields[1].name.data == request->headers.fields[1].name.data);
}

TEST(forward_response_keeps_all_and_says_incomplete)
{
    struct service *service = gateway_service_of("{\"endpoint\": \"/a\", \"backend\": [{}]}");
    struct http_head answer = {.status = 404, .body_bytes = 9, .announced_bytes = 9}, out;
    struct error err;

    CHECK(headers_add(&answer.headers, test_arena(), STR("set-cookie"), STR("a")));
    CHECK(headers_add(&answer.headers, test_arena(), STR("set-cookie"), STR("b")));
    CHECK(forward_response(test_arena(), service, &answer, &out, &err));
    CHECK_EQ(out.status, 404);
    CHECK_INT(out.body_bytes, 9);
    CHECK_TEXT(gateway_fields(&out.headers),
               "X-Krakend: Version " HOLDFAST_VERSION "\nX-Krakend-Completed: false\nset-cookie: a\nset-cookie: b\n");
}

TEST(forward_client_ip_by_the_rules)
{
    static const struct {
        const char *router, *peer, *headers, *expected;
    } rows[] = {
        {"", "10.0.0.1", NULL, "10.0.0.1"},
        {"", "::ffff:10.0.0.1", NULL, "10.0.0.1"},
        {"", "2001:db8::1", NULL, "2001:db8::1"},
        {"", "10.0.0.1", "X-Forwarded-For: 1.1.1.1, 2.2.2.2", "1.1.1.1"},
        {"", "10.0.0.1", "X-Forwarded-For: 1.1.1.1\nX-Forwarded-For: 2.2.2.2", "1.1.1.1"},
        {"", "10.0.0.1", "X-Forwarded-For: bad, 2.2.2.2", "10.0.0.1"},
        {"", "10.0.0.1", "X-Forwarded-For: \nX-Real-IP: 3.3.3.3", "3.3.3.3"},
        {"", "10.0.0.1", "X-Forwarded-For: unknown\nx-real-ip:  3.3.3.3 ", "3.3.3.3"},
        {"", "10.0.0.1", "X-Forwarded-For: [::1]", "10.0.0.1"},
        {"", "10.0.0.1", "X-Forwarded-For: 2001:DB8::2", "2001:DB8::2"},
        {"\"forwarded_by_client_ip\": false", "10.0.0.1", "X-Forwarded-For: 1.1.1.1", "10.0.0.1"},
        {"\"trusted_proxies\": [\"10.0.0.0/8\"]", "10.0.0.1", "X-Forwarded-For: 1.1.1.1, 2.2.2.2, 10.9.9.9", "2.2.2.2"},
        {"\"trusted_proxies\": [\"10.0.0.0/8\"]", "10.0.0.1", "X-Forwarded-For: 10.1.1.1, 10.9.9.9", "10.1.1.1"},
        {"\"trusted_proxies\": [\"10.0.0.0/8\"]", "11.0.0.1", "X-Forwarded-For: 1.1.1.1", "11.0.0.1"},
        {"\"trusted_proxies\": [\"10.0.0.0/9\"]", "10.127.0.1", "X-Forwarded-For: 1.1.1.1", "1.1.1.1"},
        {"\"trusted_proxies\": [\"10.0.0.0/9\"]", "10.128.0.1", "X-Forwarded-For: 1.1.1.1", "10.128.0.1"},
        {"\"trusted_proxies\": [\"nonsense\"]", "10.128.0.1", "X-Forwarded-For: 1.1.1.1", "10.128.0.1"},
        {"\"remote_ip_headers\": [\"x-client\"]", "10.0.0.1", "X-Forwarded-For: 1.1.1.1\nX-Client: 4.4.4.4", "4.4.4.4"},
        {"\"app_engine\": true", "10.0.0.1", "X-Appengine-Remote-Addr: 5.5.5.5", "5.5.5.5"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str text =
            arena_format(test_arena(), "{\"version\": 3, \"extra_config\": {\"router\": {%s}}}", rows[i].router);
        struct service *service = gateway_load(text.data, gateway_report());
        struct http_head *request = gateway_request("GET", "/", rows[i].headers);
        struct addr peer;

        test_case_is("%s %s", rows[i].router, rows[i].headers ? rows[i].headers : "");
        CHECK(service != NULL);
        CHECK(addr_parse_ip(str_from(rows[i].peer), &peer));
        CHECK_STR(forward_client_ip(test_arena(), &service->router, request, &peer), str_from(rows[i].expected));
    }
}

TEST(forward_bears_arenas_of_every_size)
{
    struct service *service =
        gateway_service_of("{\"endpoint\": \"/a/{id}\", \"input_headers\": [\"*\"], \"input_query_strings\": "
                           "[\"*\"], \"backend\": [{\"url_pattern\": \"/b/{id}?x={id}\"}]}");
    struct endpoint *endpoint = gateway_endpoint(service);
    struct http_head *request = gateway_request("GET", "/a/x%20y?b=1&a=%20", "accept: 1\nx-other: 2");
    struct route_match match = {.kind = ROUTE_FOUND, .param_count = 1, .params = {{STR_INIT("id"), STR_INIT("x y")}}};
    struct forward_input input = {
        .service = service,
        .endpoint = endpoint,
        .backend = &endpoint->backends[0],
        .host = endpoint->backends[0].hosts[0],
        .request = request,
        .match = &match,
        .client_ip = STR("1.1.1.1"),
    };
    unsigned failures = 0, successes = 0;

    for (size_t bytes = 256; bytes < 8192; bytes += 32) {
        struct arena *arena = arena_new(NULL, bytes);
        struct http_head out;
        struct error err;

        if (!arena)
            continue;
        if (forward_request(arena, &input, &out, &err)) {
            successes++;
            CHECK_TEXT(out.path, "/b/x%20y?x=x+y&a=+&b=1");
        } else {
            failures++;
            CHECK_EQ(err.code, ERROR_OUT_OF_MEMORY);
            CHECK_EQ(err.fault, FAULT_SYSTEM);
        }
        arena_free(arena);
    }
    CHECK(failures > 0);
    CHECK(successes > 0);
    gateway_forget();
}

TEST(forward_trailers_by_the_lists)
{
    static const struct {
        const char *endpoint, *backend, *left;
    } rows[] = {
        {"", "", ""},
        {"\"input_headers\": [\"*\"],", "", "X-Sum: 1\nX-Other: 2\n"},
        {"\"input_headers\": [\"x-sum\"],", "", "X-Sum: 1\n"},
        {"\"input_headers\": [\"*\"],", "\"input_headers\": [\"x-other\"]", "X-Other: 2\n"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str text = arena_format(test_arena(),
                                       "{\"endpoint\": \"/a\", \"output_encoding\": \"no-op\", %s "
                                       "\"backend\": [{%s}]}",
                                       rows[i].endpoint, rows[i].backend);
        struct endpoint *endpoint = gateway_endpoint(gateway_service_of(text.data));
        struct forward_input input = {.endpoint = endpoint, .backend = &endpoint->backends[0]};
        struct http_head *trailers = gateway_request("", "", "X-Sum: 1\nX-Other: 2");

        test_case_is("%.*s", STR_ARG(text));
        forward_trailers(&input, trailers);
        CHECK_STR(gateway_fields(&trailers->headers), str_from(rows[i].left));
        gateway_forget();
    }
}

TEST(forward_says_who_keeps_trailers)
{
    static const struct {
        const char *encoding;
        bool asked, told;
    } rows[] = {{"no-op", true, true}, {"no-op", false, false}, {"json", true, false}};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str text = arena_format(
            test_arena(),
            "{\"endpoint\": \"/a\", \"input_headers\": [\"*\"], \"output_encoding\": \"%s\", \"backend\": [{}]}",
            rows[i].encoding);
        struct http_head *request = gateway_request("GET", "/a", "Trailer: X-Sum");
        struct http_head out;

        test_case_is("row %zu", i);
        request->trailers = rows[i].asked;
        request->body_bytes = -1;
        out = forward(gateway_service_of(text.data), request);
        CHECK_EQ(out.trailers, rows[i].told);
        CHECK_EQ(headers_get_id(&out.headers, HEADER_TRAILER).data != NULL,
                 str_eq(str_from(rows[i].encoding), STR("no-op")));
    }
}
