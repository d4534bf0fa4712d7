/* service_upstream.c: holdfast/upstream, of the root or of one backend, where the nearer wins. What has an effect binds
 * to the transport. SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "gateway/service_internal.h"
#include "upstream/balance.h"

/* In the order of the enums in upstream/transport.h. */
static const char *const resend_names[] = {"idempotent", "off", "unacked", NULL};
static const char *const pick_names[] = {"lifo", "fifo", NULL};
/* From BALANCE_RANDOM on. */
static const char *const balance_names[] = {"random", "round_robin", "least_connections", "p2c", NULL};
static const char *const class_names[] = {"short", "stream", "tunnel", NULL};
static const char *const header_names[] = {"off", "v1", "v2", NULL};
static const char *const protocol_names[] = {"http/1.1", "auto", "h2", "h2c", NULL};
static const char *const failover_names[] = {"idempotent", "off", NULL};

#define IDLE_TIMEOUT_WANTED "\"learned\", \"never\" or a duration such as \"30s\""
#define DSCP_WANTED         "0 to 63, or one of df, le, va, ef, cs0 to cs7, af11 to af43"
#define DSCP_FORM                                                                                                      \
    "\"type\": [\"integer\", \"string\"], \"minimum\": 0, \"maximum\": 63, \"pattern\": "                              \
    "\"^([0-9]|[1-5][0-9]|6[0-3]|[dD][fF]|[lL][eE]|[vV][aA]|[eE][fF]|[cC][sS][0-7]|[aA][fF][1-4][1-3])$\""

struct upstream_block {
    int resend, pick, balance, failover, traffic, header, protocol;
    bool class_given, header_given, protocol_given;
    int64_t eject_after, budget_percent, budget_floor, budget_window_ns;
    bool budget_percent_given, budget_floor_given, budget_window_given;
    bool balance_given, failover_given, eject_given;
    int64_t head_bytes_max, fields_max, failovers_max;
    bool failovers_given, head_bytes_given, fields_given;
    int64_t rest_first_ns, rest_max_ns, probe_ns;
    bool rest_first_given, rest_max_given, probe_given;
    int64_t max_connection_age_ns, max_requests_per_connection, max_connections_per_host, queue_timeout_ns,
        min_idle_per_host, tcp_user_timeout_ns, tcp_keep_alive_interval_ns, tcp_keep_alive_count;
    int64_t forward_proxy_timeout_ns, tls_handshake_timeout_ns, ping_after_ns, ping_interval_ns, ping_timeout_ns;
    bool forward_proxy_given, ping_after_given, ping_interval_given, ping_timeout_given;
    struct str pool;
    struct str idle_timeout;
    struct place idle_timeout_place;
    struct str source;
    struct place source_place;
    bool source_given;
    struct str dscp;
    struct place dscp_place;
    int64_t mark;
    bool dscp_given, mark_given;
    int64_t max_decoded_bytes, first_flight_bytes, first_flight_timeout_ns, replay_bytes;
    bool replay_given, decoded_given, flight_given, flight_timeout_given;
    int64_t max_private, idle_max_ns, idle_start_ns, idle_risky_ns, sentinels, quarantine_ns, quarantine_max_ns,
        quarantine_after, rebalance_percent;
    bool private_given;
    bool keep_alive_hints, learn, handshake_given, pool_given;
    bool resend_given, pick_given, age_given, requests_given, idle_given, hints_given, learn_given, cap_given,
        queue_given, floor_given, user_timeout_given, interval_given, count_given, coalesce, coalesce_given;
};

/* clang-format off */
#define SEEN(field) OPTION_SEEN(struct upstream_block, field)
static const struct option rows[] = {
    OPTION_ENUM(struct upstream_block, "resend", resend, .names = resend_names, .preset_text = "idempotent", SEEN(resend_given),
                .help = "What may be sent again after a kept connection died under it."),
    OPTION_INT(struct upstream_block, "resend_budget_percent", budget_percent, .preset = RESEND_BUDGET_PERCENT, .max = 100,
               SEEN(budget_percent_given),
               .help = "Share of a host's requests that may be sent again in vain; 0: the floor alone; 100: any number."),
    OPTION_INT(struct upstream_block, "resend_budget_floor", budget_floor, .preset = RESEND_BUDGET_PER_SECOND, .max = 1000000,
               SEEN(budget_floor_given), .help = "The same for each second of the window, however few requests there are; 0: the share alone."),
    OPTION_DURATION(struct upstream_block, "resend_budget_window", budget_window_ns, .preset = SECONDS(RESEND_BUDGET_WINDOW_S),
                    .max = SECONDS(RESEND_BUDGET_WINDOW_MAX_S), SEEN(budget_window_given),
                    .help = "The time over which both are counted, in whole seconds; 0: no budget."),
    OPTION_SIZE(struct upstream_block, "replay_buffer", replay_bytes, .preset = TRANSPORT_REPLAY_BYTES, .max = TRANSPORT_REPLAY_BYTES_MAX,
                SEEN(replay_given),
                .help = "How much of a request's body is kept until the answer begins, to be sent again; longer ones are not."),
    OPTION_SIZE(struct upstream_block, "max_response_header_bytes", head_bytes_max, .preset = 262144, .min = 1024, .max = 1 << 20,
                SEEN(head_bytes_given), .help = "Largest head of an answer."),
    OPTION_INT(struct upstream_block, "max_response_header_fields", fields_max, .preset = 256, .min = 1, .max = 10000,
               SEEN(fields_given), .help = "Most fields of an answer's head."),
    OPTION_SIZE(struct upstream_block, "max_decoded_bytes", max_decoded_bytes, .preset = TRANSPORT_DECODED_BYTES_MAX, .min = 1,
                .max = TRANSPORT_DECODED_BYTES_MAX, SEEN(decoded_given),
                .help = "Largest body that is decoded, as it is when unpacked."),
    OPTION_SIZE(struct upstream_block, "first_flight", first_flight_bytes, .preset = TRANSPORT_FIRST_FLIGHT_BYTES,
                .max = TRANSPORT_FIRST_FLIGHT_BYTES_MAX, SEEN(flight_given),
                .help = "How much of a request's body is here before it takes a connection, or the whole of a smaller one; 0: nothing."),
    OPTION_DURATION(struct upstream_block, "first_flight_timeout", first_flight_timeout_ns, .preset = TRANSPORT_FIRST_FLIGHT_TIMEOUT_NS,
                    .max = INT64_MAX, SEEN(flight_timeout_given),
                    .help = "How long that is awaited of a body that is longer, or of unknown length; 0: not at all."),
    OPTION_ENUM(struct upstream_block, "pick", pick, .names = pick_names, .preset_text = "lifo", SEEN(pick_given),
                .help = "lifo: the connection used last; fifo: the one idle for longest."),
    OPTION_DURATION(struct upstream_block, "max_connection_age", max_connection_age_ns, .preset = SECONDS(3600), .max = INT64_MAX,
                    SEEN(age_given), .help = "Age at which a connection is not used again, with 10 % jitter; 0: none."),
    OPTION_INT(struct upstream_block, "max_requests_per_connection", max_requests_per_connection, .max = INT64_MAX,
               SEEN(requests_given), .help = "Requests on one connection; 0: no limit."),
    OPTION_STRING(struct upstream_block, "idle_timeout", idle_timeout, .preset_text = "learned", SEEN(idle_given),
                  OPTION_PLACE(struct upstream_block, idle_timeout_place), .wanted = IDLE_TIMEOUT_WANTED,
                  .help = "learned, never, or a duration."),
    OPTION_DURATION(struct upstream_block, "idle_timeout_max", idle_max_ns, .preset = IDLE_CEILING_NS, .min = SECONDS(1),
                    .max = SECONDS(7200), .help = "Root: no learned or hinted idle timeout is longer."),
    OPTION_DURATION(struct upstream_block, "idle_timeout_start", idle_start_ns, .preset = IDLE_UNKNOWN_REPLAY_NS, .min = 1000000,
                    .max = SECONDS(7200), .help = "Root: the learned one to begin with, for requests that may be sent again."),
    OPTION_DURATION(struct upstream_block, "idle_timeout_risky", idle_risky_ns, .preset = IDLE_UNKNOWN_ANY_NS, .max = SECONDS(7200),
                    .help = "Root: the same for requests that may not, until a longer one is proven; 0: fresh connections until then."),
    OPTION_INT(struct upstream_block, "sentinels", sentinels, .preset = IDLE_SENTINELS_MAX, .max = 16,
               .help = "Root: idle connections of each host, too old for use, that are kept to see when it closes them."),
    OPTION_INT(struct upstream_block, "quarantine_after", quarantine_after, .preset = QUARANTINE_AFTER, .min = 1, .max = 1000,
               .help = "Root: bytes that nobody asked for, on idle connections of a host, so often make them single-use."),
    OPTION_DURATION(struct upstream_block, "quarantine", quarantine_ns, .preset = QUARANTINE_MIN_NS, .max = SECONDS(86400),
                    .help = "Root: for how long the first time, doubling when it comes again; 0: never."),
    OPTION_DURATION(struct upstream_block, "quarantine_max", quarantine_max_ns, .preset = QUARANTINE_MAX_NS, .min = SECONDS(1),
                    .max = SECONDS(86400), .help = "Root: where that doubling ends."),
    OPTION_INT(struct upstream_block, "rebalance_percent", rebalance_percent, .preset = 1, .max = 25,
               .help = "Root: connections of a host with several addresses that may be let go in a second so that all have as many; 0: none."),
    OPTION_INT(struct upstream_block, "max_private_connections", max_private, .preset = TRANSPORT_PRIVATE_DEFAULT, .min = 1, .max = 1000,
               SEEN(private_given), .help = "Idle connections that stand for one client (PROXY header, NTLM), for each of its connections."),
    OPTION_BOOL(struct upstream_block, "keep_alive_hints", keep_alive_hints, .preset = 1, SEEN(hints_given),
                .help = "Obey the Keep-Alive field of hosts."),
    OPTION_BOOL(struct upstream_block, "learn", learn, .preset = 1, SEEN(learn_given), .help = "Learn how long hosts keep idle connections."),
    OPTION_INT(struct upstream_block, "max_connections_per_host", max_connections_per_host, .max = UINT32_MAX, SEEN(cap_given),
               .help = "Connections to one host, over all workers; 0: no cap."),
    OPTION_DURATION(struct upstream_block, "queue_timeout", queue_timeout_ns, .preset = SECONDS(1), .max = INT64_MAX, SEEN(queue_given),
                    .help = "How long a request waits at that cap; 0: not at all."),
    OPTION_INT(struct upstream_block, "min_idle_per_host", min_idle_per_host, .max = 10000, SEEN(floor_given),
               .help = "Idle connections kept ready for each host, over all workers."),
    OPTION_DURATION(struct upstream_block, "tcp_user_timeout", tcp_user_timeout_ns, .preset = SECONDS(15), .max = SECONDS(86400),
                    SEEN(user_timeout_given), .help = "How long sent bytes may stay unacknowledged; 0: the system's."),
    OPTION_DURATION(struct upstream_block, "tcp_keep_alive_interval", tcp_keep_alive_interval_ns, .max = SECONDS(32767), SEEN(interval_given),
                    .help = "Between TCP keep-alive probes; 0: dialer_keep_alive."),
    OPTION_INT(struct upstream_block, "tcp_keep_alive_count", tcp_keep_alive_count, .preset = TRANSPORT_KEEP_ALIVE_COUNT, .min = 1, .max = 127,
               SEEN(count_given), .help = "Unanswered probes that end a connection."),
    OPTION_ENUM(struct upstream_block, "balance", balance, .names = balance_names, .preset_text = "random", SEEN(balance_given),
                .help = "Which of several hosts gets a request."),
    OPTION_ENUM(struct upstream_block, "failover", failover, .names = failover_names, .preset_text = "idempotent", SEEN(failover_given),
                .help = "Another host when one fails before any byte of an answer: idempotent, off."),
    OPTION_INT(struct upstream_block, "max_failovers", failovers_max, .preset = BALANCE_TRIED_MAX, .min = 1, .max = BALANCE_TRIED_MAX,
               SEEN(failovers_given), .help = "How many other hosts a request may go to, one after the other."),
    OPTION_INT(struct upstream_block, "eject_after", eject_after, .preset = TRANSPORT_EJECT_AFTER, .max = 1000000, SEEN(eject_given),
               .help = "Failures in a row until a host rests; 0: never."),
    OPTION_DURATION(struct upstream_block, "base_ejection_time", rest_first_ns, .preset = EJECT_REST_MIN_NS, .min = MS(1),
                    .max = SECONDS(86400), SEEN(rest_first_given), .help = "How long it rests the first time, doubling while it fails again."),
    OPTION_DURATION(struct upstream_block, "max_ejection_time", rest_max_ns, .preset = EJECT_REST_MAX_NS, .min = MS(1),
                    .max = SECONDS(86400), SEEN(rest_max_given), .help = "Where that doubling ends; in use for so long it is forgotten."),
    OPTION_DURATION(struct upstream_block, "ejection_probe_timeout", probe_ns, .preset = EJECT_PROBE_NS, .min = MS(1),
                    .max = SECONDS(86400), SEEN(probe_given),
                    .help = "How long the request that tries a host after its rest may be silent before another one tries."),
    OPTION_ENUM(struct upstream_block, "protocol", protocol, .names = protocol_names, .preset_text = "auto", SEEN(protocol_given),
                .help = "What hosts are spoken to in: http/1.1; auto (https hosts choose by ALPN, HTTP/2 first); h2; h2c (http hosts, prior knowledge)."),
    OPTION_DURATION(struct upstream_block, "ping_after", ping_after_ns, .preset = TRANSPORT_PING_AFTER_NS, .max = INT64_MAX, SEEN(ping_after_given),
                    .help = "HTTP/2: silence of a host with requests open after which a PING is sent, 10 s at least; 0: only behind idle times."),
    OPTION_DURATION(struct upstream_block, "ping_interval", ping_interval_ns, .preset = TRANSPORT_PING_INTERVAL_NS, .min = SECONDS(10),
                    .max = INT64_MAX, SEEN(ping_interval_given), .help = "HTTP/2: shortest time between two PINGs on a connection."),
    OPTION_DURATION(struct upstream_block, "ping_timeout", ping_timeout_ns, .preset = TRANSPORT_PING_TIMEOUT_NS, .min = SECONDS(1),
                    .max = INT64_MAX, SEEN(ping_timeout_given), .help = "HTTP/2: silence behind a PING that ends the connection."),
    OPTION_BOOL(struct upstream_block, "coalesce", coalesce, SEEN(coalesce_given),
                .help = "HTTP/2 connections to other https hosts will do, where address and certificate allow."),
    OPTION_ENUM(struct upstream_block, "send_proxy_protocol", header, .names = header_names, .preset_text = "off", SEEN(header_given),
                .help = "Tell hosts who the client is in a PROXY header, on connections for each client: off, v1, v2."),
    OPTION_ENUM(struct upstream_block, "class", traffic, .names = class_names, .preset_text = "short", SEEN(class_given),
                .help = "What the traffic is like: short; stream (server-sent events, long polling); tunnel (WebSocket)."),
    OPTION_STRING(struct upstream_block, "source_address", source, SEEN(source_given), OPTION_PLACE(struct upstream_block, source_place),
                  .help = "IP address of our end of connections; as the routes have it when empty."),
    OPTION_STRING(struct upstream_block, "dscp", dscp, SEEN(dscp_given), OPTION_PLACE(struct upstream_block, dscp_place),
                  .form = DSCP_FORM, .wanted = DSCP_WANTED, .shown = "0", .example = "\"ef\"",
                  .help = "DSCP of the packets to hosts, 0 to 63 or a name: df, le, va, ef, cs0 to cs7, af11 to af43; 0: the system's."),
    OPTION_INT(struct upstream_block, "mark", mark, .max = UINT32_MAX, SEEN(mark_given),
               .help = "Mark of these packets for this machine's own rules (SO_MARK), which needs CAP_NET_ADMIN; 0: none."),
    OPTION_STRING(struct upstream_block, "pool", pool, SEEN(pool_given), .help = "Name of a separate pool to the same hosts."),
    OPTION_DURATION(struct upstream_block, "forward_proxy_timeout", forward_proxy_timeout_ns, .max = INT64_MAX, SEEN(forward_proxy_given),
                    .help = "How long a forward proxy may take to answer CONNECT; 0: what dialer_timeout leaves, or 60 s without one."),
    OPTION_DURATION(struct upstream_block, "tls_handshake_timeout", tls_handshake_timeout_ns, .preset = SECONDS(10), .max = INT64_MAX,
                    SEEN(handshake_given), .help = "TLS handshakes with hosts; 0: the endpoint's deadline alone."),
};

const struct schema upstream_schema = {
    .title = "holdfast/upstream", .size = sizeof(struct upstream_block), .options = rows, .count = COUNT_OF(rows),
};

/* clang-format on */

static void take_idle_timeout(struct transport *transport, const struct upstream_block *block, const char *path,
                              struct report *report)
{
    int64_t limit_ns;

    if (str_eq(block->idle_timeout, STR("learned"))) {
        transport->idle_policy = IDLE_LEARNED;
    } else if (str_eq(block->idle_timeout, STR("never"))) {
        transport->idle_policy = IDLE_NEVER;
    } else if (text_to_duration(block->idle_timeout, &limit_ns) && limit_ns > 0) {
        transport->idle_policy = IDLE_FIXED;
        transport->idle_limit_ns = limit_ns;
    } else {
        report_add(report, SEVERITY_ERROR, PROBLEM_BAD_CHOICE, block->idle_timeout_place, "write " IDLE_TIMEOUT_WANTED,
                   "%s.idle_timeout: \"%.*s\" is none of what it can be", path, STR_ARG(block->idle_timeout));
    }
}

static void take_source(struct transport *transport, const struct upstream_block *block, const char *path,
                        struct report *report)
{
    transport->source = (struct addr){0};
    if (block->source.len > 0 && !addr_parse_ip(block->source, &transport->source))
        report_add(report, SEVERITY_ERROR, PROBLEM_SOURCE_ADDRESS, block->source_place,
                   "write an address of this machine, such as \"10.0.0.5\"",
                   "%s.source_address: \"%.*s\" is not an IP address", path, STR_ARG(block->source));
}

static void take_ejection(struct eject_rule *rule, const struct upstream_block *block)
{
    if (block->rest_first_given)
        rule->first_ns = (uint64_t)block->rest_first_ns;
    if (block->rest_max_given)
        rule->most_ns = (uint64_t)block->rest_max_ns;
    if (block->probe_given)
        rule->probe_ns = (uint64_t)block->probe_ns;
}

/* What matters where there are several. */
static void take_several_hosts(struct transport *transport, const struct upstream_block *block)
{
    if (block->balance_given)
        transport->balance = (enum balance_policy)(BALANCE_RANDOM + block->balance);
    if (block->failover_given)
        transport->failover = (enum failover_policy)block->failover;
    if (block->failovers_given)
        transport->failovers_max = block->failovers_max;
    if (block->eject_given)
        transport->eject_after = block->eject_after;
    take_ejection(&transport->eject, block);
}

static void take_marks(struct transport *transport, const struct upstream_block *block, const char *path,
                       struct report *report)
{
    if (block->mark_given)
        transport->marks.mark = (uint32_t)block->mark;
    if (block->dscp_given && !dscp_read(block->dscp, &transport->marks.dscp))
        report_add(report, SEVERITY_ERROR, PROBLEM_BAD_CHOICE, block->dscp_place, "write " DSCP_WANTED,
                   "%s.dscp: \"%.*s\" is none of what it can be", path, STR_ARG(block->dscp));
}

/* A part of a second counts as one. */
static void take_budget(struct resend_budget_rule *rule, const struct upstream_block *block)
{
    if (block->budget_percent_given)
        rule->percent = (uint32_t)block->budget_percent;
    if (block->budget_floor_given)
        rule->per_second = (uint32_t)block->budget_floor;
    if (block->budget_window_given)
        rule->window_s = (uint32_t)((block->budget_window_ns + SECONDS(1) - 1) / SECONDS(1));
}

/* What the root's block does not say has its default there. */
static void take_rules(struct host_rules *rules, const struct upstream_block *block)
{
    *rules = (struct host_rules){
        .idle = {(uint64_t)block->idle_max_ns, (uint64_t)block->idle_start_ns, (uint64_t)block->idle_risky_ns,
                 (uint32_t)block->sentinels},
        .quarantine = {(uint64_t)block->quarantine_ns, (uint64_t)block->quarantine_max_ns,
                       (uint32_t)block->quarantine_after},
        .rebalance_percent = (uint32_t)block->rebalance_percent,
    };
}

/* What the block says goes over what the transport has. */
static void take(struct transport *transport, const struct upstream_block *block, const char *path,
                 struct report *report)
{
    if (block->resend_given)
        transport->resend = (enum resend_policy)block->resend;
    take_budget(&transport->resend_budget, block);
    take_several_hosts(transport, block);
    if (block->replay_given)
        transport->replay_bytes = block->replay_bytes > 0 ? block->replay_bytes : -1;
    if (block->private_given)
        transport->max_private_connections = block->max_private;
    if (block->head_bytes_given)
        transport->response_head_bytes_max = block->head_bytes_max;
    if (block->fields_given)
        transport->response_fields_max = block->fields_max;
    if (block->decoded_given)
        transport->max_decoded_bytes = block->max_decoded_bytes;
    if (block->flight_given)
        transport->first_flight_bytes = block->first_flight_bytes;
    if (block->flight_timeout_given)
        transport->first_flight_timeout_ns = block->first_flight_timeout_ns;
    if (block->pick_given)
        transport->pick_fifo = block->pick == 1;
    if (block->age_given)
        transport->max_connection_age_ns = block->max_connection_age_ns;
    if (block->requests_given)
        transport->max_requests_per_connection = block->max_requests_per_connection;
    if (block->cap_given)
        transport->max_connections_per_host = block->max_connections_per_host;
    if (block->queue_given)
        transport->queue_timeout_ns = block->queue_timeout_ns;
    if (block->class_given)
        transport->traffic = (enum traffic_class)block->traffic;
    if (block->source_given)
        take_source(transport, block, path, report);
    take_marks(transport, block, path, report);
    if (block->protocol_given)
        transport->protocol = (enum upstream_protocol)block->protocol;
    if (block->coalesce_given)
        transport->coalesce = block->coalesce;
    if (block->header_given)
        transport->proxy_header = (uint8_t)block->header;
    if (block->floor_given)
        transport->min_idle_per_host = block->min_idle_per_host;
    if (block->user_timeout_given)
        transport->tcp_user_timeout_ns = block->tcp_user_timeout_ns;
    if (block->interval_given)
        transport->tcp_keep_alive_interval_ns = block->tcp_keep_alive_interval_ns;
    if (block->count_given)
        transport->tcp_keep_alive_count = block->tcp_keep_alive_count;
    if (block->forward_proxy_given)
        transport->forward_proxy_timeout_ns = block->forward_proxy_timeout_ns;
    if (block->handshake_given)
        transport->tls_handshake_timeout_ns = block->tls_handshake_timeout_ns;
    if (block->ping_after_given)
        transport->ping_after_ns =
            block->ping_after_ns > 0 && block->ping_after_ns < SECONDS(10) ? SECONDS(10) : block->ping_after_ns;
    if (block->ping_interval_given)
        transport->ping_interval_ns = block->ping_interval_ns;
    if (block->ping_timeout_given)
        transport->ping_timeout_ns = block->ping_timeout_ns;
    if (block->pool_given)
        transport->pool = block->pool;
    if (block->idle_given)
        take_idle_timeout(transport, block, path, report);
    if (block->hints_given)
        transport->ignore_hints = !block->keep_alive_hints;
    if (block->learn_given)
        transport->ignore_learned = !block->learn;
}

void upstream_read(struct transport *transport, const struct node *extra_config, const char *prefix,
                   struct report *report)
{
    const struct node *block = component_find(extra_config, "holdfast/upstream");
    struct str path = arena_format(report->arena, "%sextra_config.holdfast/upstream", prefix);
    struct str dotted = arena_format(report->arena, "%sextra_config.holdfast/upstream.", prefix);
    struct upstream_block bound;
    bool is_root = prefix[0] == '\0';

    if (!block || !path.data || !dotted.data)
        return;
    /* What did not bind holds its default and is not marked as given; the problem is in the report. */
    (void)schema_bind(&upstream_schema, block, path.data, &bound, report->arena, report);
    take(transport, &bound, path.data, report);
    if (is_root)
        take_rules(&transport->rules, &bound);
    upstream_check(transport, block, dotted.data, is_root, report);
}
