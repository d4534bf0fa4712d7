/* flight.h: requests under way whose answer is awaited: each is looked at when the answer takes longer than the
 * kernel's shortest time-out, to find paths that drop what is sent (dead_path.h).
 *
 * One alarm for all of a worker's: an answer that comes soon costs a list node in and out, no system call and no heap
 * work. A look costs a system call (two while something is unacknowledged), and as a rule there is one.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_FLIGHT_H
#define HOLDFAST_UPSTREAM_FLIGHT_H

#include "upstream/dead_path.h"
#include "upstream/pool.h"

struct flight {
    struct list_node node; /* in one of the pool's lists while looks are due */
    struct list *list;
    struct pooled *pooled; /* NULL: none is under way */
    struct task *task;     /* woken when the path is found dead */
    struct path_doubt doubt;
    uint64_t sent_at_ns, look_at_ns;
    uint64_t idle_ns; /* how long the connection had been idle before; 0: it was new, or in use */
    bool dead;        /* the path does not carry what was sent; the connection is still the caller's */
};

/* A request that waits for a dial to a host. */
struct flight_dial {
    struct list_node node;
    const struct host *host;
    struct task *task; /* woken when the path to the host was found silent, by whomever */
};

/* The lists of a pool. */
struct flights {
    struct loop *loop;
    struct list fresh;  /* not looked at yet, in order */
    struct list looked; /* that were, and are not done */
    struct list dials;  /* struct flight_dial */
    struct task task;
    struct timer timer;
};
void flights_init(struct flights *flights, struct loop *loop);
void flights_end(struct flights *flights); /* none may be under way */

/* A request's head has been given to a lent connection; `flight` is zeroed. */
void flight_begin(struct flights *flights, struct flight *flight, struct pooled *pooled, struct task *task);

/* When the host last answered any worker's request; 0: never. */
uint64_t flight_host_answered_ns(const struct host *host);

/* The answer's head is here (`heard`), or the connection is let go. One that is not under way is fine. */
void flight_over(struct flights *flights, struct flight *flight, bool heard);

void flight_dial_begin(struct flights *flights, struct flight_dial *dial, const struct host *host, struct task *task);
void flight_dial_over(struct flights *flights, struct flight_dial *dial); /* one that never began is fine */

/* The path to the host was found silent: all that this worker has under way there is looked at now. */
void flights_hurry(struct flights *flights, const struct host *host);

/* If it was found silent just now: the same in all workers. */
void flights_tell(struct pool *pool, struct host *host);

#endif
