/* endpoint.c: compiles an endpoint: hosts to records of the process's table, url_patterns to parts that forward.c
 * fills. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/endpoint.h"

#include "config/problems.h"
#include "gateway/escape.h"
#include "gateway/pattern.h"
#include "gateway/sequence.h"

/* One backend being compiled. */
struct compiling {
    struct intern *pieces;
    struct arena *arena;
    const struct endpoint_options *endpoint;
    struct backend *backend;
    struct report *report;
    struct hosts *hosts;
    struct profiles *profiles;
    const struct forward_rules *proxies;
    struct str base; /* path that hosts were written with; goes before the pattern */
};

static bool no_memory(struct compiling *compiling)
{
    report_add(compiling->report, SEVERITY_ERROR, PROBLEM_OUT_OF_MEMORY, (struct place){0}, NULL, "no memory");
    return false;
}

/* Cuts "http://h:1/base" into the origin and the path behind it. "unix:/path" is an origin as a whole. */
static struct str cut_origin(struct str url, struct str *base)
{
    size_t scheme = str_find(url, STR("://"));
    size_t end;

    *base = STR_EMPTY;
    if (scheme == url.len)
        return url;
    end = scheme + 3 + str_find_char(str_from_offset(url, scheme + 3), '/');
    *base = str_from_offset(url, end);
    return str_first(url, end);
}

struct str endpoint_method(const struct endpoint *endpoint)
{
    if (endpoint->options)
        return endpoint->options->method;
    switch (endpoint->kind) {
    case ENDPOINT_HEALTH:
        return STR("GET");
    case ENDPOINT_OPTIONS:
        return STR("OPTIONS");
    case ENDPOINT_GRPC_HEALTH:
    case ENDPOINT_GRPC_WATCH:
        return STR("POST");
    case ENDPOINT_PROXY:
    case ENDPOINT_ANSWER:
    case ENDPOINT_DEBUG:
    case ENDPOINT_ECHO:
        break;
    }
    return STR("*");
}

enum upstream_protocol endpoint_protocol(const struct transport *transport)
{
    bool alone = transport->protocol == PROTOCOL_H2;

    return transport->traffic == CLASS_TUNNEL && !alone ? PROTOCOL_HTTP1 : transport->protocol;
}

/* NULL: the problem is in the report. */
static struct host *find_host(struct compiling *compiling, struct str origin, size_t i)
{
    const struct backend_options *options = compiling->backend->options;
    struct place place = options->host.places ? options->host.places[i] : options->place;
    struct host_key key = {.url = origin,
                           .pool = options->transport.pool,
                           .proxy_header = options->transport.proxy_header,
                           .source = options->transport.source,
                           .marks = options->transport.marks,
                           .protocol = endpoint_protocol(&options->transport)};
    const struct forward_proxy *proxy;
    struct host *host = NULL;
    struct error err = {0};

    if (!host_url_proxy(compiling->proxies, origin, &proxy, &err)) {
        report_add(compiling->report, SEVERITY_ERROR, PROBLEM_HOST, place, NULL, "host \"%.*s\": %s",
                   STR_ARG(options->host.items[i]), err.text);
        return NULL;
    }
    if (proxy)
        key.proxy = proxy->url;
    if (str_starts_fold(origin, STR("https://")) || (proxy && proxy->secure))
        key.tls = profiles_get(compiling->profiles, &options->client_tls, &err);
    if (err.fault == FAULT_NONE)
        host = hosts_intern(compiling->hosts, &key, &err);
    if (host)
        atomic_store_explicit(&host->configured, true, memory_order_relaxed);
    if (!host)
        report_add(compiling->report, SEVERITY_ERROR, PROBLEM_HOST, place,
                   "write \"http://name:port\" or \"https://name:port\"", "host \"%.*s\": %s",
                   STR_ARG(options->host.items[i]), err.text);
    return host;
}

static bool intern_host(struct compiling *compiling, size_t i)
{
    const struct backend_options *options = compiling->backend->options;
    struct place place = options->host.places ? options->host.places[i] : options->place;
    struct str base, origin = cut_origin(options->host.items[i], &base);
    struct host *host;

    if (i > 0 && !str_eq(base, compiling->base)) {
        report_add(compiling->report, SEVERITY_ERROR, PROBLEM_UNSUPPORTED, place, NULL,
                   "hosts with different paths in one backend are not supported yet in this version");
        return false;
    }
    compiling->base = base;
    host = find_host(compiling, origin, i);
    if (!host)
        return false;
    compiling->backend->hosts[compiling->backend->host_count++] = host;
    return true;
}

/* The set of these hosts: one for all backends that have them. NULL: no memory. */
static const struct host_set *intern_set(struct compiling *compiling, struct host *const *hosts, uint32_t count)
{
    void *memory = arena_alloc(compiling->arena, host_set_bytes(count), _Alignof(struct host_set));
    struct intern *pieces = compiling->pieces;
    struct host_set *set, *shared;

    if (!memory)
        return NULL;
    memset(memory, 0, host_set_bytes(count)); /* padding counts, too */
    set = host_set_fill(memory, hosts, count);
    set->slots = intern_bytes(pieces, set->slots, set->slot_count * sizeof *set->slots);
    set->hosts = intern_bytes(pieces, set->hosts, set->host_count * sizeof *set->hosts);
    set->weights = intern_bytes(pieces, set->weights, set->host_count * sizeof *set->weights);
    shared = intern_bytes(pieces, set, sizeof *set);
    return set->slots && set->hosts && set->weights ? shared : NULL;
}

static bool make_balance(struct compiling *compiling)
{
    struct backend *backend = compiling->backend;

    backend->balance = arena_make(compiling->arena, struct balance);
    backend->set = intern_set(compiling, backend->hosts, (uint32_t)backend->host_count);
    if (!backend->set || !backend->balance)
        return no_memory(compiling);
    host_set_introduce(backend->set);
    balance_init(backend->balance, backend->options->transport.balance, hosts_workers(compiling->hosts));
    return true;
}

/* sd: dns. The first host is the name of the SRV records, as KrakenD has it. */
static bool make_discovery(struct compiling *compiling)
{
    const struct backend_options *options = compiling->backend->options;
    struct discovery *discovery = arena_make(compiling->arena, struct discovery);
    struct error err = {0};

    if (!discovery)
        return no_memory(compiling);
    discovery->name = options->host.items[0];
    discovery->scheme = options->sd_scheme;
    discovery->pool = options->transport.pool;
    discovery->proxy_header = options->transport.proxy_header;
    discovery->source = options->transport.source;
    discovery->marks = options->transport.marks;
    discovery->protocol = endpoint_protocol(&options->transport);
    discovery->proxies = compiling->proxies;
    discovery->refresh_ns = options->sd_refresh_ns;
    if (str_eq(discovery->scheme, STR("https")) || forward_rules_need_tls(compiling->proxies))
        discovery->tls = profiles_get(compiling->profiles, &options->client_tls, &err);
    if (err.fault != FAULT_NONE) {
        report_add(compiling->report, SEVERITY_ERROR, PROBLEM_HOST, options->place, NULL, "sd_scheme: %s", err.text);
        return false;
    }
    discovery->key = discovery_key(compiling->arena, discovery);
    compiling->backend->discovery = discovery;
    return discovery->key.data || no_memory(compiling);
}

static bool intern_hosts(struct compiling *compiling)
{
    bool discovered = compiling->backend->options->discovered;
    size_t count = discovered ? 0 : compiling->backend->options->host.count;
    bool ok = !discovered || make_discovery(compiling);

    compiling->backend->hosts = arena_array(compiling->arena, struct host *, count + 1);
    if (!compiling->backend->hosts)
        return no_memory(compiling);
    for (size_t i = 0; i < count; i++)
        ok &= intern_host(compiling, i);
    return ok && make_balance(compiling);
}

/* "{{.Id}}": the name with a capital, as KrakenD writes it inside. data NULL: no room. */
static struct str internal_name(struct arena *arena, struct str name)
{
    char first = name.data[0];

    if (first >= 'a' && first <= 'z')
        first = (char)(first & ~0x20);
    return arena_format(arena, "{{.%c%.*s}}", first, STR_ARG(str_from_offset(name, 1)));
}

static bool make_internal(struct compiling *compiling, struct str pattern)
{
    struct str done = STR(""), before, name;

    while (placeholder_next(PLACEHOLDER_WIDE, &pattern, &before, &name)) {
        struct str inside = internal_name(compiling->arena, name);

        done = arena_format(compiling->arena, "%.*s%.*s%.*s", STR_ARG(done), STR_ARG(before), STR_ARG(inside));
    }
    compiling->backend->internal = arena_format(compiling->arena, "%.*s%.*s", STR_ARG(done), STR_ARG(pattern));
    return compiling->backend->internal.data || no_memory(compiling);
}

/* The url_pattern being cut. */
struct cutting {
    struct pattern_part *parts; /* zeroed */
    uint32_t count;
};

/* Texts are interned: equal patterns have equal parts. */
static bool add_part(struct compiling *compiling, struct cutting *cutting, struct str literal, struct str param,
                     bool in_query)
{
    struct pattern_part *part = &cutting->parts[cutting->count++];
    struct str escaped = in_query ? escape_raw_query(compiling->arena, literal) : literal;
    struct str unfilled = param.len > 0 ? internal_name(compiling->arena, param) : STR("");

    if (!escaped.data || !unfilled.data)
        return no_memory(compiling);
    part->literal = intern_text(compiling->pieces, escaped);
    part->param = intern_text(compiling->pieces, param);
    part->unfilled = intern_text(compiling->pieces, unfilled);
    part->in_query = in_query;
    return (part->literal.data && part->param.data && part->unfilled.data) || no_memory(compiling);
}

static bool add_parts(struct compiling *compiling, struct cutting *cutting, struct str pattern, bool in_query)
{
    struct str before, name;

    while (placeholder_next(PLACEHOLDER_WIDE, &pattern, &before, &name))
        if (!add_part(compiling, cutting, before, name, in_query))
            return false;
    return pattern.len == 0 || add_part(compiling, cutting, pattern, STR(""), in_query);
}

/* One literal, with everything escaped that has to be. */
static bool add_fixed(struct compiling *compiling, struct cutting *cutting, struct str path, struct str query)
{
    struct str encoded = escape_encoded_path(compiling->arena, path);
    struct str raw = escape_raw_query(compiling->arena, query), both = STR_EMPTY;

    if (encoded.data && raw.data)
        both = arena_format(compiling->arena, "%.*s%.*s", STR_ARG(encoded), STR_ARG(raw));
    return both.data ? add_part(compiling, cutting, both, STR(""), false) : no_memory(compiling);
}

static bool cut_parts(struct compiling *compiling, struct str whole)
{
    struct backend *backend = compiling->backend;
    struct cutting cutting = {arena_array(compiling->arena, struct pattern_part, whole.len / 3 + 3), 0};
    struct str rest = whole, before, name;
    size_t question = str_find_char(whole, '?');
    struct str path = str_first(whole, question), query = str_from_offset(whole, question);
    bool ok;

    if (!cutting.parts)
        return no_memory(compiling);
    backend->pattern_has_query = query.len > 1;
    backend->is_fixed = !placeholder_next(PLACEHOLDER_WIDE, &rest, &before, &name);
    if (backend->is_fixed)
        ok = add_fixed(compiling, &cutting, path, query);
    else
        ok = add_parts(compiling, &cutting, path, false) && add_parts(compiling, &cutting, query, true);
    if (!ok)
        return false;
    backend->parts = intern_bytes(compiling->pieces, cutting.parts, cutting.count * sizeof *cutting.parts);
    backend->part_count = cutting.count;
    return backend->parts || no_memory(compiling);
}

static bool cut_pattern(struct compiling *compiling)
{
    struct backend *backend = compiling->backend;
    struct str whole = backend->options->url_pattern;

    backend->subtree = str_ends(whole, STR("/*")) && str_ends(compiling->endpoint->endpoint, STR("/*"));
    if (backend->subtree)
        whole.len--;
    whole = arena_format(compiling->arena, "%.*s%.*s", STR_ARG(compiling->base), STR_ARG(whole));
    if (!whole.data)
        return no_memory(compiling);
    return cut_parts(compiling, str_first(whole, str_find_char(whole, '#'))); /* a fragment is never sent */
}

/* The list as one piece for all who have the same, without places. NULL: no memory. */
static const struct str_list *intern_list(struct intern *pieces, const struct str_list *list)
{
    struct str *items = arena_array(intern_arena(pieces), struct str, list->count + 1);
    struct str_list shared = {.count = list->count};

    if (!items)
        return NULL;
    for (size_t i = 0; i < list->count; i++) {
        items[i] = intern_text(pieces, list->items[i]);
        if (!items[i].data)
            return NULL;
    }
    shared.items = intern_bytes(pieces, items, list->count * sizeof *items);
    return shared.items ? intern_bytes(pieces, &shared, sizeof shared) : NULL;
}

/* What requests read of the options, where they find it at hand. */
static bool take_options(struct compiling *compiling)
{
    struct backend *backend = compiling->backend;
    const struct backend_options *options = backend->options;

    backend->method = intern_text(compiling->pieces, options->method);
    backend->transport = intern_bytes(compiling->pieces, &options->transport, sizeof options->transport);
    backend->input_headers = intern_list(compiling->pieces, &options->input_headers);
    backend->decoded = options->encoding != ENCODING_NO_OP;
    return (backend->method.data && backend->transport && backend->input_headers) || no_memory(compiling);
}

static bool compile_backend(struct intern *pieces, const struct endpoint_options *endpoint,
                            const struct backend_options *options, struct hosts *hosts, struct profiles *profiles,
                            const struct forward_rules *proxies, struct backend *backend, struct report *report)
{
    struct compiling compiling = {pieces,   intern_arena(pieces), endpoint, backend, report, hosts, profiles, proxies,
                                  STR_EMPTY};

    backend->options = options;
    return take_options(&compiling) && intern_hosts(&compiling) && make_internal(&compiling, options->url_pattern) &&
           cut_pattern(&compiling);
}

/* Shadows become an endpoint of their own, whose timeout is the longest of theirs. */
static bool split_shadows(struct arena *arena, struct endpoint *endpoint)
{
    struct backend *backends = arena_lines(arena, struct backend, endpoint->backend_count + 1);
    struct endpoint *shadow = arena_lines(arena, struct endpoint, 1);
    size_t kept = 0, shadows = 0;

    if (!backends || !shadow)
        return false;
    *shadow = *endpoint;
    shadow->backends = backends;
    shadow->timeout_ns = 0;
    for (size_t i = 0; i < endpoint->backend_count; i++) {
        const struct backend_options *options = endpoint->backends[i].options;

        if (!options->shadow) {
            endpoint->backends[kept++] = endpoint->backends[i];
            continue;
        }
        backends[shadows++] = endpoint->backends[i];
        if (options->shadow_timeout_ns > shadow->timeout_ns)
            shadow->timeout_ns = options->shadow_timeout_ns;
    }
    endpoint->backend_count = kept;
    shadow->backend_count = shadows;
    endpoint->shadow = shadows > 0 ? shadow : NULL;
    return shadows == 0 || sequence_compile(arena, shadow);
}

bool endpoint_compile(struct intern *pieces, const struct service *service, const struct endpoint_options *options,
                      struct hosts *hosts, struct profiles *profiles, struct endpoint *endpoint, struct report *report)
{
    struct arena *arena = intern_arena(pieces);
    bool ok = true;

    endpoint->kind = options->answer_given ? ENDPOINT_ANSWER : ENDPOINT_PROXY;
    endpoint->options = options;
    endpoint->path = options->route;
    endpoint->label = options->endpoint;
    endpoint->timeout_ns = options->timeout_ns;
    endpoint->no_op = options->output_encoding == ENCODING_NO_OP && !options->answer_given;
    endpoint->all_headers = str_list_has(&options->input_headers, STR("*"));
    endpoint->all_query = str_list_has(&options->input_query_strings, STR("*"));
    endpoint->tries = options->concurrent_calls > 1 && !endpoint->no_op ? (unsigned)options->concurrent_calls : 1;
    endpoint->input_headers = intern_list(pieces, &options->input_headers);
    endpoint->backends = arena_lines(arena, struct backend, options->backend_count + 1);
    if (!endpoint->backends || !endpoint->input_headers) {
        report_add(report, SEVERITY_ERROR, PROBLEM_OUT_OF_MEMORY, options->place, NULL, "no memory");
        return false;
    }
    endpoint->backend_count = options->answer_given ? 0 : options->backend_count;
    endpoint->lasting = arena_alloc(arena, sizeof(*endpoint->lasting), _Alignof(_Atomic uint32_t));
    if (endpoint->lasting)
        atomic_init(endpoint->lasting, 0);
    if (endpoint->no_op && endpoint->backend_count == 1 && endpoint->lasting)
        endpoint->traffic = options->backends[0].transport.traffic;
    for (size_t i = 0; i < endpoint->backend_count; i++)
        ok &= compile_backend(pieces, options, &options->backends[i], hosts, profiles, service->proxies,
                              &endpoint->backends[i], report);
    if (!split_shadows(arena, endpoint) || !sequence_compile(arena, endpoint)) {
        report_add(report, SEVERITY_ERROR, PROBLEM_OUT_OF_MEMORY, options->place, NULL, "no memory");
        return false;
    }
    return ok;
}
