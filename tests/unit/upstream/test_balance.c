/* test_balance.c: which host a request goes to. SPDX-License-Identifier: Apache-2.0 */
#include "tests/harness/test.h"
#include "upstream/balance.h"

#include <stdlib.h>

#define SECOND UINT64_C(1000000000)

enum { WORKERS = 2, DRAWS = 6000 };

struct stage {
    struct hosts *hosts;
    struct host *host[4];
    struct host_set *set;
    struct balance balance;
    struct rng rng;
    struct balance_input input;
};

/* `slots` names hosts by their letter: "aab" is host 0 with weight 2 and host 1. */
static void open_stage(struct stage *stage, enum balance_policy policy, const char *slots)
{
    struct host *listed[16];
    uint32_t count = 0;
    struct error err;

    *stage = (struct stage){.hosts = hosts_new(WORKERS)};
    CHECK(stage->hosts != NULL);
    for (unsigned i = 0; i < COUNT_OF(stage->host); i++) {
        struct str url = arena_format(test_arena(), "http://%c.example", 'a' + i);

        stage->host[i] = hosts_intern(stage->hosts, &(struct host_key){.url = url}, &err);
        CHECK(stage->host[i] != NULL);
    }
    for (; slots[count]; count++)
        listed[count] = stage->host[slots[count] - 'a'];
    stage->set =
        host_set_fill(arena_alloc(test_arena(), host_set_bytes(count), _Alignof(struct host_set)), listed, count);
    balance_init(&stage->balance, policy, WORKERS);
    rng_init(&stage->rng, 7);
    stage->input =
        (struct balance_input){.worker = 0, .now_ns = SECOND, .probe_ns = EJECT_PROBE_NS, .rng = &stage->rng};
}

static void close_stage(struct stage *stage)
{
    hosts_free(stage->hosts);
}

/* The letter of the next host; '-': none. */
static char next(struct stage *stage)
{
    const struct host *host = balance_pick(&stage->balance, stage->set, &stage->input);

    for (unsigned i = 0; i < COUNT_OF(stage->host); i++)
        if (stage->host[i] == host)
            return (char)('a' + i);
    return '-';
}

/* How often each is picked. */
static void draw(struct stage *stage, unsigned counts[4])
{
    for (unsigned i = 0; i < 4; i++)
        counts[i] = 0;
    for (unsigned i = 0; i < DRAWS; i++) {
        char letter = next(stage);

        CHECK(letter != '-');
        counts[letter - 'a']++;
    }
}

static void check_near(unsigned count, unsigned wanted)
{
    CHECK(count + DRAWS / 25 > wanted);
    CHECK(count < wanted + DRAWS / 25);
}

static void rest(struct host *host, uint64_t now_ns)
{
    static const struct eject_rule rule = {EJECT_REST_MIN_NS, EJECT_REST_MAX_NS, EJECT_PROBE_NS};

    CHECK(eject_failed(&host->health, &rule, 1, now_ns));
}

/* What each policy makes of four idle hosts, of which the first is named twice: out of 5 parts. */
static const struct {
    enum balance_policy policy;
    unsigned parts[4]; /* of DRAWS, in fifths */
} shares[] = {
    {BALANCE_KRAKEND, {2, 1, 1, 1}},           {BALANCE_RANDOM, {2, 1, 1, 1}}, {BALANCE_ROUND_ROBIN, {2, 1, 1, 1}},
    {BALANCE_LEAST_CONNECTIONS, {2, 1, 1, 1}}, {BALANCE_P2C, {2, 1, 1, 1}},
};

TEST(idle_hosts_get_their_weight)
{
    for (size_t i = 0; i < COUNT_OF(shares); i++) {
        struct stage stage;
        unsigned counts[4];

        test_case_is("policy %d", (int)shares[i].policy);
        open_stage(&stage, shares[i].policy, "abcad");
        draw(&stage, counts);
        for (unsigned host = 0; host < 4; host++)
            check_near(counts[host], DRAWS * shares[i].parts[host] / 5);
        close_stage(&stage);
    }
}

TEST(turns_go_through_the_list_from_a_random_start)
{
    char starts[27] = "";
    unsigned different = 0;

    for (uint64_t seed = 0; seed < 20; seed++) {
        struct stage stage;
        char first, order[5] = "abcd";

        open_stage(&stage, BALANCE_ROUND_ROBIN, order);
        rng_init(&stage.rng, seed);
        first = next(&stage);
        for (int i = 1; i < 12; i++)
            CHECK_EQ(next(&stage), 'a' + (first - 'a' + i) % 4);
        different += !strchr(starts, first);
        starts[strlen(starts)] = first;
        close_stage(&stage);
    }
    CHECK(different > 2);
}

TEST(krakend_takes_turns_on_a_single_worker)
{
    struct balance balance;

    balance_init(&balance, BALANCE_KRAKEND, 1);
    CHECK_EQ(balance.policy, BALANCE_ROUND_ROBIN);
    balance_init(&balance, BALANCE_KRAKEND, 2);
    CHECK_EQ(balance.policy, BALANCE_RANDOM);
    balance_init(&balance, BALANCE_RANDOM, 1);
    CHECK_EQ(balance.policy, BALANCE_RANDOM);
}

TEST(least_connections_counts_over_the_whole_process)
{
    struct stage stage;

    open_stage(&stage, BALANCE_LEAST_CONNECTIONS, "abcd");
    stage.host[0]->counts[1].active = 1; /* at the other worker */
    stage.host[1]->counts[0].dialing = 1;
    stage.host[2]->waiting = 1;
    for (int i = 0; i < 20; i++)
        CHECK_EQ(next(&stage), 'd');
    stage.host[3]->counts[0].active = 2;
    stage.host[1]->counts[0].warming = 1; /* nobody waits for that dial */
    for (int i = 0; i < 20; i++)
        CHECK_EQ(next(&stage), 'b');
    close_stage(&stage);
}

TEST(least_connections_goes_by_weight)
{
    struct stage stage;

    open_stage(&stage, BALANCE_LEAST_CONNECTIONS, "aaab");
    stage.host[0]->counts[0].active = 5;
    stage.host[1]->counts[0].active = 2;
    CHECK_EQ(next(&stage), 'a'); /* 5 of 3 is less than 2 of 1 */
    stage.host[0]->counts[0].active = 7;
    CHECK_EQ(next(&stage), 'b');
    close_stage(&stage);
}

TEST(p2c_hardly_ever_takes_the_busiest)
{
    struct stage stage;
    unsigned counts[4];

    open_stage(&stage, BALANCE_P2C, "abcd");
    stage.host[0]->counts[0].active = 10;
    draw(&stage, counts);
    CHECK(counts[0] < DRAWS / 50);
    check_near(counts[1], DRAWS / 3);
    close_stage(&stage);
}

TEST(resting_hosts_are_passed_over_and_their_share_is_spread)
{
    for (size_t i = 0; i < COUNT_OF(shares); i++) {
        struct stage stage;
        unsigned counts[4];

        test_case_is("policy %d", (int)shares[i].policy);
        open_stage(&stage, shares[i].policy, "abcd");
        rest(stage.host[1], SECOND);
        draw(&stage, counts);
        CHECK_EQ(counts[1], 0);
        check_near(counts[0], DRAWS / 3);
        check_near(counts[2], DRAWS / 3);
        check_near(counts[3], DRAWS / 3);
        close_stage(&stage);
    }
}

TEST(one_request_probes_a_host_whose_rest_is_over)
{
    for (size_t i = 0; i < COUNT_OF(shares); i++) {
        struct stage stage;
        unsigned counts[4];

        test_case_is("policy %d", (int)shares[i].policy);
        open_stage(&stage, shares[i].policy, "abc");
        rest(stage.host[1], SECOND);
        stage.input.now_ns = SECOND + EJECT_REST_MIN_NS;
        draw(&stage, counts);
        CHECK_EQ(counts[1], 1);
        CHECK(!eject_is_due(&stage.host[1]->health, stage.input.now_ns + EJECT_PROBE_NS - 2));
        CHECK(eject_is_due(&stage.host[1]->health, stage.input.now_ns + EJECT_PROBE_NS + 1));
        eject_answered(&stage.host[1]->health, stage.input.now_ns, stage.input.now_ns);
        draw(&stage, counts);
        check_near(counts[1], DRAWS / 3);
        close_stage(&stage);
    }
}

TEST(when_all_rest_all_are_used)
{
    for (size_t i = 0; i < COUNT_OF(shares); i++) {
        struct stage stage;
        unsigned counts[4];

        test_case_is("policy %d", (int)shares[i].policy);
        open_stage(&stage, shares[i].policy, "abc");
        for (unsigned host = 0; host < 3; host++)
            rest(stage.host[host], SECOND);
        draw(&stage, counts);
        for (unsigned host = 0; host < 3; host++)
            check_near(counts[host], DRAWS / 3);
        close_stage(&stage);
    }
}

TEST(the_only_host_is_used_whatever_its_health)
{
    struct stage stage;

    open_stage(&stage, BALANCE_RANDOM, "aa");
    rest(stage.host[0], SECOND);
    CHECK_EQ(next(&stage), 'a');
    stage.input.tried = &stage.host[0];
    stage.input.tried_count = 1;
    CHECK_EQ(next(&stage), '-');
    close_stage(&stage);
}

TEST(what_was_tried_is_not_taken_again)
{
    for (size_t i = 0; i < COUNT_OF(shares); i++) {
        struct stage stage;

        test_case_is("policy %d", (int)shares[i].policy);
        open_stage(&stage, shares[i].policy, "abc");
        rest(stage.host[2], SECOND);
        stage.input.tried = stage.host;
        stage.input.tried_count = 1;
        CHECK_EQ(next(&stage), 'b');
        stage.input.tried_count = 2; /* a resting one is better than none */
        CHECK(balance_has_untried(stage.set, &stage.input));
        CHECK_EQ(next(&stage), 'c');
        stage.input.tried_count = 3;
        CHECK(!balance_has_untried(stage.set, &stage.input));
        CHECK_EQ(next(&stage), '-');
        close_stage(&stage);
    }
}

TEST(a_host_that_says_nothing_while_requests_wait_is_left_alone)
{
    struct stage stage;
    unsigned counts[4];

    open_stage(&stage, BALANCE_RANDOM, "ab");
    stage.host[0]->counts[0].awaited = BALANCE_QUIET_WAITING;
    stage.host[0]->counts[0].progress_ns = SECOND;
    stage.input.now_ns = SECOND + BALANCE_QUIET_NS;
    draw(&stage, counts);
    check_near(counts[0], DRAWS / 2); /* not long enough */
    stage.input.now_ns++;
    draw(&stage, counts);
    CHECK_EQ(counts[0], 0);
    stage.input.worker = 1; /* the other worker has nothing waiting there */
    draw(&stage, counts);
    check_near(counts[0], DRAWS / 2);
    stage.input.worker = 0;
    stage.host[1]->counts[0].awaited = BALANCE_QUIET_WAITING; /* all alike: no reason to prefer one */
    draw(&stage, counts);
    check_near(counts[0], DRAWS / 2);
    close_stage(&stage);
}

TEST(no_host_no_pick)
{
    struct stage stage;

    open_stage(&stage, BALANCE_RANDOM, "");
    CHECK_EQ(next(&stage), '-');
    close_stage(&stage);
}

TEST(requests_of_a_set_are_counted_once_for_each_host)
{
    struct stage stage;

    open_stage(&stage, BALANCE_RANDOM, "aab");
    stage.host[0]->counts[0].requests_new = 3;
    stage.host[0]->counts[1].requests_reused = 4;
    stage.host[1]->counts[1].requests_new = 5;
    stage.host[2]->counts[1].requests_new = 100; /* not of the set */
    CHECK_EQ(balance_requests(stage.set), 12);
    close_stage(&stage);
}

/* The shortest of what is known of a and b; c is new, and d is of another backend. */
TEST(a_new_host_begins_with_what_its_siblings_taught)
{
    static const uint64_t limits_ns[] = {8 * SECOND, 5 * SECOND};
    struct stage stage;

    open_stage(&stage, BALANCE_RANDOM, "aabc");
    host_set_introduce(stage.set);
    for (unsigned i = 0; i < COUNT_OF(stage.host); i++) {
        struct idle_limit_view view;

        idle_limit_view(stage.host[i]->idle_limit, &view);
        CHECK_EQ(view.usable_ns, 4 * SECOND);
    }
    for (unsigned i = 0; i < 2; i++)
        for (unsigned k = 1; k <= 8; k++)
            (void)idle_limit_closed(stage.host[i]->idle_limit, &(struct idle_end){.now_ns = k * SECOND,
                                                                                  .idle_ns = limits_ns[i],
                                                                                  .age_ns = k * SECOND + i,
                                                                                  .requests = 1,
                                                                                  .idle_conns = 100});
    host_set_introduce(stage.set);
    for (unsigned i = 0; i < COUNT_OF(stage.host); i++) {
        struct idle_limit_view view;

        test_case_is("host %c", 'a' + i);
        idle_limit_view(stage.host[i]->idle_limit, &view);
        CHECK_EQ(view.learned_ns, i < 2 ? limits_ns[i] : 0);
        if (i >= 2)
            CHECK_EQ(view.usable_ns, i == 2 ? 4900000000 : 4 * SECOND);
    }
    close_stage(&stage);
}
