/* service_components.c: the components of extra_config: their two names, and what it means that this version does not
 * have them. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/service_internal.h"

/* KrakenD's short names and the long ones that mean the same. */
static const struct {
    const char *name, *long_name;
} aliases[] = {
    {"plugin/http-server", "github_com/devopsfaith/krakend/transport/http/server/handler"},
    {"plugin/http-client", "github.com/devopsfaith/krakend/transport/http/client/executor"},
    {"plugin/req-resp-modifier", "github.com/devopsfaith/krakend/proxy/plugin"},
    {"proxy", "github.com/devopsfaith/krakend/proxy"},
    {"router", "github_com/luraproject/lura/router/gin"},
    {"qos/http-cache", "github.com/devopsfaith/krakend-httpcache"},
    {"qos/circuit-breaker", "github.com/devopsfaith/krakend-circuitbreaker/gobreaker"},
    {"auth/client-credentials", "github.com/devopsfaith/krakend-oauth2-clientcredentials"},
    {"auth/validator", "github.com/devopsfaith/krakend-jose/validator"},
    {"auth/signer", "github.com/devopsfaith/krakend-jose/signer"},
    {"auth/revoker", "github_com/devopsfaith/bloomfilter"},
    {"security/bot-detector", "github_com/devopsfaith/krakend-botdetector"},
    {"security/http", "github_com/devopsfaith/krakend-httpsecure"},
    {"security/cors", "github_com/devopsfaith/krakend-cors"},
    {"validation/cel", "github.com/devopsfaith/krakend-cel"},
    {"validation/json-schema", "github.com/devopsfaith/krakend-jsonschema"},
    {"async/amqp", "github.com/devopsfaith/krakend-amqp/agent"},
    {"backend/amqp/consumer", "github.com/devopsfaith/krakend-amqp/consume"},
    {"backend/amqp/producer", "github.com/devopsfaith/krakend-amqp/produce"},
    {"backend/lambda", "github.com/devopsfaith/krakend-lambda"},
    {"backend/pubsub/publisher", "github.com/devopsfaith/krakend-pubsub/publisher"},
    {"backend/pubsub/subscriber", "github.com/devopsfaith/krakend-pubsub/subscriber"},
    {"backend/graphql", "github.com/devopsfaith/krakend/transport/http/client/graphql"},
    {"backend/http", "github.com/devopsfaith/krakend/http"},
    {"telemetry/gelf", "github_com/devopsfaith/krakend-gelf"},
    {"telemetry/logging", "github_com/devopsfaith/krakend-gologging"},
    {"telemetry/logstash", "github_com/devopsfaith/krakend-logstash"},
    {"telemetry/metrics", "github_com/devopsfaith/krakend-metrics"},
    {"telemetry/influx", "github_com/letgoapp/krakend-influx"},
    {"telemetry/influx", "github_com/devopsfaith/krakend-influx"},
    {"telemetry/opencensus", "github_com/devopsfaith/krakend-opencensus"},
    {"modifier/lua-endpoint", "github.com/devopsfaith/krakend-lua/router"},
    {"modifier/lua-proxy", "github.com/devopsfaith/krakend-lua/proxy"},
    {"modifier/lua-backend", "github.com/devopsfaith/krakend-lua/proxy/backend"},
    {"modifier/martian", "github.com/devopsfaith/krakend-martian"},
};

static struct str short_name(struct str name)
{
    for (size_t i = 0; i < COUNT_OF(aliases); i++)
        if (str_eq(name, str_from(aliases[i].long_name)))
            return str_from(aliases[i].name);
    return name;
}

const struct node *component_find(const struct node *extra_config, const char *name)
{
    if (!extra_config || extra_config->type != JSON_OBJECT)
        return NULL;
    for (const struct node *member = extra_config->children; member; member = member->next)
        if (str_eq(short_name(member->name), str_from(name)))
            return member->type == JSON_OBJECT ? member : NULL;
    return NULL;
}

enum verdict {
    VERDICT_READ,   /* this version reads it at that level */
    VERDICT_REFUSE, /* security or answers would differ */
    VERDICT_WARN,   /* something that a user may count on is missing */
    VERDICT_NOTE,   /* nothing is lost */
};

enum { AT_ROOT = 1 << LEVEL_ROOT, AT_ENDPOINT = 1 << LEVEL_ENDPOINT, AT_BACKEND = 1 << LEVEL_BACKEND, AT_ALL = 7 };

/* The first row whose name is the component's, or, ending in a slash, begins it, says what to do. */
static const struct {
    const char *name;
    enum verdict verdict;
    unsigned levels; /* elsewhere KrakenD does not look at it either */
} known[] = {
    {"router", VERDICT_READ, AT_ROOT},
    {"proxy", VERDICT_READ, AT_ENDPOINT | AT_BACKEND},
    {"backend/http", VERDICT_READ, AT_BACKEND},
    {"backend/http/client", VERDICT_READ, AT_BACKEND},
    {"holdfast/server", VERDICT_READ, AT_ROOT},
    {"holdfast/admin", VERDICT_READ, AT_ROOT},
    {"holdfast/tls", VERDICT_READ, AT_ROOT},
    {"holdfast/upstream", VERDICT_READ, AT_ROOT | AT_BACKEND},
    {"holdfast/answer", VERDICT_READ, AT_ENDPOINT},
    {"telemetry/", VERDICT_NOTE, AT_ALL},
    {"documentation/", VERDICT_READ, AT_ALL},
    {"auth/", VERDICT_REFUSE, AT_ALL},
    {"security/", VERDICT_REFUSE, AT_ALL},
    {"validation/", VERDICT_REFUSE, AT_ALL},
    {"modifier/", VERDICT_REFUSE, AT_ALL},
    {"qos/", VERDICT_REFUSE, AT_ALL},
    {"plugin/", VERDICT_REFUSE, AT_ALL},
    {"backend/", VERDICT_REFUSE, AT_ALL},
    {"async/", VERDICT_REFUSE, AT_ALL},
    {"server/", VERDICT_REFUSE, AT_ALL},
    {"governance/", VERDICT_REFUSE, AT_ALL},
    {"ai/", VERDICT_REFUSE, AT_ALL},
    {"websocket", VERDICT_REFUSE, AT_ALL},
    {"workflow", VERDICT_REFUSE, AT_ALL},
    {"grpc", VERDICT_REFUSE, AT_ALL},
    {"redis", VERDICT_NOTE, AT_ALL},
};

static const char *const own_names[] = {
    "router",
    "proxy",
    "backend/http",
    "backend/http/client",
    "holdfast/server",
    "holdfast/admin",
    "holdfast/tls",
    "holdfast/answer",
    "holdfast/upstream",
    "telemetry/logging",
    "telemetry/metrics",
};

static bool is_comment(struct str name)
{
    return name.len > 0 && strchr("$@_#", name.data[0]) != NULL;
}

static size_t find_known(struct str name)
{
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        struct str row = str_from(known[i].name);

        if (str_eq(name, row) || (str_ends(row, STR("/")) && str_starts(name, row)))
            return i;
    }
    return COUNT_OF(known);
}

static void report_unknown(const struct node *member, const char *prefix, struct report *report)
{
    const char *near = report_nearest(member->name, own_names, COUNT_OF(own_names));
    struct str hint = near ? arena_format(report->arena, "did you mean \"%s\"?", near) : STR_EMPTY;

    report_add(report, report->strict ? SEVERITY_ERROR : SEVERITY_WARNING, PROBLEM_COMPONENT, member->name_place,
               hint.data, "%sextra_config: nothing reads \"%.*s\"", prefix, STR_ARG(member->name));
}

static void check_member(enum level level, const struct node *member, const char *prefix, struct report *report)
{
    struct str name = short_name(member->name);
    size_t row = find_known(name);

    if (row == COUNT_OF(known)) {
        report_unknown(member, prefix, report);
        return;
    }
    if ((known[row].levels & 1u << level) == 0) {
        report_add(report, SEVERITY_WARNING, PROBLEM_COMPONENT, member->name_place, NULL,
                   "%sextra_config: \"%.*s\" is not read at this level", prefix, STR_ARG(name));
        return;
    }
    switch (known[row].verdict) {
    case VERDICT_READ:
        break;
    case VERDICT_REFUSE:
        report_add(report, SEVERITY_ERROR, PROBLEM_UNSUPPORTED, member->name_place, NULL,
                   "%sextra_config: \"%.*s\" is not supported yet in this version", prefix, STR_ARG(name));
        break;
    case VERDICT_WARN:
        report_add(report, SEVERITY_WARNING, PROBLEM_NO_EFFECT, member->name_place, NULL,
                   "%sextra_config: \"%.*s\" has no effect yet", prefix, STR_ARG(name));
        break;
    case VERDICT_NOTE:
        report_add(report, SEVERITY_NOTE, PROBLEM_NO_EFFECT, member->name_place, NULL,
                   "%sextra_config: \"%.*s\" has no effect yet", prefix, STR_ARG(name));
        break;
    }
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
