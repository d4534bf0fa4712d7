/* test_h1_end.c: how client connections end: why, after what was promised, and with whom it may cross.
 * SPDX-License-Identifier: Apache-2.0 */
#include "h1_stage.h"

static const struct str get = STR_INIT("GET / HTTP/1.1\r\nHost: a\r\n\r\n");

static enum http_end end_of(const struct h1_stage *stage)
{
    struct http_conn_facts facts;

    http_facts(stage->conn, &facts);
    return facts.end;
}

static bool has_raced(const struct h1_stage *stage)
{
    struct http_conn_facts facts;

    http_facts(stage->conn, &facts);
    return facts.raced;
}

static void serve(struct h1_stage *stage, struct str request)
{
    far_send(stage, request);
    stage_accept(stage);
    stage_head(stage);
    stage_answer(stage, STR(""));
}

TEST(each_end_has_its_reason)
{
    static const struct {
        const char *name, *say; /* NULL: nothing is asked */
        bool fin, reset, drain, answers_badly;
        uint64_t pass_ns;
        enum http_end end;
    } cases[] = {
        {"it goes on", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", .end = HTTP_END_NONE},
        {"FIN", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", .fin = true, .end = HTTP_END_CLOSED},
        {"FIN at once", NULL, .fin = true, .end = HTTP_END_CLOSED},
        {"reset", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", .reset = true, .end = HTTP_END_RESET},
        {"half a head", "GET / HT", .fin = true, .end = HTTP_END_GONE},
        {"asked", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", .end = HTTP_END_ASKED},
        {"1.0", "GET / HTTP/1.0\r\n\r\n", .end = HTTP_END_ASKED},
        {"refused", "GET\r\n\r\n", .end = HTTP_END_REFUSED},
        {"two requests", "GET / HTTP/1.1\r\nHost: a\r\nX-Limit: 1\r\n\r\n", .end = HTTP_END_REQUESTS},
        {"idle", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", .pass_ns = 30 * SECONDS, .end = HTTP_END_IDLE},
        {"silence", NULL, .pass_ns = 10 * SECONDS, .end = HTTP_END_HEAD_TIMEOUT},
        {"a slow head", "GET / HT", .pass_ns = 10 * SECONDS, .end = HTTP_END_HEAD_TIMEOUT},
        {"drained", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", .drain = true, .end = HTTP_END_DRAIN},
        {"much unread", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n", .end = HTTP_END_UNREAD},
        {"an answer that fails", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", .answers_badly = true, .end = HTTP_END_FAILED},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct http_conn_options options = {.head_timeout_ns = 10 * SECONDS, .idle_timeout_ns = 30 * SECONDS};
        struct str say = cases[i].say ? str_from(cases[i].say) : STR_EMPTY;
        struct h1_stage stage;

        test_case_is("%s", cases[i].name);
        options.requests_max = str_find(say, STR("X-Limit")) < say.len;
        stage_open(&stage, HTTP_SERVER, &options, 0);
        if (cases[i].say)
            far_send(&stage, say);
        if (cases[i].drain)
            http_drain(stage.conn);
        if (cases[i].pass_ns && str_find(say, STR("\r\n\r\n")) == say.len)
            stage_pass(&stage, cases[i].pass_ns);
        if (http_accept(stage.conn, &stage.stream, &stage.err) == IO_OK) {
            stage.stream->owner = &stage.user.task;
            if (stage_recv_head(&stage) == IO_OK && cases[i].answers_badly)
                stage_done(&stage);
            else
                stage_answer(&stage, STR(""));
        }
        if (cases[i].fin)
            far_end(&stage);
        if (cases[i].reset)
            far_close(&stage, true);
        if (cases[i].pass_ns && cases[i].end == HTTP_END_IDLE)
            stage_pass(&stage, cases[i].pass_ns);
        CHECK_INT(end_of(&stage), cases[i].end);
        CHECK(http_end_name(cases[i].end)[0]);
        stage_close(&stage);
    }
}

TEST(ends_have_sides)
{
    CHECK(http_end_is_by_client(HTTP_END_CLOSED));
    CHECK(http_end_is_by_client(HTTP_END_ASKED));
    CHECK(!http_end_is_by_client(HTTP_END_IDLE));
    CHECK(!http_end_is_by_client(HTTP_END_CUT));
    CHECK_TEXT(str_from(http_end_name(HTTP_END_CUT)), "cut");
}

/* The promise of an answer holds for the wait behind it, and the next answer has another. */
TEST(what_was_promised_is_kept)
{
    struct http_conn_options options = {
        .idle_timeout_ns = 60 * SECONDS, .idle_grace_ns = SECONDS, .keep_alive_header = true};
    struct h1_stage stage;
    struct str text;

    stage_open(&stage, HTTP_SERVER, &options, 0);
    serve(&stage, get);
    text = far_text(&stage);
    CHECK(str_find(text, STR("Keep-Alive: timeout=60\r\n")) < text.len);
    options.idle_timeout_ns = 5 * SECONDS; /* pressure */
    stage_pass(&stage, 60 * SECONDS);
    CHECK_EQ(end_of(&stage), HTTP_END_NONE);
    serve(&stage, get);
    text = far_text(&stage);
    CHECK(str_find(text, STR("Keep-Alive: timeout=5\r\n")) < text.len);
    stage_pass(&stage, 6 * SECONDS - 1);
    CHECK_EQ(end_of(&stage), HTTP_END_NONE);
    stage_pass(&stage, 1);
    CHECK_EQ(end_of(&stage), HTTP_END_IDLE);
    stage_close(&stage);
}

/* A client's own Keep-Alive shortens, never lengthens. */
TEST(a_hint_of_the_client_is_an_upper_bound)
{
    static const struct {
        const char *field;
        uint64_t seconds;
    } cases[] = {
        {"timeout=5", 5},
        {"timeout=5, max=100", 5},
        {"max=100,TIMEOUT = \"7\"", 7},
        {"timeout=300", 30},
        {"timeout=99999999999", 30},
        {"timeout=0", 1},
        {"timeout=-1", 30},
        {"nonsense", 30},
        {"timeout=9, timeout=4", 4},
        {"", 30},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct http_conn_options options = {
            .idle_timeout_ns = 30 * SECONDS, .idle_grace_ns = SECONDS, .keep_alive_header = true};
        struct h1_stage stage;
        struct str text;

        test_case_is("%s", cases[i].field);
        stage_open(&stage, HTTP_SERVER, &options, 0);
        serve(&stage,
              arena_format(test_arena(), "GET / HTTP/1.1\r\nHost: a\r\nKeep-Alive: %s\r\n\r\n", cases[i].field));
        text = far_text(&stage);
        CHECK(str_find(text, arena_format(test_arena(), "Keep-Alive: timeout=%d\r\n", (int)cases[i].seconds)) <
              text.len);
        stage_pass(&stage, (cases[i].seconds + 1) * SECONDS - 1);
        CHECK_EQ(end_of(&stage), HTTP_END_NONE);
        stage_pass(&stage, 1);
        CHECK_EQ(end_of(&stage), HTTP_END_IDLE);
        stage_close(&stage);
    }
}

TEST(bytes_that_come_at_an_idle_close_have_raced)
{
    struct http_conn_options options = {.idle_timeout_ns = 5 * SECONDS, .linger_ns = 2 * SECONDS};
    struct h1_stage stage;

    stage_open(&stage, HTTP_SERVER, &options, 0);
    serve(&stage, get);
    stage_pass(&stage, 5 * SECONDS);
    CHECK(!has_raced(&stage));
    far_send(&stage, get);
    CHECK(has_raced(&stage));
    CHECK_EQ(stage_accept_io(&stage), IO_WAIT); /* it lingers on, so that no reset comes before the FIN was seen */
    stage_pass(&stage, 2 * SECONDS);
    CHECK_EQ(stage_accept_io(&stage), IO_END);
    stage_close(&stage);
}

/* How late it was counts from the end of the promise, which may be the client's own. */
TEST(a_race_tells_how_late_it_was)
{
    static const struct {
        const char *field;
        uint64_t promise_s;
    } cases[] = {{"", 5}, {"Keep-Alive: timeout=3\r\n", 3}};

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct http_conn_options options = {
            .idle_timeout_ns = 5 * SECONDS, .idle_grace_ns = SECONDS, .keep_alive_header = true, .linger_ns = SECONDS};
        struct http_conn_facts facts;
        struct h1_stage stage;

        test_case_is("%s", cases[i].field);
        stage_open(&stage, HTTP_SERVER, &options, 0);
        serve(&stage, arena_format(test_arena(), "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", cases[i].field));
        stage_pass(&stage, (cases[i].promise_s + 1) * SECONDS);
        http_facts(stage.conn, &facts);
        CHECK_EQ(facts.late_ns, 0);
        stage_pass(&stage, SECONDS / 4);
        far_send(&stage, STR("GET / HT"));
        stage_pass(&stage, SECONDS / 4);
        far_send(&stage, STR("TP/1.1\r\n")); /* only the first byte counts */
        http_facts(stage.conn, &facts);
        CHECK_EQ(facts.late_ns, SECONDS + SECONDS / 4);
        stage_close(&stage);
    }
}

/* Nothing was promised that long: a close for room is no news about clocks. */
TEST(a_race_with_an_eviction_is_not_late)
{
    struct http_conn_options options = {
        .idle_timeout_ns = 5 * SECONDS, .idle_grace_ns = SECONDS, .keep_alive_header = true, .linger_ns = SECONDS};
    struct http_conn_facts facts;
    struct h1_stage stage;

    stage_open(&stage, HTTP_SERVER, &options, 0);
    serve(&stage, get);
    CHECK(http_close_idle(stage.conn, HTTP_END_PRESSURE));
    stage_turn(&stage);
    far_send(&stage, get);
    http_facts(stage.conn, &facts);
    CHECK(facts.raced);
    CHECK_EQ(facts.late_ns, 0);
    stage_close(&stage);
}

TEST(bytes_behind_an_announced_close_are_no_race)
{
    struct h1_stage stage;

    stage_open(&stage, HTTP_SERVER, NULL, 0);
    serve(&stage, STR("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    far_send(&stage, get);
    CHECK(!has_raced(&stage));
    stage_close(&stage);
}

/* The request is on the socket, but nobody has read it, when the connection is to be closed: it wins. */
TEST(a_request_that_came_first_is_served)
{
    struct h1_stage stage;
    struct iovec part = {.iov_base = (void *)(uintptr_t)get.data, .iov_len = get.len};
    struct str text;
    size_t sent;

    stage_open(&stage, HTTP_SERVER, NULL, 0);
    serve(&stage, get);
    far_text(&stage);
    CHECK_EQ(stream_writev(stage.far, &part, 1, &sent, &stage.err), IO_OK);
    CHECK(!http_close_idle(stage.conn, HTTP_END_PRESSURE));
    stage_turn(&stage);
    stage_accept(&stage);
    stage_head(&stage);
    stage_answer(&stage, STR(""));
    text = far_text(&stage);
    CHECK(str_find(text, STR("Connection: close\r\n")) < text.len);
    CHECK(stage.far_ended);
    CHECK_EQ(end_of(&stage), HTTP_END_PRESSURE);
    stage_close(&stage);
}

/* Asked while it is busy, it ends behind the answer in hand, or behind one that has left but for its last bytes. */
TEST(a_busy_connection_closes_when_it_is_idle)
{
    struct http_head head = stage_response(200, 5);
    struct h1_stage stage;

    stage_open(&stage, HTTP_SERVER, NULL, 0);
    far_send(&stage, get);
    stage_accept(&stage);
    stage_head(&stage);
    CHECK_EQ(http_send_head(stage.stream, &head, false, &stage.err), IO_OK); /* without Connection: close */
    CHECK(!http_close_idle(stage.conn, HTTP_END_DRAIN));
    CHECK_EQ(stage_send_body(&stage, STR("hello"), true), IO_OK);
    stage_done(&stage);
    far_text(&stage);
    CHECK(stage.far_ended);
    CHECK_EQ(end_of(&stage), HTTP_END_DRAIN);
    stage_close(&stage);
}
