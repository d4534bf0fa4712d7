/* srv_slots.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/srv_slots.h"

#include <stdlib.h>

enum { SUM_MAX = 100 /* of weights, unless there are more records */ };

static int compare_u16(uint16_t a, uint16_t b)
{
    return (a > b) - (a < b);
}

/* Best priority first, then the heaviest; the rest makes the order certain. */
static int compare(const void *left, const void *right)
{
    const struct srv_record *a = left, *b = right;
    int order = compare_u16(a->priority, b->priority);

    if (order == 0)
        order = compare_u16(b->weight, a->weight);
    if (order == 0)
        order = strcmp(a->target, b->target);
    return order ? order : compare_u16(a->port, b->port);
}

static size_t best_priority(const struct srv_answer *answer)
{
    size_t count = 0;

    while (count < answer->count && answer->records[count].priority == answer->records[0].priority)
        count++;
    return count;
}

static uint32_t gcd(uint32_t a, uint32_t b)
{
    while (b) {
        uint32_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

/* What the weights are divided by: so that they fit, then by what they have in common. */
static void scale(const struct srv_answer *answer, size_t count, uint64_t *numerator, uint64_t *denominator,
                  uint32_t *common)
{
    uint64_t most = count > SUM_MAX ? count : SUM_MAX, sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += answer->records[i].weight;
    *numerator = sum > most ? most : 1;
    *denominator = sum > most ? sum : 1;
    *common = 0;
    for (size_t i = 0; i < count; i++)
        *common = gcd(*common, (uint32_t)(answer->records[i].weight * *numerator / *denominator));
}

static void shuffle(uint16_t *slots, uint32_t count, struct rng *rng)
{
    for (uint32_t i = count; i > 1; i--) {
        uint32_t other = (uint32_t)rng_below(rng, i);
        uint16_t slot = slots[i - 1];

        slots[i - 1] = slots[other];
        slots[other] = slot;
    }
}

uint32_t srv_slots(struct srv_answer *answer, struct rng *rng, uint16_t *slots)
{
    uint64_t numerator, denominator;
    uint32_t count = 0, common;
    size_t best;

    qsort(answer->records, answer->count, sizeof(answer->records[0]), compare);
    best = best_priority(answer);
    scale(answer, best, &numerator, &denominator, &common);
    for (size_t i = 0; common > 0 && i < best; i++)
        for (uint64_t times = answer->records[i].weight * numerator / denominator / common; times > 0; times--)
            slots[count++] = (uint16_t)i;
    if (count > SUM_MAX)
        shuffle(slots, count, rng);
    return count;
}
