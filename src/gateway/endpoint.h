/* endpoint.h: a route, compiled: what a generation builds from endpoint_options. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_ENDPOINT_H
#define HOLDFAST_GATEWAY_ENDPOINT_H

#include "gateway/profiles.h"
#include "gateway/service.h"
#include "upstream/discover.h"

/* A url_pattern cut into literals and parameters: "/u/{id}?x={y}" is "/u/" {id}, "?x=" {y}. */
struct pattern_part {
    struct str literal;  /* of the query, and of a pattern without parameters: as it is sent */
    struct str param;    /* name; empty: only the literal */
    struct str unfilled; /* "{{.Id}}": what stands for a parameter without a value */
    bool in_query;       /* it stands behind the '?', which begins the first such literal */
};

struct backend {
    const struct backend_options *options;
    struct host **hosts; /* as they are listed */
    size_t host_count;
    struct host_set *set;        /* the same, to choose from */
    struct discovery *discovery; /* NULL: the set; else hosts are looked up, and the set is empty */
    struct balance *balance;     /* how; the one part that changes while requests are served */
    struct pattern_part *parts;
    size_t part_count;
    bool is_fixed; /* no parameters: the only part's literal is the path and query as they are sent */
    bool pattern_has_query;
    bool subtree; /* ends in a slash and a star: the matched rest of the path and the query follow as they came */
    struct str internal; /* "/u/{{.Id}}" as KrakenD shows it in error texts */
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

struct endpoint {
    enum endpoint_kind kind;
    const struct endpoint_options *options; /* NULL for built-in ones */
    struct str path;                        /* "/users/:id": router form, for logs */
    struct str label;                       /* "/users/{id}" for metrics */
    int64_t timeout_ns;
    bool no_op;
    enum traffic_class traffic;  /* of its only backend, with no-op */
    _Atomic uint32_t *lasting;   /* streams and tunnels that are open, of all workers, when they have a limit */
    bool all_headers, all_query; /* "*" is listed */
    struct backend *backends;    /* without shadows */
    size_t backend_count;
    unsigned tries;            /* of each backend, at once: concurrent_calls */
    struct sequence *sequence; /* one for each backend */
    struct endpoint *shadow;   /* the same with only its shadows for backends; NULL: there are none */
    struct str allow;          /* ENDPOINT_OPTIONS */
    uint32_t index;            /* place in the generation, for counters */
};

/* Compiles one endpoint: cuts patterns, interns hosts. Adds problems to the report. `path` is options->route, which the
 * router takes. The index is the caller's. */
bool endpoint_compile(struct arena *arena, const struct service *service, const struct endpoint_options *options,
                      struct hosts *hosts, struct profiles *profiles, struct endpoint *endpoint, struct report *report);

/* What its hosts are spoken to in: what switches protocols does so in HTTP/1.1. */
enum upstream_protocol endpoint_protocol(const struct transport *transport);

#endif
