/* loopback.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "loopback.h"

#include "harness/test.h"

#include <unistd.h>

enum { PATIENCE_SECONDS = 20 };

struct addr loopback_addr(void)
{
    return (struct addr){.family = ADDR_IPV4, .ip = {127, 0, 0, 1}};
}

void loopback_open(struct loopback *loopback)
{
    struct addr addr = loopback_addr();
    struct error err;

    loopback->world = linux_world_new(&err);
    CHECK(loopback->world != NULL);
    loopback->listen_fd =
        loopback->world->ops->listen(loopback->world, &addr, &(struct listen_options){.backlog = 16}, &err);
    CHECK(loopback->listen_fd != -1);
    CHECK(loopback->world->ops->local_addr(loopback->world, loopback->listen_fd, &loopback->addr));
    CHECK(loopback->addr.port != 0);
}

void loopback_close(struct loopback *loopback)
{
    loopback->world->ops->close(loopback->world, loopback->listen_fd);
    linux_world_free(loopback->world);
}

int loopback_socket(struct loopback *loopback)
{
    struct socket_options options = {.kind = SOCKET_STREAM, .family = (enum addr_family)loopback->addr.family};
    struct error err;
    int fd = loopback->world->ops->socket(loopback->world, &options, &err);

    CHECK(fd != -1);
    return fd;
}

static void await_accept(struct loopback *loopback, struct conn_pair *pair)
{
    const struct world_ops *ops = loopback->world->ops;
    struct watch watch = {.fd = loopback->listen_fd};
    struct error err;
    enum io io;

    CHECK(ops->watch(loopback->world, &watch, &err));
    while ((io = ops->accept(loopback->world, loopback->listen_fd, &pair->server, &pair->peer, &err)) == IO_WAIT) {
        watch.ready = 0;
        await_bits(loopback->world, &watch, READY_READ);
    }
    CHECK_EQ(io, IO_OK);
    ops->unwatch(loopback->world, &watch);
}

static void await_connect(struct loopback *loopback, int fd)
{
    const struct world_ops *ops = loopback->world->ops;
    struct watch watch = {.fd = fd};
    struct error err;

    CHECK(ops->watch(loopback->world, &watch, &err));
    await_bits(loopback->world, &watch, READY_WRITE);
    CHECK_EQ(ops->connect_end(loopback->world, fd, &err), IO_OK);
    ops->unwatch(loopback->world, &watch);
}

struct conn_pair loopback_connect(struct loopback *loopback)
{
    struct conn_pair pair = {.client = loopback_socket(loopback)};
    struct error err;
    enum io io = loopback->world->ops->connect(loopback->world, pair.client, &loopback->addr, &err);

    CHECK(io == IO_OK || io == IO_WAIT);
    if (io == IO_WAIT)
        await_connect(loopback, pair.client);
    await_accept(loopback, &pair);
    return pair;
}

void loopback_hang_up(struct loopback *loopback, const struct conn_pair *pair)
{
    loopback->world->ops->close(loopback->world, pair->client);
    loopback->world->ops->close(loopback->world, pair->server);
}

void await_bits(struct world *world, struct watch *watch, uint8_t bits)
{
    uint64_t until_ns = world->ops->now_ns(world) + (uint64_t)PATIENCE_SECONDS * 1000000000;
    struct watch *ready[8];

    while ((watch->ready & bits) != bits) {
        if (world->ops->now_ns(world) >= until_ns)
            test_fail(__FILE__, __LINE__, "waited for bits %d in vain, has %d", bits, watch->ready);
        CHECK(world->ops->wait(world, ready, COUNT_OF(ready), until_ns) >= 0);
    }
}

/* The kernel hands out the lowest free numbers: the one behind the last spare one becomes the limit. */
struct rlimit leave_descriptors(unsigned spare)
{
    struct rlimit before, tight;
    int fds[8];

    CHECK(spare < COUNT_OF(fds));
    CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    for (unsigned i = 0; i <= spare; i++)
        CHECK((fds[i] = dup(STDERR_FILENO)) != -1);
    tight = (struct rlimit){.rlim_cur = (rlim_t)fds[spare], .rlim_max = before.rlim_max};
    for (unsigned i = 0; i <= spare; i++)
        close(fds[i]);
    CHECK(setrlimit(RLIMIT_NOFILE, &tight) == 0);
    return before;
}

enum io read_one(struct world *world, int fd, void *into, size_t room, size_t *size, struct error *err)
{
    struct iovec part = {.iov_base = into, .iov_len = room};

    return world->ops->readv(world, fd, &part, 1, size, err);
}

enum io write_one(struct world *world, int fd, struct str bytes, size_t *size, struct error *err)
{
    struct iovec part = {.iov_base = (void *)(uintptr_t)bytes.data, .iov_len = bytes.len};

    return world->ops->writev(world, fd, &part, 1, size, err);
}
