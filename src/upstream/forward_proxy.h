/* forward_proxy.h: which forward proxy leads to a host, by the rules of Go's golang.org/x/net/http/httpproxy, from the
 * values of HTTP_PROXY, HTTPS_PROXY and NO_PROXY. A pure engine: reading the environment is the caller's.
 *
 * localhost, loopback addresses and Unix paths are never proxied. NO_PROXY is a list by commas of: "*" (nothing is
 * proxied), "example.com" (it and what is below it), ".example.com" or "*.example.com" (only what is below it), an
 * address, a network "10.0.0.0/8"; all but networks may end in ":port". Where Go takes a broken proxy URL for none, we
 * refuse: traffic that was to go through a proxy must not go past it. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_FORWARD_PROXY_H
#define HOLDFAST_UPSTREAM_FORWARD_PROXY_H

#include "base/arena.h"
#include "base/error.h"

struct forward_proxy {
    struct str url;           /* in one form, with user and password: identity, never shown */
    struct str shown;         /* "http://proxy.example:3128": for people */
    struct str name;          /* or the literal without brackets */
    uint16_t port;            /* 80 when none was written, 443 of https:// */
    bool secure;              /* it is spoken to over TLS */
    struct str authorization; /* "Basic dXNlcjpwYXNz", for Proxy-Authorization; empty: none */
};

/* "http://user:password@name:port" or "https://...", of which only the name must be there; what stands behind the port
 * is not looked at. False: *err, fault CONFIG: address_invalid (no name, bad port, bad escape; socks5://, which is not
 * supported; other schemes), out_of_memory. No text of *err holds user or password. */
bool forward_proxy_parse(struct arena *arena, struct str text, struct forward_proxy *proxy, struct error *err) MUST_USE;

struct forward_proxy_variables {
    struct str http, https; /* of HTTP_PROXY or http_proxy, HTTPS_PROXY or https_proxy: the first that is not empty */
    struct str none;        /* NO_PROXY or no_proxy, the same */
    bool cgi;               /* REQUEST_METHOD is set: HTTP_PROXY may be a client's Proxy header (CVE-2016-5385) */
};

struct forward_rules;

/* Lives in the arena and keeps copies. NULL: no memory. */
const struct forward_rules *forward_rules_new(struct arena *arena, const struct forward_proxy_variables *variables);

/* The same rules in another arena; NULL for NULL. *ok false: no memory. */
const struct forward_rules *forward_rules_copy(struct arena *arena, const struct forward_rules *rules, bool *ok);

/* Is any of the proxies spoken to over TLS? NULL: none is. */
bool forward_rules_need_tls(const struct forward_rules *rules);

/* The proxy on the way to a host; *proxy NULL: none. False: there should be one, but its URL is of no use, or
 * HTTP_PROXY cannot be trusted (cgi): *err, fault CONFIG, names the variable. NULL for rules is none at all. */
bool forward_rules_find(const struct forward_rules *rules, bool secure, struct str name, uint16_t port,
                        const struct forward_proxy **proxy, struct error *err) MUST_USE;

#endif
