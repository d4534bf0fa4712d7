/* test_close_class.c: which closes are for idleness, by sequences of closes. SPDX-License-Identifier: Apache-2.0 */
#include "tests/harness/test.h"
#include "upstream/close_class.h"

#define MS  UINT64_C(1000000)
#define SEC UINT64_C(1000000000)

static const struct close_refuters nothing = {0};

struct sequence {
    struct close_history history;
    struct close_withdrawn withdrawn;
};

static enum close_class next(struct sequence *sequence, const struct close_facts *facts)
{
    return close_classify(&sequence->history, facts, &nothing, &sequence->withdrawn);
}

TEST(closes_at_one_idle_age_are_idle_closes)
{
    struct sequence sequence = {0};

    for (unsigned i = 0; i < 200; i++)
        CHECK_EQ(next(&sequence, &(struct close_facts){.now_ns = SEC + i * MS,
                                                       .idle_ns = 5 * SEC + i * MS,
                                                       .age_ns = (5 + i % 17) * SEC,
                                                       .requests = i % 5}),
                 CLOSE_IDLE);
}

TEST(one_request_each_and_then_a_close_is_no_request_limit)
{
    struct sequence sequence = {0};

    for (unsigned i = 0; i < 20; i++)
        CHECK_EQ(next(&sequence,
                      &(struct close_facts){
                          .now_ns = i * SEC, .idle_ns = 5 * SEC, .age_ns = 5 * SEC, .requests = 1, .idle_conns = 5}),
                 CLOSE_IDLE);
}

TEST(the_third_prompt_close_at_one_count_is_a_request_limit)
{
    struct sequence sequence = {0};
    struct close_facts facts = {.idle_ns = MS, .requests = 100, .idle_conns = 9};
    struct close_refuters more = {.requests_most = 101};

    for (unsigned i = 0; i < 4; i++) {
        facts.now_ns = (i + 1) * SEC;
        facts.age_ns = (20 + i * 7) * SEC;
        CHECK_EQ(next(&sequence, &facts), i < 2 ? CLOSE_IDLE : CLOSE_REQUESTS);
        CHECK_EQ(sequence.withdrawn.count, i == 2 ? 2 : 0);
    }
    CHECK_EQ(close_classify(&sequence.history, &facts, &more, &sequence.withdrawn), CLOSE_IDLE);
    facts.idle_ns = 5 * SEC;
    facts.age_ns = 90 * SEC;
    CHECK_EQ(next(&sequence, &facts), CLOSE_IDLE);
}

TEST(the_third_close_at_one_age_but_different_idle_ages_is_an_age_limit)
{
    struct sequence sequence = {0};
    struct close_facts facts = {.age_ns = 30 * SEC, .idle_conns = 9};
    struct close_refuters older = {.age_most_ns = 31 * SEC};

    for (unsigned i = 0; i < 4; i++) {
        facts.now_ns = (i + 1) * SEC;
        facts.idle_ns = (i + 1) * SEC;
        facts.requests = 10 * i;
        CHECK_EQ(next(&sequence, &facts), i < 2 ? CLOSE_IDLE : CLOSE_AGE);
        CHECK_EQ(sequence.withdrawn.count, i == 2 ? 2 : 0);
    }
    facts.idle_ns = 9 * SEC;
    CHECK_EQ(close_classify(&sequence.history, &facts, &older, &sequence.withdrawn), CLOSE_IDLE);
}

/* Case 89. */
TEST(a_hundred_closes_at_once_are_one_restart_and_none_stays_a_sample)
{
    struct sequence sequence = {0};
    unsigned idle = 0, withdrawn = 0;

    for (unsigned i = 0; i < 100; i++) {
        idle += next(&sequence, &(struct close_facts){.now_ns = SEC + i * MS,
                                                      .idle_ns = (1 + i % 40) * 100 * MS,
                                                      .age_ns = (60 + i) * SEC,
                                                      .requests = i,
                                                      .idle_conns = 99 - i}) == CLOSE_IDLE;
        withdrawn += sequence.withdrawn.count;
    }
    CHECK_EQ(idle, withdrawn);
    CHECK_EQ(sequence.history.restarts, 1);
}

TEST(a_few_of_many_or_of_one_idle_age_or_slowly_are_no_restart)
{
    static const struct {
        unsigned closes;
        uint64_t apart_ns, step_ns;
        uint32_t idle_conns;
        uint32_t restarts;
    } rows[] = {
        {4, 10 * MS, SEC, 10, 1},     {3, 10 * MS, SEC, 0, 0},  {4, 10 * MS, SEC, 40, 0},
        {4, 10 * MS, SEC / 3, 10, 0}, {8, 100 * MS, SEC, 3, 0},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct sequence sequence = {0};

        test_case_is("row %zu", i);
        for (unsigned n = 0; n < rows[i].closes; n++)
            next(&sequence, &(struct close_facts){.now_ns = SEC + n * rows[i].apart_ns,
                                                  .idle_ns = SEC + n * rows[i].step_ns,
                                                  .age_ns = (99 + n * 9) * SEC,
                                                  .requests = n,
                                                  .idle_conns = rows[i].idle_conns});
        CHECK_EQ(sequence.history.restarts, rows[i].restarts);
    }
}

TEST(a_host_that_seems_to_restart_all_the_time_does_not)
{
    struct sequence sequence = {0};
    unsigned idle = 0;

    for (unsigned i = 0; i < 100; i++)
        idle += next(&sequence, &(struct close_facts){.now_ns = SEC + i * 40 * MS,
                                                      .idle_ns = (1 + i % 9) * SEC,
                                                      .age_ns = (99 + i * 200) * SEC,
                                                      .requests = i}) == CLOSE_IDLE;
    CHECK_EQ(sequence.history.restarts, 1);
    CHECK(idle > 90);
}

TEST(announced_closes_say_so)
{
    struct sequence sequence = {0};

    CHECK_EQ(next(&sequence, &(struct close_facts){.announced = true, .idle_ns = 5 * SEC}), CLOSE_ANNOUNCED);
}
