/* clock.c: what happens when. Packets stand in a heap by their time of arrival; moving the clock delivers them on the
 * way. SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim_internal.h"

#include <stdlib.h>

static bool is_before(const struct sim_packet *a, const struct sim_packet *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static void swap(struct sim *sim, size_t i, size_t k)
{
    struct sim_packet *packet = sim->packets[i];

    sim->packets[i] = sim->packets[k];
    sim->packets[k] = packet;
}

static void sift_up(struct sim *sim, size_t i)
{
    for (; i > 0 && is_before(sim->packets[i], sim->packets[(i - 1) / 2]); i = (i - 1) / 2)
        swap(sim, i, (i - 1) / 2);
}

static void sift_down(struct sim *sim, size_t i)
{
    for (;;) {
        size_t first = i;

        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < sim->packet_count; child++)
            if (is_before(sim->packets[child], sim->packets[first]))
                first = child;
        if (first == i)
            return;
        swap(sim, i, first);
        i = first;
    }
}

void sim_schedule(struct sim *sim, struct sim_packet *packet)
{
    ASSERT(packet->at_ns >= sim->now_ns);
    if (sim->packet_count == sim->packet_room) {
        size_t room = 2 * sim->packet_room + 64;
        struct sim_packet **grown = sim_alloc(room * sizeof(*grown));

        if (sim->packet_count > 0)
            memcpy(grown, sim->packets, sim->packet_count * sizeof(*grown));
        free(sim->packets);
        sim->packets = grown;
        sim->packet_room = room;
    }
    packet->order = sim->next_order++;
    sim->packets[sim->packet_count] = packet;
    sift_up(sim, sim->packet_count++);
}

uint64_t sim_next_packet_ns(const struct sim *sim)
{
    return sim->packet_count == 0 ? UINT64_MAX : sim->packets[0]->at_ns;
}

void sim_deliver_due(struct sim *sim)
{
    while (sim_next_packet_ns(sim) <= sim->now_ns) {
        struct sim_packet *packet = sim->packets[0];

        sim->packets[0] = sim->packets[--sim->packet_count];
        sift_down(sim, 0);
        sim_arrive(sim, packet);
        free(packet);
    }
}

void sim_move_clock(struct sim *sim, uint64_t to_ns)
{
    while (sim_next_packet_ns(sim) <= to_ns) {
        if (sim_next_packet_ns(sim) > sim->now_ns)
            sim->now_ns = sim_next_packet_ns(sim);
        sim_deliver_due(sim);
    }
    if (to_ns > sim->now_ns)
        sim->now_ns = to_ns;
}

void sim_clock_clear(struct sim *sim)
{
    for (size_t i = 0; i < sim->packet_count; i++)
        free(sim->packets[i]);
    free(sim->packets);
}
