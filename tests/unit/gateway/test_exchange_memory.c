/* test_exchange_memory.c: whole exchanges in which each allocation fails in turn: the client gets its answer, an error
 * or the end of its connection, never silence nor half an answer that looks whole, and nothing is left over.
 *
 * The peers are plain sockets that allocate nothing, so that what fails is always the gateway's.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gateway/frontend.h"
#include "harness/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

enum { HEARD_MAX = 65536, SAID_MAX = 32768, LETTERS = 3000, TURNS_MAX = 400 };
#define TURN_NS UINT64_C(2000000)

struct peer {
    int fd; /* -1: closed */
    char heard[HEARD_MAX];
    size_t len;
};

struct memory_stage {
    struct world *world;
    struct loop *loop;
    struct hosts *hosts;
    struct generation *generation;
    struct pool *pool;
    struct frontend *frontend;
    struct addr addr;
    int listener; /* the origin's */
    struct peer origin, client;
    char request[SAID_MAX], answer[SAID_MAX];
    size_t answer_len; /* 0: up to its end as a text */
};

static const char config[] =
    "{\"version\": 3, \"timeout\": \"700ms\", \"echo_endpoint\": true, \"host\": [\"http://127.0.0.1:%u\"],"
    "\"extra_config\": {\"router\": {\"return_error_msg\": true}},"
    "\"endpoints\": ["
    "{\"endpoint\": \"/noop/{x}\", \"method\": \"POST\", \"output_encoding\": \"no-op\", \"input_headers\": [\"*\"],"
    " \"backend\": [{\"url_pattern\": \"/{x}\", \"encoding\": \"no-op\"}]},"
    "{\"endpoint\": \"/json/{x}\", \"input_query_strings\": [\"*\"], \"backend\": [{\"url_pattern\": \"/{x}\"}]},"
    "{\"endpoint\": \"/two/{x}\", \"method\": \"POST\", \"extra_config\": {\"proxy\": {\"sequential\": true, "
    "\"static\": "
    "{\"strategy\": \"complete\", \"data\": {\"s\": 1}}, \"flatmap_filter\": [{\"type\": \"move\", \"args\": [\"g.b\", "
    "\"z\"]}]}},"
    " \"backend\": [{\"url_pattern\": \"/{x}\", \"allow\": [\"b\"]}, {\"url_pattern\": \"/{resp0_b}\", \"group\": "
    "\"g\", \"deny\": "
    "[\"x\"]}]}]}";

static void set_nonblocking_listener(struct memory_stage *stage, uint16_t *port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(name);

    stage->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK(stage->listener != -1);
    CHECK_INT(bind(stage->listener, (struct sockaddr *)&name, sizeof(name)), 0);
    CHECK_INT(listen(stage->listener, 8), 0);
    CHECK_INT(getsockname(stage->listener, (struct sockaddr *)&name, &size), 0);
    *port = ntohs(name.sin_port);
}

static void build_generation(struct memory_stage *stage, uint16_t port)
{
    struct arena *arena = arena_new(NULL, SIZE_MAX);
    struct service_sources sources = {.path = "test.json"};
    struct service *service;
    struct report report;

    CHECK(arena != NULL);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    sources.text = arena_format(arena, config, (unsigned)port).data;
#pragma GCC diagnostic pop
    report_init(&report, arena);
    service = service_load(arena, &sources, &report);
    stage->generation = service ? generation_build(arena, service, stage->hosts, &report) : NULL;
    if (!stage->generation)
        test_fail(__FILE__, __LINE__, "%s", report_text(&report, test_arena(), false).data);
}

static void connect_client(struct memory_stage *stage)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    name.sin_port = htons(stage->addr.port);
    stage->client.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK(stage->client.fd != -1);
    (void)!connect(stage->client.fd, (struct sockaddr *)&name, sizeof(name)); /* loopback: under way at once */
}

static void stage_open(struct memory_stage *stage)
{
    struct listen_options listen = {.backlog = 8};
    struct error err;
    uint16_t port;

    memset(stage, 0, sizeof(*stage));
    stage->origin.fd = stage->client.fd = -1;
    set_nonblocking_listener(stage, &port);
    stage->world = linux_world_new(&err);
    CHECK(stage->world != NULL);
    stage->loop = loop_new(stage->world);
    stage->hosts = hosts_new(1);
    CHECK(stage->loop && stage->hosts);
    build_generation(stage, port);
    stage->pool = pool_new(stage->loop, NULL, stage->hosts, 0);
    CHECK(stage->pool != NULL);
    stage->frontend = frontend_new(&(struct frontend_options){
        .loop = stage->loop, .pool = stage->pool, .generation = stage->generation, .workers = 1});
    CHECK(stage->frontend != NULL);
    CHECK(addr_parse(STR("127.0.0.1:0"), &stage->addr, &err));
    CHECK(frontend_listen(stage->frontend, &stage->addr, &listen, NULL, &err));
    connect_client(stage);
}

static void peer_close(struct peer *peer)
{
    if (peer->fd != -1)
        close(peer->fd);
    peer->fd = -1;
}

/* Takes what there is; closes at the end. */
static void hear(struct peer *peer)
{
    ssize_t got = 1;

    while (peer->fd != -1 && got > 0 && peer->len < HEARD_MAX) {
        got = recv(peer->fd, peer->heard + peer->len, HEARD_MAX - peer->len, 0);
        if (got > 0)
            peer->len += (size_t)got;
    }
    if (got == 0 || (got == -1 && errno != EAGAIN))
        peer_close(peer);
}

static struct str heard_by(const struct peer *peer)
{
    return str_of(peer->heard, peer->len);
}

static bool has_heard(const struct peer *peer, const char *text)
{
    return str_find(heard_by(peer), str_from(text)) < peer->len;
}

static bool request_is_complete(const struct peer *origin)
{
    bool chunked = has_heard(origin, "chunked\r\n");

    return has_heard(origin, "\r\n\r\n") &&
           (!chunked || (has_heard(origin, "\r\n0\r\n") && str_ends(heard_by(origin), STR("\r\n\r\n"))));
}

static void serve(struct memory_stage *stage)
{
    if (stage->origin.fd == -1) {
        stage->origin.fd = accept4(stage->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        stage->origin.len = 0;
    }
    hear(&stage->origin);
    if (stage->origin.fd == -1 || !request_is_complete(&stage->origin))
        return;
    CHECK(send(stage->origin.fd, stage->answer, stage->answer_len ? stage->answer_len : strlen(stage->answer),
               MSG_NOSIGNAL) > 0);
    stage->origin.len = 0;
}

static void turn(struct memory_stage *stage)
{
    loop_turn(stage->loop, stage->world->ops->now_ns(stage->world) + TURN_NS);
    serve(stage);
    hear(&stage->client);
}

static void stage_close(struct memory_stage *stage)
{
    struct host_totals totals;

    frontend_free(stage->frontend);
    pool_free(stage->pool);
    for (uint32_t i = 0; i < hosts_count(stage->hosts); i++) {
        host_totals(hosts_at(stage->hosts, i), &totals);
        CHECK_EQ(totals.connections_opened, totals.connections_closed);
        CHECK_EQ(totals.idle + totals.active + totals.dialing, 0);
    }
    CHECK_EQ(slab_out(loop_pages(stage->loop)), 0);
    CHECK_EQ(block_pool_out(loop_blocks(stage->loop)), 0);
    loop_free(stage->loop);
    linux_world_free(stage->world);
    generation_release(stage->generation);
    hosts_free(stage->hosts);
    peer_close(&stage->origin);
    peer_close(&stage->client);
    close(stage->listener);
}

/* Each @ stands for 3000 letters: more than a page of an arena has left. */
static const struct {
    const char *name, *request, *answer;
    const char *whole[2]; /* what a 200 holds, and how it ends */
} cases[] = {
    {"no-op with a length",
     "POST /noop/a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
     "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nworld",
     {"Content-Length: 5\r\n", "\r\n\r\nworld"}},
    {"no-op in chunks",
     "POST /noop/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nworld\r\n0\r\nX-T: 1\r\n\r\n",
     {"5\r\nworld\r\n", "\r\n0\r\n\r\n"}},
    {"no-op in chunks with trailers",
     "POST /noop/a HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: "
     "@\r\n\r\n",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nworld\r\n0\r\nX-T: @1\r\n\r\n",
     {"5\r\nworld\r\n", "x1\r\n\r\n"}},
    {"no-op for HTTP/1.0",
     "POST /noop/a HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nworld\r\n0\r\n\r\n",
     {"Connection: close\r\n", "\r\n\r\nworld"}},
    {"decoded",
     "GET /json/a?q=1 HTTP/1.1\r\nHost: a\r\n\r\n",
     "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"b\": [1]}\n",
     {"X-Krakend-Completed: true\r\n", "{\"b\":[1]}"}},
    {"two backends, one after the other",
     "POST /two/a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
     "HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{\"b\":[1],\"x\":2}",
     {"X-Krakend-Completed: true\r\n", "{\"b\":[1],\"g\":null,\"s\":1,\"z\":[1]}"}},
    {"echo",
     "POST /__echo/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
     "",
     {"\"req_body\":\"hello\"", "[\"5\"]}}"}},
    {"no-op with large heads and bodies",
     "POST /noop/a HTTP/1.1\r\nHost: a\r\nX-A: @\r\nX-B: @\r\nContent-Length: 9000\r\n\r\n@@@",
     "HTTP/1.1 200 OK\r\nX-A: @\r\nX-B: @\r\nContent-Length: 9001\r\n\r\n@@@.",
     {"Content-Type: text/plain; charset=utf-8\r\n", "xxx."}},
    {"decoded, large",
     "GET /json/a?q=@ HTTP/1.1\r\nHost: a\r\nX-A: @\r\n\r\n",
     "HTTP/1.1 200 OK\r\nX-A: @\r\nTransfer-Encoding: chunked\r\n\r\n1781\r\n{\"z\":\"@\",\"b\":[\"@\"]}\r\n0\r\n\r\n",
     {"X-Krakend-Completed: true\r\n", "xxx\"}"}},
    {"echo, large",
     "POST /__echo/x HTTP/1.1\r\nHost: a\r\nX-A: @\r\nContent-Length: 6000\r\n\r\n@@",
     "",
     {"xxx\",\"req_headers\"", "}}"}},
    {"no such route", "GET /none HTTP/1.1\r\nHost: a\r\n\r\n", "", {"", ""}},
};

static void expand(const char *text, char out[SAID_MAX])
{
    size_t len = 0;

    for (; *text; text++) {
        size_t count = *text == '@' ? LETTERS : 1;

        CHECK(len + count < SAID_MAX);
        memset(out + len, *text == '@' ? 'x' : *text, count);
        len += count;
    }
    out[len] = '\0';
}

/* The first status, 0: none came. */
static unsigned status_of(const struct peer *client)
{
    unsigned status = 0;

    if (client->len >= 12 && str_starts(heard_by(client), STR("HTTP/1.1 ")))
        for (size_t i = 9; i < 12; i++)
            status = status * 10 + (unsigned)(client->heard[i] - '0');
    return status;
}

/* Of several backends one may be given up for want of memory: the answer says so. */
static bool is_honest_part(const struct memory_stage *stage, size_t i)
{
    return str_starts(str_from(cases[i].name), STR("two backends")) &&
           has_heard(&stage->client, "X-Krakend-Completed: false\r\n") && str_ends(heard_by(&stage->client), STR("}"));
}

static bool is_whole(const struct memory_stage *stage, size_t i)
{
    if (is_honest_part(stage, i))
        return true;
    return has_heard(&stage->client, cases[i].whole[0]) &&
           str_ends(heard_by(&stage->client), str_from(cases[i].whole[1]));
}

/* Until there is an answer, or the connection is over. */
static void play(struct memory_stage *stage, size_t i)
{
    bool said = false;

    for (int turns = 0; stage->client.fd != -1 && !(status_of(&stage->client) == 200 && is_whole(stage, i)) &&
                        status_of(&stage->client) < 400;
         turns++) {
        if (turns == TURNS_MAX)
            test_fail(__FILE__, __LINE__, "silence behind \"%.*s\"", (int)stage->client.len, stage->client.heard);
        if (!said)
            said = send(stage->client.fd, stage->request, strlen(stage->request), MSG_NOSIGNAL) > 0;
        turn(stage);
    }
}

/* An HTTP/1.0 answer ends with the connection, so that only a reset tells that it is not whole. */
static bool was_cut(const struct memory_stage *stage)
{
    return stage->client.fd == -1;
}

static bool check_failing(size_t i, uint64_t n)
{
    static struct memory_stage stage; /* too large for a stack */
    bool failed;

    stage_open(&stage);
    expand(cases[i].request, stage.request);
    expand(cases[i].answer, stage.answer);
    turn(&stage); /* the connection is accepted, or its accepting is what fails */
    test_fail_allocation(n);
    play(&stage, i);
    failed = test_allocations() >= n;
    test_fail_allocation(0);
    if (!failed && cases[i].answer[0])
        CHECK_EQ(status_of(&stage.client), 200);
    /* 404 is what the last case is about. */
    if (status_of(&stage.client) >= 400)
        CHECK_EQ(status_of(&stage.client), cases[i].whole[1][0] ? 500 : 404);
    if (status_of(&stage.client) == 200 && !is_whole(&stage, i))
        CHECK(was_cut(&stage));
    peer_close(&stage.client);
    for (int turns = 0; !frontend_is_empty(stage.frontend); turns++) {
        CHECK(turns < TURNS_MAX);
        turn(&stage);
    }
    stage_close(&stage);
    return failed;
}

TEST(an_exchange_bears_each_allocation_failing)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint64_t n = 1;

        for (; n < 1000; n++) {
            test_case_is("%s, allocation %u fails", cases[i].name, (unsigned)n);
            if (!check_failing(i, n))
                break;
        }
        CHECK(n > 5); /* else nothing was tested */
        CHECK(n < 1000);
    }
}

enum { BOMB_BYTES = 8 << 20 };

/* An answer of a few KiB that is 8 MiB when it is unpacked. */
static size_t write_bomb(char *out, size_t room)
{
    char *plain = arena_zero(test_arena(), BOMB_BYTES);
    char packed[SAID_MAX / 2];
    z_stream zlib = {.next_in = (Bytef *)plain, .avail_in = BOMB_BYTES, .next_out = (Bytef *)packed};
    size_t len, head;

    zlib.avail_out = sizeof(packed);
    CHECK(plain && deflateInit2(&zlib, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    CHECK_INT(deflate(&zlib, Z_FINISH), Z_STREAM_END);
    len = sizeof(packed) - zlib.avail_out;
    CHECK_INT(deflateEnd(&zlib), Z_OK);
    head = (size_t)snprintf(out, room, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n", len);
    CHECK(head + len <= room);
    memcpy(out + head, packed, len);
    return head + len;
}

TEST(a_bomb_is_unpacked_over_many_turns)
{
    static const char request[] = "GET /json/a HTTP/1.1\r\nHost: a\r\n\r\n";
    static struct memory_stage stage;
    uint64_t turns;

    stage_open(&stage);
    stage.answer_len = write_bomb(stage.answer, sizeof(stage.answer));
    turn(&stage);
    CHECK(send(stage.client.fd, request, sizeof(request) - 1, MSG_NOSIGNAL) > 0);
    turns = loop_stats(stage.loop)->turns;
    while (status_of(&stage.client) == 0 && loop_stats(stage.loop)->turns - turns < TURNS_MAX)
        turn(&stage);
    CHECK_EQ(status_of(&stage.client), 500); /* nothing but NULs */
    CHECK(loop_stats(stage.loop)->turns - turns > BOMB_BYTES >> 20);
    peer_close(&stage.client);
    while (!frontend_is_empty(stage.frontend))
        turn(&stage);
    stage_close(&stage);
}
