/* network.c: TCP between two simulated sockets, as far as programs can tell: what a packet does where it arrives, and
 * what is sent next. Start with sim_arrive. SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim_internal.h"

#include <errno.h>
#include <stdlib.h>

#define LOSS_NS     (200 * SIM_MS) /* until a lost packet is sent again: Linux's least RTO */
#define SYN_RETRY   SIM_SECOND     /* a listener with a full queue drops the SYN; it comes again */
#define PATIENCE_NS (127 * SIM_SECOND)

enum { SEGMENT_MAX = 16384, SEGMENT_SMALL_MAX = 24, SYN_TRIES_MAX = 7 };

static struct sim *sim_of(const struct sim_socket *socket)
{
    return socket->machine->sim;
}

struct sim_socket *sim_socket_new(struct sim_machine *machine)
{
    struct sim *sim = machine->sim;
    struct sim_socket *socket = sim_alloc(sizeof(*socket));

    socket->machine = machine;
    socket->id = ++sim->next_socket_id;
    socket->fd = -1;
    socket->send_max = sim->send_bytes;
    socket->receive_max = sim->receive_bytes;
    list_init(&socket->accept_queue);
    list_push_back(&sim->sockets, &socket->node);
    return socket;
}

static unsigned index_of(const struct sim *sim, const struct sim_machine *machine)
{
    for (unsigned i = 0; i < sim->machine_count; i++)
        if (sim->machines[i] == machine)
            return i;
    ASSERT(false);
    return 0;
}

static struct sim_link link_between(struct sim *sim, const struct sim_machine *a, const struct sim_machine *b)
{
    const struct sim_route *route = b ? &sim->routes[index_of(sim, a)][index_of(sim, b)] : NULL;

    if (route && route->set)
        return route->link;
    if (a == b)
        return (struct sim_link){.delay_ns = 5000};
    return (struct sim_link){.delay_ns = 100000, .jitter_ns = 50000};
}

uint64_t sim_round_trip_ns(const struct sim_socket *socket)
{
    struct sim_link link = link_between(sim_of(socket), socket->machine, socket->peer ? socket->peer->machine : NULL);

    return 2 * link.delay_ns + link.jitter_ns;
}

static uint64_t travel_ns(struct sim_socket *from, const struct sim_machine *to)
{
    struct sim *sim = sim_of(from);
    struct sim_link link = link_between(sim, from->machine, to);
    uint64_t travel = link.delay_ns + (link.jitter_ns > 0 ? rng_below(&sim->rng, link.jitter_ns + 1) : 0);

    if (rng_chance(&sim->rng, link.loss_per_million)) {
        from->retransmits++;
        travel += LOSS_NS;
    }
    return travel;
}

/* Puts a packet on its way; `delay_ns` is added to the travel. */
static void put_on_wire(struct sim_socket *from, struct sim_socket *to, const struct sim_machine *machine,
                        enum sim_packet_kind kind, uint64_t delay_ns, const void *bytes, size_t len)
{
    struct sim *sim = sim_of(from);
    struct sim_packet *packet = sim_alloc(sizeof(*packet) + len);

    packet->kind = kind;
    packet->from = from;
    packet->to = to;
    packet->arrived = from->arrived;
    packet->read = from->read;
    packet->len = len;
    if (len > 0)
        memcpy(packet->bytes, bytes, len);
    packet->at_ns = sim->now_ns + delay_ns + travel_ns(from, machine);
    if (packet->at_ns < from->order_ns)
        packet->at_ns = from->order_ns;
    from->order_ns = packet->at_ns;
    sim_trace_packet(sim, packet, "sends");
    sim_schedule(sim, packet);
}

void sim_send(struct sim_socket *from, struct sim_socket *to, enum sim_packet_kind kind, const void *bytes, size_t len)
{
    put_on_wire(from, to, to->machine, kind, 0, bytes, len);
}

void sim_send_syn(struct sim_socket *socket)
{
    struct sim_machine *to = sim_machine_at(sim_of(socket), socket->machine, &socket->remote);
    uint64_t wait_ns = socket->syn_tries++ > 0 ? SYN_RETRY : 0;

    put_on_wire(socket, NULL, to, SIM_PACKET_SYN, wait_ns, NULL, 0);
}

/* Nobody answers: our own end gives up, much later. Not bound to the order of packets. */
static void give_up_later(struct sim_socket *socket)
{
    struct sim_packet *packet = sim_alloc(sizeof(*packet));

    packet->kind = SIM_PACKET_TIMEOUT;
    packet->from = packet->to = socket;
    packet->at_ns = sim_of(socket)->now_ns + PATIENCE_NS;
    sim_schedule(sim_of(socket), packet);
}

void sim_kill(struct sim_socket *socket, int error)
{
    socket->state = SIM_DEAD;
    socket->error = error;
    sim_bytes_free(&socket->unsent);
    if (!sim_chance(socket->machine, SIM_FAULT_RESET_KEEPS_DATA))
        sim_bytes_free(&socket->in);
    sim_socket_event(socket);
}

size_t sim_send_room(const struct sim_socket *socket)
{
    uint64_t used = socket->written - socket->acked;

    return used >= socket->send_max ? 0 : socket->send_max - (size_t)used;
}

/* The network, or a machine in it, cuts the connection: both ends are told. */
static void cut_connection(struct sim_socket *socket)
{
    sim_send(socket, socket->peer, SIM_PACKET_RST, NULL, 0);
    sim_send(socket->peer, socket, SIM_PACKET_RST, NULL, 0);
}

/* False: it was cut instead. */
static bool send_segment(struct sim_socket *socket, size_t window)
{
    size_t len = size_min(size_min(socket->unsent.len, window), SEGMENT_MAX);

    if (sim_chance(socket->machine, SIM_FAULT_RESET)) {
        cut_connection(socket);
        return false;
    }
    if (sim_chance(socket->machine, SIM_FAULT_SHORT_READ))
        len = size_min(len, 1 + (size_t)rng_below(&sim_of(socket)->rng, SEGMENT_SMALL_MAX));
    sim_send(socket, socket->peer, SIM_PACKET_DATA, socket->unsent.data + socket->unsent.at, len);
    sim_bytes_take(&socket->unsent, NULL, len);
    socket->sent += len;
    return true;
}

void sim_transmit(struct sim_socket *socket)
{
    if (socket->state != SIM_OPEN)
        return;
    while (socket->unsent.len > 0) {
        uint64_t flying = socket->sent - socket->peer_read;

        if (flying >= socket->peer->receive_max)
            return;
        if (!send_segment(socket, socket->peer->receive_max - (size_t)flying))
            return;
    }
    if (socket->fin_wanted && !socket->fin_sent) {
        socket->fin_sent = true;
        sim_send(socket, socket->peer, SIM_PACKET_FIN, NULL, 0);
    }
}

static bool addr_matches(const struct sim_socket *listener, const struct addr *wanted)
{
    static const uint8_t any[16];
    const struct addr *local = &listener->local;
    bool is_any = memcmp(local->ip, any, sizeof(any)) == 0;

    if (local->port != wanted->port)
        return false;
    if (is_any) /* "::" takes IPv4 as well */
        return local->family == wanted->family || local->family == ADDR_IPV6;
    return addr_eq(local, wanted);
}

/* The listener for the address; with SO_REUSEPORT there may be several, and chance picks one. */
static struct sim_socket *find_listener(struct sim_machine *machine, const struct addr *wanted)
{
    struct sim_socket *found = NULL;
    uint64_t count = 0;

    for (unsigned fd = 0; fd < machine->files_room; fd++) {
        struct sim_socket *socket = machine->files[fd];

        if (!socket || socket->state != SIM_LISTENING || !addr_matches(socket, wanted))
            continue;
        if (rng_below(&machine->sim->rng, ++count) == 0)
            found = socket;
    }
    return found;
}

/* A connection's passive end, not yet accepted; it answers the SYN. */
static void answer_syn(struct sim_socket *listener, struct sim_socket *client)
{
    struct sim_socket *server = sim_socket_new(listener->machine);

    server->state = SIM_SYN_RECEIVED;
    server->local = client->remote;
    server->remote = client->local;
    server->peer = client;
    server->listener = listener;
    client->peer = server;
    sim_send(server, client, SIM_PACKET_SYN_ACK, NULL, 0);
}

/* An answer in the name of a machine that has no socket for it. */
static void answer_without_socket(struct sim_machine *machine, struct sim_socket *to, enum sim_packet_kind kind)
{
    struct sim_socket *nobody = sim_socket_new(machine);

    nobody->state = SIM_DEAD;
    nobody->local = to->remote;
    nobody->remote = to->local;
    sim_send(nobody, to, kind, NULL, 0);
}

static void arrive_syn(struct sim *sim, struct sim_socket *client)
{
    struct sim_machine *machine = sim_machine_at(sim, client->machine, &client->remote);
    struct sim_socket *listener;

    if (client->state != SIM_CONNECTING)
        return;
    if (!machine) {
        answer_without_socket(client->machine, client, SIM_PACKET_UNREACHABLE);
        return;
    }
    if (sim_chance(machine, SIM_FAULT_BLACK_HOLE)) {
        give_up_later(client);
        return;
    }
    listener = find_listener(machine, &client->remote);
    if (!listener || sim_chance(machine, SIM_FAULT_REFUSE))
        answer_without_socket(machine, client, SIM_PACKET_RST);
    else if (listener->accept_queue.count < (size_t)listener->backlog)
        answer_syn(listener, client);
    else if (client->syn_tries < SYN_TRIES_MAX)
        sim_send_syn(client);
    else
        give_up_later(client);
}

static void arrive_syn_ack(struct sim_socket *client, struct sim_socket *server)
{
    if (client->state != SIM_CONNECTING) {
        sim_send(client, server, SIM_PACKET_RST, NULL, 0);
        return;
    }
    client->state = SIM_OPEN;
    sim_send(client, server, SIM_PACKET_HANDSHAKE, NULL, 0);
    sim_socket_event(client);
}

static void arrive_handshake(struct sim_socket *server)
{
    struct sim_socket *listener = server->listener;

    if (server->state != SIM_SYN_RECEIVED)
        return;
    if (listener->state != SIM_LISTENING) {
        sim_send(server, server->peer, SIM_PACKET_RST, NULL, 0);
        server->state = SIM_DEAD;
        return;
    }
    server->state = SIM_OPEN;
    list_push_back(&listener->accept_queue, &server->accept_node);
    sim_socket_event(listener);
}

static bool program_has_closed(const struct sim_socket *socket)
{
    return socket->fd == -1 && !socket->listener;
}

static void arrive_data(struct sim_socket *to, const struct sim_packet *packet)
{
    if (to->state != SIM_OPEN)
        return;
    if (program_has_closed(to)) { /* RFC 9293 3.10.7.4: data for nobody */
        to->state = SIM_DEAD;
        sim_bytes_free(&to->unsent);
        sim_send(to, to->peer, SIM_PACKET_RST, NULL, 0);
        return;
    }
    sim_bytes_add(&to->in, packet->bytes, packet->len);
    to->arrived += packet->len;
    sim_send(to, to->peer, SIM_PACKET_ACK, NULL, 0);
    sim_socket_event(to);
}

/* Every packet of a connection tells what has arrived and what has been read at the other side. */
static void take_acknowledgement(struct sim_socket *to, const struct sim_packet *packet)
{
    if (to->state != SIM_OPEN)
        return;
    to->acked_at_ns = sim_of(to)->now_ns;
    if (packet->arrived > to->acked)
        to->acked = packet->arrived;
    if (packet->read > to->peer_read)
        to->peer_read = packet->read;
    sim_transmit(to);
    /* Linux reports room when a third of the buffer is free, and only to who has found it full. */
    if (to->no_space && sim_send_room(to) >= to->send_max / 3) {
        to->no_space = false;
        sim_socket_event(to);
    }
}

static void arrive_fin(struct sim_socket *to)
{
    if (to->state != SIM_OPEN)
        return;
    to->fin_received = true;
    if (to->fin_sent && to->fd == -1)
        to->state = SIM_DEAD;
    sim_socket_event(to);
}

static void arrive_rst(struct sim_socket *to)
{
    int error = to->fin_received ? EPIPE : ECONNRESET;

    if (to->state == SIM_DEAD || to->state == SIM_FRESH)
        return;
    if (to->state == SIM_CONNECTING)
        error = ECONNREFUSED;
    sim_kill(to, error);
}

static void fail_connect(struct sim_socket *to, int error)
{
    if (to->state == SIM_CONNECTING)
        sim_kill(to, error);
}

void sim_arrive(struct sim *sim, struct sim_packet *packet)
{
    sim_trace_packet(sim, packet, "gets");
    switch (packet->kind) {
    case SIM_PACKET_SYN:
        arrive_syn(sim, packet->from);
        break;
    case SIM_PACKET_SYN_ACK:
        arrive_syn_ack(packet->to, packet->from);
        break;
    case SIM_PACKET_HANDSHAKE:
        arrive_handshake(packet->to);
        break;
    case SIM_PACKET_DATA:
        take_acknowledgement(packet->to, packet);
        arrive_data(packet->to, packet);
        break;
    case SIM_PACKET_ACK:
        take_acknowledgement(packet->to, packet);
        break;
    case SIM_PACKET_FIN:
        take_acknowledgement(packet->to, packet);
        arrive_fin(packet->to);
        break;
    case SIM_PACKET_RST:
        arrive_rst(packet->to);
        break;
    case SIM_PACKET_UNREACHABLE:
        fail_connect(packet->to, EHOSTUNREACH);
        break;
    case SIM_PACKET_TIMEOUT:
        fail_connect(packet->to, ETIMEDOUT);
        break;
    }
}
