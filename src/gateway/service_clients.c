/* service_clients.c: what holdfast/server says of clients, as far as it depends on more than one key.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gateway/network.h"
#include "gateway/service_internal.h"

static const char prefix[] = "extra_config.holdfast/server";

/* The examples of the Keep-Alive header's reference. */
const struct keep_numbers *keep_numbers_of(enum keep_preset preset)
{
    static const struct keep_numbers numbers[] = {
        [KEEP_BROWSER] = {5 * INT64_C(1000000000), 100, "\"5s\"", "100", "preset browser"},
        [KEEP_GATEWAY] = {60 * INT64_C(1000000000), 1000, "\"1m0s\"", "1000", "preset gateway"},
        [KEEP_WEB] = {15 * INT64_C(1000000000), 500, "\"15s\"", "500", "preset web"},
        [KEEP_INTERNAL] = {30 * INT64_C(1000000000), 2000, "\"30s\"", "2000", "preset internal"},
    };

    return preset == KEEP_OWN ? NULL : &numbers[preset];
}

static void take_networks(struct client_rules *clients, const struct node *block, struct report *report)
{
    const struct str_list *list = &clients->proxy_networks;

    clients->proxies = arena_array(report->arena, struct ip_network, list->count + 1);
    for (size_t i = 0; clients->proxies && i < list->count; i++) {
        if (network_parse(list->items[i], &clients->proxies[clients->proxy_count]))
            clients->proxy_count++;
        else
            report_add(report, SEVERITY_ERROR, PROBLEM_BAD_CHOICE, node_place(block, "proxy_protocol_from"),
                       "write \"10.0.0.0/8\" or \"192.0.2.7\"", "%s.proxy_protocol_from[%zu]: \"%.*s\" is no network",
                       prefix, i, STR_ARG(list->items[i]));
    }
}

void clients_settle(struct client_rules *clients, const struct node *block, struct report *report)
{
    take_networks(clients, block, report);
    if (clients->idle_min_ns > clients->idle_max_ns)
        report_add(report, SEVERITY_ERROR, PROBLEM_BAD_CHOICE, node_place(block, "idle_timeout_min"), NULL,
                   "%s.idle_timeout_min: is longer than idle_timeout_max", prefix);
    if (clients->proxy_protocol == PROXY_ACCEPT && clients->proxy_networks.count == 0)
        report_add(report, SEVERITY_ERROR, PROBLEM_BAD_CHOICE, node_place(block, "proxy_protocol"),
                   "name the networks of the proxies in proxy_protocol_from, or write \"require\"",
                   "%s.proxy_protocol: \"accept\" takes headers only from proxy_protocol_from, which is empty", prefix);
}
