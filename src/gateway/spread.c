/* spread.c: see the header. Start with spread_pass. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/spread.h"

#include "base/log.h"
#include "gateway/frontend_internal.h"
#include "gateway/greeting.h"

#include <stdlib.h>

struct passed {
    struct letter letter;
    struct stream *stream;    /* detached */
    struct door_options door; /* its TLS is held */
};

bool spread_is_uneven(uint64_t count, uint64_t fewest)
{
    return count > fewest + SPREAD_SLACK + fewest / 8;
}

static uint64_t coming_to(const struct frontend *frontend)
{
    return atomic_load_explicit(&frontend->counts.coming, memory_order_relaxed);
}

static uint64_t load_of(const struct frontend *frontend)
{
    return atomic_load_explicit(&frontend->counts.load, memory_order_relaxed) + coming_to(frontend);
}

static uint64_t count_here(const struct frontend *frontend)
{
    return frontend->clients.count + frontend->arrivals.count + frontend->greetings.count;
}

void spread_note(struct frontend *frontend)
{
    atomic_store_explicit(&frontend->counts.load, count_here(frontend), memory_order_relaxed);
}

static struct frontend *emptiest(const struct frontend *frontend)
{
    struct frontend *best = NULL;

    for (unsigned i = 0; i < frontend->spread.count; i++) {
        struct frontend *other = frontend->spread.all[i];

        if (other != frontend && (!best || load_of(other) < load_of(best)))
            best = other;
    }
    return best;
}

/* One that was given to us, or that nobody took. */
static void welcome(struct frontend *frontend, struct passed *passed)
{
    struct error err;

    if (stream_attach(passed->stream, frontend->loop, &err)) {
        greeting_new(frontend, passed->stream, &passed->door);
    } else {
        LOG(LOG_WARNING, "SERVICE: HTTP Server", "a connection was refused: %s", err.text);
        stream_close(passed->stream, true);
    }
    tls_server_release(passed->door.tls);
    free(passed);
}

static void is_here(struct frontend *frontend)
{
    atomic_fetch_sub_explicit(&frontend->counts.coming, 1, memory_order_relaxed);
}

/* Who gives at the same moment must see what is on its way. */
static bool send_to(struct frontend *other, struct passed *passed)
{
    atomic_fetch_add_explicit(&other->counts.coming, 1, memory_order_relaxed);
    if (mailbox_offer(other->spread.mailbox, &passed->letter))
        return true;
    is_here(other);
    return false;
}

/* Who is full gives whatever another one has room for. A worker that was held up finds a full box beside a full
 * backlog: what is in the box is its own already. */
static struct frontend *taker(const struct frontend *frontend)
{
    struct frontend *other = frontend->drain.begun ? NULL : emptiest(frontend);
    bool gives;

    if (!other)
        return NULL;
    gives = frontend_is_full(frontend)
                ? load_of(other) < atomic_load_explicit(&other->clients_max, memory_order_relaxed)
                : spread_is_uneven(count_here(frontend) + coming_to(frontend), load_of(other));
    return gives ? other : NULL;
}

bool spread_can_pass(const struct frontend *frontend)
{
    return taker(frontend) != NULL;
}

bool spread_pass(struct frontend *frontend, struct stream *stream, const struct door_options *door)
{
    struct frontend *other = taker(frontend);
    struct passed *passed;

    if (!other)
        return false;
    passed = malloc(sizeof(*passed));
    if (!passed || !stream_detach(stream)) {
        free(passed);
        return false;
    }
    *passed = (struct passed){.stream = stream, .door = *door};
    (void)tls_server_hold(door->tls);
    if (!send_to(other, passed)) { /* its worker has ended */
        welcome(frontend, passed);
        return true;
    }
    host_count_add(&frontend->counts.passed, 1);
    return true;
}

static void run_mail(struct task *task)
{
    struct frontend *frontend = container_of(task, struct frontend, spread.task);

    for (struct letter *letter = mailbox_take(frontend->spread.mailbox), *next; letter; letter = next) {
        next = letter->next;
        welcome(frontend, container_of(letter, struct passed, letter));
        spread_note(frontend);
        is_here(frontend);
    }
    drain_notice_end(frontend);
}

bool spread_open(struct frontend *frontend)
{
    frontend->spread.task.run = run_mail;
    frontend->spread.mailbox = mailbox_new(frontend->loop, &frontend->spread.task);
    return frontend->spread.mailbox != NULL;
}

void spread_free(struct frontend *frontend)
{
    if (!frontend->spread.mailbox)
        return;
    frontend_end(frontend);
    task_forget(frontend->loop, &frontend->spread.task);
    mailbox_free(frontend->spread.mailbox);
}

void frontend_meet(struct frontend *frontend, struct frontend *const *all, unsigned count)
{
    frontend->spread.all = all;
    frontend->spread.count = count;
}

/* What is still in the box comes too late; the client sees a reset, as if it had come a moment later. */
void frontend_end(struct frontend *frontend)
{
    for (struct letter *letter = mailbox_seal(frontend->spread.mailbox), *next; letter; letter = next) {
        struct passed *passed = container_of(letter, struct passed, letter);

        next = letter->next;
        stream_close(passed->stream, true);
        tls_server_release(passed->door.tls);
        free(passed);
        is_here(frontend);
    }
}
