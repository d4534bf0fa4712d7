/* origin_visit_internal.h: a visit as its two files see it. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_CLI_ORIGIN_VISIT_INTERNAL_H
#define HOLDFAST_CLI_ORIGIN_VISIT_INTERNAL_H

#include "cli/origin_answer.h"
#include "cli/origin_visit.h"
#include "http/conn.h"

enum visit_state {
    VISIT_IDLE,   /* between requests */
    VISIT_HEAD,   /* the request's head is awaited */
    VISIT_DELAY,  /* the answer is held back */
    VISIT_FIRST,  /* the first of a request's body that is to be sent back is awaited */
    VISIT_SINK,   /* the request's body is read away */
    VISIT_SILENT, /* there will be no answer */
    VISIT_SEND,   /* the answer is sent */
    VISIT_ECHO,   /* the request's body is sent back as it comes */
};

struct visit {
    struct origin_house *house;
    struct http_conn *conn;
    struct http_conn_options conn_options;
    struct http_stream *stream;
    struct arena *arena;
    struct http_head *request;
    struct str number; /* its X-Request-Number; data NULL: none */
    struct origin_answer answer;
    struct origin_plan plan; /* for the request under way */
    struct chain body;
    uint64_t body_bytes;
    uint64_t bytes_given; /* to the connection, by all answers so far */
    uint64_t age_end_ns;  /* when it has lived long enough; 0: not drawn yet */
    uint32_t requests;
    enum visit_state state;
    bool counted;     /* an echo whose request is in the ledger */
    bool half_closed; /* FIN is sent: what comes is read, counted and not answered */
    bool looks_at_ledger;
    struct timer delay;
    struct timer stray;
    struct timer limit; /* set while idle: when the connection is to be closed */
    struct task task;
    struct list_node node;
};

/* origin_visit.c */
void visit_end_request(struct visit *visit);
void visit_close(struct visit *visit); /* frees it */

/* origin_end.c */
void visit_set_limit(struct visit *visit);   /* idle from now on */
void visit_limit_is_up(struct visit *visit); /* closes it, if it is still idle; may free it */
void visit_leave(struct visit *visit);       /* ends the connection as --close-by says; may free it */

#endif
