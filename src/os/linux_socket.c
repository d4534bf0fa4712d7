/* linux_socket.c: connected sockets: make, connect, read, write, look, close. Waiting and watching are in
 * linux_world.c, accepting in linux_listen.c.
 *
 * A call that is interrupted is made again, for an edge that is given up would not come back. What fails on an
 * open connection is the system's fault here: the callers know whose peer it was. SPDX-License-Identifier: Apache-2.0
 */
#include "base/assert.h"
#include "os/linux_internal.h"

#include <errno.h>
#include <limits.h>
#include <linux/sockios.h>
#include <linux/tcp.h> /* not netinet/tcp.h, whose tcp_info ends before bytes_acked */
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    KEEP_ALIVE_SECONDS_MAX = 32767, /* the kernel's MAX_TCP_KEEPIDLE */
    KEEP_ALIVE_COUNT_MAX = 127,     /* MAX_TCP_KEEPCNT */
    TCP_STATE_ESTABLISHED = 1,      /* of include/net/tcp_states.h; the only names are in headers that clash */
    TCP_STATE_SYN_SENT = 2,
    TCP_STATE_CLOSE = 7,
    CONGESTION_NAME_BYTES = 16, /* the kernel's TCP_CA_NAME_MAX */
};

int socket_open(int domain, int type)
{
    return socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

bool socket_set(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value)) == 0;
}

/* value / unit, rounded up and at most max: a time-out of 0 would mean another thing to the kernel. */
static int units_of(uint64_t value_ns, uint64_t unit_ns, int max)
{
    uint64_t units = value_ns / unit_ns + (value_ns % unit_ns != 0);

    return units < (uint64_t)max ? (int)units : max;
}

bool socket_set_keep_alive(int fd, const struct socket_options *options)
{
    uint64_t idle_ns = (uint64_t)options->keep_alive_ns;
    uint64_t interval_ns = options->keep_alive_interval_ns > 0 ? options->keep_alive_interval_ns : idle_ns;
    int count = options->keep_alive_count < KEEP_ALIVE_COUNT_MAX ? options->keep_alive_count : KEEP_ALIVE_COUNT_MAX;

    return socket_set(fd, SOL_SOCKET, SO_KEEPALIVE, 1) &&
           socket_set(fd, IPPROTO_TCP, TCP_KEEPIDLE, units_of(idle_ns, 1000000000, KEEP_ALIVE_SECONDS_MAX)) &&
           socket_set(fd, IPPROTO_TCP, TCP_KEEPINTVL, units_of(interval_ns, 1000000000, KEEP_ALIVE_SECONDS_MAX)) &&
           (count <= 0 || socket_set(fd, IPPROTO_TCP, TCP_KEEPCNT, count));
}

bool socket_set_user_timeout(int fd, uint64_t timeout_ns)
{
    return socket_set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, units_of(timeout_ns, 1000000, INT_MAX));
}

/* A connection without them is better than none; that they are refused is told at the start (wishes.h). */
static void set_tcp_options(int fd, const struct socket_options *options)
{
    if (options->no_delay)
        (void)!socket_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (options->keep_alive_ns > 0)
        (void)!socket_set_keep_alive(fd, options);
    if (options->user_timeout_ns > 0)
        (void)!socket_set_user_timeout(fd, options->user_timeout_ns);
}

/* IP_BIND_ADDRESS_NO_PORT: else a port would be taken that no other connection has, whoever its peer is. */
static bool bind_source(int fd, const struct addr *source, struct error *err)
{
    union sockaddr_any from;
    socklen_t size;

    if (source->family == ADDR_NONE)
        return true;
    if (!sockaddr_from_addr(source, &from, &size, err))
        return false;
    (void)!socket_set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    if (bind(fd, &from.any, size) == 0)
        return true;
    if (errno == EADDRNOTAVAIL)
        return error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_PORTS, "source address: none of this machine's");
    return error_set_system(err, errno, "source address");
}

static bool set_mark(int fd, uint32_t mark, struct error *err)
{
    if (setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) == 0)
        return true;
    if (errno == EPERM) /* from Linux 5.17 on CAP_NET_RAW will do, too */
        return error_set(err, FAULT_SYSTEM, ERROR_PERMISSION, "mark %u: this process lacks CAP_NET_ADMIN", mark);
    return error_set_system(err, errno, "mark %u", mark);
}

/* Above the two bits of ECN, which the kernel leaves as they are. An address of IPv6 may stand for one of IPv4. */
static bool set_dscp(int fd, enum addr_family family, uint8_t dscp, struct error *err)
{
    int bits = dscp << 2;

    if (socket_set(fd, IPPROTO_IP, IP_TOS, bits) &&
        (family != ADDR_IPV6 || socket_set(fd, IPPROTO_IPV6, IPV6_TCLASS, bits)))
        return true;
    return error_set_system(err, errno, "dscp %u", dscp);
}

static bool set_marks(int fd, enum addr_family family, const struct packet_marks *marks, struct error *err)
{
    if (family == ADDR_UNIX)
        return true;
    return (marks->mark == 0 || set_mark(fd, marks->mark, err)) &&
           (marks->dscp == 0 || set_dscp(fd, family, marks->dscp, err));
}

bool marks_are_allowed(const struct packet_marks *marks, struct error *err)
{
    int fd = socket_open(AF_INET, SOCK_STREAM);
    bool allowed;

    if (fd == -1)
        return error_set_system(err, errno, "socket");
    allowed = set_marks(fd, ADDR_IPV4, marks, err);
    close(fd);
    return allowed;
}

bool source_is_ours(const struct addr *source, struct error *err)
{
    int fd = socket_open(sockaddr_domain((enum addr_family)source->family), SOCK_STREAM);
    bool ours;

    if (fd == -1)
        return error_set_system(err, errno, "socket");
    ours = bind_source(fd, source, err);
    close(fd);
    return ours;
}

int linux_socket(struct world *world, const struct socket_options *options, struct error *err)
{
    bool is_stream = options->kind == SOCKET_STREAM;
    int fd = socket_open(sockaddr_domain(options->family), is_stream ? SOCK_STREAM : SOCK_DGRAM);

    if (fd == -1) {
        error_set_system(err, errno, "socket");
        return -1;
    }
    if (is_stream && options->family != ADDR_UNIX)
        set_tcp_options(fd, options);
    if (!set_marks(fd, options->family, &options->marks, err) || !bind_source(fd, &options->source, err)) {
        close(fd);
        return -1;
    }
    count_socket(world, 1);
    return fd;
}

static enum io connect_failed(int number, struct error *err)
{
    /* A Unix socket whose backlog is full says EAGAIN and does not go on by itself, unlike one that is connecting. */
    if (number == EAGAIN)
        error_set(err, FAULT_UPSTREAM, ERROR_CONNECT_REFUSED, "connect: the listener's backlog is full");
    else if (number == EADDRNOTAVAIL)
        error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_PORTS, "connect: no local port is free, or no such address");
    else
        error_set_system(err, number, "connect");
    return IO_FAIL;
}

enum io linux_connect(struct world *world, int fd, const struct addr *peer, struct error *err)
{
    union sockaddr_any to;
    socklen_t size;

    (void)world;
    if (!sockaddr_from_addr(peer, &to, &size, err))
        return IO_FAIL;
    if (connect(fd, &to.any, size) == 0)
        return IO_OK;
    if (errno == EINPROGRESS || errno == EINTR) /* interrupted: it goes on all the same */
        return IO_WAIT;
    return connect_failed(errno, err);
}

bool socket_read_info(int fd, struct tcp_info *info)
{
    socklen_t size = sizeof(*info);

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &size) == -1)
        return false;
    return size >= offsetof(struct tcp_info, tcpi_bytes_acked) + sizeof(info->tcpi_bytes_acked);
}

/* Of the congestion controls that Linux has, BBR alone asks for it in all its versions. */
bool linux_is_paced(struct world *world, int fd)
{
    char name[CONGESTION_NAME_BYTES + 1] = "";
    socklen_t size = CONGESTION_NAME_BYTES;

    (void)world;
    return getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &size) == 0 && strncmp(name, "bbr", 3) == 0;
}

/* Asks for the peer first: one call when all is well, and right when it was asked too early. */
enum io linux_connect_end(struct world *world, int fd, struct error *err)
{
    union sockaddr_any peer;
    socklen_t peer_size = sizeof(peer);
    struct tcp_info info;
    int number = 0;
    socklen_t number_size = sizeof(number);

    (void)world;
    if (getpeername(fd, &peer.any, &peer_size) == 0)
        return IO_OK;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &number_size) == -1)
        number = errno;
    if (number != 0)
        return connect_failed(number, err);
    if (socket_read_info(fd, &info) && info.tcpi_state == TCP_STATE_SYN_SENT)
        return IO_WAIT;
    error_set(err, FAULT_SYSTEM, ERROR_CONNECT_FAILED, "connect: not under way");
    return IO_FAIL;
}

bool linux_local_addr(struct world *world, int fd, struct addr *addr)
{
    union sockaddr_any name;
    socklen_t size = sizeof(name);

    (void)world;
    if (getsockname(fd, &name.any, &size) == -1)
        return false;
    *addr = sockaddr_to_addr(&name, size);
    return addr->family != ADDR_NONE;
}

enum io linux_data_failed(int number, const char *what, struct error *err)
{
    if (number == EAGAIN)
        return IO_WAIT;
    if (number == ETIMEDOUT) /* keep-alive or TCP_USER_TIMEOUT gave up: not a connect that timed out */
        error_set(err, FAULT_SYSTEM, ERROR_RESET, "%s: the peer no longer acknowledges", what);
    else if (number == EPIPE)
        error_set(err, FAULT_SYSTEM, ERROR_CLOSED, "%s: the connection is closed", what);
    else
        error_set_system(err, number, "%s", what);
    return IO_FAIL;
}

/* sendmsg does not write to the parts, but its struct is shared with recvmsg. */
static struct iovec *parts_of_message(const struct iovec *parts)
{
    union {
        const struct iovec *in;
        struct iovec *out;
    } pointer = {.in = parts};

    return pointer.out;
}

static NOINLINE ssize_t receive_parts(int fd, const struct iovec *parts, int count)
{
    struct msghdr message = {.msg_iov = parts_of_message(parts), .msg_iovlen = (size_t)count};

    return recvmsg(fd, &message, 0);
}

static ssize_t receive(int fd, const struct iovec *parts, int count)
{
    return count == 1 ? recv(fd, parts->iov_base, parts->iov_len, 0) : receive_parts(fd, parts, count);
}

enum io linux_readv(struct world *world, int fd, const struct iovec *parts, int count, size_t *got, struct error *err)
{
    ssize_t size;

    (void)world;
    ASSERT(count > 0);
    ASSERT(parts[0].iov_len > 0); /* else "nothing asked" and "end" would look the same */
    do {
        size = receive(fd, parts, count);
    } while (size == -1 && errno == EINTR);
    if (size == -1)
        return linux_data_failed(errno, "read", err);
    *got = (size_t)size;
    return size > 0 ? IO_OK : IO_END;
}

static NOINLINE ssize_t transmit_parts(int fd, const struct iovec *parts, int count)
{
    struct msghdr message = {.msg_iov = parts_of_message(parts), .msg_iovlen = (size_t)count};

    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

static ssize_t transmit(int fd, const struct iovec *parts, int count)
{
    return count == 1 ? send(fd, parts->iov_base, parts->iov_len, MSG_NOSIGNAL) : transmit_parts(fd, parts, count);
}

enum io linux_writev(struct world *world, int fd, const struct iovec *parts, int count, size_t *sent, struct error *err)
{
    ssize_t size;

    (void)world;
    ASSERT(count > 0);
    ASSERT(parts[0].iov_len > 0);
    do {
        size = transmit(fd, parts, count);
    } while (size == -1 && errno == EINTR);
    if (size == -1)
        return linux_data_failed(errno, "write", err);
    *sent = (size_t)size;
    return IO_OK;
}

enum io linux_peek(struct world *world, int fd)
{
    char byte;
    ssize_t size;

    (void)world;
    do {
        size = recv(fd, &byte, sizeof(byte), MSG_PEEK);
    } while (size == -1 && errno == EINTR);
    if (size == -1)
        return errno == EAGAIN ? IO_WAIT : IO_FAIL;
    return size > 0 ? IO_OK : IO_END;
}

void linux_shutdown_write(struct world *world, int fd)
{
    (void)world;
    (void)shutdown(fd, SHUT_WR); /* fails only when the connection is gone, which reading tells */
}

void linux_close(struct world *world, int fd)
{
    count_socket(world, -1);
    ASSERT(close(fd) == 0 || errno != EBADF); /* closing twice would hit somebody else's descriptor */
}

void linux_reset(struct world *world, int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    linux_close(world, fd);
}

/* Most who ask find nothing under way, which saves a second call. A reset empties the queues too, so that only an open
 * connection tells. */
static bool is_all_acked(const struct tcp_info *info)
{
    return info->tcpi_state == TCP_STATE_ESTABLISHED && info->tcpi_unacked == 0 && info->tcpi_notsent_bytes == 0;
}

bool linux_facts(struct world *world, int fd, struct tcp_facts *facts)
{
    struct tcp_info info = {.tcpi_notsent_bytes = UINT32_MAX}; /* stays when the kernel does not tell */
    int unsent = 0;

    (void)world;
    if (!socket_read_info(fd, &info) || (!is_all_acked(&info) && ioctl(fd, SIOCOUTQ, &unsent) == -1))
        return false;
    *facts = (struct tcp_facts){
        .closed = info.tcpi_state == TCP_STATE_CLOSE,
        .bytes_acked = info.tcpi_bytes_acked,
        .retransmits = info.tcpi_retransmits,
        .resent = info.tcpi_retrans,
        .resent_ever = info.tcpi_total_retrans,
        .unacked = info.tcpi_unacked,
        .unsent_bytes = unsent > 0 ? (uint32_t)unsent : 0,
        .window = info.tcpi_snd_cwnd,
        .acked_ago_ns = (uint64_t)info.tcpi_last_ack_recv * 1000000,
        .sent_ago_ns = (uint64_t)info.tcpi_last_data_sent * 1000000,
        .rtt_ns = (uint64_t)info.tcpi_rtt * 1000,
        .rtt_least_ns = info.tcpi_min_rtt != UINT32_MAX ? (uint64_t)info.tcpi_min_rtt * 1000 : 0,
        .rto_ns = ((uint64_t)info.tcpi_rto * 1000) >> (info.tcpi_backoff < 32 ? info.tcpi_backoff : 32),
    };
    return true;
}
