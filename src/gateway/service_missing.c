/* service_missing.c: the components that this version does not have: what is missing without each of them, and what
 * Holdfast has in its place. What guards an endpoint (authentication, validation, code of the user's own) stops the
 * start: the gateway never runs open. All else is a warning. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/service_internal.h"

enum verdict {
    VERDICT_READ,   /* this version reads it at that level */
    VERDICT_SILENT, /* for other programs */
    VERDICT_STOP,   /* it guards something: an error */
    VERDICT_WARN,
};

enum { AT_ROOT = 1 << LEVEL_ROOT, AT_ENDPOINT = 1 << LEVEL_ENDPOINT, AT_BACKEND = 1 << LEVEL_BACKEND, AT_ALL = 7 };

static const char enterprise[] = "it belongs to KrakenD Enterprise, and KrakenD CE passes over it too";

/* The first row whose name is the component's, or, ending in a slash, begins it, says what to do. */
static const struct component_row {
    const char *name;
    enum verdict verdict;
    unsigned levels;     /* elsewhere KrakenD does not look at it either */
    const char *without; /* what is missing: "tokens are not checked" */
    const char *instead; /* the hint: what there is; NULL: nothing */
} known[] = {
    {"router", VERDICT_READ, AT_ROOT, NULL, NULL},
    {"proxy", VERDICT_READ, AT_ENDPOINT | AT_BACKEND, NULL, NULL},
    {"backend/http", VERDICT_READ, AT_BACKEND, NULL, NULL},
    {"backend/http/client", VERDICT_READ, AT_BACKEND, NULL, NULL},
    {"holdfast/server", VERDICT_READ, AT_ROOT, NULL, NULL},
    {"holdfast/admin", VERDICT_READ, AT_ROOT, NULL, NULL},
    {"holdfast/tls", VERDICT_READ, AT_ROOT, NULL, NULL},
    {"holdfast/upstream", VERDICT_READ, AT_ROOT | AT_BACKEND, NULL, NULL},
    {"holdfast/answer", VERDICT_READ, AT_ENDPOINT, NULL, NULL},
    {"holdfast/stream", VERDICT_READ, AT_ENDPOINT, NULL, NULL},
    {"websocket", VERDICT_READ, AT_ENDPOINT, NULL, NULL},
    {"documentation/", VERDICT_SILENT, AT_ALL, NULL, NULL},

    {"auth/client-credentials", VERDICT_WARN, AT_ALL, "backends get no token of the gateway's own", NULL},
    {"auth/gcp", VERDICT_WARN, AT_ALL, "backends get no token of the gateway's own", NULL},
    {"auth/ntlm", VERDICT_WARN, AT_ALL, "backends get no credentials of the gateway's own",
     "NTLM of clients works: such a connection stays with its client"},
    {"auth/validator", VERDICT_STOP, AT_ALL, "tokens would not be checked", NULL},
    {"auth/signer", VERDICT_STOP, AT_ALL, "tokens would go out unsigned", NULL},
    {"auth/revoker", VERDICT_STOP, AT_ALL, "revoked tokens would be taken", NULL},
    {"auth/", VERDICT_STOP, AT_ALL, "nobody would be asked who they are", NULL},
    {"security/cors", VERDICT_WARN, AT_ALL, "browsers of other origins may not read answers",
     "router.auto_options answers OPTIONS, without CORS headers"},
    {"security/bot-detector", VERDICT_STOP, AT_ALL, "no client would be kept out", NULL},
    {"security/", VERDICT_STOP, AT_ALL, "what it forbids would be let through", NULL},
    {"validation/", VERDICT_STOP, AT_ALL, "what it rejects would be let through", NULL},
    {"modifier/lua-", VERDICT_STOP, AT_ALL, "what its scripts check would be let through", NULL},
    {"plugin/", VERDICT_STOP, AT_ALL, "what the plugin checks would be let through",
     "Go plugins cannot be loaded; \"holdfast check-plugin\" tells what there is instead"},
    {"modifier/", VERDICT_WARN, AT_ALL, "requests and answers are not modified",
     "target, allow, deny, mapping, group and proxy.flatmap_filter shape answers"},
    {"qos/ratelimit/", VERDICT_WARN, AT_ALL, "requests are not limited by rate",
     "holdfast/server has max_connections_per_ip, holdfast/upstream max_connections_per_host"},
    {"qos/circuit-breaker", VERDICT_WARN, AT_ALL, "requests go on when a backend fails",
     "holdfast/upstream eject_after: a host that fails rests"},
    {"qos/http-cache", VERDICT_WARN, AT_ALL, "each request goes to its backend", NULL},
    {"qos/", VERDICT_WARN, AT_ALL, "requests are not limited", NULL},
    {"telemetry/logging", VERDICT_WARN, AT_ALL, "the log goes to stderr, access lines to stdout",
     "router.disable_access_log and router.logger_skip_paths work"},
    {"telemetry/", VERDICT_WARN, AT_ALL, "nothing is exported",
     "holdfast/admin serves metrics in OpenMetrics form at /metrics"},
    {"backend/conditional", VERDICT_WARN, AT_ALL, enterprise, NULL},
    {"backend/soap", VERDICT_WARN, AT_ALL, enterprise, NULL},
    {"backend/grpc", VERDICT_WARN, AT_ALL, enterprise, "gRPC of clients passes through no-op endpoints as it is"},
    {"backend/static-filesystem", VERDICT_WARN, AT_ALL, enterprise, NULL},
    {"backend/", VERDICT_WARN, AT_ALL, "requests to this backend fail", NULL},
    {"async/", VERDICT_WARN, AT_ALL, "no consumer runs", NULL},
    {"server/", VERDICT_WARN, AT_ALL, enterprise, NULL},
    {"governance/", VERDICT_WARN, AT_ALL, enterprise, NULL},
    {"ai/", VERDICT_WARN, AT_ALL, enterprise, NULL},
    {"workflow", VERDICT_WARN, AT_ALL, enterprise, NULL},
    {"grpc", VERDICT_WARN, AT_ALL, enterprise, "gRPC of clients passes through no-op endpoints as it is"},
    {"redis", VERDICT_WARN, AT_ALL, "no connection to it is made", NULL},
};

/* Names that KrakenD 2 does not read either, but once did. */
static const char *const outdated[][2] = {
    {"github.com/devopsfaith/krakend-ratelimit/juju/router", "qos/ratelimit/router"},
    {"github.com/devopsfaith/krakend-ratelimit/juju/proxy", "qos/ratelimit/proxy"},
    {"github_com/devopsfaith/krakend/transport/http/client/executor", "plugin/http-client"},
    {"github.com/devopsfaith/krakend-gologging", "telemetry/logging"},
    {"github.com/devopsfaith/krakend-cors", "security/cors"},
    {"github.com/devopsfaith/krakend-metrics", "telemetry/metrics"},
};

static bool is_comment(struct str name)
{
    return name.len > 0 && strchr("$@_#", name.data[0]) != NULL;
}

static bool row_is_for(const struct component_row *row, struct str name)
{
    struct str prefix = str_from(row->name);

    return str_eq(name, prefix) ||
           ((str_ends(prefix, STR("/")) || str_ends(prefix, STR("-"))) && str_starts(name, prefix));
}

static const struct component_row *find_row(struct str name)
{
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (row_is_for(&known[i], name))
            return &known[i];
    return NULL;
}

/* The name that somebody may have meant. */
static const char *nearest(struct str name)
{
    const char *names[COUNT_OF(known)];
    size_t count = 0;

    for (size_t i = 0; i < COUNT_OF(outdated); i++)
        if (str_eq(name, str_from(outdated[i][0])))
            return outdated[i][1];
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (!str_ends(str_from(known[i].name), STR("/")))
            names[count++] = known[i].name;
    return report_nearest(name, names, count);
}

static void report_unknown(const struct node *member, const char *prefix, struct report *report)
{
    const char *near = nearest(member->name);
    struct str hint = near ? arena_format(report->arena, "did you mean \"%s\"?", near) : STR_EMPTY;

    report_add(report, report->strict ? SEVERITY_ERROR : SEVERITY_WARNING, PROBLEM_COMPONENT, member->name_place,
               hint.data, "%sextra_config: nothing reads \"%.*s\"", prefix, STR_ARG(member->name));
}

/* What is not a component of ours at this level: tells what that means. */
static void report_missing(const struct component_row *row, const struct node *member, const char *prefix,
                           struct report *report)
{
    struct str name = component_name(member->name);

    if (row->verdict == VERDICT_STOP)
        report_add(report, SEVERITY_ERROR, PROBLEM_UNSUPPORTED, member->name_place, row->instead,
                   "%sextra_config: \"%.*s\" is not supported yet in this version, and without it %s: the gateway does "
                   "not start",
                   prefix, STR_ARG(name), row->without);
    else if (row->without == enterprise)
        report_add(report, SEVERITY_WARNING, PROBLEM_NO_EFFECT, member->name_place, row->instead,
                   "%sextra_config: \"%.*s\" is ignored: %s", prefix, STR_ARG(name), enterprise);
    else
        report_add(report, SEVERITY_WARNING, PROBLEM_NO_EFFECT, member->name_place, row->instead,
                   "%sextra_config: \"%.*s\" is ignored: it comes in a later version; until then %s", prefix,
                   STR_ARG(name), row->without);
}

static void check_member(enum level level, const struct node *member, const char *prefix, struct report *report)
{
    struct str name = component_name(member->name);
    const struct component_row *row = find_row(name);

    if (!row) {
        report_unknown(member, prefix, report);
        return;
    }
    if ((row->levels & 1u << level) == 0) {
        report_add(report, SEVERITY_WARNING, PROBLEM_COMPONENT, member->name_place, NULL,
                   "%sextra_config: \"%.*s\" is not read at this level", prefix, STR_ARG(name));
        return;
    }
    switch (row->verdict) {
    case VERDICT_READ:
        if (member->type != JSON_OBJECT)
            report_add(report, SEVERITY_WARNING, PROBLEM_COMPONENT, member->place, NULL,
                       "%sextra_config: \"%.*s\" is ignored: it is no object", prefix, STR_ARG(name));
        break;
    case VERDICT_SILENT:
        break;
    case VERDICT_STOP:
    case VERDICT_WARN:
        report_missing(row, member, prefix, report);
        break;
    }
}

bool component_replaces_http(const struct node *extra_config)
{
    static const char *const names[] = {"backend/lambda", "backend/amqp/", "backend/pubsub/", "backend/graphql"};
    const struct node *member = extra_config && extra_config->type == JSON_OBJECT ? extra_config->children : NULL;

    for (; member; member = member->next)
        for (size_t i = 0; i < COUNT_OF(names); i++)
            if (str_starts(component_name(member->name), str_from(names[i])))
                return true;
    return false;
}

void components_check(enum level level, const struct node *extra_config, const char *prefix, struct report *report)
{
    if (!extra_config || extra_config->type == JSON_NULL)
        return;
    if (extra_config->type != JSON_OBJECT) {
        report_add(report, SEVERITY_ERROR, PROBLEM_COMPONENT, extra_config->place, NULL,
                   "%sextra_config: components are members of an object", prefix);
        return;
    }
    for (const struct node *member = extra_config->children; member; member = member->next)
        if (!is_comment(member->name) && member->type != JSON_NULL)
            check_member(level, member, prefix, report);
}
