/* test_resend.c: the evidence ladder, each combination by name. SPDX-License-Identifier: Apache-2.0 */
#include "tests/harness/test.h"
#include "upstream/resend.h"

#define KEPT    .reused = true, .bytes_sent = 100, .replayable = true, .policy = RESEND_REPEATABLE
#define UNACKED .reused = true, .bytes_sent = 100, .replayable = true, .policy = RESEND_UNACKED

/* clang-format off */
static const struct {
    const char *name;
    struct str method;
    bool key;
    struct resend_evidence evidence;
    enum error_code failure;
    enum resend rung;
} cases[] = {
    {"a GET that raced an idle close", STR_INIT("GET"), false, {KEPT}, ERROR_NO_ANSWER, RESEND_IDEMPOTENT},
    {"the same over TLS without close_notify", STR_INIT("GET"), false, {KEPT}, ERROR_TLS_TRUNCATED, RESEND_IDEMPOTENT},
    {"the same with a reset", STR_INIT("GET"), false, {KEPT}, ERROR_RESET, RESEND_IDEMPOTENT},
    {"PUT and DELETE may be done twice", STR_INIT("DELETE"), false, {KEPT}, ERROR_NO_ANSWER, RESEND_IDEMPOTENT},
    {"POST may not", STR_INIT("POST"), false, {KEPT}, ERROR_NO_ANSWER, RESEND_NO},
    {"POST with an idempotency key may", STR_INIT("POST"), true, {KEPT}, ERROR_NO_ANSWER, RESEND_IDEMPOTENT},
    {"an unknown method may not", STR_INIT("FROB"), false, {KEPT}, ERROR_NO_ANSWER, RESEND_NO},
    {"method names are case-sensitive", STR_INIT("get"), false, {KEPT}, ERROR_NO_ANSWER, RESEND_NO},
    {"resend: off", STR_INIT("GET"), false, {.reused = true, .bytes_sent = 100, .replayable = true, .policy = RESEND_OFF}, ERROR_NO_ANSWER, RESEND_NO},
    {"a POST of which nothing left", STR_INIT("POST"), false, {.reused = true, .replayable = true, .policy = RESEND_OFF}, ERROR_CLOSED, RESEND_NOTHING_LEFT},
    {"nothing left of a fresh one either", STR_INIT("POST"), false, {.replayable = true, .policy = RESEND_REPEATABLE}, ERROR_RESET, RESEND_NOTHING_LEFT},
    {"a body that was not kept", STR_INIT("PUT"), false, {.reused = true, .bytes_sent = 100, .policy = RESEND_REPEATABLE}, ERROR_NO_ANSWER, RESEND_NO},
    {"a fresh connection that died", STR_INIT("GET"), false, {.bytes_sent = 100, .replayable = true, .policy = RESEND_REPEATABLE}, ERROR_NO_ANSWER, RESEND_NO},
    {"never twice", STR_INIT("GET"), false, {KEPT, .resends = 1}, ERROR_NO_ANSWER, RESEND_NO},
    {"never behind a byte of an answer that may be cut off", STR_INIT("GET"), false, {KEPT, .answer_seen = true}, ERROR_TLS_TRUNCATED, RESEND_NO},
    {"never behind a byte of an answer", STR_INIT("GET"), false, {KEPT, .answer_seen = true}, ERROR_RESET, RESEND_NO},
    {"garbage is an answer", STR_INIT("GET"), false, {KEPT}, ERROR_BAD_STATUS_LINE, RESEND_NO},
    {"unacked: a POST that saw an orderly end asks the kernel", STR_INIT("POST"), false, {UNACKED}, ERROR_NO_ANSWER, RESEND_ASK_KERNEL},
    {"unacked: the same over TLS without close_notify", STR_INIT("POST"), false, {UNACKED}, ERROR_TLS_TRUNCATED, RESEND_ASK_KERNEL},
    {"unacked: the kernel says the host never took it", STR_INIT("POST"), false, {UNACKED, .proof = PROOF_UNREAD}, ERROR_NO_ANSWER, RESEND_UNREAD},
    {"unacked: the kernel cannot say", STR_INIT("POST"), false, {UNACKED, .proof = PROOF_NONE}, ERROR_NO_ANSWER, RESEND_NO},
    {"unacked: a reset proves nothing", STR_INIT("POST"), false, {UNACKED}, ERROR_RESET, RESEND_NO},
    {"unacked: a GET needs no proof", STR_INIT("GET"), false, {UNACKED}, ERROR_NO_ANSWER, RESEND_IDEMPOTENT},
    {"HTTP/2: refused, whatever the method", STR_INIT("POST"), false, {.refused = true, .alive = true, .bytes_sent = 100, .replayable = true}, ERROR_STREAM_REFUSED, RESEND_REFUSED},
    {"HTTP/2: refused on a fresh connection, resend: off", STR_INIT("POST"), false, {.refused = true, .bytes_sent = 100, .replayable = true, .policy = RESEND_OFF}, ERROR_GOAWAY, RESEND_REFUSED},
    {"HTTP/2: refused for the second time", STR_INIT("POST"), false, {KEPT, .refused = true, .resends = 1}, ERROR_STREAM_REFUSED, RESEND_REFUSED},
    {"HTTP/2: refused for the sixth time", STR_INIT("POST"), false, {KEPT, .refused = true, .alive = true, .resends = 5}, ERROR_STREAM_REFUSED, RESEND_REFUSED},
    {"HTTP/2: refused for the seventh time", STR_INIT("GET"), false, {KEPT, .refused = true, .alive = true, .resends = 6}, ERROR_STREAM_REFUSED, RESEND_NO},
    {"HTTP/2: refused for the second time, others are left", STR_INIT("POST"), false, {KEPT, .refused = true, .resends = 1, .has_others = true}, ERROR_STREAM_REFUSED, RESEND_REFUSED},
    {"HTTP/2: refused for the third time, others are left", STR_INIT("GET"), false, {KEPT, .refused = true, .resends = 2, .has_others = true}, ERROR_STREAM_REFUSED, RESEND_NO},
    {"HTTP/2: the connection ended in order, resend: off", STR_INIT("POST"), false, {.refused = true, .in_order = true, .bytes_sent = 100, .replayable = true, .policy = RESEND_OFF}, ERROR_GOAWAY, RESEND_GOAWAY},
    {"HTTP/2: the sixth connection ended in order", STR_INIT("POST"), false, {KEPT, .refused = true, .in_order = true, .resends = 5}, ERROR_GOAWAY, RESEND_GOAWAY},
    {"HTTP/2: the seventh connection ended in order", STR_INIT("GET"), false, {KEPT, .refused = true, .in_order = true, .resends = 6}, ERROR_GOAWAY, RESEND_NO},
    {"HTTP/2: refused with a body that was not kept", STR_INIT("PUT"), false, {.refused = true, .reused = true, .bytes_sent = 100}, ERROR_STREAM_REFUSED, RESEND_NO},
    {"HTTP/2: GOAWAY ended it, and may have processed it", STR_INIT("GET"), false, {KEPT}, ERROR_GOAWAY, RESEND_IDEMPOTENT},
    {"HTTP/2: the same for a POST", STR_INIT("POST"), false, {KEPT}, ERROR_GOAWAY, RESEND_NO},
    {"HTTP/2: a stream was reset, the connection goes on", STR_INIT("GET"), false, {KEPT, .alive = true}, ERROR_RESET, RESEND_NO},
    {"the budget is spent: idempotent", STR_INIT("GET"), false, {KEPT, .budget_spent = true}, ERROR_NO_ANSWER, RESEND_NO},
    {"the budget is spent: unread", STR_INIT("POST"), false, {UNACKED, .proof = PROOF_UNREAD, .budget_spent = true}, ERROR_NO_ANSWER, RESEND_NO},
    {"the budget is spent: nobody is asked for a proof", STR_INIT("POST"), false, {UNACKED, .budget_spent = true}, ERROR_NO_ANSWER, RESEND_NO},
    {"the budget is spent: refused", STR_INIT("POST"), false, {KEPT, .refused = true, .budget_spent = true}, ERROR_STREAM_REFUSED, RESEND_NO},
    {"the budget is spent: a connection that ended in order takes none", STR_INIT("POST"), false, {KEPT, .refused = true, .in_order = true, .budget_spent = true}, ERROR_GOAWAY, RESEND_GOAWAY},
    {"the budget is spent: what had not left takes none", STR_INIT("POST"), false, {.reused = true, .replayable = true, .budget_spent = true}, ERROR_CLOSED, RESEND_NOTHING_LEFT},
    {"idempotent: a POST does not ask", STR_INIT("POST"), false, {KEPT}, ERROR_NO_ANSWER, RESEND_NO},
};
/* clang-format on */

TEST(a_request_is_sent_again_only_on_evidence)
{
    struct http_field key = {.name = STR("idempotency-key"), .value = STR("42")};

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct http_head head = {.method = cases[i].method, .announced_bytes = -1};
        struct error failure = {.fault = FAULT_UPSTREAM, .code = cases[i].failure};

        if (cases[i].key)
            head.headers = (struct http_headers){.fields = &key, .count = 1, .room = 1};
        test_case_is("%s", cases[i].name);
        CHECK_EQ(resend_decide(&head, &cases[i].evidence, &failure), cases[i].rung);
    }
}

/* clang-format off */
static const struct {
    const char *name;
    struct str method;
    struct resend_evidence evidence;
    enum error_code failure;
    enum resend_refusal refusal;
} refused[] = {
    {"once is enough", STR_INIT("GET"), {KEPT, .resends = 1}, ERROR_NO_ANSWER, REFUSAL_ALREADY_RESENT},
    {"a byte of an answer", STR_INIT("GET"), {KEPT, .answer_seen = true}, ERROR_NO_ANSWER, REFUSAL_ANSWER_BEGUN},
    {"a long body", STR_INIT("PUT"), {.reused = true, .bytes_sent = 100}, ERROR_NO_ANSWER, REFUSAL_BODY_NOT_REPLAYABLE},
    {"too late", STR_INIT("GET"), {KEPT}, ERROR_RESPONSE_HEADER_TIMEOUT, REFUSAL_NOT_A_CLOSE},
    {"a new connection", STR_INIT("GET"), {.replayable = true, .bytes_sent = 100}, ERROR_NO_ANSWER, REFUSAL_FRESH_CONNECTION},
    {"turned off", STR_INIT("GET"), {.reused = true, .bytes_sent = 100, .replayable = true, .policy = RESEND_OFF}, ERROR_NO_ANSWER, REFUSAL_RESEND_OFF},
    {"no proof", STR_INIT("POST"), {UNACKED}, ERROR_RESET, REFUSAL_RESET_UNPROVEN},
    {"the kernel is still asked", STR_INIT("POST"), {UNACKED}, ERROR_NO_ANSWER, REFUSAL_RESET_UNPROVEN},
    {"a POST", STR_INIT("POST"), {KEPT}, ERROR_NO_ANSWER, REFUSAL_NOT_IDEMPOTENT},
    {"the budget is spent", STR_INIT("GET"), {KEPT, .budget_spent = true}, ERROR_NO_ANSWER, REFUSAL_BUDGET_SPENT},
    {"the budget is spent, a proof", STR_INIT("POST"), {UNACKED, .proof = PROOF_UNREAD, .budget_spent = true}, ERROR_NO_ANSWER, REFUSAL_BUDGET_SPENT},
    {"the budget is spent, a proof might be had", STR_INIT("POST"), {UNACKED, .budget_spent = true}, ERROR_NO_ANSWER, REFUSAL_BUDGET_SPENT},
    {"the budget is spent, but a POST it is", STR_INIT("POST"), {KEPT, .budget_spent = true}, ERROR_NO_ANSWER, REFUSAL_NOT_IDEMPOTENT},
    {"the budget is spent, but once is enough", STR_INIT("GET"), {KEPT, .resends = 1, .budget_spent = true}, ERROR_NO_ANSWER, REFUSAL_ALREADY_RESENT},
};
/* clang-format on */

TEST(each_refusal_has_its_reason)
{
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        struct http_head head = {.method = refused[i].method};
        struct error failure = {.fault = FAULT_UPSTREAM, .code = refused[i].failure};

        test_case_is("%s", refused[i].name);
        CHECK_EQ(resend_refusal(&head, &refused[i].evidence, &failure), refused[i].refusal);
    }
    for (int refusal = 0; refusal < REFUSALS; refusal++)
        CHECK(resend_refusal_name((enum resend_refusal)refusal)[0] != '\0');
}

TEST(every_rung_has_a_name)
{
    CHECK_CSTR(resend_name(RESEND_UNREAD), "unread");
    CHECK_CSTR(resend_name(RESEND_IDEMPOTENT), "idempotent");
    CHECK_CSTR(resend_name(RESEND_NOTHING_LEFT), "nothing_left");
    CHECK_CSTR(resend_name(RESEND_GOAWAY), "goaway");
    CHECK_CSTR(resend_name(RESEND_MISDIRECTED), "misdirected");
}

TEST(the_first_tries_are_made_at_once_and_each_pause_is_longer)
{
    struct rng rng;

    rng_init(&rng, 1);
    for (uint8_t resends = 0; resends < RESEND_AT_ONCE_MAX; resends++)
        CHECK_EQ(resend_pause_ns(resends, &rng), 0);
    for (uint8_t resends = RESEND_AT_ONCE_MAX; resends < RESEND_REFUSED_MAX; resends++) {
        uint64_t whole_ns = UINT64_C(20000000) << (resends - RESEND_AT_ONCE_MAX), least_ns = UINT64_MAX, most_ns = 0;

        for (unsigned i = 0; i < 1000; i++) {
            uint64_t pause_ns = resend_pause_ns(resends, &rng);

            least_ns = u64_min(least_ns, pause_ns);
            most_ns = u64_max(most_ns, pause_ns);
        }
        CHECK(least_ns > whole_ns / 2);
        CHECK(least_ns < whole_ns * 6 / 10);
        CHECK(most_ns > whole_ns * 9 / 10);
        CHECK(most_ns <= whole_ns);
    }
}
