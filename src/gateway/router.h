/* router.h: method and path to endpoint, with KrakenD's (gin's) rules: one tree for each method, matched on the
 * percent-decoded path; static segments win over parameters; redirects for a trailing slash and for path spelling; 405
 * with Allow; 404. A path ending in a slash and a star is ours: it matches what nothing else matches below it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_ROUTER_H
#define HOLDFAST_GATEWAY_ROUTER_H

#include "config/report.h"

#include <stddef.h>

struct router;

struct router_rules {
    bool redirect_trailing_slash, redirect_fixed_path, handle_method_not_allowed, remove_extra_slash;
    bool as_sent; /* an encoded slash separates nothing, and values of parameters stay encoded as they came */
};

/* An empty router; everything lives in the arena (the generation's). NULL: no room. */
struct router *router_new(struct arena *arena, const struct router_rules *rules);

/* Adds a route; `path` in router form (endpoint_options.route): a parameter is a colon and its name up to the next
 * slash
 * ("/users/:id", "/static/file.:ext"), "\\:" a plain colon, a slash and star at the end a subtree. `method` upper case
 * or "*". Empty and dot segments of the path do not count ("/a//b/./c/../d" is "/a/b/d"). Conflicts (same route twice,
 * other parameter name at the same place, two parameters in one segment) are reported with both places, and false is
 * returned. Path and method are borrowed for the router's life; target is not NULL. */
bool router_add(struct router *router, struct str method, struct str path, void *target, struct place place,
                struct report *report);

enum { ROUTE_PARAMS_MAX = 32 };

struct route_match {
    enum {
        ROUTE_FOUND,
        ROUTE_REDIRECT,
        ROUTE_NOT_ALLOWED,
        ROUTE_NONE,
        ROUTE_BAD_PATH, /* a malformed percent-escape: 400, as Go's server says */
    } kind;
    bool trailing_slash; /* of a redirect: it only adds or removes the last slash (then X-Forwarded-Prefix counts) */
    bool as_sent;
    void *target;
    unsigned param_count; /* also of a 404 that captured some on the way */
    struct str rest;     /* subtree route: what the star matched, as it came (not decoded), without the leading slash */
    struct str location; /* redirect: path only, encoded again */
    struct str allow;    /* 405: "GET, POST" in order of registration */
    struct route_param {
        struct str name, value; /* decoded value; as it came when as_sent */
    } params[ROUTE_PARAMS_MAX]; /* last: of one that is kept, no more than param_count are there (route_match_keep) */
};

/* What of a match is in use. */
static inline size_t route_match_bytes(const struct route_match *match)
{
    return offsetof(struct route_match, params) + match->param_count * sizeof(match->params[0]);
}

/* A copy in the arena for as long as the exchange lives: of few parameters, as most have, it is small. It can be read
 * only, and copied by route_match_bytes. NULL: no memory. */
const struct route_match *route_match_keep(const struct route_match *match, struct arena *arena) MUST_USE;

/* Finds the route of a request; `path` is the raw path without its query. Results live in the arena (the exchange's) or
 * the router. No allocation when a route is found for a path without escapes. */
void router_find(const struct router *router, struct arena *arena, struct str method, struct str path,
                 struct route_match *match);

/* 400 text for a bad parameter as KrakenD's check gives it, or data NULL when all are fine (spec 3.3). */
struct str route_check_params(const struct route_match *match, struct arena *arena);

#endif
