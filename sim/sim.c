/* sim.c: machines, faults, and the turning of loops. Start with sim_run. SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define TURN_NS_MAX  UINT64_C(5000) /* what a turn of a loop takes, so that packets arrive between turns */
#define STALL_NS_MAX (5 * SIM_MS)
#define AGE_NS       (500 * 86400 * SIM_SECOND) /* of the machines of even seeds: more ms than 32 bits hold */

struct sim_world *sim_world_of(struct world *world)
{
    ASSERT(world->ops == &sim_world_ops);
    return container_of(world, struct sim_world, world);
}

struct sim *sim_new(uint64_t seed)
{
    struct sim *sim = sim_alloc(sizeof(*sim));

    sim->seed = seed;
    rng_init(&sim->rng, seed);
    sim->now_ns = (seed % 2 == 0 ? AGE_NS : 0) + rng_below(&sim->rng, SIM_SECOND);
    sim->send_bytes = sim->receive_bytes = 65536;
    sim->dns_delay_max_ns = 5 * SIM_MS;
    sim->verdict = "done";
    list_init(&sim->worlds);
    list_init(&sim->sockets);
    list_init(&sim->names);
    return sim;
}

static void free_sockets(struct sim *sim)
{
    struct list_node *node;

    while ((node = list_pop_front(&sim->sockets))) {
        struct sim_socket *socket = container_of(node, struct sim_socket, node);

        sim_bytes_free(&socket->in);
        sim_bytes_free(&socket->unsent);
        free(socket);
    }
}

static void free_machines(struct sim *sim)
{
    struct list_node *node;

    while ((node = list_pop_front(&sim->worlds)))
        free(container_of(node, struct sim_world, node));
    for (unsigned i = 0; i < sim->machine_count; i++) {
        free(sim->machines[i]->files);
        free(sim->machines[i]);
    }
}

void sim_free(struct sim *sim)
{
    if (!sim)
        return;
    for (unsigned i = 0; i < sim->machine_count; i++)
        if (sim->machines[i]->files_open > 0)
            sim_fail(sim, "%u descriptors of %s were never closed", sim->machines[i]->files_open,
                     sim->machines[i]->name);
    ASSERT(sim->runner_count == 0);
    free_sockets(sim);
    free_machines(sim);
    sim_clock_clear(sim);
    sim_names_clear(sim);
    free(sim);
}

uint64_t sim_seed(const struct sim *sim)
{
    return sim->seed;
}

uint64_t sim_now_ns(const struct sim *sim)
{
    return sim->now_ns;
}

struct rng *sim_rng(struct sim *sim)
{
    return &sim->rng;
}

static struct sim_machine *find_machine(const struct sim *sim, const char *name)
{
    for (unsigned i = 0; i < sim->machine_count; i++)
        if (strcmp(sim->machines[i]->name, name) == 0)
            return sim->machines[i];
    return NULL;
}

static struct sim_machine *add_machine(struct sim *sim, const char *name)
{
    struct sim_machine *machine = sim_alloc(sizeof(*machine));
    uint8_t number = (uint8_t)(sim->machine_count + 1);
    char ip[ADDR_TEXT_BYTES];

    ASSERT(sim->machine_count < SIM_MACHINES_MAX);
    sim->machines[sim->machine_count++] = machine;
    machine->sim = sim;
    machine->files_max = SIM_FILES_DEFAULT;
    machine->next_port = (uint16_t)(32768 + rng_below(&sim->rng, 20000));
    machine->ipv4 = (struct addr){.family = ADDR_IPV4, .ip = {10, 0, 0, number}};
    machine->ipv6 = (struct addr){.family = ADDR_IPV6, .ip = {0xfd, [15] = number}};
    memcpy(machine->fault_rates, sim->fault_rates, sizeof(sim->fault_rates));
    ASSERT(str_to_cstr(str_from(name), machine->name, sizeof(machine->name)));
    snprintf(ip, sizeof(ip), "fd00::%x 10.0.0.%u", number, number);
    sim_name(sim, name, ip, 60 * SIM_SECOND);
    return machine;
}

struct sim_machine *sim_machine(struct sim *sim, const char *name)
{
    struct sim_machine *machine = find_machine(sim, name);

    return machine ? machine : add_machine(sim, name);
}

struct sim_machine *sim_machine_at(struct sim *sim, struct sim_machine *from, const struct addr *addr)
{
    struct addr host = *addr;

    host.port = 0;
    if (addr_is_loopback(addr))
        return from;
    for (unsigned i = 0; i < sim->machine_count; i++)
        if (addr_eq(&sim->machines[i]->ipv4, &host) || addr_eq(&sim->machines[i]->ipv6, &host))
            return sim->machines[i];
    return NULL;
}

struct world *sim_host(struct sim *sim, const char *name)
{
    struct sim_world *world = sim_alloc(sizeof(*world));

    world->world.ops = &sim_world_ops;
    world->machine = sim_machine(sim, name);
    list_init(&world->ready);
    list_init(&world->watched);
    rng_init(&world->rng, rng_next(&sim->rng));
    list_push_back(&sim->worlds, &world->node);
    return &world->world;
}

struct addr sim_addr(struct sim *sim, const char *host, uint16_t port)
{
    struct addr addr = sim_machine(sim, host)->ipv4;

    addr.port = port;
    return addr;
}

struct addr sim_addr_ipv6(struct sim *sim, const char *host, uint16_t port)
{
    struct addr addr = sim_machine(sim, host)->ipv6;

    addr.port = port;
    return addr;
}

static void add_runner(struct sim *sim, struct loop *loop, bool owns)
{
    ASSERT(sim->runner_count < SIM_LOOPS_MAX);
    sim->runners[sim->runner_count++] =
        (struct sim_runner){.loop = loop, .world = sim_world_of(loop_world(loop)), .owns = owns};
}

static struct sim_runner take_runner(struct sim *sim, const struct loop *loop)
{
    unsigned i = 0;
    struct sim_runner runner;

    while (i < sim->runner_count && sim->runners[i].loop != loop)
        i++;
    ASSERT(i < sim->runner_count);
    runner = sim->runners[i];
    for (sim->runner_count--; i < sim->runner_count; i++)
        sim->runners[i] = sim->runners[i + 1];
    return runner;
}

struct loop *sim_loop_new(struct sim *sim, const char *host)
{
    struct loop *loop = loop_new(sim_host(sim, host));

    ASSERT(loop);
    add_runner(sim, loop, true);
    return loop;
}

void sim_loop_free(struct sim *sim, struct loop *loop)
{
    struct sim_runner runner;

    if (!loop)
        return;
    runner = take_runner(sim, loop);
    ASSERT(runner.owns);
    loop_free(loop);
}

void sim_add_loop(struct sim *sim, struct loop *loop)
{
    add_runner(sim, loop, false);
}

void sim_remove_loop(struct sim *sim, struct loop *loop)
{
    ASSERT(!take_runner(sim, loop).owns);
}

void sim_link(struct sim *sim, const char *a, const char *b, struct sim_link link)
{
    const struct sim_machine *first = sim_machine(sim, a), *second = sim_machine(sim, b);

    for (unsigned i = 0; i < sim->machine_count; i++)
        for (unsigned k = 0; k < sim->machine_count; k++)
            if ((sim->machines[i] == first && sim->machines[k] == second) ||
                (sim->machines[i] == second && sim->machines[k] == first))
                sim->routes[i][k] = (struct sim_route){link, true};
}

void sim_fault(struct sim *sim, const char *host, enum sim_fault fault, uint32_t per_million)
{
    if (host) {
        sim_machine(sim, host)->fault_rates[fault] = per_million;
        return;
    }
    sim->fault_rates[fault] = per_million;
    for (unsigned i = 0; i < sim->machine_count; i++)
        sim->machines[i]->fault_rates[fault] = per_million;
}

bool sim_chance(struct sim_machine *machine, enum sim_fault fault)
{
    uint32_t per_million = machine->fault_rates[fault];

    return per_million > 0 && rng_chance(&machine->sim->rng, per_million);
}

void sim_file_limit(struct sim *sim, const char *host, unsigned files_max)
{
    sim_machine(sim, host)->files_max = files_max;
}

void sim_buffers(struct sim *sim, size_t send_bytes, size_t receive_bytes)
{
    ASSERT(send_bytes >= 3);
    ASSERT(receive_bytes > 0);
    sim->send_bytes = send_bytes;
    sim->receive_bytes = receive_bytes;
}

unsigned sim_files_open(struct sim *sim, const char *host)
{
    return sim_machine(sim, host)->files_open;
}

unsigned sim_connects(struct sim *sim, const char *host)
{
    return sim_machine(sim, host)->connects;
}

void sim_pass(struct sim *sim, uint64_t duration_ns)
{
    sim_move_clock(sim, sim->now_ns + duration_ns);
}

void sim_add_check(struct sim *sim, void (*check)(void *arg), void *arg)
{
    ASSERT(sim->check_count < SIM_CHECKS_MAX);
    sim->checks[sim->check_count++] = (struct sim_check){check, arg};
}

static bool wants_turn(const struct sim *sim, const struct sim_runner *runner)
{
    const struct sim_world *world = runner->world;

    if (sim->now_ns < runner->stalled_until_ns)
        return false;
    return !runner->quiet || world->woken || !list_is_empty(&world->ready) || world->until_ns <= sim->now_ns;
}

/* One of the loops that have something to do, NULL when none has. */
static struct sim_runner *pick_runner(struct sim *sim)
{
    struct sim_runner *picked = NULL;
    uint64_t count = 0;

    for (unsigned i = 0; i < sim->runner_count; i++)
        if (wants_turn(sim, &sim->runners[i]) && rng_below(&sim->rng, ++count) == 0)
            picked = &sim->runners[i];
    return picked;
}

/* A loop is quiet once a turn found nothing: only then is until_ns of its wait what it really waits for. */
static void turn(struct sim *sim, struct sim_runner *runner)
{
    uint64_t tasks_run = loop_stats(runner->loop)->tasks_run;

    loop_turn(runner->loop, UINT64_MAX);
    runner->quiet = runner->world->reported == 0 && loop_stats(runner->loop)->tasks_run == tasks_run;
    for (unsigned i = 0; i < sim->check_count; i++)
        sim->checks[i].check(sim->checks[i].arg);
    if (!runner->quiet && sim_chance(runner->world->machine, SIM_FAULT_STALL))
        runner->stalled_until_ns = sim->now_ns + rng_below(&sim->rng, STALL_NS_MAX);
    if (!runner->quiet)
        sim_move_clock(sim, sim->now_ns + rng_below(&sim->rng, TURN_NS_MAX));
}

/* When a loop may next have something to do, if no packet comes before. */
static uint64_t next_turn_ns(const struct sim *sim, const struct sim_runner *runner)
{
    if (sim->now_ns < runner->stalled_until_ns)
        return runner->stalled_until_ns;
    return runner->world->until_ns;
}

static uint64_t next_event_ns(const struct sim *sim)
{
    uint64_t next_ns = sim_next_packet_ns(sim);

    for (unsigned i = 0; i < sim->runner_count; i++)
        next_ns = u64_min(next_ns, next_turn_ns(sim, &sim->runners[i]));
    return next_ns;
}

static bool run_until(struct sim *sim, bool (*done)(void *arg), void *arg, uint64_t limit_ns)
{
    while (!done || !done(arg)) {
        struct sim_runner *runner = pick_runner(sim);
        uint64_t next_ns = next_event_ns(sim);

        sim->verdict = "out of time";
        if (sim->now_ns >= limit_ns)
            return false;
        if (runner) {
            turn(sim, runner);
            continue;
        }
        sim->verdict = "stuck";
        if (next_ns == UINT64_MAX)
            return false;
        sim_move_clock(sim, next_ns < limit_ns ? next_ns : limit_ns);
    }
    sim->verdict = "done";
    return true;
}

bool sim_run(struct sim *sim, bool (*done)(void *arg), void *arg, uint64_t limit_ns)
{
    bool result;

    ASSERT(!sim->running);
    sim->running = true;
    for (unsigned i = 0; i < sim->runner_count; i++)
        sim->runners[i].quiet = false;
    sim_deliver_due(sim);
    result = run_until(sim, done, arg, sim->now_ns + limit_ns);
    sim->running = false;
    return result;
}

const char *sim_verdict(const struct sim *sim)
{
    return sim->verdict;
}
