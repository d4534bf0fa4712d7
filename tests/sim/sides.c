/* sides.c: the machines on both sides of a gateway. SPDX-License-Identifier: Apache-2.0 */
#include "sides.h"

#include "scenario.h"

void sides_open(struct sides *sides, struct sim *sim, const char *config, void (*accept)(struct task *))
{
    struct addr any = {.family = ADDR_IPV6, .port = SIDES_ORIGIN_PORT};
    struct listen_options listen = {.backlog = 64};
    struct error err;

    sides->sim = sim;
    sides->client_loop = sim_loop_new(sim, "client");
    sides->origin_loop = sim_loop_new(sim, "origin");
    sides->accept_task.run = accept;
    sides->listener = listener_new(sides->origin_loop, &any, &listen, &sides->accept_task, &err);
    ASSERT(sides->listener);
    gateway_open(&sides->gateway, sim, config, (unsigned)sim_between(sim, 1, 3));
}

struct dial *sides_dial(struct sides *sides, struct task *owner)
{
    struct dial_options options = {.port = GATEWAY_PORT, .timeout_ns = SIM_SECOND};
    struct addr gateway = sim_addr(sides->sim, "gateway", 0);
    char text[ADDR_TEXT_BYTES];
    struct dial *dial;

    gateway.port = 0;
    options.name = addr_format_ip(&gateway, text);
    dial = dial_start(sides->client_loop, NULL, &options, owner);
    ASSERT(dial);
    return dial;
}

void sides_close(struct sides *sides)
{
    listener_free(sides->listener);
    task_forget(sides->origin_loop, &sides->accept_task);
    sim_loop_free(sides->sim, sides->client_loop);
    sim_loop_free(sides->sim, sides->origin_loop);
}
