/* host.c: the process's table of upstream hosts. Not here: their connections (pool.c), and what their keys mean
 * (host_key.c). Start with hosts_intern. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/host.h"

#include "base/assert.h"
#include "base/map.h"
#include "upstream/host_internal.h"
#include "upstream/watch.h"

#include <pthread.h>
#include <stdlib.h>

enum { SESSION_KEYS_MAX = 1024 };

struct hosts {
    pthread_mutex_t lock; /* guards all below but numbers and pools */
    struct map *by_key, *by_label, *by_place;
    struct tls_sessions *sessions;
    struct host **list; /* NULL where one was given back */
    uint32_t count, room;
    uint32_t known;             /* of the list, those that are there */
    uint32_t pins;              /* of the main thread */
    struct handshake_sums gone; /* of hosts that were given back; the main thread's */
    unsigned workers;
    _Atomic uint64_t idle_total, with_idle;
    struct budget budget;
    struct host_rules rules;
    _Atomic(struct pool *) pools[WORKERS_MAX];
};

static void free_table(struct hosts *hosts)
{
    tls_sessions_free(hosts->sessions);
    map_free(hosts->by_place);
    map_free(hosts->by_label);
    map_free(hosts->by_key);
    free(hosts);
}

struct hosts *hosts_new(unsigned workers)
{
    struct hosts *hosts = calloc(1, sizeof(*hosts));

    ASSERT(workers >= 1);
    ASSERT(workers <= WORKERS_MAX);
    if (!hosts)
        return NULL;
    hosts->workers = workers;
    hosts->rules = HOST_RULES_DEFAULT;
    hosts->by_key = map_new(0);
    hosts->by_label = map_new(0);
    hosts->by_place = map_new(0);
    hosts->sessions = tls_sessions_new(SESSION_KEYS_MAX, 0);
    if (!hosts->by_key || !hosts->by_label || !hosts->by_place || !hosts->sessions ||
        pthread_mutex_init(&hosts->lock, NULL) != 0) {
        free_table(hosts);
        return NULL;
    }
    return hosts;
}

static void free_counts(struct host *host)
{
    for (unsigned i = 0; host->counts && i < host->workers; i++) {
        watch_free(atomic_load_explicit(&host->counts[i].watch, memory_order_relaxed));
        free(atomic_load_explicit(&host->counts[i].turns, memory_order_relaxed));
    }
}

static struct str place_key(struct host_place *place)
{
    return str_of(place->key, place->key_len);
}

/* Under the lock. */
static void place_release(struct hosts *hosts, struct host_place *place)
{
    if (!place || --place->hosts > 0)
        return;
    map_take(hosts->by_place, place_key(place));
    free(place);
}

/* Under the lock; one that is in no map, and as far as it was made. */
static void host_free(struct hosts *hosts, struct host *host)
{
    place_release(hosts, host->place);
    idle_limit_free(host->idle_limit);
    free_counts(host);
    free(host->leave);
    tls_profile_unref(host->tls);
    tls_profile_unref(host->proxy_tls);
    arena_free(host->arena);
}

void hosts_free(struct hosts *hosts)
{
    if (!hosts)
        return;
    for (uint32_t i = 0; i < hosts->count; i++)
        if (hosts->list[i])
            host_free(hosts, hosts->list[i]);
    free(hosts->list);
    pthread_mutex_destroy(&hosts->lock);
    free_table(hosts);
}

/* Room for one more, at the first place that is free. */
static bool find_place(struct hosts *hosts, uint32_t *index)
{
    uint32_t room = hosts->room ? hosts->room * 2 : 16;
    struct host **list;

    for (*index = 0; hosts->known < hosts->count && *index < hosts->count; (*index)++)
        if (!hosts->list[*index])
            return true;
    *index = hosts->count;
    if (hosts->count < hosts->room)
        return true;
    list = realloc(hosts->list, room * sizeof(struct host *));
    if (!list)
        return false;
    hosts->list = list;
    hosts->room = room;
    return true;
}

static bool no_memory(struct error *err)
{
    return error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for a host");
}

/* A name that no other host has. */
static struct str label_of(struct hosts *hosts, const struct host *host)
{
    struct str plain =
        host->pool.len ? arena_format(host->arena, "%.*s#%.*s", STR_ARG(host->url), STR_ARG(host->pool)) : host->url;
    struct str label = plain;

    for (unsigned number = 2; label.data && map_get(hosts->by_label, label); number++)
        label = arena_format(host->arena, "%.*s~%u", STR_ARG(plain), number);
    return label;
}

static bool fill_texts(struct hosts *hosts, struct host *host, const struct host_key *key, struct str text)
{
    if (!text.data)
        return false;
    host->key = arena_copy(host->arena, text);
    host->url = arena_copy(host->arena, key->url);
    host->pool = arena_copy(host->arena, key->pool);
    host->proxy = arena_copy(host->arena, key->proxy);
    if (!host->key.data || !host->url.data || !host->pool.data || !host->proxy.data)
        return false;
    host->label = label_of(hosts, host);
    return host->label.data;
}

/* What a host has beside its texts; then it is in the table. */
static bool fill(struct hosts *hosts, struct host *host)
{
    uint32_t index;

    host->counts = arena_lines(host->arena, struct host_counts, hosts->workers);
    host->idle_limit = idle_limit_new(hosts->workers);
    if (!host->counts || !host->idle_limit || !find_place(hosts, &index) ||
        !map_put(hosts->by_label, host->label, host))
        return false;
    if (!map_put(hosts->by_key, host->key, host)) {
        map_take(hosts->by_label, host->label);
        return false;
    }
    host->index = index;
    hosts->list[index] = host;
    hosts->count += index == hosts->count;
    hosts->known++;
    return true;
}

/* Requests to cleartext hosts are given to the proxy itself. */
static bool fill_proxy(struct host *host, struct error *err)
{
    bool bare = str_find_char(host->name, ':') == host->name.len;

    if (host->proxy.len == 0)
        return true;
    host->forward = arena_make(host->arena, struct forward_proxy);
    if (host->forward && !forward_proxy_parse(host->arena, host->proxy, host->forward, err))
        return false;
    if (host_url_is_secure(host->url))
        host->tunnel =
            arena_format(host->arena, bare ? "%.*s:%u" : "[%.*s]:%u", STR_ARG(host->name), (unsigned)host->port);
    return (host->forward && (host->tunnel.data || !host_url_is_secure(host->url))) || no_memory(err);
}

static struct host_place *place_new(struct hosts *hosts, struct str key)
{
    struct host_place *place = calloc(1, sizeof(*place) + key.len);

    if (!place)
        return NULL;
    place->key_len = key.len;
    memcpy(place->key, key.data, key.len);
    if (map_put(hosts->by_place, place_key(place), place))
        return place;
    free(place);
    return NULL;
}

/* By name, port and source of what is connected to: the proxy, where there is one. False: no memory. */
static bool fill_place(struct hosts *hosts, struct host *host, const struct host_key *key)
{
    const struct forward_proxy *proxy = host->forward;
    struct str name = proxy ? proxy->name : host->unix_addr.family == ADDR_UNIX ? host->url : host->name;
    char source[ADDR_TEXT_BYTES];
    struct str from = key->source.family == ADDR_NONE ? STR("") : addr_format_ip(&key->source, source);
    struct str text = arena_format(host->arena, "%.*s %u %.*s", STR_ARG(name),
                                   (unsigned)(proxy ? proxy->port : host->port), STR_ARG(from));

    if (!text.data)
        return false;
    host->place = map_get(hosts->by_place, text);
    if (!host->place)
        host->place = place_new(hosts, text);
    if (host->place)
        host->place->hosts++;
    return host->place;
}

/* It lives in an arena of its own, so that it can be given back. */
static struct host *host_new(struct hosts *hosts, const struct host_key *key)
{
    struct arena *arena = arena_new(NULL, SIZE_MAX);
    struct host *host = arena ? arena_lines(arena, struct host, 1) : NULL;

    if (!host) {
        arena_free(arena);
        return NULL;
    }
    host->arena = arena;
    host->workers = hosts->workers;
    host->proxy_header = key->proxy_header;
    host->source = key->source;
    host->marks = key->marks;
    host->protocol = (uint8_t)host_key_protocol(key);
    host->tls = host_url_is_secure(key->url) ? tls_profile_ref(key->tls) : NULL;
    host->proxy_tls = host_url_is_secure(key->proxy) ? tls_profile_ref(key->tls) : NULL;
    return host;
}

/* Beside what else a request reads. */
static void keep_near(struct host *host)
{
    if (host->authority.len == 0 || host->authority.len > sizeof(host->near))
        return;
    memcpy(host->near, host->authority.data, host->authority.len);
    host->authority.data = host->near;
}

static bool fill_all(struct hosts *hosts, struct host *host, const struct host_key *key, struct str text,
                     struct error *err)
{
    if (!fill_texts(hosts, host, key, text))
        return no_memory(err);
    if (!host_parse_url(host, err))
        return false;
    keep_near(host);
    return fill_proxy(host, err) && ((fill_place(hosts, host, key) && fill(hosts, host)) || no_memory(err));
}

static struct host *host_make(struct hosts *hosts, const struct host_key *key, struct str text, struct error *err)
{
    struct host *host = host_new(hosts, key);

    if (!host) {
        no_memory(err);
        return NULL;
    }
    if (!fill_all(hosts, host, key, text, err)) {
        host_free(hosts, host);
        return NULL;
    }
    idle_limit_configure(host->idle_limit, &(struct idle_limit_options){.eager = true});
    idle_limit_obey(host->idle_limit, &hosts->rules.idle);
    return host;
}

void hosts_obey(struct hosts *hosts, const struct host_rules *rules)
{
    pthread_mutex_lock(&hosts->lock);
    hosts->rules = *rules;
    for (uint32_t i = 0; i < hosts->count; i++)
        if (hosts->list[i])
            idle_limit_obey(hosts->list[i]->idle_limit, &rules->idle);
    pthread_mutex_unlock(&hosts->lock);
}

struct host_rules hosts_rules(struct hosts *hosts)
{
    struct host_rules rules;

    pthread_mutex_lock(&hosts->lock);
    rules = hosts->rules;
    pthread_mutex_unlock(&hosts->lock);
    return rules;
}

struct host *hosts_intern(struct hosts *hosts, const struct host_key *key, struct error *err)
{
    struct arena *arena;
    struct str text;
    struct host *host;

    ASSERT(key->tls || !host_url_is_secure(key->url));
    if (host_url_is_secure(key->proxy) && !key->tls) {
        error_set(err, FAULT_CONFIG, ERROR_ADDRESS_INVALID, "there are no settings of TLS for its proxy");
        return NULL;
    }
    arena = arena_new(NULL, SIZE_MAX);
    text = arena ? host_key_text(arena, key) : STR_EMPTY;
    pthread_mutex_lock(&hosts->lock);
    host = text.data ? map_get(hosts->by_key, text) : NULL;
    if (!host)
        host = host_make(hosts, key, text, err);
    if (host)
        host->suspected = false;
    pthread_mutex_unlock(&hosts->lock);
    arena_free(arena);
    return host;
}

bool host_is_in_use(const struct host *host)
{
    for (unsigned i = 0; i < host->workers; i++)
        if (atomic_load_explicit(&host->counts[i].held, memory_order_relaxed) > 0)
            return true;
    return atomic_load_explicit(&host->named, memory_order_relaxed) > 0 ||
           atomic_load_explicit(&host->configured, memory_order_relaxed) ||
           atomic_load_explicit(&host->open, memory_order_relaxed) > 0;
}

void hosts_suspect(struct hosts *hosts, struct host *host)
{
    pthread_mutex_lock(&hosts->lock);
    host->suspected = true;
    pthread_mutex_unlock(&hosts->lock);
}

static void add_handshakes(struct handshake_sums *sums, const struct host *host)
{
    struct host_totals totals;

    host_totals(host, &totals);
    sums->full += totals.handshakes_full;
    sums->resumed += totals.handshakes_resumed;
}

struct handshake_sums hosts_handshakes(struct hosts *hosts)
{
    struct handshake_sums sums = hosts->gone;

    for (uint32_t i = 0; i < hosts_count(hosts); i++) {
        const struct host *host = hosts_at(hosts, i);

        if (host)
            add_handshakes(&sums, host);
    }
    return sums;
}

bool hosts_give_back(struct hosts *hosts, struct host *host)
{
    bool gone;

    pthread_mutex_lock(&hosts->lock);
    gone = hosts->pins == 0 && host->suspected && !host_is_in_use(host);
    if (gone) {
        map_take(hosts->by_key, host->key);
        map_take(hosts->by_label, host->label);
        hosts->list[host->index] = NULL;
        hosts->known--;
        add_handshakes(&hosts->gone, host);
        host_free(hosts, host);
    }
    pthread_mutex_unlock(&hosts->lock);
    return gone;
}

void hosts_pin(struct hosts *hosts)
{
    hosts->pins++;
}

void hosts_unpin(struct hosts *hosts)
{
    ASSERT(hosts->pins > 0);
    hosts->pins--;
}

unsigned hosts_workers(const struct hosts *hosts)
{
    return hosts->workers;
}

/* While others may add hosts. */
static uint32_t read_locked(struct hosts *hosts, const uint32_t *number)
{
    uint32_t value;

    pthread_mutex_lock(&hosts->lock);
    value = *number;
    pthread_mutex_unlock(&hosts->lock);
    return value;
}

uint32_t hosts_count(struct hosts *hosts)
{
    return read_locked(hosts, &hosts->count);
}

uint32_t hosts_known(struct hosts *hosts)
{
    return read_locked(hosts, &hosts->known);
}

struct host *hosts_at(struct hosts *hosts, uint32_t index)
{
    struct host *host;

    pthread_mutex_lock(&hosts->lock);
    host = index < hosts->count ? hosts->list[index] : NULL;
    pthread_mutex_unlock(&hosts->lock);
    return host;
}

_Atomic uint64_t *hosts_idle_total(struct hosts *hosts)
{
    return &hosts->idle_total;
}

_Atomic uint64_t *hosts_with_idle(struct hosts *hosts)
{
    return &hosts->with_idle;
}

struct tls_sessions *hosts_sessions(struct hosts *hosts)
{
    return hosts->sessions;
}

struct budget *hosts_budget(struct hosts *hosts)
{
    return &hosts->budget;
}

void hosts_set_pool(struct hosts *hosts, unsigned worker, struct pool *pool)
{
    ASSERT(worker < hosts->workers);
    atomic_store_explicit(&hosts->pools[worker], pool, memory_order_release);
}

struct pool *hosts_pool(struct hosts *hosts, unsigned worker)
{
    return atomic_load_explicit(&hosts->pools[worker], memory_order_acquire);
}
