/* handoff.c: letters between pools, and dials that lost their race. Start with pool_ask, then run_mail.
 * SPDX-License-Identifier: Apache-2.0 */
#include "upstream/handoff.h"

#include "upstream/addresses.h"
#include "upstream/pool_internal.h"
#include "upstream/shared.h"
#include "upstream/watch.h"

#include <stdlib.h>

#define WARM_DIAL_NS UINT64_C(10000000000) /* a lost dial holds a slot of the host no longer */

enum letter_kind { LETTER_WANT, LETTER_GIVE, LETTER_NONE, LETTER_ERRAND };

/* A WANT that comes home as GIVE or NONE. */
struct handoff {
    struct letter letter;
    struct pool *home;
    struct host *host;
    bool asked; /* by a WANT: the host is held until it comes home */
    bool repeatable;
    uint16_t donor;         /* the worker that was asked */
    struct pool_wish *wish; /* the asker's; only touched at home. NULL: it waits no more */
    struct pooled moved;    /* in GIVE: the record as it was; its conn is detached */
};

struct warm_dial {
    struct pool *pool;
    struct host *host;
    struct transport transport; /* a copy: the configuration may go before the dial ends */
    struct connecting *dial;
    struct task task;
    struct timer timer;
    struct list_node node;
};

struct dial_gate *pool_racers(const struct pool *pool)
{
    return pool->racers;
}

/* The other worker with most idle connections, but not the one that has just refused; NULL: none has any. */
static struct pool *donor_for(const struct pool *pool, const struct host *host, unsigned refuser)
{
    uint64_t most = 0;
    unsigned donor = 0;

    for (unsigned i = 0; i < host->workers; i++) {
        bool other = i != pool->worker && i + 1 != refuser;
        uint64_t idle = other ? atomic_load_explicit(&host->counts[i].idle, memory_order_relaxed) : 0;

        if (idle > most) {
            most = idle;
            donor = i;
        }
    }
    return most > 0 ? hosts_pool(pool->hosts, donor) : NULL;
}

bool pool_ask(struct pool *pool, struct host *host, struct pool_wish *wish, bool repeatable)
{
    struct pool *donor;
    struct handoff *handoff;

    if (wish->letter)
        return true;
    if (pool->ended || atomic_load_explicit(&host->idle, memory_order_relaxed) == 0)
        return false;
    donor = donor_for(pool, host, wish->refuser);
    handoff = donor ? calloc(1, sizeof(*handoff)) : NULL;
    if (!handoff)
        return false;
    handoff->letter.kind = LETTER_WANT;
    handoff->home = pool;
    handoff->host = host;
    handoff->asked = true;
    handoff->repeatable = repeatable;
    handoff->donor = (uint16_t)donor->worker;
    handoff->wish = wish;
    if (!mailbox_offer(donor->mailbox, &handoff->letter)) {
        free(handoff);
        return false;
    }
    host_count_add(&pool_counts(pool, host)->held, 1);
    wish->letter = handoff;
    wish->letters++;
    list_push_back(&pool->wishes, &wish->node);
    return true;
}

void pool_stop_asking(struct pool *pool, struct pool_wish *wish)
{
    if (!wish->letter)
        return;
    wish->letter->wish = NULL;
    wish->letter = NULL;
    list_remove(&pool->wishes, &wish->node);
}

/* What cannot move makes room for another: only requests that wait at the host's cap ask for such. */
static struct pooled *yield_place(struct pooled *pooled)
{
    if (!pooled || !pooled->conn->multiplexed)
        return pooled;
    pool_retire(pooled, REASON_YIELDED);
    return NULL;
}

static struct pooled *find_spare(struct pool *pool, const struct handoff *handoff)
{
    bool needed = pool->ended || gate_is_waited_for(pool->gate, handoff->host);

    return needed ? NULL : yield_place(pool_spare(pool, handoff->host, handoff->repeatable));
}

/* The donor: takes a connection off its loop, into the letter. */
static bool pack(struct pool *pool, struct handoff *handoff, struct pooled *pooled)
{
    if (!pooled || !http_detach(pooled->conn))
        return false;
    watch_left(pool, pooled);
    pool_unlink(pooled);
    addresses_went(pooled);
    handoff->moved = *pooled;
    handoff->moved.place = 0; /* of this worker's count */
    slab_give(pool->records, pooled);
    host_count_add(&pool_counts(pool, handoff->host)->moved_out, 1);
    return true;
}

/* A connection that came in a letter and finds no place in this worker. */
static void close_moved(struct pool *pool, struct handoff *handoff, enum reason reason)
{
    watch_ended(pool, &handoff->moved);
    pool_note_close(pool, &handoff->moved, reason, SIDE_OURS);
    http_close(handoff->moved.conn);
    pool_uncount_idle(pool, handoff->host);
    gate_leave(pool->gate, handoff->host);
}

/* To the pool it is for. When that worker has ended meanwhile, so has the connection's way. */
static void send_home(struct pool *pool, struct handoff *handoff, bool packed)
{
    handoff->letter.kind = packed ? LETTER_GIVE : LETTER_NONE;
    if (mailbox_offer(handoff->home->mailbox, &handoff->letter))
        return;
    if (packed) {
        host_count_add(&pool_counts(pool, handoff->host)->moved_in, 1);
        close_moved(pool, handoff, REASON_DRAIN);
    }
    free(handoff);
}

static void answer(struct pool *pool, struct handoff *handoff)
{
    send_home(pool, handoff, pack(pool, handoff, find_spare(pool, handoff)));
}

/* The other worker in whose queue the `number`th request of all waits; NULL: it does no more. */
static struct pool *waiting_pool(const struct pool *pool, const struct host *host, uint64_t number)
{
    for (unsigned i = 0; i < host->workers; i++) {
        uint64_t waiting = i == pool->worker ? 0 : atomic_load_explicit(&host->counts[i].waiting, memory_order_relaxed);

        if (number < waiting)
            return hosts_pool(pool->hosts, i);
        number -= waiting;
    }
    return NULL;
}

void pool_share(struct pooled *pooled)
{
    struct pool *pool = pooled->pool;
    struct host *host = pooled->host;
    uint64_t own = atomic_load_explicit(&pool_counts(pool, host)->waiting, memory_order_relaxed);
    uint64_t all = atomic_load_explicit(&host->waiting, memory_order_relaxed);
    uint64_t number = all > own ? rng_below(loop_rng(pool->loop), all) : 0;
    struct pool *taker = all > own && number >= own ? waiting_pool(pool, host, number - own) : NULL;
    struct handoff *handoff = taker && !pool->ended ? calloc(1, sizeof(*handoff)) : NULL;

    if (!handoff)
        return;
    handoff->home = taker;
    handoff->host = host;
    if (pack(pool, handoff, pooled))
        send_home(pool, handoff, true);
    else
        free(handoff);
}

/* Nobody here waits for a connection, and the host's requests need no more of them. Twice the warm floor is not too
 * many: an old connection and the one that will replace it. */
static bool is_surplus(const struct pool *pool, struct host *host, const struct pool_wish *wish)
{
    return !wish && atomic_load_explicit(&host->idle, memory_order_relaxed) >= 2 * host->floor &&
           !gate_is_waited_for(pool->racers, host) && !gate_is_waited_for(pool->gate, host) &&
           demand_is_exceeded(host, loop_now_ns(pool->loop));
}

/* The asker's worker gets a connection: a record of its own, and its place among the idle. */
static void unpack(struct pool *pool, struct handoff *handoff)
{
    struct list *stack = pool_stack(pool, handoff->host);
    struct pooled *pooled = stack ? slab_take(pool->records) : NULL;
    struct error err;

    host_count_add(&pool_counts(pool, handoff->host)->moved_in, 1);
    if (!pooled || !http_attach(handoff->moved.conn, pool->loop, &err)) {
        if (pooled)
            slab_give(pool->records, pooled);
        close_moved(pool, handoff, REASON_CAP_EVICTED);
        return;
    }
    *pooled = handoff->moved;
    pooled->pool = pool;
    pooled->task = (struct task){.run = pool_run_idle_news};
    pooled->by_host = pooled->by_age = (struct list_node){0};
    pooled->idle_turn = (uint32_t)loop_stats(pool->loop)->turns;
    /* The two loops have read the clock at different moments. */
    if (pooled->idle_since_ns > loop_now_ns(pool->loop))
        pooled->idle_since_ns = loop_now_ns(pool->loop);
    watch_came(pooled);
    addresses_came(pooled);
    pool_link(pooled, stack);
    if (is_surplus(pool, handoff->host, handoff->wish))
        pool_retire(pooled, REASON_SURPLUS);
}

static void come_home(struct pool *pool, struct handoff *handoff)
{
    struct pool_wish *wish = handoff->wish;

    ASSERT(handoff->home == pool);
    if (handoff->asked)
        host_count_add(&pool_counts(pool, handoff->host)->held, -1);
    if (handoff->letter.kind == LETTER_GIVE)
        unpack(pool, handoff);
    if (wish) {
        wish->refuser = handoff->letter.kind == LETTER_NONE ? (uint16_t)(handoff->donor + 1) : 0;
        pool_stop_asking(pool, wish);
        task_wake(pool->loop, wish->task);
    }
    free(handoff);
}

bool pool_send_errand(struct pool *pool, struct pool_errand *errand)
{
    errand->letter.kind = LETTER_ERRAND;
    return mailbox_offer(pool->mailbox, &errand->letter);
}

static void receive_errand(struct pool *pool, struct pool_errand *errand)
{
    errand->run(errand, pool);
}

static void read_letters(struct pool *pool, struct letter *letter)
{
    for (struct letter *next; letter; letter = next) {
        next = letter->next;
        if (letter->kind == LETTER_ERRAND)
            receive_errand(pool, container_of(letter, struct pool_errand, letter));
        else if (letter->kind == LETTER_WANT)
            answer(pool, container_of(letter, struct handoff, letter));
        else
            come_home(pool, container_of(letter, struct handoff, letter));
    }
}

static void run_mail(struct task *task)
{
    struct pool *pool = container_of(task, struct pool, mail_task);

    read_letters(pool, mailbox_take(pool->mailbox));
}

bool pool_open_mail(struct pool *pool)
{
    pool->mail_task.run = run_mail;
    list_init(&pool->wishes);
    list_init(&pool->warm_dials);
    pool->racers = gate_new(pool->loop);
    pool->mailbox = mailbox_new(pool->loop, &pool->mail_task);
    if (!pool->racers || !pool->mailbox)
        return false;
    hosts_set_pool(pool->hosts, pool->worker, pool);
    return true;
}

void pool_free_mail(struct pool *pool)
{
    if (pool->mailbox) {
        task_forget(pool->loop, &pool->mail_task);
        hosts_set_pool(pool->hosts, pool->worker, NULL);
    }
    mailbox_free(pool->mailbox);
    gate_free(pool->racers);
}

void pool_end(struct pool *pool)
{
    if (pool->ended)
        return;
    pool->ended = true;
    read_letters(pool, mailbox_seal(pool->mailbox));
    /* Whose letter is still out will hear no more: the one who has it frees it. */
    for (struct list_node *node; (node = list_pop_front(&pool->wishes));)
        container_of(node, struct pool_wish, node)->letter = NULL;
    pool_flush(pool);
}

static void free_warm_dial(struct warm_dial *warm)
{
    struct pool *pool = warm->pool;

    list_remove(&pool->warm_dials, &warm->node);
    timer_clear(pool->loop, &warm->timer);
    task_forget(pool->loop, &warm->task);
    connect_free(warm->dial);
    host_count_add(&pool_counts(pool, warm->host)->warming, -1);
    free(warm);
}

static void run_warm_dial(struct task *task)
{
    struct warm_dial *warm = container_of(task, struct warm_dial, task);
    struct pool *pool = warm->pool;
    struct stream *stream = NULL;
    struct pooled *pooled = NULL;
    struct error err;
    enum io io = connect_result(warm->dial, &stream, &err);

    if (io == IO_WAIT && !warm->timer.fired)
        return;
    if (io == IO_OK) {
        watch_connected(pool, warm->host, connect_facts(warm->dial));
        pooled = pool_make(pool, warm->host, &warm->transport, stream, &err);
    }
    if (!pooled && io != IO_WAIT)
        pool_note_failed_dial(pool, warm->host, &err);
    pool_dial_ended(pool, warm->host, pooled ? DIAL_ADOPTED : io == IO_FAIL ? DIAL_FAILED : DIAL_GIVEN_UP);
    if (pooled) {
        pooled->warm = true;
        if (is_surplus(pool, warm->host, NULL))
            pool_destroy(pooled, REASON_SURPLUS, SIDE_OURS);
        else
            pool_settle(pooled, &warm->transport);
    }
    free_warm_dial(warm);
}

void pool_keep_dial(struct pool *pool, struct host *host, const struct transport *transport, struct connecting *dial)
{
    struct warm_dial *warm;

    /* From here on it is no demand any more. */
    host_count_add(&pool_counts(pool, host)->warming, 1);
    warm = is_surplus(pool, host, NULL) ? NULL : calloc(1, sizeof(*warm));
    /* Without memory, or without a use for it. */
    if (!warm) {
        connect_free(dial);
        pool_dial_ended(pool, host, DIAL_GIVEN_UP);
        host_count_add(&pool_counts(pool, host)->warming, -1);
        return;
    }
    *warm = (struct warm_dial){.pool = pool, .host = host, .transport = *transport, .dial = dial};
    warm->task.run = run_warm_dial;
    warm->timer = (struct timer){.at_ns = TIMER_OFF, .task = &warm->task};
    timer_set(pool->loop, &warm->timer, loop_now_ns(pool->loop) + WARM_DIAL_NS);
    list_push_back(&pool->warm_dials, &warm->node);
    connect_set_owner(dial, &warm->task);
    task_wake(pool->loop, &warm->task); /* what came before the owner changed woke the former */
}

void pool_end_warm_dials(struct pool *pool)
{
    for (struct list_node *node; (node = list_first(&pool->warm_dials));) {
        struct warm_dial *warm = container_of(node, struct warm_dial, node);

        pool_dial_ended(pool, warm->host, DIAL_GIVEN_UP);
        free_warm_dial(warm);
    }
}
