/* peers_internal.h: what client.c and origin.c share: a connection with two buffers (wire.c), text of HTTP/1.1 messages
 * (message.c) and the contents of jobs (book.c). SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_SIM_PEERS_INTERNAL_H
#define HOLDFAST_SIM_PEERS_INTERNAL_H

#include "sim/peers.h"
#include "sim/sim_internal.h"

/* wire.c: a connection, its unread and its unsent bytes. */
struct sim_wire {
    struct loop *loop;
    struct world *world;
    struct watch watch; /* task: the user's */
    bool open, connected;
    bool ended;  /* FIN has come */
    bool broken; /* refused, reset */
    struct sim_bytes in, out;
    uint32_t read_bytes_max; /* of one pump; 0: all */
    struct timer again;      /* the rest of a slow read */
};

void sim_wire_accept(struct sim_wire *wire, struct loop *loop, int fd, struct task *task);
bool sim_wire_connect(struct sim_wire *wire, struct loop *loop, const struct addr *addr, struct task *task);
void sim_wire_pump(struct sim_wire *wire); /* moves what can be moved */
void sim_wire_say(struct sim_wire *wire, const char *format, ...) PRINTF_LIKE(2, 3);
void sim_wire_close(struct sim_wire *wire, bool reset); /* fine when it is not open */

/* message.c: one received message: its head as text, and where its body ends. */
struct sim_head {
    char text[8192]; /* NUL-terminated, with the empty line */
    size_t len;
    bool is_chunked, says_close;
    int64_t length; /* -1: none */
};

enum sim_parse { SIM_MORE, SIM_DONE, SIM_BAD };

/* Takes a head off the front of `in`. SIM_BAD: *why tells. */
enum sim_parse sim_head_take(struct sim_bytes *in, struct sim_head *head, const char **why);
bool sim_head_field(const struct sim_head *head, const char *name, struct str *value); /* the first of the name */
unsigned sim_head_count(const struct sim_head *head, const char *name);

struct sim_body {
    enum sim_framing framing;
    uint64_t left;  /* of the length, or of the chunk */
    int chunk_step; /* message.c's own */
    struct sim_bytes bytes;
};

void sim_body_start(struct sim_body *body, const struct sim_head *head, bool until_close);
enum sim_parse sim_body_take(struct sim_body *body, struct sim_bytes *in, const char **why);
void sim_body_clear(struct sim_body *body);

/* book.c: what a job's bodies must be. */
void sim_content_of_request(const struct sim_job *job, struct sim_bytes *out);
void sim_content_of_answer(const struct sim_job *job, struct sim_bytes *out);
bool sim_bytes_eq(const struct sim_bytes *a, const struct sim_bytes *b);

#endif
