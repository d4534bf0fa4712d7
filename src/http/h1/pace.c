/* pace.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "http/h1/pace.h"

#define SECOND_NS    UINT64_C(1000000000)
#define PURSE_MIN_NS (5 * SECOND_NS)
#define PURSE_MAX_NS (UINT64_C(3600) * SECOND_NS) /* of who may pause for as long as it likes */

static uint64_t purse_ns(const struct pace_limit *limit)
{
    if (limit->rate == 0)
        return limit->gap_ns;
    if (limit->gap_ns == 0)
        return PURSE_MAX_NS;
    return limit->gap_ns > PURSE_MIN_NS ? limit->gap_ns : PURSE_MIN_NS;
}

/* Without a limit of pauses the first seconds are as those of anybody. */
void pace_begin(struct pace *pace, const struct pace_limit *limit)
{
    pace->since_ns = 0;
    pace->left_ns = limit->rate > 0 && limit->gap_ns == 0 ? PURSE_MIN_NS : purse_ns(limit);
}

void pace_wait(struct pace *pace, uint64_t now_ns)
{
    if (pace->since_ns == 0)
        pace->since_ns = now_ns;
}

static void spend(struct pace *pace, uint64_t now_ns)
{
    uint64_t spent_ns = pace->since_ns > 0 && now_ns > pace->since_ns ? now_ns - pace->since_ns : 0;

    pace->left_ns -= spent_ns < pace->left_ns ? spent_ns : pace->left_ns;
    pace->since_ns = 0;
}

void pace_move(struct pace *pace, const struct pace_limit *limit, uint64_t bytes, uint64_t now_ns)
{
    uint64_t size_ns = purse_ns(limit);

    spend(pace, now_ns);
    if (limit->rate == 0 || bytes / limit->rate >= size_ns / SECOND_NS + 1)
        pace->left_ns = size_ns;
    else
        pace->left_ns += bytes / limit->rate * SECOND_NS + bytes % limit->rate * SECOND_NS / limit->rate;
    if (pace->left_ns > size_ns)
        pace->left_ns = size_ns;
}

/* The wait that is under way may be no longer than a gap, whatever is in the purse. */
uint64_t pace_deadline(const struct pace *pace, const struct pace_limit *limit)
{
    uint64_t wait_ns = pace->left_ns;

    if (pace->since_ns == 0 || (limit->rate == 0 && limit->gap_ns == 0))
        return UINT64_MAX;
    if (limit->gap_ns > 0 && limit->gap_ns < wait_ns)
        wait_ns = limit->gap_ns;
    return wait_ns < UINT64_MAX - pace->since_ns ? pace->since_ns + wait_ns : UINT64_MAX;
}

uint64_t pace_since(uint64_t begun_ns, uint64_t bytes, uint64_t rate)
{
    uint64_t earned_ns;

    if (rate == 0 || bytes / rate >= PURSE_MAX_NS / SECOND_NS)
        return UINT64_MAX;
    earned_ns = bytes / rate * SECOND_NS + bytes % rate * SECOND_NS / rate;
    return begun_ns + PURSE_MIN_NS + earned_ns;
}
