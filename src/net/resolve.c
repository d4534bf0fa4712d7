/* resolve.c: the cache above a resolver: one entry for each name, with its last good answer, its last failure and who
 * waits.
 *
 * It asks the backend at most once for a name at a time, whoever waits; a query that nobody waits for any more goes on,
 * as its answer is of use to the next one. Start with cache_start. SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"
#include "net/resolve_srv.h"

#include <stdlib.h>

enum { NAME_BYTES_MAX = 253 }; /* RFC 1035 2.3.4, as text without the last dot */

struct cache {
    struct resolver resolver;
    struct resolver *backend;
    struct resolve_rules rules;
    struct map *names;  /* name to struct entry */
    struct list recent; /* entries, the most recently used first */
};

struct entry {
    struct cache *cache;
    struct list_node node;
    struct list waiters; /* struct resolve_query */
    struct task task;    /* the backend's query has ended */
    struct resolve_query query;
    bool asking;
    bool slow; /* ... for longer than there is patience */
    struct timer patience;
    bool has_answer;
    struct resolved answer;
    uint64_t expires_ns; /* of the answer */
    bool has_failure;
    struct error failure;
    uint64_t retry_ns;             /* do not ask anew before */
    char name[NAME_BYTES_MAX + 1]; /* lower case */
};

static struct cache *cache_of(struct resolver *resolver)
{
    return container_of(resolver, struct cache, resolver);
}

static uint64_t now_ns(const struct cache *cache)
{
    return loop_now_ns(cache->resolver.loop);
}

static void finish(struct cache *cache, struct resolve_query *query)
{
    query->done = true;
    task_wake(cache->resolver.loop, query->task);
}

static void finish_with_answer(struct cache *cache, struct resolve_query *query, const struct resolved *answer)
{
    query->err.fault = FAULT_NONE;
    query->answer = *answer;
    finish(cache, query);
}

/* What is left of its time; a stale answer has none. */
static uint64_t ttl_left_ns(const struct entry *entry)
{
    uint64_t at_ns = now_ns(entry->cache);

    return at_ns < entry->expires_ns ? entry->expires_ns - at_ns : 0;
}

static void finish_with_entry(struct entry *entry, struct resolve_query *query)
{
    struct resolved answer = entry->answer;

    answer.ttl_ns = ttl_left_ns(entry);
    finish_with_answer(entry->cache, query, &answer);
}

static void finish_with_error(struct cache *cache, struct resolve_query *query, const struct error *err)
{
    query->err = *err;
    finish(cache, query);
}

static bool is_fresh(const struct entry *entry)
{
    return entry->has_answer && now_ns(entry->cache) < entry->expires_ns;
}

static bool is_usable_when_stale(const struct entry *entry)
{
    return entry->has_answer && now_ns(entry->cache) < entry->expires_ns + entry->cache->rules.stale_max_ns;
}

/* Answers the query from what the entry knows. False: it knows nothing, the backend must be asked. */
static bool answer_from(struct entry *entry, struct resolve_query *query)
{
    bool failed_lately = entry->has_failure && now_ns(entry->cache) < entry->retry_ns;

    if (is_fresh(entry) || ((failed_lately || entry->slow) && is_usable_when_stale(entry)))
        finish_with_entry(entry, query);
    else if (failed_lately)
        finish_with_error(entry->cache, query, &entry->failure);
    else
        return false;
    return true;
}

static void keep_answer(struct entry *entry, const struct resolved *answer)
{
    const struct resolve_rules *rules = &entry->cache->rules;
    uint64_t ttl_ns = answer->ttl_ns > rules->ttl_min_ns ? answer->ttl_ns : rules->ttl_min_ns;

    ttl_ns = u64_min(ttl_ns, rules->ttl_max_ns);
    entry->answer = *answer;
    entry->answer.ttl_ns = ttl_ns;
    entry->expires_ns = now_ns(entry->cache) + ttl_ns;
    entry->has_answer = true;
    entry->has_failure = false;
}

static void keep_failure(struct entry *entry, const struct error *err)
{
    entry->failure = *err;
    entry->retry_ns = now_ns(entry->cache) + entry->cache->rules.failure_ns;
    entry->has_failure = true;
}

static void answer_waiters(struct entry *entry)
{
    struct list_node *node;

    while ((node = list_pop_front(&entry->waiters))) {
        bool answered = answer_from(entry, container_of(node, struct resolve_query, node));

        ASSERT(answered);
    }
}

static void run_entry(struct task *task)
{
    struct entry *entry = container_of(task, struct entry, task);

    if (entry->asking && entry->query.done) {
        entry->asking = entry->slow = false;
        timer_clear(entry->cache->resolver.loop, &entry->patience);
        if (entry->query.err.fault == FAULT_NONE)
            keep_answer(entry, &entry->query.answer);
        else
            keep_failure(entry, &entry->query.err);
        answer_waiters(entry);
    } else if (entry->patience.fired && entry->asking && is_usable_when_stale(entry)) {
        entry->slow = true;
        answer_waiters(entry);
    }
}

static void ask_backend(struct entry *entry)
{
    entry->query = (struct resolve_query){.name = str_from(entry->name), .task = &entry->task};
    entry->asking = true;
    if (is_usable_when_stale(entry))
        timer_set(entry->cache->resolver.loop, &entry->patience,
                  now_ns(entry->cache) + entry->cache->rules.patience_ns);
    resolve_start(entry->cache->backend, &entry->query);
    if (entry->query.done)
        run_entry(&entry->task);
}

static void free_entry(struct entry *entry)
{
    struct cache *cache = entry->cache;

    ASSERT(list_is_empty(&entry->waiters));
    if (entry->asking)
        resolve_cancel(cache->backend, &entry->query);
    timer_clear(cache->resolver.loop, &entry->patience);
    task_forget(cache->resolver.loop, &entry->task);
    map_take(cache->names, str_from(entry->name));
    list_remove(&cache->recent, &entry->node);
    free(entry);
}

/* Of those that nobody waits for, the one that was asked for longest ago; NULL: there is none. */
static struct entry *oldest_unwanted(struct cache *cache)
{
    struct list_node *node = list_last(&cache->recent);

    while (node && !list_is_empty(&container_of(node, struct entry, node)->waiters))
        node = node->prev == &cache->recent.head ? NULL : node->prev;
    return node ? container_of(node, struct entry, node) : NULL;
}

static void make_room(struct cache *cache)
{
    struct entry *oldest;

    while (cache->recent.count >= cache->rules.names_max && (oldest = oldest_unwanted(cache)))
        free_entry(oldest);
}

static struct entry *add_entry(struct cache *cache, const char *name)
{
    struct entry *entry;

    make_room(cache);
    entry = calloc(1, sizeof(*entry));
    if (!entry)
        return NULL;
    entry->cache = cache;
    entry->task.run = run_entry;
    entry->patience = (struct timer){.at_ns = TIMER_OFF, .task = &entry->task};
    list_init(&entry->waiters);
    memcpy(entry->name, name, sizeof(entry->name));
    if (!map_put(cache->names, str_from(entry->name), entry)) {
        free(entry);
        return NULL;
    }
    list_push_front(&cache->recent, &entry->node);
    return entry;
}

static struct entry *find_or_add(struct cache *cache, const char *name)
{
    struct entry *entry = map_get(cache->names, str_from(name));

    if (!entry)
        return add_entry(cache, name);
    list_remove(&cache->recent, &entry->node);
    list_push_front(&cache->recent, &entry->node);
    return entry;
}

/* Names are equal but for the case of A to Z (RFC 4343 3). */
static bool fold_name(struct str name, char out[NAME_BYTES_MAX + 1])
{
    memset(out, 0, NAME_BYTES_MAX + 1);
    if (name.len == 0 || !str_to_cstr(name, out, NAME_BYTES_MAX + 1))
        return false;
    for (char *c = out; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c + ('a' - 'A'));
    return true;
}

static bool answer_literal(struct cache *cache, struct resolve_query *query)
{
    struct resolved answer = {.count = 1, .ttl_ns = RESOLVE_TTL_MAX_NS};

    if (!addr_parse_ip(query->name, &answer.addrs[0]))
        return false;
    finish_with_answer(cache, query, &answer);
    return true;
}

static void refuse(struct cache *cache, struct resolve_query *query, enum fault fault, enum error_code code,
                   const char *why)
{
    error_set(&query->err, fault, code, "resolving %.*s: %s", STR_ARG(str_first(query->name, NAME_BYTES_MAX)), why);
    query->err.retry_safe = true;
    finish(cache, query);
}

static void cache_start(struct resolver *resolver, struct resolve_query *query)
{
    struct cache *cache = cache_of(resolver);
    char name[NAME_BYTES_MAX + 1];
    struct entry *entry;

    query->done = false;
    query->backend = NULL;
    if (answer_literal(cache, query))
        return;
    if (!fold_name(query->name, name)) {
        refuse(cache, query, FAULT_UPSTREAM, ERROR_RESOLVE_FAILED, "not a host name");
        return;
    }
    entry = find_or_add(cache, name);
    if (!entry) {
        refuse(cache, query, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory");
        return;
    }
    if ((!entry->asking || entry->slow) && answer_from(entry, query))
        return;
    query->backend = entry;
    list_push_back(&entry->waiters, &query->node);
    if (!entry->asking)
        ask_backend(entry);
}

static void cache_cancel(struct resolver *resolver, struct resolve_query *query)
{
    struct entry *entry = query->backend;

    (void)resolver;
    if (list_holds(&query->node))
        list_remove(&entry->waiters, &query->node);
}

static void cache_free(struct resolver *resolver)
{
    struct cache *cache = cache_of(resolver);
    struct list_node *node;

    while ((node = list_first(&cache->recent)))
        free_entry(container_of(node, struct entry, node));
    resolver_free(cache->backend);
    map_free(cache->names);
    free(cache);
}

static void cache_start_srv(struct resolver *resolver, struct srv_query *query)
{
    resolve_srv_start(cache_of(resolver)->backend, query);
}

static void cache_cancel_srv(struct resolver *resolver, struct srv_query *query)
{
    resolve_srv_cancel(cache_of(resolver)->backend, query);
}

static const struct resolver_ops cache_ops = {
    .start = cache_start,
    .cancel = cache_cancel,
    .start_srv = cache_start_srv,
    .cancel_srv = cache_cancel_srv,
    .free = cache_free,
};

struct resolver *resolver_cache_new(struct resolver *backend)
{
    struct cache *cache = calloc(1, sizeof(*cache));

    if (cache)
        cache->names = map_new(rng_next(loop_rng(backend->loop)));
    if (!cache || !cache->names) {
        free(cache);
        resolver_free(backend);
        return NULL;
    }
    cache->resolver = (struct resolver){.ops = &cache_ops, .loop = backend->loop};
    cache->backend = backend;
    cache->rules = (struct resolve_rules){RESOLVE_TTL_MIN_NS,  RESOLVE_TTL_MAX_NS,   RESOLVE_FAILURE_NS,
                                          RESOLVE_PATIENCE_NS, RESOLVE_STALE_MAX_NS, RESOLVE_NAMES_MAX};
    list_init(&cache->recent);
    return &cache->resolver;
}

void resolver_cache_obey(struct resolver *cache, const struct resolve_rules *rules)
{
    ASSERT(rules->ttl_min_ns > 0);
    ASSERT(rules->ttl_max_ns > 0);
    ASSERT(rules->failure_ns > 0);
    ASSERT(rules->names_max > 0);
    cache_of(cache)->rules = *rules;
}
