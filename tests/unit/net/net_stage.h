/* net_stage.h: a loop over the real world with tasks that count their wakes, for tests of sockets on loopback.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TESTS_UNIT_NET_NET_STAGE_H
#define HOLDFAST_TESTS_UNIT_NET_NET_STAGE_H

#include "harness/test.h"
#include "net/listener.h"
#include "net/stream.h"
#include "net/tcp.h"

/* A task that only counts. */
struct probe {
    struct task task;
    unsigned runs;
};

struct net_stage {
    struct world *world;
    struct loop *loop;
    struct probe probes[4]; /* for whatever needs an owner */
};

void probe_init(struct probe *probe);

void net_stage_open(struct net_stage *stage);
void net_stage_close(struct net_stage *stage); /* checks that no page and no buffer is out */

/* Turns the loop until done(arg); fails the test after 5 s. */
void net_stage_until(struct net_stage *stage, bool (*done)(void *arg), void *arg);
void net_stage_until_run(struct net_stage *stage, struct probe *probe); /* until it has run once more */
void net_stage_for(struct net_stage *stage, uint64_t duration_ns);

/* A listener on 127.0.0.1 or [::1] with a port of its own; probes[3] is its owner. */
struct listener *net_stage_listen(struct net_stage *stage, const char *addr);
struct stream *net_stage_accept(struct net_stage *stage, struct listener *listener); /* waits for one */

/* Two connected streams; their owners are probes[0] and probes[1]. */
void net_stage_connect(struct net_stage *stage, struct stream **near, struct stream **far);

/* One part, for calls that need no more. */
enum io read_into(struct stream *stream, char *out, size_t size, size_t *got);
enum io write_text(struct stream *stream, struct str text, size_t *sent);

/* An address that refuses connections: its port was free a moment ago. */
struct addr refusing_addr(struct net_stage *stage, const char *ip);

#endif
