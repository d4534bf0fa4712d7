/* sessions.c: see the header. Start with tls_sessions_take. SPDX-License-Identifier: Apache-2.0 */
#include "tls/sessions.h"

#include "base/list.h"
#include "base/map.h"

#include <pthread.h>
#include <stdlib.h>

struct entry {
    struct tls_digest key;
    struct list_node by_use;               /* last used in front */
    SSL_SESSION *tickets[TLS_TICKETS_MAX]; /* oldest first */
    size_t count;
};

struct tls_sessions {
    pthread_mutex_t lock; /* guards all below but keys_max */
    struct map *entries;
    struct list by_use;
    size_t keys_max, tickets;
};

static struct str key_text(const struct tls_digest *key)
{
    return str_of((const char *)key->bytes, sizeof(key->bytes));
}

struct tls_sessions *tls_sessions_new(size_t keys_max, uint64_t seed)
{
    struct tls_sessions *sessions = calloc(1, sizeof(*sessions));

    ASSERT(keys_max > 0);
    if (!sessions)
        return NULL;
    sessions->entries = map_new(seed);
    if (!sessions->entries || pthread_mutex_init(&sessions->lock, NULL) != 0) {
        map_free(sessions->entries);
        free(sessions);
        return NULL;
    }
    list_init(&sessions->by_use);
    sessions->keys_max = keys_max;
    return sessions;
}

static void drop_ticket(struct tls_sessions *sessions, struct entry *entry, size_t at)
{
    SSL_SESSION_free(entry->tickets[at]);
    for (size_t i = at + 1; i < entry->count; i++)
        entry->tickets[i - 1] = entry->tickets[i];
    entry->count--;
    sessions->tickets--;
}

static void drop_entry(struct tls_sessions *sessions, struct entry *entry)
{
    while (entry->count > 0)
        drop_ticket(sessions, entry, entry->count - 1);
    map_take(sessions->entries, key_text(&entry->key));
    list_remove(&sessions->by_use, &entry->by_use);
    free(entry);
}

void tls_sessions_free(struct tls_sessions *sessions)
{
    struct list_node *node;

    if (!sessions)
        return;
    while ((node = list_first(&sessions->by_use)) != NULL)
        drop_entry(sessions, container_of(node, struct entry, by_use));
    map_free(sessions->entries);
    pthread_mutex_destroy(&sessions->lock);
    free(sessions);
}

/* The key's entry, moved to the front; NULL: there is none. */
static struct entry *find(struct tls_sessions *sessions, const struct tls_digest *key)
{
    struct entry *entry = map_get(sessions->entries, key_text(key));

    if (entry) {
        list_remove(&sessions->by_use, &entry->by_use);
        list_push_front(&sessions->by_use, &entry->by_use);
    }
    return entry;
}

static struct entry *add_entry(struct tls_sessions *sessions, const struct tls_digest *key)
{
    struct entry *entry = calloc(1, sizeof(*entry));

    if (!entry)
        return NULL;
    entry->key = *key;
    if (!map_put(sessions->entries, key_text(&entry->key), entry)) {
        free(entry);
        return NULL;
    }
    list_push_front(&sessions->by_use, &entry->by_use);
    if (sessions->by_use.count > sessions->keys_max)
        drop_entry(sessions, container_of(list_last(&sessions->by_use), struct entry, by_use));
    return entry;
}

static bool is_single_use(const SSL_SESSION *session)
{
    return SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION;
}

/* A resumed handshake shows no certificate, so one that has expired since must not live on in its sessions. */
static bool is_expired(SSL_SESSION *session)
{
    const X509 *peer = SSL_SESSION_get0_peer(session);

    return peer && X509_cmp_current_time(X509_get0_notAfter(peer)) < 0;
}

/* Takes the session. */
static void keep(struct tls_sessions *sessions, const struct tls_digest *key, SSL_SESSION *session)
{
    struct entry *entry = find(sessions, key);

    if (!entry)
        entry = add_entry(sessions, key);
    if (!entry) {
        SSL_SESSION_free(session);
        return;
    }
    while (entry->count == TLS_TICKETS_MAX || (entry->count > 0 && !is_single_use(session)))
        drop_ticket(sessions, entry, 0);
    entry->tickets[entry->count++] = session;
    sessions->tickets++;
}

void tls_sessions_put(struct tls_sessions *sessions, const struct tls_digest *key, const SSL_SESSION *session)
{
    SSL_SESSION *copy = SSL_SESSION_dup(session);

    if (!copy)
        return;
    pthread_mutex_lock(&sessions->lock);
    keep(sessions, key, copy);
    pthread_mutex_unlock(&sessions->lock);
}

/* Takes the newest ticket out of its entry. */
static SSL_SESSION *pop_newest(struct tls_sessions *sessions, struct entry *entry)
{
    SSL_SESSION *session = entry->tickets[entry->count - 1];

    SSL_SESSION_up_ref(session);
    drop_ticket(sessions, entry, entry->count - 1);
    return session;
}

static SSL_SESSION *take(struct tls_sessions *sessions, const struct tls_digest *key)
{
    struct entry *entry = find(sessions, key);

    while (entry && entry->count > 0) {
        SSL_SESSION *session = entry->tickets[entry->count - 1];

        if (!SSL_SESSION_is_resumable(session) || is_expired(session))
            drop_ticket(sessions, entry, entry->count - 1);
        else
            return is_single_use(session) ? pop_newest(sessions, entry) : SSL_SESSION_dup(session);
    }
    return NULL;
}

SSL_SESSION *tls_sessions_take(struct tls_sessions *sessions, const struct tls_digest *key)
{
    SSL_SESSION *session;

    pthread_mutex_lock(&sessions->lock);
    session = take(sessions, key);
    pthread_mutex_unlock(&sessions->lock);
    return session;
}

size_t tls_sessions_count(struct tls_sessions *sessions)
{
    size_t count;

    pthread_mutex_lock(&sessions->lock);
    count = sessions->tickets;
    pthread_mutex_unlock(&sessions->lock);
    return count;
}
