/* session_cache.c: see the header. Sessions are kept as bytes, so that a look-up shares nothing with other threads but
 * a copy under a lock; shards by id keep these locks apart. SPDX-License-Identifier: Apache-2.0 */
#include "tls/session_cache.h"

#include "base/list.h"
#include "base/map.h"

#include <pthread.h>
#include <stdlib.h>

enum { SHARDS = 16, SESSION_BYTES_MAX = 16384 };

struct entry {
    struct list_node by_use; /* last used in front */
    size_t id_len, size;
    uint8_t bytes[]; /* the id, then the session */
};

struct shard {
    _Alignas(64) pthread_mutex_t lock;
    struct map *entries;
    struct list by_use;
};

struct tls_session_cache {
    struct shard shards[SHARDS];
    size_t sessions_max; /* of a shard */
    unsigned ready;      /* shards that were made */
};

static struct str id_of(const struct entry *entry)
{
    return str_of((const char *)entry->bytes, entry->id_len);
}

/* Ids are our own random bytes; those that clients make up find nothing. */
static struct shard *shard_of(struct tls_session_cache *cache, struct str id)
{
    return &cache->shards[id.len > 0 ? (uint8_t)id.data[id.len - 1] % SHARDS : 0];
}

static bool make_shard(struct shard *shard, uint64_t seed)
{
    shard->entries = map_new(seed);
    if (!shard->entries)
        return false;
    if (pthread_mutex_init(&shard->lock, NULL) != 0) {
        map_free(shard->entries);
        return false;
    }
    list_init(&shard->by_use);
    return true;
}

struct tls_session_cache *tls_session_cache_new(size_t sessions_max, uint64_t seed)
{
    struct tls_session_cache *cache = aligned_alloc(_Alignof(struct tls_session_cache), sizeof(*cache));

    if (!cache)
        return NULL;
    memset(cache, 0, sizeof(*cache));
    cache->sessions_max = (sessions_max + SHARDS - 1) / SHARDS;
    while (cache->ready < SHARDS && make_shard(&cache->shards[cache->ready], seed + cache->ready))
        cache->ready++;
    if (cache->ready == SHARDS)
        return cache;
    tls_session_cache_free(cache);
    return NULL;
}

static void entry_free(struct entry *entry)
{
    OPENSSL_cleanse(entry->bytes, entry->id_len + entry->size);
    free(entry);
}

static void drop(struct shard *shard, struct entry *entry)
{
    map_take(shard->entries, id_of(entry));
    list_remove(&shard->by_use, &entry->by_use);
    entry_free(entry);
}

void tls_session_cache_free(struct tls_session_cache *cache)
{
    struct list_node *node;

    for (unsigned i = 0; cache && i < cache->ready; i++) {
        struct shard *shard = &cache->shards[i];

        while ((node = list_first(&shard->by_use)) != NULL)
            drop(shard, container_of(node, struct entry, by_use));
        map_free(shard->entries);
        pthread_mutex_destroy(&shard->lock);
    }
    free(cache);
}

static struct str session_id(const SSL_SESSION *session)
{
    unsigned len = 0;
    const unsigned char *id = SSL_SESSION_get_id(session, &len);

    return str_of((const char *)id, len);
}

/* NULL: no memory, or a session that is too large to keep. */
static struct entry *entry_of(SSL_SESSION *session)
{
    struct str id = session_id(session);
    int size = i2d_SSL_SESSION(session, NULL);
    struct entry *entry;
    unsigned char *out;

    if (id.len == 0 || size <= 0 || size > SESSION_BYTES_MAX)
        return NULL;
    entry = calloc(1, sizeof(*entry) + id.len + (size_t)size);
    if (!entry)
        return NULL;
    entry->id_len = id.len;
    entry->size = (size_t)size;
    memcpy(entry->bytes, id.data, id.len);
    out = entry->bytes + id.len;
    i2d_SSL_SESSION(session, &out);
    return entry;
}

void tls_session_cache_put(struct tls_session_cache *cache, SSL_SESSION *session)
{
    struct entry *entry = entry_of(session), *old;
    struct shard *shard;

    if (!entry)
        return;
    shard = shard_of(cache, id_of(entry));
    pthread_mutex_lock(&shard->lock);
    old = map_get(shard->entries, id_of(entry));
    if (old)
        drop(shard, old);
    if (map_put(shard->entries, id_of(entry), entry))
        list_push_front(&shard->by_use, &entry->by_use);
    else
        entry_free(entry);
    if (shard->by_use.count > cache->sessions_max)
        drop(shard, container_of(list_last(&shard->by_use), struct entry, by_use));
    pthread_mutex_unlock(&shard->lock);
}

SSL_SESSION *tls_session_cache_get(struct tls_session_cache *cache, struct str id)
{
    struct shard *shard = shard_of(cache, id);
    SSL_SESSION *session = NULL;
    struct entry *entry;

    pthread_mutex_lock(&shard->lock);
    entry = map_get(shard->entries, id);
    if (entry) {
        const unsigned char *bytes = entry->bytes + entry->id_len;

        list_remove(&shard->by_use, &entry->by_use);
        list_push_front(&shard->by_use, &entry->by_use);
        session = d2i_SSL_SESSION(NULL, &bytes, (long)entry->size);
    }
    pthread_mutex_unlock(&shard->lock);
    return session;
}

size_t tls_session_cache_count(struct tls_session_cache *cache)
{
    size_t count = 0;

    for (unsigned i = 0; i < SHARDS; i++) {
        pthread_mutex_lock(&cache->shards[i].lock);
        count += cache->shards[i].by_use.count;
        pthread_mutex_unlock(&cache->shards[i].lock);
    }
    return count;
}
