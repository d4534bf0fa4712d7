/* test_linux_socket.c: connected sockets over loopback: what each call answers in each state of the connection.
 * SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "loopback.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

static const uint64_t second_ns = 1000000000;

static int option_of(int fd, int level, int name)
{
    int value = -1;
    socklen_t size = sizeof(value);

    CHECK(getsockopt(fd, level, name, &value, &size) == 0);
    return value;
}

TEST(sockets_are_non_blocking_and_close_on_exec)
{
    static const enum addr_family families[] = {ADDR_IPV4, ADDR_IPV6, ADDR_UNIX};
    static const enum socket_kind kinds[] = {SOCKET_STREAM, SOCKET_DATAGRAM};
    struct error err;
    struct world *world = linux_world_new(&err);

    CHECK(world != NULL);
    for (size_t i = 0; i < COUNT_OF(families) * COUNT_OF(kinds); i++) {
        struct socket_options options = {.kind = kinds[i % 2], .family = families[i / 2]};
        int fd = world->ops->socket(world, &options, &err);

        test_case_is("family %d kind %d", (int)options.family, (int)options.kind);
        if (fd == -1 && options.family == ADDR_IPV6 && err.code == ERROR_ADDRESS_INVALID)
            continue; /* a kernel without IPv6 */
        CHECK(fd != -1);
        CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
        CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        CHECK_INT(option_of(fd, SOL_SOCKET, SO_TYPE), options.kind == SOCKET_STREAM ? SOCK_STREAM : SOCK_DGRAM);
        world->ops->close(world, fd);
    }
    linux_world_free(world);
}

TEST(options_are_set_in_the_kernels_units)
{
    static const struct {
        struct socket_options options;
        int no_delay, keep_alive, idle_seconds, timeout_ms;
    } cases[] = {
        {{.no_delay = false}, 0, 0, 0, 0},
        {{.no_delay = true}, 1, 0, 0, 0},
        {{.keep_alive_ns = -1}, 0, 0, 0, 0},
        {{.keep_alive_ns = 1}, 0, 1, 1, 0},
        {{.keep_alive_ns = 15000000000}, 0, 1, 15, 0},
        {{.keep_alive_ns = 15000000001}, 0, 1, 16, 0},
        {{.keep_alive_ns = INT64_MAX}, 0, 1, 32767, 0},
        {{.user_timeout_ns = 1}, 0, 0, 0, 1},
        {{.user_timeout_ns = 2500000}, 0, 0, 0, 3},
        {{.user_timeout_ns = UINT64_MAX}, 0, 0, 0, 2147483647},
    };
    struct error err;
    struct world *world = linux_world_new(&err);

    CHECK(world != NULL);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct socket_options options = cases[i].options;
        int fd;

        test_case_is("row %zu", i);
        options.kind = SOCKET_STREAM;
        options.family = ADDR_IPV4;
        fd = world->ops->socket(world, &options, &err);
        CHECK(fd != -1);
        CHECK_INT(option_of(fd, IPPROTO_TCP, TCP_NODELAY) != 0, cases[i].no_delay);
        CHECK_INT(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), cases[i].keep_alive);
        CHECK_INT(option_of(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), cases[i].timeout_ms);
        if (cases[i].keep_alive) {
            CHECK_INT(option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE), cases[i].idle_seconds);
            CHECK_INT(option_of(fd, IPPROTO_TCP, TCP_KEEPINTVL), cases[i].idle_seconds);
        }
        world->ops->close(world, fd);
    }
    linux_world_free(world);
}

TEST(keep_alive_has_an_interval_and_a_count_of_its_own)
{
    static const struct {
        struct socket_options options;
        int interval_seconds, count;
    } cases[] = {
        {{.keep_alive_ns = 60000000000, .keep_alive_interval_ns = 10000000000, .keep_alive_count = 6}, 10, 6},
        {{.keep_alive_ns = 60000000000, .keep_alive_count = 1}, 60, 1},
        {{.keep_alive_ns = 60000000000, .keep_alive_count = 1000000}, 60, 127},
    };
    struct error err;
    struct world *world = linux_world_new(&err);

    CHECK(world != NULL);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct socket_options options = cases[i].options;
        int fd;

        options.family = ADDR_IPV4;
        fd = world->ops->socket(world, &options, &err);
        CHECK(fd != -1);
        CHECK_INT(option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE), 60);
        CHECK_INT(option_of(fd, IPPROTO_TCP, TCP_KEEPINTVL), cases[i].interval_seconds);
        CHECK_INT(option_of(fd, IPPROTO_TCP, TCP_KEEPCNT), cases[i].count);
        world->ops->close(world, fd);
    }
    linux_world_free(world);
}

TEST(open_sockets_are_counted)
{
    struct socket_options options = {.kind = SOCKET_STREAM, .family = ADDR_IPV4};
    struct addr any = {.family = ADDR_IPV6};
    _Atomic int64_t sockets = 0;
    struct error err;
    struct world *world = linux_world_new(&err);
    int fd, listener;

    CHECK(world != NULL);
    world->sockets = &sockets;
    fd = world->ops->socket(world, &options, &err);
    listener = world->ops->listen(world, &any, &(struct listen_options){.backlog = 1}, &err);
    CHECK(fd != -1);
    CHECK(listener != -1);
    CHECK_EQ(sockets, 2);
    world->ops->reset(world, fd);
    world->ops->close(world, listener);
    CHECK_EQ(sockets, 0);
    linux_world_free(world);
}

TEST(tcp_options_do_not_hinder_a_unix_socket)
{
    struct socket_options options = {
        .kind = SOCKET_STREAM, .family = ADDR_UNIX, .no_delay = true, .keep_alive_ns = 1, .user_timeout_ns = 1};
    struct error err;
    struct world *world = linux_world_new(&err);
    int fd = world->ops->socket(world, &options, &err);

    CHECK(fd != -1);
    world->ops->close(world, fd);
    linux_world_free(world);
}

TEST(a_refused_connection_says_so)
{
    struct loopback loopback;
    struct addr gone;
    struct watch watch = {0};
    struct error err = {0};
    enum io io;

    loopback_open(&loopback);
    gone = loopback.addr;
    watch.fd = loopback_socket(&loopback);
    loopback.world->ops->close(loopback.world, loopback.listen_fd);
    CHECK(loopback.world->ops->watch(loopback.world, &watch, &err));
    io = loopback.world->ops->connect(loopback.world, watch.fd, &gone, &err);
    if (io == IO_WAIT) {
        await_bits(loopback.world, &watch, READY_WRITE);
        io = loopback.world->ops->connect_end(loopback.world, watch.fd, &err);
    }
    CHECK_EQ(io, IO_FAIL);
    CHECK_EQ(err.code, ERROR_CONNECT_REFUSED);
    CHECK_EQ(err.fault, FAULT_UPSTREAM);
    loopback.world->ops->unwatch(loopback.world, &watch);
    loopback.world->ops->close(loopback.world, watch.fd);
    linux_world_free(loopback.world);
}

TEST(the_end_of_connecting_may_be_asked_for_too_early)
{
    enum { TRIES = 8 };
    struct loopback full;
    struct addr addr = loopback_addr();
    int fds[TRIES];
    enum io ends[TRIES];
    struct error err;
    unsigned waiting = 0;

    full.world = linux_world_new(&err);
    CHECK(full.world != NULL);
    full.listen_fd = full.world->ops->listen(full.world, &addr, &(struct listen_options){.backlog = 1}, &err);
    CHECK(full.world->ops->local_addr(full.world, full.listen_fd, &full.addr));
    for (int i = 0; i < TRIES; i++) { /* more than the queue holds: the last ones get no answer to their SYN */
        fds[i] = loopback_socket(&full);
        CHECK(full.world->ops->connect(full.world, fds[i], &full.addr, &err) != IO_FAIL);
    }
    for (int i = 0; i < TRIES; i++) {
        ends[i] = full.world->ops->connect_end(full.world, fds[i], &err);
        waiting += ends[i] == IO_WAIT;
        CHECK(ends[i] != IO_FAIL);
        full.world->ops->close(full.world, fds[i]);
    }
    CHECK_EQ(ends[0], IO_OK);
    CHECK(waiting > 0);
    loopback_close(&full);
}

TEST(connect_end_without_a_connect_fails)
{
    struct loopback loopback;
    struct error err = {0};
    int fd;

    loopback_open(&loopback);
    fd = loopback_socket(&loopback);
    CHECK_EQ(loopback.world->ops->connect_end(loopback.world, fd, &err), IO_FAIL);
    CHECK_EQ(err.code, ERROR_CONNECT_FAILED);
    loopback.world->ops->close(loopback.world, fd);
    loopback_close(&loopback);
}

TEST(an_address_that_is_none_is_refused)
{
    char long_path[200];
    struct addr nowhere = {.family = ADDR_NONE}, unnamed = {.family = ADDR_UNIX}, too_long = unnamed;
    const struct addr *cases[] = {&nowhere, &unnamed, &too_long};
    struct loopback loopback;
    int fd;

    memset(long_path, 'x', sizeof(long_path) - 1);
    long_path[sizeof(long_path) - 1] = '\0';
    too_long.path = long_path;
    loopback_open(&loopback);
    fd = loopback_socket(&loopback);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error err = {0};

        test_case_is("row %zu", i);
        CHECK_EQ(loopback.world->ops->connect(loopback.world, fd, cases[i], &err), IO_FAIL);
        CHECK_EQ(err.code, ERROR_ADDRESS_INVALID);
        CHECK_INT(loopback.world->ops->listen(loopback.world, cases[i], &(struct listen_options){0}, &err), -1);
        CHECK_EQ(err.code, ERROR_ADDRESS_INVALID);
    }
    loopback.world->ops->close(loopback.world, fd);
    loopback_close(&loopback);
}

TEST(both_ends_know_each_other)
{
    struct loopback loopback;
    struct conn_pair pair;
    struct addr client, server;

    loopback_open(&loopback);
    pair = loopback_connect(&loopback);
    CHECK(loopback.world->ops->local_addr(loopback.world, pair.client, &client));
    CHECK(loopback.world->ops->local_addr(loopback.world, pair.server, &server));
    CHECK(addr_eq(&client, &pair.peer));
    CHECK(addr_eq(&server, &loopback.addr));
    CHECK(!loopback.world->ops->local_addr(loopback.world, -1, &client));
    loopback_hang_up(&loopback, &pair);
    loopback_close(&loopback);
}

TEST(bytes_go_through_in_one_part_or_several)
{
    static const int counts[] = {1, 2, 3};
    char text[] = "abcdefghi";
    struct loopback loopback;
    struct conn_pair pair;

    loopback_open(&loopback);
    pair = loopback_connect(&loopback);
    for (size_t i = 0; i < COUNT_OF(counts) * COUNT_OF(counts); i++) {
        int out = counts[i % 3], in = counts[i / 3];
        struct watch watch = {.fd = pair.server};
        char got[sizeof(text)] = {0};
        struct iovec out_parts[3], in_parts[3];
        struct error err;
        size_t sent = 0, received = 0;

        test_case_is("%d out, %d in", out, in);
        for (int part = 0; part < 3; part++) { /* 3 bytes each */
            out_parts[part] = (struct iovec){text + 3 * part, 3};
            in_parts[part] = (struct iovec){got + 3 * part, 3};
        }
        CHECK(loopback.world->ops->watch(loopback.world, &watch, &err));
        CHECK_EQ(loopback.world->ops->writev(loopback.world, pair.client, out_parts, out, &sent, &err), IO_OK);
        CHECK_EQ(sent, 3 * out);
        await_bits(loopback.world, &watch, READY_READ);
        CHECK_EQ(loopback.world->ops->readv(loopback.world, pair.server, in_parts, in, &received, &err), IO_OK);
        CHECK_EQ(received, 3 * (out < in ? out : in));
        CHECK_STR(str_of(got, received), str_of(text, received));
        if (in < out)
            CHECK_EQ(read_one(loopback.world, pair.server, got, sizeof(got), &received, &err), IO_OK);
        CHECK_EQ(read_one(loopback.world, pair.server, got, sizeof(got), &received, &err), IO_WAIT);
        loopback.world->ops->unwatch(loopback.world, &watch);
    }
    loopback_hang_up(&loopback, &pair);
    loopback_close(&loopback);
}

TEST(an_orderly_end_is_seen_by_watch_peek_and_read)
{
    struct loopback loopback;
    struct conn_pair pair;
    struct watch watch = {0};
    struct error err;
    char byte;
    size_t size;

    loopback_open(&loopback);
    pair = loopback_connect(&loopback);
    watch.fd = pair.client;
    CHECK(loopback.world->ops->watch(loopback.world, &watch, &err));
    CHECK_EQ(loopback.world->ops->peek(loopback.world, pair.client), IO_WAIT);
    loopback.world->ops->shutdown_write(loopback.world, pair.server);
    await_bits(loopback.world, &watch, READY_CLOSED | READY_READ);
    CHECK_EQ(loopback.world->ops->peek(loopback.world, pair.client), IO_END);
    CHECK_EQ(read_one(loopback.world, pair.client, &byte, 1, &size, &err), IO_END);
    CHECK_EQ(write_one(loopback.world, pair.client, STR("x"), &size, &err), IO_OK); /* the other way is open */
    CHECK_EQ(write_one(loopback.world, pair.server, STR("x"), &size, &err), IO_FAIL);
    CHECK_EQ(err.code, ERROR_CLOSED); /* and no SIGPIPE */
    CHECK_EQ(err.fault, FAULT_SYSTEM);
    loopback.world->ops->unwatch(loopback.world, &watch);
    loopback_hang_up(&loopback, &pair);
    loopback_close(&loopback);
}

TEST(peek_takes_nothing)
{
    struct loopback loopback;
    struct conn_pair pair;
    struct watch watch = {0};
    struct error err;
    char byte = 0;
    size_t size;

    loopback_open(&loopback);
    pair = loopback_connect(&loopback);
    watch.fd = pair.client;
    CHECK(loopback.world->ops->watch(loopback.world, &watch, &err));
    CHECK_EQ(write_one(loopback.world, pair.server, STR("x"), &size, &err), IO_OK);
    await_bits(loopback.world, &watch, READY_READ);
    CHECK_EQ(loopback.world->ops->peek(loopback.world, pair.client), IO_OK);
    CHECK_EQ(loopback.world->ops->peek(loopback.world, pair.client), IO_OK);
    CHECK_EQ(read_one(loopback.world, pair.client, &byte, 1, &size, &err), IO_OK);
    CHECK_INT(byte, 'x');
    CHECK_EQ(loopback.world->ops->peek(loopback.world, pair.client), IO_WAIT);
    loopback.world->ops->unwatch(loopback.world, &watch);
    loopback_hang_up(&loopback, &pair);
    loopback_close(&loopback);
}

TEST(a_reset_is_seen_by_watch_peek_read_and_facts)
{
    struct loopback loopback;
    struct conn_pair pair;
    struct watch watch = {0};
    struct tcp_facts facts;
    struct error err;
    char byte;
    size_t size;

    loopback_open(&loopback);
    pair = loopback_connect(&loopback);
    watch.fd = pair.client;
    CHECK(loopback.world->ops->watch(loopback.world, &watch, &err));
    CHECK(loopback.world->ops->facts(loopback.world, pair.client, &facts));
    CHECK(!facts.closed);
    loopback.world->ops->reset(loopback.world, pair.server);
    await_bits(loopback.world, &watch, READY_CLOSED | READY_READ | READY_WRITE);
    CHECK(loopback.world->ops->facts(loopback.world, pair.client, &facts));
    CHECK(facts.closed);
    CHECK_EQ(read_one(loopback.world, pair.client, &byte, 1, &size, &err), IO_FAIL);
    CHECK_EQ(err.code, ERROR_RESET);
    CHECK_EQ(err.fault, FAULT_SYSTEM);
    CHECK_EQ(write_one(loopback.world, pair.client, STR("x"), &size, &err), IO_FAIL);
    CHECK_EQ(err.code, ERROR_CLOSED);
    loopback.world->ops->unwatch(loopback.world, &watch);
    loopback.world->ops->close(loopback.world, pair.client);
    loopback_close(&loopback);
}

TEST(peek_tells_a_reset_from_an_end)
{
    struct loopback loopback;
    struct conn_pair pair;
    struct watch watch = {0};
    struct error err;

    loopback_open(&loopback);
    pair = loopback_connect(&loopback);
    watch.fd = pair.client;
    CHECK(loopback.world->ops->watch(loopback.world, &watch, &err));
    loopback.world->ops->reset(loopback.world, pair.server);
    await_bits(loopback.world, &watch, READY_CLOSED);
    CHECK_EQ(loopback.world->ops->peek(loopback.world, pair.client), IO_FAIL);
    loopback.world->ops->unwatch(loopback.world, &watch);
    loopback.world->ops->close(loopback.world, pair.client);
    loopback_close(&loopback);
}

/* Acknowledgements come a moment later than the write returns. */
static void await_acked(struct world *world, int fd, uint64_t bytes, struct tcp_facts *facts)
{
    uint64_t until_ns = world->ops->now_ns(world) + 20 * second_ns;

    do {
        CHECK(world->ops->now_ns(world) < until_ns);
        CHECK(world->ops->facts(world, fd, facts));
    } while (facts->bytes_acked < bytes);
}

TEST(facts_count_what_was_acknowledged)
{
    struct loopback loopback;
    struct conn_pair pair;
    struct tcp_facts facts;
    struct error err;
    size_t size;

    loopback_open(&loopback);
    pair = loopback_connect(&loopback);
    CHECK_EQ(write_one(loopback.world, pair.client, STR("twelve bytes"), &size, &err), IO_OK);
    await_acked(loopback.world, pair.client, 13, &facts);
    CHECK_EQ(facts.bytes_acked, 13); /* with the SYN */
    CHECK_EQ(facts.unsent_bytes, 0);
    CHECK_EQ(facts.retransmits, 0);
    CHECK(facts.rtt_ns > 0);
    CHECK(facts.rtt_ns < second_ns);
    CHECK(facts.rtt_least_ns > 0);
    CHECK(facts.rtt_least_ns <= facts.rtt_ns);
    CHECK(!loopback.world->ops->facts(loopback.world, -1, &facts));
    loopback_hang_up(&loopback, &pair);
    loopback_close(&loopback);
}

/* Writes until there is no room; returns how much. */
static size_t fill(struct world *world, int fd)
{
    static char much[1 << 16];
    struct error err;
    size_t total = 0, size;
    enum io io;

    while ((io = write_one(world, fd, str_of(much, sizeof(much)), &size, &err)) == IO_OK)
        total += size;
    CHECK_EQ(io, IO_WAIT);
    return total;
}

static void drain(struct loopback *loopback, struct watch *watch, size_t total)
{
    static char into[1 << 16];
    struct error err;
    size_t size;

    while (total > 0) {
        enum io io = read_one(loopback->world, watch->fd, into, sizeof(into), &size, &err);

        CHECK(io == IO_OK || io == IO_WAIT);
        if (io == IO_OK) {
            total -= size;
            continue;
        }
        watch->ready &= (uint8_t)~READY_READ;
        await_bits(loopback->world, watch, READY_READ);
    }
}

TEST(a_full_connection_says_wait_and_then_that_there_is_room)
{
    struct loopback loopback;
    struct conn_pair pair;
    struct watch writer = {0}, reader = {0};
    struct tcp_facts facts;
    struct error err;
    size_t total;

    loopback_open(&loopback);
    pair = loopback_connect(&loopback);
    writer.fd = pair.client;
    reader.fd = pair.server;
    CHECK(loopback.world->ops->watch(loopback.world, &writer, &err));
    CHECK(loopback.world->ops->watch(loopback.world, &reader, &err));
    total = fill(loopback.world, pair.client);
    CHECK(loopback.world->ops->facts(loopback.world, pair.client, &facts));
    CHECK(facts.unsent_bytes > 0);
    await_bits(loopback.world, &reader, READY_READ);
    writer.ready = 0;
    drain(&loopback, &reader, total);
    await_bits(loopback.world, &writer, READY_WRITE);
    loopback.world->ops->unwatch(loopback.world, &writer);
    loopback.world->ops->unwatch(loopback.world, &reader);
    loopback_hang_up(&loopback, &pair);
    loopback_close(&loopback);
}

static int bound_datagram_socket(struct world *world, struct addr *addr)
{
    struct socket_options options = {.kind = SOCKET_DATAGRAM, .family = ADDR_IPV4};
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct error err;
    int fd = world->ops->socket(world, &options, &err);

    CHECK(fd != -1);
    CHECK(bind(fd, (const struct sockaddr *)&any, sizeof(any)) == 0);
    CHECK(world->ops->local_addr(world, fd, addr));
    return fd;
}

TEST(datagrams_go_between_connected_sockets)
{
    struct error err;
    struct world *world = linux_world_new(&err);
    struct addr addrs[2];
    int fds[2];
    char got[16];
    size_t size;

    CHECK(world != NULL);
    for (int i = 0; i < 2; i++)
        fds[i] = bound_datagram_socket(world, &addrs[i]);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(world->ops->connect(world, fds[i], &addrs[1 - i], &err), IO_OK);
    CHECK_EQ(read_one(world, fds[1], got, sizeof(got), &size, &err), IO_WAIT);
    CHECK_EQ(write_one(world, fds[0], STR("query"), &size, &err), IO_OK);
    CHECK_EQ(read_one(world, fds[1], got, sizeof(got), &size, &err), IO_OK);
    CHECK_TEXT(str_of(got, size), "query");
    CHECK_INT(send(fds[0], "", 0, 0), 0);
    CHECK_EQ(read_one(world, fds[1], got, sizeof(got), &size, &err), IO_END); /* an empty one looks like an end */
    CHECK_EQ(read_one(world, fds[1], got, sizeof(got), &size, &err), IO_WAIT);
    for (int i = 0; i < 2; i++)
        world->ops->close(world, fds[i]);
    linux_world_free(world);
}

TEST(calls_on_no_socket_fail_with_a_story)
{
    struct error err = {0};
    struct world *world = linux_world_new(&err);
    struct addr addr = loopback_addr();
    char byte;
    size_t size;

    CHECK(world != NULL);
    CHECK_EQ(read_one(world, -1, &byte, 1, &size, &err), IO_FAIL);
    CHECK_CSTR(err.text, "read: bad file descriptor");
    CHECK_EQ(write_one(world, -1, STR("x"), &size, &err), IO_FAIL);
    CHECK_CSTR(err.text, "write: bad file descriptor");
    CHECK_EQ(world->ops->connect(world, -1, &addr, &err), IO_FAIL);
    CHECK_EQ(world->ops->connect_end(world, -1, &err), IO_FAIL);
    CHECK_EQ(world->ops->peek(world, -1), IO_FAIL);
    linux_world_free(world);
}
