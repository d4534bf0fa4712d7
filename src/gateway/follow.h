/* follow.h: redirects of backends, which KrakenD's HTTP client follows by itself (spec 4.7): where a Location leads.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_FOLLOW_H
#define HOLDFAST_GATEWAY_FOLLOW_H

#include "base/arena.h"

struct follow_url {
    struct str scheme;    /* "http" or "https" */
    struct str authority; /* "name", "name:port" */
    struct str path;      /* with its query, as it is sent */
};

/* Resolves a Location against the URL that answered with it (RFC 3986 5.2; the fragment goes). False: another scheme,
 * no host, bytes that no URL has, or no room. */
bool follow_resolve(struct arena *arena, const struct follow_url *base, struct str location, struct follow_url *out);

#endif
