/* dial.c: from a name and a port to one connected stream: resolve, then race the addresses (Happy Eyeballs, RFC 8305
 * 5).
 *
 * A dial has a task of its own, which runs when the resolver answers, a socket has news or a clock fires; it moves the
 * dial on as far as it goes and wakes the owner once the outcome is known. Nothing is called upwards. Start with
 * move_on. SPDX-License-Identifier: Apache-2.0 */
#include "net/dial.h"

#include "base/text.h"
#include "net/dial_internal.h"
#include "net/tcp_internal.h"

#include <stdlib.h>

#define MS_NS               UINT64_C(1000000)
#define FALLBACK_DEFAULT_NS (300 * MS_NS)
#define SHARE_MIN_NS        (2000 * MS_NS) /* of each address when they are tried one after the other, as Go does */

enum dial_state {
    DIAL_RESOLVE,
    DIAL_RACE,
    DIAL_CONNECTED, /* `winner` waits to be taken */
    DIAL_FAILED,    /* `err` tells why */
    DIAL_TAKEN,     /* the stream is the caller's */
};

struct dial {
    struct loop *loop;
    struct resolver *resolver;
    struct dial_options options;
    struct task *owner;
    struct task task;
    enum dial_state state;
    uint64_t deadline_ns;
    struct timer deadline; /* of the whole */
    struct timer next_try; /* the head start of the last address ends, or its share when they go one after the other */
    struct resolve_query query;
    struct addr addrs[RESOLVE_ADDRS_MAX];
    struct stream *attempts[RESOLVE_ADDRS_MAX]; /* beside addrs; NULL: not begun, or failed */
    unsigned count, begun, open;
    struct stream *winner;
    struct error err; /* the last failure */
};

static bool is_sequential(const struct dial *dial)
{
    return dial->options.fallback_delay_ns < 0;
}

static void say_whom(const struct dial *dial, const struct addr *addr, struct error *err)
{
    char text[ADDR_TEXT_BYTES];
    struct str where = addr_format(addr, text);
    struct addr literal;

    if (addr->family == ADDR_UNIX || addr_parse_ip(dial->options.name, &literal))
        error_context(err, "dialing %.*s", STR_ARG(where));
    else
        error_context(err, "dialing %.*s at %.*s", STR_ARG(str_first(dial->options.name, 100)), STR_ARG(where));
}

/* Of a failure that is not for want of something here, the other side is to blame. Nothing of a request was sent. */
static void keep_failure(struct dial *dial, const struct error *err)
{
    dial->err = *err;
    dial->err.retry_safe = true;
    if (err->code != ERROR_OUT_OF_FILES && err->code != ERROR_OUT_OF_PORTS && err->code != ERROR_OUT_OF_MEMORY)
        dial->err.fault = FAULT_UPSTREAM;
}

static void end_attempt(struct dial *dial, unsigned i)
{
    stream_close(dial->attempts[i], false);
    dial->attempts[i] = NULL;
    dial->open--;
}

static void stop_everything(struct dial *dial)
{
    if (dial->state == DIAL_RESOLVE && dial->query.task && !dial->query.done)
        resolve_cancel(dial->resolver, &dial->query);
    for (unsigned i = 0; i < dial->begun; i++)
        if (dial->attempts[i])
            end_attempt(dial, i);
    timer_clear(dial->loop, &dial->deadline);
    timer_clear(dial->loop, &dial->next_try);
}

static void end_with(struct dial *dial, enum dial_state state)
{
    stop_everything(dial);
    dial->state = state;
    task_wake(dial->loop, dial->owner);
}

static void fail_attempt(struct dial *dial, unsigned i, struct error *err)
{
    say_whom(dial, &dial->addrs[i], err);
    keep_failure(dial, err);
    if (dial->attempts[i])
        end_attempt(dial, i);
}

/* Nobody listens on a port of the ephemeral range of this machine: the kernel may pick that very port for our own end
 * and connect the socket with itself (simultaneous open, RFC 9293 3.5). That is a refused connection. */
static bool is_connected_to_itself(struct stream *stream)
{
    struct addr local;

    if (stream->peer.family == ADDR_UNIX || !addr_is_loopback(&stream->peer))
        return false;
    return tcp_local_addr(stream, &local) && addr_eq(&local, &stream->peer);
}

/* False: the attempt has failed. */
static bool look_at_attempt(struct dial *dial, unsigned i)
{
    struct stream *stream = dial->attempts[i];
    struct error err = {0};
    enum io io = tcp_stream_connected(stream, &err);

    if (io == IO_OK && is_connected_to_itself(stream)) {
        error_set(&err, FAULT_UPSTREAM, ERROR_CONNECT_REFUSED, "connection refused (connected to itself)");
        io = IO_FAIL;
    }
    if (io == IO_OK) {
        dial->attempts[i] = NULL;
        dial->open--;
        stream_set_owner(stream, NULL, false);
        dial->winner = stream;
        end_with(dial, DIAL_CONNECTED);
    } else if (io == IO_FAIL) {
        fail_attempt(dial, i, &err);
    }
    return io != IO_FAIL;
}

/* False: one or more have failed. */
static bool look_at_attempts(struct dial *dial)
{
    bool good = true;

    for (unsigned i = 0; i < dial->begun && dial->state == DIAL_RACE; i++)
        if (dial->attempts[i] && !look_at_attempt(dial, i))
            good = false;
    return good;
}

/* How long the address that was just begun has before the next one is tried too (or instead). */
static void set_next_try(struct dial *dial)
{
    uint64_t now_ns = loop_now_ns(dial->loop);
    uint64_t left_ns, share_ns;

    timer_clear(dial->loop, &dial->next_try);
    if (dial->begun == dial->count)
        return;
    if (!is_sequential(dial)) {
        int64_t delay_ns = dial->options.fallback_delay_ns;

        timer_set(dial->loop, &dial->next_try, now_ns + (delay_ns > 0 ? (uint64_t)delay_ns : FALLBACK_DEFAULT_NS));
    } else if (dial->options.timeout_ns != 0) {
        left_ns = dial->deadline_ns > now_ns ? dial->deadline_ns - now_ns : 0;
        share_ns = left_ns / (dial->count - dial->begun + 1);
        timer_set(dial->loop, &dial->next_try, now_ns + (share_ns > SHARE_MIN_NS ? share_ns : SHARE_MIN_NS));
    }
}

/* False: it has failed at once. */
static bool begin_attempt(struct dial *dial)
{
    unsigned i = dial->begun++;
    struct error err = {0};

    dial->attempts[i] = tcp_stream_connect(dial->loop, &dial->addrs[i], &dial->options.socket, &dial->task, &err);
    if (!dial->attempts[i]) {
        fail_attempt(dial, i, &err);
        return false;
    }
    dial->open++;
    set_next_try(dial);
    return look_at_attempt(dial, i); /* a Unix socket, and sometimes loopback, connects at once */
}

/* In a sequence the address has had its share and makes place for the next. */
static void end_share(struct dial *dial)
{
    struct error err;

    if (!is_sequential(dial) || dial->open == 0)
        return;
    error_set(&err, FAULT_UPSTREAM, ERROR_CONNECT_TIMEOUT, "no answer");
    fail_attempt(dial, dial->begun - 1, &err);
}

/* RFC 8305 5: the next address is tried when the head start of the last one is over, and at once when one has failed.
 */
static void race(struct dial *dial)
{
    bool next_is_due = !look_at_attempts(dial) || dial->open == 0;

    if (dial->state == DIAL_RACE && dial->next_try.fired) {
        end_share(dial);
        next_is_due = true;
    }
    while (dial->state == DIAL_RACE && dial->begun < dial->count && next_is_due)
        next_is_due = !begin_attempt(dial);
    if (dial->state == DIAL_RACE && dial->open == 0)
        end_with(dial, DIAL_FAILED);
}

static void take_answer(struct dial *dial)
{
    if (!dial->query.done)
        return;
    if (dial->query.err.fault == FAULT_NONE) {
        dial->count = dial_order(&dial->query.answer, dial->options.port,
                                 dial_turn(&dial->query.answer, &dial->options.first, dial->options.turn), dial->addrs);
        dial->state = DIAL_RACE;
    } else {
        keep_failure(dial, &dial->query.err);
        end_with(dial, DIAL_FAILED);
    }
}

static void expire(struct dial *dial)
{
    char text[DURATION_TEXT_BYTES];
    struct str limit = text_from_duration((int64_t)dial->options.timeout_ns, text);
    struct error err;

    if (dial->state == DIAL_RESOLVE) {
        error_set(&err, FAULT_UPSTREAM, ERROR_RESOLVE_TIMEOUT, "resolving %.*s: no answer within %.*s",
                  STR_ARG(str_first(dial->options.name, 100)), STR_ARG(limit));
    } else {
        error_set(&err, FAULT_UPSTREAM, ERROR_CONNECT_TIMEOUT, "not connected within %.*s", STR_ARG(limit));
        say_whom(dial, &dial->addrs[dial->begun - 1], &err);
    }
    keep_failure(dial, &err);
    end_with(dial, DIAL_FAILED);
}

static void move_on(struct dial *dial)
{
    if (dial->state == DIAL_RESOLVE)
        take_answer(dial);
    if (dial->state == DIAL_RACE)
        race(dial);
    if (dial->deadline.fired && (dial->state == DIAL_RESOLVE || dial->state == DIAL_RACE))
        expire(dial);
}

static void run_dial(struct task *task)
{
    move_on(container_of(task, struct dial, task));
}

/* A Unix path and a literal address need no resolver. */
static void find_addrs(struct dial *dial)
{
    struct resolved literal = {.count = 1};

    if (dial->options.unix_addr.family == ADDR_UNIX) {
        dial->addrs[0] = dial->options.unix_addr;
        dial->count = 1;
        dial->state = DIAL_RACE;
    } else if (addr_parse_ip(dial->options.name, &literal.addrs[0])) {
        dial->count = dial_order(&literal, dial->options.port, 0, dial->addrs);
        dial->state = DIAL_RACE;
    } else {
        ASSERT(dial->resolver);
        dial->query.name = dial->options.name;
        dial->query.task = &dial->task;
        resolve_start(dial->resolver, &dial->query);
    }
}

struct dial *dial_start(struct loop *loop, struct resolver *resolver, const struct dial_options *options,
                        struct task *owner)
{
    struct dial *dial = malloc(sizeof(*dial));

    if (!dial)
        return NULL;
    *dial = (struct dial){.loop = loop, .resolver = resolver, .options = *options, .owner = owner};
    dial->task.run = run_dial;
    dial->deadline.task = &dial->task;
    dial->next_try.task = &dial->task;
    if (options->timeout_ns != 0) {
        dial->deadline_ns = loop_now_ns(loop) + options->timeout_ns;
        timer_set(loop, &dial->deadline, dial->deadline_ns);
    }
    find_addrs(dial);
    move_on(dial);
    return dial;
}

enum io dial_result(struct dial *dial, struct stream **stream, struct error *err)
{
    switch (dial->state) {
    case DIAL_RESOLVE:
    case DIAL_RACE:
        return IO_WAIT;
    case DIAL_CONNECTED:
        *stream = dial->winner;
        dial->winner = NULL;
        dial->state = DIAL_TAKEN;
        return IO_OK;
    case DIAL_FAILED:
        if (err)
            *err = dial->err;
        return IO_FAIL;
    case DIAL_TAKEN:
        break;
    }
    ASSERT(dial->state != DIAL_TAKEN);
    return IO_FAIL;
}

void dial_free(struct dial *dial)
{
    if (!dial)
        return;
    stop_everything(dial);
    stream_close(dial->winner, false);
    task_forget(dial->loop, &dial->task);
    free(dial);
}
