/* test_whatif.c: the table foretells what pools of every cap and timeout would have done: each is played through.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/rng.h"
#include "harness/test.h"
#include "upstream/whatif.h"

#include <stdlib.h>

#define MS  UINT64_C(1000000)
#define SEC (1000 * MS)

enum { EVENTS = 4000, BUSY_MAX = 300 };

/* A recorded trace: requests come and their connections return. */
struct event {
    uint64_t at_ns;
    bool comes;
};

static struct event *trace_new(uint64_t seed)
{
    struct event *trace = calloc(EVENTS, sizeof(*trace));
    struct rng rng;
    uint64_t now_ns = SEC;
    unsigned busy = 0;

    rng_init(&rng, seed);
    for (int i = 0; i < EVENTS; i++) {
        /* Bursts of up to BUSY_MAX, and pauses up to half a minute. */
        uint64_t scale = rng_below(&rng, 20) == 0 ? 30000 : rng_below(&rng, 4) == 0 ? 700 : 4;
        unsigned level = (unsigned)(i / 200 % 5) * (BUSY_MAX / 5) + 10;

        now_ns += rng_below(&rng, scale * MS) + 1;
        trace[i].at_ns = now_ns;
        trace[i].comes = busy == 0 || (busy < level && rng_below(&rng, 100) < 55);
        busy = trace[i].comes ? busy + 1 : busy - 1;
    }
    return trace;
}

/* A pool with that cap and timeout: the last used first; what is too many, or too old, goes at the bottom. */
static uint64_t play(const struct event *trace, uint32_t cap, uint64_t timeout_ns, uint64_t *requests)
{
    uint64_t idle_since[EVENTS], reused = 0;
    uint32_t first = 0, count = 0;

    *requests = 0;
    for (int i = 0; i < EVENTS; i++) {
        while (count > 0 && trace[i].at_ns - idle_since[first] > timeout_ns) {
            first++;
            count--;
        }
        if (trace[i].comes) {
            ++*requests;
            reused += count > 0;
            count -= count > 0;
            continue;
        }
        if (count == 0)
            first = 0;
        idle_since[first + count++] = trace[i].at_ns;
        if (count > cap) {
            first++;
            count--;
        }
    }
    return reused;
}

static struct whatif_view *foretell(const struct event *trace, uint64_t host_limit_ns)
{
    struct whatif *model = calloc(1, sizeof(*model));
    struct whatif_view *view = calloc(1, sizeof(*view));

    for (int i = 0; i < EVENTS; i++)
        if (trace[i].comes)
            whatif_take(model, trace[i].at_ns, 1, 1);
        else
            whatif_push(model, trace[i].at_ns);
    whatif_add(model, view);
    whatif_settle(view, host_limit_ns);
    whatif_free(model);
    free(model);
    return view;
}

TEST(every_cap_and_timeout_is_foretold_exactly)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct event *trace = trace_new(seed);
        struct whatif_view *view = foretell(trace, 0);
        uint64_t requests;

        for (unsigned cap = 0; cap < WHATIF_CAPS; cap++)
            for (unsigned time = 0; time < WHATIF_TIMES; time += 3)
                CHECK_EQ(view->table[cap][time], play(trace, whatif_cap(cap), whatif_time_ns(time), &requests));
        CHECK_EQ(view->requests, requests);
        CHECK(view->table[0][10] < view->table[20][10]); /* the trace tells them apart */
        CHECK(view->table[20][10] < view->table[20][40]);
        free(view);
        free(trace);
    }
}

TEST(a_timeout_beyond_the_hosts_gains_nothing)
{
    struct event *trace = trace_new(7);
    struct whatif_view *view = foretell(trace, 5 * SEC);
    struct whatif_view *all = foretell(trace, 0);

    for (unsigned time = 0; time < WHATIF_TIMES; time++)
        if (whatif_time_ns(time) <= 5 * SEC)
            CHECK_EQ(view->table[31][time], all->table[31][time]);
        else
            CHECK_EQ(view->table[31][time], view->table[31][time - 1]);
    free(all);
    free(view);
    free(trace);
}

TEST(what_the_host_closed_is_not_there)
{
    struct whatif model = {0};
    struct whatif_view view = {0};

    for (uint64_t i = 1; i <= 4; i++)
        whatif_push(&model, i * SEC);
    whatif_remove(&model, 2 * SEC);
    whatif_remove(&model, 9 * SEC); /* never was */
    for (int i = 0; i < 4; i++)
        whatif_take(&model, 5 * SEC, 1, 1);
    whatif_add(&model, &view);
    whatif_settle(&view, 0);
    CHECK_EQ(view.requests, 4);
    CHECK_EQ(view.table[WHATIF_CAPS - 1][WHATIF_TIMES - 1], 3);
    CHECK_EQ(view.table[0][WHATIF_TIMES - 1], 1);
    whatif_free(&model);
}

TEST(one_that_comes_from_elsewhere_stands_where_its_idle_time_says)
{
    struct whatif model = {0};
    struct whatif_view view = {0};

    whatif_push(&model, 10 * SEC);
    whatif_push(&model, 12 * SEC);
    whatif_push(&model, 11 * SEC);
    whatif_take(&model, 13 * SEC, 1, 1);
    whatif_add(&model, &view);
    whatif_settle(&view, 0);
    CHECK_EQ(view.table[WHATIF_CAPS - 1][18], 1); /* idle for 1 s */
    CHECK_EQ(view.table[WHATIF_CAPS - 1][17], 0);
    whatif_free(&model);
}

/* As most are where there are many hosts. */
TEST(a_host_with_one_connection_takes_no_memory_besides)
{
    struct whatif model = {0};
    struct whatif_view view = {0};

    for (uint64_t i = 1; i <= 3; i++) {
        whatif_push(&model, i * SEC);
        whatif_take(&model, i * SEC + 10 * MS, 1, 1);
    }
    CHECK(!model.stack);
    CHECK(!atomic_load(&model.rows));
    whatif_push(&model, 4 * SEC);
    whatif_push(&model, 5 * SEC);
    whatif_take(&model, 6 * SEC, 1, 1);
    whatif_take(&model, 6 * SEC, 1, 1); /* one stood on it */
    CHECK(model.stack);
    CHECK(atomic_load(&model.rows));
    whatif_add(&model, &view);
    CHECK_EQ(view.requests, 5);
    CHECK_EQ(view.table[0][5], 3);  /* 10 ms */
    CHECK_EQ(view.table[0][18], 1); /* 1 s */
    CHECK_EQ(view.table[1][20], 1); /* 2 s, and 2 deep */
    whatif_free(&model);
}

TEST(memory_is_bounded_and_the_deepest_go)
{
    struct whatif model = {0};
    struct whatif_view view = {0};

    for (uint64_t i = 1; i <= 3 * WHATIF_STACK_MAX; i++)
        whatif_push(&model, i * MS);
    CHECK_EQ(model.room, WHATIF_STACK_MAX);
    for (int i = 0; i < WHATIF_STACK_MAX + 5; i++)
        whatif_take(&model, 4 * SEC, 1, 1);
    whatif_add(&model, &view);
    whatif_settle(&view, 0);
    CHECK_EQ(view.requests, WHATIF_STACK_MAX + 5);
    CHECK_EQ(view.table[WHATIF_CAPS - 1][WHATIF_TIMES - 1], WHATIF_STACK_MAX);
    whatif_free(&model);
}

TEST(old_traffic_fades)
{
    struct whatif model = {0};
    struct whatif_view view = {0};

    for (uint32_t i = 0; i < WHATIF_HALVE - 1; i++)
        whatif_miss(&model);
    whatif_push(&model, SEC);
    whatif_take(&model, SEC, 1, 1);
    whatif_add(&model, &view);
    CHECK_EQ(view.requests, WHATIF_HALVE / 2);
    whatif_free(&model);
}

TEST(workers_share_the_depth)
{
    struct whatif model = {0};
    struct whatif_view view = {0};

    whatif_push(&model, SEC);
    whatif_push(&model, 2 * SEC);
    whatif_take(&model, 3 * SEC, 8, 2); /* the top: nothing stands on it anywhere */
    whatif_take(&model, 3 * SEC, 8, 2); /* one stood on it here: four in all */
    whatif_add(&model, &view);
    whatif_settle(&view, 0);
    CHECK_EQ(view.table[0][WHATIF_TIMES - 1], 1);
    CHECK_EQ(view.table[3][WHATIF_TIMES - 1], 1);
    CHECK_EQ(view.table[4][WHATIF_TIMES - 1], 2);
    whatif_free(&model);
}
