/* test_origin_answer.c: what the test origin answers: every path, HEAD, huge numbers, and bodies in pieces of any size.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli/origin_answer.h"
#include "harness/test.h"

enum { PATTERN_BYTES = 97 };

static const char pattern[] =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-holdfast-0123456789-always-alive.\n";

static struct origin_answer answer_to(const char *method, const char *path)
{
    struct http_head request = {.method = str_from(method), .path = str_from(path), .announced_bytes = -1};
    struct origin_answer answer;

    origin_answer_for(test_arena(), &request, &answer);
    return answer;
}

/* All of the body, asked for in pieces of at most `size_max`; a piece of nothing would be asked for for ever. */
static struct str body_of(struct origin_answer *answer, size_t size_max)
{
    struct block_pool *blocks = block_pool_new();
    struct chain body = {0};
    struct str text;

    CHECK(blocks != NULL);
    while (answer->left > 0) {
        size_t before = body.size;

        CHECK(origin_answer_piece(answer, &body, blocks, size_max));
        CHECK(body.size > before);
        CHECK(body.size - before <= size_max);
    }
    CHECK(origin_answer_piece(answer, &body, blocks, size_max)); /* once more gives nothing more */
    text = chain_copy(&body, test_arena());
    CHECK(text.data != NULL);
    CHECK_EQ(text.len, body.size);
    chain_clear(&body);
    block_pool_free(blocks);
    return text;
}

static const char about[] = "holdfast origin: /bytes/N /chunked/N /json/N /delay/MS /status/CODE /echo /sink\n";

TEST(each_path_has_its_answer)
{
    static const struct {
        const char *path, *type;
        int64_t body_bytes;
        uint64_t delay_ms;
        uint16_t status;
        const char *body; /* NULL: the pattern */
    } cases[] = {
        {"/bytes/0", "application/octet-stream", 0, 0, 200, NULL},
        {"/bytes/1", "application/octet-stream", 1, 0, 200, NULL},
        {"/bytes/97", "application/octet-stream", 97, 0, 200, NULL},
        {"/bytes/128?x=1/2", "application/octet-stream", 128, 0, 200, NULL},
        {"/bytes/00128", "application/octet-stream", 128, 0, 200, NULL},
        {"/chunked/0", "application/octet-stream", -1, 0, 200, NULL},
        {"/chunked/300", "application/octet-stream", -1, 0, 200, NULL},
        {"/json/7", "application/json", 119, 0, 200,
         "{\"name\":\"item 7\",\"id\":7,\"price\":7.50,\"tags\":[\"kept\",\"alive\"],"
         "\"origin\":{\"kind\":\"embedded\",\"software\":\"holdfast origin\"}}"},
        {"/delay/0", "application/json", 15, 0, 200, "{\"waited\":true}"},
        {"/delay/250", "application/json", 15, 250, 200, "{\"waited\":true}"},
        {"/status/200", "application/json", 14, 0, 200, "{\"status\":200}"},
        {"/status/404", "application/json", 14, 0, 404, "{\"status\":404}"},
        {"/status/599", "application/json", 14, 0, 599, "{\"status\":599}"},
        {"/status/204", NULL, 0, 0, 204, ""},
        {"/status/304", NULL, 0, 0, 304, ""},
        {"/status/100", "application/json", 14, 0, 400, "{\"status\":400}"},
        {"/status/600", "application/json", 14, 0, 400, "{\"status\":400}"},
        {"/status/65736", "application/json", 14, 0, 400, "{\"status\":400}"}, /* 200 in 16 bits */
        {"/", "text/plain", sizeof(about) - 1, 0, 200, about},
        {"", "text/plain", sizeof(about) - 1, 0, 200, about},
        {"*", "text/plain", sizeof(about) - 1, 0, 200, about},
        {"/bytes/", "text/plain", sizeof(about) - 1, 0, 200, about},
        {"/bytes/-1", "text/plain", sizeof(about) - 1, 0, 200, about},
        {"/bytes/1x", "text/plain", sizeof(about) - 1, 0, 200, about},
        {"/bytes/1/2", "text/plain", sizeof(about) - 1, 0, 200, about},
        {"/bytes/18446744073709551616", "text/plain", sizeof(about) - 1, 0, 200, about},
        {"/echoes", "text/plain", sizeof(about) - 1, 0, 200, about},
        {"/sink/", "text/plain", sizeof(about) - 1, 0, 200, about},
        {"/BYTES/1", "text/plain", sizeof(about) - 1, 0, 200, about},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct origin_answer answer = answer_to("GET", cases[i].path);
        struct str type = headers_get_id(&answer.head.headers, HEADER_CONTENT_TYPE);

        test_case_is("%s", cases[i].path);
        CHECK_EQ(answer.head.status, cases[i].status);
        CHECK_INT(answer.head.body_bytes, cases[i].body_bytes);
        CHECK_INT(answer.head.announced_bytes, -1);
        CHECK_STR(type, str_from(cases[i].type));
        CHECK_EQ(answer.delay_ns, cases[i].delay_ms * 1000000);
        CHECK(!answer.echo);
        CHECK(!answer.sink);
        if (cases[i].body)
            CHECK_STR(body_of(&answer, 1000), str_from(cases[i].body));
    }
}

TEST(head_tells_the_length_and_has_no_body)
{
    static const struct {
        const char *path;
        int64_t announced;
    } cases[] = {
        {"/bytes/128", 128},      {"/bytes/9223372036854775807", INT64_MAX},
        {"/chunked/128", -1},     {"/chunked/18446744073709551615", -1},
        {"/json/7", 119},         {"/status/204", 0},
        {"/", sizeof(about) - 1}, {"/echo", 0},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct origin_answer answer = answer_to("HEAD", cases[i].path);

        test_case_is("%s", cases[i].path);
        CHECK_INT(answer.head.announced_bytes, cases[i].announced);
        CHECK_INT(answer.head.body_bytes, 0);
        CHECK_EQ(answer.left, 0);
        CHECK(!answer.echo);
    }
}

TEST(huge_numbers_stay_in_bounds)
{
    CHECK_INT(answer_to("GET", "/bytes/9223372036854775807").head.body_bytes, INT64_MAX);
    CHECK_INT(answer_to("GET", "/bytes/9223372036854775808").head.body_bytes, INT64_MAX);
    CHECK_INT(answer_to("GET", "/bytes/18446744073709551615").head.body_bytes, INT64_MAX);
    CHECK_EQ(answer_to("GET", "/bytes/18446744073709551615").left, INT64_MAX);
    CHECK_EQ(answer_to("GET", "/chunked/18446744073709551615").left, INT64_MAX);
    CHECK_EQ(answer_to("GET", "/delay/86400000").delay_ns, UINT64_C(86400000000000));
    CHECK_EQ(answer_to("GET", "/delay/86400001").delay_ns, UINT64_C(86400000000000));
    CHECK_EQ(answer_to("GET", "/delay/18446744073710").delay_ns, UINT64_C(86400000000000)); /* would wrap to some ms */
    CHECK_EQ(answer_to("GET", "/delay/18446744073709551615").delay_ns, UINT64_C(86400000000000));
    CHECK(str_starts(answer_to("GET", "/json/18446744073709551615").text,
                     STR("{\"name\":\"item 18446744073709551615\",")));
}

/* The first and the last bytes of a body that nobody could hold. */
TEST(a_huge_body_starts_as_any_other)
{
    struct origin_answer answer = answer_to("GET", "/bytes/9223372036854775807");
    struct block_pool *blocks = block_pool_new();
    struct chain body = {0};

    CHECK(blocks != NULL);
    CHECK(origin_answer_piece(&answer, &body, blocks, 262144));
    CHECK_EQ(body.size, 262144);
    CHECK_EQ(answer.left, INT64_MAX - 262144);
    CHECK_STR(str_first(chain_front(&body), PATTERN_BYTES), str_of(pattern, PATTERN_BYTES));
    chain_clear(&body);
    block_pool_free(blocks);
}

static void check_pattern(struct str body)
{
    for (size_t i = 0; i < body.len; i++)
        if (body.data[i] != pattern[i % PATTERN_BYTES])
            test_fail(__FILE__, __LINE__, "byte %zu is '%c', not '%c'", i, body.data[i], pattern[i % PATTERN_BYTES]);
}

TEST(the_pattern_goes_on_over_pieces)
{
    static const uint32_t lengths[] = {0, 1, 96, 97, 98, 128, 1000, 64311, 64312, 200000};
    static const size_t pieces[] = {1, 7, 96, 97, 98, 1000, 64310, 64311, 64312, 65536, 262144};

    for (size_t i = 0; i < COUNT_OF(lengths); i++)
        for (size_t k = 0; k < COUNT_OF(pieces); k++) {
            struct str path = arena_format(test_arena(), "/%s/%u", k % 2 ? "bytes" : "chunked", lengths[i]);
            struct origin_answer answer = answer_to("GET", path.data);
            struct str body;

            if (lengths[i] / pieces[k] > 3000)
                continue; /* a block record for each piece is not what is tested */
            test_case_is("%u bytes in pieces of %zu", lengths[i], pieces[k]);
            body = body_of(&answer, pieces[k]);
            CHECK_EQ(body.len, lengths[i]);
            check_pattern(body);
        }
}

TEST(the_pattern_goes_on_over_pieces_of_any_size)
{
    for (unsigned round = 0; round < 50; round++) {
        struct origin_answer answer = answer_to("GET", "/bytes/150000");
        struct block_pool *blocks = block_pool_new();
        struct chain body = {0};

        CHECK(blocks != NULL);
        while (answer.left > 0)
            CHECK(origin_answer_piece(&answer, &body, blocks, 1 + rng_below(test_rng(), 30000)));
        CHECK_EQ(body.size, 150000);
        check_pattern(chain_copy(&body, test_arena()));
        chain_clear(&body);
        block_pool_free(blocks);
    }
}

TEST(texts_come_in_pieces_too)
{
    struct origin_answer answer = answer_to("GET", "/json/123456789");
    struct str whole = body_of(&answer, 10000);

    for (size_t piece = 1; piece < 20; piece++) {
        answer = answer_to("GET", "/json/123456789");
        CHECK_STR(body_of(&answer, piece), whole);
    }
}

TEST(echo_gives_the_request_s_body_and_type)
{
    struct http_head request = {.method = STR("POST"), .path = STR("/echo?x"), .body_bytes = 42};
    struct origin_answer answer;

    origin_answer_for(test_arena(), &request, &answer);
    CHECK(answer.echo);
    CHECK_INT(answer.head.body_bytes, 42);
    CHECK_TEXT(headers_get_id(&answer.head.headers, HEADER_CONTENT_TYPE), "application/octet-stream");
    CHECK(headers_add_id(&request.headers, test_arena(), HEADER_CONTENT_TYPE, STR("text/css")));
    request.body_bytes = -1;
    origin_answer_for(test_arena(), &request, &answer);
    CHECK_INT(answer.head.body_bytes, -1);
    CHECK_TEXT(headers_get_id(&answer.head.headers, HEADER_CONTENT_TYPE), "text/css");
}

TEST(sink_tells_how_much_it_swallowed)
{
    struct origin_answer answer = answer_to("PUT", "/sink");

    CHECK(answer.sink);
    CHECK(origin_answer_sunk(test_arena(), &answer, UINT64_MAX));
    CHECK_TEXT(body_of(&answer, 100), "{\"bytes\":18446744073709551615}");
    answer = answer_to("HEAD", "/sink");
    CHECK(origin_answer_sunk(test_arena(), &answer, 12));
    CHECK_INT(answer.head.body_bytes, 0);
    CHECK_INT(answer.head.announced_bytes, 12); /* {"bytes":12} */
    answer = answer_to("GET", "/json/1");
    CHECK(origin_answer_sunk(test_arena(), &answer, 5)); /* other answers stay as they are */
    CHECK(str_starts(answer.text, STR("{\"name\":")));
}

TEST(without_room_for_its_text_sink_says_so)
{
    struct arena *arena = arena_new(NULL, 400);
    struct http_head request = {.method = STR("PUT"), .path = STR("/sink")};
    struct origin_answer answer;

    CHECK(arena != NULL);
    origin_answer_for(arena, &request, &answer);
    while (arena_alloc(arena, 1, 1))
        ;
    CHECK(!origin_answer_sunk(arena, &answer, 5));
    arena_free(arena);
}
