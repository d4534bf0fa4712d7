/* test_resend.c: the first rungs of the evidence ladder, each combination by name. SPDX-License-Identifier: Apache-2.0
 */
#include "tests/harness/test.h"
#include "upstream/resend.h"

static const struct {
    const char *name;
    struct str method;
    int64_t body_bytes;
    struct resend_evidence evidence;
    enum error_code failure;
    bool again;
} cases[] = {
    {"a GET that raced an idle close", STR_INIT("GET"), 0, {.reused = true, .bytes_sent = 100}, ERROR_NO_ANSWER, true},
    {"the same with a reset", STR_INIT("GET"), 0, {.reused = true, .bytes_sent = 100}, ERROR_RESET, true},
    {"DELETE is idempotent", STR_INIT("DELETE"), 0, {.reused = true, .bytes_sent = 100}, ERROR_NO_ANSWER, true},
    {"POST is not", STR_INIT("POST"), 0, {.reused = true, .bytes_sent = 100}, ERROR_NO_ANSWER, false},
    {"an unknown method is not", STR_INIT("FROB"), 0, {.reused = true, .bytes_sent = 100}, ERROR_NO_ANSWER, false},
    {"method names are case-sensitive",
     STR_INIT("get"),
     0,
     {.reused = true, .bytes_sent = 100},
     ERROR_NO_ANSWER,
     false},
    {"a POST of which nothing left", STR_INIT("POST"), 0, {.reused = true, .bytes_sent = 0}, ERROR_CLOSED, true},
    {"a body cannot be replayed yet", STR_INIT("PUT"), 5, {.reused = true, .bytes_sent = 100}, ERROR_NO_ANSWER, false},
    {"nor one of unknown length", STR_INIT("PUT"), -1, {.reused = true, .bytes_sent = 0}, ERROR_NO_ANSWER, false},
    {"a fresh connection that died", STR_INIT("GET"), 0, {.reused = false, .bytes_sent = 100}, ERROR_NO_ANSWER, false},
    {"never twice", STR_INIT("GET"), 0, {.reused = true, .bytes_sent = 100, .resends = 1}, ERROR_NO_ANSWER, false},
    {"never behind a byte of an answer",
     STR_INIT("GET"),
     0,
     {.reused = true, .bytes_sent = 100, .answer_seen = true},
     ERROR_RESET,
     false},
    {"garbage is an answer", STR_INIT("GET"), 0, {.reused = true, .bytes_sent = 100}, ERROR_BAD_STATUS_LINE, false},
};

TEST(a_request_is_sent_again_only_on_evidence)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct http_head head = {.method = cases[i].method, .body_bytes = cases[i].body_bytes, .announced_bytes = -1};
        struct error failure = {.fault = FAULT_UPSTREAM, .code = cases[i].failure};

        test_case_is("%s", cases[i].name);
        CHECK_EQ(resend_is_safe(&head, &cases[i].evidence, &failure), cases[i].again);
    }
}
