/* test_idle_doubt.c: closes and stale hits of which only the earliest and the latest moment are known, and what they
 * teach (ADR 18). SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "upstream/idle_limit.h"

#define MS  UINT64_C(1000000)
#define SEC UINT64_C(1000000000)

static uint64_t learned_ns(struct idle_limit *limit)
{
    struct idle_limit_view view;

    idle_limit_view(limit, &view);
    return view.learned_ns;
}

static void peer_closes(struct idle_limit *limit, uint64_t now_ns, uint64_t idle_ns, uint64_t doubt_ns)
{
    (void)idle_limit_closed(limit, &(struct idle_end){.now_ns = now_ns,
                                                      .idle_ns = idle_ns,
                                                      .doubt_ns = doubt_ns,
                                                      .age_ns = now_ns,
                                                      .requests = 1,
                                                      .idle_conns = 100});
}

/* 3 s, by exact closes. */
static struct idle_limit *known_limit(void)
{
    struct idle_limit *limit = idle_limit_new(1);

    CHECK(limit != NULL);
    for (uint64_t n = 1; n <= 20; n++)
        peer_closes(limit, n * SEC, 3 * SEC, 0);
    CHECK_EQ(learned_ns(limit), 3 * SEC);
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
            peer_closes(limit, (100 + n) * SEC, rows[i].most_ms * MS, rows[i].doubt_ms * MS);
        CHECK_EQ(learned_ns(limit), rows[i].learned_ms * MS);
        idle_limit_free(limit);
    }
}

/* A host that sleeps lets requests wait behind its timers: the connection was closed long after the request went. */
TEST(a_stale_hit_of_doubtful_age_does_not_shorten_the_limit)
{
    struct idle_limit *limit = known_limit();

    for (uint64_t n = 0; n < 20; n++)
        idle_limit_stale(limit, &(struct idle_end){.now_ns = (100 + n) * SEC, .idle_ns = 5 * SEC, .doubt_ns = 4 * SEC});
    CHECK_EQ(learned_ns(limit), 3 * SEC);
    for (uint64_t n = 0; n < 20; n++)
        idle_limit_stale(limit, &(struct idle_end){.now_ns = (200 + n) * SEC, .idle_ns = SEC, .doubt_ns = SEC});
    CHECK_EQ(learned_ns(limit), SEC);
    idle_limit_free(limit);
}
