/* test_render.c: backends' answers decoded, and what clients get of them. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/render.h"
#include "gateway_test.h"

/* An answer of the backend. */
struct reply {
    uint16_t status;
    const char *headers;
    struct str body;
};

/* What came of it. */
struct outcome {
    bool decoded;
    struct http_head head;
    struct str body; /* or the error's text */
    struct error err;
    uint16_t status;
    struct str error_body, error_type;
};

static struct outcome run(const struct service *service, const struct reply *reply)
{
    struct endpoint *endpoint = gateway_endpoint(service);
    struct http_head *answer = gateway_request("", "", reply->headers), *request = gateway_request("GET", "/a/1", NULL);
    struct outcome outcome = {0};
    struct decoded decoded;

    answer->status = reply->status;
    outcome.decoded = render_decode(test_arena(), &endpoint->backends[0], STR("http://h:81"),
                                    gateway_request("GET", "/b/1", NULL), answer, guard_copy(reply->body), &decoded,
                                    &outcome.status, &outcome.err, &outcome.error_body, &outcome.error_type);
    if (outcome.decoded)
        CHECK(render_answer(test_arena(), NULL, service, endpoint, request, &decoded, &outcome.head, &outcome.body,
                            &outcome.err));
    gateway_forget();
    return outcome;
}

static struct service *service_with(const char *endpoint, const char *backend)
{
    return gateway_service_of(
        arena_format(test_arena(), "{\"endpoint\": \"/a/{id}\", %s \"backend\": [{\"url_pattern\": \"/b/{id}\"%s%s}]}",
                     endpoint, backend[0] ? ", " : "", backend)
            .data);
}

TEST(render_gives_what_krakend_gives)
{
    static const struct {
        const char *output, *backend, *body, *expected;
        bool completed;
    } rows[] = {
        /* json to json. */
        {"", "", "{\"b\":1.0,\"a\":[1e5,{\"z\":null,\"y\":\"<&>\"}]}",
         "{\"a\":[1e5,{\"y\":\"\\u003c\\u0026\\u003e\",\"z\":null}],\"b\":1.0}", true},
        {"", "", " {\"a\": 123456789012345678901234567890} trailing", "{\"a\":123456789012345678901234567890}", true},
        {"", "", "{}", "{}", false},
        {"", "", "null", "null", false},
        {"", "", "{\"a\":1,\"a\":2}", "{\"a\":2}", true},
        {"", "", "{\"a\":\"\xff\"}", "{\"a\":\"\xef\xbf\xbd\"}", true},
        {"", "\"is_collection\": true", "[1,2]", "{\"collection\":[1,2]}", true},
        {"", "\"is_collection\": true", "null", "{\"collection\":null}", true},
        {"", "\"is_collection\": true", "[]", "{\"collection\":[]}", true},
        {"", "\"encoding\": \"safejson\"", "[1]", "{\"collection\":[1]}", true},
        {"", "\"encoding\": \"safejson\"", "{\"a\":1}", "{\"a\":1}", true},
        {"", "\"encoding\": \"safejson\"", "\"x\"", "{\"content\":\"x\"}", true},
        {"", "\"encoding\": \"safejson\"", "null", "{\"content\":null}", true},
        {"", "\"encoding\": \"safejson\", \"is_collection\": true", "{\"a\":1}", "{\"a\":1}", true},
        {"", "\"encoding\": \"string\"", "a \"b\"\n<", "{\"content\":\"a \\\"b\\\"\\n\\u003c\"}", true},
        {"", "\"encoding\": \"string\"", "", "{\"content\":\"\"}", true},
        {"", "\"encoding\": \"csv\"", "{\"a\":1}", "{\"a\":1}", true},
        {"", "\"encoding\": \"no-op\"", "whatever", "{}", false},
        /* Other outputs. */
        {"json-collection", "\"is_collection\": true", "[2,1]", "[2,1]", true},
        {"json-collection", "", "{\"collection\":{\"b\":1}}", "{\"b\":1}", true},
        {"json-collection", "", "{\"a\":1}", "[]", true},
        {"json-collection", "", "null", "[]", false},
        {"json-collection", "\"encoding\": \"string\"", "x", "[]", true},
        {"string", "\"encoding\": \"string\"", "a\nb", "a\nb", true},
        {"string", "", "{\"content\":\"a\\u0062\"}", "ab", true},
        {"string", "", "{\"content\":1}", "", true},
        {"string", "", "{\"x\":1}", "", true},
        {"string", "\"encoding\": \"safejson\"", "\"s\"", "s", true},
        {"string", "\"encoding\": \"safejson\"", "[1]", "", true},
        {"negotiate", "", "{\"a\":1}", "{\"a\":1}", true},
        {"fast-json", "", "{\"a\":1}", "{\"a\":1}", true},
        {"unheard-of", "\"encoding\": \"string\"", "x", "x", true},
        {"unheard-of", "", "{\"a\":1}", "{\"a\":1}", true},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str output =
            rows[i].output[0] ? arena_format(test_arena(), "\"output_encoding\": \"%s\",", rows[i].output) : STR("");
        struct reply reply = {200, "Content-Type: x/y\nSet-Cookie: c", str_from(rows[i].body)};
        bool plain = strcmp(rows[i].output, "string") == 0 || strstr(rows[i].backend, "\"string\"") != NULL;
        struct outcome outcome;

        test_case_is("%s from %s: %s", rows[i].output, rows[i].backend, rows[i].body);
        outcome = run(service_with(output.data, rows[i].backend), &reply);
        CHECK(outcome.decoded);
        CHECK_STR(outcome.body, str_from(rows[i].expected));
        CHECK_EQ(outcome.head.status, 200);
        CHECK_INT(outcome.head.body_bytes, outcome.body.len);
        CHECK_STR(headers_get_id(&outcome.head.headers, HEADER_X_KRAKEND_COMPLETED),
                  rows[i].completed ? STR("true") : STR("false"));
        if (strcmp(rows[i].output, "unheard-of") != 0)
            CHECK_STR(headers_get_id(&outcome.head.headers, HEADER_CONTENT_TYPE),
                      plain && rows[i].output[0] == 's' ? STR("text/plain; charset=utf-8")
                                                        : STR("application/json; charset=utf-8"));
        CHECK(!headers_get_id(&outcome.head.headers, HEADER_SET_COOKIE).data);
    }
}

TEST(render_lets_only_whole_answers_be_kept)
{
    static const struct {
        const char *endpoint, *body, *fields;
    } rows[] = {
        {"\"cache_ttl\": \"90s\",", "{\"a\":1}",
         "X-Krakend: Version " HOLDFAST_VERSION "\nCache-Control: public, max-age=90\nX-Krakend-Completed: "
         "true\nContent-Type: application/json; charset=utf-8\n"},
        {"\"cache_ttl\": \"500ms\",", "{\"a\":1}",
         "X-Krakend: Version " HOLDFAST_VERSION "\nCache-Control: public, max-age=0\nX-Krakend-Completed: "
         "true\nContent-Type: application/json; charset=utf-8\n"},
        {"\"cache_ttl\": \"90s\",", "{}",
         "X-Krakend: Version " HOLDFAST_VERSION
         "\nX-Krakend-Completed: false\nContent-Type: application/json; charset=utf-8\n"},
        {"", "{\"a\":1}",
         "X-Krakend: Version " HOLDFAST_VERSION
         "\nX-Krakend-Completed: true\nContent-Type: application/json; charset=utf-8\n"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct reply reply = {200, NULL, str_from(rows[i].body)};
        struct outcome outcome = run(service_with(rows[i].endpoint, ""), &reply);

        test_case_is("%s %s", rows[i].endpoint, rows[i].body);
        CHECK_STR(gateway_fields(&outcome.head.headers), str_from(rows[i].fields));
    }
}

TEST(render_tells_decoding_errors_in_gos_words)
{
    static const struct {
        const char *backend, *body, *text;
    } rows[] = {
        {"", "", "EOF"},
        {"", "{\"a\":", "unexpected EOF"},
        {"", "<html>", "invalid character '<' looking for beginning of value"},
        {"", "[1]", "json: cannot unmarshal array into Go value of type map[string]interface {}"},
        {"", "\"x\"", "json: cannot unmarshal string into Go value of type map[string]interface {}"},
        {"", "1", "json: cannot unmarshal number into Go value of type map[string]interface {}"},
        {"", "true", "json: cannot unmarshal bool into Go value of type map[string]interface {}"},
        {"\"is_collection\": true", "{}", "json: cannot unmarshal object into Go value of type []interface {}"},
        {"\"is_collection\": true", "", "EOF"},
        {"\"encoding\": \"safejson\"", "", "EOF"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct reply reply = {200, NULL, str_from(rows[i].body)};
        struct outcome outcome = run(service_with("", rows[i].backend), &reply);

        test_case_is("%s", rows[i].body);
        CHECK(!outcome.decoded);
        CHECK_EQ(outcome.err.fault, FAULT_UPSTREAM);
        CHECK_EQ(outcome.err.code, ERROR_BAD_BODY);
        CHECK_STR(outcome.error_body, str_from(rows[i].text));
        CHECK_CSTR(outcome.err.text, rows[i].text);
        CHECK_EQ(outcome.status, 0);
    }
}

TEST(render_takes_only_200_and_201)
{
    static const uint16_t statuses[] = {202, 204, 206, 301, 304, 400, 404, 500, 503};

    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        struct reply reply = {statuses[i], "Content-Type: t/t", STR_INIT("{\"a\":1}")};
        struct outcome outcome = run(service_with("", ""), &reply);
        struct str text =
            arena_format(test_arena(), "invalid status code %u [GET /b/{{.Id}}]: http://h:81/b/1", statuses[i]);

        test_case_is("%u", statuses[i]);
        CHECK(!outcome.decoded);
        CHECK_EQ(outcome.err.code, ERROR_BAD_STATUS);
        CHECK_EQ(outcome.status, 0);
        CHECK_STR(outcome.error_body, text);
        CHECK_STR(str_from(outcome.err.text), text);
    }
    CHECK(run(service_with("", ""), &(struct reply){201, NULL, STR("{\"a\":1}")}).decoded);
    CHECK(run(service_with("", "\"encoding\": \"no-op\""), &(struct reply){500, NULL, STR("x")}).decoded);
}

TEST(render_keeps_the_backends_error)
{
    struct reply reply = {418, "Content-Type: text/tea", STR_INIT("short and stout")};
    struct outcome outcome =
        run(service_with("", "\"extra_config\": {\"backend/http\": {\"return_error_code\": true}}"), &reply);

    CHECK(!outcome.decoded);
    CHECK_EQ(outcome.status, 418);
    CHECK_TEXT(outcome.error_body, "short and stout");
    CHECK_TEXT(outcome.error_type, "text/tea");
    reply = (struct reply){404, NULL, STR("")};
    outcome = run(service_with("", "\"extra_config\": {\"backend/http\": {\"return_error_code\": true}}"), &reply);
    CHECK_EQ(outcome.status, 404);
    CHECK(outcome.error_body.data != NULL);
    CHECK_EQ(outcome.error_body.len, 0);
}

TEST(render_tells_error_details)
{
    static const char backend[] = "\"extra_config\": {\"backend/http\": {\"return_error_details\": \"b\"}}";
    struct reply reply = {404, "Content-Type: text/plain", STR_INIT("<no>\n")};
    struct outcome outcome = run(service_with("\"cache_ttl\": \"1h\",", backend), &reply);

    CHECK(outcome.decoded);
    CHECK_TEXT(outcome.body, "{\"error_b\":{\"http_status_code\":404,\"http_body\":\"\\u003cno\\u003e\\n\","
                             "\"http_body_encoding\":\"text/plain\"}}");
    CHECK_TEXT(headers_get_id(&outcome.head.headers, HEADER_X_KRAKEND_COMPLETED), "false");
    CHECK(!headers_get_id(&outcome.head.headers, HEADER_CACHE_CONTROL).data);
    outcome = run(service_with("", backend), &(struct reply){500, NULL, STR("")});
    CHECK_TEXT(outcome.body, "{\"error_b\":{\"http_status_code\":500}}");
}

TEST(render_bears_arenas_of_every_size)
{
    struct service *service = service_with("\"cache_ttl\": \"1s\",",
                                           "\"extra_config\": {\"backend/http\": {\"return_error_details\": \"b\"}}");
    struct endpoint *endpoint = gateway_endpoint(service);
    struct http_head *answer = gateway_request("", "", "Content-Type: x"), *request = gateway_request("GET", "/", NULL);
    unsigned made = 0, refused = 0;

    for (size_t bytes = 256; bytes < 16384; bytes += 48) {
        struct arena *arena = arena_new(NULL, bytes);
        struct decoded decoded;
        struct http_head head;
        struct str body, error_body, error_type;
        struct error err = {.fault = FAULT_NONE};
        uint16_t status;

        answer->status = bytes / 48 % 2 ? 200 : 404;
        if (arena &&
            render_decode(arena, &endpoint->backends[0], STR("h"), gateway_request("GET", "/u", NULL), answer,
                          STR("{\"b\":[1,2],\"a\":\"\\u0041\"}"), &decoded, &status, &err, &error_body, &error_type) &&
            render_answer(arena, NULL, service, endpoint, request, &decoded, &head, &body, &err))
            made++;
        else
            refused++;
        /* The host has done nothing wrong. */
        CHECK(!arena || err.fault == FAULT_NONE || err.code == ERROR_OUT_OF_MEMORY);
        arena_free(arena);
    }
    CHECK(made > 0);
    CHECK(refused > 0);
    gateway_forget();
}
