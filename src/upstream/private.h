/* private.h: connections to which hosts bind an identity: NTLM and Negotiate (RFC 4559 6) authenticate the connection,
 * not the request; a PROXY header (introduce.h) names one client for all of it. Whoever is sent over it later is that
 * user, so it belongs to one client connection until that ends: it is lent to no other, handed to no other worker, and
 * does not stand in the pool. (One with a PROXY header can be replaced at any time, so that it is closed by the pool's
 * rules on age and idle time.)
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_PRIVATE_H
#define HOLDFAST_UPSTREAM_PRIVATE_H

#include "base/ring.h"
#include "upstream/pool.h"

struct private_conns { /* of one client connection, all of one worker; they count as lent. A zeroed one is empty */
    struct ring list;
};

void private_end(struct private_conns *conns); /* closes what is there */

/* Does this head, a request's or an answer's, bind the connection? All are asked, and few have a field that could: only
 * of those the values are read. */
bool private_names_scheme(const struct http_head *head);
static inline bool private_is_bound_by(const struct http_head *head)
{
    const uint64_t credentials = UINT64_C(1) << HEADER_AUTHORIZATION | UINT64_C(1) << HEADER_PROXY_AUTHORIZATION;
    bool may = head->status == 401 || head->status == 407;

    for (uint32_t i = 0; head->status == 0 && i < head->headers.count; i++)
        may |= credentials >> head->headers.fields[i].id & 1;
    return UNLIKELY(may) && private_names_scheme(head);
}

/* Its idle connection to the host, alive; NULL: none. */
struct pooled *private_take(struct private_conns *conns, const struct host *host);

/* A lent connection that is bound is kept, if it is fit for another request, or closed; always when conns is NULL. At
 * most transport_private_max of one client connection are kept; the oldest yields. */
void private_keep(struct private_conns *conns, struct pooled *pooled, const struct transport *transport);

#endif
