/* service_upstream_check.c: combinations of transport settings that cannot be meant. Each is told at the setting that
 * does nothing, or too little, with what would help. Start with upstream_check. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/service_internal.h"

/* One level's holdfast/upstream, and what it makes of the transport. */
struct pairing {
    const struct transport *transport;
    const struct node *block;
    const char *path; /* "extra_config.holdfast/upstream." */
    struct report *report;
};

static bool keeps_none(const struct transport *transport)
{
    return transport->disable_keep_alives;
}

static bool has_krakends_timeout(const struct transport *transport)
{
    return transport->idle_connection_timeout_ns > 0;
}

static bool is_fixed(const struct transport *transport)
{
    return has_krakends_timeout(transport) || transport->idle_policy != IDLE_LEARNED;
}

static bool learns_nothing(const struct transport *transport)
{
    return !is_fixed(transport) && transport->ignore_learned;
}

static bool introduces(const struct transport *transport)
{
    return transport->proxy_header > 0;
}

static bool probes_nobody(const struct transport *transport)
{
    return transport->dialer_keep_alive_ns < 0;
}

static bool counts_no_resends(const struct transport *transport)
{
    return transport->resend_budget.percent >= 100;
}

static bool has_no_window(const struct transport *transport)
{
    return transport->resend_budget.window_s == 0;
}

static bool awaits_no_body(const struct transport *transport)
{
    return transport->first_flight_bytes == 0;
}

static bool sends_once(const struct transport *transport)
{
    return transport->resend == RESEND_OFF && transport->failover == FAILOVER_OFF;
}

static bool begins_no_quarantine(const struct transport *transport)
{
    return transport->rules.quarantine.first_ns == 0;
}

static bool stays_with_its_host(const struct transport *transport)
{
    return transport->failover == FAILOVER_OFF;
}

static bool ejects_nobody(const struct transport *transport)
{
    return transport->eject_after == 0;
}

/* clang-format off */
static const struct rule {
    const char *key;
    bool (*is_void)(const struct transport *transport);
    const char *why, *hint;
} rules[] = {
    {"idle_timeout", has_krakends_timeout, "beside idle_connection_timeout, which comes first", "remove one of the two"},
    {"idle_timeout", keeps_none, "beside disable_keep_alives", "remove one of the two"},
    {"idle_timeout", learns_nothing, "beside \"learn\": false", "write a duration, or remove \"learn\""},
    {"learn", is_fixed, "beside a fixed idle timeout", "remove one of the two"},
    {"keep_alive_hints", is_fixed, "beside a fixed idle timeout", "remove one of the two"},
    {"pick", keeps_none, "beside disable_keep_alives", "remove one of the two"},
    {"resend", keeps_none, "beside disable_keep_alives: only kept connections die of themselves", "remove one of the two"},
    {"resend_budget_floor", counts_no_resends, "beside a resend_budget_percent of 100: any number may be sent again", "remove one of the two"},
    {"resend_budget_floor", has_no_window, "beside a resend_budget_window of 0: there is no budget", "remove one of the two"},
    {"resend_budget_window", counts_no_resends, "beside a resend_budget_percent of 100: any number may be sent again", "remove one of the two"},
    {"resend_budget_percent", has_no_window, "beside a resend_budget_window of 0: there is no budget", "remove one of the two"},
    {"max_connection_age", keeps_none, "beside disable_keep_alives", "remove one of the two"},
    {"max_requests_per_connection", keeps_none, "beside disable_keep_alives", "remove one of the two"},
    {"min_idle_per_host", keeps_none, "beside disable_keep_alives", "remove one of the two"},
    {"min_idle_per_host", introduces, "beside send_proxy_protocol: each connection belongs to a client", "remove one of the two"},
    {"coalesce", keeps_none, "beside disable_keep_alives", "remove one of the two"},
    {"coalesce", introduces, "beside send_proxy_protocol: each connection belongs to a client", "remove one of the two"},
    {"first_flight_timeout", awaits_no_body, "beside \"first_flight\": 0", "remove one of the two"},
    {"replay_buffer", sends_once, "beside \"resend\": \"off\" and \"failover\": \"off\"", "remove it"},
    {"quarantine_after", begins_no_quarantine, "beside \"quarantine\": 0", "remove one of the two"},
    {"quarantine_max", begins_no_quarantine, "beside \"quarantine\": 0", "remove one of the two"},
    {"max_failovers", stays_with_its_host, "beside \"failover\": \"off\"", "remove one of the two"},
    {"base_ejection_time", ejects_nobody, "beside \"eject_after\": 0", "remove one of the two"},
    {"max_ejection_time", ejects_nobody, "beside \"eject_after\": 0", "remove one of the two"},
    {"ejection_probe_timeout", ejects_nobody, "beside \"eject_after\": 0", "remove one of the two"},
    {"tcp_keep_alive_interval", probes_nobody, "beside a negative dialer_keep_alive", "give dialer_keep_alive a duration"},
    {"tcp_keep_alive_count", probes_nobody, "beside a negative dialer_keep_alive", "give dialer_keep_alive a duration"},
};
/* clang-format on */

static const struct node *given(const struct pairing *pairing, const char *key)
{
    const struct node *node = node_member(pairing->block, str_from(key));

    return node && node_is_given(node) ? node : NULL;
}

/* One finding for each key is enough. */
static void check_rules(const struct pairing *pairing)
{
    const char *told = "";

    for (size_t i = 0; i < COUNT_OF(rules); i++) {
        const struct rule *rule = &rules[i];
        const struct node *node = given(pairing, rule->key);

        if (!node || !rule->is_void(pairing->transport) || str_eq(str_from(told), str_from(rule->key)))
            continue;
        report_add(pairing->report, SEVERITY_WARNING, PROBLEM_NO_EFFECT, node->place, rule->hint,
                   "%s%s: has no effect %s", pairing->path, rule->key, rule->why);
        told = rule->key;
    }
}

/* Hosts are the process's: what holds for all of them has one place. */
static const char *const of_all_hosts[] = {"idle_timeout_max", "idle_timeout_start", "idle_timeout_risky",
                                           "sentinels",        "quarantine_after",   "quarantine",
                                           "quarantine_max",   "rebalance_percent"};

static void check_place(const struct pairing *pairing)
{
    for (size_t i = 0; i < COUNT_OF(of_all_hosts); i++) {
        const struct node *node = given(pairing, of_all_hosts[i]);

        if (node)
            report_add(pairing->report, SEVERITY_WARNING, PROBLEM_NO_EFFECT, node->place,
                       "move it to holdfast/upstream of the root",
                       "%s%s: has no effect in a backend: it is of all hosts", pairing->path, of_all_hosts[i]);
    }
}

/* Of two times the one that cannot be the longer; a default that is gives way without a word. */
static void check_order(const struct pairing *pairing, const char *key, uint64_t ns, const char *longer,
                        uint64_t longer_ns)
{
    const struct node *node = given(pairing, key);
    struct str hint;

    if (!node || ns <= longer_ns)
        return;
    hint = arena_format(pairing->report->arena, "%s: %llu ms at most, or raise %s", key,
                        (unsigned long long)(longer_ns / 1000000), longer);
    report_add(pairing->report, SEVERITY_WARNING, PROBLEM_CONTRADICTION, node->place, hint.data,
               "%s%s: is longer than %s", pairing->path, key, longer);
}

static void check_ejection(const struct pairing *pairing)
{
    const struct transport *transport = pairing->transport;

    if (!ejects_nobody(transport))
        check_order(pairing, "base_ejection_time", transport->eject.first_ns, "max_ejection_time",
                    transport->eject.most_ns);
}

static void check_host_rules(const struct pairing *pairing)
{
    const struct host_rules *all = &pairing->transport->rules;

    check_order(pairing, "idle_timeout_start", all->idle.start_ns, "idle_timeout_max", all->idle.ceiling_ns);
    check_order(pairing, "idle_timeout_risky", all->idle.risky_ns, "idle_timeout_start", all->idle.start_ns);
    check_order(pairing, "quarantine", all->quarantine.first_ns, "quarantine_max", all->quarantine.most_ns);
}

struct cap {
    const char *key;
    uint64_t connections; /* UINT64_MAX: there is none */
};

static struct cap lowest_cap(const struct transport *transport)
{
    int64_t open = transport->max_connections_per_host;
    struct cap caps[] = {
        {"max_idle_connections", transport_idle_max(transport)},
        {"max_idle_connections_per_host", transport_idle_per_host_max(transport)},
        {"max_connections_per_host", open > 0 ? (uint64_t)open : UINT64_MAX},
    };
    struct cap lowest = caps[0];

    for (size_t i = 1; i < COUNT_OF(caps); i++)
        if (caps[i].connections < lowest.connections)
            lowest = caps[i];
    return lowest;
}

/* Told where this level says something about it. */
static void check_floor(const struct pairing *pairing)
{
    const struct transport *transport = pairing->transport;
    struct cap cap = lowest_cap(transport);
    const struct node *node = given(pairing, "min_idle_per_host");
    const char *key = node ? "min_idle_per_host" : "max_connections_per_host";
    struct str hint;

    if (!node)
        node = given(pairing, key);
    if (!node || keeps_none(transport) || introduces(transport) ||
        (uint64_t)transport->min_idle_per_host <= cap.connections)
        return;
    hint = arena_format(pairing->report->arena, "min_idle_per_host: %llu at most, or raise %s",
                        (unsigned long long)cap.connections, cap.key);
    report_add(pairing->report, SEVERITY_WARNING, PROBLEM_CONTRADICTION, node->place, hint.data,
               "%s%s: min_idle_per_host is %lld, but %s allows %llu", pairing->path, key,
               (long long)transport->min_idle_per_host, cap.key, (unsigned long long)cap.connections);
}

void upstream_check(const struct transport *transport, const struct node *block, const char *path, bool is_root,
                    struct report *report)
{
    struct pairing pairing = {transport, block, path, report};

    if (is_root)
        check_host_rules(&pairing);
    else
        check_place(&pairing);
    check_rules(&pairing);
    check_ejection(&pairing);
    check_floor(&pairing);
}
