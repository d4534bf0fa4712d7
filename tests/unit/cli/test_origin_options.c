/* test_origin_options.c: rates, schedules and ranges of the test origin. SPDX-License-Identifier: Apache-2.0 */
#include "cli/origin_options.h"
#include "harness/test.h"

/* Which of the requests 1 to 12 are hit. */
static const struct {
    const char *text, *hits;
} schedules[] = {
    {"0", "............"},       {"1", "############"},        {"every:1", "############"}, {"every:5", "....#....#.."},
    {"from:10", ".........###"}, {"at:7", "......#....."},     {"at:13", "............"},   {"1e0", "############"},
    {"0.0", "............"},     {"every:13", "............"},
};

TEST(schedules_hit_the_requests_they_name)
{
    struct rng rng;

    rng_init(&rng, 1);
    for (size_t i = 0; i < COUNT_OF(schedules); i++) {
        struct origin_when when;

        test_case_is("%s", schedules[i].text);
        CHECK(origin_when_parse(str_from(schedules[i].text), &when));
        for (uint64_t request = 1; request <= 12; request++)
            CHECK_INT(origin_when_hits(&when, request, &rng), schedules[i].hits[request - 1] == '#');
    }
}

TEST(a_share_is_about_that_share)
{
    struct origin_when when;
    struct rng rng;
    unsigned hits = 0;

    rng_init(&rng, 7);
    CHECK(origin_when_parse(STR("0.25"), &when));
    for (uint64_t request = 1; request <= 10000; request++)
        hits += origin_when_hits(&when, request, &rng);
    CHECK(hits > 2300);
    CHECK(hits < 2700);
}

TEST(what_is_no_rate_is_refused)
{
    static const char *const texts[] = {"",     "x",      "-0.1",  "1.1",      "every:", "every:0", "every:-1",
                                        "at:x", "from:0", "at:1 ", "every:5x", "50%",    "NaN"};
    struct origin_when when;

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        test_case_is("\"%s\"", texts[i]);
        CHECK(!origin_when_parse(str_from(texts[i]), &when));
    }
}

static const struct {
    const char *text;
    bool ok;
    uint64_t min_ns, max_ns;
} spans[] = {
    {"3ms", true, 3000000, 3000000},
    {"5ms-30ms", true, 5000000, 30000000},
    {"0-1s", true, 0, 1000000000},
    {"5ms-5ms", true, 5000000, 5000000},
    {"30ms-5ms", false, 0, 0},
    {"5ms-", false, 0, 0},
    {"-5ms", false, 0, 0},
    {"", false, 0, 0},
    {"3", false, 0, 0},
};

TEST(spans_are_read_and_kept)
{
    struct rng rng;

    rng_init(&rng, 3);
    for (size_t i = 0; i < COUNT_OF(spans); i++) {
        struct origin_span span;

        test_case_is("\"%s\"", spans[i].text);
        CHECK_INT(origin_span_parse(str_from(spans[i].text), &span), spans[i].ok);
        if (!spans[i].ok)
            continue;
        CHECK_EQ(span.min_ns, spans[i].min_ns);
        CHECK_EQ(span.max_ns, spans[i].max_ns);
        for (int k = 0; k < 100; k++) {
            uint64_t picked_ns = origin_span_pick(&span, &rng);

            CHECK(picked_ns >= span.min_ns);
            CHECK(picked_ns <= span.max_ns);
        }
    }
}

TEST(an_amount_without_a_rate_means_every_answer)
{
    struct origin_options options;
    struct rng rng;

    rng_init(&rng, 1);
    CHECK(origin_options_read(&(struct origin_values){.cut_after = 50, .late_by = "1s"}, &options));
    CHECK(origin_plan_for(&options, 1, &rng).cut);
    CHECK(origin_plan_for(&options, 1, &rng).late);
    CHECK(!origin_plan_for(&options, 1, &rng).slow);
    CHECK_EQ(options.late_ns, 1000000000);
    CHECK(origin_options_read(&(struct origin_values){.cut = "at:2"}, &options));
    CHECK(!origin_plan_for(&options, 1, &rng).cut);
    CHECK(origin_plan_for(&options, 2, &rng).cut);
    CHECK(options.cut_after > 0);
}
