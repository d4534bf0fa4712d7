/* discover.c: see the header. Start with take_answer. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/discover.h"

#include "base/log.h"
#include "base/map.h"
#include "upstream/addresses.h"
#include "upstream/pool_internal.h"
#include "upstream/srv_slots.h"

#include <stdio.h>
#include <stdlib.h>

struct discoveries {
    struct pool *pool;
    struct map *by_key; /* struct watched_name */
    struct list all;
};

struct watched_name {
    struct list_node node; /* in all */
    struct discoveries *owner;
    struct arena *arena; /* holds this and the texts */
    struct discovery what;
    struct task task;
    struct timer timer;
    struct srv_query query;
    bool asking, failing;
    struct host_set *set; /* NULL: not known yet */
    struct list waiters;
    uint64_t used_ns; /* when it was last wanted */
};

static const struct host_set nobody; /* what an unknown name leads to */

struct str discovery_key(struct arena *arena, const struct discovery *discovery)
{
    char digest[TLS_DIGEST_TEXT_BYTES], source[ADDR_TEXT_BYTES];
    const struct tls_profile *profile = discovery->tls;
    struct str tls = profile ? tls_digest_hex(tls_profile_identity(profile), digest) : STR("");
    struct str from = discovery->source.family == ADDR_NONE ? STR("") : addr_format_ip(&discovery->source, source);

    return arena_format(arena, "%.*s://%.*s#%.*s %llu %.*s %u %.*s %u %u %u", STR_ARG(discovery->scheme),
                        STR_ARG(discovery->name), STR_ARG(discovery->pool), (unsigned long long)discovery->refresh_ns,
                        STR_ARG(tls), discovery->proxy_header, STR_ARG(from), discovery->marks.mark,
                        discovery->marks.dscp, (unsigned)discovery->protocol);
}

static struct loop *loop_of(const struct watched_name *name)
{
    return name->owner->pool->loop;
}

/* The hosts of a set, as far as this worker is concerned. */
static void name_hosts(const struct watched_name *name, const struct host_set *set, int change)
{
    for (uint32_t i = 0; set && i < set->host_count; i++)
        addresses_name(name->owner->pool, set->hosts[i], change);
}

/* The new ones first: hosts that stay must not seem to be gone in between. */
static void replace_set(struct watched_name *name, struct host_set *set)
{
    struct host_set *before = name->set;

    name_hosts(name, set, 1);
    name->set = set;
    name_hosts(name, before, -1);
    free(before);
}

static struct host *host_of(const struct watched_name *name, const struct srv_record *record)
{
    struct host_key key = {.pool = name->what.pool,
                           .tls = name->what.tls,
                           .proxy_header = name->what.proxy_header,
                           .source = name->what.source,
                           .marks = name->what.marks,
                           .protocol = name->what.protocol};
    char url[SRV_TARGET_BYTES + 32];
    const struct forward_proxy *proxy;
    struct host *host = NULL;
    struct error err;

    snprintf(url, sizeof(url), "%.*s://%s:%u", STR_ARG(name->what.scheme), record->target, record->port);
    key.url = str_from(url);
    if (host_url_proxy(name->what.proxies, key.url, &proxy, &err)) {
        key.proxy = proxy ? proxy->url : STR_EMPTY;
        host = hosts_intern(name->owner->pool->hosts, &key, &err);
    }
    if (!host)
        LOG(LOG_WARNING, "UPSTREAM", "SRV records of %.*s: %s", STR_ARG(name->what.name), err.text);
    return host;
}

/* NULL: no memory. Records that make no host are left out. */
static struct host_set *make_set(struct watched_name *name, struct srv_answer *answer)
{
    uint16_t slots[SRV_SLOTS_MAX];
    uint32_t slot_count = srv_slots(answer, loop_rng(loop_of(name)), slots), count = 0;
    struct host **hosts = calloc(slot_count + 1, sizeof(struct host *));
    void *memory = malloc(host_set_bytes(slot_count));
    struct host *host = NULL;

    if (!hosts || !memory) {
        free(hosts);
        free(memory);
        return NULL;
    }
    for (uint32_t i = 0; i < slot_count; i++) {
        if (i == 0 || slots[i] != slots[i - 1])
            host = host_of(name, &answer->records[slots[i]]);
        hosts[count] = host;
        count += host != NULL;
    }
    host_set_introduce(host_set_fill(memory, hosts, count));
    free(hosts);
    return memory;
}

static void wake_waiters(struct watched_name *name)
{
    struct list_node *node;

    while ((node = list_pop_front(&name->waiters)))
        task_wake(loop_of(name), container_of(node, struct discovery_waiter, node)->task);
}

/* Told once, not at each try. */
static void say_failure(struct watched_name *name)
{
    if (!name->failing)
        LOG(LOG_WARNING, "UPSTREAM", "%s: %u hosts stay as they were", name->query.err.text,
            name->set ? name->set->host_count : 0);
    name->failing = true;
}

static void take_answer(struct watched_name *name)
{
    struct host_set *set = NULL;

    name->asking = false;
    timer_set(loop_of(name), &name->timer, loop_now_ns(loop_of(name)) + name->what.refresh_ns);
    if (name->query.err.fault == FAULT_NONE) {
        name->failing = false;
        set = make_set(name, name->query.answer);
        free(name->query.answer);
        name->query.answer = NULL;
        if (set)
            replace_set(name, set);
    } else {
        say_failure(name);
    }
    wake_waiters(name);
}

static void ask(struct watched_name *name)
{
    name->query = (struct srv_query){.name = name->what.name, .task = &name->task};
    name->asking = true;
    resolve_srv_start(name->owner->pool->resolver, &name->query);
    if (name->query.done)
        take_answer(name);
}

static void forget(struct watched_name *name)
{
    struct discoveries *owner = name->owner;

    wake_waiters(name);
    resolve_srv_cancel(owner->pool->resolver, &name->query);
    replace_set(name, NULL);
    timer_clear(loop_of(name), &name->timer);
    task_forget(loop_of(name), &name->task);
    map_take(owner->by_key, name->what.key);
    list_remove(&owner->all, &name->node);
    tls_profile_unref(name->what.tls);
    arena_free(name->arena);
}

static void run_name(struct task *task)
{
    struct watched_name *name = container_of(task, struct watched_name, task);

    if (name->asking && name->query.done)
        take_answer(name);
    if (!name->timer.fired || name->asking)
        return;
    if (loop_now_ns(loop_of(name)) > name->used_ns + DISCOVER_FORGET_NS)
        forget(name);
    else
        ask(name);
}

/* The configuration may go before the name does. */
static bool copy_what(struct watched_name *name, const struct discovery *what)
{
    bool ok;

    name->what = *what;
    name->what.proxies = forward_rules_copy(name->arena, what->proxies, &ok);
    name->what.name = arena_copy(name->arena, what->name);
    name->what.scheme = arena_copy(name->arena, what->scheme);
    name->what.pool = arena_copy(name->arena, what->pool);
    name->what.key = arena_copy(name->arena, what->key);
    return ok && name->what.name.data && name->what.scheme.data && name->what.pool.data && name->what.key.data;
}

static struct watched_name *name_new(struct discoveries *owner, const struct discovery *what)
{
    struct arena *arena = arena_new(NULL, SIZE_MAX);
    struct watched_name *name = arena ? arena_make(arena, struct watched_name) : NULL;

    if (!name) {
        arena_free(arena);
        return NULL;
    }
    name->arena = arena;
    name->owner = owner;
    if (!copy_what(name, what) || !map_put(owner->by_key, name->what.key, name)) {
        arena_free(arena);
        return NULL;
    }
    name->what.tls = tls_profile_ref(what->tls);
    name->task.run = run_name;
    name->timer = (struct timer){.at_ns = TIMER_OFF, .task = &name->task};
    list_init(&name->waiters);
    list_push_back(&owner->all, &name->node);
    name->used_ns = loop_now_ns(owner->pool->loop);
    ask(name);
    return name;
}

enum io discover(struct discoveries *discoveries, const struct discovery *discovery, struct discovery_waiter *waiter,
                 const struct host_set **set)
{
    struct watched_name *name = map_get(discoveries->by_key, discovery->key);

    if (!name)
        name = name_new(discoveries, discovery);
    if (!name)
        return IO_FAIL;
    name->used_ns = loop_now_ns(loop_of(name));
    *set = name->set ? name->set : &nobody;
    if (name->set || !name->asking)
        return IO_OK;
    if (!list_holds(&waiter->node)) {
        waiter->list = &name->waiters;
        list_push_back(&name->waiters, &waiter->node);
    }
    return IO_WAIT;
}

void discover_quit(struct discovery_waiter *waiter)
{
    if (waiter && list_holds(&waiter->node))
        list_remove(waiter->list, &waiter->node);
}

struct discoveries *discoveries_new(struct pool *pool)
{
    struct discoveries *discoveries = calloc(1, sizeof(*discoveries));

    if (!discoveries)
        return NULL;
    discoveries->pool = pool;
    discoveries->by_key = map_new(rng_next(loop_rng(pool->loop)));
    list_init(&discoveries->all);
    if (discoveries->by_key)
        return discoveries;
    free(discoveries);
    return NULL;
}

void discoveries_end(struct discoveries *discoveries)
{
    struct list_node *node;

    if (!discoveries)
        return;
    while ((node = list_first(&discoveries->all)))
        forget(container_of(node, struct watched_name, node));
    map_free(discoveries->by_key);
    free(discoveries);
}
