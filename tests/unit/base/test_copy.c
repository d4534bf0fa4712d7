/* test_copy.c: short texts, copied without a call. SPDX-License-Identifier: Apache-2.0 */
#include "base/copy.h"
#include "harness/test.h"

TEST(copies_of_every_length_are_whole_and_touch_nothing_else)
{
    char text[COPY_SHORT_MAX], to[COPY_SHORT_MAX + 2];

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)('0' + i);
    for (size_t len = 0; len <= COPY_SHORT_MAX; len++) {
        struct str from = guard_copy(str_of(text, len));

        test_case_is("%zu bytes", len);
        memset(to, '#', sizeof(to));
        CHECK(copy_short(to + 1, from) == to + 1 + len);
        CHECK_STR(str_of(to + 1, len), str_of(text, len));
        CHECK_EQ(to[0], '#');
        CHECK_EQ(to[1 + len], '#');
    }
}
