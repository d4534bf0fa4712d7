/* dial.h: from a name and port to a connected stream: resolve, race the addresses (Happy Eyeballs, RFC 8305), one
 * winner. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_NET_DIAL_H
#define HOLDFAST_NET_DIAL_H

#include "net/resolve.h"
#include "net/stream.h"

struct dial_options {
    struct str name; /* host name or literal; borrowed until the dial is freed */
    uint16_t port;
    struct addr first;            /* the order of its family begins with it, if it is in the answer; none: see turn */
    unsigned turn;                /* with which address of its family the order begins, modulo how many there are */
    struct addr unix_addr;        /* family ADDR_UNIX: dials this path; name and port are ignored */
    uint64_t timeout_ns;          /* of the whole dial (KrakenD's dialer_timeout); 0: none */
    int64_t fallback_delay_ns;    /* head start of each address before the next is tried too (dialer_fallback_delay): 0:
                                     300 ms, negative: one after the other */
    struct socket_options socket; /* kind and family are set here */
};

struct dial;

/* Starts dialing; `owner` is woken when dial_result would no longer answer IO_WAIT. The order is that of RFC 8305 4:
 * families alternate, beginning with the family of the first address (IPv6 first when both are there); within a family
 * that of the answer, from options->turn on and round. NULL: no memory. */
struct dial *dial_start(struct loop *loop, struct resolver *resolver, const struct dial_options *options,
                        struct task *owner);

/* IO_OK: *stream is connected and the caller's; IO_WAIT; IO_FAIL: *err tells the last address's failure:
 * connect_refused, connect_unreachable, connect_timeout, resolve_failed ..., all retry_safe, fault UPSTREAM; or
 * out_of_files, out_of_ports, out_of_memory here, fault SYSTEM. */
enum io dial_result(struct dial *dial, struct stream **stream, struct error *err);

/* Ends it at any time, closing what is under way. NULL is fine. */
void dial_free(struct dial *dial);

#endif
