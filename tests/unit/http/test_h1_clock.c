/* test_h1_clock.c: the server role's clocks. SPDX-License-Identifier: Apache-2.0 */
#include "h1_stage.h"

static const struct str get = STR_INIT("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
static const struct str post = STR_INIT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n");

static bool has_ended(struct h1_stage *stage)
{
    far_text(stage);
    return stage->far_ended;
}

TEST(an_idle_connection_is_closed_silently)
{
    struct http_conn_options options = {.idle_timeout_ns = 5 * SECONDS};
    struct h1_stage stage;

    stage_open(&stage, HTTP_SERVER, &options, 0);
    far_send(&stage, get);
    stage_accept(&stage);
    stage_head(&stage);
    stage_pass(&stage, 60 * SECONDS); /* serving is not idling */
    stage_answer(&stage, STR(""));
    CHECK(!has_ended(&stage));
    stage_pass(&stage, 5 * SECONDS - 1);
    CHECK(!has_ended(&stage));
    stage_pass(&stage, 1);
    CHECK(has_ended(&stage));
    CHECK_EQ(stage_accept_io(&stage), IO_WAIT);
    far_end(&stage);
    CHECK_EQ(stage_accept_io(&stage), IO_END);
    stage_close(&stage);
}

TEST(each_request_starts_the_idle_clock_anew)
{
    struct http_conn_options options = {.idle_timeout_ns = 5 * SECONDS};
    struct h1_stage stage;

    stage_open(&stage, HTTP_SERVER, &options, 0);
    for (int i = 0; i < 10; i++) {
        stage_pass(&stage, 4 * SECONDS);
        far_send(&stage, get);
        stage_accept(&stage);
        stage_head(&stage);
        stage_answer(&stage, STR(""));
        CHECK(!has_ended(&stage));
    }
    stage_pass(&stage, 5 * SECONDS);
    CHECK(has_ended(&stage));
    stage_close(&stage);
}

TEST(a_peer_that_does_not_close_is_lingered_for_only_so_long)
{
    struct http_conn_options options = {.idle_timeout_ns = 5 * SECONDS, .linger_ns = 3 * SECONDS};
    struct h1_stage stage;

    stage_open(&stage, HTTP_SERVER, &options, 0);
    stage_pass(&stage, 5 * SECONDS);
    CHECK(has_ended(&stage));
    stage_pass(&stage, 3 * SECONDS - 1);
    CHECK_EQ(stage_accept_io(&stage), IO_WAIT);
    far_send(&stage, get); /* not heard any more */
    stage_pass(&stage, 1);
    CHECK_EQ(stage_accept_io(&stage), IO_END);
    stage_close(&stage);
}

TEST(lingering_takes_only_so_many_bytes)
{
    static char bytes[1 << 15];
    struct h1_stage stage;

    stage_open(&stage, HTTP_SERVER, NULL, 0);
    far_send(&stage, STR("BAD\r\n\r\n"));
    stage_accept(&stage);
    stage_recv_head(&stage);
    stage_answer(&stage, STR(""));
    for (int i = 0; i < 7; i++)
        far_send(&stage, str_of(bytes, sizeof(bytes)));
    CHECK_EQ(stage_accept_io(&stage), IO_WAIT);
    far_send(&stage, str_of(bytes, sizeof(bytes)));
    far_send(&stage, str_of(bytes, 8));
    CHECK_EQ(stage_accept_io(&stage), IO_END);
    stage_close(&stage);
}

TEST(silence_from_the_start_is_closed_by_the_head_clock)
{
    struct http_conn_options options = {.idle_timeout_ns = 50 * SECONDS, .head_timeout_ns = 10 * SECONDS};
    struct h1_stage stage;

    stage_open(&stage, HTTP_SERVER, &options, 0);
    stage_pass(&stage, 10 * SECONDS - 1);
    CHECK(!has_ended(&stage));
    stage_pass(&stage, 1);
    CHECK(has_ended(&stage));
    CHECK_EQ(stage_accept_io(&stage), IO_WAIT);
    stage_close(&stage);
}

TEST(a_part_of_a_head_is_answered_when_its_time_is_up)
{
    struct http_conn_options options = {.head_timeout_ns = 10 * SECONDS, .idle_timeout_ns = 60 * SECONDS};
    struct h1_stage stage;

    stage_open(&stage, HTTP_SERVER, &options, 0);
    stage_pass(&stage, 6 * SECONDS);
    far_send(&stage, STR("GET / HT"));
    stage_head_runs_out(&stage, 4 * SECONDS);
    CHECK_TEXT(without_date(far_text(&stage)),
               "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    CHECK(stage.far_ended);
    stage_close(&stage);
}

TEST(the_head_clock_of_later_requests_runs_from_their_first_byte)
{
    struct http_conn_options options = {.head_timeout_ns = 10 * SECONDS, .idle_timeout_ns = 60 * SECONDS};
    struct h1_stage stage;

    stage_open(&stage, HTTP_SERVER, &options, 0);
    far_send(&stage, get);
    stage_accept(&stage);
    stage_head(&stage);
    stage_answer(&stage, STR(""));
    stage_pass(&stage, 30 * SECONDS);
    far_send(&stage, str_first(get, 5));
    for (int i = 5; i < 14; i++) { /* a byte a second does not help */
        stage_pass(&stage, SECONDS);
        far_send(&stage, str_of(get.data + i, 1));
    }
    CHECK_EQ(stage_accept_io(&stage), IO_WAIT);
    stage_pass(&stage, SECONDS);
    stage_accept(&stage);
    CHECK_EQ(stage_recv_head(&stage), IO_FAIL);
    CHECK_EQ(stage.err.code, ERROR_HEAD_TIMEOUT);
    stage_close(&stage);
}

/* The deadline is far away: what ends it is that it does not come to the rate behind its first 5 s. */
TEST(a_head_that_trickles_is_answered_before_its_time_is_up)
{
    static const struct {
        const char *name;
        uint64_t rate, bytes_a_second, lasts_s; /* 60: as long as the deadline */
    } cases[] = {
        {"any rate", 0, 1, 60},       {"a byte a second", 240, 1, 6},
        {"half of it", 240, 120, 11}, {"as fast as it must", 240, 240, 60},
        {"nothing more", 240, 0, 6},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct http_conn_options options = {.head_timeout_ns = 60 * SECONDS, .head_rate = cases[i].rate};
        uint64_t second = 0;
        struct h1_stage stage;

        test_case_is("%s", cases[i].name);
        stage_open(&stage, HTTP_SERVER, &options, 0);
        far_send(&stage, STR("GET / HTTP/1.1\r\nX-Long: "));
        for (; stage_accept_io(&stage) == IO_WAIT && second < 61; second++) {
            stage_pass(&stage, SECONDS);
            for (uint64_t k = 0; k < cases[i].bytes_a_second; k++)
                far_send(&stage, STR("a"));
        }
        CHECK(second + 1 >= cases[i].lasts_s && second <= cases[i].lasts_s + 1);
        CHECK_EQ(stage_recv_head(&stage), IO_FAIL);
        CHECK_EQ(stage.err.code, ERROR_HEAD_TIMEOUT);
        stage_close(&stage);
    }
}

TEST(empty_lines_alone_are_no_part_of_a_head)
{
    struct http_conn_options options = {.head_timeout_ns = 10 * SECONDS};
    struct h1_stage stage;

    stage_open(&stage, HTTP_SERVER, &options, 0);
    far_send(&stage, STR("\r\n"));
    stage_pass(&stage, 10 * SECONDS);
    CHECK(has_ended(&stage));
    CHECK_EQ(stage_accept_io(&stage), IO_WAIT);
    stage_close(&stage);
}

static void check_slow_body(const struct http_conn_options *options, uint64_t first_ns, uint64_t second_ns)
{
    struct h1_stage stage;
    enum io io;

    stage_open(&stage, HTTP_SERVER, options, 0);
    far_send(&stage, post);
    stage_accept(&stage);
    stage_head(&stage);
    stage_body(&stage, &io);
    CHECK_EQ(io, IO_WAIT);
    stage_pass(&stage, first_ns);
    far_send(&stage, STR("x"));
    stage_body(&stage, &io);
    CHECK_EQ(io, IO_WAIT);
    stage_pass(&stage, second_ns - 1);
    stage_body(&stage, &io);
    CHECK_EQ(io, IO_WAIT);
    stage.user.runs = 0;
    stage_pass(&stage, 1);
    CHECK_EQ(stage.user.runs, 1);
    stage_body(&stage, &io);
    CHECK_EQ(io, IO_FAIL);
    CHECK_EQ(stage.err.code, ERROR_BODY_TIMEOUT);
    CHECK_EQ(stage.err.fault, FAULT_CLIENT);
    stage_answer(&stage, STR("late"));
    CHECK_TEXT(without_date(far_text(&stage)), "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nlate");
    stage_close(&stage);
}

TEST(a_slow_body_fails)
{
    check_slow_body(&(struct http_conn_options){.read_timeout_ns = 10 * SECONDS}, 8 * SECONDS, 2 * SECONDS);
    check_slow_body(&(struct http_conn_options){.body_gap_ns = 10 * SECONDS}, 8 * SECONDS, 10 * SECONDS);
    check_slow_body(&(struct http_conn_options){.body_gap_ns = 3 * SECONDS, .read_timeout_ns = 10 * SECONDS},
                    2 * SECONDS, 3 * SECONDS);
}

TEST(a_body_of_which_no_byte_comes_fails)
{
    static const struct http_conn_options options[] = {{.read_timeout_ns = 10 * SECONDS},
                                                       {.body_gap_ns = 10 * SECONDS}};

    for (size_t i = 0; i < COUNT_OF(options); i++) {
        struct h1_stage stage;
        enum io io;

        stage_open(&stage, HTTP_SERVER, &options[i], 0);
        far_send(&stage, post);
        stage_accept(&stage);
        stage_head(&stage);
        stage_body(&stage, &io);
        CHECK_EQ(io, IO_WAIT);
        stage_pass(&stage, 10 * SECONDS);
        CHECK_EQ(stage.user.runs, 1);
        stage_body(&stage, &io);
        CHECK_EQ(io, IO_FAIL);
        CHECK_EQ(stage.err.code, ERROR_BODY_TIMEOUT);
        stage_close(&stage);
    }
}

TEST(silence_in_a_body_that_nobody_reads_is_no_gap)
{
    struct http_conn_options options = {.body_gap_ns = 10 * SECONDS};
    struct h1_stage stage;
    enum io io;

    stage_open(&stage, HTTP_SERVER, &options, 0);
    far_send(&stage, post);
    stage_accept(&stage);
    stage_head(&stage);
    stage_pass(&stage, 100 * SECONDS);
    stage_body(&stage, &io);
    CHECK_EQ(io, IO_WAIT);
    far_send(&stage, STR("0123456789"));
    CHECK_TEXT(stage_body(&stage, &io), "0123456789");
    CHECK_EQ(io, IO_END);
    stage_pass(&stage, 100 * SECONDS);
    stage_answer(&stage, STR(""));
    stage_close(&stage);
}

TEST(the_read_clock_runs_in_the_head_too)
{
    struct http_conn_options options = {.read_timeout_ns = 10 * SECONDS};
    struct h1_stage stage;

    stage_open(&stage, HTTP_SERVER, &options, 0);
    far_send(&stage, STR("GET"));
    stage_pass(&stage, 10 * SECONDS);
    stage_accept(&stage);
    CHECK_EQ(stage_recv_head(&stage), IO_FAIL);
    CHECK_EQ(stage.err.code, ERROR_HEAD_TIMEOUT);
    stage_close(&stage);
}

TEST(a_response_that_is_not_taken_in_time_is_reset)
{
    struct http_conn_options options = {.write_timeout_ns = 10 * SECONDS};
    struct http_head head = stage_response(200, -1);
    static char bytes[300000];
    struct h1_stage stage;

    stage_open(&stage, HTTP_SERVER, &options, 1 << 16);
    far_send(&stage, get);
    stage_accept(&stage);
    stage_head(&stage);
    CHECK_EQ(http_send_head(stage.stream, &head, false, &stage.err), IO_OK);
    CHECK_EQ(stage_send_body(&stage, str_of(bytes, sizeof(bytes)), false), IO_WAIT);
    stage_pass(&stage, 10 * SECONDS - 1);
    CHECK_EQ(stage.user.runs, 0);
    stage_pass(&stage, 1);
    CHECK_EQ(stage.user.runs, 1);
    CHECK_EQ(stage_send_body(&stage, STR("x"), false), IO_FAIL);
    CHECK_EQ(stage.err.code, ERROR_WRITE_TIMEOUT);
    stage_done(&stage);
    CHECK_EQ(stage_accept_io(&stage), IO_END);
    http_close(stage.conn);
    stage.conn = NULL;
    far_text(&stage);
    CHECK(stage.far_reset);
    stage_close(&stage);
}

TEST(the_write_clock_runs_on_behind_the_users_back)
{
    struct http_conn_options options = {.write_timeout_ns = 10 * SECONDS, .idle_timeout_ns = 5 * SECONDS};
    struct http_head head = stage_response(200, 200000);
    static char bytes[200000];
    struct h1_stage stage;

    stage_open(&stage, HTTP_SERVER, &options, 1 << 16);
    far_send(&stage, get);
    stage_accept(&stage);
    stage_head(&stage);
    CHECK_EQ(http_send_head(stage.stream, &head, false, &stage.err), IO_OK);
    CHECK_EQ(stage_send_body(&stage, str_of(bytes, sizeof(bytes)), true), IO_OK);
    stage_done(&stage);
    stage_pass(&stage, 10 * SECONDS - 1);
    CHECK_EQ(stage_accept_io(&stage), IO_WAIT);
    stage_pass(&stage, 1);
    CHECK_EQ(stage_accept_io(&stage), IO_END);
    stage_close(&stage);
}

TEST(the_idle_clock_starts_when_the_answer_has_left)
{
    struct http_conn_options options = {.idle_timeout_ns = 5 * SECONDS};
    struct http_head head = stage_response(200, 200000);
    static char bytes[200000];
    struct h1_stage stage;

    stage_open(&stage, HTTP_SERVER, &options, 1 << 16);
    far_send(&stage, get);
    stage_accept(&stage);
    stage_head(&stage);
    CHECK_EQ(http_send_head(stage.stream, &head, false, &stage.err), IO_OK);
    CHECK_EQ(stage_send_body(&stage, str_of(bytes, sizeof(bytes)), true), IO_OK);
    stage_done(&stage);
    stage_pass(&stage, 20 * SECONDS);
    CHECK(!has_ended(&stage));
    stage_pass(&stage, 5 * SECONDS - 1);
    CHECK(!has_ended(&stage));
    stage_pass(&stage, 1);
    CHECK(has_ended(&stage));
    stage_close(&stage);
}

TEST(without_clocks_nothing_times_out)
{
    struct h1_stage stage;

    stage_open(&stage, HTTP_SERVER, NULL, 0);
    stage_pass(&stage, 100000 * SECONDS);
    far_send(&stage, STR("GET /"));
    stage_pass(&stage, 100000 * SECONDS);
    CHECK(!has_ended(&stage));
    CHECK_EQ(loop_stats(stage.loop)->timers_fired, 0);
    stage_close(&stage);
}
