/* linux_internal.h: what the files of the real world share: socket calls (linux_socket.c, linux_listen.c,
 * linux_pipe.c), their addresses (linux_sockaddr.c), and the table that linux_world.c makes of them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_OS_LINUX_INTERNAL_H
#define HOLDFAST_OS_LINUX_INTERNAL_H

#include "os/world.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

union sockaddr_any {
    struct sockaddr any;
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
    struct sockaddr_un path;
    struct sockaddr_storage storage;
};

/* False with *err (address_invalid): no address, or a path too long for the kernel. */
bool sockaddr_from_addr(const struct addr *addr, union sockaddr_any *out, socklen_t *size, struct error *err) MUST_USE;

/* IPv4 in IPv6 (RFC 4291 2.5.5.2) comes out as IPv4, a Unix address without its path, what is unknown as ADDR_NONE. */
struct addr sockaddr_to_addr(const union sockaddr_any *from, socklen_t size);

/* AF_ of the family; AF_UNSPEC for ADDR_NONE. */
int sockaddr_domain(enum addr_family family);

/* Opened (1) or closed (-1) one of the world's sockets. */
static inline void count_socket(struct world *world, int change)
{
    if (world->sockets)
        atomic_fetch_add_explicit(world->sockets, change, memory_order_relaxed);
}

/* A socket, non-blocking and close-on-exec; -1 with errno set. */
int socket_open(int domain, int type);
bool socket_set(int fd, int level, int name, int value) MUST_USE;                  /* false with errno set */
bool socket_set_keep_alive(int fd, const struct socket_options *options) MUST_USE; /* of TCP, likewise */
bool socket_set_user_timeout(int fd, uint64_t timeout_ns) MUST_USE;
struct tcp_info;
bool socket_read_info(int fd, struct tcp_info *info) MUST_USE; /* false: or the kernel knows less than we need */

enum { LINUX_PIPE_BYTES = 1 << 20 }; /* a piece of a packet takes a slot of 4096 bytes: what is asked for is slots */

/* The socket calls of struct world_ops. */
int linux_socket(struct world *world, const struct socket_options *options, struct error *err);
int linux_listen(struct world *world, const struct addr *addr, const struct listen_options *options, struct error *err);
enum io linux_accept(struct world *world, int listen_fd, int *fd, struct addr *peer, struct error *err);
bool linux_is_waited_at(struct world *world, int listen_fd);
enum io linux_connect(struct world *world, int fd, const struct addr *peer, struct error *err);
enum io linux_connect_end(struct world *world, int fd, struct error *err);
bool linux_local_addr(struct world *world, int fd, struct addr *addr);
enum io linux_readv(struct world *world, int fd, const struct iovec *parts, int count, size_t *got, struct error *err);
enum io linux_writev(struct world *world, int fd, const struct iovec *parts, int count, size_t *sent,
                     struct error *err);
enum io linux_peek(struct world *world, int fd);
void linux_shutdown_write(struct world *world, int fd);
void linux_close(struct world *world, int fd);
void linux_reset(struct world *world, int fd);
bool linux_facts(struct world *world, int fd, struct tcp_facts *facts);
bool linux_is_paced(struct world *world, int fd);
/* What a failed read or write of an established connection means; IO_WAIT for EAGAIN. */
enum io linux_data_failed(int number, const char *what, struct error *err);

/* linux_pipe.c */
bool linux_pipe_open(struct world *world, struct pipe *pipe);
void linux_pipe_close(struct world *world, struct pipe *pipe);
enum io linux_pipe_fill(struct world *world, int fd, struct pipe *pipe, size_t size_max, size_t *got,
                        struct error *err);
enum io linux_pipe_drain(struct world *world, struct pipe *pipe, int fd, size_t *sent, struct error *err);

#endif
