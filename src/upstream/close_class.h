/* close_class.h: why did a host close an idle connection? Only closes for idleness say where its idle limit stands;
 * those by count, by age, at a restart, or announced must not move it.
 *
 * Remembers the last closes of one host, of all workers; the caller locks. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_CLOSE_CLASS_H
#define HOLDFAST_UPSTREAM_CLOSE_CLASS_H

#include "base/compiler.h"

enum close_class {
    CLOSE_IDLE,      /* nothing else explains it */
    CLOSE_ANNOUNCED, /* "Connection: close" (RFC 9112 9.6) or GOAWAY came before */
    CLOSE_REQUESTS,  /* the host ends its connections after so many requests */
    CLOSE_AGE,       /* ... at this age, whatever they did */
    CLOSE_RESTART,   /* many at once, of different idle ages */
};

enum { CLOSES_KEPT = 64 };

struct close_facts {
    uint64_t now_ns;
    uint64_t idle_ns, age_ns; /* since the last answer's end, since the connection was made */
    uint32_t requests;        /* it had answered */
    uint32_t idle_conns;      /* of the host that remain idle now, in all workers */
    bool announced;
};

struct close_record {
    uint64_t at_ns, idle_ns, age_ns;
    uint32_t requests;
    enum close_class class;
};

/* Zeroed: nothing seen. */
struct close_history {
    struct close_record records[CLOSES_KEPT];
    uint32_t count;                          /* ever; the last CLOSES_KEPT are in records */
    uint64_t burst_from_ns, restart_from_ns; /* 0: none */
    uint64_t burst_shortest_ns, burst_longest_ns;
    uint32_t burst_count, restarts;
    bool restarting; /* this burst was found to be a restart */
};

/* What the host is known to allow: connections that did or lasted more refute a limit. */
struct close_refuters {
    uint32_t requests_most;
    uint64_t age_most_ns;
};

/* Idle ages of closes that were taken for CLOSE_IDLE and now turn out to be something else. */
struct close_withdrawn {
    uint64_t idle_ns[CLOSES_KEPT];
    uint32_t count;
};

/* The class of a close, which is remembered. Earlier ones of the same cause (the first two of an equal count, the first
 * of a restart) are classed anew; the caller withdraws what it concluded from them. */
enum close_class close_classify(struct close_history *history, const struct close_facts *facts,
                                const struct close_refuters *refuters, struct close_withdrawn *withdrawn);

/* Remembers a close whose class is known. */
void close_remember(struct close_history *history, const struct close_facts *facts, enum close_class class);

/* The i-th last close, 0 is the last one; NULL: not kept. */
struct close_record *close_last(struct close_history *history, uint32_t i);

#endif
