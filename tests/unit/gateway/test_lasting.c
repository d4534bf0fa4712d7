/* test_lasting.c: where an event of a stream ends. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/lasting.h"
#include "harness/test.h"

TEST(an_event_ends_with_an_empty_line)
{
    static const struct {
        const char *last;
        bool between;
    } rows[] = {{"", true},         {"\n\n", true},    {"a\n\n", true},       {"a\r\n\r\n", true}, {"a\r\r", true},
                {"a\n\r\n", true},  {"a\r\n\n", true}, {"\n", true},          {"a\n", false},      {"a\r\n", false},
                {"a\r", false},     {"a", false},      {"\n\na", false},      {"\r\n\r", true},    {"\r\n\r\n", true},
                {"\n\n:\n", false}, {"\r\n", true},    {"data\r\n\r\n", true}};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        test_case_is("row %zu", i);
        CHECK_EQ(stream_is_between_events(str_from(rows[i].last)), rows[i].between);
    }
}
