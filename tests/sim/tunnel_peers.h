/* tunnel_peers.h: both ends of WebSockets in a simulated run: clients and a host that send each other messages of known
 * bytes, with Pings in between, and judge what comes. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TESTS_SIM_TUNNEL_PEERS_H
#define HOLDFAST_TESTS_SIM_TUNNEL_PEERS_H

#include "net/resolve.h"
#include "sim/sim.h"

enum { TUNNELS_MAX = 12 };

struct tunnel_peers;

/* `count` clients, one after the other or together, to that port of the machine "gateway"; the host listens on port 80
 * of "origin". `may_fail`: faults are on, so that any tunnel may break. */
struct tunnel_peers *tunnel_peers_new(struct sim *sim, uint16_t port, unsigned count, bool may_fail);
bool tunnel_peers_are_done(void *peers);
/* Tunnels whose client has got all that the host has sent, and the end in order; those that were closed by 1001. */
unsigned tunnel_peers_whole(const struct tunnel_peers *peers);
unsigned tunnel_peers_sent_away(const struct tunnel_peers *peers);
void tunnel_peers_free(struct tunnel_peers *peers);

#endif
