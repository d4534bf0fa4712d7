/* conns_internal.h: a question to workers and what they answer: conns.c asks, conns_json.c writes it down.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_ADMIN_CONNS_INTERNAL_H
#define HOLDFAST_ADMIN_CONNS_INTERNAL_H

#include "admin/conns.h"
#include "upstream/closed_log.h"
#include "upstream/handoff.h"

enum question { ASK_UPSTREAM, ASK_CLIENTS, ASK_CLOSED, ASK_CLIENTS_CLOSED, ASK_FLUSH };

struct client_row {
    uint64_t id; /* when it was opened, of the machine's clock: rises with each */
    struct addr peer;
    const char *protocol, *tls_version; /* the second NULL: in the clear */
    uint16_t door;
    bool active, resumed;
    uint32_t requests, window;
    uint64_t age_ns, idle_ns, bytes_in, bytes_out;
    uint64_t rtt_ns, acked_ago_ns; /* as in pool_row */
};

/* One worker's letter. */
struct part {
    struct pool_errand errand;
    struct inquiry *inquiry;
    unsigned worker;
    struct pool_row *rows;
    struct client_row *clients;
    struct closed_row *closed;
    struct client_closed *clients_closed;
    uint64_t now_ns; /* of the worker, when it answered */
    size_t count;
};

struct inquiry {
    struct inquiry_options options;
    const struct frontend *const *frontends;
    struct hosts *hosts; /* pinned: rows point at some */
    enum question question;
    uint64_t after;
    size_t limit;
    unsigned workers, under_way;
    bool left; /* nobody waits any more */
    struct part parts[];
};

#endif
