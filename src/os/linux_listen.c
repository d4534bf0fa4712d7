/* linux_listen.c: listening sockets and what comes out of them. Start with linux_listen.
 * SPDX-License-Identifier: Apache-2.0 */
#include "os/linux_internal.h"

#include <errno.h>
#include <limits.h>
#include <linux/tcp.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

/* Is `name` the socket file of a server that has gone? Only a refused connection proves it. */
static bool is_stale_socket(const struct sockaddr_un *name)
{
    struct stat file;
    bool refused;
    int fd;

    if (lstat(name->sun_path, &file) == -1 || !S_ISSOCK(file.st_mode))
        return false;
    fd = socket_open(AF_UNIX, SOCK_STREAM);
    if (fd == -1)
        return false;
    refused = connect(fd, (const struct sockaddr *)name, sizeof(*name)) == -1 && errno == ECONNREFUSED;
    close(fd);
    return refused;
}

static bool set_listen_options(int fd, const union sockaddr_any *name)
{
    if (name->any.sa_family == AF_UNIX)
        return true;
    if (!socket_set(fd, SOL_SOCKET, SO_REUSEADDR, 1))
        return false;
    /* All interfaces means IPv4 too, whatever the system's default is. */
    if (name->any.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&name->ipv6.sin6_addr) &&
        !socket_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0))
        return false;
    return true;
}

static void wish(int fd, int level, int name, int value, unsigned bit, const struct listen_options *options)
{
    if (!socket_set(fd, level, name, value) && options->refused)
        *options->refused |= bit;
}

/* What a listener can do without. */
static void set_listen_wishes(int fd, const union sockaddr_any *name, const struct listen_options *options)
{
    uint64_t seconds = options->defer_accept_ns / 1000000000 + (options->defer_accept_ns % 1000000000 > 0);

    if (name->any.sa_family == AF_UNIX)
        return;
    if (options->reuse_port) /* where it is refused a second socket cannot bind, and says so */
        wish(fd, SOL_SOCKET, SO_REUSEPORT, 1, LISTEN_NO_REUSE, options);
    wish(fd, IPPROTO_TCP, TCP_NODELAY, 1, LISTEN_NO_DELAY, options); /* accepted sockets inherit it */
    if (seconds > 0)
        wish(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, seconds < INT_MAX ? (int)seconds : INT_MAX, LISTEN_NO_DEFER, options);
}

/* Returns the listening descriptor, or -1 with errno set. */
static int open_listener(const union sockaddr_any *name, socklen_t size, const struct listen_options *options)
{
    int fd = socket_open(name->any.sa_family, SOCK_STREAM);
    int number;

    if (fd == -1)
        return -1;
    set_listen_wishes(fd, name, options);
    if (set_listen_options(fd, name) && bind(fd, &name->any, size) == 0 && listen(fd, options->backlog) == 0)
        return fd;
    number = errno;
    close(fd);
    errno = number;
    return -1;
}

/* On a kernel without IPv6, "all interfaces" is IPv4's. */
static bool fall_back_to_ipv4(union sockaddr_any *name, socklen_t *size)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = name->ipv6.sin6_port};

    if (errno != EAFNOSUPPORT || name->any.sa_family != AF_INET6 || !IN6_IS_ADDR_UNSPECIFIED(&name->ipv6.sin6_addr))
        return false;
    name->ipv4 = any;
    *size = (socklen_t)sizeof(any);
    return true;
}

int linux_listen(struct world *world, const struct addr *addr, const struct listen_options *options, struct error *err)
{
    char text[ADDR_TEXT_BYTES];
    union sockaddr_any name;
    socklen_t size;
    int fd;

    if (!sockaddr_from_addr(addr, &name, &size, err))
        return -1;
    if (addr->family == ADDR_UNIX && is_stale_socket(&name.path))
        (void)unlink(addr->path); /* when it fails, bind tells why */
    fd = open_listener(&name, size, options);
    if (fd == -1 && fall_back_to_ipv4(&name, &size)) {
        fd = open_listener(&name, size, options);
        if (options->refused)
            *options->refused |= LISTEN_NO_IPV6;
    }
    if (fd != -1)
        count_socket(world, 1);
    else
        error_set_system(err, errno, "listen on %.*s", STR_ARG(addr_format(addr, text)));
    return fd;
}

/* Errors that belong to a connection which died in the queue (accept(2)): the next one may be fine. Each call takes one
 * out of the queue, so this ends. */
static bool concerns_one_conn(int number)
{
    switch (number) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENETUNREACH:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
    case ETIMEDOUT:
        return true;
    }
    return false;
}

enum io linux_accept(struct world *world, int listen_fd, int *fd, struct addr *peer, struct error *err)
{
    union sockaddr_any name;
    socklen_t size;

    do {
        size = sizeof(name);
        *fd = accept4(listen_fd, &name.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (*fd == -1 && concerns_one_conn(errno));
    if (*fd != -1) {
        *peer = sockaddr_to_addr(&name, size);
        count_socket(world, 1);
        return IO_OK;
    }
    if (errno == EAGAIN)
        return IO_WAIT;
    error_set_system(err, errno, "accept");
    return IO_FAIL;
}

bool linux_is_waited_at(struct world *world, int listen_fd)
{
    struct pollfd asked = {.fd = listen_fd, .events = POLLIN};

    (void)world;
    return poll(&asked, 1, 0) == 1 && (asked.revents & POLLIN) != 0;
}
