/* shared.c: what lets clients resume, for all listeners of the process. SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "config/problems.h"
#include "tls/server_internal.h"

#include <openssl/rand.h>
#include <stdlib.h>

enum { STRIKES_MAX = 32768 };
static const char area[] = "SERVICE: TLS";

static void report_tickets(const struct tls_server_tuning *tuning, size_t bad, const struct error *err,
                           struct report *report)
{
    struct place place = tuning->ticket_keys.count > bad ? tuning->ticket_keys.places[bad] : (struct place){0};

    report_add(report, SEVERITY_ERROR, PROBLEM_TLS_FILE, place, NULL, "extra_config.holdfast/tls.ticket_keys: %s",
               err->text);
}

static bool make_tickets(struct tls_shared *shared, struct report *report)
{
    const struct tls_server_tuning *tuning = shared->tuning;
    struct tls_tickets_options options = {
        .files = tuning->ticket_keys.items,
        .file_count = tuning->ticket_keys.count,
        .rotation_ns = (uint64_t)tuning->ticket_rotation_ns,
    };
    struct error err = {0};
    size_t bad = 0;

    if (!tuning->session_tickets)
        return true;
    shared->tickets = tls_tickets_new(&options, 0, &bad, &err);
    shared->rotations = shared->tickets != NULL;
    if (!shared->tickets)
        report_tickets(tuning, bad, &err, report);
    return shared->tickets;
}

static bool make_stores(struct tls_shared *shared)
{
    const struct tls_server_tuning *tuning = shared->tuning;
    uint64_t seed = 0;

    if (RAND_bytes(shared->node, sizeof(shared->node)) != 1 || RAND_bytes((unsigned char *)&seed, sizeof(seed)) != 1)
        return false;
    if (tuning->session_cache_size > 0)
        shared->cache = tls_session_cache_new((size_t)tuning->session_cache_size, seed);
    if (tuning->early_data)
        shared->strikes = tls_strikes_new(STRIKES_MAX);
    return (shared->cache || tuning->session_cache_size == 0) && (shared->strikes || !tuning->early_data);
}

struct tls_shared *tls_shared_new(const struct tls_server_tuning *tuning, struct report *report)
{
    struct tls_shared *shared = calloc(1, sizeof(*shared));
    bool stored;

    if (shared) {
        shared->tuning = tuning;
        atomic_init(&shared->holders, 1);
    }
    stored = shared && make_stores(shared);
    if (!stored)
        report_add(report, SEVERITY_ERROR, PROBLEM_OUT_OF_MEMORY, (struct place){0}, NULL,
                   "no memory for TLS sessions");
    if (stored && make_tickets(shared, report))
        return shared;
    tls_shared_release(shared);
    return NULL;
}

struct tls_shared *tls_shared_hold(struct tls_shared *shared)
{
    atomic_fetch_add_explicit(&shared->holders, 1, memory_order_relaxed);
    return shared;
}

void tls_shared_release(struct tls_shared *shared)
{
    if (!shared || atomic_fetch_sub_explicit(&shared->holders, 1, memory_order_acq_rel) > 1)
        return;
    tls_tickets_free(shared->tickets);
    tls_session_cache_free(shared->cache);
    tls_strikes_free(shared->strikes);
    free(shared);
}

bool tls_tuning_is_same(const struct tls_server_tuning *a, const struct tls_server_tuning *b)
{
    return a->session_tickets == b->session_tickets && a->ticket_rotation_ns == b->ticket_rotation_ns &&
           str_list_eq(&a->ticket_keys, &b->ticket_keys) && a->session_cache_size == b->session_cache_size &&
           a->early_data == b->early_data;
}

void tls_shared_renew(struct tls_shared *shared, const struct tls_server_tuning *tuning)
{
    shared->tuning = tuning;
    if (shared->tickets)
        tls_tickets_renew(shared->tickets, tuning->ticket_keys.items);
}

void tls_shared_refresh(struct tls_shared *shared, uint64_t now_ns)
{
    struct error err = {0};
    bool watched = shared->tuning->reload_interval_ns > 0, changed = false;

    if (!shared->tickets)
        return;
    if (!tls_tickets_refresh(shared->tickets, now_ns, watched, &changed, &err)) {
        shared->reloads_failed++;
        LOG(LOG_ERROR, area, "the ticket keys stay as they were: %s", err.text);
    } else if (changed) {
        shared->rotations++;
        LOG(LOG_INFO, area, "new ticket keys, %zu decrypt", tls_tickets_count(shared->tickets));
    }
}

uint64_t tls_shared_due_ns(struct tls_shared *shared)
{
    return shared->tickets ? tls_tickets_due_ns(shared->tickets) : UINT64_MAX;
}

void tls_shared_facts(struct tls_shared *shared, struct tls_shared_facts *facts)
{
    *facts = (struct tls_shared_facts){
        .ticket_keys = shared->tickets ? tls_tickets_count(shared->tickets) : 0,
        .cached_sessions = shared->cache ? tls_session_cache_count(shared->cache) : 0,
        .ticket_rotations = shared->rotations,
        .reloads_failed = shared->reloads_failed,
    };
}
