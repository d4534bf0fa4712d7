/* dial_gate.h: how many connections to a host there may be (max_connections_per_host), and who waits at the cap: a
 * queue for each host and worker, first come first served. A waiter is woken when it may try again; it stays in the
 * queue until it quits.
 *
 * The cap counts over all workers. A slot that another worker gives up wakes nobody here, so a waiter also looks again
 * every GATE_RETRY_NS. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_DIAL_GATE_H
#define HOLDFAST_UPSTREAM_DIAL_GATE_H

#include "os/loop.h"
#include "upstream/host.h"

/* Only how soon the slot of another worker is found: the limit of the wait is queue_timeout. */
#define GATE_RETRY_NS 20000000u

struct dial_gate;

struct gate_waiter {
    struct list_node node;
    struct task *task;
};

struct dial_gate *gate_new(struct loop *loop); /* NULL: no memory */
void gate_free(struct dial_gate *gate);        /* nobody may wait; NULL is fine */

/* Takes a slot for one connection more; `cap` 0: there is always one. */
bool gate_enter(struct host *host, int64_t cap) MUST_USE;

/* Gives a slot back (the connection is closed, or its dial came to nothing) and wakes the first who waits. */
void gate_leave(struct dial_gate *gate, struct host *host);

/* Joins the end of the host's queue. False: no memory. */
bool gate_wait(struct dial_gate *gate, struct host *host, struct gate_waiter *waiter) MUST_USE;
void gate_quit(struct dial_gate *gate, struct host *host,
               struct gate_waiter *waiter); /* wakes the next, in case it was our turn */

/* Is it this one's turn? Also true for somebody who is not in the queue while nobody waits. */
bool gate_is_turn(const struct dial_gate *gate, const struct host *host, const struct gate_waiter *waiter);

bool gate_is_waited_for(const struct dial_gate *gate, const struct host *host);

void gate_wake_all(struct dial_gate *gate, const struct host *host); /* each looks for itself */

/* A connection became idle: the first who waits may take it. */
void gate_wake(struct dial_gate *gate, const struct host *host);

#endif
