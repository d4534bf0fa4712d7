/* dead_path.c: see the header. Start with path_look. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/dead_path.h"

enum {
    TIMEOUTS_ALONE = 2, /* in a row, of one connection */
    DOUBTFUL_TOGETHER = 2,
    LOSSES_ORDINARY = 3, /* in the window: from then on retransmissions are no news */
    WALL_DOUBLINGS_MAX = 6,
};
#define ANSWER_SLACK_NS UINT64_C(10000000)
#define LOOK_MIN_NS     UINT64_C(10000000)
#define LOOK_MAX_NS     UINT64_C(100000000)
#define SILENCE_MIN_NS  UINT64_C(200000000)

static uint64_t get(const _Atomic uint64_t *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

static void put(_Atomic uint64_t *number, uint64_t value)
{
    atomic_store_explicit(number, value, memory_order_relaxed);
}

static uint64_t clamp_ns(uint64_t ns)
{
    if (ns < LOOK_MIN_NS)
        return LOOK_MIN_NS;
    return ns < LOOK_MAX_NS ? ns : LOOK_MAX_NS;
}

static bool loses_segments(const struct path *path, uint64_t now_ns)
{
    return now_ns - get(&path->losses_since_ns) < PATH_LOSS_WINDOW_NS &&
           atomic_load_explicit(&path->losses, memory_order_relaxed) >= LOSSES_ORDINARY;
}

static void note_loss(struct path *path, uint64_t now_ns)
{
    if (now_ns - get(&path->losses_since_ns) >= PATH_LOSS_WINDOW_NS) {
        put(&path->losses_since_ns, now_ns);
        atomic_store_explicit(&path->losses, 0, memory_order_relaxed);
    }
    atomic_fetch_add_explicit(&path->losses, 1, memory_order_relaxed);
}

static void forget_doubt(struct path *path, struct path_doubt *doubt)
{
    if (doubt->counted)
        atomic_fetch_sub_explicit(&path->doubtful, 1, memory_order_relaxed);
    *doubt = (struct path_doubt){0};
}

/* Any thread may hear of the host; while nobody doubts, this writes nothing. */
static void note_life(struct path *path, uint64_t now_ns)
{
    if (atomic_load_explicit(&path->doubtful, memory_order_relaxed) > 0 || get(&path->suspect_ns) != 0) {
        put(&path->heard_ns, now_ns);
        put(&path->suspect_ns, 0);
    }
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

static enum path_verdict dead(struct path *path, const struct path_flight *flight, bool alone)
{
    atomic_fetch_add_explicit(&path->dead, 1, memory_order_relaxed);
    if (alone) {
        note_wall(path, flight->idle_ns, flight->now_ns);
    } else if (get(&path->suspect_ns) == 0) {
        put(&path->condemned_ns, flight->now_ns);
        put(&path->suspect_ns, flight->now_ns);
        put(&path->next_try_ns, 0);
        atomic_fetch_add_explicit(&path->suspected, 1, memory_order_relaxed);
    }
    return PATH_DEAD;
}

/* Two or more are in the same doubt, and none has heard of the host since this one's doubt began; or that was found
 * earlier, and this one was sent before. */
static bool all_are_silent(const struct path *path, const struct path_doubt *doubt)
{
    if (get(&path->heard_ns) >= doubt->since_ns)
        return false;
    return atomic_load_explicit(&path->doubtful, memory_order_relaxed) >= DOUBTFUL_TOGETHER ||
           get(&path->suspect_ns) != 0;
}

/* The retransmission seen at an earlier look was not answered either. */
static enum path_verdict judge(struct path *path, struct path_doubt *doubt, const struct path_flight *flight)
{
    uint32_t more = loses_segments(path, flight->now_ns) ? 1 : 0, seen_before = doubt->retransmits;
    uint64_t silence_ns = 3 * flight->facts.rto_ns;

    doubt->retransmits = flight->facts.retransmits;
    if (seen_before < more)
        return PATH_WAIT;
    if (!doubt->counted) {
        doubt->counted = true;
        atomic_fetch_add_explicit(&path->doubtful, 1, memory_order_relaxed);
    }
    if (all_are_silent(path, doubt))
        return dead(path, flight, false);
    if (silence_ns < SILENCE_MIN_NS)
        silence_ns = SILENCE_MIN_NS;
    if (seen_before >= TIMEOUTS_ALONE + more && flight->now_ns - flight->sent_at_ns >= silence_ns)
        return dead(path, flight, true);
    return PATH_WAIT;
}

enum path_verdict path_look(struct path *path, struct path_doubt *doubt, const struct path_flight *flight,
                            uint64_t *next_ns)
{
    const struct tcp_facts *facts = &flight->facts;
    uint64_t answer_ns = facts->rtt_ns + ANSWER_SLACK_NS;

    if (facts->closed || facts->unacked == 0) {
        path_over(path, doubt, !facts->closed, flight->now_ns);
        return PATH_FINE;
    }
    *next_ns = flight->now_ns + clamp_ns(answer_ns);
    if (facts->resent == 0 && facts->retransmits == 0)
        return PATH_WAIT;
    if (doubt->since_ns == 0) {
        doubt->since_ns = flight->now_ns;
        doubt->retransmits = facts->retransmits;
        *next_ns = flight->now_ns + answer_ns;
        return PATH_WAIT;
    }
    return judge(path, doubt, flight);
}

void path_over(struct path *path, struct path_doubt *doubt, bool heard, uint64_t now_ns)
{
    if (heard && doubt->since_ns != 0)
        note_loss(path, now_ns);
    if (heard)
        note_life(path, now_ns);
    forget_doubt(path, doubt);
}

void path_connected(struct path *path, uint64_t now_ns)
{
    note_life(path, now_ns);
}

bool path_is_suspect(const struct path *path, uint64_t now_ns)
{
    uint64_t since_ns = get(&path->suspect_ns);

    return since_ns != 0 && now_ns < since_ns + PATH_SUSPECT_KEEP_NS;
}

bool path_may_try(struct path *path, uint64_t now_ns)
{
    uint64_t next_ns = get(&path->next_try_ns);

    return now_ns >= next_ns &&
           atomic_compare_exchange_strong_explicit(&path->next_try_ns, &next_ns, now_ns + PATH_TRY_EVERY_NS,
                                                   memory_order_relaxed, memory_order_relaxed);
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
