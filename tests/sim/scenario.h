/* scenario.h: random walks through the simulated world.
 *
 *   SCENARIO(clients_meet_an_origin) { ... uses sim, ends with everything freed but the sim ... }
 *
 * Each scenario runs once for each seed, with a sim of its own; whatever it decides, it decides by sim_rng. It fails by
 * sim_fail (or an ASSERT anywhere below), and the runner prints the seed that brings the same run again. Output is TAP.
 *
 *   test_sim --count N [--first SEED]   every scenario with N seeds; "--first random" for new ones
 *   test_sim --seed SEED [--trace]      every scenario with this seed, with a trace of packets and peers
 *   --until NUMBER                      as many seeds as it takes until the first count (scenario_count) is so high
 *   --scenario TEXT                     only those whose name holds TEXT
 *   --twice                             each run twice, which must come out the same
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TESTS_SIM_SCENARIO_H
#define HOLDFAST_TESTS_SIM_SCENARIO_H

#include "sim/sim.h"

struct scenario {
    const char *name;
    void (*run)(struct sim *sim);
    struct scenario *next;
};
void scenario_register(struct scenario *scenario);

#define SCENARIO(name_)                                                                                                \
    static void scenario_##name_(struct sim *sim);                                                                     \
    __attribute__((constructor)) static void register_##name_(void)                                                    \
    {                                                                                                                  \
        static struct scenario scenario = {#name_, scenario_##name_, NULL};                                            \
        scenario_register(&scenario);                                                                                  \
    }                                                                                                                  \
    static void scenario_##name_(struct sim *sim)

/* Adds to a count of the scenario, which is told when it has passed. `what` is a literal. */
void scenario_count(const char *what, uint64_t number);

/* A number in [low, high], decided by the seed. */
static inline uint64_t sim_between(struct sim *sim, uint64_t low, uint64_t high)
{
    return low + rng_below(sim_rng(sim), high - low + 1);
}

/* True in `percent` of the runs. */
static inline bool sim_percent(struct sim *sim, uint32_t percent)
{
    return rng_below(sim_rng(sim), 100) < percent;
}

#endif
