/* service_hosts.c: the hosts of a configuration made clean, as KrakenD's URI parser does: whatever surrounds the one
 * host in a text is dropped. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/service_internal.h"

/* Letters, digits and -._ : what a host's name is made of. */
static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_';
}

static size_t name_len(struct str s)
{
    size_t len = 0;

    while (len < s.len && is_name(s.data[len]))
        len++;
    return len;
}

static size_t digits_len(struct str s)
{
    size_t len = 0;

    while (len < s.len && s.data[len] >= '0' && s.data[len] <= '9')
        len++;
    return len;
}

/* One host found in a text: where its three parts are. */
struct host_match {
    struct str scheme, name, port;
};

/* How many bytes at the front of s are a host; 0: none begins here. */
static size_t match_host(struct str s, struct host_match *match)
{
    size_t scheme = str_starts(s, STR("http://")) ? 7 : str_starts(s, STR("https://")) ? 8 : 0, name, digits, len;

    name = name_len(str_from_offset(s, scheme));
    if (name == 0) {
        scheme = 0;
        name = name_len(s);
    }
    if (name == 0)
        return 0;
    len = scheme + name;
    match->scheme = str_first(s, scheme);
    match->name = str_first(str_from_offset(s, scheme), name);
    match->port = STR_EMPTY;
    digits = len < s.len && s.data[len] == ':' ? size_min(digits_len(str_from_offset(s, len + 1)), 6) : 0;
    if (digits >= 2) {
        match->port = str_first(str_from_offset(s, len), digits + 1);
        len += digits + 1;
    }
    return len < s.len && s.data[len] == '/' ? len + 1 : len;
}

bool host_sanitize(struct arena *arena, struct str text, struct str *out)
{
    struct host_match match, found = {STR_EMPTY, STR_EMPTY, STR_EMPTY};
    unsigned count = 0;

    for (size_t at = 0; at < text.len;) {
        size_t len = match_host(str_from_offset(text, at), &match);

        if (len > 0) {
            found = match;
            count++;
        }
        at += len > 0 ? len : 1;
    }
    if (count != 1)
        return false;
    if (found.scheme.len == 0)
        found.scheme = STR("http://");
    *out = arena_format(arena, "%.*s%.*s%.*s", STR_ARG(found.scheme), STR_ARG(found.name), STR_ARG(found.port));
    return true;
}
