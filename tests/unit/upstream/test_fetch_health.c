/* test_fetch_health.c: what of a request's failure counts against its host (keepalive F-14).
 * SPDX-License-Identifier: Apache-2.0 */
#include "fetch_stage.h"
#include "harness/test.h"

#define SECOND UINT64_C(1000000000)

/* How a connection ends under a request. */
static const struct {
    const char *name, *said;
    bool reset;
    bool fresh_counts; /* the same on a fresh connection is the host's failure */
} ends[] = {
    {"closed", "", false, true},
    {"reset", "", true, true},
    {"half a status line, closed", "HTTP/1.1 20", false, true},
    {"half a head, reset", "HTTP/1.1 200 OK\r\nX-A: ", true, true},
    {"an interim answer, closed", "HTTP/1.1 103 Hints\r\n\r\n", false, true},
    {"garbage", "ok\r\n\r\n", false, false},
};

static void fail_one(struct fetch_stage *stage, size_t i)
{
    ask(stage, "GET", 0);
    if (!stage->far)
        origin_accepts(stage);
    origin_hears(stage, "\r\n\r\n");
    if (ends[i].said[0])
        origin_says(stage, ends[i].said);
    net_stage_for(&stage->net, 2000000);
    origin_ends(stage, ends[i].reset);
    CHECK_EQ(await_head(stage), IO_FAIL);
    end(stage);
}

/* One failure is enough here for a host to rest. */
TEST(failures_of_reuse_never_count_against_a_host)
{
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        struct fetch_stage stage;

        test_case_is("%s", ends[i].name);
        fetch_stage_open(&stage);
        stage.eject_after = 1;
        stage.transport.resend = RESEND_OFF;
        keep_one(&stage);
        fail_one(&stage, i);
        CHECK_EQ(totals_of(&stage).failures, 1);
        CHECK_EQ(totals_of(&stage).ejections, 0);
        CHECK_EQ(stage.host->health.failures, 0);
        fetch_stage_close(&stage);
    }
}

TEST(the_same_failures_of_fresh_connections_count)
{
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        struct fetch_stage stage;

        test_case_is("%s", ends[i].name);
        fetch_stage_open(&stage);
        stage.eject_after = 1;
        stage.transport.resend = RESEND_OFF;
        fail_one(&stage, i);
        CHECK_EQ(totals_of(&stage).ejections, ends[i].fresh_counts);
        fetch_stage_close(&stage);
    }
}

/* Of the two times only the first is the backend's own: the doubling ends below it. */
TEST(how_long_the_host_rests_is_what_the_transport_says)
{
    static const struct eject_rule rules[] = {{7 * SECOND, 60 * SECOND, SECOND}, {90 * SECOND, 40 * SECOND, SECOND}};
    static const uint64_t rests_ns[] = {7 * SECOND, 40 * SECOND};

    for (size_t i = 0; i < COUNT_OF(rules); i++) {
        struct fetch_stage stage;
        uint64_t rest_ns;

        test_case_is("row %zu", i);
        fetch_stage_open(&stage);
        stage.eject_after = 1;
        stage.transport.resend = RESEND_OFF;
        stage.transport.eject = rules[i];
        fail_one(&stage, 0);
        rest_ns = stage.host->health.rest_until_ns - stage.host->health.rest_began_ns;
        CHECK(rest_ns == rests_ns[i] || rest_ns == rests_ns[i] - 1); /* the lowest bit is taken */
        fetch_stage_close(&stage);
    }
}

/* What is found dead before it is used, and what dies idle, is no failure at all. */
TEST(a_kept_connection_that_ends_idle_is_no_failure)
{
    for (unsigned reset = 0; reset < 2; reset++) {
        struct fetch_stage stage;

        fetch_stage_open(&stage);
        stage.eject_after = 1;
        keep_one(&stage);
        origin_ends(&stage, reset);
        net_stage_for(&stage.net, 2000000);
        CHECK_EQ(totals_of(&stage).idle, 0);
        CHECK_EQ(totals_of(&stage).failures, 0);
        CHECK_EQ(totals_of(&stage).ejections, 0);
        keep_one(&stage);
        fetch_stage_close(&stage);
    }
}
