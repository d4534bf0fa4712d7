/* sides.h: what a scenario writes itself on both sides of a gateway: the loops of the machines "client" and "origin",
 * and a listener of the origin's. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TESTS_SIM_SIDES_H
#define HOLDFAST_TESTS_SIM_SIDES_H

#include "gateway_stage.h"
#include "net/dial.h"

enum { SIDES_ORIGIN_PORT = 80 };

struct sides {
    struct sim *sim;
    struct gateway_stage gateway;
    struct loop *client_loop, *origin_loop;
    struct listener *listener;
    struct task accept_task; /* run by origin_loop when somebody waits at the listener */
};

/* A gateway of one to three workers, as the seed decides; the configuration is borrowed until it is closed. */
void sides_open(struct sides *sides, struct sim *sim, const char *config, void (*accept)(struct task *));

/* A client's dial to the gateway, by its address. */
struct dial *sides_dial(struct sides *sides, struct task *owner);

/* Behind gateway_close, when the scenario has closed all connections and forgotten their tasks. */
void sides_close(struct sides *sides);

#endif
