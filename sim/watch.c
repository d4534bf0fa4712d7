/* watch.c: readiness, edge-triggered as epoll reports it. An event queues the socket; a wait then looks at its state as
 * it is by now and reports all of it, also what was ready before. Start with sim_wait.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim_internal.h"

/* What poll(2) would say. */
struct poll_state {
    bool in, out, rdhup, hup, err;
};

static struct poll_state look_at(const struct sim_socket *socket)
{
    bool dead = socket->state == SIM_DEAD;

    if (socket->state == SIM_LISTENING)
        return (struct poll_state){.in = !list_is_empty(&socket->accept_queue)};
    if (socket->state == SIM_FRESH)
        return (struct poll_state){.out = true, .hup = true};
    if (socket->state == SIM_CONNECTING)
        return (struct poll_state){0};
    return (struct poll_state){
        .in = dead || socket->in.len > 0 || socket->fin_received,
        .out = dead || socket->fin_wanted || sim_send_room(socket) >= socket->send_max / 3,
        .rdhup = dead || socket->fin_received,
        .hup = dead || (socket->fin_received && socket->fin_wanted),
        .err = socket->error != 0,
    };
}

static bool is_anything(struct poll_state state)
{
    return state.in || state.out || state.rdhup || state.hup || state.err;
}

/* As linux_world.c maps them. */
static uint8_t ready_bits(struct poll_state state)
{
    uint8_t bits = 0;

    if (state.in || state.rdhup || state.hup || state.err)
        bits |= READY_READ;
    if (state.out || state.hup || state.err)
        bits |= READY_WRITE;
    if (state.rdhup || state.hup || state.err)
        bits |= READY_CLOSED;
    return bits;
}

static bool add_bits(struct watch *watch, struct poll_state state)
{
    uint8_t before = watch->ready;

    watch->ready |= ready_bits(state);
    return watch->ready != before || state.hup || state.err;
}

void sim_socket_event(struct sim_socket *socket)
{
    if (socket->watch && !list_holds(&socket->ready_node))
        list_push_back(&socket->watcher->ready, &socket->ready_node);
}

bool sim_watch(struct world *world, struct watch *watch, struct error *err)
{
    struct sim_world *watcher = sim_world_of(world);
    struct sim_socket *socket = watcher->machine->files[watch->fd];

    (void)err;
    ASSERT(socket);
    ASSERT(!socket->watch); /* registered once */
    socket->watch = watch;
    socket->watcher = watcher;
    list_push_back(&watcher->watched, &socket->watched_node);
    if (is_anything(look_at(socket)))
        sim_socket_event(socket);
    return true;
}

void sim_unwatch(struct world *world, struct watch *watch)
{
    struct sim_world *watcher = sim_world_of(world);
    struct sim_socket *socket = watcher->machine->files[watch->fd];

    ASSERT(socket);
    ASSERT(socket->watch == watch);
    ASSERT(socket->watcher == watcher);
    if (list_holds(&socket->ready_node))
        list_remove(&watcher->ready, &socket->ready_node);
    list_remove(&watcher->watched, &socket->watched_node);
    socket->watch = NULL;
    socket->watcher = NULL;
}

/* One of the queued sockets; which one comes first is the kernel's business, so chance decides. */
static struct sim_socket *take_ready(struct sim_world *world)
{
    uint64_t skip = rng_below(&world->machine->sim->rng, world->ready.count);
    struct list_node *node = list_first(&world->ready);

    while (skip-- > 0)
        node = list_next(&world->ready, node);
    list_remove(&world->ready, node);
    return container_of(node, struct sim_socket, ready_node);
}

static struct watch *pick_spurious(struct sim_world *world)
{
    struct sim *sim = world->machine->sim;
    struct list_node *node = list_first(&world->watched);

    if (!node || !sim_chance(world->machine, SIM_FAULT_SPURIOUS_WAKE))
        return NULL;
    for (uint64_t skip = rng_below(&sim->rng, world->watched.count); skip > 0; skip--)
        node = list_next(&world->watched, node);
    return container_of(node, struct sim_socket, watched_node)->watch;
}

static bool is_in(struct watch **ready, int count, const struct watch *watch)
{
    for (int i = 0; i < count; i++)
        if (ready[i] == watch)
            return true;
    return false;
}

static int collect(struct sim_world *world, struct watch **ready, int count_max)
{
    struct watch *spurious;
    int count = 0;

    while (count < count_max && !list_is_empty(&world->ready)) {
        struct sim_socket *socket = take_ready(world);

        if (add_bits(socket->watch, look_at(socket))) {
            ready[count++] = socket->watch;
            sim_note(world->machine->sim, 'e', socket->id, socket->watch->ready);
        }
    }
    spurious = pick_spurious(world);
    if (spurious && count < count_max && !is_in(ready, count, spurious))
        ready[count++] = spurious;
    return count;
}

/* Moves the clock until something happens at this machine. Only when no sim_run is in charge of the clock. */
static void sleep_alone(struct sim_world *world, uint64_t until_ns)
{
    struct sim *sim = world->machine->sim;

    sim_deliver_due(sim);
    while (list_is_empty(&world->ready) && !world->woken && sim->now_ns < until_ns) {
        uint64_t next_ns = sim_next_packet_ns(sim);

        if (next_ns == UINT64_MAX && until_ns == UINT64_MAX)
            sim_fail(sim, "%s would sleep for ever", world->machine->name);
        sim_move_clock(sim, next_ns < until_ns ? next_ns : until_ns);
    }
}

int sim_wait(struct world *base, struct watch **ready, int count_max, uint64_t until_ns)
{
    struct sim_world *world = sim_world_of(base);

    if (!world->machine->sim->running)
        sleep_alone(world, until_ns);
    world->woken = false;
    world->until_ns = until_ns;
    world->reported = collect(world, ready, count_max);
    return world->reported;
}

void sim_wake(struct world *world)
{
    sim_world_of(world)->woken = true;
}
