/* test_h1_pace.c: how slow is too slow: the purse of time, alone and on a connection.
 * SPDX-License-Identifier: Apache-2.0 */
#include "h1_stage.h"
#include "http/h1/pace.h"

TEST(a_purse_is_spent_by_waiting_and_filled_by_bytes)
{
    static const struct {
        const char *name;
        uint64_t gap_ns, rate, bytes_a_second, lasts_s; /* 0: for ever */
    } cases[] = {
        {"no limit", 0, 0, 0, 0},
        {"silence, and a gap", 10 * SECONDS, 0, 0, 10},
        {"a byte a second, and only a gap", 10 * SECONDS, 0, 1, 0},
        {"silence, and a rate", 0, 240, 0, 5},
        {"silence, and both", 10 * SECONDS, 240, 0, 10},
        {"half the rate", 10 * SECONDS, 240, 120, 19},
        {"the rate", 10 * SECONDS, 240, 240, 0},
        {"a short gap with a rate", 2 * SECONDS, 240, 120, 9},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pace_limit limit = {.gap_ns = cases[i].gap_ns, .rate = cases[i].rate};
        uint64_t now_ns = 1000 * SECONDS, at_ns = UINT64_MAX;
        struct pace pace;
        uint64_t second;

        test_case_is("%s", cases[i].name);
        pace_begin(&pace, &limit);
        CHECK_EQ(pace_deadline(&pace, &limit), UINT64_MAX);
        for (second = 0; second < 100; second++) {
            pace_wait(&pace, now_ns);
            at_ns = pace_deadline(&pace, &limit);
            if (at_ns <= now_ns + SECONDS)
                break;
            now_ns += SECONDS;
            if (cases[i].bytes_a_second > 0)
                pace_move(&pace, &limit, cases[i].bytes_a_second, now_ns);
        }
        CHECK_EQ(cases[i].lasts_s, second == 100 ? 0 : second + 1);
    }
}

TEST(what_began_must_come_to_the_rate_behind_its_first_seconds)
{
    CHECK_EQ(pace_since(7 * SECONDS, 0, 100), 12 * SECONDS);
    CHECK_EQ(pace_since(7 * SECONDS, 50, 100), 12 * SECONDS + SECONDS / 2);
    CHECK_EQ(pace_since(7 * SECONDS, 1000, 100), 22 * SECONDS);
    CHECK_EQ(pace_since(7 * SECONDS, 1000, 0), UINT64_MAX);
    CHECK_EQ(pace_since(7 * SECONDS, UINT64_MAX, 1), UINT64_MAX);
}

TEST(who_was_fast_may_pause)
{
    struct pace_limit limit = {.gap_ns = 10 * SECONDS, .rate = 100};
    struct pace pace;

    pace_begin(&pace, &limit);
    pace_wait(&pace, 100 * SECONDS);
    pace_move(&pace, &limit, 0, 108 * SECONDS); /* 2 s are left */
    pace_wait(&pace, 108 * SECONDS);
    CHECK_EQ(pace_deadline(&pace, &limit), 110 * SECONDS);
    pace_move(&pace, &limit, UINT64_MAX, 109 * SECONDS);
    pace_wait(&pace, 120 * SECONDS);
    pace_wait(&pace, 125 * SECONDS); /* still the same wait */
    CHECK_EQ(pace_deadline(&pace, &limit), 130 * SECONDS);
}

/* A byte of a body a second: under its gap, but not the rate. */
TEST(a_trickling_body_fails)
{
    struct http_conn_options options = {.body_gap_ns = 10 * SECONDS, .body_rate = 100};
    struct http_conn_facts facts;
    struct h1_stage stage;
    enum io last = IO_WAIT;
    int seconds = 0;

    stage_open(&stage, HTTP_SERVER, &options, 0);
    far_send(&stage, STR("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"));
    stage_accept(&stage);
    stage_head(&stage);
    while (seconds < 60 && last != IO_FAIL) {
        stage_body(&stage, &last);
        stage_pass(&stage, SECONDS);
        far_send(&stage, STR("a"));
        seconds++;
    }
    CHECK_EQ(last, IO_FAIL);
    CHECK_EQ(stage.err.code, ERROR_BODY_TIMEOUT);
    CHECK(seconds >= 10 && seconds <= 13);
    http_facts(stage.conn, &facts);
    CHECK_EQ(facts.end, HTTP_END_BODY_TIMEOUT);
    stage_close(&stage);
}

/* The gateway's own slowness is not the client's: nobody wants the body for a minute. */
TEST(a_body_that_nobody_wants_is_not_late)
{
    struct http_conn_options options = {.body_gap_ns = 10 * SECONDS, .body_rate = 100};
    struct h1_stage stage;
    enum io last;

    stage_open(&stage, HTTP_SERVER, &options, 0);
    far_send(&stage, STR("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc"));
    stage_accept(&stage);
    stage_head(&stage);
    stage_pass(&stage, 60 * SECONDS);
    CHECK_TEXT(stage_body(&stage, &last), "abc");
    far_send(&stage, STR("def"));
    stage_pass(&stage, 60 * SECONDS);
    CHECK_TEXT(stage_body(&stage, &last), "def");
    CHECK_EQ(last, IO_WAIT);
    stage_pass(&stage, 11 * SECONDS);
    stage_body(&stage, &last);
    CHECK_EQ(last, IO_FAIL);
    stage_close(&stage);
}

/* Takes so many bytes each second; the seconds until the conn gives up, at most 100. */
static int read_slowly(const struct http_conn_options *options, size_t bytes_a_second)
{
    static char body[100000];
    struct http_head head = stage_response(200, sizeof(body));
    struct http_conn_facts facts;
    struct h1_stage stage;
    int seconds = 0;

    stage_open(&stage, HTTP_SERVER, options, 4096);
    far_send(&stage, STR("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    stage_accept(&stage);
    stage_head(&stage);
    CHECK_EQ(http_send_head(stage.stream, &head, false, &stage.err), IO_OK);
    CHECK_EQ(stage_send_body(&stage, str_of(body, sizeof(body)), true), IO_OK);
    stage_done(&stage);
    http_facts(stage.conn, &facts);
    while (seconds < 100 && facts.end == HTTP_END_NONE) {
        char buffer[4096];
        struct iovec part = {.iov_base = buffer, .iov_len = bytes_a_second};
        size_t got;

        if (bytes_a_second > 0)
            (void)stream_readv(stage.far, &part, 1, &got, &stage.err);
        stage_turn(&stage);
        stage_pass(&stage, SECONDS);
        http_facts(stage.conn, &facts);
        seconds++;
    }
    if (facts.end != HTTP_END_NONE)
        CHECK_EQ(facts.end, HTTP_END_WRITE_TIMEOUT);
    stage_close(&stage);
    return seconds;
}

TEST(a_slow_reader_is_given_up)
{
    CHECK_EQ(read_slowly(&(struct http_conn_options){0}, 0), 100);
    CHECK_EQ(read_slowly(&(struct http_conn_options){.send_gap_ns = 20 * SECONDS}, 0), 20);
    CHECK_EQ(read_slowly(&(struct http_conn_options){.send_gap_ns = 20 * SECONDS}, 10), 100);
    CHECK(read_slowly(&(struct http_conn_options){.send_gap_ns = 20 * SECONDS, .send_rate = 240}, 10) <= 23);
    CHECK_EQ(read_slowly(&(struct http_conn_options){.send_gap_ns = 20 * SECONDS, .send_rate = 240}, 240), 100);
}
