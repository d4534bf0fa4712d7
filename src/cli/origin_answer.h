/* origin_answer.h: what a test origin answers to a path. Pure. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_CLI_ORIGIN_ANSWER_H
#define HOLDFAST_CLI_ORIGIN_ANSWER_H

#include "base/chain.h"
#include "http/head.h"

struct origin_answer {
    struct http_head head;
    struct str text;   /* the body, when it is not the pattern */
    uint64_t given;    /* body bytes given so far */
    uint64_t left;     /* and not yet */
    uint64_t delay_ns; /* /delay/MS */
    bool echo;         /* the body is the request's */
    bool head_only;    /* the request is HEAD */
    bool sink;         /* the body tells how many bytes the request had */
};

/* Fills the answer for a request; head and text live in the arena. */
void origin_answer_for(struct arena *arena, const struct http_head *request, struct origin_answer *answer);

/* An answer 200 with that text, which is borrowed. */
void origin_answer_text(struct arena *arena, struct origin_answer *answer, struct str text, struct str type);

/* The request's body was read away: /sink tells its size. False: no room. */
bool origin_answer_sunk(struct arena *arena, struct origin_answer *answer, uint64_t body_bytes) MUST_USE;

/* Up to size_max (not 0) more body bytes. False: no memory. */
bool origin_answer_piece(struct origin_answer *answer, struct chain *into, struct block_pool *blocks,
                         size_t size_max) MUST_USE;

#endif
