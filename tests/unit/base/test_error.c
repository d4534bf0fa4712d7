/* test_error.c: filling errors and telling their story. SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "harness/test.h"

#include <errno.h>

TEST(error_set_fills_everything)
{
    struct error err;

    memset(&err, 0xff, sizeof err);
    CHECK(!error_set(&err, FAULT_CLIENT, ERROR_BAD_FIELD, "field %d of \"%s\"", 3, "x"));
    CHECK_EQ(err.fault, FAULT_CLIENT);
    CHECK_EQ(err.code, ERROR_BAD_FIELD);
    CHECK(!err.retry_safe);
    CHECK_CSTR(err.text, "field 3 of \"x\"");
}

TEST(error_may_be_nobodys)
{
    CHECK(!error_set(NULL, FAULT_BUG, ERROR_BUG, "x"));
    CHECK(!error_context(NULL, "x"));
    CHECK(!error_set_system(NULL, EPERM, "x"));
}

TEST(error_context_goes_before_and_keeps_the_rest)
{
    struct error err;

    error_set_system(&err, ECONNREFUSED, "dialing %s", "10.0.0.7:443");
    err.retry_safe = true;
    CHECK(!error_context(&err, "users[%d]", 1));
    CHECK_CSTR(err.text, "users[1]: dialing 10.0.0.7:443: connection refused");
    CHECK(err.retry_safe);
    CHECK_EQ(err.code, ERROR_CONNECT_REFUSED);
    CHECK(!error_context(&err, "%s", err.text)); /* its own text as an argument */
    CHECK_CSTR(err.text, "users[1]: dialing 10.0.0.7:443: connection refused: users[1]: dialing 10.0.0.7:443: "
                         "connection refused");
}

TEST(error_text_is_cut_at_the_end)
{
    static char longer[400];
    struct error err;
    struct str text;

    memset(longer, 'x', sizeof longer - 1);
    error_set(&err, FAULT_BUG, ERROR_BUG, "%s", longer);
    CHECK_EQ(strlen(err.text), sizeof err.text - 1);
    error_context(&err, "first");
    text = str_from(err.text);
    CHECK_EQ(text.len, sizeof err.text - 1);
    CHECK(str_starts(text, STR("first: xxx")));
    error_context(&err, "%s", longer);
    CHECK_EQ(strlen(err.text), sizeof err.text - 1);
    CHECK_EQ(str_find_char(str_from(err.text), ':'), sizeof err.text - 1);
    error_set_system(&err, EPERM, "%s", longer); /* no room for the reason */
    CHECK_EQ(strlen(err.text), sizeof err.text - 1);
    error_set_system(&err, EPERM, "%.*s", (int)sizeof err.text - 5, longer);
    CHECK(str_ends(str_from(err.text), STR("xxx: op")));
}

TEST(error_of_a_system_call_has_code_and_reason)
{
    static const struct {
        int number;
        enum error_code code;
        enum fault fault;
        const char *text;
    } cases[] = {
        {ECONNREFUSED, ERROR_CONNECT_REFUSED, FAULT_UPSTREAM, "x: connection refused"},
        {EHOSTUNREACH, ERROR_CONNECT_UNREACHABLE, FAULT_UPSTREAM, "x: no route to host"},
        {ENETUNREACH, ERROR_CONNECT_UNREACHABLE, FAULT_UPSTREAM, "x: network is unreachable"},
        {ETIMEDOUT, ERROR_CONNECT_TIMEOUT, FAULT_UPSTREAM, "x: connection timed out"},
        {ECONNRESET, ERROR_RESET, FAULT_SYSTEM, "x: connection reset by peer"},
        {EPIPE, ERROR_RESET, FAULT_SYSTEM, "x: broken pipe"},
        {EMFILE, ERROR_OUT_OF_FILES, FAULT_SYSTEM, "x: too many open files"},
        {ENFILE, ERROR_OUT_OF_FILES, FAULT_SYSTEM, "x: too many open files in system"},
        {ENOMEM, ERROR_OUT_OF_MEMORY, FAULT_SYSTEM, "x: cannot allocate memory"},
        {ENOBUFS, ERROR_OUT_OF_MEMORY, FAULT_SYSTEM, "x: no buffer space available"},
        {EADDRINUSE, ERROR_ADDRESS_IN_USE, FAULT_SYSTEM, "x: address already in use"},
        {EACCES, ERROR_PERMISSION, FAULT_SYSTEM, "x: permission denied"},
        {ENOENT, ERROR_NOT_FOUND, FAULT_SYSTEM, "x: no such file or directory"},
        {EIO, ERROR_SYSTEM, FAULT_SYSTEM, "x: input/output error"},
        {EDOTDOT, ERROR_SYSTEM, FAULT_SYSTEM, "x: RFS specific error"},
        {ERFKILL, ERROR_SYSTEM, FAULT_SYSTEM, "x: operation not possible due to RF-kill"},
        {54321, ERROR_SYSTEM, FAULT_SYSTEM, "x: error 54321"},
        {-1, ERROR_SYSTEM, FAULT_SYSTEM, "x: error -1"},
    };
    struct error err;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        test_case_is("%d", cases[i].number);
        CHECK(!error_set_system(&err, cases[i].number, "%s", "x"));
        CHECK_CSTR(err.text, cases[i].text);
        CHECK_EQ(err.code, cases[i].code);
        CHECK_EQ(err.fault, cases[i].fault);
        CHECK(!err.retry_safe);
    }
}

TEST(error_codes_have_distinct_names)
{
    CHECK_CSTR(error_code_name(ERROR_NONE), "none");
    CHECK_CSTR(error_code_name(ERROR_CONNECT_REFUSED), "connect_refused");
    for (enum error_code a = 0; a < ERROR_CODE_COUNT; a++)
        for (enum error_code b = 0; b < a; b++) {
            test_case_is("%s", error_code_name(a));
            CHECK(strcmp(error_code_name(a), error_code_name(b)) != 0);
        }
}

static void name_no_code(void *arg)
{
    (void)arg;
    error_code_name(ERROR_CODE_COUNT);
}

TEST(error_code_out_of_range_is_our_mistake)
{
    CHECK(test_aborts(name_no_code, NULL));
}
