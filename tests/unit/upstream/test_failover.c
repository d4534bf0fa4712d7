/* test_failover.c: what may go to another host, and who is blamed. SPDX-License-Identifier: Apache-2.0 */
#include "tests/harness/test.h"
#include "upstream/failover.h"

static const struct {
    const char *name;
    enum error_code code;
    enum fault fault;
    bool retry_safe;
    bool may_have_run, idempotent, answer_seen, lost, off;
    enum failover decision;
} cases[] = {
    {"refused, GET", ERROR_CONNECT_REFUSED, FAULT_UPSTREAM, true, .idempotent = true, .decision = FAILOVER_NEVER_SENT},
    {"refused, POST", ERROR_CONNECT_REFUSED, FAULT_UPSTREAM, true, .decision = FAILOVER_NEVER_SENT},
    {"refused after a first try that may have run, GET", ERROR_CONNECT_REFUSED, FAULT_UPSTREAM, true,
     .may_have_run = true, .idempotent = true, .decision = FAILOVER_SENT},
    {"refused after a first try that may have run, POST", ERROR_CONNECT_REFUSED, FAULT_UPSTREAM, true,
     .may_have_run = true, .decision = FAILOVER_NO},
    {"unknown name", ERROR_RESOLVE_FAILED, FAULT_UPSTREAM, true, .decision = FAILOVER_NEVER_SENT},
    {"full queue", ERROR_QUEUE_TIMEOUT, FAULT_UPSTREAM, true, .decision = FAILOVER_NEVER_SENT},
    {"reset, GET", ERROR_RESET, FAULT_UPSTREAM, false, .may_have_run = true, .idempotent = true,
     .decision = FAILOVER_SENT},
    {"reset, POST", ERROR_RESET, FAULT_UPSTREAM, false, .may_have_run = true, .decision = FAILOVER_NO},
    {"reset before a byte had left, POST", ERROR_RESET, FAULT_UPSTREAM, false, .decision = FAILOVER_NEVER_SENT},
    {"closed without an answer, GET", ERROR_NO_ANSWER, FAULT_UPSTREAM, false, .may_have_run = true, .idempotent = true,
     .decision = FAILOVER_SENT},
    {"the same over TLS without close_notify", ERROR_TLS_TRUNCATED, FAULT_UPSTREAM, false, .may_have_run = true,
     .idempotent = true, .decision = FAILOVER_SENT},
    {"late, GET", ERROR_RESPONSE_HEADER_TIMEOUT, FAULT_UPSTREAM, false, .may_have_run = true, .idempotent = true,
     .decision = FAILOVER_SENT},
    {"late, POST", ERROR_RESPONSE_HEADER_TIMEOUT, FAULT_UPSTREAM, false, .may_have_run = true, .decision = FAILOVER_NO},
    {"reset in an answer's head, GET", ERROR_RESET, FAULT_UPSTREAM, false, .may_have_run = true, .idempotent = true,
     .answer_seen = true, .decision = FAILOVER_NO},
    {"body is gone", ERROR_RESET, FAULT_UPSTREAM, false, .may_have_run = true, .idempotent = true, .lost = true,
     .decision = FAILOVER_NO},
    {"bad bytes", ERROR_BAD_STATUS_LINE, FAULT_UPSTREAM, false, .may_have_run = true, .idempotent = true,
     .decision = FAILOVER_NO},
    {"the whole time is up", ERROR_DEADLINE, FAULT_UPSTREAM, false, .may_have_run = true, .idempotent = true,
     .decision = FAILOVER_NO},
    {"no files here", ERROR_OUT_OF_FILES, FAULT_SYSTEM, true, .idempotent = true, .decision = FAILOVER_NO},
    {"the client left", ERROR_CLIENT_GONE, FAULT_CLIENT, false, .idempotent = true, .decision = FAILOVER_NO},
    {"refused, off", ERROR_CONNECT_REFUSED, FAULT_UPSTREAM, true, .off = true, .decision = FAILOVER_NO},
};

TEST(only_what_does_no_harm_goes_to_another_host)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error failure = {.fault = cases[i].fault, .code = cases[i].code, .retry_safe = cases[i].retry_safe};
        struct failover_evidence evidence = {
            .policy = cases[i].off ? FAILOVER_OFF : FAILOVER_IDEMPOTENT,
            .may_have_run = cases[i].may_have_run,
            .idempotent = cases[i].idempotent,
            .answer_seen = cases[i].answer_seen,
            .replayable = !cases[i].lost,
        };

        test_case_is("%s", cases[i].name);
        CHECK_EQ(failover_decide(&evidence, &failure), cases[i].decision);
    }
}

static const struct {
    enum error_code code;
    enum fault fault;
    bool retry_safe, blamed;
} blames[] = {
    {ERROR_CONNECT_REFUSED, FAULT_UPSTREAM, true, true},
    {ERROR_CONNECT_TIMEOUT, FAULT_UPSTREAM, true, true},
    {ERROR_RESOLVE_FAILED, FAULT_UPSTREAM, true, true},
    {ERROR_RESET, FAULT_UPSTREAM, false, true},
    {ERROR_NO_ANSWER, FAULT_UPSTREAM, false, true},
    {ERROR_DEADLINE, FAULT_UPSTREAM, false, true},
    {ERROR_RESPONSE_HEADER_TIMEOUT, FAULT_UPSTREAM, false, true},
    {ERROR_QUEUE_TIMEOUT, FAULT_UPSTREAM, true, false},
    {ERROR_BAD_STATUS_LINE, FAULT_UPSTREAM, false, false},
    {ERROR_OUT_OF_FILES, FAULT_SYSTEM, true, false},
    {ERROR_RESET, FAULT_CLIENT, false, false},
};

TEST(hosts_are_blamed_for_their_own_failures_only)
{
    for (size_t i = 0; i < COUNT_OF(blames); i++) {
        struct error failure = {.fault = blames[i].fault, .code = blames[i].code, .retry_safe = blames[i].retry_safe};

        test_case_is("%s", error_code_name(blames[i].code));
        CHECK_EQ(failover_blames_host(&failure), blames[i].blamed);
    }
}
