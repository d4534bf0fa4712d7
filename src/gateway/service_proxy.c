/* service_proxy.c: the "proxy" block of endpoints and backends: sequences, static data, shadow traffic. As in KrakenD
 * only values of the right type count. flatmap_filter is read in service_shape.c. SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "gateway/service_internal.h"

static const char *const strategies[] = {
    [STATIC_ALWAYS] = "always",     [STATIC_SUCCESS] = "success",       [STATIC_ERRORED] = "errored",
    [STATIC_COMPLETE] = "complete", [STATIC_INCOMPLETE] = "incomplete",
};

static void tell_no_effect(const struct spot *spot, const struct node *node, const char *text)
{
    report_add(spot->report, SEVERITY_WARNING, PROBLEM_NO_EFFECT, node->place, NULL, "%sextra_config.proxy.%s",
               spot->prefix, text);
}

/* A real true. */
static bool is_true(const struct node *block, const char *name)
{
    const struct node *member = node_member(block, str_from(name));

    return member && member->type == JSON_TRUE;
}

static void read_strategy(const struct spot *spot, const struct node *node, struct proxy_options *proxy)
{
    if (!node || node->type != JSON_STRING)
        return;
    for (size_t i = 0; i < COUNT_OF(strategies); i++)
        if (str_eq(node->text, str_from(strategies[i]))) {
            proxy->static_strategy = (enum static_strategy)i;
            return;
        }
    report_add(spot->report, SEVERITY_WARNING, PROBLEM_NO_EFFECT, node->place,
               "\"success\", \"errored\", \"complete\" and \"incomplete\" are others",
               "%sextra_config.proxy.static.strategy: \"%.*s\" is not known: as in KrakenD, it means \"always\"",
               spot->prefix, STR_ARG(node->text));
}

/* The data once more as a tape, so that its members can be handed out as slices. */
static void read_static(const struct spot *spot, const struct node *block, struct proxy_options *proxy)
{
    static const struct json_options options = {.utf8_repaired = true};
    struct arena *arena = spot->report->arena;
    const struct node *given = node_member(block, STR("static"));
    const struct node *data = given && given->type == JSON_OBJECT ? node_member(given, STR("data")) : NULL;
    struct json_doc *doc = arena_make(arena, struct json_doc);
    struct json_error err;

    if (!given || given->type == JSON_NULL || !doc)
        return;
    if (!data || data->type != JSON_OBJECT) {
        tell_no_effect(spot, given, "static: has no effect: its \"data\" is no object");
        return;
    }
    if (spot->endpoint->output_encoding == ENCODING_NO_OP)
        tell_no_effect(spot, given, "static: has no effect with no-op");
    if (!json_parse(arena, node_to_json(data, arena), &options, doc, &err)) {
        report_add(spot->report, SEVERITY_ERROR, PROBLEM_OUT_OF_MEMORY, data->place, NULL, "no memory");
        return;
    }
    proxy->static_given = true;
    proxy->static_data = json_root(doc);
    read_strategy(spot, node_member(given, STR("strategy")), proxy);
}

static void read_propagated(const struct spot *spot, const struct node *block, struct proxy_options *proxy)
{
    const struct node *list = node_member(block, STR("sequential_propagated_params"));

    if (!list || list->type != JSON_ARRAY)
        return;
    proxy->propagated.items = arena_array(spot->report->arena, struct str, list->count + 1u);
    for (const struct node *item = list->children; proxy->propagated.items && item; item = item->next) {
        if (item->type != JSON_STRING)
            report_add(spot->report, SEVERITY_ERROR, PROBLEM_WRONG_TYPE, item->place, NULL,
                       "%sextra_config.proxy.sequential_propagated_params: wants strings", spot->prefix);
        else
            proxy->propagated.items[proxy->propagated.count++] = item->text;
    }
}

static void check_combiner(const struct spot *spot, const struct node *block)
{
    const struct node *combiner = node_member(block, STR("combiner"));

    if (!combiner || combiner->type == JSON_NULL || str_eq(combiner->text, STR("default")))
        return;
    if (combiner->type != JSON_STRING)
        report_add(spot->report, SEVERITY_ERROR, PROBLEM_WRONG_TYPE, combiner->place, NULL,
                   "%sextra_config.proxy.combiner: wants a string", spot->prefix);
    else
        tell_no_effect(spot, combiner, "combiner: is not known: the default one is taken");
}

void proxy_read(const struct spot *spot)
{
    struct endpoint_options *endpoint = spot->endpoint;
    struct proxy_options *proxy = &endpoint->proxy;
    const struct node *block = component_find(endpoint->extra_config, "proxy");

    if (!block)
        return;
    proxy->sequential = is_true(block, "sequential");
    read_propagated(spot, block, proxy);
    read_static(spot, block, proxy);
    flatmap_read(spot, endpoint->extra_config, &proxy->flatmap);
    check_combiner(spot, block);
}

void shadow_read(const struct spot *spot, struct backend_options *backend)
{
    const struct node *block = component_find(backend->extra_config, "proxy");
    const struct node *timeout = block ? node_member(block, STR("shadow_timeout")) : NULL;

    backend->shadow = block && is_true(block, "shadow");
    backend->shadow_timeout_ns = spot->endpoint->timeout_ns;
    if (!backend->shadow || !timeout || timeout->type != JSON_STRING)
        return;
    if (!text_to_duration(timeout->text, &backend->shadow_timeout_ns)) {
        backend->shadow_timeout_ns = spot->endpoint->timeout_ns;
        tell_no_effect(spot, timeout, "shadow_timeout: is no duration: the endpoint's timeout is taken");
    }
}

/* What needs all backends to be known. */
void proxy_check(const struct spot *spot)
{
    const struct endpoint_options *endpoint = spot->endpoint;
    const struct node *block = component_find(endpoint->extra_config, "proxy");
    const struct node *flatmap = block ? node_member(block, STR("flatmap_filter")) : NULL;
    size_t normal = 0;

    for (size_t i = 0; i < endpoint->backend_count; i++)
        normal += !endpoint->backends[i].shadow;
    if (normal == 0 && endpoint->backend_count > 0)
        report_add(spot->report, SEVERITY_WARNING, PROBLEM_BACKEND_NONE, endpoint->place, NULL,
                   "%sbackend: all are shadows: every request will fail", spot->prefix);
    if (normal == 1 && endpoint->proxy.flatmap.count > 0)
        tell_no_effect(spot, flatmap, "flatmap_filter: has no effect with one backend: write it there");
    if (normal == 1 && endpoint->proxy.sequential)
        tell_no_effect(spot, node_member(block, STR("sequential")), "sequential: has no effect with one backend");
}
