/* port_watch.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "app/port_watch.h"

#include "upstream/time_wait.h"

static void look_later(struct port_watch *watch)
{
    timer_set(watch->loop, &watch->timer, loop_now_ns(watch->loop) + PORT_WATCH_NS);
}

static void run_watch(struct task *task)
{
    struct port_watch *watch = container_of(task, struct port_watch, task);

    if (!watch->timer.fired)
        return;
    time_wait_look(watch->hosts);
    hosts_sweep(watch->hosts, &watch->rule, loop_now_ns(watch->loop));
    look_later(watch);
}

void port_watch_start(struct port_watch *watch, struct loop *loop, struct hosts *hosts,
                      const struct host_leave_rule *rule)
{
    *watch = (struct port_watch){.loop = loop, .hosts = hosts, .rule = *rule, .task.run = run_watch};
    watch->timer = (struct timer){.at_ns = TIMER_OFF, .task = &watch->task};
    look_later(watch);
}

void port_watch_stop(struct port_watch *watch)
{
    if (!watch->loop)
        return;
    timer_clear(watch->loop, &watch->timer);
    task_forget(watch->loop, &watch->task);
}
