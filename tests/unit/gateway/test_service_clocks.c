/* test_service_clocks.c: clocks of clients that depend on more than one setting: the profile, and presets.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gateway_test.h"

#define ROOT(members) "{\"version\": 3, \"host\": [\"h\"], " members "}"

TEST(service_clocks_depend_on_the_profile)
{
    static const struct {
        const char *text;
        int64_t idle_s, head_s, gap_s;
    } rows[] = {
        {ROOT("\"endpoints\": []"), 75, 10, 10},
        {ROOT("\"read_timeout\": \"3s\""), 3, 3, 10},
        {ROOT("\"idle_timeout\": \"9s\", \"read_header_timeout\": \"1s\", \"read_timeout\": \"3s\""), 9, 1, 10},
        {ROOT("\"extra_config\": {\"holdfast/server\": {\"profile\": \"krakend\"}}"), 0, 0, 0},
        {ROOT("\"read_timeout\": \"3s\", \"extra_config\": {\"holdfast/server\": {\"profile\": \"krakend\"}}"), 3, 3,
         0},
        {ROOT("\"extra_config\": {\"holdfast/server\": {\"profile\": \"krakend\", \"body_gap_timeout\": \"7s\"}}"), 0,
         0, 7},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct service *service = gateway_service(rows[i].text);

        test_case_is("%s", rows[i].text);
        CHECK_INT(service->idle_timeout_ns, SECONDS(rows[i].idle_s));
        CHECK_INT(service->read_header_timeout_ns, SECONDS(rows[i].head_s));
        CHECK_INT(service->server.body_gap_timeout_ns, SECONDS(rows[i].gap_s));
    }
}

/* What is given wins, and read_timeout is for those who say nothing. */
TEST(presets_are_starting_points)
{
    static const struct {
        const char *root, *server;
        int64_t idle_s, requests;
        bool adapts;
    } rows[] = {
        {"", "\"preset\": \"none\"", 75, 0, true},
        {"", "\"preset\": \"browser\"", 5, 100, false},
        {"", "\"preset\": \"gateway\"", 60, 1000, false},
        {"", "\"preset\": \"web\"", 15, 500, false},
        {"", "\"preset\": \"internal\"", 30, 2000, false},
        {"", "\"preset\": \"web\", \"profile\": \"krakend\"", 15, 500, false},
        {"\"read_timeout\": \"3s\", ", "\"preset\": \"web\"", 15, 500, false},
        {"\"idle_timeout\": \"9s\", ", "\"preset\": \"web\"", 9, 500, false},
        {"", "\"preset\": \"web\", \"max_requests_per_connection\": 0", 15, 0, false},
        {"", "\"preset\": \"web\", \"max_requests_per_connection\": 7", 15, 7, false},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str text = arena_format(
            test_arena(), "{\"version\": 3, %s\"endpoints\": [], \"extra_config\": {\"holdfast/server\": {%s}}}",
            rows[i].root, rows[i].server);
        struct service *service = gateway_service(text.data);

        test_case_is("%s", text.data);
        CHECK_INT(service->idle_timeout_ns, SECONDS(rows[i].idle_s));
        CHECK_INT(service->server.max_requests_per_connection, rows[i].requests);
        CHECK_INT(service->server.clients.idle_adapts, rows[i].adapts);
    }
}
