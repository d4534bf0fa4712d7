/* idle_estimate.c: hazards, walls and margins. Start with idle_wall_bucket. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/idle_estimate.h"

/* The estimator's: what F-1 was proved with (tests/unit/upstream/test_idle_limit_sim.c). Who wants to keep off a host's
 * limit by more sets idle_timeout. */
enum {
    WALL_CLOSES = 3,
    PROVEN_SURVIVALS = 30,
    MARGIN_MIN_NS = 20000000,
};
static const double wall_hazard = 1e-3;
static const double z_squared = 3.8415; /* of the two-sided 95 % */

/* Wilson's lower bound is above h exactly when the score test rejects h: no root is needed. */
bool idle_hazard_exceeds(uint64_t closed, uint64_t at_risk, double hazard)
{
    double expected = hazard * (double)at_risk;
    double surplus = (double)closed - expected;

    return surplus > 0 && surplus * surplus > z_squared * expected * (1 - hazard);
}

static uint64_t at_risk_from(const struct idle_evidence *evidence, unsigned bucket)
{
    uint64_t at_risk = 0;

    for (unsigned i = bucket; i < IDLE_BUCKETS; i++)
        at_risk += evidence->survived[i] + evidence->closed[i];
    return at_risk;
}

unsigned idle_wall_bucket(const struct idle_evidence *evidence)
{
    uint64_t at_risk = at_risk_from(evidence, 0);

    for (unsigned i = 0; i < IDLE_BUCKETS; i++) {
        uint32_t closed = evidence->closed[i];

        if (closed && (idle_hazard_exceeds(closed, at_risk, wall_hazard) ||
                       (closed >= WALL_CLOSES && (double)closed > wall_hazard * (double)at_risk)))
            return i;
        at_risk -= evidence->survived[i] + closed;
    }
    return IDLE_BUCKETS;
}

uint64_t idle_proven_ns(const struct idle_evidence *evidence, unsigned wall)
{
    uint64_t outlived = at_risk_from(evidence, wall);

    for (unsigned i = wall; i-- > 0;) {
        if (!evidence->closed[i] && outlived >= PROVEN_SURVIVALS)
            return idle_bucket_ns(i + 1);
        outlived += evidence->survived[i] + evidence->closed[i];
    }
    return 0;
}

uint32_t idle_outlived_needed(const struct idle_evidence *evidence, unsigned wall)
{
    /* needed: ln 0.01 / ln(1 - hazard) */
    static const struct {
        double hazard;
        uint32_t needed;
    } steps[] = {{0.78, 3}, {0.6, 5}, {0.5, 7}, {0.2, 21}, {0.1, 44}, {0.05, 90}, {0.02, 228}};
    uint64_t at_risk = at_risk_from(evidence, wall);
    uint64_t closed = evidence->closed[wall] + (wall + 1 < IDLE_BUCKETS ? evidence->closed[wall + 1] : 0);

    for (size_t i = 0; i < COUNT_OF(steps); i++)
        if (idle_hazard_exceeds(closed, at_risk, steps[i].hazard))
            return steps[i].needed;
    return 460;
}

uint64_t idle_margin_ns(uint64_t limit_ns, uint64_t rtt_ns, uint64_t lag_ns)
{
    uint64_t share = limit_ns / 50;
    uint64_t least = limit_ns / 4 < MARGIN_MIN_NS ? limit_ns / 4 : MARGIN_MIN_NS;

    return rtt_ns + lag_ns + (share > least ? share : least);
}

uint64_t idle_usable_ns(uint64_t limit_ns, uint64_t margin_ns)
{
    return limit_ns > 2 * margin_ns ? limit_ns - margin_ns : limit_ns / 8;
}
