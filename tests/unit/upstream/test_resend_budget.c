/* test_resend_budget.c: how much may be sent again in vain: the share, the floor, and which seconds count.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/rng.h"
#include "tests/harness/test.h"
#include "upstream/resend_budget.h"

#include <pthread.h>

#define SECOND UINT64_C(1000000000)
#define START  (1000 * SECOND)
#define PLAIN                                                                                                          \
    {                                                                                                                  \
        5, 3, 10                                                                                                       \
    }

struct play {
    struct resend_budget budget;
    struct resend_budget_rule rule;
    uint64_t requests;
};

static void send_requests(struct play *play, uint64_t count, uint64_t now_ns)
{
    if (resend_budget_is_due(&play->budget, now_ns))
        resend_budget_note(&play->budget, play->requests, now_ns);
    play->requests += count;
}

static void spend(struct play *play, unsigned count, uint64_t now_ns)
{
    for (unsigned i = 0; i < count; i++)
        resend_budget_spend(&play->budget, now_ns);
}

static bool allows(const struct play *play, uint64_t now_ns)
{
    return resend_budget_allows(&play->budget, &play->rule, play->requests, now_ns);
}

/* How many of `wanted` there are. */
static unsigned take(struct play *play, unsigned wanted, uint64_t now_ns)
{
    unsigned taken = 0;

    for (unsigned i = 0; i < wanted; i++)
        taken += resend_budget_take(&play->budget, &play->rule, play->requests, now_ns);
    return taken;
}

/* So many requests in each of the seconds before, then as many re-sends as there may be. */
static const struct {
    const char *name;
    struct resend_budget_rule rule;
    uint64_t requests; /* in each second */
    unsigned seconds;
    unsigned taken; /* of 5000 */
} shares[] = {
    {"no traffic: the floor", PLAIN, 0, 0, 30},
    {"little traffic: the floor", PLAIN, 59, 10, 30},
    {"as much as the floor is worth", PLAIN, 60, 10, 30},
    {"more: the share", PLAIN, 100, 10, 50},
    {"a busy host", PLAIN, 10000, 10, 5000},
    {"a tenth of it", PLAIN, 1000, 10, 500},
    {"only one second of it", PLAIN, 1000, 1, 50},
    {"what was longer ago counts for nothing", PLAIN, 1000, 300, 500},
    {"no floor", {5, 0, 10}, 100, 10, 50},
    {"no floor and no traffic", {5, 0, 10}, 0, 0, 0},
    {"no floor, and less than one in all", {5, 0, 10}, 1, 10, 0},
    {"no share", {0, 3, 10}, 10000, 10, 30},
    {"neither", {0, 0, 10}, 10000, 10, 0},
    {"no budget", {100, 0, 10}, 0, 0, 5000},
    {"no window", {5, 3, 0}, 0, 0, 5000},
    {"the shortest window", {10, 1, 1}, 1000, 20, 100},
    {"the longest window", {5, 1, 30}, 100, 40, 150},
};

TEST(the_budget_is_a_share_of_the_requests_and_no_less_than_the_floor)
{
    for (size_t i = 0; i < COUNT_OF(shares); i++) {
        struct play play = {.rule = shares[i].rule};

        test_case_is("%s", shares[i].name);
        for (unsigned second = shares[i].seconds; second > 0; second--)
            send_requests(&play, shares[i].requests, START - second * SECOND);
        send_requests(&play, 0, START);
        CHECK_EQ(take(&play, 5000, START), shares[i].taken);
        CHECK_EQ(play.budget.spent, shares[i].taken);
    }
}

/* One was spent then: is there another? The floor is one. */
static const struct {
    const char *name;
    uint64_t spent_ns, asked_ns;
    uint32_t window_s;
    bool allowed;
} edges[] = {
    {"at once", 0, 0, 1, false},
    {"in the same second", 0, SECOND - 1, 1, false},
    {"in the next one", 0, SECOND, 1, false},
    {"at its end", 0, 2 * SECOND - 1, 1, false},
    {"behind it", 0, 2 * SECOND, 1, true},
    {"a second is counted whole", SECOND - 1, 2 * SECOND - 1, 1, false},
    {"... and goes whole", SECOND - 1, 2 * SECOND, 1, true},
    {"never before the window is over", SECOND - 1, 11 * SECOND - 1, 10, false},
    {"at most a second later", 0, 11 * SECOND, 10, true},
    {"the longest window", 0, 31 * SECOND - 1, 30, false},
    {"behind the longest window", 0, 31 * SECOND, 30, true},
    {"when its slot comes again", 0, 32 * SECOND, 30, true},
    {"... and again", 0, 64 * SECOND, 1, true},
    {"much later", 0, 1000000 * SECOND, 30, true},
    {"the clock went back", 100 * SECOND, 50 * SECOND, 30, true},
    {"the clock went back a little", 2 * SECOND, SECOND, 10, true},
};

TEST(what_was_spent_comes_back_behind_the_window)
{
    for (size_t i = 0; i < COUNT_OF(edges); i++) {
        struct play play = {.rule = {0, 1, edges[i].window_s}};

        test_case_is("%s", edges[i].name);
        spend(&play, edges[i].window_s, START + edges[i].spent_ns);
        CHECK_EQ(allows(&play, START + edges[i].asked_ns), edges[i].allowed);
    }
}

/* The first seconds of a clock have nothing before them. */
TEST(a_clock_may_begin_at_zero)
{
    struct play play = {.rule = {5, 1, 10}};

    CHECK_EQ(take(&play, 100, 0), 10);
    CHECK_EQ(take(&play, 100, 10 * SECOND), 0);
    CHECK_EQ(take(&play, 100, 11 * SECOND), 10);
}

/* ... but what is sent in them counts. */
TEST(requests_of_the_first_second_are_noted)
{
    struct play play = {.rule = {5, 0, 10}};

    send_requests(&play, 1000, 1);
    send_requests(&play, 1000, SECOND - 1);
    CHECK_EQ(take(&play, 5000, SECOND - 1), 100);
    send_requests(&play, 0, SECOND);
    CHECK_EQ(take(&play, 5000, SECOND), 0);
    send_requests(&play, 0, 11 * SECOND);
    CHECK_EQ(take(&play, 5000, 11 * SECOND), 0);
}

TEST(bursts_come_back_as_they_went)
{
    struct play play = {.rule = PLAIN};

    CHECK_EQ(take(&play, 20, START), 20);
    CHECK_EQ(take(&play, 20, START + 4 * SECOND), 10);
    CHECK_EQ(take(&play, 20, START + 10 * SECOND), 0);
    CHECK_EQ(take(&play, 30, START + 11 * SECOND), 20);
    CHECK_EQ(take(&play, 30, START + 15 * SECOND), 10);
}

/* More came to nothing than was allowed, since all of it was under way at once: it is made good. */
TEST(what_is_overdrawn_counts)
{
    struct play play = {.rule = PLAIN};

    spend(&play, 1000, START);
    CHECK(!allows(&play, START + 10 * SECOND));
    CHECK(allows(&play, START + 11 * SECOND));
}

TEST(the_share_grows_with_the_requests)
{
    struct play play = {.rule = {5, 0, 10}};

    send_requests(&play, 20, START);
    CHECK_EQ(take(&play, 9, START), 1);
    send_requests(&play, 19, START + SECOND);
    CHECK_EQ(take(&play, 9, START + SECOND), 0);
    send_requests(&play, 1, START + SECOND);
    CHECK_EQ(take(&play, 9, START + SECOND), 1);
}

/* Seconds without a note had no requests; the notes that are left in the window are enough. */
TEST(a_pause_in_the_traffic_loses_no_requests)
{
    struct play play = {.rule = {5, 0, 10}};

    send_requests(&play, 100, START);
    send_requests(&play, 100, START + 7 * SECOND);
    CHECK_EQ(take(&play, 99, START + 9 * SECOND), 10);
    CHECK_EQ(take(&play, 99, START + 12 * SECOND), 0);
    play.rule.window_s = 30; /* whoever asks says how far back; nothing is lost by the shorter one */
    CHECK(!allows(&play, START + 12 * SECOND));
    spend(&play, 1, START + 40 * SECOND);
    CHECK(!allows(&play, START + 40 * SECOND));
    send_requests(&play, 400, START + 50 * SECOND);
    CHECK_EQ(take(&play, 99, START + 50 * SECOND), 19);
}

TEST(two_rules_may_ask_the_same_budget)
{
    struct play play = {.rule = {0, 2, 10}};

    CHECK_EQ(take(&play, 99, START), 20);
    play.rule.per_second = 3;
    CHECK_EQ(take(&play, 99, START), 10);
    play.rule.per_second = 1;
    CHECK(!allows(&play, START));
}

/* A set of hosts that loses one loses its numbers. */
TEST(requests_that_became_fewer_are_none)
{
    struct play play = {.rule = {5, 0, 10}};

    play.requests = 100000;
    send_requests(&play, 100000, START);
    CHECK(allows(&play, START));
    play.requests = 50;
    CHECK(!allows(&play, START));
    send_requests(&play, 100, START + SECOND);
    CHECK(!allows(&play, START + SECOND)); /* as long as a note of the lost ones is in the window */
    CHECK(allows(&play, START + 11 * SECOND));
}

TEST(notes_are_due_once_a_second_and_when_the_clock_went_back)
{
    struct play play = {.rule = {5, 0, 10}};

    CHECK(resend_budget_is_due(&play.budget, START));
    send_requests(&play, 1000, START + 5);
    CHECK(!resend_budget_is_due(&play.budget, START));
    CHECK(!resend_budget_is_due(&play.budget, START + SECOND - 1));
    CHECK(resend_budget_is_due(&play.budget, START + SECOND));
    CHECK(resend_budget_is_due(&play.budget, START - 1));
    send_requests(&play, 1000, START - 500 * SECOND);
    CHECK(!resend_budget_is_due(&play.budget, START - 500 * SECOND));
    CHECK_EQ(take(&play, 999, START - 500 * SECOND), 50);
    /* A worker whose clock is behind does not undo what another has noted. */
    send_requests(&play, 0, START - 499 * SECOND);
    send_requests(&play, 0, START - 499 * SECOND - 1);
    CHECK(!resend_budget_is_due(&play.budget, START - 499 * SECOND));
}

enum { THREADS = 4, SPENT_EACH = 20000 };

static void *spend_much(void *arg)
{
    spend(arg, SPENT_EACH, START);
    return NULL;
}

TEST(threads_lose_nothing)
{
    struct play play = {.rule = {0, THREADS * SPENT_EACH, 1}};
    pthread_t threads[THREADS];

    for (unsigned i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, spend_much, &play), 0);
    for (unsigned i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_EQ(play.budget.spent, THREADS * SPENT_EACH);
    CHECK(!allows(&play, START));
    play.rule.per_second++;
    CHECK(allows(&play, START));
}

/* Against a list of all that ever happened. */
enum { STEPS = 1000 };

struct history {
    uint64_t second[STEPS];
    unsigned requests[STEPS], spent[STEPS];
};

static bool is_allowed(const struct history *history, unsigned steps, const struct resend_budget_rule *rule,
                       uint64_t second)
{
    uint64_t requests = 0, spent = 0;

    for (unsigned i = 0; i <= steps; i++) {
        if (history->second[i] + rule->window_s < second)
            continue;
        requests += history->requests[i];
        spent += history->spent[i];
    }
    return spent < (uint64_t)rule->per_second * rule->window_s || spent < requests * rule->percent / 100;
}

TEST(any_history_counts_as_a_list_of_it_would)
{
    struct history *history = arena_make(test_arena(), struct history);

    for (uint64_t seed = 0; seed < 20; seed++) {
        struct play play = {.rule = {1, 0, 0}};
        uint64_t now_ns = START;
        struct rng rng;

        test_case_is("seed %llu", (unsigned long long)seed);
        rng_init(&rng, seed);
        play.rule.per_second = (uint32_t)rng_below(&rng, 2);
        play.rule.window_s = 1 + (uint32_t)rng_below(&rng, RESEND_BUDGET_WINDOW_MAX_S);
        for (unsigned i = 0; i < STEPS; i++) {
            now_ns += rng_below(&rng, rng_chance(&rng, 10000) ? 60 * SECOND : SECOND / 2);
            history->second[i] = now_ns / SECOND;
            history->requests[i] = (unsigned)rng_below(&rng, 20);
            history->spent[i] = rng_chance(&rng, 100000);
            if (history->requests[i] > 0)
                send_requests(&play, history->requests[i], now_ns);
            spend(&play, history->spent[i], now_ns);
            CHECK_EQ(allows(&play, now_ns), is_allowed(history, i, &play.rule, now_ns / SECOND));
        }
    }
}
