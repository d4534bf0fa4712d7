/* world.h: the seam. Clock, calendar, randomness and sockets, as one table; every source of nondeterminism of the
 * gateway is here. linux_world.c fills it with the kernel, sim/ with a seed. One world for each worker.
 *
 * Conventions: descriptors are small integers of that world. Calls never block but `wait`. Data calls answer IO_OK with
 * a count above 0, IO_WAIT when the kernel says EAGAIN, IO_END for an orderly end, IO_FAIL with *err filled.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_OS_WORLD_H
#define HOLDFAST_OS_WORLD_H

#include "base/addr.h"
#include "base/io.h"

#include <stdatomic.h>
#include <sys/types.h>
#include <sys/uio.h>

struct pipe;
struct task;
struct world;

enum {
    READY_READ = 1,   /* bytes, a new connection, FIN or an error can be read */
    READY_WRITE = 2,  /* room to send, or connect has ended */
    READY_CLOSED = 4, /* the peer has sent FIN or RST (EPOLLRDHUP, EPOLLHUP, EPOLLERR) */
};

/* A descriptor under observation. Edge-triggered: bits are added when something changes and cleared by whoever finds
 * the call answering IO_WAIT. Registered once with all bits, never modified. While a bit stands, more of the same is no
 * news and wakes nobody; a hang-up or an error always does. */
struct watch {
    int fd;
    uint8_t ready;     /* READY_ bits */
    bool first;        /* an upstream connection: its news is dealt with before anything else of the batch runs */
    struct task *task; /* woken when bits are added; NULL: nobody */
};

enum socket_kind { SOCKET_STREAM, SOCKET_DATAGRAM };

/* What packets are marked with. Unlike other options these are never done without: a socket that may not have them is
 * none. Unix sockets have no packets. */
struct packet_marks {
    uint32_t mark; /* SO_MARK, for rules of this machine; 0: none */
    uint8_t dscp;  /* RFC 2474, for routers on the way, 63 at most; 0: the system's */
};

static inline bool packet_marks_eq(const struct packet_marks *a, const struct packet_marks *b)
{
    return a->mark == b->mark && a->dscp == b->dscp;
}

struct socket_options {
    enum socket_kind kind;
    enum addr_family family;
    bool no_delay;                   /* TCP_NODELAY */
    int64_t keep_alive_ns;           /* TCP keep-alive: the first probe after so much silence; 0 or negative: off */
    uint64_t keep_alive_interval_ns; /* between probes; 0: as the first */
    int keep_alive_count;            /* unanswered probes that end the connection; 0: the system's */
    uint64_t user_timeout_ns;        /* TCP_USER_TIMEOUT; 0: the system's */
    struct addr source;              /* our end's address, of the same family; its port is chosen when it connects, so
                                        that one port serves many peers. ADDR_NONE: as the routes have it */
    struct packet_marks marks;
};

struct listen_options {
    int backlog;              /* capped by somaxconn */
    bool reuse_port;          /* SO_REUSEPORT: one socket a worker */
    uint64_t defer_accept_ns; /* TCP_DEFER_ACCEPT, up to seconds: accept who has sent something; 0: who connects */
    unsigned *refused;        /* gets LISTEN_NO_...: what goes without, too, but was refused; NULL: nobody asks */
};

/* Without SO_REUSEPORT a second socket at the same address cannot be. Without IPv6 all addresses are those of IPv4. */
enum { LISTEN_NO_DELAY = 1, LISTEN_NO_DEFER = 2, LISTEN_NO_REUSE = 4, LISTEN_NO_IPV6 = 8 };

struct tcp_facts {        /* what the kernel knows of a connection (architecture 6.8) */
    bool closed;          /* state CLOSE: reset or fully closed */
    uint64_t bytes_acked; /* counts the SYN as one */
    uint32_t retransmits; /* time-outs in a row since something was last acknowledged */
    uint32_t resent;      /* segments that were sent again and are still unacknowledged; but not by a tail loss probe */
    uint32_t resent_ever; /* segments that were sent again since the beginning, by whatever */
    uint32_t unacked;     /* segments that were sent and are unacknowledged; 0 after a reset */
    uint32_t unsent_bytes; /* unacknowledged and unsent (SIOCOUTQ) */
    uint32_t window;       /* of congestion, in segments; 0: not known */
    uint64_t acked_ago_ns; /* since the peer has last acknowledged something */
    uint64_t sent_ago_ns;  /* since data was last sent, for the first time or again */
    uint64_t rtt_ns;       /* smoothed; what a busy peer takes to acknowledge is in it */
    uint64_t rtt_least_ns; /* of the last minutes; 0: not known */
    uint64_t rto_ns;       /* of the first time-out: without the doubling */
};

struct world_ops {
    /* Time since boot, suspended time included (CLOCK_BOOTTIME): never goes back. */
    uint64_t (*now_ns)(struct world *world);
    /* Nanoseconds since 1970, for logs and Date. */
    uint64_t (*wall_ns)(struct world *world);
    void (*random)(struct world *world, void *out, size_t size);

    /* A new socket, non-blocking and close-on-exec. Returns the descriptor, or -1 with *err (out_of_files; permission:
     * of its marks ...). */
    int (*socket)(struct world *world, const struct socket_options *options, struct error *err);
    /* Binds and listens; for ADDR_UNIX a socket file that nobody listens on any more is removed first. -1 with *err
     * (address_in_use, permission ...). */
    int (*listen)(struct world *world, const struct addr *addr, const struct listen_options *options,
                  struct error *err);
    /* Next connection as *fd, with no_delay set (inherited); IO_WAIT when there is none; IO_FAIL out_of_files when the
     * process has no descriptor left: the caller pauses accepting. Aborted connections are passed over. */
    enum io (*accept)(struct world *world, int listen_fd, int *fd, struct addr *peer, struct error *err);
    bool (*is_waited_at)(struct world *world, int listen_fd); /* would accept have a connection now? */
    /* Starts connecting; IO_WAIT: READY_WRITE tells the end, then ask connect_end, which answers IO_WAIT when asked too
     * early and tells a failure once. */
    enum io (*connect)(struct world *world, int fd, const struct addr *peer, struct error *err);
    enum io (*connect_end)(struct world *world, int fd, struct error *err);
    /* IPv4 in IPv6 comes out as IPv4, here and from accept; a Unix address without its path. */
    bool (*local_addr)(struct world *world, int fd, struct addr *addr);

    /* The first part is never empty. On a datagram socket an empty datagram reads as IO_END. Faults are FAULT_SYSTEM:
     * reset, closed (writing behind our own FIN or after a reset), system. */
    enum io (*readv)(struct world *world, int fd, const struct iovec *parts, int count, size_t *got, struct error *err);
    enum io (*writev)(struct world *world, int fd, const struct iovec *parts, int count, size_t *sent,
                      struct error *err);
    /* Looks without taking (MSG_PEEK): IO_WAIT: open and quiet; IO_OK: bytes are waiting; IO_END: FIN; IO_FAIL: reset.
     */
    enum io (*peek)(struct world *world, int fd);
    void (*shutdown_write)(struct world *world, int fd);
    void (*close)(struct world *world, int fd);
    void (*reset)(struct world *world, int fd); /* closes with RST (linger 0): leaves no TIME_WAIT */
    bool (*facts)(struct world *world, int fd, struct tcp_facts *facts);

    /* Does TCP space out what is sent there, by a timer for each burst (BBR)? False also when it cannot be told. */
    bool (*is_paced)(struct world *world, int fd);

    /* Pipes between sockets (pipe.h). All four NULL: the world has none. False: no descriptor is left. */
    bool (*pipe_open)(struct world *world, struct pipe *pipe);
    void (*pipe_close)(struct world *world, struct pipe *pipe);
    /* As readv, into an empty pipe, and as writev, from one that is not: what is left there found no room. */
    enum io (*pipe_fill)(struct world *world, int fd, struct pipe *pipe, size_t size_max, size_t *got,
                         struct error *err);
    enum io (*pipe_drain)(struct world *world, struct pipe *pipe, int fd, size_t *sent, struct error *err);

    /* Registers once, for all bits, edge-triggered; the watch stays where it is until unwatch. False: *err. */
    bool (*watch)(struct world *world, struct watch *watch, struct error *err);
    /* No wait stores it any more. `unwatch` leaves the descriptor as it is, `forget` is for one that is closed next. */
    void (*unwatch)(struct world *world, struct watch *watch);
    void (*forget)(struct world *world, struct watch *watch);
    /* Adds bits to watches and stores each that changed in ready[] once; sleeps until something happens, `wake` is
     * called, or now_ns reaches until_ns (UINT64_MAX: for ever). Returns how many. */
    int (*wait)(struct world *world, struct watch **ready, int count_max, uint64_t until_ns);
    /* Makes a wait in progress, or the next one, return. The only call that other threads may make. */
    void (*wake)(struct world *world);
};

struct world {
    const struct world_ops *ops;
    _Atomic int64_t *sockets; /* how many are open, shared with other worlds; NULL: not counted */
};

/* May a connection of ours have this source address now? False: *err. Any thread. */
bool source_is_ours(const struct addr *source, struct error *err) MUST_USE;

/* May connections of ours have these marks? False: *err (permission ...). Any thread. */
bool marks_are_allowed(const struct packet_marks *marks, struct error *err) MUST_USE;

/* The real one. NULL with *err: out_of_files, out_of_memory. */
struct world *linux_world_new(struct error *err);
void linux_world_free(struct world *world); /* NULL is fine */

#endif
