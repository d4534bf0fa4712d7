/* test_log.c: lines and their levels. SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "harness/test.h"

#include <stdio.h>

static struct {
    unsigned count;
    enum log_level level;
    char area[64], line[4096];
} seen;

static void remember(enum log_level level, const char *area, const char *line)
{
    seen.count++;
    seen.level = level;
    snprintf(seen.area, sizeof seen.area, "%s", area);
    snprintf(seen.line, sizeof seen.line, "%s", line);
}

static unsigned count_call(unsigned *calls)
{
    return ++*calls;
}

TEST(log_gives_lines_of_its_level_and_above)
{
    static const enum log_level levels[] = {LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR, LOG_CRITICAL};

    for (size_t lowest = 0; lowest <= COUNT_OF(levels); lowest++) {
        log_set(lowest < COUNT_OF(levels) ? levels[lowest] : LOG_OFF, remember);
        for (size_t i = 0; i < COUNT_OF(levels); i++) {
            test_case_is("lowest %zu, line %zu", lowest, i);
            seen.count = 0;
            LOG(levels[i], "upstream", "host %s: %d", "a", 3);
            CHECK_EQ(seen.count, i >= lowest);
            CHECK_EQ(log_wants(levels[i]), i >= lowest);
            log_write(levels[i], "upstream", "x");
            CHECK_EQ(seen.count, i >= lowest ? 2 : 0);
        }
    }
    log_set(LOG_OFF, NULL);
}

TEST(log_hands_over_level_area_and_line)
{
    log_set(LOG_INFO, remember);
    LOG(LOG_WARNING, "upstream", "host %s: %d", "a", 3);
    CHECK_EQ(seen.level, LOG_WARNING);
    CHECK_CSTR(seen.area, "upstream");
    CHECK_CSTR(seen.line, "host a: 3");
    log_set(LOG_OFF, NULL);
}

TEST(log_evaluates_nothing_that_nobody_wants)
{
    unsigned calls = 0;

    log_set(LOG_INFO, remember);
    LOG(LOG_DEBUG, "a", "%u", count_call(&calls));
    CHECK_EQ(calls, 0);
    LOG(LOG_INFO, "a", "%u", count_call(&calls));
    CHECK_EQ(calls, 1);
    log_set(LOG_OFF, NULL);
}

TEST(log_without_sink_is_silent)
{
    log_set(LOG_DEBUG, NULL);
    CHECK(!log_wants(LOG_CRITICAL));
    log_write(LOG_CRITICAL, "a", "x");
    log_set(LOG_DEBUG, remember);
    CHECK(!log_wants(LOG_OFF));
    log_set(LOG_OFF, NULL);
}

TEST(log_line_is_one_line)
{
    log_set(LOG_DEBUG, remember);
    seen.count = 0;
    LOG(LOG_INFO, "a", "%s", "");
    CHECK_EQ(seen.count, 1);
    CHECK_CSTR(seen.line, "");
    LOG(LOG_INFO, "a", "%s", "one\r\ntwo\x1b[31m\x7f\tgr\xc3\xbc\xc3\x9f");
    CHECK_CSTR(seen.line, "one??two?[31m??gr\xc3\xbc\xc3\x9f");
    log_set(LOG_OFF, NULL);
}

TEST(log_line_is_cut_with_three_points)
{
    log_set(LOG_DEBUG, remember);
    LOG(LOG_INFO, "a", "%02047d", 7);
    CHECK_EQ(strlen(seen.line), 2047);
    CHECK(str_ends(str_from(seen.line), STR("07")));
    LOG(LOG_INFO, "a", "%02048d", 7);
    CHECK_EQ(strlen(seen.line), 2047);
    CHECK(str_ends(str_from(seen.line), STR("0...")));
    log_set(LOG_OFF, NULL);
}

TEST(log_levels_have_names)
{
    CHECK_CSTR(log_level_name(LOG_DEBUG), "DEBUG");
    CHECK_CSTR(log_level_name(LOG_INFO), "INFO");
    CHECK_CSTR(log_level_name(LOG_WARNING), "WARNING");
    CHECK_CSTR(log_level_name(LOG_ERROR), "ERROR");
    CHECK_CSTR(log_level_name(LOG_CRITICAL), "CRITICAL");
}
