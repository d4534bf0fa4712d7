/* test_first_flight.c: when a request with a body takes its connection: whole exchanges in the simulator, between a
 * caller and an origin that both say what the test wants. SPDX-License-Identifier: Apache-2.0 */
#include "front_stage.h"
#include "harness/test.h"

enum { HEARD_MAX = 65536, SAID_MAX = 20000 };

struct flight_stage {
    struct front_stage front;
    struct caller caller;
    struct addr addr;
    struct loop *far_loop;
    struct listener *listener;
    struct task accept_task, far_task;
    struct stream *far; /* the origin's last connection; NULL: there is none */
    unsigned accepted;
    char heard[HEARD_MAX]; /* by the origin, on that connection */
    size_t heard_len;
};

static void run_nothing(struct task *task)
{
    (void)task;
}

static void run_accept(struct task *task)
{
    struct flight_stage *stage = container_of(task, struct flight_stage, accept_task);
    struct stream *stream;
    struct error err;

    while (listener_accept(stage->listener, &stream, &err) == IO_OK) {
        stream_close(stage->far, false);
        stage->far = stream;
        stage->heard_len = 0;
        stage->accepted++;
        stream_set_owner(stream, &stage->far_task, false);
    }
}

static void flight_open(struct flight_stage *stage, const char *upstream, const char *timeout, const char *server)
{
    struct addr any = {.family = ADDR_IPV6, .port = 80};
    struct front_settings settings = {.server = server};
    struct error err;

    *stage = (struct flight_stage){.accept_task.run = run_accept, .far_task.run = run_nothing};
    settings.root = arena_format(test_arena(), "\"timeout\": \"%s\", ", timeout).data;
    settings.endpoints =
        arena_format(test_arena(),
                     "{\"endpoint\": \"/\", \"method\": \"POST\", \"output_encoding\": \"no-op\", \"input_headers\":"
                     " [\"*\"], \"backend\": [{\"host\": [\"http://origin:80\"], \"url_pattern\": \"/\", \"encoding\":"
                     " \"no-op\", \"extra_config\": {\"holdfast/upstream\": {%s}}}]}",
                     upstream)
            .data;
    front_open(&stage->front, &settings);
    stage->far_loop = sim_loop_new(stage->front.sim, "origin");
    stage->listener =
        listener_new(stage->far_loop, &any, &(struct listen_options){.backlog = 8}, &stage->accept_task, &err);
    CHECK(stage->listener != NULL);
    stage->addr = front_listen(&stage->front, 8080);
    caller_open(&stage->caller, &stage->front, stage->addr);
}

static struct host_totals totals_of(const struct flight_stage *stage)
{
    struct host_totals totals;

    host_totals(hosts_at(stage->front.hosts, 0), &totals);
    return totals;
}

static void pass(struct flight_stage *stage, uint64_t ms)
{
    front_run(&stage->front, ms * SIM_MS);
}

static void flight_close(struct flight_stage *stage)
{
    caller_close(&stage->caller);
    pass(stage, 100);
    CHECK_EQ(totals_of(stage).active, 0);
    CHECK_EQ(stage->front.frontend->counts.exchanges, 0);
    stream_close(stage->far, false);
    listener_free(stage->listener);
    task_forget(stage->far_loop, &stage->accept_task);
    task_forget(stage->far_loop, &stage->far_task);
    sim_loop_free(stage->front.sim, stage->far_loop);
    front_close(&stage->front);
}

static bool far_has_heard(struct flight_stage *stage, const char *text)
{
    struct iovec part = {stage->heard + stage->heard_len, HEARD_MAX - stage->heard_len};
    struct error err;
    size_t got;

    while (stage->far && part.iov_len > 0 && stream_readv(stage->far, &part, 1, &got, &err) == IO_OK) {
        stage->heard_len += got;
        part = (struct iovec){stage->heard + stage->heard_len, HEARD_MAX - stage->heard_len};
    }
    return str_find(str_of(stage->heard, stage->heard_len), str_from(text)) < stage->heard_len;
}

static void far_answer(struct flight_stage *stage)
{
    static char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    struct iovec part = {answer, sizeof(answer) - 1};
    struct error err;
    size_t sent;

    CHECK_EQ(stream_writev(stage->far, &part, 1, &sent, &err), IO_OK);
    pass(stage, 50);
}

static void far_close(struct flight_stage *stage)
{
    stream_close(stage->far, false);
    stage->far = NULL;
    pass(stage, 50);
}

#define HALF "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello"

static void check_untouched(const struct flight_stage *stage)
{
    struct host_totals totals = totals_of(stage);

    CHECK_EQ(stage->accepted, 0);
    CHECK_EQ(totals.active + totals.dialing + totals.connections_opened, 0);
    CHECK_EQ(totals.requests_new + totals.requests_reused + totals.failures, 0);
}

TEST(a_small_body_takes_a_connection_when_it_is_whole)
{
    struct flight_stage stage;

    flight_open(&stage, "", "20s", NULL);
    caller_say(&stage.caller, HALF);
    pass(&stage, 3000);
    check_untouched(&stage);
    caller_say(&stage.caller, "worl");
    pass(&stage, 3000);
    check_untouched(&stage);
    caller_say(&stage.caller, "d");
    pass(&stage, 50);
    CHECK(far_has_heard(&stage, "Content-Length: 10\r\n"));
    CHECK(far_has_heard(&stage, "\r\n\r\nhelloworld"));
    CHECK_EQ(totals_of(&stage).active, 1);
    far_answer(&stage);
    CHECK(caller_has_heard(&stage.caller, "HTTP/1.1 200 OK"));
    CHECK_EQ(totals_of(&stage).idle, 1);
    flight_close(&stage);
}

/* W4 of keepalive D.1: nothing was written yet, so nothing has to be sent again. */
TEST(a_kept_connection_that_ends_while_a_client_is_awaited_costs_nothing)
{
    struct flight_stage stage;
    struct host_totals totals;

    flight_open(&stage, "\"resend\": \"off\"", "20s", NULL);
    caller_say(&stage.caller, HALF "world");
    pass(&stage, 50);
    far_answer(&stage);
    caller_say(&stage.caller, HALF);
    pass(&stage, 50);
    CHECK_EQ(totals_of(&stage).idle, 1);
    CHECK_EQ(totals_of(&stage).active, 0);
    far_close(&stage);
    CHECK_EQ(totals_of(&stage).idle, 0);
    caller_say(&stage.caller, "again");
    pass(&stage, 50);
    CHECK(far_has_heard(&stage, "\r\n\r\nhelloagain"));
    far_answer(&stage);
    totals = totals_of(&stage);
    CHECK_EQ(stage.accepted, 2);
    CHECK_EQ(totals.requests_new, 2);
    CHECK_EQ(totals.resends + totals.failures, 0);
    for (size_t i = 0; i < STALE_PHASES; i++)
        CHECK_EQ(totals.stale_in_use[i], 0);
    flight_close(&stage);
}

#define LONG "Content-Length: 100000"

/* What a client says behind its head, and whether that takes a connection: at once, or after 300 ms of silence. */
static const struct {
    const char *upstream, *framing, *body;
    unsigned letters; /* behind `body` */
    bool at_once, later;
} rows[] = {
    {"", "Content-Length: 16384", "", 16383, false, false},
    {"", "Content-Length: 16384", "", 16384, true, true},
    {"", "Content-Length: 16385", "", 16383, false, true},
    {"", "Content-Length: 16385", "", 16384, true, true},
    {"", LONG, "", 0, false, true},
    {"", LONG, "", 19000, true, true},
    {"", "Transfer-Encoding: chunked", "", 0, false, true},
    {"", "Transfer-Encoding: chunked", "5\r\nhello\r\n", 0, false, true},
    {"", "Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n", 0, true, true},
    {"", "Transfer-Encoding: chunked", "0\r\nX-Sum: 1\r\n\r\n", 0, true, true},
    {"", "Transfer-Encoding: chunked", "10000\r\n", 16383, false, true},
    {"", "Transfer-Encoding: chunked", "10000\r\n", 16384, true, true},
    {"", "Content-Length: 5\r\nExpect: 100-continue", "", 4, false, false},
    {"", "Content-Length: 5\r\nExpect: 100-continue", "", 5, true, true},
    {"", LONG "\r\nExpect: 100-continue", "", 0, false, true},
    {"\"first_flight\": 0", "Content-Length: 5\r\nExpect: 100-continue", "", 0, true, true},
    {"\"first_flight\": 100", "Content-Length: 100", "", 99, false, false},
    {"\"first_flight\": 100", "Content-Length: 101", "", 99, false, true},
    {"\"first_flight\": 100", "Content-Length: 101", "", 100, true, true},
    {"\"first_flight\": 0", "Content-Length: 5", "", 0, true, true},
    {"\"first_flight\": 0", LONG, "", 0, true, true},
    {"\"first_flight\": 0", "Transfer-Encoding: chunked", "", 0, true, true},
    {"\"first_flight_timeout\": \"0s\"", "Content-Length: 5", "", 4, false, false},
    {"\"first_flight_timeout\": \"0s\"", LONG, "", 0, true, true},
    {"\"first_flight_timeout\": \"0s\"", "Transfer-Encoding: chunked", "", 0, true, true},
    {"\"first_flight_timeout\": \"1s\"", LONG, "", 0, false, false},
    {"\"class\": \"stream\"", "Content-Length: 5", "", 4, false, false},
    {"\"class\": \"stream\"", LONG, "", 0, true, true},
    {"\"class\": \"stream\"", "Transfer-Encoding: chunked", "", 0, true, true},
};

TEST(what_is_longer_takes_a_connection_with_its_first_flight_or_soon)
{
    static char letters[SAID_MAX];

    memset(letters, 'x', sizeof(letters) - 1);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct flight_stage stage;

        test_case_is("row %zu: {%s} %s, \"%s\" and %u letters", i, rows[i].upstream, rows[i].framing, rows[i].body,
                     rows[i].letters);
        CHECK(rows[i].letters < sizeof(letters));
        flight_open(&stage, rows[i].upstream, "20s", NULL);
        caller_say(&stage.caller, arena_format(test_arena(), "POST / HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n%s%.*s",
                                               rows[i].framing, rows[i].body, (int)rows[i].letters, letters)
                                      .data);
        pass(&stage, 50);
        CHECK_EQ(stage.accepted, rows[i].at_once);
        CHECK_EQ(totals_of(&stage).active, rows[i].at_once);
        pass(&stage, 300);
        CHECK_EQ(stage.accepted, rows[i].later);
        CHECK_EQ(totals_of(&stage).active, rows[i].later);
        if (rows[i].later)
            CHECK(far_has_heard(&stage, "\r\n\r\n"));
        far_close(&stage);
        flight_close(&stage);
    }
}

/* By default nobody asks the host (expect_continue_timeout 0): the client hears it from us. */
TEST(who_waits_for_100_is_told_before_a_connection_is_taken)
{
    static const struct {
        const char *timeout;
        bool asks_host;
    } cases[] = {{"20s", false}, {"20s\", \"expect_continue_timeout\": \"5s", true}};

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct flight_stage stage;

        test_case_is("%s", cases[i].timeout);
        flight_open(&stage, "", cases[i].timeout, NULL);
        caller_say(&stage.caller, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
        pass(&stage, 1000);
        CHECK_EQ(stage.accepted, cases[i].asks_host);
        CHECK_EQ(caller_has_heard(&stage.caller, "HTTP/1.1 100 Continue\r\n"), !cases[i].asks_host);
        caller_say(&stage.caller, "hello");
        pass(&stage, 6000);
        CHECK(far_has_heard(&stage, "\r\n\r\nhello"));
        CHECK(far_has_heard(&stage, "xpect: 100-continue\r\n"));
        far_answer(&stage);
        CHECK(caller_has_heard(&stage.caller, "HTTP/1.1 200 OK"));
        flight_close(&stage);
    }
}

/* Everything that was said while it was awaited comes through, in its order, with what stands behind it. */
TEST(what_was_awaited_comes_through_whole)
{
    static const char *const pieces[] = {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
                                         "3\r\nabc\r\n", "3\r\ndef\r\n", "0\r\nX-Sum: 1\r\n\r\n"};
    static const uint64_t pauses_ms[] = {5, 90, 250};

    for (size_t i = 0; i < COUNT_OF(pauses_ms); i++) {
        struct flight_stage stage;
        struct str heard;

        test_case_is("pauses of %u ms", (unsigned)pauses_ms[i]);
        flight_open(&stage, "", "20s", NULL);
        for (size_t piece = 0; piece < COUNT_OF(pieces); piece++) {
            caller_say(&stage.caller, pieces[piece]);
            pass(&stage, pauses_ms[i]);
        }
        pass(&stage, 50);
        CHECK_EQ(stage.accepted, 1);
        CHECK(far_has_heard(&stage, "0\r\nX-Sum: 1\r\n\r\n"));
        heard = str_of(stage.heard, stage.heard_len);
        CHECK(str_find(heard, STR("abc")) < str_find(heard, STR("def")));
        far_answer(&stage);
        CHECK(caller_has_heard(&stage.caller, "HTTP/1.1 200 OK"));
        flight_close(&stage);
    }
}

TEST(a_client_that_leaves_before_its_body_is_here_has_used_nothing)
{
    struct flight_stage stage;

    flight_open(&stage, "", "20s", NULL);
    caller_say(&stage.caller, HALF);
    pass(&stage, 50);
    CHECK_EQ(stage.front.frontend->counts.exchanges, 1);
    caller_close(&stage.caller);
    pass(&stage, 50);
    CHECK_EQ(stage.front.frontend->counts.exchanges, 0);
    CHECK_EQ(stage.front.frontend->counts.requests, 1);
    check_untouched(&stage);
    caller_open(&stage.caller, &stage.front, stage.addr);
    flight_close(&stage);
}

/* The clocks of client and endpoint go on meanwhile, and none of them tells anything of the host. */
TEST(clocks_go_on_while_a_body_is_awaited)
{
    static const struct {
        const char *timeout, *server, *said, *answer;
    } clocks[] = {
        {"20s", "\"body_gap_timeout\": \"300ms\"", HALF, "HTTP/1.1 408 "},
        {"700ms", "", HALF, "HTTP/1.1 500 "},
        {"700ms", "\"error_status\": \"precise\"", HALF, "HTTP/1.1 504 "},
        {"100ms", "\"error_status\": \"precise\"", "POST / HTTP/1.1\r\nHost: a\r\n" LONG "\r\n\r\nhello",
         "HTTP/1.1 504 "},
        {"20s", "\"max_body_bytes\": 4", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello",
         "HTTP/1.1 413 "},
    };

    for (size_t i = 0; i < COUNT_OF(clocks); i++) {
        struct flight_stage stage;

        test_case_is("row %zu", i);
        flight_open(&stage, "", clocks[i].timeout, clocks[i].server);
        caller_say(&stage.caller, clocks[i].said);
        pass(&stage, 2000);
        CHECK(caller_has_heard(&stage.caller, clocks[i].answer));
        check_untouched(&stage);
        flight_close(&stage);
    }
}
