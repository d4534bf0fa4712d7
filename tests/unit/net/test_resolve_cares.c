/* test_resolve_cares.c: c-ares on our loop: the hosts file, and a DNS server of a few lines on loopback.
 * SPDX-License-Identifier: Apache-2.0 */
#include "net/resolve_srv.h"
#include "net_stage.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TYPE_A = 1, TYPE_AAAA = 28, PACKET_BYTES = 512 };

/* Answers on UDP, and on TCP when `truncates` is set (UDP then says: ask over TCP). */
struct dns_server {
    struct net_stage *stage;
    int fd;
    uint16_t port;
    struct watch watch;
    struct task task;
    struct listener *listener; /* TCP, on the same port */
    struct task tcp_task;
    struct stream *tcp_stream;
    unsigned ttl_a, ttl_aaaa;
    bool silent, unknown, truncates;
    unsigned questions, tcp_questions;
};

/* Length of the question section's one entry at `at`; 0: malformed. */
static size_t question_bytes(const uint8_t *packet, size_t size, size_t at)
{
    size_t start = at;

    while (at < size && packet[at] != 0)
        at += (size_t)packet[at] + 1;
    return at + 5 <= size ? at + 5 - start : 0;
}

static size_t add_record(uint8_t *out, size_t at, uint16_t type, unsigned ttl_s, const uint8_t *data, uint8_t len)
{
    const uint8_t record[] = {0xc0, 12, 0, (uint8_t)type, 0, 1, 0, 0, (uint8_t)(ttl_s >> 8), (uint8_t)ttl_s, 0, len};

    memcpy(out + at, record, sizeof(record));
    memcpy(out + at + sizeof(record), data, len);
    return at + sizeof(record) + len;
}

/* Makes the answer to the question; returns its size, 0: none. */
static size_t make_answer(struct dns_server *server, const uint8_t *query, size_t size, bool cut, uint8_t *out)
{
    static const uint8_t ipv4[] = {127, 0, 0, 7};
    static const uint8_t ipv6[16] = {0xfd, [15] = 7};
    size_t question = size > 12 ? question_bytes(query, size, 12) : 0, at = 12 + question;
    uint8_t type = question != 0 ? query[12 + question - 3] : 0;

    if (question == 0)
        return 0;
    memcpy(out, query, at);
    out[2] = (uint8_t)(0x81 | (cut ? 2 : 0));
    out[3] = (uint8_t)(0x80 | (server->unknown ? 3 : 0));
    memset(out + 4, 0, 8);
    out[5] = 1;
    if (cut || server->unknown)
        return at;
    if (type == TYPE_A)
        at = add_record(out, at, TYPE_A, server->ttl_a, ipv4, sizeof(ipv4));
    else if (type == TYPE_AAAA)
        at = add_record(out, at, TYPE_AAAA, server->ttl_aaaa, ipv6, sizeof(ipv6));
    out[7] = type == TYPE_A || type == TYPE_AAAA;
    return at;
}

static void serve_udp(struct task *task)
{
    struct dns_server *server = container_of(task, struct dns_server, task);
    uint8_t query[PACKET_BYTES], answer[PACKET_BYTES + 64];
    struct sockaddr_in from;
    socklen_t from_size = sizeof(from);
    ssize_t size;

    while ((size = recvfrom(server->fd, query, sizeof(query), MSG_DONTWAIT, (struct sockaddr *)&from, &from_size)) >
           0) {
        size_t len = make_answer(server, query, (size_t)size, server->truncates, answer);

        server->questions++;
        if (!server->silent && len > 0)
            CHECK(sendto(server->fd, answer, len, 0, (struct sockaddr *)&from, from_size) == (ssize_t)len);
        from_size = sizeof(from);
    }
    server->watch.ready &= (uint8_t)~READY_READ; /* else more is no news */
}

/* Each question comes in one piece on loopback; both may come together. */
static void serve_tcp(struct task *task)
{
    struct dns_server *server = container_of(task, struct dns_server, tcp_task);
    char query[2 * PACKET_BYTES];
    uint8_t answer[PACKET_BYTES + 64];
    struct error err;
    size_t got, at = 0;

    if (!server->tcp_stream && listener_accept(server->listener, &server->tcp_stream, &err) == IO_OK)
        stream_set_owner(server->tcp_stream, &server->tcp_task, false);
    if (!server->tcp_stream || read_into(server->tcp_stream, query, sizeof(query), &got) != IO_OK)
        return;
    while (at + 2 < got) {
        size_t size = (size_t)((uint8_t)query[at] << 8 | (uint8_t)query[at + 1]), sent;
        size_t len = make_answer(server, (const uint8_t *)query + at + 2, size, false, answer + 2);

        answer[0] = (uint8_t)(len >> 8);
        answer[1] = (uint8_t)len;
        CHECK_EQ(write_text(server->tcp_stream, str_of((const char *)answer, len + 2), &sent), IO_OK);
        server->tcp_questions++;
        at += 2 + size;
    }
}

/* Takes one port for both protocols. False: another process has it for one of them. */
static bool take_port(struct dns_server *server)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct addr addr = {.family = ADDR_IPV4, .ip = {127, 0, 0, 1}};
    struct listen_options options = {.backlog = 4};
    socklen_t size = sizeof(name);
    struct error err;

    server->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK(server->fd != -1);
    CHECK_INT(bind(server->fd, (struct sockaddr *)&name, size), 0);
    CHECK_INT(getsockname(server->fd, (struct sockaddr *)&name, &size), 0);
    server->port = addr.port = ntohs(name.sin_port);
    server->listener = listener_new(server->stage->loop, &addr, &options, &server->tcp_task, &err);
    if (!server->listener)
        close(server->fd);
    return server->listener;
}

static void dns_server_open(struct dns_server *server, struct net_stage *stage)
{
    struct error err;
    int tries = 0;

    *server = (struct dns_server){.stage = stage, .ttl_a = 60, .ttl_aaaa = 90};
    server->task.run = serve_udp;
    server->tcp_task.run = serve_tcp;
    while (!take_port(server))
        CHECK(tries++ < 50);
    server->watch = (struct watch){.fd = server->fd, .task = &server->task};
    CHECK(loop_watch(stage->loop, &server->watch, &err));
}

static void dns_server_close(struct dns_server *server)
{
    loop_unwatch(server->stage->loop, &server->watch);
    close(server->fd);
    stream_close(server->tcp_stream, false);
    listener_free(server->listener);
    task_forget(server->stage->loop, &server->task);
    task_forget(server->stage->loop, &server->tcp_task);
}

struct cares_stage {
    struct net_stage net;
    struct dns_server server;
    struct resolver *resolver;
    struct resolve_query query; /* probes[0] is woken */
};

static void cares_stage_open(struct cares_stage *stage)
{
    struct error err;
    char servers[64];

    net_stage_open(&stage->net);
    dns_server_open(&stage->server, &stage->net);
    stage->resolver = resolver_cares_new(stage->net.loop, &err);
    CHECK(stage->resolver != NULL);
    snprintf(servers, sizeof(servers), "127.0.0.1:%u", stage->server.port);
    CHECK(resolver_cares_use_servers(stage->resolver, servers));
}

static void cares_stage_close(struct cares_stage *stage)
{
    resolver_free(stage->resolver);
    dns_server_close(&stage->server);
    net_stage_close(&stage->net);
}

static void ask(struct cares_stage *stage, const char *name)
{
    stage->query = (struct resolve_query){.name = str_from(name), .task = &stage->net.probes[0].task};
    resolve_start(stage->resolver, &stage->query);
}

static bool query_is_done(void *arg)
{
    return ((const struct resolve_query *)arg)->done;
}

static void await_answer(struct cares_stage *stage)
{
    net_stage_until(&stage->net, query_is_done, &stage->query);
    loop_turn(stage->net.loop, 0);
    CHECK_EQ(stage->net.probes[0].runs, 1);
}

static bool holds(const struct resolved *answer, const char *ip)
{
    for (unsigned i = 0; i < answer->count; i++) {
        char text[ADDR_TEXT_BYTES];

        if (str_eq(addr_format_ip(&answer->addrs[i], text), str_from(ip)))
            return true;
    }
    return false;
}

TEST(resolve_cares_reads_the_hosts_file)
{
    struct cares_stage stage;

    cares_stage_open(&stage);
    ask(&stage, "localhost");
    await_answer(&stage);
    CHECK_EQ(stage.query.err.fault, FAULT_NONE);
    CHECK(holds(&stage.query.answer, "127.0.0.1") || holds(&stage.query.answer, "::1"));
    CHECK_EQ(stage.server.questions, 0);
    cares_stage_close(&stage);
}

TEST(resolve_cares_asks_for_both_families)
{
    struct cares_stage stage;

    cares_stage_open(&stage);
    ask(&stage, "api.holdfast-test.example");
    CHECK(!stage.query.done);
    await_answer(&stage);
    CHECK_EQ(stage.query.err.fault, FAULT_NONE);
    CHECK_EQ(stage.query.answer.count, 2);
    CHECK(holds(&stage.query.answer, "127.0.0.7"));
    CHECK(holds(&stage.query.answer, "fd00::7"));
    CHECK_EQ(stage.query.answer.addrs[0].port, 0);
    CHECK_EQ(stage.query.answer.ttl_ns, UINT64_C(60000000000)); /* the shorter of the two */
    cares_stage_close(&stage);
}

TEST(resolve_cares_falls_back_to_tcp)
{
    struct cares_stage stage;

    cares_stage_open(&stage);
    stage.server.truncates = true;
    ask(&stage, "api.holdfast-test.example");
    await_answer(&stage);
    CHECK_EQ(stage.query.err.fault, FAULT_NONE);
    CHECK_EQ(stage.query.answer.count, 2);
    CHECK(stage.server.tcp_questions >= 2);
    cares_stage_close(&stage);
}

TEST(resolve_cares_tells_an_unknown_name)
{
    struct cares_stage stage;

    cares_stage_open(&stage);
    stage.server.unknown = true;
    ask(&stage, "gone.holdfast-test.example.");
    await_answer(&stage);
    CHECK_EQ(stage.query.err.fault, FAULT_UPSTREAM);
    CHECK_EQ(stage.query.err.code, ERROR_RESOLVE_FAILED);
    CHECK(stage.query.err.retry_safe);
    CHECK(strstr(stage.query.err.text, "gone.holdfast-test.example") != NULL);
    cares_stage_close(&stage);
}

TEST(resolve_cares_refuses_what_is_no_host_name)
{
    struct cares_stage stage;

    cares_stage_open(&stage);
    ask(&stage, "");
    await_answer(&stage);
    CHECK_EQ(stage.query.err.code, ERROR_RESOLVE_FAILED);
    cares_stage_close(&stage);
}

TEST(resolve_cares_forgets_a_cancelled_query)
{
    struct cares_stage stage;

    cares_stage_open(&stage);
    ask(&stage, "api.holdfast-test.example");
    resolve_cancel(stage.resolver, &stage.query);
    memset(&stage.query, 0xee, sizeof(stage.query)); /* gone: nobody may touch it */
    net_stage_for(&stage.net, 50000000);
    CHECK_EQ(stage.net.probes[0].runs, 0);
    CHECK(stage.server.questions > 0);
    CHECK_EQ(stage.query.name.len, (size_t)0xeeeeeeeeeeeeeeee);
    cares_stage_close(&stage);
}

TEST(resolve_cares_can_be_freed_with_a_cancelled_query_under_way)
{
    struct cares_stage stage;

    cares_stage_open(&stage);
    stage.server.silent = true;
    ask(&stage, "api.holdfast-test.example");
    net_stage_for(&stage.net, 10000000);
    resolve_cancel(stage.resolver, &stage.query);
    cares_stage_close(&stage);
}

TEST(resolve_cares_asks_again_when_a_packet_is_lost)
{
    struct cares_stage stage;
    unsigned lost;

    cares_stage_open(&stage);
    stage.server.silent = true;
    ask(&stage, "api.holdfast-test.example");
    net_stage_for(&stage.net, 10000000);
    lost = stage.server.questions;
    CHECK(lost > 0);
    CHECK(!stage.query.done);
    CHECK(loop_stats(stage.net.loop)->turns < 100); /* nobody runs while nothing comes */
    stage.server.silent = false;
    await_answer(&stage);
    CHECK_EQ(stage.query.err.fault, FAULT_NONE);
    CHECK(stage.server.questions > lost);
    cares_stage_close(&stage);
}

/* The world's clock, put forward. */
static uint64_t skew_ns;

static uint64_t skewed_now_ns(struct world *world)
{
    struct timespec now;

    (void)world;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec + skew_ns;
}

/* The real wait knows nothing of the skew, so nobody may sleep. */
static void turn_twice(struct cares_stage *stage)
{
    loop_turn(stage->net.loop, 0);
    loop_turn(stage->net.loop, 0);
}

static void check_limit(uint64_t limit_ns)
{
    struct cares_stage stage;
    struct srv_query srv = {.name = STR("_http._tcp.holdfast-test.example")};
    const struct world_ops *real;
    struct world_ops skewed;

    cares_stage_open(&stage);
    if (limit_ns != RESOLVE_LIMIT_NS)
        resolver_cares_set_limit(stage.resolver, limit_ns);
    real = stage.net.world->ops;
    skewed = *real;
    skewed.now_ns = skewed_now_ns;
    skew_ns = 0;
    stage.net.world->ops = &skewed;
    stage.server.silent = true;
    srv.task = &stage.net.probes[1].task;
    ask(&stage, "api.holdfast-test.example");
    resolve_srv_start(stage.resolver, &srv);
    skew_ns = limit_ns - 1000000000;
    turn_twice(&stage);
    CHECK(!stage.query.done);
    CHECK(!srv.done);
    skew_ns = limit_ns;
    turn_twice(&stage);
    CHECK(stage.query.done);
    CHECK_EQ(stage.query.err.code, ERROR_RESOLVE_TIMEOUT);
    CHECK(stage.query.err.retry_safe);
    CHECK(srv.done);
    CHECK_EQ(srv.err.code, ERROR_RESOLVE_TIMEOUT);
    /* Whoever asks now is heard, whatever c-ares still waits for. */
    stage.server.silent = false;
    ask(&stage, "api.holdfast-test.example");
    net_stage_until(&stage.net, query_is_done, &stage.query);
    CHECK_EQ(stage.query.err.fault, FAULT_NONE);
    stage.net.world->ops = real;
    cares_stage_close(&stage);
}

TEST(resolve_cares_gives_up_on_a_silent_server)
{
    check_limit(RESOLVE_LIMIT_NS);
}

TEST(how_long_servers_may_be_silent_can_be_set)
{
    check_limit(UINT64_C(3000000000));
}
