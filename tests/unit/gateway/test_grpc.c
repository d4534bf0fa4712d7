/* test_grpc.c: which requests are of gRPC, their deadlines, statuses, and the health service of the gateway itself.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gateway/grpc.h"
#include "gateway_test.h"

TEST(grpc_is_told_by_the_type)
{
    static const struct {
        const char *type;
        bool asked;
    } rows[] = {
        {"application/grpc", true},     {"application/grpc+proto", true}, {"Application/GRPC", true},
        {"application/grpc;x=1", true}, {"application/grpc-web", false},  {"application/grpc-web+proto", false},
        {"application/json", false},    {"application/grp", false},       {"", false},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct http_head head = {0};

        test_case_is("%s", rows[i].type);
        CHECK(headers_add(&head.headers, test_arena(), STR("content-type"), str_from(rows[i].type)));
        CHECK_EQ(grpc_is_asked(&head), rows[i].asked);
    }
    CHECK(!grpc_is_asked(&(struct http_head){0}));
}

TEST(grpc_timeouts_are_read)
{
    static const struct {
        const char *text;
        uint64_t ns; /* 0: none */
    } rows[] = {
        {"1S", 1000000000},
        {"100m", 100000000},
        {"2M", UINT64_C(120000000000)},
        {"1H", UINT64_C(3600000000000)},
        {"7u", 7000},
        {"99999999n", 99999999},
        {"0S", 1},
        {"99999999H", UINT64_C(9223369200000000000)},
        {"", 0},
        {"S", 0},
        {"1", 0},
        {"1s", 0},
        {"-1S", 0},
        {"1.5S", 0},
        {"100000000n", 0},
        {"1 S", 0},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct http_head head = {0};
        uint64_t ns = 0;

        test_case_is("%s", rows[i].text);
        CHECK(headers_add(&head.headers, test_arena(), STR("Grpc-Timeout"), str_from(rows[i].text)));
        CHECK_EQ(grpc_timeout(&head, &ns), rows[i].ns > 0);
        CHECK(ns == rows[i].ns || (i == 7 && ns > INT64_MAX / 2));
    }
}

TEST(grpc_statuses_tell_the_cause)
{
    static const struct {
        enum fault fault;
        enum error_code code;
        enum grpc_status status;
    } errors[] = {
        {FAULT_UPSTREAM, ERROR_CONNECT_REFUSED, GRPC_UNAVAILABLE},
        {FAULT_UPSTREAM, ERROR_RESET, GRPC_UNAVAILABLE},
        {FAULT_UPSTREAM, ERROR_DEADLINE, GRPC_DEADLINE_EXCEEDED},
        {FAULT_SYSTEM, ERROR_QUEUE_TIMEOUT, GRPC_UNAVAILABLE},
        {FAULT_CLIENT, ERROR_BODY_TOO_LARGE, GRPC_RESOURCE_EXHAUSTED},
        {FAULT_CLIENT, ERROR_TOO_MANY_STREAMS, GRPC_RESOURCE_EXHAUSTED},
        {FAULT_CLIENT, ERROR_BAD_FIELD, GRPC_INTERNAL},
        {FAULT_BUG, ERROR_BUG, GRPC_INTERNAL},
    };
    static const struct {
        uint16_t http;
        enum grpc_status status;
    } statuses[] = {
        {400, GRPC_INTERNAL},    {401, GRPC_UNAUTHENTICATED}, {403, GRPC_PERMISSION_DENIED}, {404, GRPC_UNIMPLEMENTED},
        {429, GRPC_UNAVAILABLE}, {502, GRPC_UNAVAILABLE},     {503, GRPC_UNAVAILABLE},       {504, GRPC_UNAVAILABLE},
        {418, GRPC_UNKNOWN},     {301, GRPC_UNKNOWN},         {500, GRPC_UNKNOWN},
    };

    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        struct error err;

        test_case_is("%s", error_code_name(errors[i].code));
        error_set(&err, errors[i].fault, errors[i].code, "x");
        CHECK_EQ(grpc_status_of_error(&err), errors[i].status);
    }
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        test_case_is("%u", (unsigned)statuses[i].http);
        CHECK_EQ(grpc_status_of_http(statuses[i].http), statuses[i].status);
    }
}

TEST(grpc_answers_are_heads_alone)
{
    struct answer answer;

    grpc_answer(test_arena(), GRPC_UNAVAILABLE, STR("no \303\251 100%\n"), &answer);
    CHECK_EQ(answer.head.status, 200);
    CHECK_INT(answer.body.len, 0);
    CHECK(!answer.trailers);
    CHECK_TEXT(gateway_fields(&answer.head.headers),
               "Content-Type: application/grpc\ngrpc-status: 14\ngrpc-message: no %C3%A9 100%25%0A\n");
    grpc_answer(test_arena(), GRPC_OK, STR(""), &answer);
    CHECK_TEXT(gateway_fields(&answer.head.headers), "Content-Type: application/grpc\ngrpc-status: 0\n");
}

/* The messages of a HealthCheckRequest, with their prefix. */
TEST(grpc_health_is_that_of_the_gateway)
{
    static const struct {
        struct str body;
        bool draining;
        struct str answer; /* empty: grpc-status alone */
        const char *status;
    } rows[] = {
        {STR_INIT("\0\0\0\0\0"), false, STR_INIT("\0\0\0\0\2\10\1"), "grpc-status: 0\n"},
        {STR_INIT("\0\0\0\0\0"), true, STR_INIT("\0\0\0\0\2\10\2"), "grpc-status: 0\n"},
        {STR_INIT("\0\0\0\0\7\12\5a.Foo"), false, STR_INIT("\0\0\0\0\2\10\1"), "grpc-status: 0\n"},
        {STR_INIT("\0\0\0\0\6\12\4a.Fo"), false, STR_INIT(""), "grpc-status: 5\ngrpc-message: unknown service\n"},
        {STR_INIT(""), false, STR_INIT(""), "grpc-status: 13\ngrpc-message: this is no HealthCheckRequest\n"},
        {STR_INIT("\1\0\0\0\0"), false, STR_INIT(""), "grpc-status: 13\ngrpc-message: this is no HealthCheckRequest\n"},
        {STR_INIT("\0\0\0\0\7\12\6a.Foo"), false, STR_INIT(""),
         "grpc-status: 13\ngrpc-message: this is no HealthCheckRequest\n"},
        {STR_INIT("\0\0\0\0\11\12\5a.Foo"), false, STR_INIT(""),
         "grpc-status: 13\ngrpc-message: this is no HealthCheckRequest\n"},
        {STR_INIT("\0\0\0\0\2\10\1"), false, STR_INIT(""),
         "grpc-status: 13\ngrpc-message: this is no HealthCheckRequest\n"},
    };
    const struct service *service = gateway_service_of(
        "{\"endpoint\": \"/a.Foo/*\", \"method\": \"POST\", \"output_encoding\": \"no-op\", \"backend\": [{}]}");
    struct http_head *request =
        gateway_request("POST", "/grpc.health.v1.Health/Check", "Content-Type: application/grpc");

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct answer_input input = {
            .arena = test_arena(), .service = service, .request = request, .draining = rows[i].draining};
        struct answer answer = {0};

        test_case_is("row %zu", i);
        grpc_health_answer(&input, rows[i].body, &answer);
        CHECK_EQ(answer.head.status, 200);
        CHECK_STR(answer.body, rows[i].answer);
        if (answer.trailers)
            CHECK_STR(gateway_fields(&answer.trailers->headers), str_from(rows[i].status));
        else
            CHECK_STR(gateway_fields(&answer.head.headers),
                      arena_format(test_arena(), "Content-Type: application/grpc\n%s", rows[i].status));
    }
}

TEST(grpc_health_is_not_for_others)
{
    struct answer_input input = {.arena = test_arena(),
                                 .service = gateway_service_of("{\"endpoint\": \"/a\", \"backend\": [{}]}"),
                                 .request = gateway_request("POST", "/grpc.health.v1.Health/Check", NULL)};
    struct answer answer;

    grpc_health_answer(&input, STR("\0\0\0\0\0"), &answer);
    CHECK_EQ(answer.head.status, 415);
}
