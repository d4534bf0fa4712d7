/* tls_refresh.c: see the header. Files are looked at rather than watched: a secret that an orchestrator swaps is a link
 * to a link, which a watch of the kernel follows badly. SPDX-License-Identifier: Apache-2.0 */
#include "app/tls_refresh.h"

static void set_timer(struct tls_refresh *refresh)
{
    uint64_t due_ns = refresh->looked_ns + refresh->secured->refresh_ns;

    if (refresh->rests)
        due_ns = u64_max(due_ns, secured_due_ns(refresh->secured));
    timer_set(refresh->loop, &refresh->timer, due_ns);
}

static void look(struct tls_refresh *refresh)
{
    refresh->looked_ns = loop_now_ns(refresh->loop);
    secured_refresh(refresh->secured, refresh->looked_ns);
    /* Not before: who comes at the end of a rest waits for this look. */
    secured_rest(refresh->secured, refresh->rests);
    set_timer(refresh);
}

static void run_refresh(struct task *task)
{
    struct tls_refresh *refresh = container_of(task, struct tls_refresh, task);

    if (refresh->timer.fired)
        look(refresh);
}

void tls_refresh_start(struct tls_refresh *refresh, struct loop *loop, struct secured *secured)
{
    if (!secured->shared)
        return;
    *refresh = (struct tls_refresh){.loop = loop, .secured = secured, .task.run = run_refresh};
    refresh->timer = (struct timer){.at_ns = TIMER_OFF, .task = &refresh->task};
    look(refresh); /* the clock of the ticket keys starts */
}

void tls_refresh_rest(struct tls_refresh *refresh, bool rests)
{
    if (!refresh->loop || refresh->rests == rests)
        return;
    refresh->rests = rests;
    if (rests)
        secured_rest(refresh->secured, true);
    set_timer(refresh);
}

void tls_refresh_stop(struct tls_refresh *refresh)
{
    if (!refresh->loop)
        return;
    secured_rest(refresh->secured, false);
    timer_clear(refresh->loop, &refresh->timer);
    task_forget(refresh->loop, &refresh->task);
}
