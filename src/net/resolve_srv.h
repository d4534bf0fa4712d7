/* resolve_srv.h: SRV records of a name (RFC 2782): who serves it, at which ports. Answers are not cached: who asks
 * keeps what it got (upstream/discover.h). SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_NET_RESOLVE_SRV_H
#define HOLDFAST_NET_RESOLVE_SRV_H

#include "net/resolve.h"

enum { SRV_RECORDS_MAX = 1024, SRV_TARGET_BYTES = 256 };

struct srv_record {
    uint16_t priority, weight, port;
    char target[SRV_TARGET_BYTES]; /* with the last dot: "a.example." */
};

struct srv_answer {
    size_t count;
    struct srv_record records[];
};

/* As resolve_query. */
struct srv_query {
    struct str name;   /* borrowed until done or cancelled */
    struct task *task; /* woken when done */
    bool done;
    struct srv_answer *answer; /* when done and err.fault is FAULT_NONE: the caller's, to be freed by free() */
    struct error err;          /* resolve_failed, resolve_timeout */
    void *backend;             /* the backend's own */
};

/* A resolver that knows no SRV records answers resolve_failed at once. */
void resolve_srv_start(struct resolver *resolver, struct srv_query *query);
void resolve_srv_cancel(struct resolver *resolver, struct srv_query *query); /* also when done; frees an answer */

#endif
