/* resolve_internal.h: for tests only: points the c-ares resolver at servers of their own.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_NET_RESOLVE_INTERNAL_H
#define HOLDFAST_NET_RESOLVE_INTERNAL_H

#include "net/resolve.h"

/* Asks these servers from now on ("127.0.0.1:5353,..."), not those of resolv.conf. False: not understood. */
bool resolver_cares_use_servers(struct resolver *resolver, const char *servers) MUST_USE;

#endif
