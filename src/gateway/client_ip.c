/* client_ip.c: whose request it is: the peer's address, or, when the peer is trusted, the one that proxies before it
 * have noted. KrakenD trusts everybody by default, so that a client can choose what is believed of it;
 * forwarded_from_anybody turns that off.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gateway/forward.h"
#include "gateway/network.h"

static bool is_trusted(const struct router_options *router, const struct addr *addr)
{
    if (router->trusted_proxies.count == 0)
        return !router->trusts_nobody;
    return networks_have(router->trusted, router->trusted_count, addr);
}

/* All values of a header, joined by commas; empty when there is none, or no room. */
static struct str joined_values(struct arena *arena, const struct http_headers *headers, struct str name)
{
    struct str only = STR_EMPTY;
    size_t room = 0, found = 0, len = 0;
    char *out;

    for (uint32_t i = 0; i < headers->count; i++)
        if (str_eq_fold(headers->fields[i].name, name)) {
            only = headers->fields[i].value;
            room += only.len + 1;
            found++;
        }
    if (found < 2)
        return only;
    out = arena_alloc(arena, room, 1);
    for (uint32_t i = 0; out && i < headers->count; i++) {
        struct str value = headers->fields[i].value;

        if (!str_eq_fold(headers->fields[i].name, name))
            continue;
        if (len > 0)
            out[len++] = ',';
        if (value.len > 0)
            memcpy(out + len, value.data, value.len);
        len += value.len;
    }
    return str_of(out, len);
}

/* Walks the list from its end: the first address that is not trusted, or the leftmost. data NULL: the list is of no
 * use. */
static struct str pick(const struct router_options *router, struct str list)
{
    while (list.len > 0) {
        size_t comma = str_find_last_char(list, ',');
        bool is_first = comma == list.len;
        struct str item = str_trim(is_first ? list : str_from_offset(list, comma + 1));
        struct addr addr;

        if (item.len == 0 || item.data[0] == '[' || !addr_parse_ip(item, &addr))
            return STR_EMPTY;
        if (is_first || !is_trusted(router, &addr))
            return item;
        list = str_first(list, comma);
    }
    return STR_EMPTY;
}

static struct str peer_text(struct arena *arena, const struct addr *peer)
{
    char *text;

    if (peer->family != ADDR_IPV4 && peer->family != ADDR_IPV6)
        return STR_EMPTY;
    text = arena_alloc(arena, ADDR_TEXT_BYTES, 1);
    return text ? addr_format_ip(peer, text) : STR_EMPTY;
}

struct str forward_client_ip(struct arena *arena, const struct router_options *router, const struct http_head *request,
                             const struct addr *peer)
{
    struct str appengine =
        router->app_engine ? headers_get(&request->headers, STR("X-Appengine-Remote-Addr")) : STR_EMPTY;

    if (appengine.len > 0)
        return appengine;
    if (!router->forwarded_by_client_ip || !is_trusted(router, peer))
        return peer_text(arena, peer);
    for (size_t i = 0; i < router->remote_ip_headers.count; i++) {
        struct str ip = pick(router, joined_values(arena, &request->headers, router->remote_ip_headers.items[i]));

        if (ip.data)
            return ip;
    }
    return peer_text(arena, peer);
}
