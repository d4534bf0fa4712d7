/* host_internal.h: what the table of hosts asks of their keys (host_key.c). SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_HOST_INTERNAL_H
#define HOLDFAST_UPSTREAM_HOST_INTERNAL_H

#include "upstream/host.h"

static inline bool host_url_is_secure(struct str url)
{
    return str_starts_fold(url, STR("https://"));
}

/* What host->url means: fills name, authority, port and unix_addr, which point into it. False: *err. */
bool host_parse_url(struct host *host, struct error *err) MUST_USE;

/* What connections speak. A forward proxy is given cleartext requests itself, in HTTP/1.1. */
enum host_protocol host_key_protocol(const struct host_key *key);

/* Each part with its length, so that no two keys look alike. data NULL: no memory. */
struct str host_key_text(struct arena *arena, const struct host_key *key);

#endif
