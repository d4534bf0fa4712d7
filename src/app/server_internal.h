/* server_internal.h: a server's insides: server.c makes, drains and ends it, succession.c gives it its next generation,
 * carry.c says what of that needs a restart. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_APP_SERVER_INTERNAL_H
#define HOLDFAST_APP_SERVER_INTERNAL_H

#include "app/rest.h"
#include "app/server.h"
#include "app/tls_refresh.h"
#include "gateway/tally.h"
#include "os/mailbox.h"

/* What workers tell the main thread: that they have ended, or taken their next generation. */
enum server_mail { MAIL_ENDED, MAIL_SUCCEEDED };

/* One worker's news to the main thread. */
struct ended_letter {
    struct letter letter;
    struct server *server;
};

/* A generation that others follow, until nobody serves by it. */
struct past {
    struct list_node node;
    struct generation *generation;
};

struct server {
    struct server_start start;
    struct generation *generation; /* the newest; held */
    const struct service *service; /* its */
    struct arena *arena;           /* texts that live as long as this */
    struct worker **workers;
    struct frontend **frontends; /* the workers' */
    struct ended_letter *letters;
    unsigned worker_count, started; /* the first `started` of them have a thread */
    unsigned running;               /* ... whose end we have not heard of */
    struct addr *addresses;
    struct admin_listener *listeners; /* how it stands with each */
    size_t address_count, address_room;
    struct mailbox *mailbox;
    struct task mail_task;
    struct crowd *crowd; /* NULL: no limit by address */
    struct crowd *lasting_crowd;
    uint64_t overflows_at_start;
    unsigned refused; /* of the listeners' options: LISTEN_NO_... */
    struct rest rest;
    struct tls_refresh tls_refresh;
    bool draining, cutting;
    struct tally *tally;
    struct list pasts;       /* oldest first */
    struct list successions; /* that some workers have not taken yet */
    struct task past_task;
    struct timer past_timer;
    struct reload_facts facts;
};

struct host_leave_rule server_leave_rule(const struct service *service);

/* server.c: Unix sockets cannot be shared by SO_REUSEPORT, and some kernels do not have it: the first worker alone
 * listens then, and gives to the others what it accepts (gateway/spread.h). */
bool server_worker_shares(const struct server *server, const struct addr *addr, unsigned worker);
/* server.c: takes the address for a moment, alone. A Unix socket leaves its file, as one of a server that has gone.
 * False: *err. */
bool server_can_listen(struct server *server, const struct addr *addr, struct error *err) MUST_USE;
/* server.c: drains one listener in all workers. */
void server_drain_number(struct server *server, size_t number);

/* succession.c */
void succession_init(struct server *server);
void succession_mail(struct server *server, struct letter *letter); /* a worker has taken its next generation */
void succession_end(struct server *server); /* workers have ended: all that was under way is given back */

#endif
