/* fetch_stage.h: a fetch, its pool, and an origin whose every byte the test says, all on one loop over loopback.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TESTS_UNIT_UPSTREAM_FETCH_STAGE_H
#define HOLDFAST_TESTS_UNIT_UPSTREAM_FETCH_STAGE_H

#include "../net/net_stage.h"
#include "upstream/fetch.h"

struct fetch_stage {
    struct net_stage net;
    struct hosts *hosts;
    struct host *host;
    struct pool *pool;
    struct transport transport;
    uint32_t eject_after; /* of the next request */
    struct listener *listener;
    struct stream *far; /* the origin's end of the connection it looks at; NULL: none */
    char heard[4096];   /* on it */
    size_t heard_len;
    unsigned accepted;
    struct http_head head; /* of the next request */
    struct fetch *fetch;
    enum io head_io; /* what fetch_head said last */
    struct http_head *answer;
    struct error err;
};

/* Opens everything; the transport has a pool of any size and no clocks. */
void fetch_stage_open(struct fetch_stage *stage);

/* Checks that nothing is left over, and that opened = closed and nothing is idle, lent or dialing. */
void fetch_stage_close(struct fetch_stage *stage);

/* Starts a fetch of /x by `method`, with a body of so many bytes (-1: chunked). */
void ask(struct fetch_stage *stage, const char *method, int64_t body_bytes);
void drive(struct fetch_stage *stage);         /* as the waiter does when it is woken: asks for the head again */
enum io await_head(struct fetch_stage *stage); /* turns until fetch_head does not say IO_WAIT */
void give_body(struct fetch_stage *stage, struct str piece, bool end); /* all of it must be taken at once */
struct str await_body(struct fetch_stage *stage, enum io *io);         /* the whole body; in the test's arena */
void end(struct fetch_stage *stage);                                   /* fetch_end, as by a client that leaves */

/* One whole GET that is answered, so that its connection is kept; the origin looks at that one. */
void keep_one(struct fetch_stage *stage);

/* The next GET has a connection that was there, which the origin then looks at, and is answered; end is the caller's.
 */
void reuse_one(struct fetch_stage *stage);

/* The origin. */
void origin_accepts(struct fetch_stage *stage);                 /* looks at the next connection, whatever was before */
void origin_hears(struct fetch_stage *stage, const char *text); /* turns until its connection has said so */
void origin_says(struct fetch_stage *stage, const char *text);

/* What was asked is answered over a new connection, and the answer read to its end. */
void origin_answers(struct fetch_stage *stage);
void origin_ends(struct fetch_stage *stage, bool reset);

struct host_totals totals_of(const struct fetch_stage *stage);

#endif
