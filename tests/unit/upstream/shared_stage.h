/* shared_stage.h: a worker's pool with one host that speaks HTTP/2 in cleartext, in virtual time that begins when the
 * machine has just booted; the host is the test, which writes frames by hand. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TESTS_UNIT_UPSTREAM_SHARED_STAGE_H
#define HOLDFAST_TESTS_UNIT_UPSTREAM_SHARED_STAGE_H

#include "../os/fake_world.h"
#include "harness/test.h"
#include "net/pair.h"
#include "upstream/handoff.h"
#include "upstream/shared.h"

enum { SHARED_CONNS_MAX = 4 };
enum { FRAME_SETTINGS = 4, FRAME_PING = 6, FRAME_GOAWAY = 7, FRAME_WINDOW_UPDATE = 8, FLAG_ACK = 1 };

struct shared_stage {
    struct fake_world fake;
    struct loop *loop;
    struct hosts *hosts;
    struct host *host;
    struct pool *pool;
    struct transport transport;
    struct stream *far[SHARED_CONNS_MAX]; /* the host's ends, in the order of dials */
    unsigned count;
};

void stage_open(struct shared_stage *stage);
/* Nothing is left: every connection that was opened has closed, and no stream is counted. */
void stage_close(struct shared_stage *stage);
void stage_turns(struct shared_stage *stage);
void stage_pass(struct shared_stage *stage, uint64_t seconds); /* and a few turns */
struct host_totals stage_totals(const struct shared_stage *stage);

/* What the host says on one of its connections, and a few turns. */
void far_say_with(struct shared_stage *stage, unsigned conn, uint8_t type, uint8_t flags, const uint8_t *payload,
                  uint8_t len);
void far_say(struct shared_stage *stage, unsigned conn, uint8_t type, const uint8_t *payload, uint8_t len);
void far_allow(struct shared_stage *stage, unsigned conn, uint8_t streams);
void far_go_away(struct shared_stage *stage, unsigned conn);
/* How many frames of the type the pool has sent; reads them all. */
unsigned far_frames(struct shared_stage *stage, unsigned conn, uint8_t type);

/* A connection that was just made, lent to one request. */
struct pooled *stage_dialed(struct shared_stage *stage);
struct http_stream *stage_begin(struct pooled *pooled);
void stage_give_back(struct shared_stage *stage, struct pooled *pooled, struct http_stream *stream);

/* One in use that has room, or NULL. */
struct pooled *stage_join(struct shared_stage *stage, const struct shared_pick *pick);
/* Whichever there is: it must be that one. */
struct http_stream *stage_begin_on(struct shared_stage *stage, struct pooled *pooled);

#endif
