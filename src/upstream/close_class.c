/* close_class.c: telling closes for idleness from others. Start with close_classify.
 * SPDX-License-Identifier: Apache-2.0 */
#include "upstream/close_class.h"

/* How one cause is told from another: guesses that fit together and limit nothing, so there are no settings. */
enum {
    EQUAL_CLOSES = 3,     /* of one count or age make a limit */
    REQUESTS_MIN = 3,     /* counts below are too common to mean anything */
    RESTART_CLOSES = 4,   /* at least, and a quarter of what remains idle, */
    RESTART_ENOUGH = 48,  /* but no more than these: all of them must still be kept when they are withdrawn */
    RESTART_SPREAD = 4,   /* longest to shortest idle age: closes for idleness are of about one age */
    PROMPT_NS = 50000000, /* a host that counts closes right after its last answer */
};
#define BURST_NS           UINT64_C(250000000)
#define RESTART_PAUSE_NS   UINT64_C(5000000000) /* closes that come so often are the host's way, not restarts */
#define AGE_DIFFERENCE_MIN UINT64_C(250000000)

struct close_record *close_last(struct close_history *history, uint32_t i)
{
    if (i >= history->count || i >= CLOSES_KEPT)
        return NULL;
    return &history->records[(history->count - 1 - i) % CLOSES_KEPT];
}

static bool is_close_to(uint64_t a, uint64_t b)
{
    uint64_t difference = a > b ? a - b : b - a;

    return difference <= a / 50 || difference <= 2000000;
}

/* Equal counts, each closed promptly after the last answer, and none did more. */
static bool is_same_count(const struct close_record *record, const struct close_facts *facts)
{
    return record->requests == facts->requests && record->idle_ns <= PROMPT_NS;
}

static bool is_same_age(const struct close_record *record, const struct close_facts *facts)
{
    return is_close_to(record->age_ns, facts->age_ns);
}

/* The first EQUAL_CLOSES - 1 kept closes all match. */
static bool all_match(struct close_history *history, const struct close_facts *facts,
                      bool (*match)(const struct close_record *record, const struct close_facts *facts))
{
    uint32_t found = 0;

    for (uint32_t i = 0; found < EQUAL_CLOSES - 1; i++) {
        struct close_record *record = close_last(history, i);

        if (!record)
            return false;
        if (record->class == CLOSE_ANNOUNCED || record->class == CLOSE_RESTART)
            continue;
        if (!match(record, facts))
            return false;
        found++;
    }
    return true;
}

static bool idle_ages_differ(struct close_history *history, const struct close_facts *facts)
{
    uint64_t shortest = facts->idle_ns, longest = facts->idle_ns;

    for (uint32_t i = 0; i < EQUAL_CLOSES - 1; i++) {
        const struct close_record *record = close_last(history, i);

        if (record && record->idle_ns < shortest)
            shortest = record->idle_ns;
        if (record && record->idle_ns > longest)
            longest = record->idle_ns;
    }
    return longest - shortest > longest / 4;
}

static bool is_request_limit(struct close_history *history, const struct close_facts *facts,
                             const struct close_refuters *refuters)
{
    return facts->requests >= REQUESTS_MIN && facts->idle_ns <= PROMPT_NS &&
           refuters->requests_most <= facts->requests && all_match(history, facts, is_same_count);
}

static bool is_age_limit(struct close_history *history, const struct close_facts *facts,
                         const struct close_refuters *refuters)
{
    return facts->age_ns >= AGE_DIFFERENCE_MIN && refuters->age_most_ns <= facts->age_ns + facts->age_ns / 50 &&
           all_match(history, facts, is_same_age) && idle_ages_differ(history, facts);
}

static void begin_burst(struct close_history *history, const struct close_facts *facts)
{
    history->burst_from_ns = facts->now_ns;
    history->burst_count = 0;
    history->burst_shortest_ns = history->burst_longest_ns = facts->idle_ns;
    history->restarting = false;
}

static bool is_restart(struct close_history *history, const struct close_facts *facts)
{
    if (!history->burst_count || facts->now_ns - history->burst_from_ns > BURST_NS)
        begin_burst(history, facts);
    history->burst_count++;
    if (facts->idle_ns < history->burst_shortest_ns)
        history->burst_shortest_ns = facts->idle_ns;
    if (facts->idle_ns > history->burst_longest_ns)
        history->burst_longest_ns = facts->idle_ns;
    if (history->restarting)
        return true;
    if (history->restart_from_ns && facts->now_ns - history->restart_from_ns < RESTART_PAUSE_NS)
        return false;
    history->restarting = history->burst_count >= RESTART_CLOSES && history->burst_count >= facts->idle_conns / 4 &&
                          history->burst_longest_ns / RESTART_SPREAD >= history->burst_shortest_ns;
    if (history->restarting) {
        history->restart_from_ns = facts->now_ns;
        history->restarts++;
    }
    return history->restarting;
}

static bool belongs(const struct close_history *history, const struct close_record *record,
                    const struct close_facts *facts, enum close_class class)
{
    switch (class) {
    case CLOSE_RESTART:
        return record->at_ns >= history->burst_from_ns;
    case CLOSE_REQUESTS:
        return is_same_count(record, facts);
    case CLOSE_AGE:
        return is_same_age(record, facts);
    case CLOSE_IDLE:
    case CLOSE_ANNOUNCED:
        break;
    }
    return false;
}

/* Closes already taken for idle ones that the new finding explains. */
static void withdraw(struct close_history *history, const struct close_facts *facts, enum close_class class,
                     struct close_withdrawn *withdrawn)
{
    for (uint32_t i = 0; i < CLOSES_KEPT; i++) {
        struct close_record *record = close_last(history, i);

        if (record && record->class == CLOSE_IDLE && belongs(history, record, facts, class)) {
            record->class = class;
            withdrawn->idle_ns[withdrawn->count++] = record->idle_ns;
        }
    }
}

static enum close_class class_of(struct close_history *history, const struct close_facts *facts,
                                 const struct close_refuters *refuters)
{
    if (facts->announced)
        return CLOSE_ANNOUNCED;
    if (is_restart(history, facts))
        return CLOSE_RESTART;
    if (is_request_limit(history, facts, refuters))
        return CLOSE_REQUESTS;
    if (is_age_limit(history, facts, refuters))
        return CLOSE_AGE;
    return CLOSE_IDLE;
}

void close_remember(struct close_history *history, const struct close_facts *facts, enum close_class class)
{
    history->records[history->count++ % CLOSES_KEPT] = (struct close_record){
        .at_ns = facts->now_ns,
        .idle_ns = facts->idle_ns,
        .age_ns = facts->age_ns,
        .requests = facts->requests,
        .class = class,
    };
}

enum close_class close_classify(struct close_history *history, const struct close_facts *facts,
                                const struct close_refuters *refuters, struct close_withdrawn *withdrawn)
{
    enum close_class class = class_of(history, facts, refuters);

    withdrawn->count = 0;
    if (class != CLOSE_IDLE)
        withdraw(history, facts, class, withdrawn);
    close_remember(history, facts, class);
    return class;
}
