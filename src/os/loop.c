/* loop.c: one turn = wait, wake, run. Nothing here knows the kernel; readiness, time and sleep come from the world, so
 * the simulator turns the same loop.
 *
 * No watch is remembered past the moment its task was woken, which happens before anything runs: unwatch in the middle
 * of a batch leaves nothing behind. Start with loop_turn. SPDX-License-Identifier: Apache-2.0 */
#include "os/loop.h"

#include "os/bell.h"
#include "os/loop_internal.h"
#include "os/tasks_internal.h"
#include "os/timers_internal.h"

#include <stdlib.h>

#define SECOND_NS UINT64_C(1000000000)
#define HEAVY_NS  UINT64_C(700000) /* of heavy steps in a turn: the last one begins earlier; or ... */

enum {
    BATCH_MAX = 512, /* ready watches taken from the world in one turn */
    PAGE_BYTES = 4096,
    PAGES_KEPT = 1024,
    LARGE_PAGE_BYTES = 32768, /* what decoding a document of a few KiB takes */
    LARGE_PAGES_KEPT = 32,
    RECORDS_KEPT = 1024,
    HEAVY_SHARE = 4, /* ... what the others took in the turn, divided by this */
};

/* Apart from the loop, as it is filled by the first who asks, through a const loop. */
struct calendar {
    uint64_t wall_ns;
    bool is_read; /* this turn */
};

struct loop {
    struct world *world;
    struct block_pool *blocks;
    struct slab *pages, *large_pages, *records;
    struct pieces *pieces;
    struct pipes pipes;
    struct calendar *calendar;
    struct timer_heap timers;
    struct tasks tasks; /* woken ones */
    struct list inboxes, chores;
    struct bell *bell;
    atomic_bool notified; /* some inbox may have letters; the only member that other threads write */
    atomic_bool awake;    /* other threads read this and `seconds` */
    _Atomic uint64_t seconds;
    bool turning, stopping;
    bool second_ends; /* with the next turn that has something to run */
    bool told_all;    /* the last wait brought all that was ready */
    uint64_t now_ns;
    uint64_t turned_ns; /* when the last turn ended */
    uint64_t told_ns;   /* see loop_told_ns */
    uint64_t second_ns; /* when the last second began */
    struct rng rng;
    struct loop_stats stats;
    struct watch *ready[BATCH_MAX];
};

bool loop_has_tasks(const struct loop *loop)
{
    return tasks_wait(&loop->tasks);
}

/* A loop without anything to do gives back what a rush has left behind, before it sleeps for long. */
static bool has_surplus(const struct loop *loop)
{
    return slab_has_surplus(loop->pages) || slab_has_surplus(loop->records) || block_pool_has_surplus(loop->blocks) ||
           pieces_has_surplus(loop->pieces);
}

static int wait_for_news(struct loop *loop, uint64_t until_ns)
{
    uint64_t timer_ns = timer_heap_next_ns(&loop->timers);

    if (loop_has_tasks(loop))
        until_ns = 0;
    else if (timer_ns < until_ns)
        until_ns = timer_ns;
    if (has_surplus(loop))
        until_ns = u64_min(until_ns, loop->second_ns + SECOND_NS);
    return loop->world->ops->wait(loop->world, loop->ready, BATCH_MAX, until_ns);
}

static void wake_ready(struct loop *loop, int count)
{
    ASSERT(count >= 0);
    ASSERT(count <= BATCH_MAX);
    loop->stats.events += (uint64_t)count;
    for (int i = 0; i < count; i++) {
        const struct watch *watch = loop->ready[i];

        if (watch->task)
            tasks_wake(&loop->tasks, watch->task, watch->first ? EARLY : LATE);
    }
}

/* The flag goes down before the inboxes are looked at: a letter that is missed has raised it again, behind a wake. */
static void wake_receivers(struct loop *loop)
{
    if (!atomic_load_explicit(&loop->notified, memory_order_relaxed))
        return;
    atomic_exchange(&loop->notified, false);
    for (struct list_node *node = list_first(&loop->inboxes); node; node = list_next(&loop->inboxes, node)) {
        struct inbox *inbox = container_of(node, struct inbox, node);

        if (atomic_load_explicit(&inbox->newest, memory_order_relaxed))
            task_wake(loop, inbox->task);
    }
}

static void fire_timers(struct loop *loop)
{
    struct timer *timer;

    while ((timer = timer_heap_take_due(&loop->timers, loop->now_ns))) {
        timer->at_ns = TIMER_OFF;
        timer->fired = true;
        loop->stats.timers_fired++;
        task_wake(loop, timer->task);
    }
}

/* So few that nobody else waits long in a short turn, more than one where they are small, as what they send wakes
 * others who then find more of it, and in a long turn so many that those who stand in line are not forgotten. */
static void run_heavy(struct loop *loop)
{
    size_t left = tasks_heavy(&loop->tasks);
    uint64_t begun_ns, share_ns;

    if (left == 0)
        return;
    begun_ns = loop_clock_ns(loop);
    share_ns = u64_max(HEAVY_NS, (begun_ns - loop->now_ns) / HEAVY_SHARE);
    do {
        tasks_run_heavy(&loop->tasks);
    } while (--left > 0 && loop_clock_ns(loop) - begun_ns < share_ns);
}

static void age_memory(struct loop *loop)
{
    block_pool_age(loop->blocks);
    slab_age(loop->pages);
    slab_age(loop->large_pages);
    slab_age(loop->records);
    pieces_age(loop->pieces);
}

/* Counted before the bell is looked at (bell.c). */
static void begin_second(struct loop *loop)
{
    loop->second_ns = loop->now_ns;
    loop->second_ends = false;
    atomic_fetch_add(&loop->seconds, 1);
    if (loop->bell)
        bell_ring(loop->bell);
    age_memory(loop);
    for (struct list_node *node = list_first(&loop->chores); node; node = list_next(&loop->chores, node))
        task_wake(loop, container_of(node, struct chore, node)->task);
}

void loop_turn(struct loop *loop, uint64_t until_ns)
{
    const struct world_ops *ops = loop->world->ops;
    uint64_t length_ns;
    int count;

    ASSERT(!loop->turning); /* a task may not turn the loop that runs it */
    loop->turning = true;
    if (loop->told_all)
        loop->told_ns = loop->now_ns;
    count = wait_for_news(loop, until_ns);
    atomic_store_explicit(&loop->awake, true, memory_order_relaxed);
    loop->told_all = count < BATCH_MAX;
    loop->now_ns = ops->now_ns(loop->world);
    loop->calendar->is_read = false;
    if (loop->now_ns - loop->second_ns >= SECOND_NS)
        begin_second(loop);

    wake_ready(loop, count);
    wake_receivers(loop);
    tasks_sweep(&loop->tasks);
    fire_timers(loop);
    if (UNLIKELY(loop->second_ends) && loop_has_tasks(loop))
        begin_second(loop);
    tasks_run_late(&loop->tasks);
    run_heavy(loop);

    loop->turned_ns = ops->now_ns(loop->world);
    length_ns = loop->turned_ns - loop->now_ns;
    if (length_ns > loop->stats.longest_turn_ns)
        loop->stats.longest_turn_ns = length_ns;
    loop->stats.turns++;
    atomic_store_explicit(&loop->awake, false, memory_order_release);
    loop->turning = false;
}

void loop_run(struct loop *loop)
{
    while (!loop->stopping)
        loop_turn(loop, UINT64_MAX);
    loop->stopping = false;
}

void loop_stop(struct loop *loop)
{
    loop->stopping = true;
}

void task_wake(struct loop *loop, struct task *task)
{
    if (!task)
        return;
    ASSERT_SLOW(task->run);
    tasks_wake(&loop->tasks, task, loop->tasks.woken);
}

void task_forget(struct loop *loop, struct task *task)
{
    tasks_forget(&loop->tasks, task);
}

bool loop_may_be_heavy(struct loop *loop, struct task *task, bool begun)
{
    return tasks_ask_heavy(&loop->tasks, task, begun);
}

void timer_set(struct loop *loop, struct timer *timer, uint64_t at_ns)
{
    timer->fired = false;
    timer->at_ns = at_ns;
    if (timer->slot != 0 ? at_ns >= timer->queued_ns : at_ns == TIMER_OFF)
        return;
    if (timer_heap_place(&loop->timers, timer, at_ns))
        return;
    /* An alarm that is lost would hang its owner for ever; one that is early only fails it. */
    timer->at_ns = TIMER_OFF;
    timer->fired = true;
    task_wake(loop, timer->task);
}

void timer_clear(struct loop *loop, struct timer *timer)
{
    timer->fired = false;
    timer->at_ns = TIMER_OFF;
    if (timer->slot != 0) /* most that are cleared are off: ten of eleven for each request */
        timer_heap_remove(&loop->timers, timer);
}

struct world *loop_world(const struct loop *loop)
{
    return loop->world;
}

struct block_pool *loop_blocks(const struct loop *loop)
{
    return loop->blocks;
}

struct slab *loop_pages(const struct loop *loop)
{
    return loop->pages;
}

struct slab *loop_records(const struct loop *loop)
{
    return loop->records;
}

struct pieces *loop_pieces(const struct loop *loop)
{
    return loop->pieces;
}

struct pipes *loop_pipes(struct loop *loop)
{
    return &loop->pipes;
}

uint64_t loop_now_ns(const struct loop *loop)
{
    return loop->now_ns;
}

uint64_t loop_wall_ns(const struct loop *loop)
{
    struct calendar *calendar = loop->calendar;

    if (!calendar->is_read)
        calendar->wall_ns = loop->world->ops->wall_ns(loop->world);
    calendar->is_read = true;
    return calendar->wall_ns;
}

uint64_t loop_told_ns(const struct loop *loop)
{
    return loop->told_ns;
}

bool loop_told_all(const struct loop *loop)
{
    return loop->told_all;
}

uint64_t loop_turned_ns(const struct loop *loop)
{
    return loop->turned_ns;
}

uint64_t loop_clock_ns(const struct loop *loop)
{
    return loop->world->ops->now_ns(loop->world);
}

struct rng *loop_rng(struct loop *loop)
{
    return &loop->rng;
}

const struct loop_stats *loop_stats(const struct loop *loop)
{
    return &loop->stats;
}

bool loop_watch(struct loop *loop, struct watch *watch, struct error *err)
{
    return loop->world->ops->watch(loop->world, watch, err);
}

void loop_unwatch(struct loop *loop, struct watch *watch)
{
    loop->world->ops->unwatch(loop->world, watch);
}

void loop_forget(struct loop *loop, struct watch *watch)
{
    loop->world->ops->forget(loop->world, watch);
}

void loop_add_inbox(struct loop *loop, struct inbox *inbox)
{
    list_push_back(&loop->inboxes, &inbox->node);
}

void loop_remove_inbox(struct loop *loop, struct inbox *inbox)
{
    list_remove(&loop->inboxes, &inbox->node);
}

void loop_add_chore(struct loop *loop, struct chore *chore)
{
    list_push_back(&loop->chores, &chore->node);
}

void loop_remove_chore(struct loop *loop, struct chore *chore)
{
    list_remove(&loop->chores, &chore->node);
}

void loop_end_second(struct loop *loop)
{
    loop->second_ends = true;
}

void loop_set_bell(struct loop *loop, struct bell *bell)
{
    loop->bell = bell;
}

uint64_t loop_seconds(const struct loop *loop)
{
    return atomic_load(&loop->seconds);
}

bool loop_is_awake(const struct loop *loop)
{
    return atomic_load_explicit(&loop->awake, memory_order_acquire);
}

void loop_stir(struct loop *loop)
{
    loop->world->ops->wake(loop->world);
}

void loop_notify(struct loop *loop)
{
    if (!atomic_exchange(&loop->notified, true))
        loop->world->ops->wake(loop->world);
}

static void seed_rng(struct loop *loop)
{
    uint64_t seed;

    loop->world->ops->random(loop->world, &seed, sizeof(seed));
    rng_init(&loop->rng, seed);
}

struct loop *loop_new(struct world *world)
{
    struct loop *loop = calloc(1, sizeof(*loop));

    if (!loop)
        return NULL;
    loop->world = world;
    tasks_init(&loop->tasks, &loop->stats);
    list_init(&loop->inboxes);
    list_init(&loop->chores);
    loop->blocks = block_pool_new();
    loop->pages = slab_new(PAGE_BYTES, PAGES_KEPT);
    loop->large_pages = slab_new(LARGE_PAGE_BYTES, LARGE_PAGES_KEPT);
    loop->records = slab_new(LOOP_RECORD_BYTES, RECORDS_KEPT);
    loop->pieces = pieces_new();
    loop->calendar = calloc(1, sizeof(*loop->calendar));
    loop->pipes.lent_max = PIPES_LENT_MAX;
    if (!timer_heap_init(&loop->timers) || !loop->blocks || !loop->pages || !loop->large_pages || !loop->records ||
        !loop->pieces || !loop->calendar) {
        loop_free(loop);
        return NULL;
    }
    slab_set_larger(loop->pages, loop->large_pages);
    loop->now_ns = loop->told_ns = loop->turned_ns = loop->second_ns = world->ops->now_ns(world);
    seed_rng(loop);
    return loop;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    ASSERT(!loop->turning);
    ASSERT(!loop_has_tasks(loop));
    ASSERT(list_is_empty(&loop->inboxes));
    ASSERT(list_is_empty(&loop->chores));
    timer_heap_clear(&loop->timers);
    pipes_clear(&loop->pipes, loop->world);
    pieces_free(loop->pieces);
    slab_free(loop->records);
    slab_free(loop->pages);
    slab_free(loop->large_pages);
    block_pool_free(loop->blocks);
    free(loop->calendar);
    free(loop);
}
