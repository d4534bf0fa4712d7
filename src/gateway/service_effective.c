/* service_effective.c: the configuration that counts, setting by setting, for people who ask a running gateway. What
 * tables and document do not tell together is added here. SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "config/effective.h"
#include "gateway/service_internal.h"

#include <stdio.h>

enum { FIXED_MAX = 48 };

struct fixing {
    const struct service *service;
    struct effective_fixed list[FIXED_MAX];
    size_t count;
};

static void fix(struct fixing *fixing, const char *path, const char *value, const char *from)
{
    ASSERT(fixing->count < FIXED_MAX);
    fixing->list[fixing->count++] = (struct effective_fixed){path, value, from};
}

/* What KrakenD has not got holds only when it was given. */
static void fix_profile(struct fixing *fixing)
{
    static const struct {
        const char *component, *path, *value;
    } presets[] = {
        {"holdfast/server", "extra_config.holdfast/server.min_header_rate", "0"},
        {"holdfast/server", "extra_config.holdfast/server.body_gap_timeout", "\"0s\""},
        {"holdfast/server", "extra_config.holdfast/server.min_body_rate", "0"},
        {"holdfast/server", "extra_config.holdfast/server.send_gap_timeout", "\"0s\""},
        {"holdfast/server", "extra_config.holdfast/server.min_send_rate", "0"},
        {"holdfast/server", "extra_config.holdfast/server.max_connection_age", "\"0s\""},
        {"holdfast/upstream", "extra_config.holdfast/upstream.protocol", "\"http/1.1\""},
    };

    for (size_t i = 0; i < COUNT_OF(presets); i++) {
        const struct node *block = component_find(fixing->service->extra_config, presets[i].component);
        struct str path = str_from(presets[i].path);
        struct str name = str_from_offset(path, str_find_last_char(path, '.') + 1);

        if (!block || !node_member(block, name))
            fix(fixing, presets[i].path, presets[i].value, "profile krakend");
    }
}

static void fix_preset(struct fixing *fixing)
{
    const struct server_options *server = &fixing->service->server;
    const struct keep_numbers *numbers = keep_numbers_of(server->preset);

    if (numbers && server->preset_idle)
        fix(fixing, "idle_timeout", numbers->idle_text, numbers->from);
    if (numbers && server->preset_requests)
        fix(fixing, "extra_config.holdfast/server.max_requests_per_connection", numbers->requests_text, numbers->from);
}

static bool is_inherited(struct str name)
{
    static const char *const names[] = {"timeout", "cache_ttl",      "output_encoding",        "host",
                                        "method",  "proxy_protocol", "max_connection_age_hard"};

    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (str_eq(name, str_from(names[i])))
            return true;
    return false;
}

void service_effective_write(const struct service *service, struct json_writer *writer)
{
    struct fixing fixing = {.service = service};
    char port[8];

    snprintf(port, sizeof(port), "%u", (unsigned)(uint16_t)service->port);
    if (service->port_by_flag)
        fix(&fixing, "port", port, "command line");
    if (service->debug_by_flag)
        fix(&fixing, "debug_endpoint", "true", "command line");
    if (service->server.profile == PROFILE_KRAKEND)
        fix_profile(&fixing);
    fix_preset(&fixing);
    for (size_t i = 0; i < service->kept_count; i++)
        fix(&fixing, service->kept[i].path, service->kept[i].value, "before the reload, until a restart");
    json_write_raw(writer, STR("{\"settings\":"));
    effective_write(writer, &(struct effective_options){.schema = &service_schema,
                                                        .root = service->document,
                                                        .known_name = component_name,
                                                        .is_inherited = is_inherited,
                                                        .fixed = fixing.list,
                                                        .fixed_count = fixing.count});
    json_write_raw(writer, STR("}\n"));
}
