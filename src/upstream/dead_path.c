/* dead_path.c: see the header. Start with path_look. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/dead_path.h"

enum {
    TIMEOUTS_ALONE = 2, /* in a row, of one connection */
    DOUBTFUL_TOGETHER = 2,
    LOSSES_ORDINARY = 3, /* in the window: from then on retransmissions are no news */
    WALL_DOUBLINGS_MAX = 6,
    PROBE_DIALS = 4, /* so many times as long as a dial takes may one on a suspect path */
};
/* The kernel's clocks and round trips: no settings, as the header says. */
#define ANSWER_SLACK_NS UINT64_C(10000000)
#define LOOK_MIN_NS     UINT64_C(10000000)
#define LOOK_MAX_NS     UINT64_C(100000000)
#define SILENCE_MIN_NS  UINT64_C(200000000)
#define SYN_RETRY_NS    UINT64_C(1000000000)
#define PROBE_LATER_NS  UINT64_C(100000000) /* data that leaves so much later is not the request's first flight */
#define PROBE_MIN_NS    UINT64_C(20000000)  /* what a dial on a suspect path may take, at least */

static uint64_t get(const _Atomic uint64_t *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

static void put(_Atomic uint64_t *number, uint64_t value)
{
    atomic_store_explicit(number, value, memory_order_relaxed);
}

static uint64_t longer(uint64_t a_ns, uint64_t b_ns)
{
    return a_ns > b_ns ? a_ns : b_ns;
}

static uint64_t clamp_ns(uint64_t ns)
{
    if (ns < LOOK_MIN_NS)
        return LOOK_MIN_NS;
    return ns < LOOK_MAX_NS ? ns : LOOK_MAX_NS;
}

static bool loses_segments(const struct path *path, uint64_t now_ns)
{
    return now_ns < get(&path->losses_since_ns) + PATH_LOSS_WINDOW_NS &&
           atomic_load_explicit(&path->losses, memory_order_relaxed) >= LOSSES_ORDINARY;
}

/* The windows' numbers fade rather than end: a lossy path stays one. */
static void note_loss(struct path *path, uint64_t now_ns)
{
    uint32_t losses = atomic_load_explicit(&path->losses, memory_order_relaxed);
    uint64_t since_ns = get(&path->losses_since_ns);

    if (now_ns >= since_ns + PATH_LOSS_WINDOW_NS) {
        losses = now_ns < since_ns + 2 * PATH_LOSS_WINDOW_NS ? losses / 2 : 0;
        put(&path->losses_since_ns, now_ns);
        atomic_store_explicit(&path->losses, losses, memory_order_relaxed);
    }
    atomic_fetch_add_explicit(&path->losses, 1, memory_order_relaxed);
}

static void forget_doubt(struct path *path, struct path_doubt *doubt)
{
    if (doubt->counted)
        atomic_fetch_sub_explicit(&path->doubtful, 1, memory_order_relaxed);
    *doubt = (struct path_doubt){0};
}

/* What was heard before the path fell silent does not say that it speaks again. */
static void note_life(struct path *path, uint64_t at_ns)
{
    if (at_ns > get(&path->heard_ns))
        put(&path->heard_ns, at_ns);
    if (at_ns >= get(&path->condemned_ns))
        put(&path->suspect_ns, 0);
}

static void note_wall(struct path *path, uint64_t idle_ns, uint64_t now_ns)
{
    uint64_t wall_ns = get(&path->wall_until_ns) > now_ns ? get(&path->wall_ns) : 0;
    uint32_t hits;

    if (idle_ns < PATH_WALL_MIN_NS)
        return;
    hits = atomic_fetch_add_explicit(&path->wall_hits, 1, memory_order_relaxed);
    if (wall_ns == 0 || idle_ns < wall_ns)
        put(&path->wall_ns, idle_ns);
    put(&path->wall_until_ns, now_ns + (PATH_WALL_KEEP_NS << (hits < WALL_DOUBLINGS_MAX ? hits : WALL_DOUBLINGS_MAX)));
}

/* Two or more are in the same doubt, or were, and the host was heard of by nobody for as long as an answer to a
 * retransmission would have taken. */
static bool all_are_silent(const struct path *path, uint64_t answered_ns, uint64_t silence_ns, uint64_t now_ns)
{
    uint64_t heard_ns = longer(get(&path->heard_ns), answered_ns);

    return now_ns >= heard_ns + silence_ns &&
           (atomic_load_explicit(&path->doubtful, memory_order_relaxed) >= DOUBTFUL_TOGETHER ||
            get(&path->suspect_ns) != 0);
}

static void count_doubt(struct path *path, struct path_doubt *doubt)
{
    if (!doubt->counted)
        atomic_fetch_add_explicit(&path->doubtful, 1, memory_order_relaxed);
    doubt->counted = true;
}

/* Found again when nothing was heard since the last time, it is the same silence, but news to who waits now. */
static void condemn(struct path *path, uint64_t now_ns)
{
    bool lasts = get(&path->suspect_ns) != 0;

    if (path_is_suspect(path, now_ns))
        return;
    put(&path->condemned_ns, now_ns);
    put(&path->suspect_ns, now_ns);
    atomic_store_explicit(&path->untold, true, memory_order_relaxed);
    if (!lasts)
        atomic_fetch_add_explicit(&path->suspected, 1, memory_order_relaxed);
}

/* The retransmission seen at an earlier look was not answered either. */
static enum path_verdict judge(struct path *path, struct path_doubt *doubt, const struct path_flight *flight)
{
    uint32_t more = loses_segments(path, flight->now_ns) ? 1 : 0, seen_before = doubt->retransmits;
    uint64_t silence_ns = longer(3 * flight->facts.rto_ns, SILENCE_MIN_NS);

    doubt->retransmits = flight->facts.retransmits;
    if (seen_before < more)
        return PATH_WAIT;
    count_doubt(path, doubt);
    if (all_are_silent(path, flight->answered_ns, flight->facts.rto_ns, flight->now_ns))
        condemn(path, flight->now_ns);
    else if (seen_before >= TIMEOUTS_ALONE + more && flight->now_ns - flight->sent_at_ns >= silence_ns)
        note_wall(path, flight->idle_ns, flight->now_ns);
    else
        return PATH_WAIT;
    atomic_fetch_add_explicit(&path->dead, 1, memory_order_relaxed);
    return PATH_DEAD;
}

/* When the host last acknowledged something of a request whose rest is under way; 0: not yet. The kernel counts in
 * ticks of some milliseconds. */
static uint64_t acked_at_ns(const struct path_flight *flight)
{
    uint64_t at_ns = flight->now_ns - u64_min(flight->facts.acked_ago_ns, flight->now_ns);

    return at_ns > flight->sent_at_ns + ANSWER_SLACK_NS ? at_ns : 0;
}

static uint64_t silent_since_ns(const struct path_flight *flight)
{
    return longer(flight->sent_at_ns, acked_at_ns(flight));
}

/* A tail loss probe is no time-out, nor among what counts as sent again; but then data left long after the request, or
 * after what was acknowledged of it. */
static bool was_sent_again(const struct path_flight *flight)
{
    const struct tcp_facts *facts = &flight->facts;

    return facts->resent > 0 || facts->retransmits > 0 ||
           (facts->resent_ever > 0 && flight->now_ns - silent_since_ns(flight) >= facts->sent_ago_ns + PROBE_LATER_NS);
}

/* That all is acknowledged may be known for long. */
static enum path_verdict note_all_acked(struct path *path, struct path_doubt *doubt, const struct path_flight *flight)
{
    const struct tcp_facts *facts = &flight->facts;

    if (!facts->closed) {
        path_note_rtt(path, facts->rtt_ns);
        note_life(path, flight->now_ns - u64_min(facts->acked_ago_ns, flight->now_ns));
    }
    path_over(path, doubt, !facts->closed && doubt->since_ns != 0, flight->now_ns);
    return PATH_FINE;
}

/* Under way when the whole path was condemned: it needs no doubt of its own. */
static enum path_verdict look_on_suspect(struct path *path, const struct path_flight *flight, uint64_t *next_ns)
{
    *next_ns = silent_since_ns(flight) + flight->facts.rtt_ns + ANSWER_SLACK_NS;
    if (flight->now_ns < *next_ns)
        return PATH_WAIT;
    atomic_fetch_add_explicit(&path->dead, 1, memory_order_relaxed);
    return PATH_DEAD;
}

static void begin_doubt(struct path *path, struct path_doubt *doubt, const struct path_flight *flight)
{
    path_over(path, doubt, doubt->since_ns != 0, flight->now_ns);
    doubt->since_ns = flight->now_ns;
    doubt->retransmits = flight->facts.retransmits;
    doubt->bytes_acked = flight->facts.bytes_acked;
}

enum path_verdict path_look(struct path *path, struct path_doubt *doubt, const struct path_flight *flight,
                            uint64_t *next_ns)
{
    const struct tcp_facts *facts = &flight->facts;
    uint64_t answer_ns = facts->rtt_ns + ANSWER_SLACK_NS;

    if (facts->closed || facts->unacked == 0)
        return note_all_acked(path, doubt, flight);
    path_note_rtt(path, facts->rtt_ns);
    if (acked_at_ns(flight) != 0)
        note_life(path, acked_at_ns(flight));
    if (path_fell_silent(path, flight->sent_at_ns, flight->now_ns))
        return look_on_suspect(path, flight, next_ns);
    /* What was sent again just now gets the time to be answered. */
    *next_ns = flight->now_ns + (facts->retransmits > doubt->retransmits ? answer_ns : clamp_ns(answer_ns));
    if (!was_sent_again(flight))
        return PATH_WAIT;
    /* Whoever goes on acknowledging is there, however much gets lost. */
    if (doubt->since_ns == 0 || facts->bytes_acked > doubt->bytes_acked) {
        begin_doubt(path, doubt, flight);
        *next_ns = flight->now_ns + answer_ns;
        return PATH_WAIT;
    }
    return judge(path, doubt, flight);
}

uint64_t path_dial_begin(const struct path *path, struct path_doubt *doubt, uint64_t dial_ns, uint64_t now_ns)
{
    uint64_t probe_ns = longer(3 * get(&path->rtt_ns), PROBE_MIN_NS) + PROBE_DIALS * dial_ns;

    *doubt = (struct path_doubt){.probe_until_ns = path_is_suspect(path, now_ns) ? now_ns + probe_ns : 0};
    return doubt->probe_until_ns != 0 ? doubt->probe_until_ns : now_ns + PATH_DIAL_LOOK_NS;
}

bool path_gives_dial_up(const struct path *path, const struct path_doubt *doubt, uint64_t now_ns)
{
    return path_is_suspect(path, now_ns) && now_ns >= doubt->probe_until_ns;
}

/* Where segments get lost, a SYN does too, and comes again after a second. */
enum path_verdict path_look_at_dial(struct path *path, struct path_doubt *doubt, uint64_t began_ns,
                                    uint64_t answered_ns, uint64_t now_ns)
{
    uint64_t rtt_ns = get(&path->rtt_ns);
    uint64_t silence_ns = longer(3 * rtt_ns, SILENCE_MIN_NS) + (loses_segments(path, now_ns) ? SYN_RETRY_NS : 0);

    if (path_is_suspect(path, now_ns))
        return path_gives_dial_up(path, doubt, now_ns) ? PATH_DEAD : PATH_WAIT;
    if (rtt_ns == 0 || now_ns - began_ns < silence_ns)
        return PATH_WAIT;
    doubt->since_ns = now_ns;
    count_doubt(path, doubt);
    if (!all_are_silent(path, answered_ns, silence_ns, now_ns))
        return PATH_WAIT;
    condemn(path, now_ns);
    return PATH_DEAD;
}

bool path_take_news(struct path *path)
{
    return atomic_load_explicit(&path->untold, memory_order_relaxed) &&
           atomic_exchange_explicit(&path->untold, false, memory_order_relaxed);
}

void path_over(struct path *path, struct path_doubt *doubt, bool heard, uint64_t now_ns)
{
    if (heard && doubt->since_ns != 0)
        note_loss(path, now_ns);
    /* Every answer comes by here: while nobody doubts, nothing is written. */
    if (heard && (doubt->since_ns != 0 || get(&path->suspect_ns) != 0))
        note_life(path, now_ns);
    forget_doubt(path, doubt);
}

bool path_connected(struct path *path, uint64_t now_ns)
{
    bool was_suspect = get(&path->suspect_ns) != 0;

    note_life(path, now_ns);
    return was_suspect;
}

void path_note_rtt(struct path *path, uint64_t rtt_ns)
{
    put(&path->rtt_ns, longer(rtt_ns, 1));
}

bool path_is_suspect(const struct path *path, uint64_t now_ns)
{
    uint64_t since_ns = get(&path->suspect_ns);

    return since_ns != 0 && now_ns < since_ns + PATH_SUSPECT_KEEP_NS;
}

bool path_fell_silent(const struct path *path, uint64_t since_ns, uint64_t now_ns)
{
    return path_is_suspect(path, now_ns) && since_ns <= get(&path->suspect_ns);
}

uint64_t path_idle_max_ns(const struct path *path, uint64_t now_ns)
{
    uint64_t wall_ns = get(&path->wall_ns);

    return wall_ns != 0 && now_ns < get(&path->wall_until_ns) ? wall_ns / 10 * 6 : UINT64_MAX;
}

bool path_forbids(const struct path *path, uint64_t idle_since_ns, uint64_t now_ns)
{
    uint64_t max_ns;

    if (idle_since_ns <= get(&path->condemned_ns))
        return true;
    max_ns = path_idle_max_ns(path, now_ns);
    return max_ns != UINT64_MAX && now_ns - idle_since_ns >= max_ns;
}
