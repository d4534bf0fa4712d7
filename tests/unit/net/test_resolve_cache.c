/* test_resolve_cache.c: what the cache keeps, for how long, and whom it asks. SPDX-License-Identifier: Apache-2.0 */
#include "fake_resolver.h"
#include "net_stage.h"
#include "unit/os/fake_world.h"

#include <stdio.h>

#define SECOND_NS UINT64_C(1000000000)

struct cache_stage {
    struct fake_world fake;
    struct loop *loop;
    struct fake_resolver backend;
    struct resolver *cache;
};

static void cache_stage_open(struct cache_stage *stage)
{
    fake_world_init(&stage->fake);
    stage->loop = loop_new(&stage->fake.world);
    CHECK(stage->loop != NULL);
    fake_resolver_init(&stage->backend, stage->loop);
    stage->cache = resolver_cache_new(&stage->backend.resolver);
    CHECK(stage->cache != NULL);
}

static void cache_stage_close(struct cache_stage *stage)
{
    resolver_free(stage->cache);
    CHECK(stage->backend.freed);
    loop_free(stage->loop);
}

static void pass_time(struct cache_stage *stage, uint64_t duration_ns)
{
    loop_turn(stage->loop, stage->fake.now_ns + duration_ns);
}

/* A query with its own task. */
struct asker {
    struct probe probe;
    struct resolve_query query;
};

static void ask(struct cache_stage *stage, struct asker *asker, const char *name)
{
    *asker = (struct asker){.query = {.name = str_from(name), .task = &asker->probe.task}};
    probe_init(&asker->probe);
    resolve_start(stage->cache, &asker->query);
}

static void check_answer(struct cache_stage *stage, struct asker *asker, const char *addr)
{
    char text[ADDR_TEXT_BYTES];

    loop_turn(stage->loop, 0);
    CHECK(asker->query.done);
    CHECK_EQ(asker->probe.runs, 1);
    CHECK_EQ(asker->query.err.fault, FAULT_NONE);
    CHECK(asker->query.answer.count > 0);
    CHECK_STR(addr_format_ip(&asker->query.answer.addrs[0], text), str_from(addr));
}

static void check_failure(struct cache_stage *stage, struct asker *asker)
{
    loop_turn(stage->loop, 0);
    CHECK(asker->query.done);
    CHECK_EQ(asker->query.err.fault, FAULT_UPSTREAM);
    CHECK_EQ(asker->query.err.code, ERROR_RESOLVE_FAILED);
}

/* Puts `addr` into the cache for `name`. */
static void learn(struct cache_stage *stage, const char *name, const char *addr, uint64_t ttl_ns)
{
    struct resolved answer = resolved_of(addr, ttl_ns);
    struct asker asker;

    ask(stage, &asker, name);
    CHECK(!asker.query.done);
    fake_resolver_answer(&stage->backend, stage->backend.asked - 1, &answer);
    loop_turn(stage->loop, 0);
    check_answer(stage, &asker, addr);
}

TEST(resolve_cache_answers_literals_itself)
{
    static const char *const literals[] = {"10.1.2.3", "::1", "2001:db8::7"};
    struct cache_stage stage;
    struct asker asker;

    cache_stage_open(&stage);
    for (size_t i = 0; i < COUNT_OF(literals); i++) {
        test_case_is("%s", literals[i]);
        ask(&stage, &asker, literals[i]);
        CHECK(asker.query.done);
        check_answer(&stage, &asker, literals[i]);
    }
    CHECK_EQ(stage.backend.asked, 0);
    cache_stage_close(&stage);
}

static const struct {
    const char *name;
    uint64_t ttl_ns;
    uint64_t after_ns;
    unsigned asked;
} ttl_cases[] = {
    {"fresh", 60 * SECOND_NS, 59 * SECOND_NS, 1},
    {"expired", 60 * SECOND_NS, 60 * SECOND_NS, 2},
    {"a TTL of 0 counts as 1 s", 0, SECOND_NS - 1, 1},
    {"a TTL of 0 counts as no more than 1 s", 0, SECOND_NS, 2},
    {"a day counts as 1 h", 86400 * SECOND_NS, 3600 * SECOND_NS - 1, 1},
    {"a day counts as no more than 1 h", 86400 * SECOND_NS, 3600 * SECOND_NS, 2},
};

TEST(resolve_cache_keeps_answers_for_their_ttl)
{
    for (size_t i = 0; i < COUNT_OF(ttl_cases); i++) {
        struct cache_stage stage;
        struct asker asker;

        test_case_is("%s", ttl_cases[i].name);
        cache_stage_open(&stage);
        learn(&stage, "api.example", "10.0.0.1", ttl_cases[i].ttl_ns);
        pass_time(&stage, ttl_cases[i].after_ns);
        ask(&stage, &asker, "api.example");
        CHECK_EQ(stage.backend.asked, ttl_cases[i].asked);
        CHECK_EQ(asker.query.done, ttl_cases[i].asked == 1);
        if (!asker.query.done)
            resolve_cancel(stage.cache, &asker.query);
        task_forget(stage.loop, &asker.probe.task);
        cache_stage_close(&stage);
    }
}

TEST(resolve_cache_does_not_mind_case)
{
    struct cache_stage stage;
    struct asker asker;

    cache_stage_open(&stage);
    learn(&stage, "API.example", "10.0.0.1", 60 * SECOND_NS);
    ask(&stage, &asker, "api.EXAMPLE");
    check_answer(&stage, &asker, "10.0.0.1");
    CHECK_EQ(stage.backend.asked, 1);
    cache_stage_close(&stage);
}

TEST(resolve_cache_joins_equal_queries)
{
    struct resolved answer = resolved_of("10.0.0.1", 60 * SECOND_NS);
    struct cache_stage stage;
    struct asker first, second, other;

    cache_stage_open(&stage);
    ask(&stage, &first, "api.example");
    ask(&stage, &second, "api.example");
    ask(&stage, &other, "other.example");
    CHECK_EQ(stage.backend.asked, 2);
    fake_resolver_answer(&stage.backend, 0, &answer);
    loop_turn(stage.loop, 0);
    check_answer(&stage, &first, "10.0.0.1");
    check_answer(&stage, &second, "10.0.0.1");
    CHECK(!other.query.done);
    resolve_cancel(stage.cache, &other.query);
    cache_stage_close(&stage);
}

TEST(resolve_cache_believes_a_failure_for_a_second)
{
    struct cache_stage stage;
    struct asker asker;

    cache_stage_open(&stage);
    ask(&stage, &asker, "gone.example");
    fake_resolver_fail(&stage.backend, 0);
    loop_turn(stage.loop, 0);
    check_failure(&stage, &asker);
    pass_time(&stage, SECOND_NS - 1);
    ask(&stage, &asker, "gone.example");
    check_failure(&stage, &asker);
    CHECK_EQ(stage.backend.asked, 1);
    pass_time(&stage, 1);
    ask(&stage, &asker, "gone.example");
    CHECK_EQ(stage.backend.asked, 2);
    resolve_cancel(stage.cache, &asker.query);
    cache_stage_close(&stage);
}

TEST(resolve_cache_uses_a_stale_answer_when_asking_anew_fails)
{
    struct cache_stage stage;
    struct asker asker;

    cache_stage_open(&stage);
    learn(&stage, "api.example", "10.0.0.1", 60 * SECOND_NS);
    pass_time(&stage, 60 * SECOND_NS);
    ask(&stage, &asker, "api.example");
    CHECK(!asker.query.done);
    fake_resolver_fail(&stage.backend, 1);
    loop_turn(stage.loop, 0);
    check_answer(&stage, &asker, "10.0.0.1");
    ask(&stage, &asker, "api.example"); /* within the second: not asked again */
    check_answer(&stage, &asker, "10.0.0.1");
    CHECK_EQ(stage.backend.asked, 2);
    pass_time(&stage, 300 * SECOND_NS);
    ask(&stage, &asker, "api.example");
    CHECK_EQ(stage.backend.asked, 3);
    fake_resolver_fail(&stage.backend, 2);
    loop_turn(stage.loop, 0);
    check_failure(&stage, &asker); /* stale for too long */
    cache_stage_close(&stage);
}

TEST(resolve_cache_forgets_a_failure_once_it_is_answered)
{
    struct cache_stage stage;
    struct asker asker;

    cache_stage_open(&stage);
    ask(&stage, &asker, "api.example");
    fake_resolver_fail(&stage.backend, 0);
    loop_turn(stage.loop, 0);
    check_failure(&stage, &asker);
    pass_time(&stage, 2 * SECOND_NS);
    learn(&stage, "api.example", "10.0.0.9", 60 * SECOND_NS);
    ask(&stage, &asker, "api.example");
    check_answer(&stage, &asker, "10.0.0.9");
    cache_stage_close(&stage);
}

TEST(resolve_cache_goes_on_asking_when_all_waiters_left)
{
    struct resolved answer = resolved_of("10.0.0.1", 60 * SECOND_NS);
    struct cache_stage stage;
    struct asker asker;

    cache_stage_open(&stage);
    ask(&stage, &asker, "api.example");
    resolve_cancel(stage.cache, &asker.query);
    fake_resolver_answer(&stage.backend, 0, &answer);
    loop_turn(stage.loop, 0);
    CHECK(!asker.query.done);
    CHECK_EQ(asker.probe.runs, 0);
    ask(&stage, &asker, "api.example");
    check_answer(&stage, &asker, "10.0.0.1");
    CHECK_EQ(stage.backend.asked, 1);
    cache_stage_close(&stage);
}

TEST(resolve_cache_takes_an_answer_at_once)
{
    struct cache_stage stage;
    struct asker asker;

    cache_stage_open(&stage);
    stage.backend.at_once = true;
    stage.backend.prepared = resolved_of("10.0.0.3", SECOND_NS);
    ask(&stage, &asker, "api.example");
    CHECK(asker.query.done);
    check_answer(&stage, &asker, "10.0.0.3");
    loop_turn(stage.loop, 0);
    cache_stage_close(&stage);
}

TEST(resolve_cache_cancels_what_is_under_way_when_freed)
{
    struct cache_stage stage;
    struct asker asker;

    cache_stage_open(&stage);
    ask(&stage, &asker, "api.example");
    resolve_cancel(stage.cache, &asker.query);
    cache_stage_close(&stage);
    CHECK_EQ(stage.backend.cancelled, 1);
}

TEST(resolve_cache_refuses_what_is_no_host_name)
{
    static char too_long[300];
    static const char *const names[] = {"", too_long};
    struct cache_stage stage;
    struct asker asker;

    memset(too_long, 'a', sizeof(too_long) - 1);
    cache_stage_open(&stage);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        test_case_is("%zu", i);
        ask(&stage, &asker, names[i]);
        check_failure(&stage, &asker);
        CHECK(asker.query.err.retry_safe);
    }
    CHECK_EQ(stage.backend.asked, 0);
    cache_stage_close(&stage);
}

TEST(resolve_cache_is_bounded)
{
    enum { NAMES = 3000 };
    struct cache_stage stage;
    struct asker asker;
    char name[32];

    cache_stage_open(&stage);
    stage.backend.at_once = true;
    stage.backend.prepared = resolved_of("10.0.0.3", 3600 * SECOND_NS);
    for (int i = 0; i < NAMES; i++) {
        snprintf(name, sizeof(name), "n%d.example", i);
        stage.backend.asked = 0;
        ask(&stage, &asker, name);
        CHECK(asker.query.done);
        loop_turn(stage.loop, 0);
    }
    stage.backend.asked = 0;
    ask(&stage, &asker, "n2999.example"); /* the last one is still known */
    CHECK_EQ(stage.backend.asked, 0);
    loop_turn(stage.loop, 0);
    ask(&stage, &asker, "n0.example"); /* the first one went */
    CHECK_EQ(stage.backend.asked, 1);
    loop_turn(stage.loop, 0);
    cache_stage_close(&stage);
}

static const struct resolve_rules preset = {RESOLVE_TTL_MIN_NS,  RESOLVE_TTL_MAX_NS,   RESOLVE_FAILURE_NS,
                                            RESOLVE_PATIENCE_NS, RESOLVE_STALE_MAX_NS, RESOLVE_NAMES_MAX};

/* A stage whose cache obeys the preset but for what the test changes. */
static void open_with(struct cache_stage *stage, struct resolve_rules rules)
{
    cache_stage_open(stage);
    resolver_cache_obey(stage->cache, &rules);
}

static const struct {
    uint64_t ttl_min_ns, ttl_max_ns, ttl_ns, kept_ns;
} bounds[] = {
    {SECOND_NS, 10 * SECOND_NS, 60 * SECOND_NS, 10 * SECOND_NS},
    {30 * SECOND_NS, 3600 * SECOND_NS, 5 * SECOND_NS, 30 * SECOND_NS},
    {SECOND_NS / 1000, 3600 * SECOND_NS, 0, SECOND_NS / 1000},
    {60 * SECOND_NS, 5 * SECOND_NS, 60 * SECOND_NS, 5 * SECOND_NS},
    {SECOND_NS, 86400 * SECOND_NS, 90000 * SECOND_NS, 86400 * SECOND_NS},
};

TEST(resolve_cache_keeps_answers_within_the_bounds_that_are_set)
{
    for (size_t i = 0; i < COUNT_OF(bounds); i++) {
        struct resolve_rules rules = preset;
        struct cache_stage stage;
        struct asker asker;

        test_case_is("row %zu", i);
        rules.ttl_min_ns = bounds[i].ttl_min_ns;
        rules.ttl_max_ns = bounds[i].ttl_max_ns;
        open_with(&stage, rules);
        learn(&stage, "api.example", "10.0.0.1", bounds[i].ttl_ns);
        pass_time(&stage, bounds[i].kept_ns - 1);
        ask(&stage, &asker, "api.example");
        check_answer(&stage, &asker, "10.0.0.1");
        pass_time(&stage, 1);
        ask(&stage, &asker, "api.example");
        CHECK(!asker.query.done);
        CHECK_EQ(stage.backend.asked, 2);
        resolve_cancel(stage.cache, &asker.query);
        cache_stage_close(&stage);
    }
}

TEST(resolve_cache_believes_a_failure_for_as_long_as_is_set)
{
    static const uint64_t believed_ns[] = {SECOND_NS / 1000, 30 * SECOND_NS};

    for (size_t i = 0; i < COUNT_OF(believed_ns); i++) {
        struct resolve_rules rules = preset;
        struct cache_stage stage;
        struct asker asker;

        test_case_is("row %zu", i);
        rules.failure_ns = believed_ns[i];
        open_with(&stage, rules);
        ask(&stage, &asker, "gone.example");
        fake_resolver_fail(&stage.backend, 0);
        loop_turn(stage.loop, 0);
        check_failure(&stage, &asker);
        pass_time(&stage, believed_ns[i] - 1);
        ask(&stage, &asker, "gone.example");
        check_failure(&stage, &asker);
        CHECK_EQ(stage.backend.asked, 1);
        pass_time(&stage, 1);
        ask(&stage, &asker, "gone.example");
        CHECK_EQ(stage.backend.asked, 2);
        resolve_cancel(stage.cache, &asker.query);
        cache_stage_close(&stage);
    }
}

/* Asks so long past the TTL, and DNS fails. */
static void ask_stale(struct cache_stage *stage, struct asker *asker, uint64_t past_ns)
{
    learn(stage, "api.example", "10.0.0.1", 60 * SECOND_NS);
    pass_time(stage, 60 * SECOND_NS + past_ns);
    ask(stage, asker, "api.example");
    CHECK(!asker->query.done);
    fake_resolver_fail(&stage->backend, 1);
    loop_turn(stage->loop, 0);
}

TEST(resolve_cache_uses_a_stale_answer_for_as_long_as_is_set)
{
    static const uint64_t used_ns[] = {0, 2 * SECOND_NS, 604800 * SECOND_NS};

    for (size_t i = 0; i < COUNT_OF(used_ns); i++) {
        struct resolve_rules rules = preset;
        struct cache_stage stage;
        struct asker asker;

        test_case_is("row %zu", i);
        rules.stale_max_ns = used_ns[i];
        open_with(&stage, rules);
        ask_stale(&stage, &asker, used_ns[i]);
        check_failure(&stage, &asker);
        cache_stage_close(&stage);
        if (used_ns[i] == 0)
            continue;
        open_with(&stage, rules);
        ask_stale(&stage, &asker, used_ns[i] - 1);
        check_answer(&stage, &asker, "10.0.0.1");
        cache_stage_close(&stage);
    }
}

TEST(resolve_cache_awaits_an_answer_for_as_long_as_is_set)
{
    static const uint64_t patience_ns[] = {0, SECOND_NS / 50, 5 * SECOND_NS};

    for (size_t i = 0; i < COUNT_OF(patience_ns); i++) {
        struct resolve_rules rules = preset;
        struct cache_stage stage;
        struct asker asker;

        test_case_is("row %zu", i);
        rules.patience_ns = patience_ns[i];
        open_with(&stage, rules);
        learn(&stage, "api.example", "10.0.0.1", 60 * SECOND_NS);
        pass_time(&stage, 60 * SECOND_NS);
        ask(&stage, &asker, "api.example");
        CHECK(!asker.query.done);
        if (patience_ns[i] > 0) {
            pass_time(&stage, patience_ns[i] - 1);
            CHECK(!asker.query.done);
            pass_time(&stage, 1);
        }
        check_answer(&stage, &asker, "10.0.0.1");
        cache_stage_close(&stage);
    }
}

/* Names n0.example to the one before the last; DNS knows each at once. */
static void ask_for_many(struct cache_stage *stage, int from, int to)
{
    struct asker asker;
    char name[32];

    stage->backend.at_once = true;
    stage->backend.prepared = resolved_of("10.0.0.3", 3600 * SECOND_NS);
    for (int i = from; i < to; i++) {
        snprintf(name, sizeof(name), "n%d.example", i);
        ask(stage, &asker, name);
        CHECK(asker.query.done);
        loop_turn(stage->loop, 0);
    }
}

TEST(resolve_cache_knows_as_many_names_as_are_set)
{
    struct resolve_rules rules = preset;
    struct cache_stage stage;

    rules.names_max = 8;
    open_with(&stage, rules);
    ask_for_many(&stage, 0, 8);
    ask_for_many(&stage, 0, 8);
    CHECK_EQ(stage.backend.asked, 8);
    ask_for_many(&stage, 8, 9); /* n0 goes */
    ask_for_many(&stage, 1, 9);
    CHECK_EQ(stage.backend.asked, 9);
    ask_for_many(&stage, 0, 1);
    CHECK_EQ(stage.backend.asked, 10);
    rules.names_max = 3;
    resolver_cache_obey(stage.cache, &rules);
    ask_for_many(&stage, 0, 1); /* what is known stays until another one comes */
    CHECK_EQ(stage.backend.asked, 10);
    ask_for_many(&stage, 20, 21);
    ask_for_many(&stage, 8, 9); /* with n0 and n20 the three that were used last */
    CHECK_EQ(stage.backend.asked, 11);
    ask_for_many(&stage, 7, 8);
    CHECK_EQ(stage.backend.asked, 12);
    cache_stage_close(&stage);
}

static void ask_with_failing_memory(void *arg)
{
    struct cache_stage stage;
    struct asker asker;

    (void)arg;
    fake_world_init(&stage.fake);
    stage.loop = loop_new(&stage.fake.world);
    if (!stage.loop)
        return;
    fake_resolver_init(&stage.backend, stage.loop);
    stage.backend.at_once = true;
    stage.backend.prepared = resolved_of("10.0.0.3", SECOND_NS);
    stage.cache = resolver_cache_new(&stage.backend.resolver);
    if (stage.cache) {
        ask(&stage, &asker, "api.example");
        CHECK(asker.query.done);
        loop_turn(stage.loop, 0);
        resolver_free(stage.cache);
    }
    CHECK(stage.backend.freed); /* also by a cache that could not be made */
    loop_free(stage.loop);
}

TEST(resolve_cache_bears_failing_allocations)
{
    test_every_allocation_fails(ask_with_failing_memory, NULL);
}
