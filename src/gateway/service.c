/* service.c: from a configuration file and the environment to struct service. Start with service_load; the steps it
 * takes are in the service_*.c files. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/proxies.h"
#include "gateway/service_internal.h"
#include "os/file.h"

struct overriding {
    struct arena *arena;
    struct node *root;
    struct report *report;
};

static void override(void *arg, struct str name, struct str value)
{
    struct overriding *overriding = arg;

    if (str_starts(name, STR("KRAKEND_")))
        document_override(overriding->arena, overriding->root, name, value, overriding->report);
}

/* The file would be a template: what it says as it stands is not what is meant. */
static bool asks_for_templates(const struct service_sources *sources)
{
    const char *enabled = sources->environment ? environment_get("FC_ENABLE") : NULL;

    return enabled && enabled[0] != '\0';
}

static struct node *load(struct arena *arena, const struct service_sources *sources, struct report *report)
{
    struct source *source;

    if (asks_for_templates(sources)) {
        report_add(
            report, SEVERITY_ERROR, PROBLEM_FORMAT_UNSUPPORTED, (struct place){0},
            "let KrakenD render it once: FC_OUT=out.json krakend check -c FILE; then unset FC_ENABLE and use out.json",
            "FC_ENABLE: flexible configuration (templates) is not supported yet: it comes in a later version");
        return NULL;
    }
    if (!sources->text)
        return document_load(arena, sources->path, report);
    source = arena_make(arena, struct source);
    if (!source)
        return NULL;
    *source = (struct source){sources->path, str_from(sources->text)};
    return document_parse(arena, source, report);
}

static void apply_command_line(struct service *service, const struct service_sources *sources)
{
    if (sources->port != 0) {
        service->port = sources->port;
        service->port_given = service->port_by_flag = true;
    }
    if (sources->debug)
        service->debug_endpoint = service->debug_by_flag = true;
}

struct service *service_load(struct arena *arena, const struct service_sources *sources, struct report *report)
{
    unsigned errors_before = report->errors;
    struct service *service = arena_make(arena, struct service);
    struct node *root = load(arena, sources, report);

    if (!service || !root) {
        if (report->errors == errors_before)
            report_add(report, SEVERITY_ERROR, PROBLEM_OUT_OF_MEMORY, (struct place){0}, NULL, "no memory");
        return NULL;
    }
    if (sources->environment)
        environment_visit(override, &(struct overriding){arena, root, report});
    /* What binds is checked further even after an error, so that all problems are told at once. */
    if (!schema_bind(&service_schema, root, "", service, arena, report) && root->type != JSON_OBJECT)
        return NULL;
    service->document = root;
    apply_command_line(service, sources);
    if (sources->environment)
        service->proxies = proxies_read(arena, report);
    service_settle(service, root, report);
    return report->errors == errors_before ? service : NULL;
}
