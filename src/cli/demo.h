/* demo.h: the embedded example: origins on free loopback ports and the configuration that puts the gateway before them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_CLI_DEMO_H
#define HOLDFAST_CLI_DEMO_H

#include "base/arena.h"
#include "base/error.h"

struct demo;

/* Starts the origins on threads of their own. NULL with *err. */
struct demo *demo_start(struct error *err);

/* The gateway's configuration (port 8080, admin on 127.0.0.1:9901) with the origins' addresses; NUL-terminated, data
 * NULL: no room. */
struct str demo_config(const struct demo *demo, struct arena *arena);

void demo_stop(struct demo *demo); /* ends the origins. NULL is fine */

#endif
