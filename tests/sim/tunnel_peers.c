/* tunnel_peers.c: see the header. Masks of clients are zero, so that payloads are the same on both sides of the
 * gateway; its own frames (Ping, Close) have masks that mask. Start with run_end. SPDX-License-Identifier: Apache-2.0
 */
#include "tunnel_peers.h"

#include "base/assert.h"
#include "net/dial.h"
#include "net/listener.h"
#include "scenario.h"

#include <stdio.h>
#include <stdlib.h>

#define KEY    "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

enum { OUT_BYTES = 24000, HEAD_BYTES = 4096, CONTROL_BYTES = 125 };
enum { BINARY = 2, CLOSE = 8, PING = 9, PONG = 10, FIN = 0x80, MASKED = 0x80 };

/* One end: a client, or its counterpart at the host. */
struct end {
    struct tunnel_peers *peers;
    struct end *other;
    struct loop *loop;
    struct task task;
    struct timer pause;
    struct dial *dial;
    struct stream *stream;
    bool is_client, open, close_sent, close_seen, shut, over, pinged;
    unsigned messages;         /* still to be sent */
    unsigned code;             /* of the Close that came */
    uint64_t sent, received;   /* payload bytes of data */
    uint64_t left;             /* of the frame that comes */
    uint8_t head[14], mask[4]; /* of that frame */
    size_t head_len;
    uint8_t control[CONTROL_BYTES];
    size_t control_len;
    uint8_t out[OUT_BYTES];
    size_t out_at, out_len;
    char text[HEAD_BYTES]; /* the HTTP head that comes */
    size_t text_len;
};

struct tunnel_peers {
    struct sim *sim;
    struct loop *client_loop, *host_loop;
    struct resolver *resolver;
    struct listener *listener;
    struct task task;
    uint16_t port;
    bool may_fail;
    unsigned count;
    struct end clients[TUNNELS_MAX], hosts[TUNNELS_MAX];
    struct stranger {
        struct stream *stream; /* NULL: free */
        char text[HEAD_BYTES];
        size_t len;
    } strangers[TUNNELS_MAX]; /* at the host: whose is not known yet */
};

static uint8_t byte_at(const struct end *sender, uint64_t place)
{
    uint64_t key = (uint64_t)(sender - (sender->is_client ? sender->peers->clients : sender->peers->hosts));

    return (uint8_t)(((place + 1) * 0x9e3779b97f4a7c15u + key * 77 + sender->is_client) >> 32);
}

static void end_it(struct end *end, const char *failure)
{
    struct sim *sim = end->peers->sim;

    if (failure && !end->peers->may_fail)
        sim_fail(sim, "%s of tunnel %d: %s", end->is_client ? "client" : "host",
                 (int)(end - (end->is_client ? end->peers->clients : end->peers->hosts)), failure);
    dial_free(end->dial);
    end->dial = NULL;
    stream_close(end->stream, false);
    end->stream = NULL;
    timer_clear(end->loop, &end->pause);
    end->over = true;
}

/* Out. */

static void put(struct end *end, const void *bytes, size_t len)
{
    ASSERT(len <= OUT_BYTES - end->out_len);
    memcpy(end->out + end->out_len, bytes, len);
    end->out_len += len;
}

static void put_head(struct end *end, unsigned first, size_t len)
{
    uint8_t head[8] = {(uint8_t)first, (uint8_t)(end->is_client ? MASKED : 0)};
    size_t size = 2;

    if (len < 126) {
        head[1] |= (uint8_t)len;
    } else {
        head[1] |= 126;
        head[size++] = (uint8_t)(len >> 8);
        head[size++] = (uint8_t)len;
    }
    if (end->is_client)
        size += 4;
    put(end, head, size);
}

static void put_control(struct end *end, unsigned opcode, const void *payload, size_t len)
{
    if (OUT_BYTES - end->out_len < len + 16 || end->close_sent)
        return; /* a Pong too few harms nobody but the heartbeat */
    put_head(end, FIN | opcode, len);
    put(end, payload, len);
}

static void put_data(struct end *end, unsigned first, size_t len)
{
    put_head(end, first, len);
    for (size_t i = 0; i < len; i++)
        end->out[end->out_len++] = byte_at(end, end->sent++);
}

/* One message, whole or in two fragments with a Ping between. */
static void put_message(struct end *end)
{
    struct sim *sim = end->peers->sim;
    size_t len = (size_t)sim_between(sim, 0, sim_percent(sim, 70) ? 200 : 9000);

    end->messages--;
    if (sim_percent(sim, 60)) {
        put_data(end, FIN | BINARY, len);
        return;
    }
    put_data(end, BINARY, len);
    if (!end->pinged)
        put_control(end, PING, "mine", 4);
    end->pinged = true;
    put_data(end, FIN, (size_t)sim_between(sim, 0, 9000));
}

static void say_close(struct end *end, unsigned code)
{
    uint8_t payload[2] = {(uint8_t)(code >> 8), (uint8_t)code};

    put_control(end, CLOSE, payload, 2);
    end->close_sent = true;
}

/* What there is to say next, once all before has left. */
static void speak(struct end *end)
{
    struct sim *sim = end->peers->sim;

    if (!end->open || end->close_sent || end->out_len > 0 || end->pause.at_ns != TIMER_OFF)
        return;
    if (end->messages > 0 && sim_percent(sim, 30))
        timer_set(end->loop, &end->pause, loop_now_ns(end->loop) + sim_between(sim, 0, 200 * SIM_MS));
    else if (end->messages > 0)
        put_message(end);
    else if (end->is_client && end->received == end->other->sent && end->other->messages == 0 && end->other->open)
        say_close(end, 1000);
}

static enum io write_out(struct end *end)
{
    while (end->out_at < end->out_len) {
        struct iovec part = {end->out + end->out_at, end->out_len - end->out_at};
        size_t sent;
        enum io io = stream_writev(end->stream, &part, 1, &sent, NULL);

        if (io != IO_OK)
            return io;
        end->out_at += sent;
    }
    end->out_at = end->out_len = 0;
    if (end->close_sent && end->close_seen && !end->is_client && !end->shut) {
        end->shut = true;
        stream_shutdown_write(end->stream);
    }
    return IO_OK;
}

/* In. */

static void take_control(struct end *end)
{
    unsigned opcode = end->head[0] & 15;

    for (size_t i = 0; i < end->control_len; i++)
        end->control[i] ^= end->mask[i % 4];
    if (opcode == PING) {
        put_control(end, PONG, end->control, end->control_len);
    } else if (opcode == PONG) {
        if (!end->pinged || end->control_len != 4 || memcmp(end->control, "mine", 4) != 0)
            sim_fail(end->peers->sim, "a Pong to a Ping of somebody else");
    } else if (opcode == CLOSE && end->control_len >= 2) {
        end->close_seen = true;
        end->code = (unsigned)end->control[0] << 8 | end->control[1];
        if (!end->close_sent)
            say_close(end, end->code);
    } else {
        sim_fail(end->peers->sim, "a frame of opcode %u", opcode);
    }
}

static bool is_control(const struct end *end)
{
    return end->head[0] & 8;
}

static void begin_frame(struct end *end, size_t size)
{
    bool is_masked = end->head[1] & MASKED;

    if (is_masked == end->is_client)
        sim_fail(end->peers->sim, "a frame with the mask of the other role");
    if (end->close_seen)
        sim_fail(end->peers->sim, "a frame behind a Close");
    memset(end->mask, 0, sizeof(end->mask));
    if (is_masked)
        memcpy(end->mask, end->head + size - 4, 4);
    end->control_len = 0;
}

/* The size of the frame's header, as far as it is known. */
static size_t header_size(const struct end *end)
{
    size_t size = 2;

    if (end->head_len < 2)
        return size;
    if ((end->head[1] & 127) == 126)
        size += 2;
    return size + (end->head[1] & MASKED ? 4 : 0);
}

static uint64_t payload_size(const struct end *end)
{
    unsigned len = end->head[1] & 127;

    ASSERT(len < 127);
    return len < 126 ? len : (uint64_t)end->head[2] << 8 | end->head[3];
}

static void end_frame(struct end *end)
{
    end->head_len = 0;
    if (is_control(end))
        take_control(end);
}

static void take_byte(struct end *end, uint8_t byte)
{
    if (end->left > 0) {
        if (is_control(end))
            end->control[end->control_len++] = byte;
        else if ((byte ^ end->mask[0]) != byte_at(end->other, end->received++))
            sim_fail(end->peers->sim, "byte %llu of a tunnel is wrong", (unsigned long long)end->received);
        if (--end->left == 0)
            end_frame(end);
        return;
    }
    end->head[end->head_len++] = byte;
    if (end->head_len < header_size(end))
        return;
    begin_frame(end, end->head_len);
    end->left = payload_size(end);
    if (end->left == 0)
        end_frame(end);
}

/* The HTTP head in front of the frames. False: it is not whole. */
static bool take_head_byte(struct end *end, uint8_t byte)
{
    ASSERT(end->text_len < HEAD_BYTES - 1);
    end->text[end->text_len++] = (char)byte;
    return end->text_len >= 4 && memcmp(end->text + end->text_len - 4, "\r\n\r\n", 4) == 0;
}

static bool take(struct end *end, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (end->open) {
            take_byte(end, bytes[i]);
            continue;
        }
        if (!take_head_byte(end, bytes[i]))
            continue;
        if (!strstr(end->text, "HTTP/1.1 101 ")) {
            end_it(end, "the handshake was refused");
            return false;
        }
        end->open = true;
    }
    return true;
}

static enum io read_in(struct end *end)
{
    uint8_t bytes[4096];
    struct iovec part = {bytes, (size_t)sim_between(end->peers->sim, 1, sizeof(bytes))};
    size_t got;
    enum io io = stream_readv(end->stream, &part, 1, &got, NULL);

    if (io == IO_OK)
        return take(end, bytes, got) ? IO_OK : IO_WAIT;
    return io;
}

static void connected(struct end *end)
{
    int number = (int)(end - end->peers->clients);

    stream_set_owner(end->stream, &end->task, false);
    end->out_len =
        (size_t)snprintf((char *)end->out, OUT_BYTES,
                         "GET /ws/%d HTTP/1.1\r\nHost: gateway\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY "\r\n\r\n",
                         number);
}

static void take_dial(struct end *end)
{
    struct error err;
    enum io io = dial_result(end->dial, &end->stream, &err);

    if (io == IO_WAIT)
        return;
    dial_free(end->dial);
    end->dial = NULL;
    if (io == IO_OK)
        connected(end);
    else
        end_it(end, err.text);
}

static void talk(struct end *end)
{
    enum io out, in = IO_OK;

    while (in == IO_OK && !end->over)
        in = read_in(end);
    if (end->over)
        return;
    do {
        speak(end);
        out = end->out_len > 0 || end->close_seen ? write_out(end) : IO_WAIT;
    } while (out == IO_OK && !(end->close_sent && end->out_len == 0));
    if (in == IO_END)
        end_it(end, end->close_seen && end->close_sent ? NULL : "the end came without a Close");
    else if (in == IO_FAIL || out == IO_FAIL)
        end_it(end, end->close_seen ? NULL : "the connection failed");
}

static void run_end(struct task *task)
{
    struct end *end = container_of(task, struct end, task);
    bool was_open = end->open;

    if (end->over)
        return;
    if (end->pause.fired)
        timer_clear(end->loop, &end->pause);
    if (end->dial)
        take_dial(end);
    if (end->stream)
        talk(end);
    if (!was_open || !end->is_client)
        task_wake(end->other->loop, &end->other->task); /* it may have waited for us to have said all */
}

/* The host. */

static void greet(struct stream *stream, struct end *end)
{
    static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                                 "Sec-WebSocket-Accept: " ACCEPT "\r\n\r\n";

    end->stream = stream;
    end->open = true;
    put(end, answer, sizeof(answer) - 1);
    stream_set_owner(stream, &end->task, false);
    task_wake(end->loop, &end->task);
}

/* Whose tunnel it is, by its path. False: the head is not whole. */
static bool recognize(struct tunnel_peers *peers, struct stranger *stranger)
{
    static const char start[] = "GET /ws/";
    enum io io = IO_OK;

    while (io == IO_OK) {
        struct iovec part = {stranger->text + stranger->len, 1};
        size_t got;

        ASSERT(stranger->len < HEAD_BYTES - 1);
        io = stream_readv(stranger->stream, &part, 1, &got, NULL);
        stranger->len += io == IO_OK ? got : 0;
        if (stranger->len >= 4 && memcmp(stranger->text + stranger->len - 4, "\r\n\r\n", 4) == 0) {
            unsigned number = (unsigned)atoi(stranger->text + sizeof(start) - 1);

            ASSERT(number < peers->count);
            greet(stranger->stream, &peers->hosts[number]);
            return true;
        }
    }
    if (io != IO_WAIT)
        stream_close(stranger->stream, true);
    return io != IO_WAIT;
}

static void run_host(struct task *task)
{
    struct tunnel_peers *peers = container_of(task, struct tunnel_peers, task);
    struct stream *stream;

    for (unsigned i = 0; i < TUNNELS_MAX; i++) {
        struct stranger *stranger = &peers->strangers[i];

        if (!stranger->stream && listener_accept(peers->listener, &stream, NULL) == IO_OK) {
            *stranger = (struct stranger){.stream = stream};
            stream_set_owner(stream, task, false);
        }
        if (stranger->stream && recognize(peers, stranger))
            stranger->stream = NULL;
    }
}

static void prepare(struct tunnel_peers *peers, struct end *end, struct end *other, bool is_client)
{
    struct sim *sim = peers->sim;

    *end = (struct end){.peers = peers, .other = other, .is_client = is_client};
    end->loop = is_client ? peers->client_loop : peers->host_loop;
    end->task.run = run_end;
    end->pause = (struct timer){.at_ns = TIMER_OFF, .task = &end->task};
    end->messages = (unsigned)sim_between(sim, 0, 20);
}

static void dial(struct tunnel_peers *peers, struct end *end)
{
    struct dial_options options = {.name = STR("gateway"), .port = peers->port, .timeout_ns = 20 * SIM_SECOND};

    end->dial = dial_start(peers->client_loop, peers->resolver, &options, &end->task);
    ASSERT(end->dial);
}

struct tunnel_peers *tunnel_peers_new(struct sim *sim, uint16_t port, unsigned count, bool may_fail)
{
    struct tunnel_peers *peers = calloc(1, sizeof(*peers));
    struct addr any = {.family = ADDR_IPV6, .port = 80};
    struct listen_options options = {.backlog = 64};
    struct error err;

    ASSERT(peers && count <= TUNNELS_MAX);
    peers->sim = sim;
    peers->port = port;
    peers->count = count;
    peers->may_fail = may_fail;
    peers->client_loop = sim_loop_new(sim, "client");
    peers->host_loop = sim_loop_new(sim, "origin");
    peers->resolver = resolver_cache_new(sim_resolver_new(sim, peers->client_loop));
    peers->task.run = run_host;
    peers->listener = listener_new(peers->host_loop, &any, &options, &peers->task, &err);
    if (!peers->listener)
        sim_fail(sim, "listen: %s", err.text);
    for (unsigned i = 0; i < count; i++) {
        prepare(peers, &peers->clients[i], &peers->hosts[i], true);
        prepare(peers, &peers->hosts[i], &peers->clients[i], false);
        dial(peers, &peers->clients[i]);
    }
    return peers;
}

bool tunnel_peers_are_done(void *arg)
{
    const struct tunnel_peers *peers = arg;

    for (unsigned i = 0; i < peers->count; i++)
        if (!peers->clients[i].over || peers->hosts[i].stream)
            return false;
    return true;
}

unsigned tunnel_peers_whole(const struct tunnel_peers *peers)
{
    unsigned whole = 0;

    for (unsigned i = 0; i < peers->count; i++)
        whole += peers->clients[i].received == peers->hosts[i].sent && peers->clients[i].code == 1000 &&
                 peers->hosts[i].received == peers->clients[i].sent && peers->hosts[i].code == 1000;
    return whole;
}

unsigned tunnel_peers_sent_away(const struct tunnel_peers *peers)
{
    unsigned away = 0;

    for (unsigned i = 0; i < peers->count; i++)
        away += peers->clients[i].code == 1001;
    return away;
}

static void forget(struct end *end)
{
    if (!end->over)
        end_it(end, NULL);
    task_forget(end->loop, &end->task);
}

void tunnel_peers_free(struct tunnel_peers *peers)
{
    for (unsigned i = 0; i < peers->count; i++) {
        forget(&peers->clients[i]);
        forget(&peers->hosts[i]);
    }
    for (unsigned i = 0; i < TUNNELS_MAX; i++)
        stream_close(peers->strangers[i].stream, true);
    listener_free(peers->listener);
    task_forget(peers->host_loop, &peers->task);
    resolver_free(peers->resolver);
    sim_loop_free(peers->sim, peers->client_loop);
    sim_loop_free(peers->sim, peers->host_loop);
    free(peers);
}
