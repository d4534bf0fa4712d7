/* origin_server.h: a scriptable HTTP/1 origin for tests, demos and load: answers by path, faults by option. One loop;
 * run one in each thread for more. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_CLI_ORIGIN_SERVER_H
#define HOLDFAST_CLI_ORIGIN_SERVER_H

#include "cli/origin_options.h"
#include "os/loop.h"

struct origin;

/* Listens on *addr (which gets the address taken). `options` is copied. NULL with *err.
 *
 * Paths: /bytes/N, /chunked/N (N bytes of a fixed pattern), /json/N, /delay/MS, /status/CODE, /echo (gives the body
 * back), /sink (counts the body), /ledger when there is one (GET shows it, DELETE empties it); all others: a short
 * text. The answer to a request with X-Request-Number has the same field. */
struct origin *origin_new(struct loop *loop, struct addr *addr, const struct origin_options *options,
                          struct error *err);
void origin_free(struct origin *origin); /* NULL is fine */

#endif
