/* endpoint.h: a route, compiled: what a generation builds from endpoint_options. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_ENDPOINT_H
#define HOLDFAST_GATEWAY_ENDPOINT_H

#include "base/intern.h"
#include "base/lines.h"
#include "gateway/profiles.h"
#include "gateway/service.h"
#include "upstream/discover.h"

#include <assert.h>

/* A url_pattern cut into literals and parameters: "/u/{id}?x={y}" is "/u/" {id}, "?x=" {y}. */
struct pattern_part {
    struct str literal;  /* of the query, and of a pattern without parameters: as it is sent */
    struct str param;    /* name; empty: only the literal */
    struct str unfilled; /* "{{.Id}}": what stands for a parameter without a value */
    bool in_query;       /* it stands behind the '?', which begins the first such literal */
};

/* What every request reads is in the first cache line; what stands behind it, few requests read. With 1,000 routes
 * asked in turn the lines that belong to one route alone come from afar each time (28 of them cost a fifth of a request
 * once), so pieces that backends have alike are the same piece (base/intern.h). */
struct backend {
    _Alignas(CACHE_LINE_BYTES) struct str method; /* upper case; "*": the client's own */
    const struct transport *transport;
    const struct host_set *set;           /* the hosts to choose from */
    struct balance *balance;              /* how; the one part that changes while requests are served */
    const struct str_list *input_headers; /* second filter; places are not kept */
    const struct pattern_part *parts;
    uint32_t part_count;
    bool is_fixed; /* no parameters: the only part's literal is the path and query as they are sent */
    bool pattern_has_query;
    bool subtree; /* ends in a slash and a star: the matched rest of the path and the query follow as they came */
    bool decoded; /* its answers are, and have to be unpacked for it */
    /* Second line. */
    const struct backend_options *options;
    struct host **hosts; /* as they are listed */
    size_t host_count;
    struct discovery *discovery; /* when the set is empty: hosts are looked up; NULL: there are none */
    struct str internal;         /* "/u/{{.Id}}" as KrakenD shows it in error texts */
};

/* What one backend of a sequence wants of the answers before it: Resp0_a.b (sequence.h). */
struct sequence_value {
    uint32_t backend;
    struct str name, path; /* "Resp0_a.b", "a.b"; an empty path: the whole body */
};

struct sequence {
    struct sequence_value *values;
    size_t count;
};

enum endpoint_kind {
    ENDPOINT_PROXY,
    ENDPOINT_ANSWER,
    ENDPOINT_HEALTH,
    ENDPOINT_DEBUG,
    ENDPOINT_ECHO,
    ENDPOINT_OPTIONS,
    ENDPOINT_GRPC_HEALTH,
    ENDPOINT_GRPC_WATCH,
};

/* In lines, as struct backend. */
struct endpoint {
    _Alignas(CACHE_LINE_BYTES) enum endpoint_kind kind;
    enum traffic_class traffic; /* of its only backend, with no-op */
    uint32_t slot;              /* place among all that the process has had, for counters (tally.h) */
    unsigned tries;             /* of each backend, at once: concurrent_calls */
    int64_t timeout_ns;
    bool no_op;
    bool all_headers, all_query; /* "*" is listed */
    struct backend *backends;    /* without shadows */
    size_t backend_count;
    struct endpoint *shadow;              /* the same with only its shadows for backends; NULL: there are none */
    const struct str_list *input_headers; /* those that pass; places are not kept */
    /* Second line. */
    const struct endpoint_options *options; /* NULL for built-in ones */
    struct str path;                        /* "/users/:id": router form, for logs */
    struct str label;                       /* "/users/{id}" for metrics */
    _Atomic uint32_t *lasting; /* streams and tunnels that are open, of all workers, when they have a limit */
    struct sequence *sequence; /* one for each backend */
    struct str allow;          /* ENDPOINT_OPTIONS */
    uint32_t index;            /* place in the generation */
};

static_assert(offsetof(struct backend, options) == CACHE_LINE_BYTES, "the first line is full");
static_assert(offsetof(struct endpoint, options) == CACHE_LINE_BYTES, "the first line is full");

/* Compiles one endpoint in the intern's arena: cuts patterns, interns hosts. Adds problems to the report. `path` is
 * options->route, which the router takes. The index is the caller's. */
bool endpoint_compile(struct intern *pieces, const struct service *service, const struct endpoint_options *options,
                      struct hosts *hosts, struct profiles *profiles, struct endpoint *endpoint, struct report *report);

/* The method that it is for; "*" stands for all. */
struct str endpoint_method(const struct endpoint *endpoint);

/* What its hosts are spoken to in: what switches protocols does so in HTTP/1.1. */
enum upstream_protocol endpoint_protocol(const struct transport *transport);

#endif
