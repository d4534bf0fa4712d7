/* strayer.c: see the header. Start with answer, then say_rest. SPDX-License-Identifier: Apache-2.0 */
#include "sim/strayer.h"

#include "base/list.h"
#include "sim/peers_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AHEAD_NS (SIM_MS / 5) /* a request that comes so soon is as good as there */
enum { TEXT_BYTES = 1024 };

struct sim_strayer {
    struct sim *sim;
    struct loop *loop;
    struct task task;
    struct watch watch;
    struct list guests;
    uint32_t percent;
    unsigned idle, together;
};

struct guest {
    struct sim_strayer *strayer;
    struct list_node node;
    struct task task;
    struct timer timer; /* of the rest */
    struct sim_wire wire;
    char rest[TEXT_BYTES]; /* what is to be said later */
    size_t rest_len;
    bool rest_is_stray; /* ... and none of it is the answer */
    bool spoiled;       /* it has said too much: no request is answered here any more */
};

static const char *const strays[] = {
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" SIM_STRAYER_MARK,
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n" SIM_STRAYER_MARK
    "\r\n0\r\n\r\n",
    "HTTP/1.1 204 No Content\r\nX-A: " SIM_STRAYER_MARK "\r\n\r\n",
    "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 5\r\n\r\n" SIM_STRAYER_MARK,
    SIM_STRAYER_MARK, /* what is behind a length that was too short */
    "5\r\n" SIM_STRAYER_MARK "\r\n0\r\n\r\n",
    "\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" SIM_STRAYER_MARK,
};

static void remove_guest(struct guest *guest)
{
    struct loop *loop = guest->strayer->loop;

    sim_wire_close(&guest->wire, false);
    timer_clear(loop, &guest->timer);
    task_forget(loop, &guest->task);
    list_remove(&guest->strayer->guests, &guest->node);
    free(guest);
}

static uint64_t between(struct guest *guest, uint64_t low, uint64_t high)
{
    return low + rng_below(sim_rng(guest->strayer->sim), high - low + 1);
}

/* The answer to a request; its length. */
static size_t write_answer(struct guest *guest, const struct sim_head *head, char *text)
{
    char method[8], kind[16], body[64];
    unsigned long long id;
    int len = 0, size;

    if (sscanf(head->text, "%7s /%15[^/]/%llu HTTP/1.1", method, kind, &id) != 3)
        sim_fail(guest->strayer->sim, "strayer: a request that nobody made: %s", head->text);
    size = snprintf(body, sizeof(body), "answer %llu", id);
    if (strcmp(kind, "204") == 0)
        len = snprintf(text, TEXT_BYTES, "HTTP/1.1 204 No Content\r\n\r\n");
    else if (strcmp(kind, "304") == 0)
        len = snprintf(text, TEXT_BYTES, "HTTP/1.1 304 Not Modified\r\nETag: \"%llu\"\r\n\r\n", id);
    else if (strcmp(kind, "length") == 0)
        len = snprintf(text, TEXT_BYTES, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size);
    else
        len = snprintf(text, TEXT_BYTES, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    if (strcmp(method, "HEAD") == 0)
        return (size_t)len;
    if (strcmp(kind, "length") == 0)
        len += snprintf(text + len, TEXT_BYTES - (size_t)len, "%s", body);
    else if (strcmp(kind, "chunked") == 0)
        len += snprintf(text + len, TEXT_BYTES - (size_t)len, "%x\r\n%s\r\n0\r\n\r\n", (unsigned)size, body);
    return (size_t)len;
}

static void say(struct guest *guest, const char *text, size_t len)
{
    sim_bytes_add(&guest->wire.out, text, len);
    sim_wire_pump(&guest->wire);
}

/* All of `text` is answer and stray bytes, `answer_len` of it the former. Half of them part at the answer's end. */
static void say_in_two(struct guest *guest, const char *text, size_t len, size_t answer_len)
{
    static const uint64_t delays_ns[] = {0, SIM_MS, 10 * SIM_MS, 200 * SIM_MS};
    size_t cut = between(guest, 0, 1) ? answer_len : (size_t)between(guest, 0, len);

    guest->rest_len = len - cut;
    guest->rest_is_stray = cut == answer_len;
    memcpy(guest->rest, text + cut, guest->rest_len);
    if (cut > answer_len) {
        guest->spoiled = true;
        guest->strayer->together++;
    }
    say(guest, text, cut);
    timer_set(guest->strayer->loop, &guest->timer,
              loop_now_ns(guest->strayer->loop) + delays_ns[between(guest, 0, COUNT_OF(delays_ns) - 1)]);
}

static void answer(struct guest *guest, const struct sim_head *head)
{
    char text[2 * TEXT_BYTES];
    size_t answer_len = write_answer(guest, head, text), len = answer_len;
    const char *stray = strays[between(guest, 0, COUNT_OF(strays) - 1)];

    if (between(guest, 0, 99) >= guest->strayer->percent) {
        say(guest, text, answer_len);
        return;
    }
    memcpy(text + len, stray, strlen(stray));
    len += strlen(stray);
    ASSERT(len <= TEXT_BYTES);
    say_in_two(guest, text, len, answer_len);
}

static bool is_asked(const struct guest *guest)
{
    return guest->wire.in.len > 0 || sim_expects_data(guest->wire.world, guest->wire.watch.fd, AHEAD_NS);
}

static void say_rest(struct guest *guest)
{
    timer_clear(guest->strayer->loop, &guest->timer);
    if (guest->rest_is_stray && !guest->spoiled) {
        guest->strayer->idle++;
        guest->spoiled = true;
    } else if (!guest->spoiled) {
        guest->strayer->together++;
        guest->spoiled = true;
    }
    say(guest, guest->rest, guest->rest_len);
    guest->rest_len = 0;
}

/* A request has come before they were said. */
static void forget_rest(struct guest *guest)
{
    timer_clear(guest->strayer->loop, &guest->timer);
    guest->rest_len = 0;
}

static void serve(struct guest *guest)
{
    struct sim_head head;
    const char *why;

    while (guest->rest_len == 0 && !guest->spoiled) {
        enum sim_parse parse = sim_head_take(&guest->wire.in, &head, &why);

        if (parse == SIM_BAD)
            sim_fail(guest->strayer->sim, "strayer: a bad request: %s", why);
        if (parse != SIM_DONE)
            return;
        answer(guest, &head);
    }
}

static void run_guest(struct task *task)
{
    struct guest *guest = container_of(task, struct guest, task);

    sim_wire_pump(&guest->wire);
    if (guest->wire.broken || guest->wire.ended) {
        remove_guest(guest);
        return;
    }
    if (guest->rest_len > 0 && guest->rest_is_stray && !guest->spoiled && is_asked(guest))
        forget_rest(guest);
    else if (guest->rest_len > 0 && guest->timer.fired)
        say_rest(guest);
    serve(guest);
}

static void run_strayer(struct task *task)
{
    struct sim_strayer *strayer = container_of(task, struct sim_strayer, task);
    struct world *world = loop_world(strayer->loop);
    struct addr peer;
    int fd;

    strayer->watch.ready = 0;
    while (world->ops->accept(world, strayer->watch.fd, &fd, &peer, NULL) == IO_OK) {
        struct guest *guest = sim_alloc(sizeof(*guest));

        guest->strayer = strayer;
        guest->task.run = run_guest;
        guest->timer = (struct timer){.at_ns = TIMER_OFF, .task = &guest->task};
        list_push_back(&strayer->guests, &guest->node);
        sim_wire_accept(&guest->wire, strayer->loop, fd, &guest->task);
    }
}

struct sim_strayer *sim_strayer_new(struct sim *sim, struct loop *loop, uint16_t port, uint32_t percent)
{
    struct sim_strayer *strayer = sim_alloc(sizeof(*strayer));
    struct addr any = {.family = ADDR_IPV6, .port = port};
    struct listen_options options = {.backlog = 512};
    struct world *world = loop_world(loop);

    strayer->sim = sim;
    strayer->loop = loop;
    strayer->percent = percent;
    strayer->task.run = run_strayer;
    list_init(&strayer->guests);
    strayer->watch.task = &strayer->task;
    strayer->watch.fd = world->ops->listen(world, &any, &options, NULL);
    ASSERT(strayer->watch.fd != -1);
    ASSERT(loop_watch(loop, &strayer->watch, NULL));
    return strayer;
}

void sim_strayer_free(struct sim_strayer *strayer)
{
    struct world *world;
    struct list_node *node;

    if (!strayer)
        return;
    world = loop_world(strayer->loop);
    while ((node = list_first(&strayer->guests)))
        remove_guest(container_of(node, struct guest, node));
    loop_unwatch(strayer->loop, &strayer->watch);
    world->ops->close(world, strayer->watch.fd);
    task_forget(strayer->loop, &strayer->task);
    free(strayer);
}

unsigned sim_strayer_idle(const struct sim_strayer *strayer)
{
    return strayer->idle;
}

unsigned sim_strayer_together(const struct sim_strayer *strayer)
{
    return strayer->together;
}
