/* service_discovery.c: "sd" of a backend: hosts as they are written (static), or found by SRV records (dns).
 * SPDX-License-Identifier: Apache-2.0 */
#include "gateway/service_internal.h"
#include "upstream/discover.h"

enum { NAME_BYTES_MAX = 253 }; /* RFC 1035 2.3.4, as text without the last dot */

static bool is_name(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '.' && c != '-' &&
            c != '_')
            return false;
    }
    return text.len > 0 && text.len <= NAME_BYTES_MAX;
}

/* Only the first host counts. KrakenD puts http:// before it unless it is told not to, and then finds nothing. */
static void check_name(const struct spot *spot, const struct backend_options *backend)
{
    if (backend->host.count == 0)
        report_add(spot->report, SEVERITY_ERROR, PROBLEM_HOST, node_place(backend->node, "sd"),
                   "write the name of the SRV records as \"host\"", "%ssd: \"dns\" has no host to look up",
                   spot->prefix);
    else if (!is_name(backend->host.items[0]))
        report_add(spot->report, SEVERITY_ERROR, PROBLEM_HOST,
                   backend->host.places ? backend->host.places[0] : backend->place,
                   "write a name such as \"_http._tcp.users.example\", and \"disable_host_sanitize\": true",
                   "%shost[0]: \"%.*s\" is no name of SRV records (sd: \"dns\")", spot->prefix,
                   STR_ARG(backend->host.items[0]));
}

static void check_scheme(const struct spot *spot, const struct backend_options *backend)
{
    if (!str_eq(backend->sd_scheme, STR("http")) && !str_eq(backend->sd_scheme, STR("https")))
        report_add(spot->report, SEVERITY_ERROR, PROBLEM_BAD_CHOICE, node_place(backend->node, "sd_scheme"),
                   "write \"http\" or \"https\"", "%ssd_scheme: \"%.*s\" is none of what it can be", spot->prefix,
                   STR_ARG(backend->sd_scheme));
}

void discovery_check(const struct spot *spot, struct backend_options *backend)
{
    int64_t refresh_ns = spot->service->dns_cache_ttl_ns;

    backend->discovered = str_eq(backend->sd, STR("dns"));
    backend->sd_refresh_ns = refresh_ns >= 1000000000 ? (uint64_t)refresh_ns : DISCOVER_REFRESH_DEFAULT_NS;
    if (!backend->discovered)
        return;
    check_name(spot, backend);
    check_scheme(spot, backend);
}
