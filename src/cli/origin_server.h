/* origin_server.h: a scriptable HTTP/1 origin for tests, demos and load: answers by path, faults by option. One loop;
 * run one in each thread for more. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_CLI_ORIGIN_SERVER_H
#define HOLDFAST_CLI_ORIGIN_SERVER_H

#include "os/loop.h"

struct origin_options {
    uint64_t close_idle_after_ns;  /* closes kept connections that are idle for so long; 0: never */
    uint32_t close_after_requests; /* closes, announced, after so many; 0: never */
    uint32_t reset_per_million;    /* requests that get an end of the connection instead of an answer */
    uint64_t delay_ns, jitter_ns;  /* before each answer: delay and an even share of jitter */
    bool keep_alive_header;        /* announces its limits: Keep-Alive: timeout=, max= */
    bool stray_bytes;              /* sends bytes nobody asked for behind answers */
    bool shared;                   /* more origins of this process will listen on the same address */
};

struct origin;

/* Listens on *addr (which gets the address taken). `options` is copied. NULL with *err.
 *
 * Paths: /bytes/N, /chunked/N (N bytes of a fixed pattern), /json/N, /delay/MS, /status/CODE, /echo (gives the body
 * back), /sink (counts the body); all others: a short text. */
struct origin *origin_new(struct loop *loop, struct addr *addr, const struct origin_options *options,
                          struct error *err);
void origin_free(struct origin *origin); /* NULL is fine */

#endif
