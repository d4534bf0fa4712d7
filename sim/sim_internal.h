/* sim_internal.h: what the files of the simulator share: machines, sockets, packets. sim.c makes and runs, clock.c
 * orders packets in time, network.c is TCP between two sockets, socket.c the calls of a program, watch.c readiness.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_SIM_SIM_INTERNAL_H
#define HOLDFAST_SIM_SIM_INTERNAL_H

#include "base/map.h"
#include "base/rng.h"
#include "net/resolve.h"
#include "sim/sim.h"

enum { SIM_MACHINES_MAX = 64, SIM_PIPES_MAX = 256, SIM_LOOPS_MAX = 64, SIM_CHECKS_MAX = 16, SIM_FILES_DEFAULT = 4096 };

/* A first-in first-out of bytes that grows. */
struct sim_bytes {
    uint8_t *data;
    size_t at, len, room; /* bytes are data[at .. at + len) */
};

enum sim_state {
    SIM_FRESH, /* a socket, nothing more */
    SIM_LISTENING,
    SIM_CONNECTING,   /* SYN sent */
    SIM_SYN_RECEIVED, /* the passive side, before the third packet */
    SIM_OPEN,         /* connected; either direction may have ended */
    SIM_DEAD,         /* reset, refused, or closed both ways */
};

struct sim_machine;
struct sim_world;

/* One end of a connection, or a listener. Lives until sim_free, so that packets may name it. */
struct sim_socket {
    struct sim_machine *machine;
    struct list_node node; /* in sim->sockets */
    uint32_t id;           /* for traces */
    int fd;                /* -1: the program has closed it */
    enum sim_state state;
    struct addr local, remote;
    struct packet_marks marks; /* of what it sends */

    struct watch *watch;
    struct sim_world *watcher;
    struct list_node watched_node; /* in watcher->watched */
    struct list_node ready_node;   /* in watcher->ready: something has happened since the last wait */

    struct list accept_queue; /* of a listener: sockets by accept_node */
    struct list_node accept_node;
    struct sim_socket *listener; /* of a socket that was not accepted yet */
    int backlog;
    bool reuse_port;

    struct sim_socket *peer;
    struct sim_bytes in;     /* arrived, not read */
    struct sim_bytes unsent; /* written, waits for the peer's window */
    size_t send_max, receive_max;
    uint64_t written, sent, acked; /* bytes of our direction; acked and peer_read as far as packets have told */
    uint64_t peer_read;
    uint64_t acked_at_ns;   /* when one last told; 0: none has yet */
    uint64_t arrived, read; /* bytes of the other direction */
    bool fin_wanted, fin_sent, fin_received;
    bool no_space;     /* a write was cut short: room is news */
    int error;         /* errno that the next call gets; 0: none */
    uint64_t order_ns; /* no packet of ours may arrive before */
    uint32_t retransmits;
    uint32_t syn_tries;
};

enum sim_packet_kind {
    SIM_PACKET_SYN,
    SIM_PACKET_SYN_ACK,
    SIM_PACKET_HANDSHAKE, /* the third one */
    SIM_PACKET_DATA,
    SIM_PACKET_ACK,
    SIM_PACKET_FIN,
    SIM_PACKET_RST,
    SIM_PACKET_UNREACHABLE,
    SIM_PACKET_TIMEOUT, /* no packet: the end of our own patience */
};

struct sim_packet {
    uint64_t at_ns, order; /* order breaks ties, so that a run can be repeated */
    enum sim_packet_kind kind;
    struct sim_socket *from, *to; /* to is NULL for a SYN: nobody knows yet */
    uint64_t arrived, read;       /* what `from` has received and read, in every packet as in TCP */
    size_t len;
    uint8_t bytes[]; /* DATA */
};

struct sim_pipe {
    struct sim_bytes bytes;
    bool open;
};

struct sim_machine {
    struct sim *sim;
    char name[64];
    struct addr ipv4, ipv6;
    uint32_t fault_rates[SIM_FAULT_COUNT];
    struct sim_socket **files; /* by descriptor */
    unsigned files_room, files_open, files_max;
    struct sim_pipe pipes[SIM_PIPES_MAX];
    uint16_t next_port;
    unsigned connects;
};

/* What a loop gets as its world. */
struct sim_world {
    struct world world;
    struct sim_machine *machine;
    struct list_node node; /* in sim->worlds */
    struct list ready;     /* sockets by ready_node */
    struct list watched;   /* sockets by watched_node */
    bool woken;
    uint64_t until_ns; /* of the last wait */
    int reported;      /* by the last wait */
    struct rng rng;    /* what `random` gives */
};

struct sim_runner {
    struct loop *loop;
    struct sim_world *world;
    uint64_t stalled_until_ns; /* it is not turned before */
    bool quiet;                /* turned, and nothing was to be done */
    bool owns;                 /* made by sim_loop_new */
};

struct sim_check {
    void (*check)(void *arg);
    void *arg;
};

struct sim_route {
    struct sim_link link;
    bool set;
};

struct sim {
    uint64_t seed;
    struct rng rng;
    uint64_t now_ns;
    bool running; /* inside sim_run: a wait does not move the clock */
    const char *verdict;

    struct sim_packet **packets; /* a heap */
    size_t packet_count, packet_room;
    uint64_t next_order;

    struct sim_machine *machines[SIM_MACHINES_MAX];
    unsigned machine_count;
    struct sim_route routes[SIM_MACHINES_MAX][SIM_MACHINES_MAX];
    uint32_t fault_rates[SIM_FAULT_COUNT]; /* for machines to come */
    struct list worlds, sockets;
    uint32_t next_socket_id;
    size_t send_bytes, receive_bytes;

    struct sim_runner runners[SIM_LOOPS_MAX];
    unsigned runner_count;
    struct sim_check checks[SIM_CHECKS_MAX];
    unsigned check_count;

    struct list names; /* dns.c */
    uint64_t dns_delay_max_ns;

    bool traces;
    uint64_t hash;
    void (*fail)(void *arg, const char *message);
    void *fail_arg;
};

/* sim.c */
void *sim_alloc(size_t size); /* zeroed; ends the test without memory */
struct sim_machine *sim_machine(struct sim *sim, const char *name);
struct sim_machine *sim_machine_at(struct sim *sim, struct sim_machine *from, const struct addr *addr);
bool sim_chance(struct sim_machine *machine, enum sim_fault fault);
struct sim_world *sim_world_of(struct world *world);
extern const struct world_ops sim_world_ops;

/* bytes.c */
void sim_bytes_add(struct sim_bytes *bytes, const void *data, size_t len);
void sim_bytes_take(struct sim_bytes *bytes, void *out, size_t len);
void sim_bytes_free(struct sim_bytes *bytes);

/* clock.c */
void sim_schedule(struct sim *sim, struct sim_packet *packet); /* takes it; at_ns is set */
uint64_t sim_next_packet_ns(const struct sim *sim);            /* UINT64_MAX: none */
void sim_deliver_due(struct sim *sim);                         /* all packets up to now */
void sim_move_clock(struct sim *sim, uint64_t to_ns);          /* forward, delivering on the way */
void sim_clock_clear(struct sim *sim);

/* network.c */
struct sim_socket *sim_socket_new(struct sim_machine *machine);
void sim_send(struct sim_socket *from, struct sim_socket *to, enum sim_packet_kind kind, const void *bytes, size_t len);
void sim_transmit(struct sim_socket *socket); /* what the peer's window allows, then FIN if wanted */
void sim_arrive(struct sim *sim, struct sim_packet *packet);
void sim_kill(struct sim_socket *socket, int error); /* dead from now on; error is for the program */
void sim_send_syn(struct sim_socket *socket);
/* Are there bytes for this socket that are not read, or arrive so soon? */
bool sim_expects_data(struct world *world, int fd, uint64_t within_ns);
uint64_t sim_round_trip_ns(const struct sim_socket *socket); /* on average */
size_t sim_send_room(const struct sim_socket *socket);

/* socket.c */
int sim_file_open(struct sim_machine *machine, struct sim_socket *socket); /* -1: none is free */

/* pipe.c */
bool sim_pipe_open(struct world *world, struct pipe *pipe);
void sim_pipe_close(struct world *world, struct pipe *pipe);
enum io sim_pipe_fill(struct world *world, int fd, struct pipe *pipe, size_t size_max, size_t *got, struct error *err);
bool sim_is_paced(struct world *world, int fd); /* every other socket is, so that both ways are walked */
enum io sim_pipe_drain(struct world *world, struct pipe *pipe, int fd, size_t *sent, struct error *err);

/* watch.c */
void sim_socket_event(struct sim_socket *socket); /* what epoll would be told */
bool sim_watch(struct world *world, struct watch *watch, struct error *err);
void sim_unwatch(struct world *world, struct watch *watch);
int sim_wait(struct world *world, struct watch **ready, int count_max, uint64_t until_ns);
void sim_wake(struct world *world);
void sim_forget_watch(struct sim_socket *socket);

/* dns.c */
void sim_names_clear(struct sim *sim);

/* trace.c */
void sim_note(struct sim *sim, uint64_t a, uint64_t b, uint64_t c); /* into the hash */
void sim_trace_packet(struct sim *sim, const struct sim_packet *packet, const char *what);

#endif
