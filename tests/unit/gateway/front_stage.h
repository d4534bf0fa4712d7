/* front_stage.h: a worker's client side in the simulator, with an access log that can be read, and callers that say
 * bytes. Nothing upstream unless a test brings it. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TESTS_UNIT_GATEWAY_FRONT_STAGE_H
#define HOLDFAST_TESTS_UNIT_GATEWAY_FRONT_STAGE_H

#include "gateway/frontend.h"
#include "observe/access_log.h"
#include "sim/sim.h"

struct front_stage {
    struct sim *sim;
    struct loop *loop, *caller_loop;
    struct hosts *hosts;
    struct resolver *resolver;
    struct pool *pool;
    struct generation *generation;
    struct access_log *log;
    int read_fd, write_fd;
    struct frontend *frontend;
};

struct front_settings {
    const char *root, *server, *router; /* members of these objects, as text; the root's ends in a comma. NULL: none */
    const char *endpoints;              /* the list's; NULL: none */
    unsigned workers;                   /* among how many it is one; 0: alone */
};

/* A frontend of the configuration, with /__health, /__debug/ and /__echo/. */
void front_open(struct front_stage *stage, const struct front_settings *settings);
void front_close(struct front_stage *stage);

/* A listener; its address. Its number in the configuration is 0, or `number`. */
struct addr front_listen(struct front_stage *stage, uint16_t port);
struct addr front_listen_as(struct front_stage *stage, uint16_t port, uint16_t number);

/* Lets both sides run for so long. */
void front_run(struct front_stage *stage, uint64_t duration_ns);

/* All that the access log has said; frees it, so that nothing is left in its buffer. */
struct str front_access_lines(struct front_stage *stage);

/* A connection of a client. */
struct caller {
    struct stream *stream;
    struct task task;
    struct loop *loop;
    char heard[4096];
    size_t len;
};

void caller_open(struct caller *caller, struct front_stage *stage, struct addr addr);
bool front_refuses(struct front_stage *stage, struct addr addr); /* nobody listens there */
void caller_say(struct caller *caller, const char *text);
bool caller_has_heard(struct caller *caller, const char *text);
bool caller_is_left(struct caller *caller); /* reads all there is: does FIN stand behind it? */
void caller_close(struct caller *caller);

#endif
