/* origin_thread.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "cli/origin_thread.h"

#include "os/mailbox.h"
#include "os/thread.h"

#include <stdlib.h>

struct origin_thread {
    struct world *world;
    struct loop *loop;
    struct mailbox *mailbox;
    struct task mail_task;
    struct letter stop;
    struct origin *origin;
    struct thread *thread;
};

static void run_mail(struct task *task)
{
    struct origin_thread *thread = container_of(task, struct origin_thread, mail_task);

    if (mailbox_take(thread->mailbox))
        loop_stop(thread->loop);
}

static void run(void *arg)
{
    struct origin_thread *thread = arg;

    loop_run(thread->loop);
}

static void thread_free(struct origin_thread *thread)
{
    origin_free(thread->origin);
    if (thread->loop)
        task_forget(thread->loop, &thread->mail_task);
    mailbox_free(thread->mailbox);
    loop_free(thread->loop);
    linux_world_free(thread->world);
    free(thread);
}

static bool build(struct origin_thread *thread, struct addr *addr, const struct origin_options *options,
                  struct error *err)
{
    thread->mail_task.run = run_mail;
    thread->world = linux_world_new(err);
    if (!thread->world)
        return false;
    thread->loop = loop_new(thread->world);
    thread->mailbox = thread->loop ? mailbox_new(thread->loop, &thread->mail_task) : NULL;
    if (!thread->mailbox)
        return error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for an origin");
    thread->origin = origin_new(thread->loop, addr, options, err);
    if (!thread->origin)
        return false;
    thread->thread = thread_start("origin", -1, run, thread, err);
    return thread->thread != NULL;
}

struct origin_thread *origin_thread_start(struct addr *addr, const struct origin_options *options, struct error *err)
{
    struct origin_thread *thread = calloc(1, sizeof(*thread));

    if (!thread) {
        error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for an origin");
        return NULL;
    }
    if (!build(thread, addr, options, err)) {
        thread_free(thread);
        return NULL;
    }
    return thread;
}

void origin_thread_stop(struct origin_thread *thread)
{
    if (!thread)
        return;
    mailbox_post(thread->mailbox, &thread->stop);
    thread_join(thread->thread);
    thread_free(thread);
}
