/* host_totals.c: the numbers of a host, summed over the workers while they run.
 * SPDX-License-Identifier: Apache-2.0 */
#include "upstream/host.h"

static uint64_t count_of(const _Atomic uint64_t *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

uint64_t host_requests(const struct host *host)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < host->workers; i++)
        sum += count_of(&host->counts[i].requests_new) + count_of(&host->counts[i].requests_shared) +
               count_of(&host->counts[i].requests_reused);
    return sum;
}

static void add_reasons(const struct host_counts *counts, struct host_totals *totals)
{
    for (int reason = 0; reason < REASONS; reason++) {
        totals->new_by[reason] += count_of(&counts->ledger.new_by[reason]);
        for (int side = 0; side < SIDE_COUNT; side++)
            totals->closes_by[reason][side] += count_of(&counts->ledger.closes_by[reason][side]);
    }
    for (size_t rung = 0; rung < RESEND_COUNT; rung++) {
        totals->resends_by[rung] += count_of(&counts->resends_by[rung]);
        for (size_t end = 0; end < RESEND_ENDS; end++)
            totals->resend_ends[rung][end] += count_of(&counts->resend_ends[rung][end]);
    }
    for (size_t phase = 0; phase < STALE_PHASES; phase++)
        totals->stale_in_use[phase] += count_of(&counts->stale_in_use[phase]);
    for (size_t refusal = 0; refusal < REFUSALS; refusal++)
        totals->refused_by[refusal] += count_of(&counts->refused_by[refusal]);
}

void host_totals(const struct host *host, struct host_totals *totals)
{
    uint64_t moved_in = 0;

    *totals = (struct host_totals){0};
    for (unsigned i = 0; i < host->workers; i++)
        moved_in += count_of(&host->counts[i].moved_in);
    for (unsigned i = 0; i < host->workers; i++) {
        const struct host_counts *counts = &host->counts[i];

        totals->requests_reused += count_of(&counts->requests_reused);
        totals->requests_new += count_of(&counts->requests_new);
        totals->requests_shared += count_of(&counts->requests_shared);
        totals->requests_coalesced += count_of(&counts->requests_coalesced);
        totals->pings += count_of(&counts->pings);
        totals->ping_timeouts += count_of(&counts->ping_timeouts);
        totals->streams += count_of(&counts->streams);
        totals->connections_opened += count_of(&counts->connections_opened);
        totals->opened_by_ipv4 += count_of(&counts->opened_by_ipv4);
        totals->opened_by_ipv6 += count_of(&counts->opened_by_ipv6);
        totals->connections_closed += count_of(&counts->connections_closed);
        totals->dial_failures += count_of(&counts->dial_failures);
        totals->proxy_failures += count_of(&counts->proxy_failures);
        totals->handshakes_full += count_of(&counts->handshakes_full);
        totals->handshakes_resumed += count_of(&counts->handshakes_resumed);
        totals->handshake_failures += count_of(&counts->handshake_failures);
        totals->handshake_ns += count_of(&counts->handshake_ns);
        totals->stale += count_of(&counts->stale);
        totals->closed_idle += count_of(&counts->closed_idle);
        totals->resends += count_of(&counts->resends);
        totals->idle += count_of(&counts->idle);
        totals->active += count_of(&counts->active);
        totals->dialing += count_of(&counts->dialing);
        totals->failures += count_of(&counts->failures);
        totals->warming += count_of(&counts->warming);
        totals->waiting += count_of(&counts->waiting);
        totals->racing += count_of(&counts->racing);
        totals->requests_warm += count_of(&counts->requests_warm);
        totals->moved += count_of(&counts->moved_out);
        totals->failovers += count_of(&counts->failovers);
        totals->failovers_refused += count_of(&counts->failovers_refused);
        add_reasons(counts, totals);
    }
    totals->idle += totals->moved - moved_in;
    totals->ejections = count_of(&host->health.ejections);
    totals->resend_budget_spent = count_of(&host->resend_budget.spent);
    totals->dead_paths = count_of(&host->path.dead);
    totals->silences = count_of(&host->path.suspected);
    totals->strays = count_of(&host->quarantine.strays);
    totals->quarantines = count_of(&host->quarantine.times);
    totals->shed_by_fd = count_of(&host->ports.sheds_by_fd);
    totals->shed_by_port = count_of(&host->ports.sheds_by_port);
    totals->time_waits = atomic_load_explicit(&host->ports.time_waits, memory_order_relaxed);
    totals->resting = !eject_is_in_use(&host->health);
}
