/* fetch_failover.c: what the fate of a fetch tells of its host (eject.h, balance.h), and how a failed request is handed
 * over to another host (failover.h). SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "upstream/fetch_internal.h"

/* How many wait here, and since when nothing has moved. */
void fetch_start_awaiting(struct fetch *fetch)
{
    struct host_counts *counts = fetch_counts(fetch);

    if (atomic_load_explicit(&counts->awaited, memory_order_relaxed) == 0)
        atomic_store_explicit(&counts->progress_ns, fetch->sent_at_ns, memory_order_relaxed);
    host_count_add(&counts->awaited, 1);
    fetch->awaiting = true;
}

void fetch_stop_awaiting(struct fetch *fetch)
{
    if (fetch->awaiting)
        host_count_add(&fetch_counts(fetch)->awaited, -1);
    fetch->awaiting = false;
}

void fetch_answered(struct fetch *fetch)
{
    uint64_t now_ns = loop_now_ns(fetch_loop(fetch));

    fetch_stop_awaiting(fetch);
    atomic_store_explicit(&fetch_counts(fetch)->progress_ns, now_ns, memory_order_relaxed);
    eject_answered(&fetch->options.host->health, fetch->sent_at_ns, now_ns);
}

void fetch_look_back(struct fetch *fetch)
{
    struct fetch_bytes bytes;
    struct tcp_facts facts;

    if (!fetch->stream)
        return;
    bytes = fetch_bytes(fetch);
    fetch->may_have_run |= bytes.out > 0;
    fetch->answer_seen |= bytes.in > 0;
    fetch->path_lost = stream_facts(fetch->pooled->conn->stream, &facts) && facts.unsent_bytes > 0;
}

/* F-14: what befell a kept connection does not tell of the host: it may have closed it, or something in between has
 * forgotten it. A host that took the request and lets its time pass is sick on any connection. */
static bool is_the_hosts_doing(const struct fetch *fetch, const struct error *failure)
{
    bool sent = fetch->state == FETCH_SENT || fetch->state == FETCH_PROOF;
    bool late = failure->code == ERROR_DEADLINE || failure->code == ERROR_RESPONSE_HEADER_TIMEOUT;

    if (fetch->state >= FETCH_ANSWER || !failover_blames_host(failure))
        return false;
    return !sent || !fetch->stats.reused || (late && !fetch->path_lost);
}

void fetch_blame_host(struct fetch *fetch, const struct error *failure)
{
    struct host *host = fetch->options.host;

    if (is_the_hosts_doing(fetch, failure) && eject_failed(&host->health, &fetch->options.transport->eject,
                                                           fetch->options.eject_after, loop_now_ns(fetch_loop(fetch))))
        LOG(LOG_WARNING, "UPSTREAM", "%.*s rests after failures in a row; the last: %s", STR_ARG(host->url),
            failure->text);
}

/* Is it the host that we wait for, and not the client's next byte? */
static bool is_hosts_turn(const struct fetch *fetch)
{
    if (fetch->state == FETCH_SENT)
        return fetch->request_ended || fetch->send_broken || fetch->kept_ahead > 0 || fetch->pending.size > 0;
    return fetch->state == FETCH_DIAL || fetch->state == FETCH_JOIN;
}

void fetch_blame_deadline(struct fetch *fetch)
{
    struct error failure;

    if (!is_hosts_turn(fetch))
        return;
    error_set(&failure, FAULT_UPSTREAM, ERROR_DEADLINE, "%.*s: no answer within the request's time",
              STR_ARG(fetch->options.host->url));
    fetch_look_back(fetch);
    fetch_blame_host(fetch, &failure);
}

/* What was taken goes in front of what was not. */
static void give_back(struct fetch *fetch, struct chain *body)
{
    struct chain whole = {NULL, NULL, 0};

    if (fetch->pending_whole)
        chain_move(&whole, &fetch->pending, fetch->pending.size);
    else
        chain_move(&whole, &fetch->replay, fetch->replay.size - fetch->kept_ahead);
    chain_move(&whole, body, body->size);
    *body = whole;
}

enum failover fetch_may_hand_over(const struct fetch *fetch, const struct error *failure)
{
    struct failover_evidence evidence = {
        .policy = fetch->options.transport->failover,
        .may_have_run = fetch->may_have_run,
        .idempotent = resend_is_idempotent(fetch->options.head),
        .answer_seen = fetch->answer_seen,
        .replayable = fetch->pending_whole || !fetch->replay_lost,
    };

    return failover_decide(&evidence, failure);
}

enum failover fetch_hand_over(struct fetch *fetch, struct chain *body)
{
    enum failover decision;

    if (fetch->state != FETCH_FAILED)
        return FAILOVER_NO;
    decision = fetch_may_hand_over(fetch, &fetch->failure);
    if (decision != FAILOVER_NO)
        give_back(fetch, body);
    return decision;
}
