/* load.c: the load of ./dev bench: GET requests over many connections, closed or open loop, commanded line by line on
 * stdin, so that connections stay open between the slices in which one peer after the other is loaded.
 *
 *   rig_load PORT PATH PATHS BODY_BYTES CONNECTIONS INFLIGHT MODE HEAD
 *     PATH   an @ in it is a number from 0 to PATHS - 1, the next for each request; BODY_BYTES 0: any size
 *     MODE   keep; close (a connection for each request); websocket (a request that is granted one, which is kept);
 *            over TLS: tls, tls-full, tls-resumed (a handshake for each)
 *     HEAD   small, or browser (a request of about 470 bytes)
 *   open                  makes all connections, with one request on each
 *   run SECONDS [RATE]    loads; with a rate requests come at their times, whether or not others have ended
 *
 * Each command is answered by a line of JSON. Latencies of an open loop count from when a request should have been
 * sent. Start with run_slice. SPDX-License-Identifier: Apache-2.0 */
#include "wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

enum { EVENTS = 512, HEAD_MAX = 8192, SAMPLES_MAX = 1 << 22, SOURCES = 40, READ_BYTES = 1 << 18 };
#define PATIENCE_NS UINT64_C(3000000000)

enum mode { MODE_KEEP, MODE_CLOSE, MODE_WEBSOCKET, MODE_TLS, MODE_TLS_FULL, MODE_TLS_RESUMED };
static const char *const mode_names[] = {"keep", "close", "websocket", "tls", "tls-full", "tls-resumed"};

static const char browser_fields[] =
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\n"
    "Referer: http://shop.example.com/account/orders\r\nCookie: session=4f3c2b1a09e8d7c6b5a49382716053; theme=dark\r\n"
    "Upgrade-Insecure-Requests: 1\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nPriority: u=0, i\r\n";

static const char handshake_fields[] = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                                       "Sec-WebSocket-Key: " WIRE_WEBSOCKET_KEY "\r\n";

struct counts {
    uint64_t requests, status, cut, wrong, timeouts, connect_failures, connects, resumed, samples;
};

struct request {
    char text[1024];
    size_t size;
};

struct client {
    struct wire wire;
    const struct request *request;
    struct client *next; /* in the list of those without a request */
    uint64_t since_ns;   /* when the request was, or should have been, sent; 0: none is under way */
    uint64_t left;       /* of the body, once the head has come */
    SSL_SESSION *session;
    char *head;
    size_t head_size;
    bool sent, in_body, chunked;
    char tail[5]; /* of a chunked body */
};

struct load {
    int epoll;
    uint16_t port;
    enum mode mode;
    SSL_CTX *context;
    size_t body_bytes, connections, inflight_max, inflight;
    struct request *requests;
    size_t request_count, request_next;
    struct client *clients, *idle_first, *idle_last;
    struct counts counts;
    uint64_t *samples_ns, opened;
    uint64_t end_ns, interval_ns, next_ns; /* of a slice; an interval is an open loop */
};

static bool is_fresh_each_time(const struct load *load)
{
    return load->mode == MODE_CLOSE || load->mode == MODE_TLS_FULL || load->mode == MODE_TLS_RESUMED;
}

static void rest(struct load *load, struct client *client)
{
    if (client->since_ns)
        load->inflight--;
    client->since_ns = 0;
    client->next = NULL;
    if (load->idle_last)
        load->idle_last->next = client;
    else
        load->idle_first = client;
    load->idle_last = client;
}

static void drop(struct client *client)
{
    wire_close(&client->wire);
    free(client->head);
    client->head = NULL;
}

static void fail(struct load *load, struct client *client, uint64_t *counter)
{
    ++*counter;
    drop(client);
    rest(load, client);
}

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct client *client = SSL_get_app_data(ssl);

    SSL_SESSION_free(client->session);
    client->session = session;
    return 1;
}

static bool connect_client(struct load *load, struct client *client)
{
    size_t number = (size_t)(client - load->clients);

    load->counts.connects++;
    if (!wire_connect(&client->wire, 1, load->port, (uint32_t)(2 + number % SOURCES), load->context))
        return false;
    if (client->wire.ssl) {
        SSL_set_app_data(client->wire.ssl, client);
        if (load->mode == MODE_TLS_RESUMED && client->session)
            SSL_set_session(client->wire.ssl, client->session);
    }
    wire_watch(load->epoll, client->wire.fd, client);
    return true;
}

/* A request is far below any send buffer: it goes whole, or the connection is not up yet. */
static void try_send(struct load *load, struct client *client)
{
    ssize_t sent = wire_send(&client->wire, client->request->text, client->request->size);

    if (sent == WIRE_AGAIN)
        return;
    client->sent = sent == (ssize_t)client->request->size;
    if (!client->sent)
        fail(load, client, &load->counts.cut);
}

static void start_request(struct load *load, struct client *client, uint64_t since_ns)
{
    load->idle_first = client->next;
    if (!load->idle_first)
        load->idle_last = NULL;
    load->inflight++;
    client->since_ns = since_ns;
    client->request = &load->requests[load->request_next++ % load->request_count];
    client->sent = client->in_body = client->chunked = false;
    client->head_size = 0;
    if (client->wire.fd == -1 && !connect_client(load, client))
        fail(load, client, &load->counts.connect_failures);
    else
        try_send(load, client);
}

static void end_request(struct load *load, struct client *client)
{
    load->counts.requests++;
    if (load->counts.samples < SAMPLES_MAX)
        load->samples_ns[load->counts.samples++] = wire_now_ns() - client->since_ns;
    if (client->wire.ssl && is_fresh_each_time(load))
        load->counts.resumed += (uint64_t)SSL_session_reused(client->wire.ssl);
    if (is_fresh_each_time(load))
        drop(client);
    rest(load, client);
}

static void take_body(struct load *load, struct client *client, const char *bytes, size_t size)
{
    if (client->chunked) {
        for (size_t i = size > 5 ? size - 5 : 0; i < size; i++) {
            memmove(client->tail, client->tail + 1, 4);
            client->tail[4] = bytes[i];
        }
        if (memcmp(client->tail, "0\r\n\r\n", 5) == 0)
            end_request(load, client);
        return;
    }
    if (size > client->left)
        fail(load, client, &load->counts.wrong);
    else if ((client->left -= size) == 0)
        end_request(load, client);
}

static void take_head(struct load *load, struct client *client, const char *bytes, size_t size)
{
    const char *end = memmem(bytes, size, "\r\n\r\n", 4);
    char text[HEAD_MAX], *field;
    size_t head_size;

    if (!end)
        return;
    head_size = (size_t)(end + 4 - bytes);
    if (head_size >= sizeof(text)) {
        fail(load, client, &load->counts.wrong);
        return;
    }
    memcpy(text, bytes, head_size);
    text[head_size] = 0;
    client->in_body = true;
    client->chunked = strcasestr(text, "\r\nTransfer-Encoding: chunked") != NULL;
    field = strcasestr(text, "\r\nContent-Length:");
    client->left = field ? strtoull(field + 17, NULL, 10) : 0;
    if (strncmp(text, load->mode == MODE_WEBSOCKET ? "HTTP/1.1 101" : "HTTP/1.1 200", 12) != 0)
        fail(load, client, &load->counts.status);
    else if (!client->chunked && load->body_bytes && client->left != load->body_bytes)
        fail(load, client, &load->counts.wrong);
    else
        take_body(load, client, bytes + head_size, size - head_size);
}

/* A head nearly always comes in one piece; only when it does not it is put together. */
static void take_bytes(struct load *load, struct client *client, const char *bytes, size_t size)
{
    if (!client->since_ns) {
        load->counts.wrong++; /* bytes that nobody asked for */
        drop(client);
    } else if (client->in_body) {
        take_body(load, client, bytes, size);
    } else if (client->head_size == 0 && memmem(bytes, size, "\r\n\r\n", 4)) {
        take_head(load, client, bytes, size);
    } else if (client->head_size + size > HEAD_MAX || (!client->head && !(client->head = malloc(HEAD_MAX)))) {
        fail(load, client, &load->counts.wrong);
    } else {
        memcpy(client->head + client->head_size, bytes, size);
        client->head_size += size;
        take_head(load, client, client->head, client->head_size);
    }
}

static void serve(struct load *load, struct client *client)
{
    static char bytes[READ_BYTES];
    ssize_t got;

    if (client->wire.fd == -1)
        return;
    client->wire.drained = false;
    if (client->since_ns && !client->sent)
        try_send(load, client);
    while (client->wire.fd != -1) {
        got = wire_recv(&client->wire, bytes, sizeof(bytes));
        if (got == WIRE_AGAIN)
            break;
        if (got > 0)
            take_bytes(load, client, bytes, (size_t)got);
        else if (client->since_ns)
            fail(load, client, &load->counts.cut);
        else
            drop(client); /* closed while idle: made anew for its next request */
        if (got > 0 && got < (ssize_t)sizeof(bytes) && !client->wire.ssl)
            break;
    }
    if (client->wire.fd != -1 && client->since_ns && !client->sent)
        try_send(load, client);
}

static void start_due(struct load *load, uint64_t now_ns)
{
    while (load->idle_first && load->inflight < load->inflight_max && now_ns < load->end_ns) {
        uint64_t since_ns = now_ns;

        if (load->interval_ns) {
            if (load->next_ns > now_ns)
                return;
            since_ns = load->next_ns;
            load->next_ns += load->interval_ns;
        }
        start_request(load, load->idle_first, since_ns);
    }
}

static void turn(struct load *load, uint64_t now_ns)
{
    struct epoll_event events[EVENTS];
    uint64_t wait_ns = UINT64_C(100000000);
    struct timespec limit;
    int count;

    if (load->end_ns > now_ns && load->end_ns - now_ns < wait_ns)
        wait_ns = load->end_ns - now_ns;
    if (load->interval_ns && load->next_ns < load->end_ns && load->idle_first)
        wait_ns = load->next_ns > now_ns ? load->next_ns - now_ns : 0;
    limit = (struct timespec){.tv_sec = (time_t)(wait_ns / 1000000000), .tv_nsec = (long)(wait_ns % 1000000000)};
    count = epoll_pwait2(load->epoll, events, EVENTS, &limit, NULL);
    for (int i = 0; i < count; i++)
        serve(load, events[i].data.ptr);
}

static int compare(const void *a, const void *b)
{
    const uint64_t *left = a, *right = b;

    return (*left > *right) - (*left < *right);
}

static double latency_us(const struct load *load, double share)
{
    uint64_t count = load->counts.samples;

    return count ? (double)load->samples_ns[(uint64_t)((double)(count - 1) * share)] / 1e3 : 0;
}

static void print_counts(struct load *load, double seconds)
{
    const struct counts *counts = &load->counts;

    qsort(load->samples_ns, counts->samples, sizeof(uint64_t), compare);
    printf("{\"seconds\": %.6f, \"requests\": %lu, \"status\": %lu, \"cut\": %lu, \"wrong\": %lu, \"timeouts\": %lu, "
           "\"connect_failures\": %lu, \"connects\": %lu, \"resumed\": %lu, \"p50_us\": %.1f, \"p99_us\": %.1f}\n",
           seconds, counts->requests, counts->status, counts->cut, counts->wrong, counts->timeouts,
           counts->connect_failures, counts->connects, counts->resumed, latency_us(load, 0.5), latency_us(load, 0.99));
    fflush(stdout);
}

/* After its time a slice goes on until the last answer, so that the next peer has the machine for itself. */
static void run_slice(struct load *load, double seconds, double rate)
{
    uint64_t start_ns = wire_now_ns(), now_ns = start_ns, ended_ns;

    load->counts = (struct counts){0};
    load->end_ns = start_ns + (uint64_t)(seconds * 1e9);
    load->interval_ns = rate > 0 ? (uint64_t)(1e9 / rate) : 0;
    load->next_ns = start_ns;
    while (now_ns < load->end_ns || (load->inflight > 0 && now_ns < load->end_ns + PATIENCE_NS)) {
        start_due(load, now_ns);
        turn(load, now_ns);
        now_ns = wire_now_ns();
    }
    ended_ns = now_ns;
    for (size_t i = 0; i < load->connections; i++)
        if (load->clients[i].since_ns)
            fail(load, &load->clients[i], &load->counts.timeouts);
    print_counts(load, (double)(ended_ns - start_ns) / 1e9);
}

/* The list of those without a request is first in, first out: each gets its turn once. */
static void open_all(struct load *load)
{
    size_t inflight_max = load->inflight_max;
    uint64_t start_ns = wire_now_ns(), now_ns = start_ns;

    load->counts = (struct counts){0};
    load->interval_ns = 0;
    load->inflight_max = inflight_max < 64 ? inflight_max : 64;
    load->end_ns = UINT64_MAX;
    for (size_t i = 0; i < load->connections; i++) {
        while ((load->inflight >= load->inflight_max || !load->idle_first) && now_ns < start_ns + 10 * PATIENCE_NS) {
            turn(load, now_ns);
            now_ns = wire_now_ns();
        }
        if (load->idle_first)
            start_request(load, load->idle_first, wire_now_ns());
    }
    while (load->inflight > 0 && now_ns < start_ns + 10 * PATIENCE_NS) {
        turn(load, now_ns);
        now_ns = wire_now_ns();
    }
    load->inflight_max = inflight_max;
    print_counts(load, (double)(now_ns - start_ns) / 1e9);
}

static enum mode mode_named(const char *name)
{
    for (size_t i = 0; i < sizeof(mode_names) / sizeof(*mode_names); i++)
        if (strcmp(mode_names[i], name) == 0)
            return (enum mode)i;
    fprintf(stderr, "no mode is called %s\n", name);
    exit(2);
}

static void make_requests(struct load *load, const char *path, const char *fields)
{
    const char *at = strchr(path, '@');
    size_t head = at ? (size_t)(at - path) : strlen(path);

    load->requests = calloc(load->request_count, sizeof(struct request));
    if (!load->requests || load->request_count == 0)
        exit(1);
    for (size_t i = 0; i < load->request_count; i++) {
        struct request *request = &load->requests[i];
        char number[24] = "";

        if (at)
            snprintf(number, sizeof(number), "%zu", i);
        request->size =
            (size_t)snprintf(request->text, sizeof(request->text), "GET %.*s%s%s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\n",
                             (int)head, path, number, at ? at + 1 : "", fields);
        if (request->size >= sizeof(request->text))
            exit(1);
    }
}

static const char *fields_of(enum mode mode, const char *head)
{
    if (mode == MODE_WEBSOCKET)
        return handshake_fields;
    return strcmp(head, "browser") == 0 ? browser_fields : "";
}

static void set_up(struct load *load, char **argv)
{
    load->epoll = wire_epoll();
    load->port = (uint16_t)wire_number(argv[1]);
    load->request_count = wire_number(argv[3]);
    load->body_bytes = wire_number(argv[4]);
    load->connections = wire_number(argv[5]);
    load->inflight_max = wire_number(argv[6]);
    load->mode = mode_named(argv[7]);
    make_requests(load, argv[2], fields_of(load->mode, argv[8]));
    load->clients = calloc(load->connections, sizeof(struct client));
    load->samples_ns = calloc(SAMPLES_MAX, sizeof(uint64_t));
    if (!load->clients || !load->samples_ns)
        exit(1);
    if (load->mode >= MODE_TLS) {
        load->context = wire_client_context();
        SSL_CTX_sess_set_new_cb(load->context, keep_session);
    }
    for (size_t i = 0; i < load->connections; i++) {
        load->clients[i].wire.fd = -1;
        rest(load, &load->clients[i]);
    }
}

int main(int argc, char **argv)
{
    static struct load load;
    char line[128];

    if (argc != 9) {
        fprintf(stderr, "usage: rig_load PORT PATH PATHS BODY_BYTES CONNECTIONS INFLIGHT MODE HEAD\n");
        return 2;
    }
    set_up(&load, argv);
    while (fgets(line, sizeof(line), stdin)) {
        double seconds, rate = 0;

        if (sscanf(line, "run %lf %lf", &seconds, &rate) >= 1)
            run_slice(&load, seconds, rate);
        else
            open_all(&load);
    }
    return 0;
}
