/* sources.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sources.h"

#include "gateway/service_internal.h"
#include "os/world.h"

static const struct node *setting_of(const struct node *extra_config)
{
    const struct node *block = component_find(extra_config, "holdfast/upstream");

    return block ? node_member(block, STR("source_address")) : NULL;
}

/* The root's is meant by many backends. */
static bool was_told(const struct report *report, const struct place *place)
{
    for (const struct problem *problem = report->first; problem; problem = problem->next)
        if (problem->code == PROBLEM_SOURCE_ADDRESS && problem->place.source == place->source &&
            problem->place.at == place->at)
            return true;
    return false;
}

static bool check_backend(const struct service *service, const struct backend_options *backend, struct report *report)
{
    const struct node *node = setting_of(backend->extra_config);
    const struct addr *source = &backend->transport.source;
    struct place place = {0};
    char text[ADDR_TEXT_BYTES];
    struct str shown;
    struct error err;

    if (source->family == ADDR_NONE || source_is_ours(source, &err))
        return true;
    if (!node)
        node = setting_of(service->extra_config);
    if (node)
        place = node->place;
    shown = addr_format_ip(source, text);
    if (!was_told(report, &place))
        report_add(report, SEVERITY_ERROR, PROBLEM_SOURCE_ADDRESS, place, "ip addr shows which there are",
                   "source_address: \"%.*s\" cannot be used here: %s", STR_ARG(shown), err.text);
    return false;
}

bool sources_check(const struct service *service, struct report *report)
{
    bool ok = true;

    for (size_t i = 0; i < service->endpoint_count; i++)
        for (size_t j = 0; j < service->endpoints[i].backend_count; j++)
            ok &= check_backend(service, &service->endpoints[i].backends[j], report);
    return ok;
}
