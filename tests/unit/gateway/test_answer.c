/* test_answer.c: answers that the gateway makes itself. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/answer.h"
#include "gateway_test.h"

static struct answer_input make_input(const struct service *service, const struct http_head *request)
{
    return (struct answer_input){.arena = test_arena(),
                                 .service = service,
                                 .request = request,
                                 .wall_ns = 1767366245123456789u,
                                 .uptime_ns = 12345678901u};
}

/* "STATUS\nfields\nbody", with " close" behind the status of an answer that ends the connection. */
static struct str show(const struct answer *answer)
{
    CHECK_INT(answer->head.body_bytes, answer->body.len);
    return arena_format(test_arena(), "%u%s\n%.*s\n%.*s", answer->head.status, answer->close ? " close" : "",
                        STR_ARG(gateway_fields(&answer->head.headers)), STR_ARG(answer->body));
}

static struct service *service_with(const char *extra)
{
    return gateway_service(arena_format(test_arena(), "{\"version\": 3, \"extra_config\": {%s}}", extra).data);
}

#define OWN "X-Krakend: Version " HOLDFAST_VERSION "\nX-Krakend-Completed: false\n"

TEST(answer_to_clients_faults_is_gos)
{
    static const struct {
        enum error_code code;
        const char *status;
    } rows[] = {
        {ERROR_BAD_REQUEST_LINE, "400 Bad Request: bad_request_line"},
        {ERROR_BAD_HOST, "400 Bad Request: bad_host"},
        {ERROR_BAD_FRAMING, "400 Bad Request: bad_framing"},
        {ERROR_BAD_CHUNK, "400 Bad Request: bad_chunk"},
        {ERROR_HEAD_TOO_LARGE, "431 Request Header Fields Too Large: head_too_large"},
        {ERROR_TARGET_TOO_LONG, "414 URI Too Long: target_too_long"},
        {ERROR_BAD_VERSION, "505 HTTP Version Not Supported: bad_version"},
        {ERROR_BAD_CODING, "501 Not Implemented: bad_coding"},
        {ERROR_BAD_EXPECTATION, "417 Expectation Failed: bad_expectation"},
        {ERROR_BODY_TOO_LARGE, "413 Content Too Large: body_too_large"},
        {ERROR_HEAD_TIMEOUT, "408 Request Timeout: head_timeout"},
        {ERROR_BODY_TIMEOUT, "408 Request Timeout: body_timeout"},
    };
    struct service *service = service_with("");

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct answer_input input = make_input(service, NULL);
        struct error err;
        struct answer answer;

        test_case_is("%s", error_code_name(rows[i].code));
        error_set(&err, FAULT_CLIENT, rows[i].code, "details that stay here");
        answer_error(&input, &err, 0, STR_EMPTY, STR_EMPTY, &answer);
        CHECK_STR(show(&answer), arena_format(test_arena(), "%.3s close\nContent-Type: text/plain; charset=utf-8\n\n%s",
                                              rows[i].status, rows[i].status));
    }
}

TEST(answer_status_names_the_cause_when_asked)
{
    static const struct {
        enum fault fault;
        enum error_code code;
        uint16_t precise;
    } rows[] = {
        {FAULT_UPSTREAM, ERROR_DEADLINE, 504},
        {FAULT_UPSTREAM, ERROR_CONNECT_TIMEOUT, 504},
        {FAULT_UPSTREAM, ERROR_RESPONSE_HEADER_TIMEOUT, 504},
        {FAULT_UPSTREAM, ERROR_NO_HOSTS, 503},
        {FAULT_SYSTEM, ERROR_OUT_OF_FILES, 503},
        {FAULT_SYSTEM, ERROR_DRAINING, 503},
        {FAULT_UPSTREAM, ERROR_CONNECT_REFUSED, 502},
        {FAULT_UPSTREAM, ERROR_RESET, 502},
        {FAULT_UPSTREAM, ERROR_BAD_STATUS, 502},
        {FAULT_UPSTREAM, ERROR_BAD_BODY, 502},
        {FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, 500},
        {FAULT_BUG, ERROR_BUG, 500},
    };
    struct service *krakend = service_with(""),
                   *precise = service_with("\"holdfast/server\": {\"error_status\": \"precise\"}");

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct answer_input input = make_input(krakend, NULL);
        struct error err;
        struct answer answer;

        test_case_is("%s", error_code_name(rows[i].code));
        error_set(&err, rows[i].fault, rows[i].code, "x");
        answer_error(&input, &err, 0, STR_EMPTY, STR_EMPTY, &answer);
        CHECK_TEXT(show(&answer), "500\n" OWN "\n");
        input.service = precise;
        answer_error(&input, &err, 0, STR_EMPTY, STR_EMPTY, &answer);
        CHECK_EQ(answer.head.status, rows[i].precise);
        answer_error(&input, &err, 418, STR("body"), STR("t/t"), &answer);
        CHECK_TEXT(show(&answer), "418\n" OWN "\n");
    }
}

TEST(answer_error_has_krakends_text_when_asked)
{
    static const struct {
        enum error_code code;
        const char *text;
    } rows[] = {
        {ERROR_CONNECT_REFUSED, "Get \"http://127.0.0.1:1/x?y\": dial tcp 127.0.0.1:1: connect: connection refused"},
        {ERROR_CONNECT_UNREACHABLE, "Get \"http://127.0.0.1:1/x?y\": dial tcp 127.0.0.1:1: connect: no route to host"},
        {ERROR_CONNECT_TIMEOUT, "Get \"http://127.0.0.1:1/x?y\": dial tcp 127.0.0.1:1: i/o timeout"},
        {ERROR_RESOLVE_FAILED, "Get \"http://127.0.0.1:1/x?y\": dial tcp: lookup 127.0.0.1: no such host"},
        {ERROR_RESET, "Get \"http://127.0.0.1:1/x?y\": read tcp 127.0.0.1:1: read: connection reset by peer"},
        {ERROR_NO_ANSWER, "Get \"http://127.0.0.1:1/x?y\": EOF"},
        {ERROR_RESPONSE_HEADER_TIMEOUT, "Get \"http://127.0.0.1:1/x?y\": net/http: timeout awaiting response headers"},
        {ERROR_TOO_MANY_REDIRECTS, "Get \"http://127.0.0.1:1/x?y\": stopped after 10 redirects"},
        {ERROR_DEADLINE, "context deadline exceeded"},
        {ERROR_NO_HOSTS, "no hosts available"},
        {ERROR_BODY_INCOMPLETE, "unexpected EOF"},
        {ERROR_BAD_FIELD, "Get \"http://127.0.0.1:1/x?y\": net/http: HTTP/1.x transport connection broken: own words"},
        {ERROR_BAD_BODY, "own words"},
    };
    struct service *service = service_with("\"router\": {\"return_error_msg\": true}");
    struct hosts *hosts = hosts_new(1);
    struct http_head call = {.method = STR("GET"), .path = STR("/x?y")};
    struct error err;

    CHECK(hosts != NULL);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct answer_input input = make_input(service, NULL);
        struct answer answer;

        input.call = &call;
        input.host = hosts_intern(hosts, &(struct host_key){.url = STR("http://127.0.0.1:1")}, &err);
        CHECK(input.host != NULL);
        test_case_is("%s", error_code_name(rows[i].code));
        error_set(&err, FAULT_UPSTREAM, rows[i].code, "own words");
        answer_error(&input, &err, 0, STR_EMPTY, STR_EMPTY, &answer);
        CHECK_STR(show(&answer), arena_format(test_arena(), "500\n" OWN "Content-Type: text/plain; charset=utf-8\n\n%s",
                                              rows[i].text));
    }
    hosts_free(hosts);
}

TEST(answer_error_takes_the_backends_body)
{
    struct service *service = service_with("\"router\": {\"return_error_msg\": true, \"hide_version_header\": true}");
    struct answer_input input = make_input(service, NULL);
    struct error err;
    struct answer answer;

    error_set(&err, FAULT_UPSTREAM, ERROR_BAD_STATUS, "invalid status code");
    answer_error(&input, &err, 404, STR("<html>"), STR_EMPTY, &answer);
    CHECK_TEXT(show(&answer), "404\nX-Krakend: Version undefined\nX-Krakend-Completed: false\n"
                              "Content-Type: text/html; charset=utf-8\n\n<html>");
    answer_error(&input, &err, 404, STR("{}"), STR("application/json"), &answer);
    CHECK_TEXT(show(&answer),
               "404\nX-Krakend: Version undefined\nX-Krakend-Completed: false\nContent-Type: application/json\n\n{}");
    answer_error(&input, &err, 404, STR(""), STR_EMPTY, &answer);
    CHECK_TEXT(show(&answer), "404\nX-Krakend: Version undefined\nX-Krakend-Completed: false\n\n");
    answer_error(&input, &err, 204, STR("x"), STR_EMPTY, &answer);
    CHECK_TEXT(show(&answer), "204\nX-Krakend: Version undefined\nX-Krakend-Completed: false\n\n");
}

static const struct {
    struct route_match match;
    const char *method, *path, *headers, *extra, *expected;
} unrouted[] = {
    {{.kind = ROUTE_NONE}, "GET", "/x", NULL, "", "404\n" OWN "Content-Type: text/plain\n\n404 page not found"},
    {{.kind = ROUTE_NOT_ALLOWED, .allow = STR_INIT("GET, PUT")},
     "POST",
     "/x",
     NULL,
     "",
     "405\n" OWN "Content-Type: text/plain\nAllow: GET, PUT\n\n405 method not allowed"},
    {{.kind = ROUTE_NONE},
     "GET",
     "/x",
     NULL,
     "\"router\": {\"error_body\": {\"404\": {\"b\": 1, \"a\": 2}}}",
     "404\n" OWN "Content-Type: application/json; charset=utf-8\n\n{\"a\":2,\"b\":1}"},
    {{.kind = ROUTE_BAD_PATH},
     "GET",
     "/%",
     NULL,
     "",
     "400 close\nContent-Type: text/plain; charset=utf-8\n\n400 Bad Request: bad_target"},
    {{.kind = ROUTE_REDIRECT, .location = STR_INIT("/a/b")},
     "GET",
     "/A/b?x=1&y",
     NULL,
     "",
     "301\nLocation: /a/b?x=1&y\nContent-Type: text/html; charset=utf-8\n\n"
     "<a href=\"/a/b?x=1&amp;y\">Moved Permanently</a>.\n\n"},
    {{.kind = ROUTE_REDIRECT, .location = STR_INIT("/a/b/")}, "POST", "/a/b", NULL, "", "307\nLocation: /a/b/\n\n"},
    {{.kind = ROUTE_REDIRECT, .location = STR_INIT("/a")},
     "HEAD",
     "/A",
     NULL,
     "",
     "307\nLocation: /a\nContent-Type: text/html; charset=utf-8\n\n"},
    {{.kind = ROUTE_REDIRECT, .location = STR_INIT("//evil.example/a")},
     "POST",
     "//evil.example/a/",
     NULL,
     "",
     "307\nLocation: /evil.example/a\n\n"},
    {{.kind = ROUTE_REDIRECT, .location = STR_INIT("/a/"), .trailing_slash = true},
     "POST",
     "/a",
     "X-Forwarded-Prefix: /api/../v1//x_y?z",
     "",
     "307\nLocation: /v1/xyz/a/\n\n"},
    {{.kind = ROUTE_REDIRECT, .location = STR_INIT("/a")},
     "POST",
     "/A",
     "X-Forwarded-Prefix: /api",
     "",
     "307\nLocation: /a\n\n"},
    {{.kind = ROUTE_REDIRECT, .location = STR_INIT("/a%22'b")},
     "GET",
     "/x",
     NULL,
     "",
     "301\nLocation: /a%22'b\nContent-Type: text/html; charset=utf-8\n\n<a href=\"/a%22&#39;b\">Moved "
     "Permanently</a>.\n\n"},
};

TEST(answer_unrouted_as_krakend)
{
    for (size_t i = 0; i < COUNT_OF(unrouted); i++) {
        struct service *service = service_with(unrouted[i].extra);
        struct answer_input input =
            make_input(service, gateway_request(unrouted[i].method, unrouted[i].path, unrouted[i].headers));
        struct answer answer;

        test_case_is("%s %s", unrouted[i].method, unrouted[i].path);
        answer_unrouted(&input, &unrouted[i].match, &answer);
        CHECK_STR(show(&answer), str_from(unrouted[i].expected));
    }
}

TEST(answer_bad_parameter_has_no_headers_of_ours)
{
    struct answer_input input = make_input(service_with(""), gateway_request("GET", "/", NULL));
    struct answer answer;

    answer_bad_parameter(&input, STR("error: encoded url params"), &answer);
    CHECK_TEXT(show(&answer), "400\nContent-Type: text/plain; charset=utf-8\n\nerror: encoded url params");
}

static struct str builtin(enum endpoint_kind kind, const struct http_head *request, struct str body)
{
    struct endpoint endpoint = {.kind = kind, .allow = STR("GET, POST")};
    struct answer_input input = make_input(service_with(""), request);
    struct answer answer;

    answer_builtin(&input, &endpoint, body, &answer);
    return show(&answer);
}

#define JSON_TYPE "Content-Type: application/json; charset=utf-8\n"

TEST(answer_builtin_endpoints)
{
    CHECK_TEXT(builtin(ENDPOINT_HEALTH, gateway_request("GET", "/__health", NULL), STR_EMPTY),
               "200\n" JSON_TYPE "\n{\"agents\":{},\"now\":\"2026-01-02 15:04:05.123456789 +0000 UTC m=+12.345678901\","
               "\"status\":\"ok\"}");
    CHECK_TEXT(builtin(ENDPOINT_DEBUG, gateway_request("GET", "/__debug/", NULL), STR_EMPTY),
               "200\n" JSON_TYPE "\n{\"message\":\"pong\"}");
    CHECK_TEXT(builtin(ENDPOINT_OPTIONS, gateway_request("OPTIONS", "/", NULL), STR_EMPTY),
               "200\nX-Krakend: Version " HOLDFAST_VERSION "\nAllow: GET, POST\n\n");
    CHECK_TEXT(
        builtin(ENDPOINT_ECHO,
                gateway_request("POST", "/__echo/a%20b?y=2&x=1&y=<3>&z&bad=%zz", "x-b: 2\nX-A: 1\nX-B: 3"),
                STR("bo\"dy")),
        "200\n" JSON_TYPE
        "\n{\"req_uri\":\"/__echo/a%20b?y=2\\u0026x=1\\u0026y=\\u003c3\\u003e\\u0026z\\u0026bad=%zz\","
        "\"req_uri_details\":{\"fragment\":\"\",\"host\":\"front.example\",\"path\":\"/__echo/a b\","
        "\"query\":\"x=1\\u0026y=2\\u0026y=%3C3%3E\\u0026z=\",\"user\":\"\"},\"req_method\":"
        "\"POST\","
        "\"req_querystring\":{\"x\":[\"1\"],\"y\":[\"2\",\"\\u003c3\\u003e\"],\"z\":[\"\"]},\"req_body\":\"bo\\\"dy\","
        "\"req_headers\":{\"X-A\":[\"1\"],\"X-B\":[\"2\",\"3\"]}}");
    CHECK_TEXT(builtin(ENDPOINT_ECHO, gateway_request("GET", "/__echo/", NULL), STR_EMPTY),
               "200\n" JSON_TYPE
               "\n{\"req_uri\":\"/__echo/\",\"req_uri_details\":{\"fragment\":\"\",\"host\":\"front.example\","
               "\"path\":\"/__echo/"
               "\",\"query\":\"\",\"user\":\"\"},\"req_method\":\"GET\",\"req_querystring\":{},\"req_body\":\"\","
               "\"req_headers\":{}}");
}

TEST(answer_health_prints_time_as_go)
{
    static const struct {
        uint64_t wall_ns;
        const char *text;
    } rows[] = {
        {0, "1970-01-01 00:00:00 +0000 UTC"},
        {951782400000000000u, "2000-02-29 00:00:00 +0000 UTC"},
        {1735689599500000000u, "2024-12-31 23:59:59.5 +0000 UTC"},
        {4107542400000000001u, "2100-03-01 00:00:00.000000001 +0000 UTC"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct answer_input input = make_input(service_with(""), NULL);
        struct endpoint endpoint = {.kind = ENDPOINT_HEALTH};
        struct answer answer;

        input.wall_ns = rows[i].wall_ns;
        input.uptime_ns = 5;
        answer_builtin(&input, &endpoint, STR_EMPTY, &answer);
        CHECK_STR(answer.body,
                  arena_format(test_arena(), "{\"agents\":{},\"now\":\"%s m=+0.000000005\",\"status\":\"ok\"}",
                               rows[i].text));
    }
}

TEST(answer_configured)
{
    static const struct {
        const char *answer, *expected;
    } rows[] = {
        {"{}", "200\nX-Krakend: Version " HOLDFAST_VERSION "\n\n"},
        {"{\"body\": \"hello\"}",
         "200\nX-Krakend: Version " HOLDFAST_VERSION "\nContent-Type: text/plain; charset=utf-8\n\nhello"},
        {"{\"body\": [1, {\"a\": \"b\"}], \"status\": 201}",
         "201\nX-Krakend: Version " HOLDFAST_VERSION "\n" JSON_TYPE "\n[1,{\"a\":\"b\"}]"},
        {"{\"body\": \"x\", \"headers\": {\"content-type\": \"a/b\", \"Location\": \"/y\"}, \"status\": 302}",
         "302\nX-Krakend: Version " HOLDFAST_VERSION "\nContent-Type: a/b\nLocation: /y\n\nx"},
        {"{\"body\": \"x\", \"status\": 204}", "204\nX-Krakend: Version " HOLDFAST_VERSION "\n\n"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct service *service = gateway_service_of(
            arena_format(test_arena(), "{\"endpoint\": \"/a\", \"extra_config\": {\"holdfast/answer\": %s}}",
                         rows[i].answer)
                .data);
        struct answer_input input = make_input(service, gateway_request("GET", "/a", NULL));
        struct endpoint *endpoint = gateway_endpoint(service);
        struct answer answer;

        test_case_is("%s", rows[i].answer);
        CHECK_EQ(endpoint->kind, ENDPOINT_ANSWER);
        answer_builtin(&input, endpoint, STR_EMPTY, &answer);
        CHECK_STR(show(&answer), str_from(rows[i].expected));
        gateway_forget();
    }
}

TEST(sniff_follows_the_table)
{
    static const struct {
        struct str body;
        const char *type;
    } rows[] = {
        {STR_INIT(""), "text/plain; charset=utf-8"},
        {STR_INIT("plain text"), "text/plain; charset=utf-8"},
        {STR_INIT("t\xc3\xa9xt"), "text/plain; charset=utf-8"},
        {STR_INIT("\x01"), "application/octet-stream"},
        {STR_INIT("text\0"), "application/octet-stream"},
        {STR_INIT("\x1b[0m"), "text/plain; charset=utf-8"},
        {STR_INIT(" \n<html>"), "text/html; charset=utf-8"},
        {STR_INIT("<hTmL lang"), "text/html; charset=utf-8"},
        {STR_INIT("<html"), "text/plain; charset=utf-8"},
        {STR_INIT("<htmlx>"), "text/plain; charset=utf-8"},
        {STR_INIT("<!-- x"), "text/html; charset=utf-8"},
        {STR_INIT("<!--x"), "text/plain; charset=utf-8"},
        {STR_INIT("\t<?xml version"), "text/xml; charset=utf-8"},
        {STR_INIT("%PDF-1.7"), "application/pdf"},
        {STR_INIT("\xEF\xBB\xBFx"), "text/plain; charset=utf-8"},
        {STR_INIT("\xFF\xFExx"), "text/plain; charset=utf-16le"},
        {STR_INIT("GIF89a"), "image/gif"},
        {STR_INIT("\x89PNG\r\n\x1a\n"), "image/png"},
        {STR_INIT("\x89PNG\r\n\x1a"), "application/octet-stream"},
        {STR_INIT("\xFF\xD8\xFF\xE0"), "image/jpeg"},
        {STR_INIT("RIFF1234WEBPVP8"), "image/webp"},
        {STR_INIT("RIFF1234WAVE"), "audio/wave"},
        {STR_INIT("\x1f\x8b\x08"), "application/x-gzip"},
        {STR_INIT("PK\x03\x04"), "application/zip"},
        {STR_INIT("\0asm"), "application/wasm"},
        {STR_INIT("\0\0\0\x18"
                  "ftypmp42\0\0\0\0mp41isom"),
         "video/mp4"},
        {STR_INIT("\0\0\0\x18"
                  "ftypisom\0\0\0\0mp41isom"),
         "video/mp4"},
        {STR_INIT("\0\0\0\x18"
                  "ftypisom\0\0\0\0isomisom"),
         "application/octet-stream"},
        {STR_INIT("\0\0\0\xff"
                  "ftypmp42"),
         "application/octet-stream"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        test_case_is("row %zu", i);
        CHECK_STR(answer_sniff(guard_copy(rows[i].body)), str_from(rows[i].type));
    }
}

TEST(sniff_looks_at_512_bytes)
{
    char body[600];

    memset(body, 'a', sizeof body);
    body[511] = '\0';
    CHECK_TEXT(answer_sniff(str_of(body, sizeof body)), "application/octet-stream");
    body[511] = 'a';
    body[512] = '\0';
    CHECK_TEXT(answer_sniff(str_of(body, sizeof body)), "text/plain; charset=utf-8");
}
