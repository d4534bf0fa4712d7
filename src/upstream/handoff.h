/* handoff.h: the workers' pools as one: an idle connection changes workers through mailboxes.
 *
 * A request that finds its own worker's stack empty, while another worker has idle connections to the host, sends that
 * worker a letter (WANT). The donor answers on its own loop with its connection, taken off the loop (GIVE), or with
 * nothing (NONE), and then the next worker is asked. A given connection becomes idle in the asker's pool: who comes
 * first there takes it. When no answer has come in the time that a dial takes (dial_cost.h), a dial races it; whichever
 * comes second is kept as an idle connection (a dial as `warm`), within the caps, unless more are open than the
 * requests need (demand.h).
 *
 * In between a connection is counted by host->idle and host->open, and by the difference of moved_out and moved_in.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_HANDOFF_H
#define HOLDFAST_UPSTREAM_HANDOFF_H

#include "os/mailbox.h"
#include "upstream/pool.h"

enum { WISH_LETTERS_MAX = 4 }; /* so many workers are asked before a dial */

/* A wait of a fetch for a connection of another worker; zeroed: none. */
struct pool_wish {
    struct handoff *letter; /* NULL: none is under way */
    struct task *task;      /* woken by the answer */
    uint8_t letters;        /* that were sent for it */
    uint16_t refuser;       /* the worker that last had none to give, from 1: it is not asked next; 0: none */
    struct list_node node;
};

/* Asks the worker that has most idle connections to host. False: nobody has any, or no memory; a letter that is under
 * way is not sent again. `repeatable` as in pool_take. */
bool pool_ask(struct pool *pool, struct host *host, struct pool_wish *wish, bool repeatable) MUST_USE;
void pool_stop_asking(struct pool *pool, struct pool_wish *wish); /* the answer is for whoever comes first */

/* Those who dial, or wait for an answer, and would rather take what becomes idle (gate_wait joins, gate_quit leaves).
 */
struct dial_gate *pool_racers(const struct pool *pool);

/* A dial (pool_dial) that nobody needs any more: taken, and its connection is kept, or broken off when enough are open.
 */
void pool_keep_dial(struct pool *pool, struct host *host, const struct transport *transport, struct connecting *dial);

/* Somebody else's letter that has something done on the worker's own thread, for dumps and commands. `run` may look at
 * all that the worker has; from then on the errand is its own again. */
struct pool_errand {
    struct letter letter;
    void (*run)(struct pool_errand *errand, struct pool *pool);
};
/* Any thread. False: the worker has ended. */
bool pool_send_errand(struct pool *pool, struct pool_errand *errand) MUST_USE;

/* When the worker's loop has ended, on its thread: closes what is idle and takes no letters any more, so that other
 * workers neither wait for it nor find the caps full. All pools must have ended before any is freed. */
void pool_end(struct pool *pool);

#endif
