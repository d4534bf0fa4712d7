/* service_components.c: the components of extra_config by their two names. What it means that this version does not
 * have one is in service_missing.c. SPDX-License-Identifier: Apache-2.0 */
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

struct str component_name(struct str name)
{
    for (size_t i = 0; i < COUNT_OF(aliases); i++)
        if (str_eq(name, str_from(aliases[i].long_name)))
            return str_from(aliases[i].name);
    return name;
}

const struct node *component_find(const struct node *extra_config, const char *name)
{
    const struct node *found = NULL;

    if (!extra_config || extra_config->type != JSON_OBJECT)
        return NULL;
    for (const struct node *member = extra_config->children; member; member = member->next) {
        if (str_eq(member->name, str_from(name)))
            return member->type == JSON_OBJECT ? member : NULL; /* The short name wins, wherever it stands. */
        if (!found && str_eq(component_name(member->name), str_from(name)))
            found = member;
    }
    return found && found->type == JSON_OBJECT ? found : NULL;
}
