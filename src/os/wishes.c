/* wishes.c: each wish is tried on something of its own that is thrown away. Without a descriptor to try it on nothing
 * is said: that is told elsewhere. SPDX-License-Identifier: Apache-2.0 */
#include "os/wishes.h"

#include "os/linux_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/tcp.h>
#include <sched.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

static unsigned bit_if(bool refused, unsigned bit)
{
    return refused ? bit : 0;
}

static unsigned try_pipe(void)
{
    unsigned refused;
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) == -1)
        return 0;
    refused = bit_if(fcntl(ends[1], F_SETPIPE_SZ, LINUX_PIPE_BYTES) == -1, WISH_PIPE_SIZE);
    close(ends[0]);
    close(ends[1]);
    return refused;
}

static unsigned try_wait(void)
{
    struct timespec none = {0};
    struct epoll_event event;
    int fd = epoll_create1(EPOLL_CLOEXEC);
    unsigned refused;

    if (fd == -1)
        return 0;
    refused = bit_if(epoll_pwait2(fd, &event, 1, &none, NULL) == -1 && errno != EINTR, WISH_FINE_WAIT);
    close(fd);
    return refused;
}

/* No processor at all: nothing changes, and who may ask hears that it makes no sense. */
static unsigned try_affinity(void)
{
    cpu_set_t none;

    CPU_ZERO(&none);
    return bit_if(sched_setaffinity(0, sizeof(none), &none) == 0 || errno != EINVAL, WISH_AFFINITY);
}

static unsigned try_socket(void)
{
    struct socket_options options = {
        .kind = SOCKET_STREAM, .keep_alive_ns = 15000000000, .keep_alive_count = 9, .user_timeout_ns = 15000000000};
    int fd = socket_open(AF_INET, SOCK_STREAM);
    struct tcp_info info;
    unsigned refused = 0;

    if (fd == -1)
        return 0;
    refused |= bit_if(!socket_set_keep_alive(fd, &options), WISH_KEEP_ALIVE);
    refused |= bit_if(!socket_set_user_timeout(fd, options.user_timeout_ns), WISH_USER_TIMEOUT);
    refused |= bit_if(!socket_set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1), WISH_SHARED_PORT);
    refused |= bit_if(!socket_read_info(fd, &info), WISH_TCP_INFO);
    close(fd);
    return refused;
}

static unsigned try_sock_diag(void)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

    if (fd == -1)
        return bit_if(errno != EMFILE && errno != ENFILE, WISH_SOCK_DIAG);
    close(fd);
    return 0;
}

unsigned wishes_refused(void)
{
    return try_pipe() | try_wait() | try_affinity() | try_socket() | try_sock_diag();
}
