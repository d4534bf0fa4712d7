/* test_whatif_truth.c: what the table of one run foretells against what happens (F-3): one recorded trace of arrivals
 * is played through a real pool and real fetches at each of twelve settings, in the simulated world. The origin takes
 * as long for a request as the trace says. SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "harness/test.h"
#include "pool_stage.h"
#include "upstream/watch.h"

#include <stdlib.h>

enum { ARRIVALS = 4000, CALLERS = 256, HEARD_MAX = 512 };

struct arrival {
    uint64_t at_ns, takes_ns;
};

struct play;

/* A request under way. */
struct caller {
    struct play *play;
    struct task task;
    struct arena *arena; /* NULL: free */
    struct http_head head;
    struct fetch *fetch;
    struct http_head *answer;
};

/* A connection at the origin. */
struct line {
    struct play *play;
    struct stream *stream;
    struct task task;
    struct timer timer;
    char heard[HEARD_MAX];
    size_t len;
};

struct play {
    struct pool_stage stage;
    struct task arrive_task;
    struct timer arrive_timer;
    const struct arrival *trace;
    unsigned arrived, answered, line_count;
    struct caller callers[CALLERS];
    struct line lines[ARRIVALS];
    uint64_t began_ns;
};

/* Lone requests, a steady stream, rushes of up to forty at once; pauses of up to a minute and a half. */
static struct arrival *trace_new(uint64_t seed)
{
    static const struct {
        uint64_t gap_ns, takes_ns;
        unsigned count;
    } phases[] = {{3000 * SIM_MS, 20 * SIM_MS, 6}, {8 * SIM_MS, 60 * SIM_MS, 60},   {SIM_MS / 50, 30 * SIM_MS, 40},
                  {400 * SIM_MS, 80 * SIM_MS, 12}, {25 * SIM_MS, 300 * SIM_MS, 40}, {12000 * SIM_MS, 10 * SIM_MS, 3}};
    struct arrival *trace = calloc(ARRIVALS, sizeof(*trace));
    uint64_t now_ns = SIM_SECOND;
    unsigned phase = 0, left = 0;
    struct rng rng;

    CHECK(trace != NULL);
    rng_init(&rng, seed);
    for (unsigned i = 0; i < ARRIVALS; i++) {
        if (left == 0) {
            phase = (unsigned)rng_below(&rng, COUNT_OF(phases));
            left = 1 + (unsigned)rng_below(&rng, phases[phase].count);
            now_ns += rng_below(&rng, 10) == 0 ? rng_below(&rng, 90 * SIM_SECOND) : rng_below(&rng, 4 * SIM_SECOND);
        }
        left--;
        now_ns += rng_below(&rng, 2 * phases[phase].gap_ns);
        trace[i] = (struct arrival){now_ns, SIM_MS + rng_below(&rng, 2 * phases[phase].takes_ns)};
    }
    return trace;
}

/* "GET /TAKES HTTP/1.1": so many nanoseconds. */
static void hear(struct line *line)
{
    struct str heard = str_of(line->heard, line->len), number;
    uint64_t takes_ns;

    if (str_find(heard, STR("\r\n\r\n")) == heard.len)
        return;
    heard = str_from_offset(heard, str_find_char(heard, '/') + 1);
    number = str_first(heard, str_find_char(heard, ' '));
    CHECK(text_to_u64(number, &takes_ns));
    line->len = 0;
    timer_set(line->play->stage.origin, &line->timer, loop_now_ns(line->play->stage.origin) + takes_ns);
}

static void run_line(struct task *task)
{
    struct line *line = container_of(task, struct line, task);
    enum io io = IO_OK;
    struct error err;

    if (line->timer.fired) {
        timer_clear(line->play->stage.origin, &line->timer);
        CHECK(pool_stage_answer(line->stream));
    }
    while (line->stream && io == IO_OK) {
        struct iovec part = {line->heard + line->len, HEARD_MAX - line->len};
        size_t got = 0;

        io = stream_readv(line->stream, &part, 1, &got, &err);
        line->len += got;
        if (got > 0)
            hear(line);
    }
    if (io == IO_WAIT)
        return;
    stream_close(line->stream, false);
    line->stream = NULL;
}

static void run_accept(struct task *task)
{
    struct play *play = container_of(task, struct play, stage.accept_task);
    struct stream *stream;
    struct error err;

    while (listener_accept(play->stage.listener, &stream, &err) == IO_OK) {
        struct line *line = &play->lines[play->line_count++];

        ASSERT(play->line_count <= ARRIVALS);
        line->play = play;
        line->stream = stream;
        line->task.run = run_line;
        line->timer = (struct timer){.task = &line->task};
        stream_set_owner(stream, &line->task, false);
        task_wake(play->stage.origin, &line->task);
    }
}

static void run_caller(struct task *task)
{
    struct caller *caller = container_of(task, struct caller, task);
    struct chain body = {NULL, NULL, 0};
    enum io io = IO_OK;
    struct error err;

    if (!caller->arena)
        return;
    if (!caller->answer)
        io = fetch_head(caller->fetch, caller->arena, &caller->answer, &err);
    while (io == IO_OK)
        io = fetch_body(caller->fetch, &body, SIZE_MAX, &err);
    chain_clear(&body);
    if (io == IO_WAIT)
        return;
    CHECK_EQ(io, IO_END);
    fetch_end(caller->fetch, HTTP_CANCEL_GONE);
    arena_free(caller->arena);
    caller->arena = NULL;
    caller->play->answered++;
}

static void call(struct play *play, uint64_t takes_ns)
{
    struct caller *caller = play->callers;
    struct fetch_options options = {
        .pool = play->stage.pool, .host = play->stage.host, .transport = &play->stage.transport};

    while (caller->arena) {
        caller++;
        ASSERT(caller < play->callers + CALLERS);
    }
    caller->play = play;
    caller->task.run = run_caller;
    caller->arena = arena_new(NULL, SIZE_MAX);
    caller->answer = NULL;
    caller->head =
        pool_stage_head(&play->stage, STR("GET"), arena_format(caller->arena, "/%llu", (unsigned long long)takes_ns));
    options.head = &caller->head;
    caller->fetch = fetch_start(caller->arena, &options, &caller->task);
    CHECK(caller->fetch != NULL);
    run_caller(&caller->task);
}

static void run_arrive(struct task *task)
{
    struct play *play = container_of(task, struct play, arrive_task);
    uint64_t now_ns = loop_now_ns(play->stage.gateway) - play->began_ns;

    while (play->arrived < ARRIVALS && play->trace[play->arrived].at_ns <= now_ns)
        call(play, play->trace[play->arrived++].takes_ns);
    if (play->arrived < ARRIVALS)
        timer_set(play->stage.gateway, &play->arrive_timer, play->began_ns + play->trace[play->arrived].at_ns);
}

static bool is_over(void *arg)
{
    return ((const struct play *)arg)->answered == ARRIVALS;
}

static void play_open(struct play *play)
{
    pool_stage_open(&play->stage, 3, run_accept);
    play->arrive_task.run = run_arrive;
    play->arrive_timer.task = &play->arrive_task;
    play->began_ns = sim_now_ns(play->stage.sim);
    timer_set(play->stage.gateway, &play->arrive_timer, play->began_ns + play->trace[0].at_ns);
}

static void play_close(struct play *play)
{
    timer_clear(play->stage.gateway, &play->arrive_timer);
    pool_stage_end_pool(&play->stage);
    for (unsigned i = 0; i < play->line_count; i++) {
        stream_close(play->lines[i].stream, false);
        timer_clear(play->stage.origin, &play->lines[i].timer);
        task_forget(play->stage.origin, &play->lines[i].task);
    }
    for (unsigned i = 0; i < CALLERS; i++)
        task_forget(play->stage.gateway, &play->callers[i].task);
    task_forget(play->stage.gateway, &play->arrive_task);
    pool_stage_close(&play->stage);
    free(play);
}

struct setting {
    uint32_t cap;
    uint64_t timeout_ns;
    bool fifo;
};

/* The share of requests that were reused under these settings; `view`: what the run foretells, if wanted. */
static double run_trace(const struct arrival *trace, struct setting setting, struct whatif_view *view)
{
    struct play *play = calloc(1, sizeof(*play));
    struct host_totals totals;

    CHECK(play != NULL);
    play->trace = trace;
    play->stage.transport.max_idle_connections_per_host = setting.cap;
    play->stage.transport.idle_connection_timeout_ns = (int64_t)setting.timeout_ns;
    play->stage.transport.pick_fifo = setting.fifo;
    play_open(play);
    if (!sim_run(play->stage.sim, is_over, play, 100000 * SIM_SECOND))
        test_fail(__FILE__, __LINE__, "%u of %u were answered: %s", play->answered, (unsigned)ARRIVALS,
                  sim_verdict(play->stage.sim));
    host_totals(play->stage.host, &totals);
    CHECK_EQ(totals.requests_reused + totals.requests_new, ARRIVALS);
    if (view) {
        *view = (struct whatif_view){0};
        watch_whatif(play->stage.host, view);
        whatif_settle(view, 0);
        CHECK_EQ(view->requests, ARRIVALS);
    }
    play_close(play);
    return (double)totals.requests_reused / (double)ARRIVALS;
}

static double foretold(const struct whatif_view *view, uint32_t cap, uint64_t timeout_ns)
{
    unsigned i = 0, k = 0;

    while (whatif_cap(i) != cap)
        i++;
    while (whatif_time_ns(k) != timeout_ns)
        k++;
    return (double)view->table[i][k] / (double)view->requests;
}

/* F-3: within one point in a hundred, from a single run, at each of twelve settings; whatever the settings of that run
 * were. */
static void check_settings(const struct arrival *trace, const struct whatif_view *view, double most)
{
    static const uint32_t caps[] = {2, 8, 24, 48};
    static const uint64_t timeouts_ns[] = {500 * SIM_MS, 5 * SIM_SECOND, 60 * SIM_SECOND};
    double least_seen = 1, most_seen = 0;

    for (size_t i = 0; i < COUNT_OF(caps); i++)
        for (size_t k = 0; k < COUNT_OF(timeouts_ns); k++) {
            double told = foretold(view, caps[i], timeouts_ns[k]);
            double real = run_trace(trace, (struct setting){caps[i], timeouts_ns[k], false}, NULL);

            test_case_is("cap %u, timeout %llu ms", caps[i], (unsigned long long)(timeouts_ns[k] / SIM_MS));
            if (told - real > most || real - told > most)
                test_fail(__FILE__, __LINE__, "foretold %.4f, was %.4f", told, real);
            least_seen = real < least_seen ? real : least_seen;
            most_seen = real > most_seen ? real : most_seen;
        }
    CHECK(most_seen - least_seen > 0.2); /* the trace tells the settings apart */
}

TEST(one_run_foretells_the_reuse_ratio_at_twelve_settings)
{
    struct arrival *trace = trace_new(1);
    struct whatif_view view;

    (void)run_trace(trace, (struct setting){250, 3600 * SIM_SECOND, false}, &view);
    check_settings(trace, &view, 0.01);
    free(trace);
}

TEST(a_run_with_tight_settings_foretells_wider_ones)
{
    struct arrival *trace = trace_new(2);
    struct whatif_view view;

    (void)run_trace(trace, (struct setting){8, 5 * SIM_SECOND, false}, &view);
    check_settings(trace, &view, 0.01);
    free(trace);
}

/* Connections that are used by turns, as those of a host with several addresses, or under pick: fifo, are no stack. How
 * many a cap leaves is the same whichever is taken, so that the caps are exact; and whoever takes an older one leaves
 * the younger, so that a timeout costs no more than is foretold. By turns is between the two orders that are played
 * here. */
TEST(another_order_of_use_reuses_no_less_than_is_foretold)
{
    static const uint32_t caps[] = {2, 8, 24, 48};
    static const uint64_t timeouts_ns[] = {500 * SIM_MS, 5 * SIM_SECOND, 7200 * SIM_SECOND};
    struct arrival *trace = trace_new(1);
    struct whatif_view view;
    double most_gained = 0;

    (void)run_trace(trace, (struct setting){250, 3600 * SIM_SECOND, true}, &view);
    for (size_t i = 0; i < COUNT_OF(caps); i++)
        for (size_t k = 0; k < COUNT_OF(timeouts_ns); k++) {
            double told = foretold(&view, caps[i], timeouts_ns[k]);
            double real = run_trace(trace, (struct setting){caps[i], timeouts_ns[k], true}, NULL);
            bool never = k == COUNT_OF(timeouts_ns) - 1;

            test_case_is("cap %u, timeout %llu ms", caps[i], (unsigned long long)(timeouts_ns[k] / SIM_MS));
            if (real < told - 0.01 || (never && real > told + 0.01))
                test_fail(__FILE__, __LINE__, "foretold %.4f, was %.4f", told, real);
            most_gained = real - told > most_gained ? real - told : most_gained;
        }
    CHECK(most_gained > 0.001); /* the order of use matters to this trace */
    free(trace);
}
