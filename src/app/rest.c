/* rest.c: see the header. Start with run_rest. SPDX-License-Identifier: Apache-2.0 */
#include "app/rest.h"

#include "os/process.h"

#define LOOK_EVERY_NS UINT64_C(1000000000)
#define REST_NS       UINT64_C(30000000000)

enum {
    TRIM_EVERY = 2, /* looks */
    PORTS_EVERY = 5,
    QUIET_LOOKS = 3,
};

/* Are all asleep, and have they begun no second since the last look? */
static bool is_quiet(struct rest *rest)
{
    uint64_t seconds = 0;
    bool quiet = true;

    for (unsigned i = 0; i < rest->workers; i++) {
        quiet &= !loop_is_awake(rest->frontends[i]->loop);
        seconds += loop_seconds(rest->frontends[i]->loop);
    }
    quiet &= seconds == rest->seconds;
    rest->seconds = seconds;
    return quiet;
}

/* Sleeping workers cannot see that memory or descriptors have grown short, of which they hold some. */
static void stir_workers(const struct rest *rest)
{
    if (keep_budget_is_tight(rest->memory.budget))
        for (unsigned i = 0; i < rest->workers; i++)
            loop_stir(rest->frontends[i]->loop);
}

static void look(struct rest *rest)
{
    rest->looked_ns = loop_now_ns(rest->loop);
    memory_watch_look(&rest->memory);
    if (rest->looks % TRIM_EVERY == 0)
        trim_look(&rest->trim);
    if (rest->looks % PORTS_EVERY == 0)
        port_watch_look(&rest->ports, loop_now_ns(rest->loop), !rest->rests);
    rest->looks++;
    stir_workers(rest);
}

/* Between the first and the last of the quiet looks lie two seconds. A turn that has begun none of the seconds counted
 * here read its clock within one second of the last that was begun, a second or more before the last of these looks, so
 * if it went on still it would be seen awake. Any turn that comes now reads it later than that, and begins a second:
 * before the bell hangs, which is seen here, or behind it, and then it rings. */
static bool begin_rest(struct rest *rest)
{
    if (rest->quiet_looks < QUIET_LOOKS || rest->trim.looks > 0)
        return false;
    if (!rest->hung)
        bell_hang(&rest->bell);
    rest->hung = true;
    if (!is_quiet(rest))
        rest->quiet_looks = 0;
    return rest->quiet_looks > 0;
}

static void set_rests(struct rest *rest, bool rests)
{
    rest->rests = rests;
    tls_refresh_rest(rest->tls, rests);
}

/* Others may take the memory that there is, which matters to who holds much of it; and hosts that nobody needs leave
 * the pages. */
static bool has_to_look(const struct rest *rest)
{
    return !memory_watch_is_light(&rest->memory) || keep_budget_is_tight(rest->memory.budget) ||
           hosts_are_leaving(rest->ports.hosts, &rest->ports.rule);
}

static uint64_t next_look_ns(const struct rest *rest)
{
    if (!rest->rests)
        return rest->looked_ns + LOOK_EVERY_NS;
    return has_to_look(rest) ? rest->looked_ns + REST_NS : TIMER_OFF;
}

static void look_later(struct rest *rest)
{
    set_rests(rest, begin_rest(rest));
    if (rest->rests)
        rest->looks = 0;
    timer_set(rest->loop, &rest->timer, next_look_ns(rest));
}

/* A worker has begun a second. If that was in a rest it is over, at once or when the last look is a second old. */
static void hear(struct rest *rest)
{
    if (!mailbox_take(rest->mailbox))
        return;
    rest->hung = false;
    if (!rest->rests)
        return;
    set_rests(rest, false);
    timer_set(rest->loop, &rest->timer, next_look_ns(rest));
}

static void run_rest(struct task *task)
{
    struct rest *rest = container_of(task, struct rest, task);

    hear(rest);
    if (rest->timer.at_ns > loop_now_ns(rest->loop) && rest->timer.at_ns != TIMER_OFF)
        return;
    rest->quiet_looks = is_quiet(rest) ? rest->quiet_looks + 1 : 0;
    look(rest);
    look_later(rest);
}

bool rest_start(struct rest *rest, const struct rest_options *options)
{
    *rest = (struct rest){
        .loop = options->loop,
        .frontends = options->frontends,
        .workers = options->workers,
        .memory = {.budget = hosts_budget(options->hosts),
                   .limit_bytes = options->memory_max,
                   .start_bytes = process_resident_bytes()},
        .tls = options->tls,
        .trim = {.frontends = options->frontends, .workers = options->workers},
        .ports = {.hosts = options->hosts, .rule = options->leave_rule},
        .task.run = run_rest,
    };
    rest->timer = (struct timer){.at_ns = TIMER_OFF, .task = &rest->task};
    rest->mailbox = rest->bell.mailbox = mailbox_new(rest->loop, &rest->task);
    for (unsigned i = 0; i < rest->workers; i++)
        loop_set_bell(rest->frontends[i]->loop, &rest->bell);
    task_wake(rest->loop, &rest->task);
    return rest->mailbox != NULL;
}

void rest_stop(struct rest *rest)
{
    if (!rest->loop)
        return;
    timer_clear(rest->loop, &rest->timer);
    task_forget(rest->loop, &rest->task);
    mailbox_free(rest->mailbox);
}
