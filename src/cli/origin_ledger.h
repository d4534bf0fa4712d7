/* origin_ledger.h: which requests a test origin has executed, and how often: the witness against re-sent requests.
 *
 * Clients number their requests (X-Request-Number: 17). One ledger serves all threads of an origin.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_CLI_ORIGIN_LEDGER_H
#define HOLDFAST_CLI_ORIGIN_LEDGER_H

#include "base/arena.h"

enum { ORIGIN_LEDGER_NUMBERS = 1 << 24 }; /* numbers below this are told apart */

struct origin_ledger;

struct origin_ledger *origin_ledger_new(void);          /* NULL: no memory */
void origin_ledger_free(struct origin_ledger *ledger);  /* NULL is fine */
void origin_ledger_reset(struct origin_ledger *ledger); /* while nobody counts */

/* A connection was accepted; or one turned out to be from somebody who only looks at the ledger. */
void origin_ledger_add_connection(struct origin_ledger *ledger);
void origin_ledger_drop_connection(struct origin_ledger *ledger);

/* A request was read completely. `number` is the field's text; data NULL: it had none. */
void origin_ledger_add_request(struct origin_ledger *ledger, struct str method, struct str number);

/* {"requests": numbered ones, "distinct":, "doubled": requests - distinct, "unnumbered":, "connections":,
 *  "by_method": {"GET": {"requests":, "doubled":}}}; data NULL: no room. */
struct str origin_ledger_json(struct origin_ledger *ledger, struct arena *arena);

#endif
