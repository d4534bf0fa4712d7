/* test_idle_doubt.c: closes and stale hits of which only the earliest and the latest moment are known, and what they
 * teach (ADR 18). SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "idle_stage.h"

/* 3 s, by exact closes. */
static struct idle_limit *known_limit(void)
{
    struct idle_limit *limit = limit_new(1);

    closes(limit, 3 * SEC, 20);
    CHECK_EQ(view_of(limit).learned_ns, 3 * SEC);
    return limit;
}

/* What a close may have meant, and what is believed behind 200 of them. */
TEST(a_close_of_doubtful_age_moves_the_limit_no_further_than_it_must)
{
    static const struct {
        uint64_t most_ms, doubt_ms, learned_ms;
    } rows[] = {{9000, 8000, 3000}, {3500, 600, 3000}, {3400, 0, 3400}, {9000, 100, 8900}, {2000, 1500, 2000}};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct idle_limit *limit = known_limit();

        test_case_is("%d", (int)i);
        for (uint64_t n = 0; n < 200; n++)
            (void)doubtful_close(limit, (100 + n) * SEC, rows[i].most_ms * MS, rows[i].doubt_ms * MS);
        CHECK_EQ(view_of(limit).learned_ns, rows[i].learned_ms * MS);
        idle_limit_free(limit);
    }
}

/* A host that sleeps lets requests wait behind its timers: the connection was closed long after the request went. */
TEST(a_stale_hit_of_doubtful_age_does_not_shorten_the_limit)
{
    struct idle_limit *limit = known_limit();

    for (uint64_t n = 0; n < 20; n++)
        idle_limit_stale(limit, &(struct idle_end){.now_ns = (100 + n) * SEC, .idle_ns = 5 * SEC, .doubt_ns = 4 * SEC});
    CHECK_EQ(view_of(limit).learned_ns, 3 * SEC);
    for (uint64_t n = 0; n < 20; n++)
        idle_limit_stale(limit, &(struct idle_end){.now_ns = (200 + n) * SEC, .idle_ns = SEC, .doubt_ns = SEC});
    CHECK_EQ(view_of(limit).learned_ns, SEC);
    idle_limit_free(limit);
}
