/* socket.c: the calls that a program makes on descriptors: the table struct world_ops. What they answer follows Linux;
 * what they send is in network.c. Start with sim_world_ops at the end. SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim_internal.h"

#include <errno.h>
#include <stdlib.h>

enum { FIRST_FD = 3, FIRST_PORT = 32768, LAST_PORT = 60999 };

static struct sim_machine *machine_of(struct world *world)
{
    return sim_world_of(world)->machine;
}

static struct sim_socket *socket_of(struct world *world, int fd)
{
    struct sim_machine *machine = machine_of(world);

    ASSERT(fd >= 0);
    ASSERT((unsigned)fd < machine->files_room);
    ASSERT(machine->files[fd]); /* a descriptor that was closed, or never open */
    return machine->files[fd];
}

static enum io fail_with(struct error *err, int number, const char *what)
{
    /* Told as linux_socket.c tells it. */
    if (number == EPIPE)
        error_set(err, FAULT_SYSTEM, ERROR_CLOSED, "%s: the connection is closed", what);
    else
        error_set_system(err, number, "%s", what);
    return IO_FAIL;
}

static void grow_files(struct sim_machine *machine)
{
    unsigned room = 2 * machine->files_room + 64;
    struct sim_socket **grown = sim_alloc(room * sizeof(*grown));

    if (machine->files_room > 0)
        memcpy(grown, machine->files, machine->files_room * sizeof(*grown));
    free(machine->files);
    machine->files = grown;
    machine->files_room = room;
}

int sim_file_open(struct sim_machine *machine, struct sim_socket *socket)
{
    unsigned fd = FIRST_FD;

    if (machine->files_open >= machine->files_max)
        return -1;
    while (fd < machine->files_room && machine->files[fd])
        fd++;
    if (fd >= machine->files_room)
        grow_files(machine);
    machine->files[fd] = socket;
    machine->files_open++;
    socket->fd = (int)fd;
    return (int)fd;
}

static void close_file(struct sim_socket *socket)
{
    socket->machine->files[socket->fd] = NULL;
    socket->machine->files_open--;
    socket->fd = -1;
}

static uint64_t sim_clock_ns(struct world *world)
{
    return machine_of(world)->sim->now_ns;
}

static uint64_t sim_wall_ns(struct world *world)
{
    return UINT64_C(1700000000000000000) + sim_clock_ns(world);
}

static void sim_random(struct world *world, void *out, size_t size)
{
    uint8_t *at = out;

    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)rng_next(&sim_world_of(world)->rng);
}

static int sim_open_socket(struct world *world, const struct socket_options *options, struct error *err)
{
    struct sim_machine *machine = machine_of(world);
    struct sim_socket *socket;

    if (options->kind != SOCKET_STREAM || (options->family != ADDR_IPV4 && options->family != ADDR_IPV6)) {
        fail_with(err, EAFNOSUPPORT, "socket");
        return -1;
    }
    socket = sim_socket_new(machine);
    socket->marks = options->marks;
    if (sim_chance(machine, SIM_FAULT_OUT_OF_FILES) || sim_file_open(machine, socket) == -1)
        fail_with(err, EMFILE, "socket");
    return socket->fd;
}

static bool port_is_taken(const struct sim_machine *machine, uint16_t port, bool shared)
{
    for (unsigned fd = 0; fd < machine->files_room; fd++) {
        const struct sim_socket *socket = machine->files[fd];

        if (socket && socket->state == SIM_LISTENING && socket->local.port == port && !(shared && socket->reuse_port))
            return true;
    }
    return false;
}

static uint16_t next_port(struct sim_machine *machine)
{
    machine->next_port = machine->next_port >= LAST_PORT ? FIRST_PORT : (uint16_t)(machine->next_port + 1);
    return machine->next_port;
}

static int sim_listen(struct world *world, const struct addr *addr, const struct listen_options *options,
                      struct error *err)
{
    struct sim_machine *machine = machine_of(world);
    struct sim_socket *socket;

    if (addr->family != ADDR_IPV4 && addr->family != ADDR_IPV6) {
        fail_with(err, EAFNOSUPPORT, "listen");
        return -1;
    }
    if (addr->port != 0 && port_is_taken(machine, addr->port, options->reuse_port)) {
        fail_with(err, EADDRINUSE, "listen");
        return -1;
    }
    socket = sim_socket_new(machine);
    if (sim_file_open(machine, socket) == -1) {
        fail_with(err, EMFILE, "listen");
        return -1;
    }
    socket->state = SIM_LISTENING;
    socket->local = *addr;
    if (addr->port == 0)
        socket->local.port = next_port(machine);
    socket->backlog = options->backlog > 0 ? options->backlog : 1;
    socket->reuse_port = options->reuse_port;
    return socket->fd;
}

static enum io sim_accept(struct world *world, int listen_fd, int *fd, struct addr *peer, struct error *err)
{
    struct sim_socket *listener = socket_of(world, listen_fd), *socket;
    struct list_node *node;

    ASSERT(listener->state == SIM_LISTENING);
    node = list_first(&listener->accept_queue);
    if (!node)
        return IO_WAIT;
    socket = container_of(node, struct sim_socket, accept_node);
    if (sim_chance(listener->machine, SIM_FAULT_OUT_OF_FILES) || sim_file_open(listener->machine, socket) == -1)
        return fail_with(err, EMFILE, "accept");
    list_remove(&listener->accept_queue, node);
    socket->listener = NULL;
    *fd = socket->fd;
    *peer = socket->remote;
    return IO_OK;
}

static bool sim_is_waited_at(struct world *world, int listen_fd)
{
    const struct sim_socket *listener = socket_of(world, listen_fd);

    ASSERT(listener->state == SIM_LISTENING);
    return !list_is_empty(&listener->accept_queue);
}

static struct addr source_for(struct sim_machine *machine, const struct addr *remote)
{
    struct addr local = remote->family == ADDR_IPV6 ? machine->ipv6 : machine->ipv4;

    if (addr_is_loopback(remote))
        local = *remote;
    local.port = next_port(machine);
    return local;
}

static enum io sim_connect(struct world *world, int fd, const struct addr *peer, struct error *err)
{
    struct sim_socket *socket = socket_of(world, fd);

    (void)err;
    ASSERT(socket->state == SIM_FRESH);
    socket->state = SIM_CONNECTING;
    socket->remote = *peer;
    socket->local = source_for(socket->machine, peer);
    socket->machine->connects++;
    sim_send_syn(socket);
    return IO_WAIT;
}

struct packet_marks sim_marks(struct world *world, int fd)
{
    const struct sim_socket *peer = socket_of(world, fd)->peer;

    return peer ? peer->marks : (struct packet_marks){0};
}

static int take_error(struct sim_socket *socket)
{
    int number = socket->error;

    socket->error = 0;
    return number;
}

static enum io sim_connect_end(struct world *world, int fd, struct error *err)
{
    struct sim_socket *socket = socket_of(world, fd);
    int number;

    if (socket->state == SIM_OPEN)
        return IO_OK;
    if (socket->state == SIM_CONNECTING)
        return IO_WAIT;
    number = take_error(socket);
    return fail_with(err, number != 0 ? number : ENOTCONN, "connect");
}

static bool sim_local_addr(struct world *world, int fd, struct addr *addr)
{
    const struct sim_socket *socket = socket_of(world, fd);

    *addr = socket->local;
    return addr->family != ADDR_NONE;
}

/* What a read finds when there are no bytes. */
static enum io read_nothing(struct sim_socket *socket, struct error *err)
{
    int number = take_error(socket);

    if (number != 0)
        return fail_with(err, number, "read");
    if (socket->state == SIM_FRESH)
        return fail_with(err, ENOTCONN, "read");
    return socket->fin_received || socket->state == SIM_DEAD ? IO_END : IO_WAIT;
}

static enum io sim_readv(struct world *world, int fd, const struct iovec *parts, int count, size_t *got,
                         struct error *err)
{
    struct sim_socket *socket = socket_of(world, fd);
    size_t taken = 0;

    ASSERT(count > 0);
    ASSERT(parts[0].iov_len > 0);
    if (socket->in.len == 0)
        return read_nothing(socket, err);
    for (int i = 0; i < count && socket->in.len > 0; i++) {
        size_t len = size_min(parts[i].iov_len, socket->in.len);

        sim_bytes_take(&socket->in, parts[i].iov_base, len);
        taken += len;
    }
    socket->read += taken;
    sim_note(socket->machine->sim, 'r', socket->id, taken);
    if (socket->state == SIM_OPEN)
        sim_send(socket, socket->peer, SIM_PACKET_ACK, NULL, 0); /* the window moves */
    *got = taken;
    return IO_OK;
}

static size_t room_for(struct sim_socket *socket, size_t wanted)
{
    size_t room = size_min(wanted, sim_send_room(socket));

    if (room > 1 && sim_chance(socket->machine, SIM_FAULT_SHORT_WRITE))
        room = 1 + (size_t)rng_below(&socket->machine->sim->rng, room - 1);
    return room;
}

static enum io sim_writev(struct world *world, int fd, const struct iovec *parts, int count, size_t *sent,
                          struct error *err)
{
    struct sim_socket *socket = socket_of(world, fd);
    size_t wanted = 0, left;

    if (socket->state == SIM_CONNECTING)
        return IO_WAIT;
    if (socket->error != 0)
        return fail_with(err, take_error(socket), "write");
    if (socket->state != SIM_OPEN || socket->fin_wanted)
        return fail_with(err, EPIPE, "write");
    for (int i = 0; i < count; i++)
        wanted += parts[i].iov_len;
    ASSERT(wanted > 0);
    *sent = left = room_for(socket, wanted);
    for (int i = 0; i < count && left > 0; i++) {
        size_t len = size_min(parts[i].iov_len, left);

        sim_bytes_add(&socket->unsent, parts[i].iov_base, len);
        left -= len;
    }
    socket->no_space = *sent < wanted;
    socket->written += *sent;
    sim_note(socket->machine->sim, 'w', socket->id, *sent);
    sim_transmit(socket);
    return *sent > 0 ? IO_OK : IO_WAIT;
}

static enum io sim_peek(struct world *world, int fd)
{
    struct sim_socket *socket = socket_of(world, fd);

    return socket->in.len > 0 ? IO_OK : read_nothing(socket, NULL);
}

static void sim_shutdown_write(struct world *world, int fd)
{
    struct sim_socket *socket = socket_of(world, fd);

    if (socket->state != SIM_OPEN || socket->fin_wanted)
        return;
    socket->fin_wanted = true;
    sim_transmit(socket);
    sim_socket_event(socket); /* Linux wakes pollers here too; closed both ways they see EPOLLHUP */
}

static void send_rst(struct sim_socket *socket)
{
    if (socket->peer && (socket->state == SIM_OPEN || socket->state == SIM_SYN_RECEIVED))
        sim_send(socket, socket->peer, SIM_PACKET_RST, NULL, 0);
    socket->state = SIM_DEAD;
    sim_bytes_free(&socket->unsent);
}

static void close_listener(struct sim_socket *listener)
{
    struct list_node *node;

    listener->state = SIM_DEAD;
    while ((node = list_pop_front(&listener->accept_queue))) {
        struct sim_socket *socket = container_of(node, struct sim_socket, accept_node);

        socket->listener = NULL;
        send_rst(socket);
        sim_bytes_free(&socket->in);
    }
}

static void close_socket(struct world *world, int fd, bool reset)
{
    struct sim_socket *socket = socket_of(world, fd);

    ASSERT(!socket->watch); /* unwatch comes first */
    close_file(socket);
    if (socket->state == SIM_LISTENING)
        close_listener(socket);
    else if (socket->state != SIM_OPEN)
        socket->state = SIM_DEAD;
    else if (reset || socket->in.len > 0) /* RFC 9293 3.10.4: unread bytes are lost, the peer must know */
        send_rst(socket);
    else
        socket->fin_wanted = true;
    sim_transmit(socket);
    if (socket->fin_sent && socket->fin_received)
        socket->state = SIM_DEAD;
    sim_bytes_free(&socket->in);
}

static void sim_close(struct world *world, int fd)
{
    close_socket(world, fd, false);
}

static void sim_reset(struct world *world, int fd)
{
    close_socket(world, fd, true);
}

bool sim_expects_data(struct world *world, int fd, uint64_t within_ns)
{
    const struct sim_socket *socket = socket_of(world, fd);
    const struct sim *sim = socket->machine->sim;

    for (size_t i = 0; i < sim->packet_count; i++)
        if (sim->packets[i]->to == socket && sim->packets[i]->kind == SIM_PACKET_DATA &&
            sim->packets[i]->at_ns <= sim->now_ns + within_ns)
            return true;
    return socket->in.len > 0;
}

static bool sim_facts(struct world *world, int fd, struct tcp_facts *facts)
{
    struct sim_socket *socket = socket_of(world, fd);

    if (socket->state == SIM_LISTENING || socket->state == SIM_FRESH)
        return false;
    *facts = (struct tcp_facts){
        .closed = socket->state == SIM_DEAD,
        .bytes_acked = socket->acked + (socket->state == SIM_CONNECTING ? 0 : 1),
        .retransmits = socket->retransmits,
        .unsent_bytes = (uint32_t)(socket->written - socket->acked),
        .unacked = socket->written > socket->acked,
        .acked_ago_ns = socket->machine->sim->now_ns - socket->acked_at_ns,
        .rtt_ns = sim_round_trip_ns(socket),
        .rtt_least_ns = sim_round_trip_ns(socket),
        .rto_ns = 200 * SIM_MS,
    };
    return true;
}

const struct world_ops sim_world_ops = {
    .now_ns = sim_clock_ns,
    .wall_ns = sim_wall_ns,
    .random = sim_random,
    .socket = sim_open_socket,
    .listen = sim_listen,
    .accept = sim_accept,
    .is_waited_at = sim_is_waited_at,
    .connect = sim_connect,
    .connect_end = sim_connect_end,
    .local_addr = sim_local_addr,
    .readv = sim_readv,
    .writev = sim_writev,
    .peek = sim_peek,
    .shutdown_write = sim_shutdown_write,
    .close = sim_close,
    .reset = sim_reset,
    .facts = sim_facts,
    .is_paced = sim_is_paced,
    .pipe_open = sim_pipe_open,
    .pipe_close = sim_pipe_close,
    .pipe_fill = sim_pipe_fill,
    .pipe_drain = sim_pipe_drain,
    .watch = sim_watch,
    .unwatch = sim_unwatch,
    .forget = sim_unwatch,
    .wait = sim_wait,
    .wake = sim_wake,
};
