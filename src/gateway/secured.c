/* secured.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/secured.h"

#include "config/problems.h"

#define REFRESH_NS UINT64_C(60000000000) /* of what goes by the clock, where no files are looked at */

/* What is spoken over TLS, the best first. */
static const struct str protocols[] = {STR_INIT("h2"), STR_INIT("http/1.1")};

static bool has_key(const struct tls_server_options *options, struct str public_key)
{
    const struct tls_server_key *keys = options ? options->keys.items : NULL;

    for (size_t i = 0; options && i < options->keys.count; i++)
        if (str_eq(keys[i].public_key, public_key))
            return true;
    return false;
}

static void check_staples(const struct service *service, struct report *report)
{
    const struct tls_staple_file *staples = service->tls_tuning.ocsp_staples.items;

    for (size_t i = 0; i < service->tls_tuning.ocsp_staples.count; i++) {
        bool found = false;

        for (size_t j = 0; j < service->server.listener_count; j++)
            found |= has_key(service->server.listeners[j].tls, staples[i].public_key);
        if (!found)
            report_add(report, SEVERITY_WARNING, PROBLEM_TLS_FILE, staples[i].public_place, "write it as in tls.keys",
                       "extra_config.holdfast/tls.ocsp_staples[%zu].public_key: no listener shows \"%.*s\"", i,
                       STR_ARG(staples[i].public_key));
    }
}

static bool make_shared(struct secured *secured, const struct service *service, struct report *report)
{
    if (!secured->shared)
        secured->shared = tls_shared_new(&service->tls_tuning, report);
    return secured->shared;
}

/* The server of an earlier listener with the same block, or a new one. */
static struct tls_server *server_of(struct secured *secured, struct arena *arena, const struct service *service,
                                    size_t index, struct report *report)
{
    const struct listener_options *listeners = service->server.listeners;
    const struct tls_server_options *options = listeners[index].tls;
    struct str path = arena_format(arena, "extra_config.holdfast/server.listeners[%zu].tls", index);

    size_t skipped = listeners[index].no_h2 ? 1 : 0;

    for (size_t i = 0; i < index; i++)
        if (listeners[i].tls == options && listeners[i].no_h2 == listeners[index].no_h2)
            return secured->servers[i];
    if (!path.data || !make_shared(secured, service, report))
        return NULL;
    return tls_server_new(
        &(struct tls_server_start){
            .options = options,
            .tuning = &service->tls_tuning,
            .shared = secured->shared,
            .protocols = protocols + skipped,
            .protocol_count = COUNT_OF(protocols) - skipped,
            .path = options == &service->tls ? "tls" : path.data,
        },
        report);
}

static uint64_t refresh_of(const struct tls_server_tuning *tuning)
{
    uint64_t interval_ns = tuning->reload_interval_ns > 0 ? (uint64_t)tuning->reload_interval_ns : REFRESH_NS;

    return interval_ns < (uint64_t)tuning->ticket_rotation_ns ? interval_ns : (uint64_t)tuning->ticket_rotation_ns;
}

bool secured_build(struct secured *secured, struct arena *arena, const struct service *service,
                   const struct service *service_before, const struct secured *before, struct report *report)
{
    bool built = true;

    if (before && before->shared && tls_tuning_is_same(&service->tls_tuning, &service_before->tls_tuning))
        secured->shared = tls_shared_hold(before->shared);
    secured->servers = arena_array(arena, struct tls_server *, service->server.listener_count + 1);
    if (!secured->servers)
        return false;
    for (size_t i = 0; i < service->server.listener_count; i++) {
        secured->count++;
        if (!service->server.listeners[i].tls)
            continue;
        secured->servers[i] = server_of(secured, arena, service, i, report);
        built &= secured->servers[i] != NULL;
    }
    secured->refresh_ns = refresh_of(&service->tls_tuning);
    check_staples(service, report);
    if (!built)
        secured_end(secured);
    return built;
}

/* Where the keys go on, so do their numbers. */
void secured_begin(struct secured *secured, const struct service *service, const struct secured *before)
{
    secured_count(before, &secured->past);
    if (secured->shared && secured->shared == before->shared) {
        secured->past.key_changes = before->past.key_changes;
        secured->past.key_failures = before->past.key_failures;
    }
    if (secured->shared)
        tls_shared_renew(secured->shared, &service->tls_tuning);
}

void secured_count(const struct secured *secured, struct secured_counts *counts)
{
    struct tls_shared_facts shared = {0};

    *counts = secured->past;
    for (size_t i = 0; i < secured->count; i++) {
        struct tls_server_facts facts;

        if (!secured->servers[i] || secured_is_repeated(secured, i))
            continue;
        tls_server_facts(secured->servers[i], &facts);
        counts->reloads_ok += facts.reloads_ok;
        counts->reloads_failed += facts.reloads_failed;
    }
    if (secured->shared)
        tls_shared_facts(secured->shared, &shared);
    counts->key_changes += shared.ticket_rotations;
    counts->key_failures += shared.reloads_failed;
}

bool secured_is_repeated(const struct secured *secured, size_t listener)
{
    for (size_t i = 0; i < listener; i++)
        if (secured->servers[i] == secured->servers[listener])
            return true;
    return false;
}

void secured_end(struct secured *secured)
{
    for (size_t i = secured->count; i > 0; i--)
        if (!secured_is_repeated(secured, i - 1))
            tls_server_release(secured->servers[i - 1]);
    tls_shared_release(secured->shared);
    *secured = (struct secured){0};
}

void secured_refresh(struct secured *secured, uint64_t now_ns)
{
    if (secured->shared)
        tls_shared_refresh(secured->shared, now_ns);
    for (size_t i = 0; i < secured->count; i++)
        if (secured->servers[i] && !secured_is_repeated(secured, i))
            tls_server_refresh(secured->servers[i], now_ns);
}

uint64_t secured_due_ns(const struct secured *secured)
{
    return secured->shared ? tls_shared_due_ns(secured->shared) : UINT64_MAX;
}

void secured_rest(const struct secured *secured, bool rests)
{
    for (size_t i = 0; i < secured->count; i++)
        if (secured->servers[i])
            tls_server_rest(secured->servers[i], rests);
}

void secured_catch_up(struct secured *secured, uint64_t now_ns)
{
    bool late = false;

    for (size_t i = 0; i < secured->count; i++)
        late |= secured->servers[i] && tls_server_is_late(secured->servers[i], now_ns);
    if (late)
        secured_refresh(secured, now_ns);
}
