/* discover.h: hosts by SRV records (KrakenD's `sd: dns`). Each worker asks for itself, when a name is first wanted and
 * every refresh interval from then on; what was known stays while DNS fails. Names that nobody wanted for long are
 * forgotten. How records become hosts: srv_slots.h. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_DISCOVER_H
#define HOLDFAST_UPSTREAM_DISCOVER_H

#include "upstream/balance.h"
#include "upstream/pool.h"

#define DISCOVER_REFRESH_DEFAULT_NS UINT64_C(30000000000) /* KrakenD's; less than a second counts as not given */
/* Without a request. No setting: a name that is wanted again is looked up again. */
#define DISCOVER_FORGET_NS UINT64_C(600000000000)

/* What to look up, and what the hosts found are like. Part of a configuration. */
struct discovery {
    struct str name;                     /* "_http._tcp.users.example" */
    struct str scheme;                   /* "http", "https" */
    struct str pool;                     /* as in host_key */
    uint8_t proxy_header;                /* the same */
    struct addr source;                  /* the same */
    struct packet_marks marks;           /* the same */
    enum upstream_protocol protocol;     /* the same */
    struct tls_profile *tls;             /* of https, with a reference of its own */
    const struct forward_rules *proxies; /* the same for all of a process; NULL: none */
    uint64_t refresh_ns;
    struct str key; /* tells it from others: discovery_key */
};

/* The key of all the rest. data NULL: no memory. */
struct str discovery_key(struct arena *arena, const struct discovery *discovery);

struct discoveries; /* a worker's */

struct discoveries *discoveries_new(struct pool *pool); /* NULL: no memory */
void discoveries_end(struct discoveries *discoveries);  /* nobody may wait; NULL is fine */

/* Who waits for the first answer; zeroed: nobody. */
struct discovery_waiter {
    struct list_node node;
    struct list *list;
    struct task *task;
};

/* The hosts that are known now, valid until the loop's next turn; with none, and while the first answer is awaited,
 * IO_WAIT: the waiter is woken then. IO_FAIL: no memory. A name that could not be looked up, or that nobody serves, has
 * an empty set. */
enum io discover(struct discoveries *discoveries, const struct discovery *discovery, struct discovery_waiter *waiter,
                 const struct host_set **set);
void discover_quit(struct discovery_waiter *waiter); /* NULL is fine */

#endif
