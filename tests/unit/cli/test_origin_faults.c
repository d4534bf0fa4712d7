/* test_origin_faults.c: each fault of the test origin, as the peer sees it. SPDX-License-Identifier: Apache-2.0 */
#include "cli/origin_ledger.h"
#include "origin_talk.h"

#define GET_ONE     "GET /bytes/1 HTTP/1.1\r\nHost: x\r\n\r\n"
#define GET_NUMBER  "GET /bytes/1 HTTP/1.1\r\nHost: x\r\nX-Request-Number: 9\r\n\r\n"
#define POST_NUMBER "POST /sink HTTP/1.1\r\nHost: x\r\nX-Request-Number: 9\r\nContent-Length: 2\r\n\r\nab"
#define MS(count)   ((uint64_t)(count)*1000000)
#define SPAN(count)                                                                                                    \
    {                                                                                                                  \
        MS(count), MS(count)                                                                                           \
    }
#define ALWAYS                                                                                                         \
    {                                                                                                                  \
        .first = 1, .every = 1                                                                                         \
    }

static uint64_t count_in(struct origin_ledger *ledger)
{
    struct str text = origin_ledger_json(ledger, test_arena());

    return str_starts(text, STR("{\"requests\":1,")) ? 1 : 0;
}

/* Ends of a connection that is idle. */
static const struct {
    const char *name;
    struct origin_options options;
    enum io last;
} idle_ends[] = {
    {"idle, close", {.close_idle_after = SPAN(10)}, IO_END},
    {"idle, half", {.close_idle_after = SPAN(10), .close_by = ORIGIN_END_HALF}, IO_END},
    {"idle, reset", {.close_idle_after = SPAN(10), .close_by = ORIGIN_END_RESET}, IO_FAIL},
    {"age, close", {.close_age = SPAN(10)}, IO_END},
    {"age, reset", {.close_age = SPAN(10), .close_by = ORIGIN_END_RESET}, IO_FAIL},
    {"count, close", {.close_after_requests = 1, .unannounced = true}, IO_END},
    {"count, half", {.close_after_requests = 1, .unannounced = true, .close_by = ORIGIN_END_HALF}, IO_END},
};

TEST(idle_connections_end_as_asked)
{
    for (size_t i = 0; i < COUNT_OF(idle_ends); i++) {
        struct talk talk;

        test_case_is("%s", idle_ends[i].name);
        talk_open(&talk, &idle_ends[i].options);
        talker_say(&talk.end, GET_ONE);
        talker_await(&talk.end, "\r\n\r\n0");
        CHECK(!talker_has_heard(&talk.end, "Connection: close"));
        talker_await(&talk.end, NULL);
        CHECK_INT(talk.end.last, idle_ends[i].last);
        talk_close(&talk);
    }
}

TEST(a_connection_that_never_had_a_request_is_not_idle)
{
    struct talk talk;

    talk_open(&talk, &(struct origin_options){.close_idle_after = SPAN(1)});
    net_stage_for(&talk.net, MS(20));
    talker_say(&talk.end, GET_ONE);
    talker_await(&talk.end, "\r\n\r\n0");
    talk_close(&talk);
}

TEST(age_waits_for_the_answer_under_way)
{
    struct talk talk;
    uint64_t start_ns;

    talk_open(&talk, &(struct origin_options){.close_age = SPAN(10), .delay_ns = MS(30)});
    start_ns = loop_now_ns(talk.net.loop);
    talker_say(&talk.end, GET_ONE);
    talker_await(&talk.end, "\r\n\r\n0");
    CHECK(loop_now_ns(talk.net.loop) - start_ns >= MS(25));
    talker_await(&talk.end, NULL);
    CHECK_INT(talk.end.last, IO_END);
    talk_close(&talk);
}

TEST(a_long_answer_is_not_cut_by_the_limit_behind_it)
{
    struct talk talk;

    talk_open(&talk, &(struct origin_options){.close_after_requests = 1, .unannounced = true});
    talker_say(&talk.end, "GET /bytes/3000000 HTTP/1.1\r\nHost: x\r\n\r\n");
    talker_await(&talk.end, NULL);
    CHECK_EQ(talker_body(&talk.end).len, 3000000);
    talk_close(&talk);
}

TEST(half_closed_reads_and_counts_but_does_not_answer)
{
    struct origin_ledger *ledger = origin_ledger_new();
    struct talk talk;

    talk_open(&talk,
              &(struct origin_options){.close_idle_after = SPAN(5), .close_by = ORIGIN_END_HALF, .ledger = ledger});
    talker_say(&talk.end, GET_ONE);
    talker_await(&talk.end, "\r\n\r\n0");
    talker_await(&talk.end, NULL);
    talker_forget(&talk.end);
    talker_say(&talk.end, POST_NUMBER);
    net_stage_for(&talk.net, MS(20));
    CHECK_EQ(talk.end.len, 0);
    CHECK_EQ(count_in(ledger), 1);
    talk_close(&talk);
    origin_ledger_free(ledger);
}

TEST(fully_closed_does_not_execute)
{
    struct origin_ledger *ledger = origin_ledger_new();
    struct talk talk;

    talk_open(&talk, &(struct origin_options){.close_idle_after = SPAN(5), .ledger = ledger});
    talker_say(&talk.end, GET_ONE);
    talker_await(&talk.end, "\r\n\r\n0");
    talker_await(&talk.end, NULL);
    talker_say(&talk.end, POST_NUMBER);
    net_stage_for(&talk.net, MS(20));
    CHECK_EQ(count_in(ledger), 0);
    talk_close(&talk);
    origin_ledger_free(ledger);
}

/* Requests that are executed and not answered. */
static const struct {
    const char *name;
    struct origin_options options;
    enum io last; /* IO_WAIT: nothing comes */
} refusals[] = {
    {"reset", {.reset = ALWAYS}, IO_FAIL},
    {"hang up", {.hang_up = ALWAYS}, IO_END},
    {"silence", {.silence = ALWAYS}, IO_WAIT},
};

TEST(unanswered_requests_were_read_and_counted)
{
    static const char *const requests[] = {
        GET_NUMBER, POST_NUMBER,
        "POST /echo HTTP/1.1\r\nHost: x\r\nX-Request-Number: 9\r\nContent-Length: 2\r\n\r\nab"};

    for (size_t i = 0; i < COUNT_OF(refusals) * COUNT_OF(requests); i++) {
        struct origin_options options = refusals[i / COUNT_OF(requests)].options;
        enum io last = refusals[i / COUNT_OF(requests)].last;
        struct talk talk;

        test_case_is("%s %zu", refusals[i / COUNT_OF(requests)].name, i % COUNT_OF(requests));
        options.ledger = origin_ledger_new();
        talk_open(&talk, &options);
        talker_say(&talk.end, requests[i % COUNT_OF(requests)]);
        if (last == IO_WAIT)
            net_stage_for(&talk.net, MS(20));
        else
            talker_await(&talk.end, NULL);
        CHECK_EQ(talk.end.len, 0);
        if (last != IO_WAIT)
            CHECK_INT(talk.end.last, last);
        CHECK_EQ(count_in(options.ledger), 1);
        talk_close(&talk);
        origin_ledger_free(options.ledger);
    }
}

TEST(a_schedule_hits_one_request_of_many)
{
    struct talk talk;

    talk_open(&talk, &(struct origin_options){.hang_up = {.first = 3, .every = UINT64_MAX}});
    for (int i = 0; i < 2; i++) {
        talker_forget(&talk.end);
        talker_say(&talk.end, GET_ONE);
        talker_await(&talk.end, "\r\n\r\n0");
    }
    talker_forget(&talk.end);
    talker_say(&talk.end, GET_ONE);
    talker_await(&talk.end, NULL);
    CHECK_EQ(talk.end.len, 0);
    talk_close(&talk);
}

/* What came is what was allowed, whatever the answer's size, and then the end. */
TEST(answers_are_cut_at_the_byte)
{
    static const char *const requests[] = {"GET /bytes/100 HTTP/1.1\r\nHost: x\r\n\r\n",
                                           "GET /bytes/3000000 HTTP/1.1\r\nHost: x\r\n\r\n",
                                           "GET /chunked/5000 HTTP/1.1\r\nHost: x\r\n\r\n"};
    static const enum origin_end ends[] = {ORIGIN_END_CLOSE, ORIGIN_END_HALF, ORIGIN_END_RESET};

    for (size_t i = 0; i < COUNT_OF(requests) * COUNT_OF(ends); i++) {
        enum origin_end end = ends[i % COUNT_OF(ends)];
        struct talk talk;

        test_case_is("%zu", i);
        talk_open(&talk, &(struct origin_options){.cut = ALWAYS, .cut_after = 130, .close_by = end});
        talker_say(&talk.end, requests[i / COUNT_OF(ends)]);
        talker_await(&talk.end, NULL);
        if (end != ORIGIN_END_RESET)
            CHECK_EQ(talk.end.len, 130);
        CHECK_INT(talk.end.last, end == ORIGIN_END_RESET ? IO_FAIL : IO_END);
        talk_close(&talk);
    }
}

TEST(slow_answers_take_their_time_and_are_whole)
{
    struct talk talk;
    uint64_t start_ns;

    talk_open(&talk, &(struct origin_options){.slow = ALWAYS, .bytes_per_second = 20000, .close_idle_after = SPAN(20)});
    start_ns = loop_now_ns(talk.net.loop);
    talker_say(&talk.end, "GET /bytes/4000 HTTP/1.1\r\nHost: x\r\n\r\n");
    talker_await(&talk.end, NULL);
    CHECK_EQ(talker_body(&talk.end).len, 4000);
    CHECK(loop_now_ns(talk.net.loop) - start_ns >= MS(150));
    talk_close(&talk);
}

TEST(late_answers_come_although_the_client_has_given_up)
{
    struct talk talk;

    talk_open(&talk, &(struct origin_options){.late = ALWAYS, .late_ns = MS(20)});
    talker_say(&talk.end, GET_ONE);
    stream_shutdown_write(talk.end.stream);
    net_stage_for(&talk.net, MS(5));
    CHECK_EQ(talk.end.len, 0);
    talker_await(&talk.end, "\r\n\r\n0");
    talk_close(&talk);
}

TEST(a_silent_origin_lets_go_of_who_gives_up)
{
    struct talk talk;

    talk_open(&talk, &(struct origin_options){.silence = ALWAYS});
    talker_say(&talk.end, GET_ONE);
    net_stage_for(&talk.net, MS(5));
    stream_shutdown_write(talk.end.stream);
    talker_await(&talk.end, NULL);
    CHECK_EQ(talk.end.len, 0);
    talk_close(&talk);
}
