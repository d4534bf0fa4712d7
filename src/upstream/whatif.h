/* whatif.h: the reuse ratio that any cap of idle connections and any idle timeout would have had, from live traffic.
 *
 * Idle connections are a stack, the last used on top. A connection would have been there under a cap of C when, from
 * its return to its use, at most C stood from it upwards: that largest number is its depth (Mattson's stack distance).
 * It would have been there under an idle timeout of T when it was idle for no longer than T. Both are exact together:
 * what a cap or a timeout takes is always at the bottom, and a request that misses puts a connection back where the old
 * one would have stood. So one table of requests by depth and idle time answers all caps and timeouts.
 *
 * Where connections are used by turns (a host with several addresses, pick: fifo) the model takes the one used last all
 * the same. Caps stay exact: any idle connection serves, so only how many there are counts. For timeouts the ratio is
 * the least that can be: who takes an older one leaves the younger, which have longer to live.
 *
 * The stack is a model: connections that our own cap or timeout has ended stand in it for as long as nobody needs them.
 * What the host closes leaves it. One model for each host and worker, written by that worker; the table is read by
 * anybody. With one worker depths are exact; with several, what stands on a connection in its worker is taken for the
 * worker's share of what does so in all. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_WHATIF_H
#define HOLDFAST_UPSTREAM_WHATIF_H

#include "base/lines.h"

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>

enum {
    WHATIF_CAPS = 32,
    WHATIF_TIMES = 64,       /* the last one: never */
    WHATIF_STACK_MAX = 1024, /* connections in a model: deeper ones count as misses */
    WHATIF_HALVE = 1 << 20,  /* requests of a worker; then every number is halved, so that old traffic fades */
};

/* `peak`: the largest height of the stack since it came that it knows of; who stands on it knows of later ones. */
struct whatif_entry {
    uint64_t since_ns;
    uint32_t peak;
};

/* A host with one idle connection, as most are where there are many hosts, needs the first line alone: the entry of
 * that connection, and the cells of reuse within milliseconds. The rows of larger caps take memory when the first of
 * them is needed. */
struct whatif {
    struct whatif_entry first; /* the stack, as long as it has room for one */
    _Atomic uint32_t requests; /* in the table and not */
    uint16_t count, room;
    _Atomic uint32_t top[WHATIF_TIMES]; /* the table's row of the least cap */
    _Atomic(_Atomic uint32_t *) rows;   /* the others, WHATIF_TIMES each; NULL: no request was of theirs */
    struct whatif_entry *stack;         /* oldest first */
};
static_assert(WHATIF_STACK_MAX <= UINT16_MAX, "heights of the stack");
static_assert(offsetof(struct whatif, top) + 10 * sizeof(uint32_t) <= CACHE_LINE_BYTES, "the first ten times, 50 ms");

/* The caps and idle times (ns) that the table tells apart, rising. The last time is UINT64_MAX. */
uint32_t whatif_cap(unsigned i);
uint64_t whatif_time_ns(unsigned i);

void whatif_free(struct whatif *model); /* what it holds; NULL is fine */

/* A connection becomes idle, or came from another worker; `since_ns`: when. */
void whatif_push(struct whatif *model, uint64_t since_ns);

/* A request needed a connection; it takes the top one, if there is any. Of the host's idle connections, `idle_all` in
 * the process, this worker has `idle_here`. */
void whatif_take(struct whatif *model, uint64_t now_ns, uint64_t idle_all, uint64_t idle_here);

/* A request that no idle connection would have done for. */
void whatif_miss(struct whatif *model);

/* An idle connection went, so that no cap and no timeout would have kept it (the host closed it), or to another worker.
 */
void whatif_remove(struct whatif *model, uint64_t since_ns);

/* A sum over workers. */
struct whatif_view {
    uint64_t requests;
    uint64_t table[WHATIF_CAPS][WHATIF_TIMES];
};
void whatif_add(const struct whatif *model, struct whatif_view *view); /* NULL adds nothing */

/* Turns table[cap][time] into the number of requests that would have been reused under that cap and timeout, when the
 * host itself ends connections at `host_limit_ns` (0: not known). */
void whatif_settle(struct whatif_view *view, uint64_t host_limit_ns);

#endif
