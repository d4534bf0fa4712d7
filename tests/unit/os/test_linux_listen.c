/* test_linux_listen.c: listening and accepting, over TCP and Unix sockets. Includes the .c on purpose: a kernel without
 * IPv6 and a network that fails in the queue are not to be had. SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "loopback.h"
#include "os/linux_listen.c"
#include "temporary.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static int option_of(int fd, int level, int name)
{
    int value = -1;
    socklen_t size = sizeof(value);

    CHECK(getsockopt(fd, level, name, &value, &size) == 0);
    return value;
}

TEST(accepted_connections_are_non_blocking_and_without_delay)
{
    struct loopback loopback;
    struct conn_pair pair;
    struct addr peer;
    struct error err;
    int fd;

    loopback_open(&loopback);
    CHECK_EQ(loopback.world->ops->accept(loopback.world, loopback.listen_fd, &fd, &peer, &err), IO_WAIT);
    pair = loopback_connect(&loopback);
    CHECK(fcntl(pair.server, F_GETFL) & O_NONBLOCK);
    CHECK(fcntl(pair.server, F_GETFD) & FD_CLOEXEC);
    CHECK(option_of(pair.server, IPPROTO_TCP, TCP_NODELAY) != 0);
    CHECK_EQ(pair.peer.family, ADDR_IPV4);
    CHECK(addr_is_loopback(&pair.peer));
    loopback_hang_up(&loopback, &pair);
    loopback_close(&loopback);
}

TEST(an_aborted_connection_is_passed_over_or_found_reset)
{
    struct loopback loopback;
    struct conn_pair pair;
    struct addr peer;
    struct error err;
    int fd;

    loopback_open(&loopback);
    fd = loopback_socket(&loopback);
    CHECK(loopback.world->ops->connect(loopback.world, fd, &loopback.addr, &err) != IO_FAIL);
    loopback.world->ops->reset(loopback.world, fd); /* while it is in the queue */
    pair = loopback_connect(&loopback);
    if (loopback.world->ops->accept(loopback.world, loopback.listen_fd, &fd, &peer, &err) == IO_OK)
        loopback.world->ops->close(loopback.world, fd); /* Linux hands out the dead one too */
    CHECK_EQ(loopback.world->ops->accept(loopback.world, loopback.listen_fd, &fd, &peer, &err), IO_WAIT);
    loopback_hang_up(&loopback, &pair);
    loopback_close(&loopback);
}

TEST(without_descriptors_accepting_pauses_and_the_connection_waits)
{
    struct socket_options options = {.kind = SOCKET_STREAM, .family = ADDR_IPV4};
    struct loopback loopback;
    struct rlimit before;
    struct addr peer;
    struct error refused = {0}, no_socket = {0}, no_world = {0}, err;
    enum io io;
    int client, server = -1, fd;
    struct world *world;

    loopback_open(&loopback);
    client = loopback_socket(&loopback);
    CHECK(loopback.world->ops->connect(loopback.world, client, &loopback.addr, &err) != IO_FAIL);
    before = leave_descriptors(0);
    io = loopback.world->ops->accept(loopback.world, loopback.listen_fd, &server, &peer, &refused);
    fd = loopback.world->ops->socket(loopback.world, &options, &no_socket);
    world = linux_world_new(&no_world);
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0); /* before any check that may end the test */

    CHECK_EQ(io, IO_FAIL);
    CHECK_EQ(refused.code, ERROR_OUT_OF_FILES);
    CHECK_INT(fd, -1);
    CHECK_EQ(no_socket.code, ERROR_OUT_OF_FILES);
    CHECK(world == NULL);
    CHECK_EQ(no_world.code, ERROR_OUT_OF_FILES);
    CHECK_EQ(loopback.world->ops->accept(loopback.world, loopback.listen_fd, &server, &peer, &err), IO_OK);
    loopback.world->ops->close(loopback.world, server);
    loopback.world->ops->close(loopback.world, client);
    loopback_close(&loopback);
}

TEST(only_errors_of_a_single_connection_are_passed_over)
{
    static const struct {
        int number;
        bool passed_over;
    } cases[] = {
        {ECONNABORTED, true}, {EINTR, true},   {EPROTO, true},  {ENETUNREACH, true}, {ETIMEDOUT, true}, {EAGAIN, false},
        {EMFILE, false},      {ENFILE, false}, {EINVAL, false}, {ENOBUFS, false},    {EPERM, false},    {EBADF, false},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        test_case_is("errno %d", cases[i].number);
        CHECK_EQ(concerns_one_conn(cases[i].number), cases[i].passed_over);
    }
}

TEST(accepting_from_no_listener_fails)
{
    struct loopback loopback;
    struct addr peer;
    struct error err = {0};
    int fd, accepted;

    loopback_open(&loopback);
    fd = loopback_socket(&loopback);
    CHECK_EQ(loopback.world->ops->accept(loopback.world, fd, &accepted, &peer, &err), IO_FAIL);
    CHECK_EQ(err.code, ERROR_SYSTEM);
    loopback.world->ops->close(loopback.world, fd);
    loopback_close(&loopback);
}

TEST(a_port_is_taken_once_unless_it_is_shared)
{
    struct error err = {0};
    struct world *world = linux_world_new(&err);
    struct listen_options alone = {.backlog = 4}, shared = {.backlog = 4, .reuse_port = true};
    struct addr addr = loopback_addr();
    int first, second;

    CHECK(world != NULL);
    first = world->ops->listen(world, &addr, &alone, &err);
    CHECK(first != -1);
    CHECK(world->ops->local_addr(world, first, &addr));
    CHECK_INT(world->ops->listen(world, &addr, &alone, &err), -1);
    CHECK_EQ(err.code, ERROR_ADDRESS_IN_USE);
    CHECK(str_starts(str_from(err.text), STR("listen on 127.0.0.1:")));
    world->ops->close(world, first);

    first = world->ops->listen(world, &addr, &shared, &err);
    second = world->ops->listen(world, &addr, &shared, &err);
    CHECK(first != -1);
    CHECK(second != -1);
    world->ops->close(world, first);
    world->ops->close(world, second);
    linux_world_free(world);
}

TEST(who_connects_is_there_once_he_has_sent)
{
    struct error err = {0};
    struct world *world = linux_world_new(&err);
    unsigned refused = 0;
    struct listen_options deferred = {.backlog = 4, .defer_accept_ns = 4000000000, .refused = &refused};
    struct addr addr = loopback_addr();
    int fd;

    CHECK(world != NULL);
    fd = world->ops->listen(world, &addr, &deferred, &err);
    CHECK(fd != -1);
    CHECK_EQ(refused, 0);
    CHECK(option_of(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT) >= 3); /* the kernel counts in retransmissions */
    world->ops->close(world, fd);
    linux_world_free(world);
}

TEST(what_a_listener_can_do_without_is_told_when_it_is_refused)
{
    unsigned refused = 0;
    struct listen_options deferred = {.defer_accept_ns = 1, .refused = &refused};
    union sockaddr_any name = {.any = {.sa_family = AF_INET}};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0); /* knows no option of TCP */

    CHECK(fd != -1);
    set_listen_wishes(fd, &name, &deferred);
    CHECK_EQ(refused, LISTEN_NO_DELAY | LISTEN_NO_DEFER);
    close(fd);
    refused = 0;
    set_listen_wishes(-1, &name, &(struct listen_options){.reuse_port = true, .refused = &refused});
    CHECK_EQ(refused, LISTEN_NO_DELAY | LISTEN_NO_REUSE);
}

TEST(all_interfaces_means_ipv4_too_and_shows_it_as_such)
{
    struct loopback loopback;
    struct conn_pair pair;
    struct addr any = {.family = ADDR_IPV6}, local;
    struct error err;

    loopback.world = linux_world_new(&err);
    CHECK(loopback.world != NULL);
    loopback.listen_fd =
        loopback.world->ops->listen(loopback.world, &any, &(struct listen_options){.backlog = 4}, &err);
    CHECK(loopback.listen_fd != -1);
    CHECK(loopback.world->ops->local_addr(loopback.world, loopback.listen_fd, &local));
    loopback.addr = loopback_addr();
    loopback.addr.port = local.port;
    pair = loopback_connect(&loopback);
    CHECK_EQ(pair.peer.family, ADDR_IPV4);
    CHECK(addr_is_loopback(&pair.peer));
    CHECK(loopback.world->ops->local_addr(loopback.world, pair.server, &local));
    CHECK(addr_eq(&local, &loopback.addr));
    loopback_hang_up(&loopback, &pair);
    loopback_close(&loopback);
}

TEST(without_ipv6_all_interfaces_are_those_of_ipv4)
{
    struct addr any = {.family = ADDR_IPV6, .port = 8080}, one = any, ipv4 = loopback_addr();
    union sockaddr_any name;
    struct error err;
    socklen_t size;
    struct addr got;

    one.ip[15] = 1;
    CHECK(sockaddr_from_addr(&any, &name, &size, &err));
    errno = EADDRINUSE; /* another reason: stays as it is */
    CHECK(!fall_back_to_ipv4(&name, &size));
    errno = EAFNOSUPPORT;
    CHECK(fall_back_to_ipv4(&name, &size));
    got = sockaddr_to_addr(&name, size);
    CHECK(addr_eq(&got, &(struct addr){.family = ADDR_IPV4, .port = 8080}));
    errno = EAFNOSUPPORT;
    CHECK(!fall_back_to_ipv4(&name, &size)); /* once is enough */

    CHECK(sockaddr_from_addr(&one, &name, &size, &err));
    errno = EAFNOSUPPORT;
    CHECK(!fall_back_to_ipv4(&name, &size));
    CHECK(sockaddr_from_addr(&ipv4, &name, &size, &err));
    errno = EAFNOSUPPORT;
    CHECK(!fall_back_to_ipv4(&name, &size));
}

TEST(an_address_of_no_interface_is_invalid)
{
    struct addr elsewhere = {.family = ADDR_IPV4, .ip = {192, 0, 2, 1}}; /* RFC 5737: for documentation */
    struct error err = {0};
    struct world *world = linux_world_new(&err);

    CHECK_INT(world->ops->listen(world, &elsewhere, &(struct listen_options){.backlog = 1}, &err), -1);
    CHECK_EQ(err.code, ERROR_ADDRESS_INVALID);
    linux_world_free(world);
}

/* A world with a listener on a Unix socket in the folder; listen_fd is -1 with *err when that fails. */
static void unix_open(struct loopback *loopback, const char *path, int backlog, struct error *err)
{
    struct addr addr = {.family = ADDR_UNIX};

    addr.path = path;
    loopback->addr = addr;
    loopback->world = linux_world_new(err);
    CHECK(loopback->world != NULL);
    loopback->listen_fd =
        loopback->world->ops->listen(loopback->world, &addr, &(struct listen_options){.backlog = backlog}, err);
}

TEST(unix_sockets_carry_bytes)
{
    struct temporary temporary;
    char path[TEMPORARY_PATH_BYTES], got[8];
    struct loopback loopback;
    struct conn_pair pair;
    struct addr local;
    struct tcp_facts facts;
    struct error err;
    size_t size;

    temporary_open(&temporary);
    unix_open(&loopback, temporary_path(&temporary, "socket", path), 4, &err);
    CHECK(loopback.listen_fd != -1);
    pair = loopback_connect(&loopback);
    CHECK_EQ(pair.peer.family, ADDR_UNIX);
    CHECK(pair.peer.path == NULL);
    CHECK(loopback.world->ops->local_addr(loopback.world, pair.server, &local));
    CHECK_EQ(local.family, ADDR_UNIX);
    CHECK(local.path == NULL);
    CHECK_EQ(write_one(loopback.world, pair.client, STR("hello"), &size, &err), IO_OK);
    CHECK_EQ(read_one(loopback.world, pair.server, got, sizeof(got), &size, &err), IO_OK);
    CHECK_TEXT(str_of(got, size), "hello");
    CHECK(!loopback.world->ops->facts(loopback.world, pair.client, &facts)); /* there is no TCP below */
    loopback.world->ops->close(loopback.world, pair.server);
    CHECK_EQ(loopback.world->ops->peek(loopback.world, pair.client), IO_END);
    loopback.world->ops->close(loopback.world, pair.client);
    loopback_close(&loopback);
    temporary_close(&temporary);
}

TEST(the_socket_file_of_a_server_that_has_gone_is_replaced)
{
    struct temporary temporary;
    char path[TEMPORARY_PATH_BYTES];
    struct loopback loopback;
    struct error err = {0};

    temporary_open(&temporary);
    temporary_path(&temporary, "socket", path);
    for (int round = 0; round < 2; round++) {
        unix_open(&loopback, path, 4, &err);
        CHECK(loopback.listen_fd != -1);
        loopback_close(&loopback); /* the file stays */
        CHECK_INT(access(path, F_OK), 0);
    }
    temporary_close(&temporary);
}

TEST(the_socket_file_of_a_server_that_listens_is_left_alone)
{
    struct temporary temporary;
    char path[TEMPORARY_PATH_BYTES];
    struct loopback first, second;
    struct conn_pair pair;
    struct error err = {0};

    temporary_open(&temporary);
    temporary_path(&temporary, "socket", path);
    unix_open(&first, path, 4, &err);
    CHECK(first.listen_fd != -1);
    unix_open(&second, path, 4, &err);
    CHECK_INT(second.listen_fd, -1);
    CHECK_EQ(err.code, ERROR_ADDRESS_IN_USE);
    linux_world_free(second.world);
    /* The first one still has its file; the connection that asked whether it lives is in its queue. */
    CHECK_EQ(first.world->ops->accept(first.world, first.listen_fd, &pair.server, &pair.peer, &err), IO_OK);
    first.world->ops->close(first.world, pair.server);
    pair = loopback_connect(&first);
    loopback_hang_up(&first, &pair);
    loopback_close(&first);
    temporary_close(&temporary);
}

TEST(a_file_that_is_no_socket_is_left_alone)
{
    struct temporary temporary;
    char path[TEMPORARY_PATH_BYTES];
    struct loopback loopback;
    struct error err = {0};
    struct stat file;

    temporary_open(&temporary);
    temporary_write(&temporary, "precious", "data");
    unix_open(&loopback, temporary_path(&temporary, "precious", path), 4, &err);
    CHECK_INT(loopback.listen_fd, -1);
    CHECK_EQ(err.code, ERROR_ADDRESS_IN_USE);
    CHECK(stat(path, &file) == 0);
    CHECK_INT(file.st_size, 4);
    linux_world_free(loopback.world);
    temporary_close(&temporary);
}

TEST(a_folder_that_is_not_there_is_told)
{
    struct temporary temporary;
    char path[TEMPORARY_PATH_BYTES];
    struct loopback loopback;
    struct error err = {0};

    temporary_open(&temporary);
    unix_open(&loopback, temporary_path(&temporary, "none/socket", path), 4, &err);
    CHECK_INT(loopback.listen_fd, -1);
    CHECK_EQ(err.code, ERROR_NOT_FOUND);
    linux_world_free(loopback.world);
    temporary_close(&temporary);
}

TEST(connecting_to_a_full_unix_socket_is_refused_not_waited_for)
{
    enum { TRIES = 8 };
    struct temporary temporary;
    char path[TEMPORARY_PATH_BYTES];
    struct loopback loopback;
    struct error err = {0};
    int fds[TRIES];
    enum io io = IO_OK;
    int count = 0;

    temporary_open(&temporary);
    unix_open(&loopback, temporary_path(&temporary, "socket", path), 1, &err);
    CHECK(loopback.listen_fd != -1);
    while (io == IO_OK && count < TRIES) {
        fds[count] = loopback_socket(&loopback);
        io = loopback.world->ops->connect(loopback.world, fds[count++], &loopback.addr, &err);
    }
    CHECK_EQ(io, IO_FAIL);
    CHECK_EQ(err.code, ERROR_CONNECT_REFUSED);
    while (count-- > 0)
        loopback.world->ops->close(loopback.world, fds[count]);
    loopback_close(&loopback);
    temporary_close(&temporary);
}
