/* service_client.c: backend/http/client of a backend: how requests travel to its hosts. What has an effect binds; the
 * rest is known here and says so. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/service_internal.h"

struct client_block {
    struct tls_client_options client_tls;
    bool no_redirect, send_body_on_redirect;
};

/* clang-format off */
static const struct option rows[] = {
    OPTION_OBJECT(struct client_block, "client_tls", client_tls, .schema = &tls_client_schema,
                  .help = "TLS to the hosts of this backend, instead of the root's client_tls."),
    OPTION_BOOL(struct client_block, "no_redirect", no_redirect, .help = "Redirects are answers, and not followed."),
    OPTION_BOOL(struct client_block, "send_body_on_redirect", send_body_on_redirect,
                .help = "Requests with a body follow 307 and 308 too: their bodies are read whole before they are sent."),
    OPTION_IGNORED("proxy_address", .help = "A proxy that leads to the hosts."),
};

const struct schema client_schema = {
    .title = "backend/http/client", .size = sizeof(struct client_block), .options = rows, .count = COUNT_OF(rows),
};

static const struct later_key later[] = {
    {"proxy_address", "", NULL, false},
};
/* clang-format on */

void client_read(struct backend_options *backend, const char *prefix, struct report *report)
{
    const struct node *block = component_find(backend->extra_config, "backend/http/client");
    struct str path = arena_format(report->arena, "%sextra_config.backend/http/client", prefix);
    struct str dotted = arena_format(report->arena, "%sextra_config.backend/http/client.", prefix);
    struct client_block bound;

    if (!block || !path.data || !dotted.data)
        return;
    (void)schema_bind(&client_schema, block, path.data, &bound, report->arena, report);
    backend->no_redirect = bound.no_redirect;
    backend->send_body_on_redirect = bound.send_body_on_redirect;
    if (bound.client_tls.given)
        backend->client_tls = bound.client_tls;
    later_check(later, COUNT_OF(later), block, dotted.data, report);
}
