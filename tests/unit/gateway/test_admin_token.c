/* test_admin_token.c: which files hold a token, and which fields carry it. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/admin_token.h"
#include "harness/test.h"

TEST(a_field_carries_the_token_or_it_does_not)
{
    static const struct {
        const char *authorization;
        bool fits;
    } cases[] = {
        {"Bearer abc-123", true},
        {"bearer abc-123", true},
        {"Bearer  abc-123 ", true},
        {"Bearer abc-12", false},
        {"Bearer abc-1234", false},
        {"Bearer ABC-123", false},
        {"Bearer xbc-123", false},
        {"Basic abc-123", false},
        {"abc-123", false},
        {"Bearer", false},
        {"", false},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        test_case_is("%s", cases[i].authorization);
        CHECK_EQ(admin_token_fits(STR("abc-123"), str_from(cases[i].authorization)), cases[i].fits);
    }
}

TEST(without_a_file_no_token_is_needed)
{
    struct server_options options = {0};
    struct report report;
    struct str token;

    report_init(&report, test_arena());
    CHECK(admin_token_read(test_arena(), &options, &token, &report));
    CHECK_EQ(token.len, 0);
    options.admin_token_file = STR("/nowhere/token");
    CHECK(!admin_token_read(test_arena(), &options, &token, &report));
    CHECK_EQ(report.errors, 1);
}
