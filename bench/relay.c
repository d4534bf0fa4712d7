/* relay.c: the bare relay, the floor of ./dev bench: what a proxy costs that checks nothing and routes nothing.
 *
 * One thread, epoll, edge-triggered. A request is lent an upstream connection, last used first; its bytes are passed on
 * as they came; of the answer only Content-Length is read, to know when the connection is free again. A request must
 * come in one piece, and there is no error handling but to close both sides: it is a lower bound, not a proxy.
 *
 *   rig_relay ORIGIN_PORT PLAIN_PORT TLS_PORT CERTIFICATE KEY [HOSTS]
 *     HOSTS   the requests go in turn to so many hosts, 127.0.1.0 and those behind it, each with connections of its own
 * SPDX-License-Identifier: Apache-2.0 */
#include "wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

enum { EVENTS = 512, HOSTS_MAX = 4096, FIRST_OF_MANY = 256, READ_BYTES = 1 << 18 };

struct side {
    struct wire wire;
    struct side *other; /* whom the bytes go to; NULL: idle */
    struct side *next;  /* in the list of idle upstream connections, or of the dead */
    uint64_t left;      /* of the answer, on the upstream side; 0: the head has not come */
    char *unsent;       /* for this side, while it takes no more */
    size_t unsent_size;
    uint32_t host;
    bool is_upstream, dead;
};

struct relay {
    int epoll;
    uint16_t origin;
    uint32_t hosts, host_next;
    SSL_CTX *context;
    struct side listeners[2], *idle[HOSTS_MAX], *dead;
};

static void kill_side(struct relay *relay, struct side *side)
{
    if (!side || side->dead)
        return;
    wire_close(&side->wire);
    side->dead = true;
    for (struct side **each = &relay->idle[side->host]; side->is_upstream && *each; each = &(*each)->next) {
        if (*each != side)
            continue;
        *each = side->next;
        break;
    }
    side->next = relay->dead;
    relay->dead = side;
    kill_side(relay, side->other);
}

static void bury(struct relay *relay)
{
    while (relay->dead) {
        struct side *side = relay->dead;

        relay->dead = side->next;
        free(side->unsent);
        free(side);
    }
}

static void accept_clients(struct relay *relay, struct side *listener)
{
    SSL_CTX *context = listener == &relay->listeners[1] ? relay->context : NULL;
    struct wire wire;

    while (wire_accept(&wire, listener->wire.fd, context)) {
        struct side *side = calloc(1, sizeof(*side));

        if (!side)
            exit(1);
        side->wire = wire;
        wire_watch(relay->epoll, wire.fd, side);
    }
}

static struct side *lend_upstream(struct relay *relay)
{
    uint32_t host = relay->host_next++ % relay->hosts;
    struct side *side = relay->idle[host];

    if (side) {
        relay->idle[host] = side->next;
        return side;
    }
    side = calloc(1, sizeof(*side));
    if (!side || !wire_connect(&side->wire, relay->hosts > 1 ? FIRST_OF_MANY + host : 1, relay->origin, 1, NULL))
        exit(1);
    side->host = host;
    side->is_upstream = true;
    wire_watch(relay->epoll, side->wire.fd, side);
    return side;
}

/* Passes bytes on; what the other side does not take is kept, and no more is read until it has gone. */
static bool pass(struct side *to, const char *bytes, size_t size)
{
    ssize_t sent = wire_send(&to->wire, bytes, size);

    if (sent == WIRE_AGAIN)
        sent = 0;
    if (sent < 0 || (size_t)sent == size)
        return sent >= 0;
    to->unsent_size = size - (size_t)sent;
    to->unsent = malloc(to->unsent_size);
    if (!to->unsent)
        return false;
    memcpy(to->unsent, bytes + sent, to->unsent_size);
    return true;
}

static uint64_t answer_size(const char *bytes, size_t size)
{
    const char *end = memmem(bytes, size, "\r\n\r\n", 4);
    const char *field = memmem(bytes, size, "ontent-Length: ", 15);

    if (!end || !field || field > end)
        exit(1);
    return (uint64_t)(end + 4 - bytes) + strtoull(field + 15, NULL, 10);
}

static void count_answer(struct relay *relay, struct side *from, const char *bytes, size_t size)
{
    if (from->left == 0)
        from->left = answer_size(bytes, size);
    from->left -= size < from->left ? size : from->left;
    if (from->left > 0)
        return;
    from->other->other = NULL;
    from->other = NULL;
    from->next = relay->idle[from->host];
    relay->idle[from->host] = from;
}

static void read_side(struct relay *relay, struct side *from)
{
    static char bytes[READ_BYTES];

    while (!from->dead && !(from->other && from->other->unsent)) {
        ssize_t got = wire_recv(&from->wire, bytes, sizeof(bytes));

        if (got == WIRE_AGAIN)
            return;
        if (got > 0 && !from->other && !from->is_upstream) {
            from->other = lend_upstream(relay);
            from->other->other = from;
        }
        if (got <= 0 || !from->other || !pass(from->other, bytes, (size_t)got)) {
            kill_side(relay, from);
            return;
        }
        if (from->is_upstream)
            count_answer(relay, from, bytes, (size_t)got);
        if ((size_t)got < sizeof(bytes) && !from->wire.ssl)
            return;
    }
}

static void write_side(struct relay *relay, struct side *to)
{
    char *bytes = to->unsent;
    size_t size = to->unsent_size;
    int flushed = wire_flush(&to->wire);

    if (flushed == WIRE_FAIL) {
        kill_side(relay, to);
        return;
    }
    if (flushed != 1 || !bytes)
        return;
    to->unsent = NULL;
    if (!pass(to, bytes, size))
        kill_side(relay, to);
    else if (!to->unsent && to->other)
        read_side(relay, to->other);
    free(bytes);
}

static void serve(struct relay *relay, struct side *side, uint32_t events)
{
    if (side == &relay->listeners[0] || side == &relay->listeners[1]) {
        accept_clients(relay, side);
        return;
    }
    side->wire.drained = false;
    if (!side->dead && (events & EPOLLOUT) && (side->unsent || side->wire.ssl))
        write_side(relay, side);
    if (!side->dead && (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)))
        read_side(relay, side);
}

int main(int argc, char **argv)
{
    static struct relay relay;
    struct epoll_event events[EVENTS];

    if (argc < 6) {
        fprintf(stderr, "usage: rig_relay ORIGIN_PORT PLAIN_PORT TLS_PORT CERTIFICATE KEY [HOSTS]\n");
        return 2;
    }
    relay.epoll = wire_epoll();
    relay.origin = (uint16_t)wire_number(argv[1]);
    relay.hosts = argc > 6 ? (uint32_t)wire_number(argv[6]) : 1;
    if (relay.hosts == 0 || relay.hosts > HOSTS_MAX)
        return 2;
    relay.context = wire_server_context(argv[4], argv[5]);
    for (int i = 0; i < 2; i++) {
        relay.listeners[i].wire.fd = wire_listen(1, (uint16_t)wire_number(argv[2 + i]));
        wire_watch(relay.epoll, relay.listeners[i].wire.fd, &relay.listeners[i]);
    }
    for (;;) {
        int count = epoll_wait(relay.epoll, events, EVENTS, -1);

        for (int i = 0; i < count; i++)
            serve(&relay, events[i].data.ptr, events[i].events);
        bury(&relay);
    }
}
