/* cares_compat.h: c-ares 1.18 (Debian 12) and 1.34 (Debian 13) under the names of the newer one; only resolve_cares.c
 * includes this. Nothing of ours calls what 1.34 marks as deprecated: sockets come through ARES_OPT_SOCK_STATE_CB, and
 * names through ares_getaddrinfo, which tells a TTL for each address in both. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_NET_CARES_COMPAT_H
#define HOLDFAST_NET_CARES_COMPAT_H

#include <ares.h>

/* 1.34 has it already; C11 allows to say the same again. The older one calls a pointer to it `ares_channel`. */
typedef struct ares_channeldata ares_channel_t;

#endif
