/* voucher.h: what a proxy in front says of a client beside its addresses: the TLVs of its PROXY header (version 2), for
 * the access log. Nothing is decided by them. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_VOUCHER_H
#define HOLDFAST_GATEWAY_VOUCHER_H

#include "net/proxy_protocol.h"

/* Empty: it was not said. Bytes as they came: who shows them escapes them. */
struct voucher {
    struct str alpn, authority, id; /* id: the proxy's own name for the connection (PP2_TYPE_UNIQUE_ID) */
    struct str tls;                 /* the version that the client speaks to the proxy; "yes" when it is not said */
};

/* A copy; free() it. NULL: the header says nothing of the kind, or there is no memory. */
struct voucher *voucher_new(const struct proxy_header *header);

#endif
