/* time_wait.c: see the header. Each place where a host's connections went is a number; the places of all hosts, sorted,
 * are looked up for each connection that the kernel tells of. Start with time_wait_look.
 * SPDX-License-Identifier: Apache-2.0 */
#include "upstream/time_wait.h"

#include "base/log.h"
#include "os/process.h"
#include "os/sock_diag.h"

#include <stdlib.h>

enum { WORTH_PERCENT = 50, PORT_BITS = 16 };

struct port_place {
    uint64_t key;
    uint32_t host, waits, blocked;
};

struct time_wait_count {
    struct hosts *hosts;
    enum time_wait_reuse reuse;
    size_t count;
    struct port_place places[];
};

/* Hosts with a source address share their peers' ports with nobody else. The lowest bits are the peer's port. Never 0.
 */
static uint64_t key_of(const struct addr *peer, const struct addr *source)
{
    struct addr from = *source;
    uint64_t hash;

    from.port = 0;
    hash = addr_hash(peer, from.family == ADDR_NONE ? 0 : addr_hash(&from, 0)) | 1;
    return hash << PORT_BITS | peer->port;
}

void time_wait_peer(struct host *host, const struct addr *peer)
{
    struct port_budget *ports = &host->ports;
    uint64_t key;

    if (peer->family != ADDR_IPV4 && peer->family != ADDR_IPV6)
        return;
    key = key_of(peer, &host->source);
    for (unsigned i = 0; i < PORT_PEERS; i++)
        if (atomic_load_explicit(&ports->peers[i], memory_order_relaxed) == key)
            return;
    atomic_store_explicit(
        &ports->peers[atomic_fetch_add_explicit(&ports->next_peer, 1, memory_order_relaxed) % PORT_PEERS], key,
        memory_order_relaxed);
}

static int compare_keys(const void *a, const void *b)
{
    uint64_t left = ((const struct port_place *)a)->key, right = ((const struct port_place *)b)->key;

    return left < right ? -1 : left > right;
}

static int compare_hosts(const void *a, const void *b)
{
    uint32_t left = ((const struct port_place *)a)->host, right = ((const struct port_place *)b)->host;

    return left < right ? -1 : left > right;
}

/* Two workers may have noted the same place at one moment. */
static bool is_there(const struct time_wait_count *count, size_t from, uint64_t key)
{
    for (size_t i = from; i < count->count; i++)
        if (count->places[i].key == key)
            return true;
    return false;
}

static void add_places(struct time_wait_count *count, uint32_t index)
{
    const struct host *host = hosts_at(count->hosts, index);
    size_t first = count->count;

    for (unsigned i = 0; host && i < PORT_PEERS; i++) {
        uint64_t key = atomic_load_explicit(&host->ports.peers[i], memory_order_relaxed);

        if (key != 0 && !is_there(count, first, key))
            count->places[count->count++] = (struct port_place){.key = key, .host = index};
    }
}

struct time_wait_count *time_wait_begin(struct hosts *hosts, enum time_wait_reuse reuse)
{
    uint32_t host_count = hosts_count(hosts);
    struct time_wait_count *count =
        calloc(1, sizeof(*count) + (size_t)host_count * PORT_PEERS * sizeof(struct port_place));

    if (!count)
        return NULL;
    count->hosts = hosts;
    count->reuse = reuse;
    for (uint32_t i = 0; i < host_count; i++)
        add_places(count, i);
    qsort(count->places, count->count, sizeof(struct port_place), compare_keys);
    return count;
}

/* The first place of a key, or where it would be. */
static size_t find(const struct time_wait_count *count, uint64_t key)
{
    size_t low = 0, high = count->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (count->places[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool time_wait_ports(const struct time_wait_count *count, uint16_t *port_min, uint16_t *port_max)
{
    *port_min = UINT16_MAX;
    *port_max = 0;
    for (size_t i = 0; i < count->count; i++) {
        uint16_t port = (uint16_t)count->places[i].key;

        *port_min = port < *port_min ? port : *port_min;
        *port_max = port > *port_max ? port : *port_max;
    }
    return count->count > 0;
}

static bool blocks(enum time_wait_reuse reuse, const struct addr *peer)
{
    return reuse == TIME_WAIT_BLOCKS || (reuse == TIME_WAIT_YIELDS_ON_LOOPBACK && !addr_is_loopback(peer));
}

void time_wait_see(void *arg, const struct addr *ours, const struct addr *peer)
{
    static const struct addr anywhere;
    struct time_wait_count *count = arg;
    uint64_t keys[] = {key_of(peer, &anywhere), key_of(peer, ours)};

    for (size_t i = 0; i < COUNT_OF(keys); i++)
        for (size_t at = find(count, keys[i]); at < count->count && count->places[at].key == keys[i]; at++) {
            count->places[at].waits++;
            count->places[at].blocked += blocks(count->reuse, peer);
        }
}

bool time_wait_leads(const struct time_wait_count *count, const struct addr *ours, const struct addr *peer)
{
    static const struct addr anywhere;
    uint64_t keys[] = {key_of(peer, &anywhere), key_of(peer, ours)};

    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        size_t at = find(count, keys[i]);

        if (at < count->count && count->places[at].key == keys[i])
            return true;
    }
    return false;
}

void time_wait_drop(struct time_wait_count *count)
{
    free(count);
}

static void tell(struct host *host, uint32_t waits, uint32_t blocked)
{
    if (!host)
        return;
    atomic_store_explicit(&host->ports.time_waits, waits, memory_order_relaxed);
    atomic_store_explicit(&host->ports.blocked, blocked, memory_order_relaxed);
}

void time_wait_end(struct time_wait_count *count)
{
    uint32_t host_count = hosts_count(count->hosts);
    size_t at = 0;

    qsort(count->places, count->count, sizeof(struct port_place), compare_hosts);
    for (uint32_t i = 0; i < host_count; i++) {
        uint32_t waits = 0, blocked = 0;

        for (; at < count->count && count->places[at].host == i; at++) {
            waits += count->places[at].waits;
            blocked += count->places[at].blocked;
        }
        tell(hosts_at(count->hosts, i), waits, blocked);
    }
    free(count);
}

bool time_wait_matters(struct hosts *hosts, uint64_t in_all)
{
    uint64_t most = 0, ports_max = hosts_budget(hosts)->ports_max;

    for (uint32_t i = 0; i < hosts_count(hosts); i++) {
        const struct host *host = hosts_at(hosts, i);
        uint64_t open = host ? atomic_load_explicit(&host->place->open, memory_order_relaxed) : 0;

        most = open > most ? open : most;
    }
    return in_all > 0 && ports_max > 0 && (in_all + most) * 100 >= ports_max * WORTH_PERCENT;
}

static void forget(struct hosts *hosts)
{
    for (uint32_t i = 0; i < hosts_count(hosts); i++)
        tell(hosts_at(hosts, i), 0, 0);
}

static void see_waiting(void *count, enum tcp_state state, const struct addr *ours, const struct addr *peer)
{
    (void)state; /* nothing else was asked for */
    time_wait_see(count, ours, peer);
}

void time_wait_look(struct hosts *hosts)
{
    struct sock_diag_wish wish = {.states = 1u << TCP_STATE_TIME_WAIT, .ours = {.min = 1}};
    struct time_wait_count *count = NULL;
    struct error err;

    if (time_wait_matters(hosts, process_time_waits()))
        count = time_wait_begin(hosts, kernel_time_wait_reuse());
    if (!count) {
        forget(hosts);
        return;
    }
    if (time_wait_ports(count, &wish.peers.min, &wish.peers.max) && !sock_diag_look(&wish, see_waiting, count, &err))
        LOG(LOG_DEBUG, "upstream", "connections in TIME_WAIT cannot be counted by host: %s", err.text);
    time_wait_end(count);
}
