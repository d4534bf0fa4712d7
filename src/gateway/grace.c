/* grace.c: a few counters, halved as they fill. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/grace.h"

#include "base/assert.h"

#define MS UINT64_C(1000000)

enum { RARE = 100000, PERCENT = 100 };

/* The first is the grace without any news. */
static const uint32_t steps_ms[GRACE_STEPS] = {1000, 1250, 1500, 2000, 2500, 3000, 4000, 5000};

static void fade(struct grace *grace)
{
    grace->idle_closes /= 2;
    grace->late = 0;
    for (size_t i = 0; i <= GRACE_STEPS; i++) {
        grace->late_by[i] /= 2;
        grace->late += grace->late_by[i];
    }
}

static size_t step_of(uint64_t late_ns)
{
    size_t step = 0;

    while (step < GRACE_STEPS && late_ns > steps_ms[step] * MS)
        step++;
    return step;
}

void grace_note(struct grace *grace, uint64_t late_ns)
{
    grace->idle_closes++;
    if (late_ns > 0) {
        grace->late++;
        grace->late_by[step_of(late_ns)]++;
    }
    if (grace->idle_closes >= 2 * RARE)
        fade(grace);
}

uint64_t grace_ns(const struct grace *grace)
{
    uint32_t beyond = grace->late;
    size_t step = 0;

    if ((uint64_t)grace->late * RARE <= grace->idle_closes)
        return steps_ms[0] * MS;
    beyond -= grace->late_by[0];
    while (step + 1 < GRACE_STEPS && beyond > grace->late / PERCENT)
        beyond -= grace->late_by[++step];
    return steps_ms[step] * MS;
}
