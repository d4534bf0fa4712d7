/* test_service_limits.c: limits of the whole process that are settings, with their defaults and bounds.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gateway_test.h"

#define EXTRA(members) "{\"version\": 3, \"host\": [\"h\"], \"extra_config\": {" members "}}"

TEST(limits_that_few_change_have_defaults)
{
    const struct server_options *server = &gateway_service(EXTRA(""))->server;

    CHECK_INT(server->admin_connections_max, 64);
    CHECK_INT(server->admin_timeout_ns, SECONDS(10));
    CHECK_INT(server->resolve_timeout_ns, SECONDS(8));
    CHECK_INT(server->resolve.ttl_min_ns, SECONDS(1));
    CHECK_INT(server->resolve.ttl_max_ns, SECONDS(3600));
    CHECK_INT(server->resolve.negative_ttl_ns, SECONDS(1));
    CHECK_INT(server->resolve.stale_max_ns, SECONDS(300));
    CHECK_INT(server->resolve.stale_after_ns, MS(300));
    CHECK_INT(server->resolve.cache_size, 1024);
    CHECK_INT(server->request_memory_max, INT64_C(256) << 20);
    CHECK_INT(server->shadows_max, 256);
    CHECK_INT(server->clients.proxy_header_ns, SECONDS(10));
    CHECK_INT(server->clients.linger_ns, SECONDS(2));
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

TEST(what_is_believed_of_dns_is_a_setting)
{
    const struct resolve_settings *resolve =
        &gateway_service(EXTRA("\"holdfast/server\": {\"resolve_ttl_min\": \"5s\", \"resolve_ttl_max\": \"60s\", "
                               "\"resolve_negative_ttl\": \"10s\", \"resolve_stale_max\": 0, "
                               "\"resolve_stale_after\": 0, \"resolve_cache_size\": 7}"))
             ->server.resolve;

    CHECK_INT(resolve->ttl_min_ns, SECONDS(5));
    CHECK_INT(resolve->ttl_max_ns, SECONDS(60));
    CHECK_INT(resolve->negative_ttl_ns, SECONDS(10));
    CHECK_INT(resolve->stale_max_ns, 0);
    CHECK_INT(resolve->stale_after_ns, 0);
    CHECK_INT(resolve->cache_size, 7);
}

TEST(bounds_of_a_ttl_that_cross_are_told)
{
    struct report *report = gateway_report();

    CHECK(gateway_load(EXTRA("\"holdfast/server\": {\"resolve_ttl_max\": \"500ms\"}"), report));
    CHECK_EQ(report->warnings, 0);
    CHECK(gateway_load(EXTRA("\"holdfast/server\": {\"resolve_ttl_min\": \"2h\"}"), report));
    CHECK_EQ(report->warnings, 1);
    CHECK_CSTR(report->first->text, "extra_config.holdfast/server.resolve_ttl_min: is longer than resolve_ttl_max");
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
        {EXTRA("\"holdfast/admin\": {\"timeout\": \"99ms\"}"),
         "extra_config.holdfast/admin.timeout: \"99ms\" is less than 100ms"},
        {EXTRA("\"holdfast/server\": {\"resolve_timeout\": \"99ms\"}"),
         "extra_config.holdfast/server.resolve_timeout: \"99ms\" is less than 100ms"},
        {EXTRA("\"holdfast/server\": {\"resolve_timeout\": \"2m\"}"),
         "extra_config.holdfast/server.resolve_timeout: \"2m\" is more than 1m15s"},
        {EXTRA("\"holdfast/server\": {\"resolve_ttl_min\": 0}"),
         "extra_config.holdfast/server.resolve_ttl_min: 0 is less than 1ms"},
        {EXTRA("\"holdfast/server\": {\"resolve_ttl_max\": \"25h\"}"),
         "extra_config.holdfast/server.resolve_ttl_max: \"25h\" is more than 24h0m0s"},
        {EXTRA("\"holdfast/server\": {\"resolve_negative_ttl\": 0}"),
         "extra_config.holdfast/server.resolve_negative_ttl: 0 is less than 1ms"},
        {EXTRA("\"holdfast/server\": {\"resolve_stale_max\": \"-1s\"}"),
         "extra_config.holdfast/server.resolve_stale_max: \"-1s\" is less than 0s"},
        {EXTRA("\"holdfast/server\": {\"resolve_stale_after\": \"2m\"}"),
         "extra_config.holdfast/server.resolve_stale_after: \"2m\" is more than 1m15s"},
        {EXTRA("\"holdfast/server\": {\"resolve_cache_size\": 0}"),
         "extra_config.holdfast/server.resolve_cache_size: 0 is less than 1"},
        {EXTRA("\"holdfast/server\": {\"max_request_memory\": \"63KiB\"}"),
         "extra_config.holdfast/server.max_request_memory: \"63KiB\" is less than 65536 bytes"},
        {EXTRA("\"holdfast/server\": {\"max_shadows\": 65537}"),
         "extra_config.holdfast/server.max_shadows: 65537 is more than 65536"},
        {EXTRA("\"holdfast/server\": {\"proxy_protocol_timeout\": 0}"),
         "extra_config.holdfast/server.proxy_protocol_timeout: 0 is less than 1ms"},
        {EXTRA("\"holdfast/server\": {\"lingering_timeout\": \"6m\"}"),
         "extra_config.holdfast/server.lingering_timeout: \"6m\" is more than 5m0s"},
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
