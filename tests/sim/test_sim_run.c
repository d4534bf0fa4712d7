/* test_sim_run.c: many loops, one clock: who is turned when, and when a run ends. SPDX-License-Identifier: Apache-2.0
 */
#include "harness/test.h"
#include "net/resolve.h"
#include "sim/sim.h"

/* A task with a timer that sets itself again. */
struct ticker {
    struct loop *loop;
    struct task task;
    struct timer timer;
    uint64_t every_ns;
    unsigned ticks;
    uint64_t last_ns;
};

static void tick(struct task *task)
{
    struct ticker *ticker = container_of(task, struct ticker, task);

    if (!ticker->timer.fired)
        return;
    ticker->ticks++;
    ticker->last_ns = loop_now_ns(ticker->loop);
    timer_set(ticker->loop, &ticker->timer, ticker->last_ns + ticker->every_ns);
}

static void ticker_start(struct ticker *ticker, struct loop *loop, uint64_t every_ns)
{
    *ticker = (struct ticker){.loop = loop, .task.run = tick, .every_ns = every_ns};
    ticker->timer.task = &ticker->task;
    timer_set(loop, &ticker->timer, loop_now_ns(loop) + every_ns);
}

static void ticker_stop(struct ticker *ticker)
{
    timer_clear(ticker->loop, &ticker->timer);
    task_forget(ticker->loop, &ticker->task);
}

static bool has_ticked_ten_times(void *arg)
{
    return ((const struct ticker *)arg)->ticks >= 10;
}

TEST(machines_are_very_young_or_very_old)
{
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct sim *sim = sim_new(seed);

        CHECK_EQ(sim_now_ns(sim) < SIM_SECOND, seed % 2 == 1);
        sim_free(sim);
    }
}

TEST(sim_run_moves_the_clock_from_timer_to_timer)
{
    struct sim *sim = sim_new(1);
    struct loop *slow_loop = sim_loop_new(sim, "a"), *fast_loop = sim_loop_new(sim, "b");
    struct ticker slow, fast;
    uint64_t start_ns = sim_now_ns(sim);

    ticker_start(&slow, slow_loop, 70 * SIM_MS);
    ticker_start(&fast, fast_loop, 10 * SIM_MS);
    CHECK(sim_run(sim, has_ticked_ten_times, &slow, 10 * SIM_SECOND));
    CHECK_CSTR(sim_verdict(sim), "done");
    CHECK_EQ((sim_now_ns(sim) - start_ns) / (10 * SIM_MS), 70);
    CHECK(fast.ticks >= 69);
    CHECK(fast.ticks <= 71);
    ticker_stop(&slow);
    ticker_stop(&fast);
    sim_loop_free(sim, slow_loop);
    sim_loop_free(sim, fast_loop);
    sim_free(sim);
}

static bool never(void *arg)
{
    (void)arg;
    return false;
}

TEST(sim_run_knows_when_it_is_stuck_and_when_time_is_up)
{
    struct sim *sim = sim_new(1);
    struct loop *loop = sim_loop_new(sim, "a");
    struct ticker ticker;
    uint64_t start_ns = sim_now_ns(sim);

    CHECK(!sim_run(sim, never, NULL, SIM_SECOND));
    CHECK_CSTR(sim_verdict(sim), "stuck");
    ticker_start(&ticker, loop, 300 * SIM_MS);
    CHECK(!sim_run(sim, never, NULL, SIM_SECOND));
    CHECK_CSTR(sim_verdict(sim), "out of time");
    CHECK_EQ(ticker.ticks, 3);
    CHECK(sim_now_ns(sim) - start_ns < SIM_SECOND + SIM_MS);
    ticker_stop(&ticker);
    sim_loop_free(sim, loop);
    sim_free(sim);
}

/* What was set up between two runs is seen by the next. */
TEST(sim_run_looks_at_all_loops_anew)
{
    struct sim *sim = sim_new(1);
    struct loop *loop = sim_loop_new(sim, "a");
    struct ticker ticker;

    CHECK(!sim_run(sim, never, NULL, SIM_SECOND));
    ticker_start(&ticker, loop, 0);
    ticker.every_ns = SIM_MS;
    CHECK(sim_run(sim, has_ticked_ten_times, &ticker, SIM_SECOND));
    ticker_stop(&ticker);
    sim_loop_free(sim, loop);
    sim_free(sim);
}

struct counter {
    struct task task;
    struct loop *loop;
    unsigned left;
};

static void wake_again(struct task *task)
{
    struct counter *counter = container_of(task, struct counter, task);

    if (counter->left > 0) {
        counter->left--;
        task_wake(counter->loop, task);
    }
}

static bool is_at_zero(void *arg)
{
    return ((const struct counter *)arg)->left == 0;
}

static void count_check(void *arg)
{
    (*(unsigned *)arg)++;
}

TEST(sim_run_goes_on_while_tasks_wake_themselves)
{
    struct sim *sim = sim_new(1);
    struct loop *loop = sim_loop_new(sim, "a");
    struct counter counter = {.task.run = wake_again, .loop = loop, .left = 30000};
    unsigned checks = 0;

    sim_add_check(sim, count_check, &checks);
    task_wake(loop, &counter.task);
    CHECK(sim_run(sim, is_at_zero, &counter, SIM_SECOND));
    CHECK(checks > 0);
    task_forget(loop, &counter.task);
    sim_loop_free(sim, loop);
    sim_free(sim);
}

/* One loop, turned by hand, moves the clock by itself. */
TEST(sim_loop_can_be_turned_alone)
{
    struct sim *sim = sim_new(1);
    struct loop *loop = sim_loop_new(sim, "a");
    struct ticker ticker;
    uint64_t start_ns = sim_now_ns(sim);

    ticker_start(&ticker, loop, 50 * SIM_MS);
    loop_turn(loop, UINT64_MAX);
    CHECK_EQ(ticker.ticks, 1);
    CHECK_EQ(sim_now_ns(sim) - start_ns, 50 * SIM_MS);
    loop_turn(loop, start_ns + 60 * SIM_MS);
    CHECK_EQ(ticker.ticks, 1);
    CHECK_EQ(sim_now_ns(sim) - start_ns, 60 * SIM_MS);
    ticker_stop(&ticker);
    sim_loop_free(sim, loop);
    sim_free(sim);
}

static bool is_answered(void *arg)
{
    return ((const struct resolve_query *)arg)->done;
}

static bool resolve(struct sim *sim, struct resolver *resolver, const char *name, struct resolve_query *query)
{
    *query = (struct resolve_query){.name = str_from(name)};
    resolve_start(resolver, query);
    return sim_run(sim, is_answered, query, SIM_SECOND);
}

TEST(sim_resolver_knows_machines_and_names)
{
    struct sim *sim = sim_new(1);
    struct loop *loop = sim_loop_new(sim, "a");
    struct resolver *resolver = sim_resolver_new(sim, loop);
    struct resolve_query query;
    struct addr expected = sim_addr(sim, "origin", 0);

    CHECK(resolve(sim, resolver, "origin", &query));
    CHECK_EQ(query.err.fault, FAULT_NONE);
    CHECK_EQ(query.answer.count, 2);
    CHECK(addr_eq(&query.answer.addrs[1], &expected));
    CHECK(resolve(sim, resolver, "gone.example", &query));
    CHECK_EQ(query.err.code, ERROR_RESOLVE_FAILED);
    sim_name(sim, "gone.example", "10.1.1.1 10.1.1.2", 7 * SIM_SECOND);
    CHECK(resolve(sim, resolver, "gone.example", &query));
    CHECK_EQ(query.err.fault, FAULT_NONE);
    CHECK_EQ(query.answer.count, 2);
    CHECK_EQ(query.answer.ttl_ns, 7 * SIM_SECOND);
    sim_name(sim, "gone.example", NULL, 0);
    CHECK(resolve(sim, resolver, "gone.example", &query));
    CHECK_EQ(query.err.code, ERROR_RESOLVE_FAILED);
    sim_fault(sim, NULL, SIM_FAULT_DNS_SILENT, 1000000);
    CHECK(!resolve(sim, resolver, "origin", &query));
    resolve_cancel(resolver, &query);
    resolver_free(resolver);
    sim_loop_free(sim, loop);
    sim_free(sim);
}
