/* test_trim.c: when memory is given back. That it is, test_lifecycle.py shows. SPDX-License-Identifier: Apache-2.0 */
#include "app/trim.h"
#include "harness/test.h"

static const struct {
    const char *name;
    uint64_t most, now, grown_bytes;
    bool due;
} cases[] = {
    {"nothing has happened", 0, 0, 0, false},
    {"a few have gone", 63, 0, 0, false},
    {"a crowd has gone", 64, 0, 0, true},
    {"a crowd is here", 5000, 5000, 0, false},
    {"most of it is still here", 5000, 2501, 0, false},
    {"half of it has gone", 5000, 2500, 0, true},
    {"half of a few", 100, 50, 0, false},
    {"more than ever", 100, 200, 0, false},
    {"nobody was seen, but it has grown a little", 0, 0, 16 << 20, false},
    {"nobody was seen, but it has grown", 0, 0, (16 << 20) + 1, true},
};

TEST(memory_is_given_back_when_a_crowd_has_gone)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        test_case_is("%s", cases[i].name);
        CHECK_EQ(trim_is_due(cases[i].most, cases[i].now, cases[i].grown_bytes), cases[i].due);
    }
}
