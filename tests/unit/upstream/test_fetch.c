/* test_fetch.c: one upstream request whatever its connection does: what is sent again and what is not, what is counted,
 * and that nothing is left over at whatever point it ends. SPDX-License-Identifier: Apache-2.0 */
#include "fetch_stage.h"
#include "upstream/flight.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG_MAX = 24 }; /* more than the stage's listener takes */

static void check_answer(struct fetch_stage *stage, uint16_t status, const char *body)
{
    enum io io;

    CHECK_EQ(await_head(stage), IO_OK);
    CHECK_EQ(stage->answer->status, status);
    CHECK_STR(await_body(stage, &io), str_from(body));
    CHECK_EQ(io, IO_END);
}

TEST(a_connection_is_made_once_and_kept)
{
    struct fetch_stage stage;

    fetch_stage_open(&stage);
    for (unsigned i = 0; i < 3; i++) {
        ask(&stage, "GET", 0);
        if (i == 0)
            origin_accepts(&stage);
        stage.heard_len = 0;
        origin_hears(&stage, "GET /x HTTP/1.1\r\n");
        CHECK_EQ(totals_of(&stage).active, 1);
        origin_says(&stage, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        check_answer(&stage, 200, "ok");
        CHECK_EQ(fetch_stats(stage.fetch)->reused, i > 0);
        CHECK_EQ(totals_of(&stage).idle, 1);
        end(&stage);
    }
    CHECK_EQ(totals_of(&stage).requests_new, 1);
    CHECK_EQ(totals_of(&stage).requests_reused, 2);
    CHECK_EQ(totals_of(&stage).connections_opened, 1);
    fetch_stage_close(&stage);
}

/* What a kept connection does to the next request, and whether that is made again on a fresh one. */
static const struct {
    const char *name, *method;
    const char *said; /* before the end */
    bool reset, again;
    enum error_code code; /* when it is not */
} ends[] = {
    {"GET, closed", "GET", "", false, true, ERROR_NONE},
    {"GET, reset", "GET", "", true, true, ERROR_NONE},
    {"PUT without a body, closed", "PUT", "", false, true, ERROR_NONE},
    {"POST, closed", "POST", "", false, false, ERROR_NO_ANSWER},
    {"POST, reset", "POST", "", true, false, ERROR_RESET},
    {"PATCH, reset", "PATCH", "", true, false, ERROR_RESET},
    {"one byte, closed", "GET", "H", false, false, ERROR_CLOSED},
    {"one byte, reset", "GET", "H", true, false, ERROR_RESET},
    {"half a head, closed", "GET", "HTTP/1.1 200 OK\r\nX-A: ", false, false, ERROR_CLOSED},
    {"half a head, reset", "GET", "HTTP/1.1 200 OK\r\nX-A: ", true, false, ERROR_RESET},
    {"an interim answer, closed", "GET", "HTTP/1.1 103 Hints\r\n\r\n", false, false, ERROR_CLOSED},
    {"an interim answer, reset", "GET", "HTTP/1.1 103 Hints\r\n\r\n", true, false, ERROR_RESET},
    {"garbage", "GET", "ok\r\n\r\n", false, false, ERROR_BAD_STATUS_LINE},
};

static void check_end(size_t i)
{
    struct fetch_stage stage;

    fetch_stage_open(&stage);
    keep_one(&stage);
    ask(&stage, ends[i].method, 0);
    origin_hears(&stage, "\r\n\r\n");
    if (ends[i].said[0])
        origin_says(&stage, ends[i].said);
    net_stage_for(&stage.net, 2000000); /* what was said arrives before the end */
    origin_ends(&stage, ends[i].reset);
    if (ends[i].again) {
        origin_accepts(&stage);
        origin_hears(&stage, "\r\n\r\n");
        origin_ends(&stage, ends[i].reset); /* never twice, whatever happens to the second try */
        CHECK_EQ(await_head(&stage), IO_FAIL);
    } else {
        CHECK_EQ(await_head(&stage), IO_FAIL);
        CHECK_CSTR(error_code_name(stage.err.code), error_code_name(ends[i].code));
    }
    CHECK_EQ(totals_of(&stage).resends, ends[i].again);
    CHECK_EQ(totals_of(&stage).requests_new + totals_of(&stage).requests_reused, 2 + ends[i].again);
    CHECK_EQ(totals_of(&stage).failures, 1);
    CHECK_EQ(stage.accepted, 1 + ends[i].again);
    fetch_stage_close(&stage);
}

TEST(a_request_is_made_again_once_when_nobody_can_have_answered_it)
{
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        test_case_is("%s", ends[i].name);
        check_end(i);
    }
}

/* A task that resets the connection behind the fetch's back: the write that follows in the same turn fails before the
 * loop has heard of the reset. */
struct ambush {
    struct task task;
    struct fetch_stage *stage;
};

static void run_ambush(struct task *task)
{
    struct fetch_stage *stage = container_of(task, struct ambush, task)->stage;

    give_body(stage, STR("one "), false);
    origin_ends(stage, true);
}

static bool is_given(void *arg)
{
    struct fetch_stage *stage = arg;

    return !list_holds(&stage->net.probes[2].task.node) && stage->far == NULL;
}

static void check_replay(int64_t body_bytes, const char *expected)
{
    struct fetch_stage stage;
    struct ambush ambush = {.task.run = run_ambush, .stage = &stage};

    fetch_stage_open(&stage);
    keep_one(&stage);
    ask(&stage, "PUT", body_bytes);
    origin_hears(&stage, "\r\n\r\n");
    task_wake(stage.net.loop, &ambush.task);
    net_stage_until(&stage.net, is_given, &stage);
    /* Whatever the dead connection is given now must not be lost for the next one. */
    give_body(&stage, STR("two "), false);
    give_body(&stage, STR("three"), true);
    origin_accepts(&stage);
    origin_hears(&stage, expected);
    origin_says(&stage, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    check_answer(&stage, 200, "ok");
    CHECK_EQ(totals_of(&stage).resends, 1);
    fetch_stage_close(&stage);
}

TEST(a_body_that_is_sent_again_has_all_its_pieces)
{
    test_case_is("with a length");
    check_replay(13, "\r\n\r\none two three");
    test_case_is("chunked");
    check_replay(-1, "\r\n0\r\n\r\n");
}

/* Has the origin got something of it, before any task had its turn? */
static bool has_left(struct fetch_stage *stage)
{
    return stream_peek(stage->far) == IO_OK;
}

TEST(what_may_not_be_sent_twice_leaves_right_behind_the_look)
{
    static const struct {
        const char *name, *method;
        int64_t body_bytes;
        bool off, at_once; /* off: `resend` is */
    } rows[] = {
        {"may be sent again", "GET", 0, false, false},
        {"and with a body", "PUT", 4, false, false},
        {"may not", "POST", 0, false, true},
        {"with a body", "POST", 4, false, true},
        {"of a length that is not known", "PUT", -1, false, true},
        {"nothing may", "GET", 0, true, true},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fetch_stage stage;

        test_case_is("%s", rows[i].name);
        fetch_stage_open(&stage);
        stage.transport.resend = rows[i].off ? RESEND_OFF : RESEND_REPEATABLE;
        keep_one(&stage);
        net_stage_for(&stage.net, 2000000);
        ask(&stage, rows[i].method, rows[i].body_bytes);
        if (rows[i].body_bytes != 0)
            give_body(&stage, STR("body"), true);
        CHECK_EQ(has_left(&stage), rows[i].at_once);
        end(&stage);
        fetch_stage_close(&stage);
    }
}

/* The host closes idle connections after 3 ms, as was seen often. */
static void teach_short_limit(struct fetch_stage *stage)
{
    struct idle_limit *limit = stage->host->idle_limit;

    idle_limit_configure(limit, &(struct idle_limit_options){.eager = true});
    for (uint64_t n = 1; n <= 20; n++)
        (void)idle_limit_closed(limit, &(struct idle_end){.now_ns = n * UINT64_C(1000000000),
                                                          .idle_ns = 3000000,
                                                          .age_ns = n * UINT64_C(1000000000),
                                                          .requests = 1,
                                                          .idle_conns = 100});
    CHECK(idle_limit_refresh_ns(limit) > 0);
}

TEST(at_a_host_that_closes_within_milliseconds_a_connection_in_use_is_waited_for_before_a_dial)
{
    static const bool comes_back[] = {true, false};

    for (size_t i = 0; i < COUNT_OF(comes_back); i++) {
        struct fetch_stage stage;
        struct pooled *used;

        test_case_is("%s", comes_back[i] ? "it comes back" : "it does not");
        fetch_stage_open(&stage);
        keep_one(&stage);
        used = pool_take(stage.pool, stage.host, &stage.transport, true);
        CHECK(used != NULL);
        teach_short_limit(&stage);
        ask(&stage, "GET", 0);
        CHECK_EQ(totals_of(&stage).dialing, 0);
        stage.heard_len = 0;
        if (comes_back[i]) {
            pool_return(used, &stage.transport);
        } else {
            net_stage_until_run(&stage.net, &stage.net.probes[0]); /* its time is over */
            drive(&stage);
            origin_accepts(&stage);
        }
        origin_hears(&stage, "GET /x HTTP/1.1\r\n");
        CHECK_EQ(stage.accepted, comes_back[i] ? 1 : 2);
        end(&stage);
        if (!comes_back[i])
            pool_return(used, &stage.transport);
        fetch_stage_close(&stage);
    }
}

/* A look waits for a round trip, which on a long way is more than the time of a first one. */
TEST(the_next_look_at_one_request_does_not_put_off_the_first_at_another)
{
    struct fetch_stage stage;
    struct flights *flights;

    fetch_stage_open(&stage);
    keep_one(&stage);
    flights = pool_flights(stage.pool);
    timer_set(stage.net.loop, &flights->timer, loop_now_ns(stage.net.loop) + 1000 * UINT64_C(1000000));
    ask(&stage, "GET", 0);
    CHECK(flights->timer.at_ns <= loop_now_ns(stage.net.loop) + PATH_FIRST_LOOK_NS);
    fetch_stage_close(&stage);
}

/* Another worker frees a place at the cap between the question for the head and the body: over loopback a dial is done
 * at once, so it is the body that finds a connection. The answer must be told all the same. */
TEST(a_body_that_finds_a_connection_wakes_who_waits_for_the_answer)
{
    struct fetch_stage stage;
    struct chain body = {NULL, NULL, 0};
    unsigned runs;

    fetch_stage_open(&stage);
    stage.transport.max_connections_per_host = 1;
    stage.transport.queue_timeout_ns = 60000000000;
    CHECK(gate_enter(stage.host, 1));
    ask(&stage, "POST", 4);
    atomic_fetch_sub(&stage.host->open, 1);
    CHECK(chain_append(&body, loop_blocks(stage.net.loop), STR("body")));
    while (fetch_send(stage.fetch, &body, true, &stage.err) == IO_WAIT)
        net_stage_until_run(&stage.net, &stage.net.probes[0]);
    CHECK_EQ(body.size, 0);
    runs = stage.net.probes[0].runs;
    stage.far = net_stage_accept(&stage.net, stage.listener);
    origin_says(&stage, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    if (stage.net.probes[0].runs == runs)
        net_stage_until_run(&stage.net, &stage.net.probes[0]);
    check_answer(&stage, 200, "ok");
    fetch_stage_close(&stage);
}

/* Connections that nobody accepts, until the kernel drops what comes: a dial takes for ever then. */
static unsigned fill_backlog(const struct fetch_stage *stage, int fds[BACKLOG_MAX])
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    unsigned count = 0;

    name.sin_port = htons(stage->host->port);
    for (; count < BACKLOG_MAX; count++) {
        fds[count] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        CHECK(fds[count] != -1);
        (void)!connect(fds[count], (struct sockaddr *)&name, sizeof(name));
    }
    return count;
}

static void fall_silent(struct fetch_stage *stage)
{
    uint64_t now_ns = loop_now_ns(stage->net.loop);

    atomic_store(&stage->host->path.condemned_ns, now_ns);
    atomic_store(&stage->host->path.suspect_ns, now_ns);
}

/* What ends by its length needs nobody who asks for its end; chunks have one of their own. */
TEST(the_last_byte_of_a_known_length_is_the_end)
{
    struct chain body = {NULL, NULL, 0};
    struct fetch_stage stage;

    fetch_stage_open(&stage);
    keep_one(&stage);
    ask(&stage, "GET", 0);
    origin_hears(&stage, "\r\n\r\n");
    origin_says(&stage, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole");
    CHECK_EQ(await_head(&stage), IO_OK);
    CHECK_EQ(fetch_body(stage.fetch, &body, 4, &stage.err), IO_OK);
    CHECK_EQ(totals_of(&stage).idle, 0);
    CHECK_EQ(fetch_body(stage.fetch, &body, SIZE_MAX, &stage.err), IO_END);
    CHECK_EQ(body.size, 5);
    CHECK_EQ(totals_of(&stage).idle, 1);
    CHECK_EQ(fetch_body(stage.fetch, &body, SIZE_MAX, &stage.err), IO_END);
    CHECK_EQ(body.size, 5);
    chain_clear(&body);
    end(&stage);
    ask(&stage, "GET", 0);
    stage.heard_len = 0;
    origin_hears(&stage, "\r\n\r\n");
    origin_says(&stage, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
    CHECK_EQ(await_head(&stage), IO_OK);
    CHECK_EQ(fetch_body(stage.fetch, &body, SIZE_MAX, &stage.err), IO_OK);
    CHECK_EQ(totals_of(&stage).idle, 0);
    CHECK_EQ(fetch_body(stage.fetch, &body, SIZE_MAX, &stage.err), IO_END);
    CHECK_EQ(body.size, 2);
    CHECK_EQ(totals_of(&stage).idle, 1);
    chain_clear(&body);
    end(&stage);
    fetch_stage_close(&stage);
}

TEST(what_has_become_idle_is_taken_when_a_dial_fails)
{
    struct fetch_stage stage;
    struct chain none = {NULL, NULL, 0};
    struct fetch *first;
    int fds[BACKLOG_MAX];
    unsigned count;
    enum io io;

    fetch_stage_open(&stage);
    stage.transport.dialer_timeout_ns = 20000000;
    keep_one(&stage);
    ask(&stage, "GET", 0);
    origin_hears(&stage, "\r\n\r\n");
    first = stage.fetch;
    count = fill_backlog(&stage, fds);
    stage.fetch = NULL;
    ask(&stage, "GET", 0);
    net_stage_for(&stage.net,
                  40000000); /* the dial fails, but its waiter has not run when the connection is given back */
    origin_says(&stage, "HTTP/1.1 204 No Content\r\n\r\n");
    net_stage_for(&stage.net, 1000000);
    CHECK_EQ(fetch_head(first, test_arena(), &stage.answer, &stage.err), IO_OK);
    CHECK_EQ(fetch_body(first, &none, SIZE_MAX, &stage.err), IO_END);
    fetch_end(first, HTTP_CANCEL_GONE);
    CHECK_EQ(totals_of(&stage).idle, 1);
    drive(&stage);
    CHECK_EQ(stage.head_io, IO_WAIT);
    CHECK_EQ(totals_of(&stage).dial_failures, 1);
    stage.heard_len = 0;
    origin_hears(&stage, "\r\n\r\n");
    origin_says(&stage, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    CHECK_EQ(await_head(&stage), IO_OK);
    CHECK_TEXT(await_body(&stage, &io), "ok");
    CHECK_EQ(totals_of(&stage).failures, 0);
    while (count > 0)
        close(fds[--count]);
    fetch_stage_close(&stage);
}

/* A host of HTTP/2 whose path fell silent before the dial was begun, or while others wait for it. */
TEST(who_joined_a_dial_on_a_silent_path_leaves_as_the_dial_would)
{
    static const bool silent_before[] = {true, false};

    for (size_t i = 0; i < COUNT_OF(silent_before); i++) {
        struct fetch_stage stage;
        struct fetch *dialer;
        int fds[BACKLOG_MAX];
        unsigned count;

        test_case_is("%s", silent_before[i] ? "before" : "meanwhile");
        fetch_stage_open(&stage);
        stage.host =
            hosts_intern(stage.hosts, &(struct host_key){.url = stage.host->url, .protocol = PROTOCOL_H2}, &stage.err);
        CHECK(stage.host != NULL);
        stage.eject_after = 1;
        count = fill_backlog(&stage, fds);
        if (silent_before[i]) {
            fall_silent(&stage);
            net_stage_for(&stage.net, 1000000);
        }
        ask(&stage, "GET", 0);
        dialer = stage.fetch;
        stage.fetch = NULL;
        ask(&stage, "GET", 0);
        CHECK_EQ(totals_of(&stage).dialing, 1);
        if (!silent_before[i]) {
            fall_silent(&stage);
            flights_hurry(pool_flights(stage.pool), stage.host);
        }
        CHECK_EQ(await_head(&stage), IO_FAIL);
        CHECK_EQ(stage.err.code, ERROR_DEAD_PATH);
        CHECK(stage.err.retry_safe);
        fetch_end(dialer, HTTP_CANCEL_GONE);
        while (count > 0)
            close(fds[--count]);
        fetch_stage_close(&stage);
    }
}

/* The client has gone before the connection was there (item 167 of the keep-alive matrix). */
TEST(a_dial_outlives_a_client_that_leaves)
{
    struct fetch_stage stage;

    fetch_stage_open(&stage);
    ask(&stage, "GET", 0);
    CHECK_EQ(totals_of(&stage).dialing, 1);
    end(&stage);
    CHECK_EQ(totals_of(&stage).warming, 1);
    net_stage_for(&stage.net, 1000000);
    CHECK_EQ(totals_of(&stage).warming, 0);
    CHECK_EQ(totals_of(&stage).dialing, 0);
    CHECK_EQ(totals_of(&stage).idle, 1);
    reuse_one(&stage);
    CHECK_EQ(totals_of(&stage).requests_warm, 1);
    fetch_stage_close(&stage);
}

TEST(a_dial_that_nobody_else_may_use_ends_with_its_client)
{
    struct fetch_stage stage;

    fetch_stage_open(&stage);
    stage.transport.disable_keep_alives = true;
    ask(&stage, "GET", 0);
    CHECK_EQ(totals_of(&stage).dialing, 1);
    end(&stage);
    CHECK_EQ(totals_of(&stage).warming, 0);
    CHECK_EQ(totals_of(&stage).dialing, 0);
    fetch_stage_close(&stage);
}
