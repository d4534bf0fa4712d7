/* test_origin_server.c: the test origin over loopback: its faults happen as asked for, and no others.
 * SPDX-License-Identifier: Apache-2.0 */
#include "origin_talk.h"

TEST(requests_are_answered_over_one_connection)
{
    struct talk talk;

    talk_open(&talk, &(struct origin_options){0});
    talker_say(&talk.end, "GET /bytes/5 HTTP/1.1\r\nHost: x\r\n\r\n");
    talker_await(&talk.end, "\r\n\r\n01234");
    talker_say(&talk.end, "GET /json/1 HTTP/1.1\r\nHost: x\r\n\r\nGET /status/204 HTTP/1.1\r\nHost: x\r\n\r\n");
    talker_await(&talk.end, "HTTP/1.1 204 No Content\r\n");
    CHECK(talker_has_heard(&talk.end, "{\"name\":\"item 1\""));
    CHECK(!talker_has_heard(&talk.end, "Keep-Alive:"));
    CHECK_EQ(talk.end.last, IO_WAIT);
    talk_close(&talk);
}

TEST(a_large_body_comes_whole)
{
    struct talk talk;

    talk_open(&talk, &(struct origin_options){0});
    talker_say(&talk.end, "GET /bytes/3000000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    talker_await(&talk.end, NULL);
    CHECK_EQ(talker_content_length(&talk.end), 3000000);
    CHECK_EQ(talker_body(&talk.end).len, 3000000);
    talk_close(&talk);
}

/* The body of a GET would never end; there is none to HEAD, and no time goes into it. */
TEST(head_of_an_endless_body_is_answered_at_once)
{
    struct talk talk;

    talk_open(&talk, &(struct origin_options){0});
    talker_say(&talk.end, "HEAD /chunked/18446744073709551615 HTTP/1.1\r\nHost: x\r\n\r\n"
                          "HEAD /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
                          "HEAD /bytes/9 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    talker_await(&talk.end, NULL);
    CHECK(talker_has_heard(&talk.end, "Content-Length: 9\r\n"));
    CHECK(!talker_has_heard(&talk.end, "abc"));
    CHECK(str_ends(talker_heard(&talk.end), STR("\r\n\r\n")));
    talk_close(&talk);
}

TEST(echo_asks_for_a_body_that_is_expected)
{
    struct talk talk;

    talk_open(&talk, &(struct origin_options){0});
    talker_say(&talk.end, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    talker_await(&talk.end, "HTTP/1.1 100 Continue\r\n\r\n");
    CHECK(!talker_has_heard(&talk.end, "200 OK"));
    talker_say(&talk.end, "hello");
    talker_await(&talk.end, "\r\n\r\nhello");
    CHECK(talker_has_heard(&talk.end, "HTTP/1.1 200 OK\r\n"));
    talk_close(&talk);
}

TEST(echo_streams_what_has_no_length)
{
    struct talk talk;

    talk_open(&talk, &(struct origin_options){0});
    talker_say(&talk.end, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    talker_await(&talk.end, "\r\n\r\n3\r\nabc\r\n"); /* before the rest is there */
    talker_say(&talk.end, "2\r\nde\r\n0\r\n\r\n");
    talker_await(&talk.end, "2\r\nde\r\n0\r\n\r\n");
    talker_forget(&talk.end);
    talker_say(&talk.end, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    talker_await(&talk.end, "\r\n\r\n0\r\n\r\n");
    talker_forget(&talk.end);
    talker_say(&talk.end, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
    talker_await(&talk.end, "Content-Length: 0\r\n");
    talk_close(&talk);
}

TEST(sink_counts_the_body)
{
    struct talk talk;

    talk_open(&talk, &(struct origin_options){0});
    talker_say(&talk.end,
               "PUT /sink HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n"
               "0\r\n\r\n");
    talker_await(&talk.end, "{\"bytes\":11}");
    talk_close(&talk);
}

TEST(limits_are_announced_and_kept)
{
    struct talk talk;

    talk_open(&talk, &(struct origin_options){.close_after_requests = 2,
                                              .close_idle_after = {2000000000, 2000000000},
                                              .keep_alive_header = true});
    talker_say(&talk.end, "GET /bytes/1 HTTP/1.1\r\nHost: x\r\n\r\n");
    talker_await(&talk.end, "\r\n\r\n0");
    CHECK(talker_has_heard(&talk.end, "Keep-Alive: timeout=2, max=1\r\n"));
    talker_forget(&talk.end);
    talker_say(&talk.end, "GET /bytes/1 HTTP/1.1\r\nHost: x\r\n\r\n");
    talker_await(&talk.end, NULL);
    CHECK(talker_has_heard(&talk.end, "Connection: close\r\n"));
    CHECK_EQ(talk.end.last, IO_END);
    talk_close(&talk);
}

TEST(an_idle_connection_is_closed_in_time)
{
    struct talk talk;
    uint64_t start_ns;

    talk_open(&talk, &(struct origin_options){.close_idle_after = {30000000, 30000000}});
    talker_say(&talk.end, "GET /bytes/1 HTTP/1.1\r\nHost: x\r\n\r\n");
    talker_await(&talk.end, "\r\n\r\n0");
    start_ns = loop_now_ns(talk.net.loop);
    talker_await(&talk.end, NULL);
    CHECK(loop_now_ns(talk.net.loop) - start_ns >= 25000000);
    CHECK(!talker_has_heard(&talk.end, "Connection: close"));
    talk_close(&talk);
}

TEST(answers_are_held_back)
{
    struct talk talk;
    uint64_t start_ns;

    talk_open(&talk, &(struct origin_options){.delay_ns = 20000000, .jitter_ns = 1000});
    start_ns = loop_now_ns(talk.net.loop);
    talker_say(&talk.end, "GET /delay/20 HTTP/1.1\r\nHost: x\r\n\r\n");
    talker_await(&talk.end, "{\"waited\":true}");
    CHECK(loop_now_ns(talk.net.loop) - start_ns >= 40000000);
    talk_close(&talk);
}

TEST(stray_bytes_come_behind_an_answer)
{
    struct talk talk;

    talk_open(&talk, &(struct origin_options){.stray = {.first = 1, .every = 1}});
    net_stage_for(&talk.net, 5000000);
    CHECK_EQ(talk.end.len, 0); /* not before one */
    talker_say(&talk.end, "GET /bytes/1 HTTP/1.1\r\nHost: x\r\n\r\n");
    talker_await(&talk.end, "\r\n\r\n0HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nSTRAY");
    talk_close(&talk);
}

TEST(every_request_can_be_cut_off)
{
    struct talk talk;

    talk_open(&talk, &(struct origin_options){.reset = {.per_million = 1000000}});
    talker_say(&talk.end, "GET /bytes/1 HTTP/1.1\r\nHost: x\r\n\r\n");
    talker_await(&talk.end, NULL);
    CHECK_EQ(talk.end.len, 0);
    talk_close(&talk);
}

TEST(an_origin_may_end_in_the_middle_of_everything)
{
    struct talk talk;

    talk_open(&talk, &(struct origin_options){.stray = {.first = 1, .every = 1}});
    talker_say(&talk.end, "GET /bytes/9223372036854775807 HTTP/1.1\r\nHost: x\r\n\r\n");
    talker_await(&talk.end, "\r\n\r\n01234");
    origin_free(talk.origin);
    talk.origin = NULL;
    talk_close(&talk);
}

TEST(an_address_is_shared_only_when_asked_for)
{
    struct addr addr = {.family = ADDR_IPV4, .ip = {127, 0, 0, 1}};
    struct origin_options shared = {.shared = true}, alone = {0};
    struct origin *first, *second;
    struct net_stage net;
    struct error err = {0};

    net_stage_open(&net);
    first = origin_new(net.loop, &addr, &shared, &err);
    CHECK(first != NULL);
    second = origin_new(net.loop, &addr, &shared, &err);
    CHECK(second != NULL);
    CHECK(origin_new(net.loop, &addr, &alone, &err) == NULL);
    CHECK_EQ(err.code, ERROR_ADDRESS_IN_USE);
    origin_free(second);
    origin_free(first);
    net_stage_close(&net);
}
