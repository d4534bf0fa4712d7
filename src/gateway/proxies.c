/* proxies.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/proxies.h"

#include "config/problems.h"
#include "os/file.h"

static struct str variable(const char *upper, const char *lower)
{
    struct str value = str_from(environment_get(upper));

    return value.len > 0 ? value : str_from(environment_get(lower));
}

const struct forward_rules *proxies_read(struct arena *arena, struct report *report)
{
    struct forward_proxy_variables variables = {
        .http = variable("HTTP_PROXY", "http_proxy"),
        .https = variable("HTTPS_PROXY", "https_proxy"),
        .none = variable("NO_PROXY", "no_proxy"),
        .cgi = str_from(environment_get("REQUEST_METHOD")).len > 0,
    };
    const struct forward_rules *rules;

    if (variables.http.len == 0 && variables.https.len == 0)
        return NULL;
    rules = forward_rules_new(arena, &variables);
    if (!rules)
        report_add(report, SEVERITY_ERROR, PROBLEM_OUT_OF_MEMORY, (struct place){0}, NULL, "no memory");
    return rules;
}

/* Hosts of one scheme; one that several backends name counts as often. */
struct tally {
    const struct forward_proxy *proxy;
    size_t hosts, proxied;
};

static void count_hosts(const struct backend *backend, bool secure, struct tally *tally)
{
    for (size_t i = 0; i < backend->host_count; i++) {
        const struct host *host = backend->hosts[i];

        if ((host->tls != NULL) != secure || host->unix_addr.family == ADDR_UNIX)
            continue;
        tally->hosts++;
        tally->proxied += host->forward != NULL;
        if (host->forward)
            tally->proxy = host->forward;
    }
}

static void tell(const struct endpoint *endpoints, size_t count, bool secure, struct report *report)
{
    const char *scheme = secure ? "https" : "http";
    struct tally tally = {0};

    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < endpoints[i].backend_count; j++)
            count_hosts(&endpoints[i].backends[j], secure, &tally);
    if (tally.proxy)
        report_add(report, SEVERITY_NOTE, PROBLEM_FORWARD_PROXY, (struct place){0}, NULL,
                   "%s:// hosts are reached through the forward proxy %.*s of the environment: %zu of %zu", scheme,
                   STR_ARG(tally.proxy->shown), tally.proxied, tally.hosts);
}

void proxies_tell(const struct endpoint *endpoints, size_t count, struct report *report)
{
    tell(endpoints, count, false, report);
    tell(endpoints, count, true, report);
}
