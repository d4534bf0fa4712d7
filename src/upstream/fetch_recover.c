/* fetch_recover.c: a connection died under a request: gathers the evidence, asks the ladder (resend.c), and prepares
 * the re-send. Start with fetch_recover. SPDX-License-Identifier: Apache-2.0 */
#include "http/h2/h2.h"
#include "upstream/fetch_internal.h"
#include "upstream/pool_internal.h"

#include <stdio.h>

/* Round trips, and what may be under way in one: how evidence is told from chance. Nothing here limits a request, so
 * there are no settings. */
#define PROOF_MIN_NS       1000000u /* a reset may be one round trip behind the FIN */
#define STALE_WINDOW_NS    100000000u
#define CROSSING_BYTES_MAX 262144
#define PROOF_MAX_NS       100000000u

/* The host has reset this stream, for a reason of its own, and goes on with others. Hosts that end without a word reset
 * streams first, with NO_ERROR. */
static bool is_verdict(const struct fetch *fetch)
{
    return pool_is_alive(fetch->pooled) && h2_client_stream_error(fetch->stream) != 0;
}

static bool is_budget_spent(const struct fetch *fetch)
{
    const struct host *host = fetch->options.host;

    return !resend_budget_allows(&host->resend_budget, &fetch->options.transport->resend_budget, host_requests(host),
                                 loop_now_ns(fetch_loop(fetch)));
}

/* The host ends the connection, not this request alone, and says that nothing is the matter. */
static bool ends_in_order(const struct fetch *fetch, const struct error *failure)
{
    struct h2_client_facts facts;

    if (failure->code != ERROR_GOAWAY)
        return false;
    h2_client_facts(fetch->pooled->conn, &facts);
    return facts.goaway_error == 0;
}

/* `failure` is what the connection said of this request. One that carries many says itself what was not processed, and
 * what the kernel knows is of all of them. */
static struct resend_evidence gather(const struct fetch *fetch, enum resend_proof proof, const struct error *failure)
{
    struct fetch_bytes bytes = fetch_bytes(fetch);
    bool many = fetch->pooled->conn->multiplexed, refused = many && failure->retry_safe;

    return (struct resend_evidence){
        .policy = fetch->options.transport->resend,
        .proof = many ? PROOF_NONE : proof,
        .refused = refused,
        .in_order = refused && ends_in_order(fetch, failure),
        .has_others = fetch_has_others(fetch) && fetch->options.others,
        .alive = many && failure->code == ERROR_RESET && is_verdict(fetch),
        .reused = fetch->stats.reused,
        .answer_seen = bytes.in > 0 && !refused,
        .replayable = !fetch->replay_lost,
        .budget_spent = is_budget_spent(fetch),
        .bytes_sent = bytes.out,
        .resends = fetch->resends,
    };
}

/* What was refused may be refused again, so its body is kept on, as far as it is here whole. False: it is not, or there
 * is no memory. */
static bool copy_replay(struct fetch *fetch)
{
    if (fetch->replay_lost || fetch->kept_ahead > 0)
        return false;
    if (chain_append_copy(&fetch->pending, loop_blocks(fetch_loop(fetch)), &fetch->replay, 0))
        return true;
    chain_clear(&fetch->pending);
    return false;
}

/* The body so far, for the next connection. */
static void rewind_body(struct fetch *fetch, bool may_come_again)
{
    chain_clear(&fetch->pending); /* of the body that a refused one had not taken; replay has it too */
    if (!may_come_again || !copy_replay(fetch)) {
        chain_move(&fetch->pending, &fetch->replay, fetch->replay.size - fetch->kept_ahead);
        fetch_forget_replay(fetch);
    }
    fetch->pending_whole = true;
}

/* A host that refused it once may take it on any other connection; after anything else, and from the second refusal on,
 * only a fresh one will do: over long ways, one kept connection after the other may just be on its way out. */
static void choose_next(struct fetch *fetch, enum resend rung)
{
    if (resend_is_refusal(rung) && pool_pauses(fetch->pooled)) {
        fetch->refused_by = 0; /* the same one will do, when its host takes requests again */
        fetch->fresh_only = false;
        return;
    }
    if (fetch->search)
        fetch->search->queue_end_ns = 0;
    fetch->refused_by = fetch->pooled->id;
    fetch->fresh_only = !resend_is_refusal(rung) || fetch->resends > 0;
    fetch->fresh_since_ns = fetch->sent_at_ns;
}

void fetch_spend_resend(const struct fetch *fetch)
{
    if (UNLIKELY(resend_takes_budget(fetch->rung)))
        resend_budget_spend(&fetch->options.host->resend_budget, loop_now_ns(fetch_loop(fetch)));
}

void fetch_end_resend(struct fetch *fetch, enum resend_end end)
{
    if (LIKELY(fetch->rung == RESEND_NO))
        return;
    if (end == RESEND_FAILED)
        fetch_spend_resend(fetch);
    host_count_add(&fetch_counts(fetch)->resend_ends[fetch->rung][end], 1);
    fetch->rung = RESEND_NO;
}

/* The next try is due, at once or behind a pause. */
static void schedule(struct fetch *fetch, enum resend rung)
{
    uint64_t pause_ns = resend_is_refusal(rung) ? resend_pause_ns(fetch->resends, loop_rng(fetch_loop(fetch))) : 0;

    fetch->state = pause_ns > 0 ? FETCH_PAUSE : FETCH_PICK;
    if (pause_ns > 0)
        fetch_set_clock(fetch, FETCH_CLOCK_AGAIN, pause_ns);
}

static enum io start_over(struct fetch *fetch, enum resend rung, enum reason reason, enum side side)
{
    struct host_counts *counts = fetch_counts(fetch);

    fetch_end_resend(fetch, RESEND_FAILED);
    fetch->rung = (uint8_t)rung;
    choose_next(fetch, rung);
    fetch_drop(fetch, reason, side);
    host_count_add(&counts->resends, 1);
    host_count_add(&counts->resends_by[rung], 1);
    schedule(fetch, rung);
    fetch->resends++;
    fetch->may_have_run |= rung == RESEND_IDEMPOTENT;
    fetch->request_ended = fetch->options.head->body_bytes == 0;
    fetch->send_broken = false;
    rewind_body(fetch, resend_is_refusal(rung));
    return IO_OK;
}

enum reason fetch_reason_of_death(const struct fetch *fetch)
{
    struct http_conn_facts facts;

    http_facts(fetch->pooled->conn, &facts);
    if (facts.unfit == HTTP_UNFIT_FRAMING)
        return REASON_BAD_FRAMING;
    return fetch->stats.reused && fetch_bytes(fetch).in == 0 ? REASON_STALE_IN_USE : REASON_ANSWER_FAILED;
}

static enum io give_up(struct fetch *fetch, const struct resend_evidence *evidence, enum reason reason,
                       const struct error *failure, struct error *err)
{
    enum resend_refusal refusal = resend_refusal(fetch->options.head, evidence, failure);

    host_count_add(&fetch_counts(fetch)->refused_by[refusal], 1);
    if (!evidence->refused) /* else the host has not processed it: another one may have it, whatever the method */
        fetch_look_back(fetch);
    fetch_drop(fetch, reason, SIDE_PEER);
    return fetch_fail(fetch, failure, err);
}

/* A FIN came and all of the request is unacknowledged: when the host had closed for good before it saw the request, its
 * reset is on its way here and the socket will be in CLOSE (keepalive D.4, case A). Asked twice: now, and a round trip
 * later. */
static enum resend_proof ask_kernel(const struct fetch *fetch, uint64_t *rtt_ns)
{
    struct tcp_facts facts;
    struct http_conn_facts conn;

    *rtt_ns = 0;
    if (!stream_facts(fetch->pooled->conn->stream, &facts))
        return PROOF_NONE;
    http_facts(fetch->pooled->conn, &conn);
    *rtt_ns = facts.rtt_ns;
    if (facts.unsent_bytes != conn.bytes_out - fetch->out_before)
        return PROOF_NONE;
    return facts.closed ? PROOF_UNREAD : PROOF_NOT_ASKED;
}

static uint64_t clamp_ns(uint64_t ns)
{
    if (ns < PROOF_MIN_NS)
        return PROOF_MIN_NS;
    return ns < PROOF_MAX_NS ? ns : PROOF_MAX_NS;
}

static enum io decide(struct fetch *fetch, enum resend_proof proof, const struct error *failure, struct error *err)
{
    struct resend_evidence evidence = gather(fetch, proof, failure);
    enum resend rung = resend_decide(fetch->options.head, &evidence, failure);

    if (rung == RESEND_NO || rung == RESEND_ASK_KERNEL)
        return give_up(fetch, &evidence, fetch_reason_of_death(fetch), failure, err);
    return start_over(fetch, rung, REASON_STALE_IN_USE, SIDE_PEER);
}

/* What was seen of it: the write was refused, a FIN, or a reset. */
static enum stale_phase phase_of(const struct resend_evidence *evidence, const struct error *failure)
{
    if (evidence->bytes_sent == 0)
        return STALE_AT_WRITE;
    return resend_is_fin(failure) ? STALE_BY_EOF : STALE_BY_RESET;
}

/* A connection that the host had closed before the request came dies within a round trip; one that dies later tells of
 * something else. */
static bool died_at_once(const struct fetch *fetch)
{
    return loop_now_ns(fetch_loop(fetch)) - fetch->sent_at_ns <= STALE_WINDOW_NS;
}

/* A host that chose HTTP/2 and cannot do this request in it (RFC 9113 7, as for NTLM) is asked in HTTP/1.1 from now on:
 * its connections are left, and ALPN offers nothing else. */
static void heed_version(const struct fetch *fetch)
{
    struct host *host = fetch->options.host;

    if (!fetch->pooled->conn->multiplexed || host->protocol != HOST_ALPN || !h2_client_wants_http1(fetch->stream))
        return;
    atomic_store_explicit(&host->http1_required, true, memory_order_relaxed);
    if (fetch->pooled->host == host) /* one to another host is good for that one (coalesce.h) */
        pool_withdraw(fetch->pooled, REASON_HTTP1_REQUIRED, SIDE_PEER);
}

enum io fetch_recover(struct fetch *fetch, const struct error *failure, struct error *err)
{
    struct resend_evidence evidence = gather(fetch, PROOF_NOT_ASKED, failure);
    enum resend rung = resend_decide(fetch->options.head, &evidence, failure);
    enum resend_proof proof;
    uint64_t rtt_ns;

    heed_version(fetch);
    if (evidence.reused && !fetch->stats.shared && !evidence.refused && !evidence.answer_seen && died_at_once(fetch)) {
        host_count_add(&fetch_counts(fetch)->stale_in_use[phase_of(&evidence, failure)], 1);
        pool_was_stale(fetch->pooled);
    }
    if (rung != RESEND_ASK_KERNEL)
        return decide(fetch, PROOF_NOT_ASKED, failure, err);
    proof = ask_kernel(fetch, &rtt_ns);
    if (proof != PROOF_NOT_ASKED)
        return decide(fetch, proof, failure, err);
    fetch->failure = *failure;
    fetch->state = FETCH_PROOF;
    fetch_set_clock(fetch, FETCH_CLOCK_AGAIN, clamp_ns(rtt_ns));
    return IO_WAIT;
}

enum io fetch_prove(struct fetch *fetch, struct error *err)
{
    struct error failure = fetch->failure;
    uint64_t rtt_ns;
    enum resend_proof proof = ask_kernel(fetch, &rtt_ns);

    if (proof == PROOF_NOT_ASKED && !fetch_clock_is_up(fetch, FETCH_CLOCK_AGAIN))
        return IO_WAIT;
    return decide(fetch, proof == PROOF_UNREAD ? PROOF_UNREAD : PROOF_NONE, &failure, err);
}

enum io fetch_pause(struct fetch *fetch)
{
    if (!fetch_clock_is_up(fetch, FETCH_CLOCK_AGAIN))
        return IO_WAIT;
    fetch->state = FETCH_PICK;
    return IO_OK;
}

/* Within two round trips what comes may have crossed the request. */
static bool may_have_crossed(const struct fetch *fetch)
{
    const struct pooled *pooled = fetch->pooled;

    return fetch->stats.reused && pooled->far &&
           loop_now_ns(fetch_loop(fetch)) - fetch->sent_at_ns < UINT64_C(2000) * pooled->rtt_us;
}

/* Every segment acknowledges what its sender has got: as long as nothing of the request is acknowledged, what came was
 * said before the request was there, as a second answer to an earlier one or to nothing (keepalive F-16). */
bool fetch_answer_is_stray(const struct fetch *fetch)
{
    struct http_conn_facts conn;
    struct tcp_facts facts;
    uint64_t sent;

    if (LIKELY(!may_have_crossed(fetch)) || fetch->pooled->conn->multiplexed)
        return false;
    http_facts(fetch->pooled->conn, &conn);
    sent = conn.bytes_out - fetch->out_before;
    /* TLS adds some bytes to each record: less than a segment to so many. */
    return sent > 0 && sent <= CROSSING_BYTES_MAX && stream_facts(fetch->pooled->conn->stream, &facts) &&
           facts.unsent_bytes >= sent;
}

/* Nearly as it came: the phrase of its first line is not kept. */
void fetch_note_said(const struct fetch *fetch, const struct http_head *head)
{
    char text[STRAY_SAMPLE_BYTES + 1];
    size_t len = (size_t)snprintf(text, sizeof(text), "HTTP/1.%u %u\r\n", head->version_minor, head->status);

    for (uint32_t i = 0; i < head->headers.count && len < sizeof(text); i++) {
        const struct http_field *field = &head->headers.fields[i];

        len += (size_t)snprintf(text + len, sizeof(text) - len, "%.*s: %.*s\r\n", STR_ARG(field->name),
                                STR_ARG(field->value));
    }
    pool_note_said(fetch->pooled, str_of(text, size_min(len, STRAY_SAMPLE_BYTES)));
}

enum io fetch_refuse_answer(struct fetch *fetch, struct error *err)
{
    struct resend_evidence evidence;
    struct error failure;
    enum resend rung;

    error_set(&failure, FAULT_UPSTREAM, ERROR_NO_ANSWER, "%.*s: an answer that was said before the request had come",
              STR_ARG(fetch->options.host->url));
    evidence = gather(fetch, PROOF_NONE, &failure);
    evidence.answer_seen = false; /* not to this request */
    rung = resend_decide(fetch->options.head, &evidence, &failure);
    if (rung != RESEND_NO && rung != RESEND_ASK_KERNEL)
        return start_over(fetch, rung, REASON_STRAY_BYTES, SIDE_PEER);
    return give_up(fetch, &evidence, REASON_STRAY_BYTES, &failure, err);
}

/* The whole path is silent, not this connection alone: another host can do better than a fresh connection to this one,
 * which rests, even when this very request must stay. What may go to another host is failover.h's to say, also of a
 * fresh connection. */
static bool leaves_host(struct fetch *fetch, const struct error *failure)
{
    struct host *host = fetch->options.host;
    uint64_t now_ns = loop_now_ns(fetch_loop(fetch));

    if (!fetch_has_others(fetch) || !path_is_suspect(&host->path, now_ns))
        return false;
    (void)eject_failed(&host->health, &fetch->options.transport->eject, 1, now_ns);
    fetch_look_back(fetch);
    return fetch_may_hand_over(fetch, failure) != FAILOVER_NO;
}

enum io fetch_lost_path(struct fetch *fetch, struct error *err)
{
    struct resend_evidence evidence;
    struct error failure;
    enum resend rung;

    error_set(&failure, FAULT_UPSTREAM, ERROR_DEAD_PATH, "%.*s: what was sent is not acknowledged",
              STR_ARG(fetch->options.host->url));
    if (leaves_host(fetch, &failure)) {
        fetch_drop(fetch, REASON_MIDDLEBOX, SIDE_OURS);
        return fetch_fail(fetch, &failure, err);
    }
    evidence = gather(fetch, PROOF_NONE, &failure);
    rung = resend_decide(fetch->options.head, &evidence, &failure);
    if (rung != RESEND_NO)
        return start_over(fetch, rung, REASON_MIDDLEBOX, SIDE_OURS);
    flight_over(pool_flights(fetch->options.pool), &fetch->flight, false);
    fetch->path_dead = true;
    return IO_WAIT;
}

/* The host has not processed it, so any method may be given again (RFC 9110 15.5.20); to a connection that was made for
 * this request alone it has said the truth. */
bool fetch_try_elsewhere(struct fetch *fetch, const struct http_head *answer)
{
    ASSERT(answer->status == 421);
    if (fetch->pooled->host != fetch->options.host)
        coalesce_unlearn(fetch->options.host);
    if (!fetch->pooled->conn->multiplexed || !fetch->stats.reused || fetch->resends > 0 || fetch->replay_lost ||
        fetch->options.transport->resend == RESEND_OFF || is_budget_spent(fetch))
        return false;
    (void)start_over(fetch, RESEND_MISDIRECTED, REASON_ANSWER_FAILED, SIDE_OURS);
    return true;
}
