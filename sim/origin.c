/* origin.c: a scripted HTTP/1.1 server. Each connection is a visitor with a state, moved on by run_visitor.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sim/peers_internal.h"

#include <stdlib.h>

#define STRAY_AHEAD_NS   (SIM_MS / 5)
#define FIRST_REQUEST_NS SIM_SECOND /* more patience with a connection that has not carried a request */

enum visitor_state {
    VISITOR_HEAD, /* waits for a request, or for the rest of its head */
    VISITOR_BODY,
    VISITOR_THINK,  /* the timer tells when to answer */
    VISITOR_SEND,   /* the answer is in the wire's buffer; what follows is in `after` */
    VISITOR_SILENT, /* never says anything again */
};

enum after { AFTER_NEXT, AFTER_CLOSE, AFTER_RESET, AFTER_SILENCE };

struct sim_origin {
    struct sim *sim;
    struct loop *loop;
    struct sim_book *book;
    struct sim_origin_options options;
    struct task task; /* accepts */
    struct watch watch;
    struct list visitors;
    unsigned conns, requests, closes, strays;
};

struct visitor {
    struct sim_origin *origin;
    struct list_node node;
    struct task task;
    struct timer timer; /* idle, thinking, or what remains to be done after an answer */
    struct sim_wire wire;
    enum visitor_state state;
    enum after after;
    struct sim_head head;
    struct sim_body body;
    struct sim_job *job;
    unsigned requests;
    bool half_closed; /* nothing can be said any more */
};

NORETURN static void accuse(const struct visitor *visitor, const char *what, const char *detail)
{
    sim_fail(visitor->origin->sim, "origin: job %llu: %s%s%s",
             (unsigned long long)(visitor->job ? visitor->job->id : 0), what, detail ? ": " : "", detail ? detail : "");
}

static void remove_visitor(struct visitor *visitor, bool reset)
{
    struct loop *loop = visitor->origin->loop;

    sim_wire_close(&visitor->wire, reset);
    sim_body_clear(&visitor->body);
    timer_clear(loop, &visitor->timer);
    task_forget(loop, &visitor->task);
    list_remove(&visitor->origin->visitors, &visitor->node);
    free(visitor);
}

/* It is the origin that ends the connection. */
static void end_visitor(struct visitor *visitor, bool reset)
{
    visitor->origin->closes++;
    remove_visitor(visitor, reset);
}

static bool origin_chance(struct sim_origin *origin, uint32_t percent)
{
    return percent > 0 && rng_below(sim_rng(origin->sim), 100) < percent;
}

static void set_timer(struct visitor *visitor, uint64_t delay_ns)
{
    timer_set(visitor->origin->loop, &visitor->timer, loop_now_ns(visitor->origin->loop) + delay_ns);
}

static void wait_for_request(struct visitor *visitor)
{
    const struct sim_origin_options *options = &visitor->origin->options;

    visitor->state = VISITOR_HEAD;
    visitor->job = NULL;
    timer_clear(visitor->origin->loop, &visitor->timer);
    if (options->idle_close_ns > 0)
        set_timer(visitor, options->idle_close_ns + (visitor->requests == 0 ? FIRST_REQUEST_NS : 0) +
                               (options->close_jitter_ns > 0
                                    ? rng_below(sim_rng(visitor->origin->sim), options->close_jitter_ns + 1)
                                    : 0));
}

/* "POST /any/path/17 HTTP/1.1": the job's number stands last in the path. */
static uint64_t id_of(const struct visitor *visitor, bool *is_post)
{
    struct str line = str_of(visitor->head.text, str_find(str_from(visitor->head.text), STR("\r\n")));
    struct str method, target;
    uint64_t id = 0;

    if (!str_split(&line, ' ', &method) || !str_split(&line, ' ', &target) || !str_eq(line, STR("HTTP/1.1")))
        accuse(visitor, "a bad request line", visitor->head.text);
    *is_post = str_eq(method, STR("POST"));
    if (!*is_post && !str_eq(method, STR("GET")))
        accuse(visitor, "a method that nobody used", visitor->head.text);
    if (target.len == 0 || target.data[0] != '/')
        accuse(visitor, "a bad target", visitor->head.text);
    target = str_first(target, str_find_char(target, '?'));
    for (size_t i = str_find_last_char(target, '/') + 1; i < target.len; i++)
        id = id * 10 + (uint64_t)(target.data[i] - '0');
    return id;
}

static void take_job(struct visitor *visitor)
{
    const struct sim_head *head = &visitor->head;
    struct str host;
    bool is_post;

    visitor->job = sim_book_find(visitor->origin->book, id_of(visitor, &is_post));
    if (!visitor->job)
        accuse(visitor, "an unknown job", head->text);
    if (visitor->job->is_post != is_post)
        accuse(visitor, "another method than the client's", head->text);
    if (sim_head_count(head, "host") != 1 || !sim_head_field(head, "host", &host) || host.len == 0)
        accuse(visitor, "not exactly one Host", head->text);
    visitor->job->heads++;
    visitor->requests++;
    visitor->origin->requests++;
    sim_say(visitor->origin->sim, "origin: job %llu has come", (unsigned long long)visitor->job->id);
}

static bool read_head(struct visitor *visitor)
{
    const char *why;

    switch (sim_head_take(&visitor->wire.in, &visitor->head, &why)) {
    case SIM_MORE:
        return false;
    case SIM_BAD:
        accuse(visitor, "a bad request head", why);
    case SIM_DONE:
        break;
    }
    timer_clear(visitor->origin->loop, &visitor->timer);
    take_job(visitor);
    sim_body_start(&visitor->body, &visitor->head, false);
    visitor->state = VISITOR_BODY;
    return true;
}

static void check_request(struct visitor *visitor)
{
    struct sim_bytes expected = {0};
    struct sim_job *job = visitor->job;

    sim_content_of_request(job, &expected);
    if (!sim_bytes_eq(&expected, &visitor->body.bytes))
        accuse(visitor, "a request body that the client did not send", NULL);
    sim_bytes_free(&expected);
    if (visitor->wire.in.len > 0)
        accuse(visitor, "bytes ahead of the answer", NULL);
    job->served++;
    if (job->is_post && job->served > 1 && !visitor->origin->options.posts_may_repeat)
        accuse(visitor, "a POST that comes twice", NULL);
}

static bool read_body(struct visitor *visitor)
{
    struct sim_origin *origin = visitor->origin;
    const char *why;

    switch (sim_body_take(&visitor->body, &visitor->wire.in, &why)) {
    case SIM_MORE:
        return false;
    case SIM_BAD:
        accuse(visitor, "a bad request body", why);
    case SIM_DONE:
        break;
    }
    check_request(visitor);
    sim_body_clear(&visitor->body);
    visitor->state = VISITOR_THINK;
    set_timer(visitor, rng_below(sim_rng(origin->sim), origin->options.think_max_ns + 1));
    return true;
}

static void say_bytes(struct visitor *visitor, const struct sim_bytes *bytes, size_t from, size_t to)
{
    sim_bytes_add(&visitor->wire.out, bytes->data + bytes->at + from, to - from);
}

/* Chunks of all sizes; the last one only when the body is whole. */
static void say_chunks(struct visitor *visitor, const struct sim_bytes *bytes, size_t end)
{
    struct rng *rng = sim_rng(visitor->origin->sim);

    for (size_t at = 0; at < end;) {
        size_t len = size_min(end - at, 1 + (size_t)rng_below(rng, 4000));

        sim_wire_say(&visitor->wire, "%zx\r\n", len);
        say_bytes(visitor, bytes, at, at + len);
        sim_wire_say(&visitor->wire, "\r\n");
        at += len;
    }
    if (end == bytes->len)
        sim_wire_say(&visitor->wire, "0\r\n\r\n");
}

static void say_head(struct visitor *visitor, size_t body_bytes)
{
    const struct sim_job *job = visitor->job;
    struct sim_wire *wire = &visitor->wire;

    if (job->mishap == SIM_INTERIM)
        sim_wire_say(wire, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
    sim_wire_say(wire, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nX-Id: %llu\r\n",
                 job->is_json ? "application/json" : "text/plain", (unsigned long long)job->id);
    if (job->framing == SIM_LENGTH)
        sim_wire_say(wire, "Content-Length: %zu\r\n", body_bytes);
    else if (job->framing == SIM_CHUNKED)
        sim_wire_say(wire, "Transfer-Encoding: chunked\r\n");
    if (job->mishap == SIM_SAYS_CLOSE)
        sim_wire_say(wire, "Connection: close\r\n");
    sim_wire_say(wire, "\r\n");
}

/* The answer, or the half of it that will ever come. */
static void say_answer(struct visitor *visitor)
{
    const struct sim_job *job = visitor->job;
    struct sim_bytes body = {0};
    size_t end;

    sim_content_of_answer(job, &body);
    end = job->mishap >= SIM_HALF ? body.len / 2 : body.len;
    say_head(visitor, body.len);
    if (job->framing == SIM_CHUNKED)
        say_chunks(visitor, &body, end);
    else if (end > 0)
        say_bytes(visitor, &body, 0, end);
    if (job->mishap == SIM_STRAY_BYTES && job->framing != SIM_UNTIL_CLOSE) /* there they would belong to the body */
        sim_wire_say(&visitor->wire, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray");
    sim_bytes_free(&body);
}

static enum after after_answer(const struct visitor *visitor)
{
    const struct sim_origin_options *options = &visitor->origin->options;

    if (visitor->job->framing == SIM_UNTIL_CLOSE)
        return AFTER_CLOSE;
    return options->requests_max > 0 && visitor->requests >= options->requests_max ? AFTER_CLOSE : AFTER_NEXT;
}

static void answer(struct visitor *visitor)
{
    const struct sim_job *job = visitor->job;

    visitor->state = VISITOR_SEND;
    visitor->after = after_answer(visitor);
    switch (job->mishap) {
    case SIM_FINE:
    case SIM_INTERIM:
        break;
    case SIM_SAYS_CLOSE:
    case SIM_CLOSES:
    case SIM_NO_ANSWER:
        visitor->after = AFTER_CLOSE;
        break;
    case SIM_STRAY_BYTES:
        break;
    case SIM_RESETS:
    case SIM_HALF_RESETS:
        visitor->after = AFTER_RESET;
        break;
    case SIM_GARBAGE:
        sim_wire_say(&visitor->wire, "NONSENSE \x01\x02\r\n\r\n");
        visitor->after = AFTER_SILENCE;
        break;
    case SIM_SILENT:
    case SIM_HALF_SILENT:
        visitor->after = AFTER_SILENCE;
        break;
    case SIM_HALF:
        visitor->after = job->framing == SIM_UNTIL_CLOSE ? AFTER_RESET : AFTER_CLOSE;
        break;
    case SIM_MISHAP_COUNT:
        break;
    }
    if (job->mishap < SIM_NO_ANSWER || job->mishap >= SIM_HALF)
        say_answer(visitor);
    /* So that a reset may find the answer anywhere: in our buffer, on the way, or read. */
    set_timer(visitor, visitor->after == AFTER_RESET ? rng_below(sim_rng(visitor->origin->sim), 3 * SIM_MS) : 0);
}

/* The answer has left our buffer, or will not leave it any more. */
static bool end_answer(struct visitor *visitor)
{
    if (!visitor->timer.fired || (visitor->wire.out.len > 0 && visitor->after != AFTER_RESET))
        return false;
    switch (visitor->after) {
    case AFTER_NEXT:
        if (visitor->job->mishap == SIM_STRAY_BYTES) { /* nothing good can come on this connection */
            visitor->state = VISITOR_SILENT;
            return true;
        }
        wait_for_request(visitor);
        return true;
    case AFTER_CLOSE:
        end_visitor(visitor, false);
        return false;
    case AFTER_RESET:
        end_visitor(visitor, true);
        return false;
    case AFTER_SILENCE:
        visitor->state = VISITOR_SILENT;
        return true;
    }
    return false;
}

/* False: nothing more to do now, or the visitor is gone. */
static bool step(struct visitor *visitor)
{
    switch (visitor->state) {
    case VISITOR_HEAD:
        return read_head(visitor);
    case VISITOR_BODY:
        return read_body(visitor);
    case VISITOR_THINK:
        if (!visitor->timer.fired)
            return false;
        if (visitor->half_closed) {
            visitor->state = VISITOR_SILENT;
            return true;
        }
        answer(visitor);
        sim_wire_pump(&visitor->wire);
        return true;
    case VISITOR_SEND:
        return end_answer(visitor);
    case VISITOR_SILENT:
        return false;
    }
    return false;
}

/* What comes next is read and not answered: the stray answer stands in its place. */
static void say_stray(struct visitor *visitor)
{
    timer_clear(visitor->origin->loop, &visitor->timer);
    visitor->half_closed = true;
    visitor->origin->strays++;
    sim_wire_say(&visitor->wire, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nstray");
    sim_wire_pump(&visitor->wire);
}

/* The connection has idled for long enough. False: nothing is left to do now. */
static bool idle_close(struct visitor *visitor)
{
    struct sim_origin *origin = visitor->origin;
    bool reset;

    /* Not in the moment in which a request comes: nobody could tell that from its answer. */
    if (origin_chance(origin, origin->options.stray_percent) &&
        !sim_expects_data(loop_world(origin->loop), visitor->wire.watch.fd, STRAY_AHEAD_NS)) {
        say_stray(visitor);
        return false;
    }
    reset = origin_chance(origin, origin->options.reset_percent);

    if (reset || !origin_chance(origin, origin->options.half_percent)) {
        end_visitor(visitor, reset);
        return false;
    }
    timer_clear(origin->loop, &visitor->timer);
    loop_world(origin->loop)->ops->shutdown_write(loop_world(origin->loop), visitor->wire.watch.fd);
    visitor->half_closed = true;
    origin->closes++;
    return true;
}

static void run_visitor(struct task *task)
{
    struct visitor *visitor = container_of(task, struct visitor, task);

    sim_wire_pump(&visitor->wire);
    if (visitor->wire.broken ||
        visitor->wire.ended) { /* whoever asked has gone: an upstream client has no half-close */
        remove_visitor(visitor, false);
        return;
    }
    if (visitor->state == VISITOR_HEAD && visitor->timer.fired && visitor->wire.in.len == 0 && !idle_close(visitor))
        return;
    while (step(visitor))
        continue;
}

static void run_origin(struct task *task)
{
    struct sim_origin *origin = container_of(task, struct sim_origin, task);
    struct world *world = loop_world(origin->loop);
    struct addr peer;
    int fd;

    origin->watch.ready = 0; /* we go on until there is nothing: what comes later is news */
    while (world->ops->accept(world, origin->watch.fd, &fd, &peer, NULL) == IO_OK) {
        struct visitor *visitor = sim_alloc(sizeof(*visitor));

        visitor->origin = origin;
        visitor->task.run = run_visitor;
        visitor->timer.task = &visitor->task;
        list_push_back(&origin->visitors, &visitor->node);
        sim_wire_accept(&visitor->wire, origin->loop, fd, &visitor->task);
        wait_for_request(visitor);
        origin->conns++;
    }
}

struct sim_origin *sim_origin_new(struct sim *sim, struct loop *loop, struct sim_book *book,
                                  const struct sim_origin_options *options)
{
    struct sim_origin *origin = sim_alloc(sizeof(*origin));
    struct addr any = {.family = ADDR_IPV6, .port = options->port};
    struct listen_options listen_options = {.backlog = 512};
    struct world *world = loop_world(loop);

    origin->sim = sim;
    origin->loop = loop;
    origin->book = book;
    origin->options = *options;
    origin->task.run = run_origin;
    list_init(&origin->visitors);
    origin->watch.task = &origin->task;
    origin->watch.fd = world->ops->listen(world, &any, &listen_options, NULL);
    ASSERT(origin->watch.fd != -1);
    ASSERT(loop_watch(loop, &origin->watch, NULL));
    return origin;
}

void sim_origin_free(struct sim_origin *origin)
{
    struct world *world;
    struct list_node *node;

    if (!origin)
        return;
    world = loop_world(origin->loop);
    while ((node = list_first(&origin->visitors)))
        remove_visitor(container_of(node, struct visitor, node), true);
    loop_unwatch(origin->loop, &origin->watch);
    world->ops->close(world, origin->watch.fd);
    task_forget(origin->loop, &origin->task);
    free(origin);
}

unsigned sim_origin_conns(const struct sim_origin *origin)
{
    return origin->conns;
}

unsigned sim_origin_requests(const struct sim_origin *origin)
{
    return origin->requests;
}

unsigned sim_origin_strays(const struct sim_origin *origin)
{
    return origin->strays;
}

unsigned sim_origin_closes(const struct sim_origin *origin)
{
    return origin->closes;
}
