/* balance.c: see the header. Start with balance_pick. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/balance.h"

#include "base/assert.h"

/* Who is passed over; each step down takes back one reason. */
enum strictness { PASS_RESTING_AND_QUIET, PASS_RESTING, PASS_TRIED };

struct picking {
    struct balance *balance;
    const struct host_set *set;
    const struct balance_input *input;
    enum strictness strictness;
    uint64_t turn; /* in turn: of this request, however often it looks; 0: not known yet */
};

static uint64_t load(const _Atomic uint64_t *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

size_t host_set_bytes(uint32_t slot_count)
{
    return sizeof(struct host_set) + slot_count * (2 * sizeof(struct host *) + sizeof(uint32_t));
}

static void add_slot(struct host_set *set, struct host *host)
{
    uint32_t i = 0;

    set->slots[set->slot_count++] = host;
    while (i < set->host_count && set->hosts[i] != host)
        i++;
    if (i == set->host_count) {
        set->hosts[set->host_count++] = host;
        set->weights[i] = 0;
    }
    set->weights[i]++;
}

struct host_set *host_set_fill(void *memory, struct host *const *slots, uint32_t slot_count)
{
    struct host_set *set = memory;

    *set = (struct host_set){.slots = (struct host **)(void *)(set + 1)};
    set->hosts = set->slots + slot_count;
    set->weights = (uint32_t *)(void *)(set->hosts + slot_count);
    for (uint32_t i = 0; i < slot_count; i++)
        add_slot(set, slots[i]);
    return set;
}

void host_set_introduce(const struct host_set *set)
{
    uint64_t shortest_ns = UINT64_MAX;

    for (uint32_t i = 0; i < set->host_count; i++) {
        struct idle_limit_view view;

        idle_limit_view(set->hosts[i]->idle_limit, &view);
        if (view.learned_ns > 0 && view.learned_ns < shortest_ns)
            shortest_ns = view.learned_ns;
    }
    for (uint32_t i = 0; shortest_ns < UINT64_MAX && i < set->host_count; i++)
        idle_limit_prior(set->hosts[i]->idle_limit, shortest_ns);
}

void balance_init(struct balance *balance, enum balance_policy policy, unsigned workers)
{
    *balance = (struct balance){.policy = policy};
    if (policy == BALANCE_KRAKEND)
        balance->policy = workers > 1 ? BALANCE_RANDOM : BALANCE_ROUND_ROBIN;
}

/* Requests under way to a host over the whole process, those that wait for a connection included. */
static uint64_t load_of(const struct host *host)
{
    uint64_t sum = atomic_load_explicit(&host->waiting, memory_order_relaxed);

    for (unsigned i = 0; i < host->workers; i++) {
        const struct host_counts *counts = &host->counts[i];

        sum += load(&counts->active) + load(&counts->dialing) - load(&counts->warming) + load(&counts->beside);
    }
    return (int64_t)sum < 0 ? 0 : sum; /* read while they move */
}

uint64_t balance_requests(const struct host_set *set)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < set->host_count; i++)
        sum += host_requests(set->hosts[i]);
    return sum;
}

static bool was_tried(const struct balance_input *input, const struct host *host)
{
    for (unsigned i = 0; i < input->tried_count; i++)
        if (input->tried[i] == host)
            return true;
    return false;
}

bool balance_has_untried(const struct host_set *set, const struct balance_input *input)
{
    for (uint32_t i = 0; i < set->host_count; i++)
        if (!was_tried(input, set->hosts[i]))
            return true;
    return false;
}

static bool is_quiet(const struct picking *picking, const struct host *host)
{
    const struct host_counts *counts = &host->counts[picking->input->worker];

    return load(&counts->awaited) >= BALANCE_QUIET_WAITING &&
           picking->input->now_ns > load(&counts->progress_ns) + BALANCE_QUIET_NS;
}

static bool is_resting(const struct picking *picking, const struct host *host)
{
    return !eject_is_in_use(&host->health) && !eject_is_due(&host->health, picking->input->now_ns);
}

static bool is_candidate(const struct picking *picking, const struct host *host)
{
    if (was_tried(picking->input, host))
        return false;
    switch (picking->strictness) {
    case PASS_RESTING_AND_QUIET:
        return !is_resting(picking, host) && !is_quiet(picking, host);
    case PASS_RESTING:
        return !is_resting(picking, host);
    case PASS_TRIED:
        break;
    }
    return true;
}

/* Any candidate, each slot with the same chance. */
static struct host *pick_any(struct picking *picking)
{
    const struct host_set *set = picking->set;
    uint32_t candidates = 0, rank;

    for (uint32_t i = 0; i < set->slot_count; i++)
        candidates += is_candidate(picking, set->slots[i]);
    if (candidates == 0)
        return NULL;
    rank = (uint32_t)rng_below(picking->input->rng, candidates);
    for (uint32_t i = 0; i < set->slot_count; i++)
        if (is_candidate(picking, set->slots[i]) && rank-- == 0)
            return set->slots[i];
    return NULL; /* another worker's rest began in between */
}

/* The one that was drawn; what a host that is passed over would have got goes to all others alike. */
static struct host *pick_slot(struct picking *picking, uint64_t slot)
{
    struct host *host = picking->set->slots[slot];

    return is_candidate(picking, host) ? host : pick_any(picking);
}

static struct host *pick_random(struct picking *picking)
{
    return pick_slot(picking, rng_below(picking->input->rng, picking->set->slot_count));
}

/* The turns begin at a random host. */
static uint64_t take_turn(const struct picking *picking)
{
    uint64_t turn = atomic_fetch_add_explicit(&picking->balance->turn, 1, memory_order_relaxed);

    if (turn == 0) {
        turn = (rng_next(picking->input->rng) >> 1) + 1;
        atomic_store_explicit(&picking->balance->turn, turn + 1, memory_order_relaxed);
    }
    return turn;
}

static struct host *pick_in_turn(struct picking *picking)
{
    if (picking->turn == 0)
        picking->turn = take_turn(picking);
    return pick_slot(picking, picking->turn % picking->set->slot_count);
}

static struct host *pick_least(struct picking *picking)
{
    const struct host_set *set = picking->set;
    struct host *best = NULL;
    uint64_t best_load = 0, best_weight = 1, tied = 0;

    for (uint32_t i = 0; i < set->host_count; i++) {
        uint64_t here, weight = set->weights[i];

        if (!is_candidate(picking, set->hosts[i]))
            continue;
        here = load_of(set->hosts[i]);
        if (!best || here * best_weight < best_load * weight)
            tied = 0; /* it alone is the best so far */
        else if (here * best_weight > best_load * weight)
            continue;
        tied += weight;
        if (tied == weight || rng_below(picking->input->rng, tied) < weight) {
            best = set->hosts[i];
            best_load = here;
            best_weight = weight;
        }
    }
    return best;
}

/* Weights count in the draw. The second is drawn anew when it is the first, as far as there are others. */
static struct host *pick_of_two(struct picking *picking)
{
    struct host *one = pick_random(picking), *other = one;

    for (unsigned draw = 0; one && other == one && draw < 4; draw++)
        other = pick_random(picking);
    return other && other != one && load_of(other) < load_of(one) ? other : one;
}

static struct host *pick_by_policy(struct picking *picking)
{
    switch (picking->balance->policy) {
    case BALANCE_ROUND_ROBIN:
        return pick_in_turn(picking);
    case BALANCE_LEAST_CONNECTIONS:
        return pick_least(picking);
    case BALANCE_P2C:
        return pick_of_two(picking);
    case BALANCE_KRAKEND:
    case BALANCE_RANDOM:
    case BALANCE_POLICIES:
        break;
    }
    return pick_random(picking);
}

/* The only one: its health does not matter. */
static struct host *pick_only(const struct picking *picking)
{
    return was_tried(picking->input, picking->set->hosts[0]) ? NULL : picking->set->hosts[0];
}

struct host *balance_pick(struct balance *balance, const struct host_set *set, const struct balance_input *input)
{
    struct picking picking = {balance, set, input, PASS_RESTING_AND_QUIET, 0};
    struct host *host;

    if (set->host_count == 0)
        return NULL;
    if (set->host_count == 1)
        return pick_only(&picking);
    if (UNLIKELY(resend_budget_is_due(&balance->failover_budget, input->now_ns)))
        resend_budget_note(&balance->failover_budget, balance_requests(set), input->now_ns);
    for (;;) {
        host = pick_by_policy(&picking);
        if (!host && picking.strictness == PASS_TRIED)
            return NULL;
        if (!host)
            picking.strictness++;
        else if (picking.strictness == PASS_TRIED || eject_is_in_use(&host->health) ||
                 eject_take_probe(&host->health, input->probe_ns, input->now_ns))
            return host;
    }
}
