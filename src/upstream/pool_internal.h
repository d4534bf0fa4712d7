/* pool_internal.h: a worker's pool from the inside: pool.c (what is idle here), pool_take.c (who gets it),
 * pool_return.c (what becomes idle), pool_dial.c (how connections are made), handoff.c (what comes from other workers
 * and goes to them, and dials that lost their race). SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_POOL_INTERNAL_H
#define HOLDFAST_UPSTREAM_POOL_INTERNAL_H

#include "base/assert.h"
#include "base/slots.h"
#include "os/mailbox.h"
#include "upstream/closed_log.h"
#include "upstream/flight.h"
#include "upstream/handoff.h"
#include "upstream/pool.h"

struct pool {
    struct loop *loop;
    struct resolver *resolver;
    struct hosts *hosts;
    unsigned worker;
    struct list *stacks; /* by host->index: idle connections, last used first */
    uint32_t stack_count;
    struct list by_age;           /* all idle ones, idle for longest first */
    _Atomic uint64_t oldest_idle; /* as in host_counts, of all hosts; read by other workers */
    struct task expiry_task;
    struct timer expiry; /* of the first in by_age */
    struct slab *records;
    struct dial_gate *gate;
    struct slots shared;      /* struct shared, by host->index: shared.c */
    struct dial_gate *racers; /* fetches that wait for a connection of their own, or for whichever comes first */
    uint64_t lent;
    struct list lent_conns; /* the same ones */
    uint32_t made;          /* connections ever */
    bool refused;           /* the last take found only what was too risky for it: */
    enum reason refusal;
    bool ended;
    struct mailbox *mailbox; /* letters of other workers */
    struct task mail_task;
    struct list wishes;     /* that letters are under way for */
    struct list warm_dials; /* that nobody waits for */
    struct flights flights;
    struct closed_log closed;
    struct stray_sample said; /* by the connection with the id `said_by`, which is about to be closed for it */
    uint32_t said_by;
    struct list addresses; /* addresses.c */
    struct discoveries *discoveries;
    struct list pulses; /* pulse.c: connections that are looked after */
    struct task pulse_task;
    struct timer pulse_timer;
    struct list floors; /* warm_floor.c */
    struct task floor_task;
    struct timer floor_timer;
};

/* pool.c */
struct list *pool_stack(struct pool *pool, const struct host *host); /* NULL: no memory */
/* One that is in no list: it becomes idle if it is fit and the caps allow, else it is closed. */
void pool_settle(struct pooled *pooled, const struct transport *transport);
/* A close with its reason: in the ledger, and in what people may ask for. */
void pool_note_close(struct pool *pool, const struct pooled *pooled, enum reason reason, enum side side);
/* Closes one that is in no list and no idle count. */
void pool_destroy(struct pooled *pooled, enum reason reason, enum side side);
/* Takes an idle one out of the lists and this worker's count; the process's counts stay as they are. */
void pool_unlink(struct pooled *pooled);
void pool_uncount_idle(struct pool *pool, struct host *host); /* one less in the process */
/* Puts one whose idle time has begun elsewhere where it belongs in the lists, and wakes who waits. */
void pool_link(struct pooled *pooled, struct list *stack);
void pool_run_idle_news(struct task *task);
enum io pool_check(struct pooled *pooled, bool look); /* of an idle one: as http_check_idle */
uint64_t pool_expires_ns(const struct pooled *pooled);
bool pool_is_old(const struct pooled *pooled);
uint64_t pool_age_ns(const struct pooled *pooled);
uint64_t pool_old_at_ns(const struct pooled *pooled);          /* UINT64_MAX: never */
uint32_t pool_whole_ms(uint64_t time_ns);                      /* at most POOLED_NEVER: UINT64_MAX is it, too */
void pool_note_stray(struct pooled *pooled, enum stray stray); /* a sign for quarantine.h */
enum reason pool_reason_of_stray(const struct pooled *pooled); /* of what http_check_idle has found */
/* What people are to be shown of a connection that is closed for STRAY_BYTES or STRAY_CRLF; empty: nothing is known. */
void pool_sample_stray(const struct pooled *pooled, struct stray_sample *sample);
/* The same of one that its user closes now, for these bytes. */
void pool_note_said(const struct pooled *pooled, struct str bytes);
void pool_retire(struct pooled *pooled, enum reason reason); /* we end an idle period, for a reason of ours */
/* The peer has ended an idle one. `news`: what was found instead of silence. */
void pool_close_stale(struct pooled *pooled, enum io news, enum reason found);
/* An idle one at the end of its time: closed, or left to the host to close, if the learner wants to see when (true). */
bool pool_expire(struct pooled *pooled);

static inline uint64_t pool_idle_ns(const struct pooled *pooled)
{
    return loop_now_ns(pooled->pool->loop) - pooled->idle_since_ns;
}

/* Takes an idle connection out of both lists and all idle counts. */
static inline void pool_unlink_idle(struct pooled *pooled)
{
    pool_unlink(pooled);
    pool_uncount_idle(pooled->pool, pooled->host);
}

/* pool_take.c */
struct pooled *pool_lend(struct pooled *pooled); /* one that is in no list */
/* An idle connection that was just looked at, for another worker; NULL: none. Dead and expired ones are closed. */
struct pooled *pool_spare(struct pool *pool, struct host *host, bool repeatable);
/* This very one, which is idle, lent; NULL: it will not do. It may be gone after that. */
struct pooled *pool_take_this(struct pooled *pooled, bool repeatable);

/* Since when the oldest is idle, for the other workers (pool_cap.c). */
static inline void pool_tell_oldest(struct pool *pool, const struct host *host)
{
    struct list_node *of_all = list_first(&pool->by_age), *of_host = list_last(&pool->stacks[host->index]);

    atomic_store_explicit(&pool->oldest_idle,
                          of_all ? container_of(of_all, struct pooled, by_age)->idle_since_ns + 1 : 0,
                          memory_order_relaxed);
    atomic_store_explicit(&host->counts[pool->worker].oldest_idle,
                          of_host ? container_of(of_host, struct pooled, by_host)->idle_since_ns + 1 : 0,
                          memory_order_relaxed);
}

/* shared.c: of connections that carry many requests at once */
struct shared;
void shared_drop(struct pool *pool, const struct host *host); /* of a host that nobody here has to do with any more */
void shared_free(struct pool *pool);
/* The host of that index, if this worker has ever had such a connection to it; NULL: it has not. */
struct host *shared_host(const struct pool *pool, uint32_t index);
void shared_begin(struct pooled *pooled);                      /* its first stream: it becomes active */
bool shared_end_stream(struct pooled *pooled);                 /* true: others are still on it, and it stays active */
void shared_consider(struct pooled *pooled);                   /* its room may have changed: is it offered? */
void shared_forget(struct pooled *pooled, enum reason reason); /* it is about to be closed */
/* Of one that carries many: does its host take no requests on it for now? Those who wait hear of the end of it. */
bool shared_note_pause(struct pooled *pooled);
/* Of a stack of idle ones the first that is not paused, so that one that is hides none; NULL: none. */
struct list_node *shared_first_awake(const struct list *stack);
void shared_flush(struct pool *pool); /* those in use now end with their last stream */
/* Is there one in use here? When nothing could be taken, they have no room. */
bool shared_is_full(const struct pool *pool, const struct host *host);

/* warm_floor.c */
void pool_open_floors(struct pool *pool);

/* pool_return.c: has it carried its maximum of requests? */
bool pool_is_used_up(const struct pooled *pooled, const struct transport *transport);
/* Is there a point in keeping it for another request? And its idle time begins. */
bool pool_is_worth_keeping(struct pooled *pooled, const struct transport *transport);
void pool_begin_idle(struct pooled *pooled, const struct transport *transport);

/* pool_dial.c: a connection of a fresh stream (taken), in no list yet. NULL with *err. */
struct pooled *pool_make(struct pool *pool, struct host *host, const struct transport *transport, struct stream *stream,
                         struct error *err);

/* handoff.c */
/* Of one that has just become idle, when requests wait at the host's cap: each has the same chance of it, in whichever
 * worker it waits. It may be gone after this. */
void pool_share(struct pooled *pooled);
bool pool_open_mail(struct pool *pool) MUST_USE;
void pool_free_mail(struct pool *pool); /* behind pool_end */
void pool_end_warm_dials(struct pool *pool);

#endif
