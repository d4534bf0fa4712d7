/* server.h: secured listeners: certificates and settings that clients meet, read again when their files change.
 *
 * A tls_shared is for the whole process: what lets clients resume, whichever worker and listener they come to. A
 * tls_server is for one listener; all workers use it. Both are refreshed by one thread, now and then. It may rest as
 * long as nothing happens: whoever begins a handshake then and finds that the last look at the files is too old waits
 * for the next one.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TLS_SERVER_H
#define HOLDFAST_TLS_SERVER_H

#include "base/error.h"
#include "tls/server_options.h"

struct tls_shared;
struct tls_server;

/* Ticket keys, session cache, marks against replay. `tuning` is borrowed for life. NULL: a problem was added. */
struct tls_shared *tls_shared_new(const struct tls_server_tuning *tuning, struct report *report);
struct tls_shared *tls_shared_hold(struct tls_shared *shared);
void tls_shared_release(struct tls_shared *shared); /* the last one frees it; streams hold it too. NULL is fine */

/* The listeners of another configuration go on with it: `tuning` is as the old one was, and borrowed in its place. */
void tls_shared_renew(struct tls_shared *shared, const struct tls_server_tuning *tuning);
/* Could they? */
bool tls_tuning_is_same(const struct tls_server_tuning *a, const struct tls_server_tuning *b);

/* Ticket keys: by the clock, or from files that changed, unless reload_interval is 0. */
void tls_shared_refresh(struct tls_shared *shared, uint64_t now_ns);
/* When that is due by the clock, files aside: a key is to be made or forgotten. By who refreshes. UINT64_MAX: never. */
uint64_t tls_shared_due_ns(struct tls_shared *shared);

struct tls_shared_facts {
    size_t ticket_keys;        /* that decrypt */
    size_t cached_sessions;    /* of TLS 1.2 */
    uint64_t ticket_rotations; /* keys that were made or read since the start */
    uint64_t reloads_failed;   /* of ticket files */
};
void tls_shared_facts(struct tls_shared *shared, struct tls_shared_facts *facts);

struct tls_server_start {
    const struct tls_server_options *options; /* borrowed as long as it is refreshed and asked, as are the others */
    const struct tls_server_tuning *tuning;
    struct tls_shared *shared;
    const struct str *protocols; /* ALPN, the best first */
    size_t protocol_count;
    const char *path; /* of the options, in messages: "tls" */
};

/* Reads all files. NULL: problems were added, with OpenSSL's reasons. As KrakenD has it, CA files that cannot be read
 * are told and passed over, and versions that leave nothing only make every handshake fail. */
struct tls_server *tls_server_new(const struct tls_server_start *start, struct report *report);
struct tls_server *tls_server_hold(struct tls_server *server); /* NULL is fine */
/* The last one frees it; streams keep what they need. Who is left behind by a configuration that has gone may still
 * begin handshakes, and nothing else. NULL is fine. */
void tls_server_release(struct tls_server *server);
/* Reads all files again when any has changed, unless reload_interval is 0; what is wrong with them is logged, and the
 * old ones stay. By the one thread that asks for facts too. */
void tls_server_refresh(struct tls_server *server, uint64_t now_ns);
/* Does that thread rest from now on? */
void tls_server_rest(struct tls_server *server, bool rests);
/* Is the last look more than reload_interval and a second ago, as it may be at rest only? Any thread. */
bool tls_server_is_late(const struct tls_server *server, uint64_t now_ns);
/* Then waits for the next one, for a tenth of a second at most: a volume that does not answer holds up who looks, and
 * nobody else, but for the first who waits in vain. By who has woken the one that looks. */
void tls_server_await_look(struct tls_server *server, uint64_t now_ns);

struct tls_server_facts {
    uint64_t reloads_ok, reloads_failed;
    size_t certificates;
};
void tls_server_facts(struct tls_server *server, struct tls_server_facts *facts);

/* The certificate of an index: its file, when it ends (seconds since 1970), and whether a staple goes with it now. */
struct tls_certificate_facts {
    struct str path;
    int64_t expires_s;
    bool stapled;
};
void tls_server_certificate(struct tls_server *server, size_t index, struct tls_certificate_facts *facts);

const struct tls_server_tuning *tls_server_tuning(const struct tls_server *server);

#endif
