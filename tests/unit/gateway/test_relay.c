/* test_relay.c: large bodies of two answers at once, by pipes: whose piece goes next. The origin is a socket of the
 * test. SPDX-License-Identifier: Apache-2.0 */
#include "front_stage.h"
#include "gateway_test.h"
#include "os/pipe.h"

enum { ANSWERS = 2, PIECES = 4, BODY_BYTES = PIECES * PIPE_BYTES_PACED, ROOM_BYTES = 1 << 20, DRAINS_MAX = 64 };

/* Whose pieces went, in order. */
static struct {
    const struct stream_ops *real;
    const struct stream *drained[DRAINS_MAX];
    size_t drains;
} seen;

static bool yes(struct stream *stream)
{
    (void)stream;
    return true;
}

static bool no(struct stream *stream)
{
    return !yes(stream);
}

static enum io note_drain(struct stream *stream, struct pipe *pipe, size_t *sent, struct error *err)
{
    CHECK(seen.drains < DRAINS_MAX);
    seen.drained[seen.drains++] = stream;
    return seen.real->drain(stream, pipe, sent, err);
}

struct relaying {
    struct front_stage stage;
    struct stream_ops ops; /* of clients' streams at the gateway */
    struct world *origin;
    int listener, fds[ANSWERS]; /* of the origin */
    struct caller callers[ANSWERS];
};

static void origin_say(const struct relaying *relaying, int fd, struct str text)
{
    struct iovec part = test_part(text);
    struct error err;
    size_t sent;

    CHECK_EQ(relaying->origin->ops->writev(relaying->origin, fd, &part, 1, &sent, &err), IO_OK);
    CHECK_EQ(sent, text.len);
}

/* Connection i of the origin, with the request read and the head of the answer said. */
static void answer(struct relaying *relaying, size_t i)
{
    const struct world_ops *ops = relaying->origin->ops;
    char request[1024];
    struct iovec part = {request, sizeof(request)};
    struct addr peer;
    struct error err;
    size_t got;

    CHECK_EQ(ops->accept(relaying->origin, relaying->listener, &relaying->fds[i], &peer, &err), IO_OK);
    CHECK_EQ(ops->readv(relaying->origin, relaying->fds[i], &part, 1, &got, &err), IO_OK);
    origin_say(relaying, relaying->fds[i],
               arena_format(test_arena(), "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: %d\r\n\r\n",
                            (int)BODY_BYTES));
}

static void look_at_streams(struct relaying *relaying, bool (*is_paced)(struct stream *))
{
    const struct list *clients = &relaying->stage.frontend->clients;
    unsigned count = 0;

    for (struct list_node *node = list_first(clients); node; node = list_next(clients, node)) {
        struct stream *stream = container_of(node, struct client, node)->conn->stream;

        seen.real = stream->ops;
        relaying->ops = *stream->ops;
        relaying->ops.is_paced = is_paced;
        relaying->ops.drain = note_drain;
        stream->ops = &relaying->ops;
        count++;
    }
    CHECK_EQ(count, ANSWERS);
    seen.drains = 0;
}

/* Each client has the head of its answer, and of no body a byte is there. */
static void relaying_open(struct relaying *relaying, bool (*is_paced)(struct stream *))
{
    struct addr any = {.family = ADDR_IPV6, .port = 80}, addr;
    struct error err;

    front_open(&relaying->stage,
               &(struct front_settings){.endpoints = "{\"endpoint\": \"/big\", \"output_encoding\": \"no-op\","
                                                     "\"backend\": [{\"host\": [\"http://origin\"],"
                                                     "\"url_pattern\": \"/big\", \"encoding\": \"no-op\"}]}"});
    sim_buffers(relaying->stage.sim, ROOM_BYTES, ROOM_BYTES);
    relaying->origin = sim_host(relaying->stage.sim, "origin");
    relaying->listener =
        relaying->origin->ops->listen(relaying->origin, &any, &(struct listen_options){.backlog = 8}, &err);
    CHECK(relaying->listener != -1);
    addr = front_listen(&relaying->stage, 80);
    for (size_t i = 0; i < ANSWERS; i++) {
        caller_open(&relaying->callers[i], &relaying->stage, addr);
        caller_say(&relaying->callers[i], "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
        front_run(&relaying->stage, 20 * SIM_MS);
        answer(relaying, i);
        front_run(&relaying->stage, 20 * SIM_MS);
        CHECK(caller_has_heard(&relaying->callers[i], "\r\n\r\n"));
    }
    look_at_streams(relaying, is_paced);
}

static void relaying_close(struct relaying *relaying)
{
    for (size_t i = 0; i < ANSWERS; i++) {
        caller_close(&relaying->callers[i]);
        relaying->origin->ops->close(relaying->origin, relaying->fds[i]);
    }
    relaying->origin->ops->close(relaying->origin, relaying->listener);
    front_close(&relaying->stage);
}

/* All of both bodies is there at once, and then the gateway may begin. */
static void let_bodies_come(struct relaying *relaying)
{
    static char body[BODY_BYTES];

    for (size_t i = 0; i < ANSWERS; i++) {
        memset(body, 'a' + (int)i, sizeof(body));
        origin_say(relaying, relaying->fds[i], str_of(body, sizeof(body)));
    }
    sim_pass(relaying->stage.sim, 10 * SIM_MS);
    front_run(&relaying->stage, 20 * SIM_MS);
}

static void check_body(struct relaying *relaying, size_t i)
{
    static char body[BODY_BYTES + 1];
    struct iovec part = {body, sizeof(body)};
    struct error err;
    size_t len = 0, got;

    while (stream_readv(relaying->callers[i].stream, &part, 1, &got, &err) == IO_OK) {
        len += got;
        part = (struct iovec){body + len, sizeof(body) - len};
    }
    CHECK_EQ(len, BODY_BYTES);
    for (size_t at = 0; at < len; at++)
        CHECK_EQ(body[at], 'a' + (int)i);
}

/* How often it was another client's turn than before. */
static size_t turns(void)
{
    size_t count = 0;

    for (size_t i = 1; i < seen.drains; i++)
        count += seen.drained[i] != seen.drained[i - 1];
    return count;
}

/* What comes too early behind another burst to the same client would wait for a timer of the kernel. */
TEST(answers_to_paced_clients_go_piece_by_piece_in_turns)
{
    struct relaying relaying;

    relaying_open(&relaying, yes);
    let_bodies_come(&relaying);
    CHECK_EQ(seen.drains, ANSWERS * PIECES);
    CHECK_EQ(turns(), ANSWERS * PIECES - 1);
    for (size_t i = 0; i < ANSWERS; i++)
        check_body(&relaying, i);
    relaying_close(&relaying);
}

TEST(answers_to_other_clients_go_at_one_go)
{
    struct relaying relaying;

    relaying_open(&relaying, no);
    let_bodies_come(&relaying);
    CHECK(seen.drains >= ANSWERS);
    CHECK_EQ(turns(), ANSWERS - 1);
    for (size_t i = 0; i < ANSWERS; i++)
        check_body(&relaying, i);
    relaying_close(&relaying);
}
