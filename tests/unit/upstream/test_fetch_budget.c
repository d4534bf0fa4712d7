/* test_fetch_budget.c: what a request that is sent again takes from its host's budget, and what happens when that is
 * spent. SPDX-License-Identifier: Apache-2.0 */
#include "fetch_stage.h"
#include "harness/test.h"

enum { ALLOWED = 30 };

static void open_stage(struct fetch_stage *stage)
{
    fetch_stage_open(stage);
    stage->transport.ignore_learned = true; /* however often it ends connections */
    stage->transport.resend_budget = (struct resend_budget_rule){0, 1, ALLOWED};
}

static void spend(struct fetch_stage *stage, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        resend_budget_spend(&stage->host->resend_budget, loop_now_ns(stage->net.loop));
}

/* A kept connection that the host ends under the request. */
static void lose_kept(struct fetch_stage *stage)
{
    keep_one(stage);
    ask(stage, "GET", 0);
    origin_hears(stage, "\r\n\r\n");
    origin_ends(stage, false);
}

static void lose_idle(struct fetch_stage *stage)
{
    end(stage);
    origin_ends(stage, false);
    net_stage_for(&stage->net, 2000000);
    CHECK_EQ(totals_of(stage).idle, 0);
}

/* A race a second or thousands of them: with one left in the budget all are answered. */
TEST(what_is_answered_takes_nothing)
{
    struct fetch_stage stage;

    open_stage(&stage);
    spend(&stage, ALLOWED - 1);
    for (unsigned i = 0; i < 20; i++) {
        lose_kept(&stage);
        origin_answers(&stage);
        lose_idle(&stage);
    }
    CHECK_EQ(totals_of(&stage).resends, 20);
    CHECK_EQ(totals_of(&stage).failures, 0);
    CHECK_EQ(totals_of(&stage).resend_budget_spent, ALLOWED - 1);
    fetch_stage_close(&stage);
}

TEST(what_comes_to_nothing_takes_one)
{
    struct fetch_stage stage;

    open_stage(&stage);
    for (unsigned i = 1; i <= 3; i++) {
        lose_kept(&stage);
        origin_accepts(&stage);
        origin_hears(&stage, "\r\n\r\n");
        origin_ends(&stage, i == 2);
        CHECK_EQ(await_head(&stage), IO_FAIL);
        end(&stage);
        CHECK_EQ(totals_of(&stage).resend_budget_spent, i);
    }
    CHECK_EQ(totals_of(&stage).refused_by[REFUSAL_ALREADY_RESENT], 3);
    fetch_stage_close(&stage);
}

static const struct {
    const char *name;
    enum http_cancel why;
    unsigned spent;
} leavings[] = {
    {"its time is up", HTTP_CANCEL_DEADLINE, 1},
    {"the client has gone", HTTP_CANCEL_GONE, 0},
};

TEST(a_resend_that_nobody_waits_for_takes_one_when_it_is_late)
{
    for (size_t i = 0; i < COUNT_OF(leavings); i++) {
        struct fetch_stage stage;

        test_case_is("%s", leavings[i].name);
        open_stage(&stage);
        lose_kept(&stage);
        origin_accepts(&stage);
        origin_hears(&stage, "\r\n\r\n");
        fetch_end(stage.fetch, leavings[i].why);
        stage.fetch = NULL;
        CHECK_EQ(totals_of(&stage).resend_ends[RESEND_IDEMPOTENT][RESEND_GONE], 1);
        CHECK_EQ(totals_of(&stage).resend_budget_spent, leavings[i].spent);
        fetch_stage_close(&stage);
    }
}

TEST(nothing_is_sent_again_when_the_budget_is_spent)
{
    struct fetch_stage stage;

    open_stage(&stage);
    spend(&stage, ALLOWED);
    for (unsigned i = 1; i <= 3; i++) {
        lose_kept(&stage);
        CHECK_EQ(await_head(&stage), IO_FAIL);
        CHECK_CSTR(error_code_name(stage.err.code), error_code_name(ERROR_NO_ANSWER));
        end(&stage);
        CHECK_EQ(totals_of(&stage).refused_by[REFUSAL_BUDGET_SPENT], i);
    }
    CHECK_EQ(totals_of(&stage).resends, 0);
    CHECK_EQ(totals_of(&stage).resend_budget_spent, ALLOWED);
    fetch_stage_close(&stage);
}

/* Each request is noted, so that the share is one of those of the window. */
TEST(the_share_is_one_of_the_requests_of_the_host)
{
    struct fetch_stage stage;

    open_stage(&stage);
    stage.transport.resend_budget = (struct resend_budget_rule){50, 0, ALLOWED};
    lose_kept(&stage); /* two requests: one may be sent again */
    origin_accepts(&stage);
    origin_hears(&stage, "\r\n\r\n");
    origin_ends(&stage, false);
    CHECK_EQ(await_head(&stage), IO_FAIL);
    end(&stage);
    CHECK_EQ(totals_of(&stage).resend_budget_spent, 1);
    spend(&stage, 1); /* and of five two */
    lose_kept(&stage);
    CHECK_EQ(await_head(&stage), IO_FAIL);
    CHECK_EQ(totals_of(&stage).refused_by[REFUSAL_BUDGET_SPENT], 1);
    fetch_stage_close(&stage);
}
