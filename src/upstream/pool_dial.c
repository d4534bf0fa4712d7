/* pool_dial.c: where a pool's connections come from: dials, and the records of fresh streams, with their ages.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http/h2/h2.h"
#include "upstream/addresses.h"
#include "upstream/pool_internal.h"
#include "upstream/pulse.h"
#include "upstream/rebalance.h"
#include "upstream/shared.h"
#include "upstream/time_wait.h"

#define NS_OF_MS UINT64_C(1000000)

/* What the settings leave open. */
static struct socket_options probes_of(const struct transport *transport)
{
    if (transport->traffic == CLASS_SHORT || transport->dialer_keep_alive_ns != 0)
        return (struct socket_options){.keep_alive_ns = TRANSPORT_KEEP_ALIVE_DEFAULT_NS,
                                       .keep_alive_count = TRANSPORT_KEEP_ALIVE_COUNT};
    return (struct socket_options){.keep_alive_ns = TRANSPORT_LASTING_PROBE_NS,
                                   .keep_alive_interval_ns = TRANSPORT_LASTING_INTERVAL_NS,
                                   .keep_alive_count = TRANSPORT_LASTING_COUNT};
}

static struct socket_options socket_options(const struct host *host, const struct transport *transport)
{
    struct socket_options usual = probes_of(transport);

    return (struct socket_options){
        .no_delay = true,
        .keep_alive_ns = transport->dialer_keep_alive_ns ? transport->dialer_keep_alive_ns : usual.keep_alive_ns,
        .keep_alive_interval_ns = transport->tcp_keep_alive_interval_ns
                                      ? (uint64_t)transport->tcp_keep_alive_interval_ns
                                      : usual.keep_alive_interval_ns,
        .keep_alive_count =
            transport->tcp_keep_alive_count ? (int)transport->tcp_keep_alive_count : usual.keep_alive_count,
        .user_timeout_ns = (uint64_t)transport->tcp_user_timeout_ns,
        .source = host->source,
        .marks = host->marks,
    };
}

static const struct str both[] = {STR_INIT("h2"), STR_INIT("http/1.1")};

/* Without ALPN a host speaks HTTP/1.1, as KrakenD's hosts do. */
static void set_protocols(struct connect_options *options, const struct host *host)
{
    if (host->protocol == HOST_HTTP1 || atomic_load_explicit(&host->http1_required, memory_order_relaxed))
        return;
    options->protocols = both;
    options->protocol_count = host->protocol == HOST_ALPN ? COUNT_OF(both) : 1;
}

/* How a connection of the host, and of the proxy on the way, is secured. */
static void set_tls(struct connect_options *options, const struct pool *pool, const struct host *host,
                    const struct transport *transport)
{
    options->sessions = hosts_sessions(pool->hosts);
    options->tls_handshake_limit_ns = (uint64_t)transport->tls_handshake_timeout_ns;
    options->proxy_tls = host->proxy_tls;
    if (!host->tls)
        return;
    options->tls = host->tls;
    options->server_name = host->name;
    options->session_scope = host->key;
    set_protocols(options, host);
}

static void set_proxy(struct connect_options *options, const struct host *host, const struct transport *transport)
{
    options->dial.name = host->forward->name;
    options->dial.port = host->forward->port;
    options->proxy_name = host->forward->name;
    options->tunnel_limit_ns = (uint64_t)transport->forward_proxy_timeout_ns;
    options->tunnel = (struct tunnel_options){
        .target = host->tunnel,
        .authorization = host->forward->authorization,
        .proxy = host->forward->shown,
    };
}

enum reason pool_explain(struct pool *pool, struct host *host, const struct transport *transport)
{
    struct host_counts *counts = pool_counts(pool, host);
    bool ever = atomic_load_explicit(&counts->connections_opened, memory_order_relaxed) > 0;
    enum reason reason;

    if (transport->disable_keep_alives)
        return REASON_KEEP_ALIVE_OFF;
    reason = pool->refused ? pool->refusal : ledger_explain(&counts->ledger, ever);
    if (reason == REASON_POOL_EMPTY_BURST && shared_is_full(pool, host))
        return REASON_NO_STREAM;
    return host->proxy_header > 0 && reason == REASON_POOL_EMPTY_BURST ? REASON_PRIVATE : reason;
}

struct connecting *pool_dial(struct pool *pool, struct host *host, const struct transport *transport, struct str first,
                             struct task *owner)
{
    struct connect_options options = {
        .dial = {.name = host->name,
                 .port = host->port,
                 .first = rebalance_first(pool, host),
                 .turn = rebalance_turn(pool, host),
                 .unix_addr = host->unix_addr,
                 .timeout_ns = (uint64_t)(transport->dialer_timeout_ns > 0 ? transport->dialer_timeout_ns : 0),
                 .fallback_delay_ns = transport->dialer_fallback_delay_ns,
                 .socket = socket_options(host, transport)},
        .first = first,
        .counts = pool_counts(pool, host),
        .cost = &host->dial_cost,
    };
    struct connecting *connecting;

    if (host->forward)
        set_proxy(&options, host, transport);
    if (host->tls || host->proxy_tls)
        set_tls(&options, pool, host, transport);
    connecting = connect_start(pool->loop, pool->resolver, &options, owner);
    if (connecting)
        host_count_add(&pool_counts(pool, host)->dialing, 1);
    else
        gate_leave(pool->gate, host);
    return connecting;
}

void pool_dial_ended(struct pool *pool, struct host *host, enum dial_end end)
{
    struct host_counts *counts = pool_counts(pool, host);

    host_count_add(&counts->dialing, -1);
    if (end == DIAL_FAILED)
        host_count_add(&counts->dial_failures, 1);
    if (end != DIAL_ADOPTED)
        gate_leave(pool->gate, host);
    if (host->protocol != HOST_HTTP1)
        gate_wake_all(pool->racers, host); /* those who had joined it */
}

uint32_t pool_whole_ms(uint64_t time_ns)
{
    return time_ns / NS_OF_MS < POOLED_NEVER ? (uint32_t)(time_ns / NS_OF_MS) : POOLED_NEVER;
}

uint64_t pool_age_ns(const struct pooled *pooled)
{
    return loop_now_ns(pooled->pool->loop) - pooled->conn->opened_ns;
}

uint64_t pool_old_at_ns(const struct pooled *pooled)
{
    return pooled->old_at_ms == POOLED_NEVER ? UINT64_MAX : pooled->conn->opened_ns + pooled->old_at_ms * NS_OF_MS;
}

bool pool_is_old(const struct pooled *pooled)
{
    return pool_old_at_ns(pooled) <= loop_now_ns(pooled->pool->loop);
}

/* The age of a connection's last use, give or take 10 %, so that connections made together do not end together. */
static uint32_t old_at_ms(struct pool *pool, const struct transport *transport)
{
    uint64_t age_ns = (uint64_t)transport->max_connection_age_ns;

    if (transport->max_connection_age_ns <= 0)
        return POOLED_NEVER;
    return pool_whole_ms(age_ns - age_ns / 10 + rng_below(loop_rng(pool->loop), age_ns / 5 + 1));
}

static bool chose_h2(const struct host *host, struct stream *stream)
{
    struct tls_info info;

    if (!host->tls)
        return true;
    tls_info(stream, &info);
    return str_eq(info.protocol, STR("h2"));
}

/* In the version that the host's setting, or its choice, says. NULL with *err: the stream is closed. */
static struct http_conn *make_conn(struct host *host, struct stream *stream, const struct http_conn_options *options,
                                   struct task *owner, struct error *err)
{
    bool h2 = host->protocol != HOST_HTTP1 && chose_h2(host, stream);

    if (host->protocol == HOST_ALPN)
        atomic_store_explicit(&host->choice, h2 ? CHOICE_HTTP2 : CHOICE_HTTP1, memory_order_relaxed);
    if (h2)
        return h2_client_new(stream, options, owner, err);
    if (host->protocol != HOST_HTTP2)
        return h1_client_new(stream, options, NULL, err);
    stream_close(stream, false);
    error_set(err, FAULT_UPSTREAM, ERROR_TLS_PROTOCOL, "%.*s: does not choose HTTP/2 (ALPN)", STR_ARG(host->url));
    err->retry_safe = true;
    return NULL;
}

static void count_opened(struct host_counts *counts, const struct addr *peer)
{
    host_count_add(&counts->connections_opened, 1);
    if (peer->family == ADDR_IPV4)
        host_count_add(&counts->opened_by_ipv4, 1);
    else if (peer->family == ADDR_IPV6)
        host_count_add(&counts->opened_by_ipv6, 1);
}

struct pooled *pool_make(struct pool *pool, struct host *host, const struct transport *transport, struct stream *stream,
                         struct error *err)
{
    struct http_conn_options options = {
        .head_bytes_max = (uint32_t)transport->response_head_bytes_max,
        .fields_max = (uint32_t)transport->response_fields_max,
        .single_use = transport->disable_keep_alives || quarantine_holds(&host->quarantine, loop_now_ns(pool->loop)),
    };
    struct pooled *pooled = slab_take(pool->records);

    if (!pooled) {
        stream_close(stream, false);
        error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for a connection");
        return NULL;
    }
    *pooled = (struct pooled){.pool = pool,
                              .host = host,
                              .task = {.run = pool_run_idle_news},
                              .bound = host->proxy_header > 0,
                              .id = ++pool->made << 8 | (pool->worker & 0xff),
                              .old_at_ms = old_at_ms(pool, transport)};
    pooled->conn = make_conn(host, stream, &options, &pooled->task, err);
    if (!pooled->conn) {
        slab_give(pool->records, pooled);
        return NULL;
    }
    pooled->pulse = pooled->conn->multiplexed ? pulse_new(pooled, transport) : NULL;
    count_opened(pool_counts(pool, host), &stream->peer);
    addresses_begin(pool, host);
    addresses_came(pooled);
    time_wait_peer(host, &stream->peer);
    /* It rested for its silence, and that is over. */
    if (path_connected(&host->path, loop_now_ns(pool->loop)))
        eject_answered(&host->health, loop_now_ns(pool->loop), loop_now_ns(pool->loop));
    return pooled;
}

struct pooled *pool_adopt(struct pool *pool, struct host *host, const struct transport *transport,
                          struct stream *stream, struct error *err)
{
    struct pooled *pooled = pool_make(pool, host, transport, stream, err);

    return pooled ? pool_lend(pooled) : NULL;
}
