/* test_str.c: text as pointer and length. SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include "harness/test.h"

TEST(str_equality_looks_at_bytes_and_len)
{
    CHECK(str_eq(STR("abc"), guard_copy(STR("abc"))));
    CHECK(!str_eq(STR("abc"), STR("abd")));
    CHECK(!str_eq(STR("abc"), STR("abcd")));
    CHECK(str_eq(STR_EMPTY, STR("")));
}
