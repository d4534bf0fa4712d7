/* trace.c: what happened, as lines for people and as a hash that tells whether two runs were the same; and how a run
 * fails. SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"
#include "sim/sim_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const kind_names[] = {
    [SIM_PACKET_SYN] = "SYN",
    [SIM_PACKET_SYN_ACK] = "SYN-ACK",
    [SIM_PACKET_HANDSHAKE] = "handshake",
    [SIM_PACKET_DATA] = "DATA",
    [SIM_PACKET_ACK] = "ack",
    [SIM_PACKET_FIN] = "FIN",
    [SIM_PACKET_RST] = "RST",
    [SIM_PACKET_UNREACHABLE] = "unreachable",
    [SIM_PACKET_TIMEOUT] = "time-out",
};

void sim_note(struct sim *sim, uint64_t a, uint64_t b, uint64_t c)
{
    sim->hash = hash_mix(sim->hash ^ hash_mix(a ^ hash_mix(b ^ hash_mix(c ^ hash_mix(sim->now_ns)))));
}

static void print_time(const struct sim *sim)
{
    fprintf(stderr, "%6llu.%06llu ", (unsigned long long)(sim->now_ns / SIM_SECOND),
            (unsigned long long)(sim->now_ns % SIM_SECOND / 1000));
}

static void print_packet(const struct sim *sim, const struct sim_packet *packet, const char *what)
{
    const struct sim_socket *from = packet->from;
    char local[ADDR_TEXT_BYTES], remote[ADDR_TEXT_BYTES];

    print_time(sim);
    fprintf(stderr, "%-5s %-10s %-9s %.*s > %.*s", what, from->machine->name, kind_names[packet->kind],
            STR_ARG(addr_format(&from->local, local)), STR_ARG(addr_format(&from->remote, remote)));
    if (packet->len > 0)
        fprintf(stderr, " %zu bytes", packet->len);
    fprintf(stderr, "\n");
}

void sim_trace_packet(struct sim *sim, const struct sim_packet *packet, const char *what)
{
    sim_note(sim, (uint64_t)packet->kind << 8 | (uint8_t)what[0], packet->from->id, packet->len);
    if (sim->traces && packet->kind != SIM_PACKET_ACK)
        print_packet(sim, packet, what);
}

void sim_trace(struct sim *sim, bool on)
{
    sim->traces = on;
}

uint64_t sim_trace_hash(const struct sim *sim)
{
    return sim->hash;
}

void sim_say(struct sim *sim, const char *format, ...)
{
    va_list args;

    if (!sim->traces)
        return;
    print_time(sim);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n");
}

void sim_fail(struct sim *sim, const char *format, ...)
{
    char message[512];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    if (sim->fail)
        sim->fail(sim->fail_arg, message);
    fprintf(stderr, "sim: seed=%llu at %llu ns: %s\n", (unsigned long long)sim->seed, (unsigned long long)sim->now_ns,
            message);
    abort();
}

void sim_on_fail(struct sim *sim, void (*fail)(void *arg, const char *message), void *arg)
{
    sim->fail = fail;
    sim->fail_arg = arg;
}
