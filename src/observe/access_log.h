/* access_log.h: one line for each request in the form that KrakenD's users grep:
 *
 *   [GIN] 2026/11/21 - 10:20:30 | 200 |    1.2345ms |       127.0.0.1 | GET      "/users/1?x=y"
 *
 * or, for machines, as one JSON object:
 *
 *   {"time":"2026-11-21T10:20:30.123Z","status":200,"seconds":0.001234500,"client":"127.0.0.1",
 *    "peer":"127.0.0.1:54321","method":"GET","target":"/users/1?x=y","host":"http://10.0.0.7:80","conn":"new",
 *    "reason":"peer_close_idle","tries":1}
 *
 * One log for each worker: lines gather in a buffer that is written when it is full or a tenth of a second old.
 * Controls and quotes in what a client sent are escaped; a target of more than 8 KiB is cut and ends in "...".
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_OBSERVE_ACCESS_LOG_H
#define HOLDFAST_OBSERVE_ACCESS_LOG_H

#include "os/loop.h"

struct access_log;

struct access_entry {
    uint64_t wall_ns, took_ns;
    uint16_t status;
    struct str client_ip, method, target; /* target: path and query as sent */
    const char *error;                    /* a second line "Error #01: ..."; NULL: none */
    bool as_json;
    /* Of JSON only. */
    struct str peer; /* the other end of the client's connection, as a PROXY header named it if one came; empty: none */
    /* What else a PROXY header said of it (its TLVs); empty: nothing. */
    struct str proxy_authority, proxy_alpn, proxy_tls, proxy_id;
    /* The connection to a host that the request was sent on last. */
    const char *conn;   /* "reused", "shared", "new"; NULL: it was sent to none */
    const char *reason; /* why it was new; NULL: it was not */
    struct str host;
    unsigned tries;     /* connections that it was sent on */
    const char *header; /* "v1", "v2": of the PROXY header that told the host of the peer; NULL: none did */
};

/* A log that writes to descriptor `fd` (1). NULL: no memory. */
struct access_log *access_log_new(struct loop *loop, int fd);
void access_log_free(struct access_log *log); /* writes what is left. NULL is fine */

void access_log_write(struct access_log *log, const struct access_entry *entry);

/* Calendar time in UTC: "2026/11/21 - 10:20:30", without `dash` "2026/11/21 10:20:30" as in the application log. `out`
 * gets a NUL too. */
enum { LOG_TIME_BYTES = 24 };
struct str log_time(uint64_t wall_ns, bool dash, char out[LOG_TIME_BYTES]);

#endif
