/* totals.c: sums over workers that fit together. Workers count without locks, so what is read later may be newer.
 * SPDX-License-Identifier: Apache-2.0 */
#include "admin/totals.h"

#include <string.h>

enum { LOOKS_MAX = 16 };

uint64_t totals_sum(const struct admin_view *view, size_t offset)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < view->workers; i++) {
        const char *frontend = (const char *)view->frontends[i];

        sum += atomic_load_explicit((const _Atomic uint64_t *)(const void *)(frontend + offset), memory_order_relaxed);
    }
    return sum;
}

void client_totals_read(const struct admin_view *view, struct client_totals *totals)
{
    *totals = (struct client_totals){0};
    for (unsigned i = 0; i < view->workers; i++) {
        const struct frontend_counts *counts = &view->frontends[i]->counts;

        /* Closed ones first: no connection is closed before it was opened, so the difference is never below zero. */
        totals->closed += atomic_load_explicit(&counts->connections_closed, memory_order_acquire);
        totals->opened += atomic_load_explicit(&counts->connections_opened, memory_order_acquire);
        totals->requests += atomic_load_explicit(&counts->requests, memory_order_relaxed);
    }
    if (totals->opened < totals->closed)
        totals->opened = totals->closed;
    totals->open = totals->opened - totals->closed;
}

static uint64_t sum(const uint64_t *numbers, size_t count)
{
    uint64_t all = 0;

    for (size_t i = 0; i < count; i++)
        all += numbers[i];
    return all;
}

/* A worker that was interrupted between two counts must not show. A total that the ledger breaks down is the ledger's
 * sum: each of its numbers only grows, so the sum does too. What is closed was opened, and what is neither closed nor
 * idle is active. */
static void settle(struct host_totals *totals)
{
    uint64_t live;

    totals->requests_new = sum(totals->new_by, REASONS);
    totals->connections_closed = sum(totals->closes_by[0], (size_t)REASONS * SIDE_COUNT);
    totals->resends = sum(totals->resends_by, COUNT_OF(totals->resends_by));
    if (totals->connections_opened < totals->connections_closed)
        totals->connections_opened = totals->connections_closed;
    live = totals->connections_opened - totals->connections_closed;
    totals->idle = u64_min(totals->idle, live);
    totals->active = live - totals->idle;
}

/* Most numbers only grow: two looks that agree had no change between them. */
void host_totals_read(const struct host *host, struct host_totals *totals)
{
    struct host_totals before;
    int looks = 1;

    host_totals(host, totals);
    do {
        before = *totals;
        host_totals(host, totals);
    } while (++looks < LOOKS_MAX && memcmp(&before, totals, sizeof(before)) != 0);
    settle(totals);
}
