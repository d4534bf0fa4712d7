/* introduce.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/introduce.h"

#include "base/assert.h"
#include "net/proxy_protocol.h"

enum { HEADER_BYTES_MAX = PROXY_V1_BYTES_MAX }; /* of version 2 without more than addresses: 52 */

static bool is_ip(const struct addr *addr)
{
    return addr && (addr->family == ADDR_IPV4 || addr->family == ADDR_IPV6);
}

static struct addr our_end(const struct addr *client, struct stream *stream)
{
    struct addr ours = {0};

    if (stream && stream_local_addr(stream, &ours) && ours.family == client->family)
        return ours;
    return (struct addr){.family = client->family, .port = ours.port};
}

struct str introduction(struct arena *arena, uint8_t version, const struct addr *client, struct stream *stream)
{
    struct proxy_header header = {.version = version, .local = !is_ip(client)};
    uint8_t *bytes;
    size_t size;

    if (version == 0)
        return STR("");
    if (!header.local) {
        header.source = *client;
        header.destination = our_end(client, stream);
    }
    bytes = arena_alloc(arena, HEADER_BYTES_MAX, 1);
    if (!bytes)
        return STR_EMPTY;
    size = proxy_header_write(&header, bytes, HEADER_BYTES_MAX);
    ASSERT(size > 0);
    return str_of((const char *)bytes, size);
}
