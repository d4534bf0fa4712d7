/* sources.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sources.h"

#include "gateway/service_internal.h"
#include "os/world.h"

/* A setting of holdfast/upstream that a backend has, and what came of it. */
struct asked {
    const struct service *service;
    const struct backend_options *backend;
    const char *key;
    struct str value;
    enum problem_code code;
    const char *hint;
};

static const struct node *setting_of(const struct node *extra_config, const char *key)
{
    const struct node *block = component_find(extra_config, "holdfast/upstream");

    return block ? node_member(block, str_from(key)) : NULL;
}

static struct place place_of(const struct asked *asked)
{
    const struct node *node = setting_of(asked->backend->extra_config, asked->key);

    if (!node)
        node = setting_of(asked->service->extra_config, asked->key);
    return node ? node->place : (struct place){0};
}

/* The root's is meant by many backends. */
static bool was_told(const struct report *report, enum problem_code code, const struct place *place)
{
    for (const struct problem *problem = report->first; problem; problem = problem->next)
        if (problem->code == code && problem->place.source == place->source && problem->place.at == place->at)
            return true;
    return false;
}

static bool refuse(const struct asked *asked, const struct error *err, struct report *report)
{
    struct place place = place_of(asked);

    if (!was_told(report, asked->code, &place))
        report_add(report, SEVERITY_ERROR, asked->code, place, asked->hint, "%s: %.*s cannot be used here: %s",
                   asked->key, STR_ARG(asked->value), err->text);
    return false;
}

static bool check_source(const struct service *service, const struct backend_options *backend, struct report *report)
{
    const struct addr *source = &backend->transport.source;
    char text[ADDR_TEXT_BYTES];
    struct error err;

    if (source->family == ADDR_NONE || source_is_ours(source, &err))
        return true;
    return refuse(&(struct asked){service, backend, "source_address",
                                  arena_format(report->arena, "\"%.*s\"", STR_ARG(addr_format_ip(source, text))),
                                  PROBLEM_SOURCE_ADDRESS, "ip addr shows which there are"},
                  &err, report);
}

/* One of the two, so that the right one is named. */
static bool check_mark(const struct service *service, const struct backend_options *backend, const char *key,
                       struct packet_marks marks, struct report *report)
{
    struct error err;

    if (packet_marks_eq(&marks, &(struct packet_marks){0}) || marks_are_allowed(&marks, &err))
        return true;
    return refuse(&(struct asked){service, backend, key,
                                  arena_format(report->arena, "%u", marks.mark > 0 ? marks.mark : marks.dscp),
                                  PROBLEM_MARKS, "give the process the capability, or remove the setting"},
                  &err, report);
}

static bool check_backend(const struct service *service, const struct backend_options *backend, struct report *report)
{
    struct packet_marks marks = backend->transport.marks;
    bool ok = check_source(service, backend, report);

    ok &= check_mark(service, backend, "dscp", (struct packet_marks){.dscp = marks.dscp}, report);
    ok &= check_mark(service, backend, "mark", (struct packet_marks){.mark = marks.mark}, report);
    return ok;
}

bool sources_check(const struct service *service, struct report *report)
{
    bool ok = true;

    for (size_t i = 0; i < service->endpoint_count; i++)
        for (size_t j = 0; j < service->endpoints[i].backend_count; j++)
            ok &= check_backend(service, &service->endpoints[i].backends[j], report);
    return ok;
}
