/* tasks.c: see the header. Start with tasks_wake and tasks_run_late. SPDX-License-Identifier: Apache-2.0 */
#include "os/tasks_internal.h"

enum {
    TASKS_MAX = 10000,      /* run in one turn: tasks that keep waking each other must not keep sockets waiting */
    SWEEP_TASKS_MAX = 5000, /* of the sweep, which has its own share so that it cannot starve the rest */
    /* So few tasks that what each of them works on is still in the second-level cache when those run that it has woken,
     * and so many that the code of either is fetched once for all of them, and what they send leaves together. */
    COHORT_TASKS = 32,
    COHORT_NEXT_MAX = 4 * COHORT_TASKS, /* woken ones, before the next cohort has its turn: they may go on for long */
};

void tasks_init(struct tasks *tasks, struct loop_stats *stats)
{
    for (size_t i = 0; i < QUEUES; i++)
        list_init(&tasks->queues[i]);
    tasks->woken = LATE;
    tasks->stats = stats;
}

bool tasks_wait(const struct tasks *tasks)
{
    size_t count = 0;

    for (size_t i = 0; i < QUEUES; i++)
        count += tasks->queues[i].count;
    return count > 0;
}

void tasks_wake(struct tasks *tasks, struct task *task, enum queue queue)
{
    if (list_holds(&task->node)) {
        if (queue >= LATE || task->queue < LATE)
            return;
        list_remove(&tasks->queues[task->queue], &task->node);
    }
    task->queue = (uint8_t)queue;
    list_push_back(&tasks->queues[queue], &task->node);
}

void tasks_forget(struct tasks *tasks, struct task *task)
{
    if (list_holds(&task->node))
        list_remove(&tasks->queues[task->queue], &task->node);
}

/* How many of the queue's tasks it ran: all that there are, or `count_max`. */
static unsigned run_some(struct tasks *tasks, enum queue queue, unsigned count_max)
{
    struct list *waiting = &tasks->queues[queue];
    struct list_node *node;
    unsigned count = 0;

    for (; count < count_max && (node = list_pop_front(waiting)); count++) {
        struct task *task = container_of(node, struct task, node);

        tasks->stats->tasks_run++;
        task->run(task); /* it may be gone after this */
    }
    return count;
}

static bool has_either(const struct tasks *tasks, enum queue queue, enum queue other)
{
    return !list_is_empty(&tasks->queues[queue]) || !list_is_empty(&tasks->queues[other]);
}

/* Runs the tasks of the queue in cohorts, each followed by whom it has woken. */
static inline void run_cohorts(struct tasks *tasks, enum queue queue, enum queue woken, unsigned count_max)
{
    if (!has_either(tasks, queue, woken))
        return;
    tasks->woken = woken;
    do {
        count_max -= run_some(tasks, queue, count_max < COHORT_TASKS ? count_max : COHORT_TASKS);
        count_max -= run_some(tasks, woken, count_max < COHORT_NEXT_MAX ? count_max : COHORT_NEXT_MAX);
    } while (count_max > 0 && has_either(tasks, queue, woken));
    tasks->woken = LATE;
}

void tasks_sweep(struct tasks *tasks)
{
    if (!list_is_empty(&tasks->queues[EARLY])) {
        tasks->woken = EARLY_NEXT;
        (void)run_some(tasks, EARLY, SWEEP_TASKS_MAX);
    }
    run_cohorts(tasks, EARLY_NEXT, EARLY_LAST, SWEEP_TASKS_MAX);
}

void tasks_run_late(struct tasks *tasks)
{
    run_cohorts(tasks, LATE, LATE_NEXT, TASKS_MAX);
}

size_t tasks_heavy(const struct tasks *tasks)
{
    return tasks->queues[HEAVY_BEGUN].count + tasks->queues[HEAVY_NEW].count;
}

/* Each of the two lines in turn, so that neither waits for the end of the other, which may never come. */
static enum queue next_line(struct tasks *tasks)
{
    if (list_is_empty(&tasks->queues[HEAVY_NEW]))
        return HEAVY_BEGUN;
    if (list_is_empty(&tasks->queues[HEAVY_BEGUN]))
        return HEAVY_NEW;
    tasks->new_is_next = !tasks->new_is_next;
    return tasks->new_is_next ? HEAVY_BEGUN : HEAVY_NEW;
}

void tasks_run_heavy(struct tasks *tasks)
{
    enum queue line = next_line(tasks);
    struct list_node *next = list_first(&tasks->queues[line]);

    if (!next)
        return;
    tasks->granted = container_of(next, struct task, node);
    (void)run_some(tasks, line, 1);
    tasks->granted = NULL;
}

bool tasks_ask_heavy(struct tasks *tasks, struct task *task, bool begun)
{
    bool granted = tasks->granted == task;

    tasks->granted = granted ? NULL : tasks->granted;
    if (granted)
        return true;
    if (list_holds(&task->node) && task->queue >= HEAVY_BEGUN)
        return false;
    tasks_forget(tasks, task);
    tasks_wake(tasks, task, begun ? HEAVY_BEGUN : HEAVY_NEW);
    return false;
}
