/* loop.h: tasks, timers, readiness. One turn = wait, sweep, run. The loop calls nothing but task->run.
 *
 * News from below never calls upper code: it marks state and wakes a task, and the loop runs woken tasks from a clean
 * stack. Every task must bear being woken for nothing. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_OS_LOOP_H
#define HOLDFAST_OS_LOOP_H

#include "base/chain.h"
#include "base/list.h"
#include "base/pieces.h"
#include "base/rng.h"
#include "os/pipe.h"
#include "os/world.h"

struct task {
    void (*run)(struct task *task);
    struct list_node node; /* in one of the loop's queues while woken */
    uint8_t queue;         /* the loop's own: which of them */
};

/* A one-shot alarm; a zeroed one is not set. Setting it later than it stands in the heap costs no heap work: it is put
 * right when it comes up. */
struct timer {
    uint64_t at_ns;     /* when it should fire; TIMER_OFF: not set, or has fired */
    uint64_t queued_ns; /* where it stands in the heap */
    uint32_t slot;      /* position in the heap + 1; 0: not in it */
    bool fired;         /* stays true until the next timer_set or timer_clear */
    struct task *task;  /* woken when it fires */
};
#define TIMER_OFF UINT64_MAX

/* When a clock that began at since_ns is up. TIMER_OFF: limit_ns is 0 (it has no limit), or beyond all time. */
static inline uint64_t timer_end_ns(uint64_t since_ns, uint64_t limit_ns)
{
    uint64_t at_ns;

    return limit_ns > 0 && add_ok(&at_ns, since_ns, limit_ns) ? at_ns : TIMER_OFF;
}

struct loop;
struct bell;

struct loop_stats {
    uint64_t turns, events, tasks_run, timers_fired;
    uint64_t longest_turn_ns; /* without the wait */
};

/* A loop over `world` (borrowed) with its own block pool, arena pages and records. NULL: no memory. */
struct loop *loop_new(struct world *world);

/* All tasks must be forgotten, timers cleared and blocks given back. NULL is fine. */
void loop_free(struct loop *loop);

/* One turn: wait until something happens or `until_ns`; wake the tasks of ready watches; run those of watches marked
 * `first` and whom they wake; fire timers; then run all woken tasks until none is left, and heavy steps behind them.
 * Where many are woken at once, they run in cohorts: some of them, then whom these have woken, then the next. A turn
 * runs at most some thousand tasks: what is left then runs in the next one, which does not sleep. */
void loop_turn(struct loop *loop, uint64_t until_ns);

/* Turns until loop_stop is called from a task (the turn is brought to its end), or at once when it was called before.
 */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

void task_wake(struct loop *loop, struct task *task);   /* twice before it runs is once; NULL task is fine */
bool loop_has_tasks(const struct loop *loop);           /* woken ones, that have not run */
void task_forget(struct loop *loop, struct task *task); /* takes it out of the queue; call before its struct goes */

/* May `task` take a heavy step now, such as one of a TLS handshake? If not it stands in line, and is run when it may:
 * then the answer is true, once. Heavy steps are taken behind all else of a turn, in the order in which they were asked
 * for, until they have taken 0.7 ms or a quarter of what the rest of the turn took: so the others do not wait for a
 * crowd, and nobody in it waits much longer than the rest of the crowd. Whose work has `begun` before has a line apart,
 * and the lines take turns: it is soon done, and those that have not begun are not kept waiting by many that have.
 * Neither news nor asking again moves who stands in line. */
bool loop_may_be_heavy(struct loop *loop, struct task *task, bool begun);

/* Sets or moves the alarm. TIMER_OFF: not for now, at no cost (it may keep its place in the heap, so timer_clear is due
 * nevertheless before its struct goes). Without memory for its place it counts as fired at once. */
void timer_set(struct loop *loop, struct timer *timer, uint64_t at_ns);
void timer_clear(struct loop *loop, struct timer *timer); /* off, and out of the heap; call before its struct goes */

/* A turn begins a second when the last one that was begun is over, so the first turn behind a longer sleep does.
 * Only memory to spare wakes the loop for it. A chore's task is woken in each turn that begins a second. */
struct chore {
    struct list_node node;
    struct task *task;
};

void loop_add_chore(struct loop *loop, struct chore *chore);
void loop_remove_chore(struct loop *loop, struct chore *chore); /* its task may be woken still */
/* The next turn that has something to run begins one, however soon it is. */
void loop_end_second(struct loop *loop);

/* For other threads: who watches whether loops sleep. */
void loop_set_bell(struct loop *loop, struct bell *bell); /* rung as seconds begin (bell.h). Before its thread starts */
uint64_t loop_seconds(const struct loop *loop);           /* how many it has begun. Any thread */
bool loop_is_awake(const struct loop *loop);              /* in a turn, not waiting: told before its clock is read */
void loop_stir(struct loop *loop);                        /* makes it turn. Any thread */

struct world *loop_world(const struct loop *loop);
struct block_pool *loop_blocks(const struct loop *loop); /* buffers of this worker */
struct slab *
loop_pages(const struct loop *loop); /* pages for arenas of this worker, 4 KiB each, and larger ones of 32 KiB */
/* Records of this worker, lent to what is idle otherwise while something is under way; zeroed by who takes them. */
struct slab *loop_records(const struct loop *loop);
enum { LOOP_RECORD_BYTES = 192 };
struct pieces *loop_pieces(const struct loop *loop); /* for libraries, of this worker */
struct pipes *loop_pipes(struct loop *loop);         /* between sockets of this worker */
uint64_t loop_now_ns(const struct loop *loop);       /* read once per turn, after the wait */
uint64_t loop_turned_ns(const struct loop *loop);    /* when the wait before this turn began */
/* When the wait before that one had ended. It told all that was ready, so what this turn's wait brought came later. */
uint64_t loop_told_ns(const struct loop *loop);
bool loop_told_all(const struct loop *loop);     /* did this turn's wait bring all that was ready? */
uint64_t loop_clock_ns(const struct loop *loop); /* read now: within a long turn later than loop_now_ns */
uint64_t loop_wall_ns(const struct loop *loop);  /* calendar, read at most once per turn */
struct rng *loop_rng(struct loop *loop);         /* seeded from world->random at loop_new */
const struct loop_stats *loop_stats(const struct loop *loop);

/* Registers a watch with the world; `watch->task` is woken by this loop. False: *err. */
bool loop_watch(struct loop *loop, struct watch *watch, struct error *err) MUST_USE;
void loop_unwatch(struct loop *loop, struct watch *watch);
void loop_forget(struct loop *loop, struct watch *watch); /* the same, cheaper: its descriptor is closed next */

#endif
