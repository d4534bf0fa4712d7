/* main.c: runs scenarios with seeds, and says how to see a failure again. See scenario.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "scenario.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

enum {
    TALLIES_MAX = 8,
    SECONDS_MAX = 120,       /* of real time for one run: more is a hang */
    FIRST_DEFAULT = 1000001, /* no number that looks like a count */
};

struct options {
    uint64_t first, count, until;
    const char *only; /* NULL: all */
    bool traces, twice;
};

static struct scenario *scenarios; /* in no order until sort_scenarios */

/* What is running, for whoever dies meanwhile. */
static const char *running_name;
static uint64_t running_seed;
static unsigned running_number; /* TAP's */

/* What the running scenario has counted, over all its seeds. */
static struct tally {
    const char *what;
    uint64_t number;
} tallies[TALLIES_MAX];

void scenario_count(const char *what, uint64_t number)
{
    unsigned i = 0;

    while (i < TALLIES_MAX && tallies[i].what && strcmp(tallies[i].what, what) != 0)
        i++;
    ASSERT(i < TALLIES_MAX);
    tallies[i].what = what;
    tallies[i].number += number;
}

static void print_tallies(void)
{
    for (unsigned i = 0; i < TALLIES_MAX && tallies[i].what; i++)
        printf("# %s: %llu\n", tallies[i].what, (unsigned long long)tallies[i].number);
}

void scenario_register(struct scenario *scenario)
{
    struct scenario **at = &scenarios;

    while (*at && strcmp((*at)->name, scenario->name) < 0)
        at = &(*at)->next;
    scenario->next = *at;
    *at = scenario;
}

/* TAP for programs on stdout, the same for people on stderr. */
static void print_replay(void)
{
    if (!running_name)
        return;
    printf("not ok %u - %s, seed=%llu\n", running_number, running_name, (unsigned long long)running_seed);
    fflush(stdout);
    fprintf(stderr, "seed=%llu scenario=%s commit-independent replay: ./dev sim seed=%llu\n",
            (unsigned long long)running_seed, running_name, (unsigned long long)running_seed);
}

/* Without the end of a process: what the scenario holds would be reported as leaks. */
static void fail(void *arg, const char *message)
{
    (void)arg;
    fprintf(stderr, "%s\n", message);
    print_replay();
    _exit(1);
}

static void on_alarm(int number)
{
    static const char text[] = "the run does not end\n";

    (void)number;
    (void)!write(2, text, sizeof(text) - 1);
    print_replay(); /* not safe in a handler in general; the process ends here */
    _exit(1);
}

static uint64_t run_once(const struct scenario *scenario, uint64_t seed, bool traces)
{
    struct sim *sim = sim_new(seed);
    uint64_t hash;

    running_name = scenario->name;
    running_seed = seed;
    sim_on_fail(sim, fail, NULL);
    sim_trace(sim, traces);
    alarm(SECONDS_MAX);
    scenario->run(sim);
    alarm(0);
    hash = sim_trace_hash(sim);
    sim_free(sim);
    return hash;
}

/* A scenario that counts nothing is not run for ever. */
static bool wants_more(const struct options *options, uint64_t runs)
{
    if (options->until > 0 && runs > 0 && tallies[0].number > 0)
        return tallies[0].number < options->until;
    return runs < options->count;
}

static void run_scenario(const struct scenario *scenario, const struct options *options)
{
    uint64_t runs = 0;

    running_number++;
    memset(tallies, 0, sizeof(tallies));
    for (; wants_more(options, runs); runs++) {
        uint64_t i = runs;

        uint64_t hash = run_once(scenario, options->first + i, options->traces);

        if (options->twice && run_once(scenario, options->first + i, false) != hash)
            fail(NULL, "two runs with one seed differ: something is decided by memory addresses, time or threads");
    }
    running_name = NULL;
    printf("ok %u - %s, %llu seeds from %llu\n", running_number, scenario->name, (unsigned long long)runs,
           (unsigned long long)options->first);
    print_tallies();
    fflush(stdout);
}

static bool is_name(const char *text)
{
    const struct scenario *scenario = scenarios;

    while (scenario && strcmp(scenario->name, text) != 0)
        scenario = scenario->next;
    return scenario != NULL;
}

/* A whole name chooses that one alone, also where it is a part of others. */
static bool is_chosen(const struct options *options, const struct scenario *scenario)
{
    if (options->only && is_name(options->only))
        return strcmp(scenario->name, options->only) == 0;
    return !options->only || strstr(scenario->name, options->only);
}

static int usage(void)
{
    fprintf(stderr, "usage: test_sim --count N [--first SEED|random] | --seed SEED [--trace]  [--until NUMBER] "
                    "[--scenario TEXT] [--twice] "
                    "[--list]\n");
    return 2;
}

/* Takes one option; returns how many words it had, 0: not understood, -1: only the list was wanted. */
static int read_option(struct options *options, const char *name, const char *value)
{
    options->traces = options->traces || strcmp(name, "--trace") == 0;
    options->twice = options->twice || strcmp(name, "--twice") == 0;
    if (strcmp(name, "--trace") == 0 || strcmp(name, "--twice") == 0)
        return 1;
    if (strcmp(name, "--list") == 0)
        return -1;
    if (!value)
        return 0;
    if (strcmp(name, "--scenario") == 0) {
        options->only = value;
        return 2;
    }
    if (strcmp(name, "--count") == 0)
        return text_to_u64(str_from(value), &options->count) ? 2 : 0;
    if (strcmp(name, "--until") == 0)
        return text_to_u64(str_from(value), &options->until) ? 2 : 0;
    if (strcmp(name, "--first") == 0 && strcmp(value, "random") == 0)
        return getrandom(&options->first, 4, 0) == 4 ? 2 : 0;
    if (strcmp(name, "--first") == 0 || strcmp(name, "--seed") == 0)
        return text_to_u64(str_from(value), &options->first) ? 2 : 0;
    return 0;
}

static int list(void)
{
    for (const struct scenario *scenario = scenarios; scenario; scenario = scenario->next)
        printf("%s\n", scenario->name);
    return 0;
}

int main(int argc, char **argv)
{
    struct options options = {.first = FIRST_DEFAULT, .count = 1};
    unsigned chosen = 0;

    for (int i = 1; i < argc;) {
        int words = read_option(&options, argv[i], i + 1 < argc ? argv[i + 1] : NULL);

        if (words == -1)
            return list();
        if (words == 0)
            return usage();
        i += words;
    }
    assert_set_hook(print_replay);
    signal(SIGALRM, on_alarm);
    for (const struct scenario *scenario = scenarios; scenario; scenario = scenario->next)
        chosen += is_chosen(&options, scenario);
    if (chosen == 0)
        return usage();
    printf("1..%u\n", chosen);
    for (const struct scenario *scenario = scenarios; scenario; scenario = scenario->next)
        if (is_chosen(&options, scenario))
            run_scenario(scenario, &options);
    return 0;
}
