/* test_service_limits.c: limits of the whole process that are settings, with their defaults and bounds.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gateway_test.h"

#define EXTRA(members) "{\"version\": 3, \"host\": [\"h\"], \"extra_config\": {" members "}}"

TEST(limits_that_few_change_have_defaults)
{
    const struct server_options *server = &gateway_service(EXTRA(""))->server;

    CHECK_INT(server->admin_connections_max, 64);
    CHECK_INT(server->resolve_timeout_ns, SECONDS(8));
    CHECK_INT(server->pipes_max, 64);
    CHECK_INT(server->hide_hosts_after_ns, SECONDS(600));
    CHECK_INT(server->forget_hosts_after_ns, SECONDS(3600));
}

TEST(limits_that_few_change_are_settings)
{
    const struct server_options *server =
        &gateway_service(EXTRA("\"holdfast/server\": {\"resolve_timeout\": \"1500ms\", \"max_pipes\": 0, "
                               "\"hide_hosts_after\": \"1s\", \"forget_hosts_after\": 0}, "
                               "\"holdfast/admin\": {\"max_connections\": 5}"))
             ->server;

    CHECK_INT(server->admin_connections_max, 5);
    CHECK_INT(server->resolve_timeout_ns, 1500000000);
    CHECK_INT(server->pipes_max, 0);
    CHECK_INT(server->hide_hosts_after_ns, SECONDS(1));
    CHECK_INT(server->forget_hosts_after_ns, 0);
}

TEST(limits_have_bounds)
{
    static const struct {
        const char *text, *problem;
    } rows[] = {
        {EXTRA("\"holdfast/admin\": {\"max_connections\": 0}"),
         "extra_config.holdfast/admin.max_connections: 0 is less than 1"},
        {EXTRA("\"holdfast/admin\": {\"max_connections\": 65537}"),
         "extra_config.holdfast/admin.max_connections: 65537 is more than 65536"},
        {EXTRA("\"holdfast/server\": {\"resolve_timeout\": \"99ms\"}"),
         "extra_config.holdfast/server.resolve_timeout: \"99ms\" is less than 100ms"},
        {EXTRA("\"holdfast/server\": {\"resolve_timeout\": \"2m\"}"),
         "extra_config.holdfast/server.resolve_timeout: \"2m\" is more than 1m15s"},
        {EXTRA("\"holdfast/server\": {\"max_pipes\": -1}"),
         "extra_config.holdfast/server.max_pipes: -1 is less than 0"},
        {EXTRA("\"holdfast/server\": {\"hide_hosts_after\": 0}"),
         "extra_config.holdfast/server.hide_hosts_after: 0 is less than 1s"},
        {EXTRA("\"holdfast/server\": {\"forget_hosts_after\": \"-1s\"}"),
         "extra_config.holdfast/server.forget_hosts_after: \"-1s\" is less than 0s"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct report *report = gateway_report();

        test_case_is("%s", rows[i].text);
        CHECK(!gateway_load(rows[i].text, report));
        CHECK_EQ(report->errors, 1);
        CHECK(str_starts(str_from(report->first->text), str_from(rows[i].problem)));
    }
}
