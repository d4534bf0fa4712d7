/* origin.c: the origin of ./dev bench: ready-made answers, one thread, as little work as can be, so that the second
 * core has time for the load.
 *
 *   /bytes/N   N bytes                               /json/N   an object of about N bytes
 *   /ws        grants any WebSocket, and is silent   /counts   connections and requests so far
 *
 *   rig_origin PLAIN_PORT [TLS_PORT CERTIFICATE KEY]
 * SPDX-License-Identifier: Apache-2.0 */
#include "wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

enum { EVENTS = 512, REQUEST_MAX = 16384, ANSWERS_MAX = 64, PATH_MAX_BYTES = 64 };

struct answer {
    char path[PATH_MAX_BYTES];
    size_t path_size, size;
    char *bytes;
};

struct client {
    struct wire wire;
    const struct answer *answer; /* while it is being sent */
    size_t sent;
    char *held; /* the beginning of a request whose end has not come */
    size_t held_size;
    bool closes;
};

struct origin {
    int epoll, listeners[2];
    SSL_CTX *context;
    uint64_t connections, requests;
    struct answer answers[ANSWERS_MAX], counts;
    size_t answer_count;
};

static void put_answer(struct answer *answer, const char *type, const char *body, size_t size)
{
    int head;

    answer->bytes = realloc(answer->bytes, size + 256);
    if (!answer->bytes)
        exit(1);
    head =
        snprintf(answer->bytes, 256, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n", type, size);
    memcpy(answer->bytes + head, body, size);
    answer->size = (size_t)head + size;
}

/* Records with nested objects, unsorted keys and all kinds of values, as services give them. */
static size_t write_json(char *text, size_t size)
{
    size_t len = (size_t)sprintf(
        text, "{\"id\":42,\"total\":120,\"page\":3,\"name\":\"a collection\",\"secret\":\"do not show\","
              "\"owner\":{\"name\":\"Jo\",\"email\":\"jo@example.com\",\"age\":41},\"items\":[");

    for (unsigned i = 0; len + 220 < size || i == 0; i++) {
        len += (size_t)sprintf(
            text + len,
            "%s{\"id\":%u,\"name\":\"User number %u\",\"active\":%s,\"score\":%u.5,\"address\":{\"street\":"
            "\"Main Street %u\",\"zip\":\"%05u\"},\"tags\":[\"alpha\",\"beta\"],\"parent\":null}",
            i ? "," : "", 1000 + i, i, i % 2 ? "true" : "false", i * 7, i * 3, 10000 + i * 37);
    }
    return len + (size_t)sprintf(text + len, "],\"next\":\"/items?page=4\",\"error\":null}");
}

static void grant(struct answer *answer)
{
    static const char text[] = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                               "Sec-WebSocket-Accept: " WIRE_WEBSOCKET_ACCEPT "\r\n\r\n";

    answer->size = sizeof(text) - 1;
    answer->bytes = malloc(sizeof(text));
    if (!answer->bytes)
        exit(1);
    memcpy(answer->bytes, text, sizeof(text));
}

static void make_answer(struct answer *answer)
{
    uint64_t size = 0;
    char *body;

    if (strcmp(answer->path, "/ws") == 0) {
        grant(answer);
        return;
    }
    if (sscanf(answer->path, "/json/%lu", &size) == 1 || sscanf(answer->path, "/bytes/%lu", &size) == 1)
        size = size < (UINT64_C(1) << 28) ? size : (UINT64_C(1) << 28);
    body = malloc(size + 1024);
    if (!body)
        exit(1);
    if (answer->path[1] == 'j') {
        put_answer(answer, "application/json", body, write_json(body, size));
    } else {
        for (size_t i = 0; i < size; i++)
            body[i] = (char)('a' + i % 23);
        put_answer(answer, "application/octet-stream", body, size);
    }
    free(body);
}

/* All paths that are asked for are few: what does not fit any more ends the program. */
static const struct answer *find_answer(struct origin *origin, const char *path, size_t size)
{
    struct answer *answer = origin->answers;

    for (size_t i = 0; i < origin->answer_count; i++, answer++)
        if (answer->path_size == size && memcmp(answer->path, path, size) == 0)
            return answer;
    if (origin->answer_count == ANSWERS_MAX || size >= PATH_MAX_BYTES)
        exit(1);
    origin->answer_count++;
    memcpy(answer->path, path, size);
    answer->path_size = size;
    make_answer(answer);
    return answer;
}

static const struct answer *tell_counts(struct origin *origin)
{
    char text[128];
    int size = snprintf(text, sizeof(text), "{\"connections\": %lu, \"requests\": %lu}\n", origin->connections,
                        origin->requests);

    put_answer(&origin->counts, "application/json", text, (size_t)size);
    return &origin->counts;
}

static void end_client(struct client *client)
{
    wire_close(&client->wire);
    free(client->held);
    free(client);
}

/* False: the client is gone. */
static bool send_answer(struct client *client)
{
    const struct answer *answer = client->answer;

    while (client->sent < answer->size) {
        ssize_t sent = wire_send(&client->wire, answer->bytes + client->sent, answer->size - client->sent);

        if (sent == WIRE_AGAIN)
            return true;
        if (sent <= 0) {
            end_client(client);
            return false;
        }
        client->sent += (size_t)sent;
    }
    client->answer = NULL;
    client->sent = 0;
    if (!client->closes)
        return true;
    end_client(client);
    return false;
}

/* One request out of the bytes: the size it has, 0 when its end has not come. */
static size_t take_request(struct origin *origin, struct client *client, const char *bytes, size_t size)
{
    const char *end = memmem(bytes, size, "\r\n\r\n", 4), *path = memchr(bytes, ' ', size), *space;

    if (!end)
        return 0;
    path = path && path < end ? path + 1 : NULL;
    space = path ? memchr(path, ' ', (size_t)(end - path)) : NULL;
    if (!space)
        exit(1);
    if (space - path == 7 && memcmp(path, "/counts", 7) == 0) {
        client->answer = tell_counts(origin);
    } else {
        origin->requests++;
        client->answer = find_answer(origin, path, (size_t)(space - path));
    }
    client->closes = memmem(bytes, (size_t)(end - bytes), "onnection: close", 16) != NULL;
    return (size_t)(end + 4 - bytes);
}

static void hold(struct client *client, const char *bytes, size_t size)
{
    char *held = size ? malloc(size) : NULL;

    if (size)
        memcpy(held, bytes, size);
    free(client->held);
    client->held = held;
    client->held_size = size;
}

/* False: the client is gone. */
static bool answer_requests(struct origin *origin, struct client *client, const char *bytes, size_t size)
{
    size_t taken;

    while (size > 0 && (taken = take_request(origin, client, bytes, size)) > 0) {
        bytes += taken;
        size -= taken;
        if (!send_answer(client))
            return false;
        if (client->answer)
            break;
    }
    if (size > 0 || client->held)
        hold(client, bytes, size);
    return true;
}

static void serve(struct origin *origin, struct client *client)
{
    static char bytes[2 * REQUEST_MAX];

    client->wire.drained = false;
    if (wire_flush(&client->wire) == WIRE_FAIL) {
        end_client(client);
        return;
    }
    if (client->answer && (!send_answer(client) || client->answer))
        return;
    for (;;) {
        size_t held = client->held_size < REQUEST_MAX ? client->held_size : 0;
        ssize_t got = wire_recv(&client->wire, bytes + held, REQUEST_MAX);

        if (got == WIRE_AGAIN)
            return;
        if (got <= 0) {
            end_client(client);
            return;
        }
        if (held)
            memcpy(bytes, client->held, held);
        if (!answer_requests(origin, client, bytes, held + (size_t)got) || client->answer)
            return;
        if (got < REQUEST_MAX && !client->wire.ssl)
            return;
    }
}

static void accept_clients(struct origin *origin, const int *listener)
{
    SSL_CTX *context = listener == &origin->listeners[1] ? origin->context : NULL;
    struct wire wire;

    while (wire_accept(&wire, *listener, context)) {
        struct client *client = calloc(1, sizeof(*client));

        if (!client)
            exit(1);
        client->wire = wire;
        origin->connections++;
        wire_watch(origin->epoll, wire.fd, client);
    }
}

int main(int argc, char **argv)
{
    static struct origin origin;
    struct epoll_event events[EVENTS];

    if (argc != 2 && argc != 5) {
        fprintf(stderr, "usage: rig_origin PLAIN_PORT [TLS_PORT CERTIFICATE KEY]\n");
        return 2;
    }
    origin.epoll = wire_epoll();
    origin.context = argc == 5 ? wire_server_context(argv[3], argv[4]) : NULL;
    for (int i = 0; i < (argc == 5 ? 2 : 1); i++) {
        origin.listeners[i] = wire_listen(0, (uint16_t)wire_number(argv[1 + i]));
        wire_watch(origin.epoll, origin.listeners[i], &origin.listeners[i]);
    }
    for (;;) {
        int count = epoll_wait(origin.epoll, events, EVENTS, -1);

        for (int i = 0; i < count; i++) {
            void *owner = events[i].data.ptr;

            if (owner == &origin.listeners[0] || owner == &origin.listeners[1])
                accept_clients(&origin, owner);
            else
                serve(&origin, owner);
        }
    }
}
