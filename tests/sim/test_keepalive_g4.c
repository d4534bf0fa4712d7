/* test_keepalive_g4.c: items of the test matrix for idle, close and race (G.4) that need a hand on the network or on
 * the clock: one pool, one fetch at a time, and an origin whose every byte the test says, in the simulated world. The
 * others are in tests/integration/test_keepalive_g4.py. SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "pool_stage.h"

enum { HEARD_MAX = 4096 };

struct g4 {
    struct pool_stage stage;
    struct task far_task, waiter, late;
    struct stream *far; /* the connection that came last; NULL: it was ended */
    unsigned accepted, heads;
    bool answers; /* every head, at once */
    char heard[HEARD_MAX];
    size_t heard_len;
    struct http_head head;
    struct fetch *fetch;
    struct http_head *answer;
    enum io io; /* of the fetch: IO_WAIT until its answer is complete, or has failed */
    struct error err;
};

/* Counts the heads that come, and answers them. */
static void run_far(struct task *task)
{
    struct g4 *g4 = container_of(task, struct g4, far_task);
    struct iovec part;
    struct error err;
    size_t got;

    if (!g4->far)
        return;
    part = (struct iovec){g4->heard + g4->heard_len, HEARD_MAX - g4->heard_len};
    while (part.iov_len > 0 && stream_readv(g4->far, &part, 1, &got, &err) == IO_OK) {
        g4->heard_len += got;
        part = (struct iovec){g4->heard + g4->heard_len, HEARD_MAX - g4->heard_len};
    }
    if (str_find(str_of(g4->heard, g4->heard_len), STR("\r\n\r\n")) == g4->heard_len)
        return;
    g4->heads++;
    g4->heard_len = 0;
    if (g4->answers)
        CHECK(pool_stage_answer(g4->far));
}

static void run_accept(struct task *task)
{
    struct g4 *g4 = container_of(task, struct g4, stage.accept_task);
    struct stream *stream;
    struct error err;

    while (listener_accept(g4->stage.listener, &stream, &err) == IO_OK) {
        stream_close(g4->far, false);
        g4->far = stream;
        g4->heard_len = 0;
        g4->accepted++;
        stream_set_owner(stream, &g4->far_task, false);
        task_wake(g4->stage.origin, &g4->far_task);
    }
}

/* As an exchange does it. */
static void run_fetch(struct task *task)
{
    struct g4 *g4 = container_of(task, struct g4, waiter);
    struct chain body = {NULL, NULL, 0};

    if (!g4->fetch || g4->io != IO_WAIT)
        return;
    if (!g4->answer)
        g4->io = fetch_head(g4->fetch, test_arena(), &g4->answer, &g4->err);
    while (g4->answer && (g4->io = fetch_body(g4->fetch, &body, SIZE_MAX, &g4->err)) == IO_OK)
        continue;
    chain_clear(&body);
}

static void ask(struct g4 *g4, const char *method)
{
    struct fetch_options options = {
        .pool = g4->stage.pool, .host = g4->stage.host, .transport = &g4->stage.transport, .head = &g4->head};

    fetch_end(g4->fetch, HTTP_CANCEL_GONE);
    g4->head = pool_stage_head(&g4->stage, str_from(method), STR("/x"));
    g4->answer = NULL;
    g4->io = IO_WAIT;
    g4->fetch = fetch_start(test_arena(), &options, &g4->waiter);
    CHECK(g4->fetch != NULL);
    run_fetch(&g4->waiter);
}

static void run_late(struct task *task)
{
    ask(container_of(task, struct g4, late), "GET");
}

static void g4_open(struct g4 *g4, uint64_t delay_ns)
{
    *g4 = (struct g4){.answers = true};
    g4->far_task.run = run_far;
    g4->waiter.run = run_fetch;
    g4->late.run = run_late;
    pool_stage_open(&g4->stage, 4, run_accept);
    sim_link(g4->stage.sim, "gateway", "origin", (struct sim_link){.delay_ns = delay_ns});
}

static struct host_totals totals_of(const struct g4 *g4)
{
    return pool_stage_totals(&g4->stage);
}

static void pass(struct g4 *g4, uint64_t duration_ns)
{
    (void)sim_run(g4->stage.sim, NULL, NULL, duration_ns);
}

static void g4_close(struct g4 *g4)
{
    fetch_end(g4->fetch, HTTP_CANCEL_GONE);
    pool_stage_end_pool(&g4->stage);
    stream_close(g4->far, false);
    task_forget(g4->stage.gateway, &g4->waiter);
    task_forget(g4->stage.gateway, &g4->late);
    task_forget(g4->stage.origin, &g4->far_task);
    pool_stage_close(&g4->stage);
}

/* A GET that is answered; its connection is kept, and idles for not quite half a second. */
static void keep_one(struct g4 *g4)
{
    ask(g4, "GET");
    pass(g4, SIM_SECOND / 2);
    CHECK_EQ(g4->io, IO_END);
    CHECK_EQ(totals_of(g4).idle, 1);
}

static uint64_t closes_by(const struct g4 *g4, enum reason reason)
{
    struct host_totals totals = totals_of(g4);

    return totals.closes_by[reason][SIDE_OURS] + totals.closes_by[reason][SIDE_PEER];
}

/* The FIN comes when the loop has its batch already, and before the write. */
static void run_ambush(struct task *task)
{
    struct g4 *g4 = container_of(task, struct g4, late);

    stream_close(g4->far, false);
    g4->far = NULL;
    sim_pass(g4->stage.sim, SIM_MS);
    ask(g4, "POST");
}

/* Nothing that has left is sent again. */
static const struct resend_budget_rule no_budget = {.window_s = 1};

TEST(g4_71_a_close_between_the_batch_and_the_write_is_found_by_the_look)
{
    struct g4 g4;

    g4_open(&g4, SIM_MS / 10);
    g4.stage.transport.resend_budget = no_budget; /* another connection is no re-send */
    keep_one(&g4);
    g4.late.run = run_ambush;
    task_wake(g4.stage.gateway, &g4.late);
    pass(&g4, 100 * SIM_MS);
    CHECK_EQ(g4.io, IO_END);
    CHECK_EQ(g4.accepted, 2);
    CHECK_EQ(g4.heads, 2);
    CHECK_EQ(totals_of(&g4).resends, 0);
    CHECK_EQ(totals_of(&g4).stale, 1);
    CHECK_EQ(totals_of(&g4).requests_new, 2);
    CHECK_EQ(totals_of(&g4).new_by[REASON_STALE_AT_CHECK] + totals_of(&g4).new_by[REASON_PEER_CLOSE_IDLE], 1);
    g4_close(&g4);
}

/* Case A of D.4: the origin has closed for good, and its FIN crosses the POST. */
static void check_crossing(enum resend_policy policy, bool again, const struct resend_budget_rule *budget)
{
    struct g4 g4;

    g4_open(&g4, 20 * SIM_MS);
    g4.stage.transport.resend = policy;
    g4.stage.transport.resend_budget = *budget;
    keep_one(&g4);
    stream_close(g4.far, false);
    g4.far = NULL;
    pass(&g4, SIM_MS);
    ask(&g4, "POST");
    CHECK(fetch_stats(g4.fetch)->reused);
    pass(&g4, 2 * SIM_SECOND);
    CHECK_EQ(g4.io, again ? IO_END : IO_FAIL);
    CHECK_EQ(g4.heads, 1 + again);
    CHECK_EQ(g4.accepted, 1 + again);
    CHECK_EQ(totals_of(&g4).resends_by[RESEND_UNREAD], again);
    CHECK_EQ(totals_of(&g4).resend_ends[RESEND_UNREAD][RESEND_ANSWERED], again);
    CHECK_EQ(totals_of(&g4).stale_in_use[STALE_BY_EOF], 1);
    CHECK_EQ(fetch_stats(g4.fetch)->reason == REASON_RESEND, again);
    g4_close(&g4);
}

TEST(g4_74_an_unread_post_is_sent_again_under_unacked_alone)
{
    static const struct resend_budget_rule any = {0};

    test_case_is("unacked");
    check_crossing(RESEND_UNACKED, true, &any);
    test_case_is("idempotent");
    check_crossing(RESEND_REPEATABLE, false, &any);
    test_case_is("off");
    check_crossing(RESEND_OFF, false, &any);
    test_case_is("unacked, but there is no budget");
    check_crossing(RESEND_UNACKED, false, &no_budget);
}

/* Learns 5 s of closes that this pool did not see. */
static uint64_t learn_five_seconds(struct g4 *g4)
{
    struct idle_limit_view view;

    for (unsigned i = 0; i < 40; i++)
        idle_limit_survived(g4->stage.host->idle_limit, &(struct idle_end){.idle_ns = 4500 * SIM_MS, .requests = 1});
    for (unsigned i = 1; i <= 5; i++)
        (void)idle_limit_closed(g4->stage.host->idle_limit, &(struct idle_end){.now_ns = i * 100 * SIM_SECOND,
                                                                               .idle_ns = 5 * SIM_SECOND,
                                                                               .age_ns = i * 10 * SIM_SECOND,
                                                                               .requests = i,
                                                                               .idle_conns = 100});
    idle_limit_view(g4->stage.host->idle_limit, &view);
    CHECK_EQ(view.learned_ns, 5 * SIM_SECOND);
    return view.learned_ns - view.margin_ns;
}

static void check_age(uint64_t off_ns, bool early)
{
    struct g4 g4;
    uint64_t limit_ns;

    g4_open(&g4, 0);
    limit_ns = learn_five_seconds(&g4);
    keep_one(&g4);
    pass(&g4, limit_ns - SIM_SECOND / 2 + (early ? -off_ns : off_ns));
    ask(&g4, "GET");
    pass(&g4, SIM_SECOND);
    CHECK_EQ(g4.io, IO_END);
    CHECK_EQ(fetch_stats(g4.fetch)->reused, early);
    CHECK_EQ(g4.accepted, early ? 1 : 2);
    CHECK_EQ(totals_of(&g4).new_by[REASON_LEARNED_EXPIRED], !early);
    g4_close(&g4);
}

TEST(g4_88_a_connection_is_used_a_millisecond_before_its_learned_limit_and_not_behind_it)
{
    test_case_is("below");
    check_age(SIM_MS, true);
    test_case_is("above");
    check_age(SIM_MS, false);
}

/* The machine sleeps: no turn of any loop for ten minutes, and then the request is the first thing that happens. The
 * origin has heard nothing either, so that nothing but the clock tells. */
TEST(g4_90_what_expired_while_the_machine_slept_is_dropped_before_use)
{
    static const int64_t limits_ns[] = {0, 90 * (int64_t)SIM_SECOND};

    for (size_t i = 0; i < COUNT_OF(limits_ns); i++) {
        struct g4 g4;

        test_case_is("limit %lld", (long long)limits_ns[i]);
        g4_open(&g4, SIM_MS);
        g4.stage.transport.idle_connection_timeout_ns = limits_ns[i];
        keep_one(&g4);
        sim_pass(g4.stage.sim, 600 * SIM_SECOND);
        task_wake(g4.stage.gateway, &g4.late);
        pass(&g4, SIM_SECOND);
        CHECK_EQ(g4.io, IO_END);
        CHECK(!fetch_stats(g4.fetch)->reused);
        CHECK_EQ(g4.accepted, 2);
        CHECK_EQ(closes_by(&g4, REASON_IDLE_EXPIRED) + totals_of(&g4).new_by[REASON_LEARNED_EXPIRED], 1);
        g4_close(&g4);
    }
}

/* A dial that nobody needs any more. */
static void keep_a_dial(struct g4 *g4)
{
    struct connecting *dial;

    demand_miss(g4->stage.host, loop_now_ns(g4->stage.gateway)); /* the request that it was made for */
    CHECK(gate_enter(g4->stage.host, 0));
    dial = pool_dial(g4->stage.pool, g4->stage.host, &g4->stage.transport, STR_EMPTY, &g4->waiter);
    CHECK(dial != NULL);
    pool_keep_dial(g4->stage.pool, g4->stage.host, &g4->stage.transport, dial);
}

/* Over a link on which connecting takes longer than the idle limit. */
TEST(g4_91_a_connection_nobody_used_idles_from_when_it_came_to_the_pool)
{
    struct g4 g4;
    struct pool_row row;

    g4_open(&g4, 400 * SIM_MS);
    g4.stage.transport.idle_connection_timeout_ns = 500 * (int64_t)SIM_MS;
    keep_a_dial(&g4);
    pass(&g4, 799 * SIM_MS);
    CHECK_EQ(totals_of(&g4).idle, 0);
    pass(&g4, 401 * SIM_MS);
    CHECK_EQ(pool_list(g4.stage.pool, 0, &row, 1), 1);
    CHECK(row.warm);
    CHECK(row.idle_ns <= 400 * SIM_MS);
    pass(&g4, 90 * SIM_MS);
    CHECK_EQ(totals_of(&g4).idle, 1);
    pass(&g4, 20 * SIM_MS);
    CHECK_EQ(totals_of(&g4).idle, 0);
    CHECK_EQ(closes_by(&g4, REASON_IDLE_EXPIRED), 1);
    g4_close(&g4);
}

/* A host of a short limit: half of it is for what must not be sent twice. The host has counted for no longer than the
 * connection was being made. */
TEST(a_connection_nobody_used_is_as_old_as_its_dial_at_most)
{
    static const struct {
        uint64_t waits_ns;
        bool reused;
    } rows[] = {{2 * SIM_MS, true}, {8 * SIM_MS, true}, {12 * SIM_MS, false}};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct g4 g4;

        test_case_is("%llu ms", (unsigned long long)(rows[i].waits_ns / SIM_MS));
        g4_open(&g4, SIM_MS / 10);
        for (unsigned n = 1; n <= 20; n++)
            (void)idle_limit_closed(g4.stage.host->idle_limit, &(struct idle_end){.now_ns = n * SIM_SECOND,
                                                                                  .idle_ns = 20 * SIM_MS,
                                                                                  .age_ns = n * SIM_SECOND,
                                                                                  .requests = 1,
                                                                                  .idle_conns = 100});
        keep_a_dial(&g4);
        pass(&g4, rows[i].waits_ns);
        CHECK_EQ(totals_of(&g4).idle, 1);
        ask(&g4, "POST");
        pass(&g4, 100 * SIM_MS);
        CHECK_EQ(g4.io, IO_END);
        CHECK_EQ(fetch_stats(g4.fetch)->reused, rows[i].reused);
        g4_close(&g4);
    }
}
