/* test_srv_slots.c: KrakenD's rules from SRV records to a list of hosts. SPDX-License-Identifier: Apache-2.0 */
#include "tests/harness/test.h"
#include "upstream/srv_slots.h"

#include <stdlib.h>

static const struct {
    const char *name;
    struct {
        const char *target;
        uint16_t port, priority, weight;
    } records[5];
    const char *slots; /* targets in order */
} cases[] = {
    {"no record", {{NULL, 0, 0, 0}}, ""},
    {"one", {{"a", 1, 0, 1}}, "a"},
    {"weights without a common factor", {{"a", 1, 0, 3}, {"b", 1, 0, 2}}, "aaabb"},
    {"weights with one", {{"a", 1, 0, 30}, {"b", 1, 0, 20}}, "aaabb"},
    {"the heaviest first, then by name", {{"c", 1, 0, 1}, {"b", 1, 0, 1}, {"a", 1, 0, 2}}, "aabc"},
    {"only the best priority", {{"a", 1, 2, 9}, {"b", 1, 1, 1}, {"c", 1, 1, 1}}, "bc"},
    {"zero beside others serves nobody", {{"a", 1, 0, 0}, {"b", 1, 0, 5}}, "b"},
    {"all zero: no host", {{"a", 1, 0, 0}, {"b", 1, 0, 0}}, ""},
    {"all zero in the best priority: no host", {{"a", 1, 0, 0}, {"b", 1, 1, 5}}, ""},
    {"weights are brought down to a hundred in all", {{"a", 1, 0, 60000}, {"b", 1, 0, 20000}}, "aaab"},
    {"what becomes zero vanishes", {{"a", 1, 0, 1000}, {"b", 1, 0, 1}}, "a"},
};

TEST(records_become_slots_by_krakends_rules)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct srv_answer *answer = calloc(1, sizeof(*answer) + 5 * sizeof(struct srv_record));
        uint16_t slots[SRV_SLOTS_MAX];
        char text[128] = "";
        struct rng rng;

        test_case_is("%s", cases[i].name);
        for (size_t at = 0; at < 5 && cases[i].records[at].target; at++) {
            struct srv_record *record = &answer->records[answer->count++];

            record->target[0] = cases[i].records[at].target[0];
            record->port = cases[i].records[at].port;
            record->priority = cases[i].records[at].priority;
            record->weight = cases[i].records[at].weight;
        }
        rng_init(&rng, 1);
        for (uint32_t at = 0, count = srv_slots(answer, &rng, slots); at < count; at++)
            text[at] = answer->records[slots[at]].target[0];
        CHECK_CSTR(text, cases[i].slots);
        free(answer);
    }
}

TEST(a_long_list_is_short_enough_and_shuffled)
{
    struct srv_answer *answer = calloc(1, sizeof(*answer) + SRV_RECORDS_MAX * sizeof(struct srv_record));
    uint16_t slots[SRV_SLOTS_MAX];
    unsigned in_order = 0;
    uint32_t count;
    struct rng rng;

    answer->count = SRV_RECORDS_MAX;
    for (size_t i = 0; i < answer->count; i++)
        answer->records[i] = (struct srv_record){.port = (uint16_t)(i + 1), .weight = 65535, .target = "a."};
    rng_init(&rng, 1);
    count = srv_slots(answer, &rng, slots);
    CHECK_EQ(count, SRV_RECORDS_MAX);
    for (uint32_t i = 1; i < count; i++)
        in_order += slots[i] == slots[i - 1] + 1;
    CHECK(in_order < 20);
    free(answer);
}
