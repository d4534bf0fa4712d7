/* fuzz_h1.h: what the two HTTP/1 targets share: connections over in-memory streams, a clock that stands still, and a
 * record of what was understood, so that two ways of feeding can be compared. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_FUZZ_FUZZ_H1_H
#define HOLDFAST_FUZZ_FUZZ_H1_H

#include "base/assert.h"
#include "http/conn.h"

#include <stdio.h>

struct fuzz_task {
    struct task task;
    bool woken;
};

/* One conn and the other end of its stream. */
struct fuzz_conn {
    struct http_conn *conn;
    struct stream *far;
    struct fuzz_task owner, user;
    struct http_stream *stream;
    bool far_ended, far_failed;
};

/* How the input is fed, to which scanner, and whether conns are woken for nothing meanwhile. */
struct fuzz_way {
    const char *scanner;
    bool split, nagging;
};

struct fuzz_stage {
    struct world world;
    struct loop *loop;
    struct arena *arena;
    bool nagging; /* wakes conns for nothing before each turn */
    FILE *record;
    char *text;
    size_t len;
};

void fuzz_open(struct fuzz_stage *stage, const struct fuzz_way *way);
/* Frees all but the record, which is the caller's (free). */
struct str fuzz_close(struct fuzz_stage *stage);

void fuzz_conn_open(struct fuzz_stage *stage, struct fuzz_conn *conn, enum http_role role, const char *scanner);
void fuzz_conn_close(struct fuzz_conn *conn);

/* Turns the loop until all is quiet, reading away what comes out at the far end into `out` (NULL: nowhere). */
void fuzz_turn(struct fuzz_stage *stage, struct fuzz_conn *conn, struct chain *out);
void fuzz_send(struct fuzz_stage *stage, struct fuzz_conn *conn, struct str bytes);
bool fuzz_was_woken(struct fuzz_conn *conn); /* since last asked */

void fuzz_note(struct fuzz_stage *stage, const char *format, ...) PRINTF_LIKE(2, 3);
void fuzz_note_head(struct fuzz_stage *stage, const struct http_head *head);
void fuzz_note_body(struct fuzz_stage *stage, const struct chain *body);

/* The record of running `input` one way. */
typedef struct str fuzz_run(struct str input, const struct fuzz_way *way);

/* Runs all ways; their records must be equal. */
void fuzz_compare(fuzz_run *run, struct str input);

/* The next piece of the input, which is cut off: all of it, or a few bytes chosen by what they are. */
struct str fuzz_piece(const struct fuzz_way *way, struct str *rest);

#endif
