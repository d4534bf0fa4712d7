/* test_service_upstream.c: transport settings: KrakenD's defaults; those that contradict each other, or are of a
 * wrong type: what is said, and where. SPDX-License-Identifier: Apache-2.0 */
#include "gateway_test.h"

#include <stdio.h>
#include <string.h>

#define UPSTREAM "extra_config.holdfast/upstream"

static const struct {
    const char *root;   /* members of the root */
    const char *block;  /* members of its holdfast/upstream */
    const char *marked; /* what the caret stands below; NULL: there is no problem */
    const char *said, *hint;
} cases[] = {
    {"", "\"min_idle_per_host\": 250", NULL, NULL, NULL},
    {"", "\"min_idle_per_host\": 251", "251",
     "min_idle_per_host: min_idle_per_host is 251, but max_idle_connections_per_host allows 250",
     "min_idle_per_host: 250 at most, or raise max_idle_connections_per_host"},
    {"\"max_idle_connections\": 3, ", "\"min_idle_per_host\": 4", "4",
     "min_idle_per_host: min_idle_per_host is 4, but max_idle_connections allows 3",
     "min_idle_per_host: 3 at most, or raise max_idle_connections"},
    {"\"max_idle_connections\": -1, ", "\"min_idle_per_host\": 4", "4",
     "min_idle_per_host: min_idle_per_host is 4, but max_idle_connections allows 0",
     "min_idle_per_host: 0 at most, or raise max_idle_connections"},
    {"", "\"min_idle_per_host\": 9, \"max_connections_per_host\": 8", "9",
     "min_idle_per_host: min_idle_per_host is 9, but max_connections_per_host allows 8",
     "min_idle_per_host: 8 at most, or raise max_connections_per_host"},
    {"\"idle_connection_timeout\": \"5s\", ", "\"idle_timeout\": \"learned\"", "\"learned\"",
     "idle_timeout: has no effect beside idle_connection_timeout, which comes first", "remove one of the two"},
    {"\"idle_connection_timeout\": \"0s\", ", "\"idle_timeout\": \"10s\"", NULL, NULL, NULL},
    {"\"disable_keep_alives\": true, ", "\"idle_timeout\": \"10s\"", "\"10s\"",
     "idle_timeout: has no effect beside disable_keep_alives", "remove one of the two"},
    {"", "\"idle_timeout\": \"learned\", \"learn\": false", "\"learned\"",
     "idle_timeout: has no effect beside \"learn\": false", "write a duration, or remove \"learn\""},
    {"", "\"idle_timeout\": \"10s\", \"learn\": false", NULL, NULL, NULL},
    {"", "\"idle_timeout\": \"10s\", \"learn\": true", "true", "learn: has no effect beside a fixed idle timeout",
     "remove one of the two"},
    {"", "\"idle_timeout\": \"never\", \"keep_alive_hints\": true", "true",
     "keep_alive_hints: has no effect beside a fixed idle timeout", "remove one of the two"},
    {"\"disable_keep_alives\": true, ", "\"max_requests_per_connection\": 7", "7",
     "max_requests_per_connection: has no effect beside disable_keep_alives", "remove one of the two"},
    {"\"disable_keep_alives\": true, ", "\"max_requests_per_connection\": 0", NULL, NULL, NULL},
    {"\"disable_keep_alives\": true, ", "\"min_idle_per_host\": 1000", "1000",
     "min_idle_per_host: has no effect beside disable_keep_alives", "remove one of the two"},
    {"", "\"send_proxy_protocol\": \"v2\", \"min_idle_per_host\": 1000", "1000",
     "min_idle_per_host: has no effect beside send_proxy_protocol: each connection belongs to a client",
     "remove one of the two"},
    {"\"disable_keep_alives\": true, ", "\"coalesce\": true", "true",
     "coalesce: has no effect beside disable_keep_alives", "remove one of the two"},
    {"\"dialer_keep_alive\": \"-1s\", ", "\"tcp_keep_alive_count\": 3", "3",
     "tcp_keep_alive_count: has no effect beside a negative dialer_keep_alive", "give dialer_keep_alive a duration"},
    {"\"dialer_keep_alive\": \"5s\", ", "\"tcp_keep_alive_count\": 3", NULL, NULL, NULL},
    {"", "\"resend_budget_percent\": 100, \"resend_budget_floor\": 4", "4",
     "resend_budget_floor: has no effect beside a resend_budget_percent of 100: any number may be sent again",
     "remove one of the two"},
    {"", "\"resend_budget_percent\": 100, \"resend_budget_window\": \"9s\"", "\"9s\"",
     "resend_budget_window: has no effect beside a resend_budget_percent of 100: any number may be sent again",
     "remove one of the two"},
    {"", "\"resend_budget_percent\": 7, \"resend_budget_window\": 0", "7",
     "resend_budget_percent: has no effect beside a resend_budget_window of 0: there is no budget",
     "remove one of the two"},
    {"", "\"resend_budget_floor\": 4, \"resend_budget_window\": 0", "4",
     "resend_budget_floor: has no effect beside a resend_budget_window of 0: there is no budget",
     "remove one of the two"},
    {"", "\"resend_budget_percent\": 0, \"resend_budget_floor\": 0", NULL, NULL, NULL},
    {"", "\"idle_timeout_max\": \"20s\", \"idle_timeout_start\": \"30s\"", "\"30s\"",
     "idle_timeout_start: is longer than idle_timeout_max",
     "idle_timeout_start: 20000 ms at most, or raise idle_timeout_max"},
    {"", "\"idle_timeout_start\": \"2s\", \"idle_timeout_risky\": \"2001ms\"", "\"2001ms\"",
     "idle_timeout_risky: is longer than idle_timeout_start",
     "idle_timeout_risky: 2000 ms at most, or raise idle_timeout_start"},
    {"", "\"idle_timeout_max\": \"1s\"", NULL, NULL, NULL},
    {"", "\"idle_timeout_risky\": \"4s\"", NULL, NULL, NULL},
    {"", "\"quarantine\": \"1m\", \"quarantine_max\": \"59s\"", "\"1m\"", "quarantine: is longer than quarantine_max",
     "quarantine: 59000 ms at most, or raise quarantine_max"},
    {"", "\"quarantine_max\": \"5s\"", NULL, NULL, NULL},
    {"", "\"quarantine\": 0", NULL, NULL, NULL},
    {"", "\"quarantine\": 0, \"quarantine_after\": 3", "3", "quarantine_after: has no effect beside \"quarantine\": 0",
     "remove one of the two"},
    {"", "\"quarantine\": 0, \"quarantine_max\": \"2h\"", "\"2h\"",
     "quarantine_max: has no effect beside \"quarantine\": 0", "remove one of the two"},
    {"", "\"failover\": \"off\", \"max_failovers\": 3", "3",
     "max_failovers: has no effect beside \"failover\": \"off\"", "remove one of the two"},
    {"", "\"base_ejection_time\": \"2m\"", "\"2m\"", "base_ejection_time: is longer than max_ejection_time",
     "base_ejection_time: 60000 ms at most, or raise max_ejection_time"},
    {"", "\"base_ejection_time\": \"2m\", \"max_ejection_time\": \"2m\"", NULL, NULL, NULL},
    {"", "\"max_ejection_time\": \"500ms\"", NULL, NULL, NULL},
    {"", "\"eject_after\": 0, \"base_ejection_time\": \"2m\"", "\"2m\"",
     "base_ejection_time: has no effect beside \"eject_after\": 0", "remove one of the two"},
    {"", "\"eject_after\": 0, \"max_ejection_time\": \"2m\"", "\"2m\"",
     "max_ejection_time: has no effect beside \"eject_after\": 0", "remove one of the two"},
    {"", "\"eject_after\": 0, \"ejection_probe_timeout\": \"2s\"", "\"2s\"",
     "ejection_probe_timeout: has no effect beside \"eject_after\": 0", "remove one of the two"},
    {"", "\"first_flight\": 0, \"first_flight_timeout\": \"1s\"", "\"1s\"",
     "first_flight_timeout: has no effect beside \"first_flight\": 0", "remove one of the two"},
    {"", "\"first_flight\": 1, \"first_flight_timeout\": \"0s\"", NULL, NULL, NULL},
    {"", "\"resend\": \"off\", \"failover\": \"off\", \"replay_buffer\": \"1MiB\"", "\"1MiB\"",
     "replay_buffer: has no effect beside \"resend\": \"off\" and \"failover\": \"off\"", "remove it"},
    {"", "\"resend\": \"off\", \"replay_buffer\": \"1MiB\"", NULL, NULL, NULL},
};

static void check_said(const struct report *report, const char *text, const char *marked, const char *said,
                       const char *hint)
{
    const struct problem *problem = report->first;
    struct str whole;

    CHECK_EQ(report->errors + report->warnings, marked ? 1 : 0);
    if (!marked)
        return;
    whole = arena_format(test_arena(), UPSTREAM ".%s", said);
    CHECK_CSTR(problem->text, whole.data);
    CHECK_STR(str_of(text + problem->place.at, problem->place.len), str_from(marked));
    if (hint)
        CHECK_CSTR(problem->hint, hint);
}

static void check_case(const char *root, const char *block, const char *marked, const char *said, const char *hint)
{
    struct report *report = gateway_report();
    char text[400];

    test_case_is("%s%s", root, block);
    snprintf(text, sizeof(text), "{\"version\": 3, %s\"extra_config\": {\"holdfast/upstream\": {%s}}}", root, block);
    (void)gateway_load(text, report);
    check_said(report, text, marked, said, hint);
}

TEST(upstream_settings_that_do_nothing_are_told_where_they_stand)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        check_case(cases[i].root, cases[i].block, cases[i].marked, cases[i].said, cases[i].hint);
}

/* A backend lowers a cap below what the root keeps ready. */
TEST(a_cap_of_a_backend_is_told_where_it_stands)
{
    static const char text[] =
        "{\"version\": 3, \"host\": [\"h\"], \"extra_config\": {\"holdfast/upstream\": {\"min_idle_per_host\": 5}},"
        " \"endpoints\": [{\"endpoint\": \"/\", \"backend\": [{\"extra_config\": {\"holdfast/upstream\":"
        " {\"max_connections_per_host\": 2}}}, {\"extra_config\": {\"holdfast/upstream\": {\"pick\": \"fifo\"}}}]}]}";
    struct report *report = gateway_report();

    (void)gateway_load(text, report);
    CHECK_EQ(report->warnings, 1);
    CHECK_CSTR(report->first->text, "endpoints[0].backend[0]." UPSTREAM
                                    ".max_connections_per_host: min_idle_per_host is 5, but max_connections_per_host "
                                    "allows 2");
    CHECK(str_eq(str_of(text + report->first->place.at, 1), STR("2")));
}

/* Numbers in quotes and the like are taken as KrakenD's loader takes them; the rest is refused at its place. */
static const struct {
    const char *block, *marked, *said;
} types[] = {
    {"\"max_connections_per_host\": \"12\"", NULL, NULL},
    {"\"max_connections_per_host\": \"twelve\"", "\"twelve\"",
     "max_connections_per_host: \"twelve\" is not a whole number"},
    {"\"max_connections_per_host\": -1", "-1", "max_connections_per_host: -1 is less than 0"},
    {"\"max_connections_per_host\": []", "[]", "max_connections_per_host: expected a whole number, found a list"},
    {"\"min_idle_per_host\": 10001", "10001", "min_idle_per_host: 10001 is more than 10000"},
    {"\"queue_timeout\": \"soon\"", "\"soon\"", "queue_timeout: \"soon\" is not a duration"},
    {"\"queue_timeout\": {}", "{}", "queue_timeout: expected a duration such as \"1.5s\", found an object"},
    {"\"ping_interval\": \"9s\"", "\"9s\"", "ping_interval: \"9s\" is less than 10s"},
    {"\"ping_timeout\": 0", "0", "ping_timeout: 0 is less than 1s"},
    {"\"ping_after\": \"-1s\"", "\"-1s\"", "ping_after: \"-1s\" is less than 0s"},
    {"\"queue_timeout\": \"-1s\"", "\"-1s\"", "queue_timeout: \"-1s\" is less than 0s"},
    {"\"idle_timeout\": 30", "30", "idle_timeout: \"30\" is none of what it can be"},
    {"\"idle_timeout\": \"30\"", "\"30\"", "idle_timeout: \"30\" is none of what it can be"},
    {"\"idle_timeout\": []", "[]",
     "idle_timeout: expected \"learned\", \"never\" or a duration such as \"30s\", found a list"},
    {"\"balance\": 1", "1", "balance: 1 is no known choice"},
    {"\"balance\": \"randm\"", "\"randm\"", "balance: \"randm\" is no known choice"},
    {"\"learn\": \"no\"", "\"no\"", "learn: \"no\" is not a boolean"},
    {"\"learn\": \"false\"", NULL, NULL},
    {"\"max_decoded_bytes\": \"1XB\"", "\"1XB\"", "max_decoded_bytes: \"1XB\" is not a size"},
    {"\"first_flight\": -1", "-1", "first_flight: -1 is less than 0 bytes"},
    {"\"first_flight\": 1048577", "1048577", "first_flight: 1048577 is more than 1048576 bytes"},
    {"\"first_flight\": \"1MiB\"", NULL, NULL},
    {"\"replay_buffer\": -1", "-1", "replay_buffer: -1 is less than 0 bytes"},
    {"\"replay_buffer\": \"64MiB\"", NULL, NULL},
    {"\"replay_buffer\": 67108865", "67108865", "replay_buffer: 67108865 is more than 67108864 bytes"},
    {"\"first_flight_timeout\": \"-1s\"", "\"-1s\"", "first_flight_timeout: \"-1s\" is less than 0s"},
    {"\"pool\": {}", "{}", "pool: expected a string, found an object"},
    {"\"dscp\": 64", "64", "dscp: \"64\" is none of what it can be"},
    {"\"dscp\": -1", "-1", "dscp: \"-1\" is none of what it can be"},
    {"\"dscp\": \"af14\"", "\"af14\"", "dscp: \"af14\" is none of what it can be"},
    {"\"dscp\": []", "[]", "dscp: expected 0 to 63, or one of df, le, va, ef, cs0 to cs7, af11 to af43, found a list"},
    {"\"dscp\": \"EF\"", NULL, NULL},
    {"\"mark\": -1", "-1", "mark: -1 is less than 0"},
    {"\"mark\": 4294967296", "4294967296", "mark: 4294967296 is more than 4294967295"},
    {"\"mark\": \"red\"", "\"red\"", "mark: \"red\" is not a whole number"},
    {"\"mark\": \"0x2a\"", NULL, NULL},
    {"\"mark\": {}", "{}", "mark: expected a whole number, found an object"},
    {"\"resend_budget_percent\": 101", "101", "resend_budget_percent: 101 is more than 100"},
    {"\"resend_budget_percent\": -1", "-1", "resend_budget_percent: -1 is less than 0"},
    {"\"resend_budget_percent\": \"5%\"", "\"5%\"", "resend_budget_percent: \"5%\" is not a whole number"},
    {"\"resend_budget_floor\": 1000001", "1000001", "resend_budget_floor: 1000001 is more than 1000000"},
    {"\"resend_budget_window\": \"31s\"", "\"31s\"", "resend_budget_window: \"31s\" is more than 30s"},
    {"\"resend_budget_window\": \"long\"", "\"long\"", "resend_budget_window: \"long\" is not a duration"},
    {"\"idle_timeout_max\": \"999ms\"", "\"999ms\"", "idle_timeout_max: \"999ms\" is less than 1s"},
    {"\"idle_timeout_max\": \"3h\"", "\"3h\"", "idle_timeout_max: \"3h\" is more than 2h0m0s"},
    {"\"idle_timeout_start\": 0", "0", "idle_timeout_start: 0 is less than 1ms"},
    {"\"idle_timeout_risky\": \"-1s\"", "\"-1s\"", "idle_timeout_risky: \"-1s\" is less than 0s"},
    {"\"idle_timeout_risky\": []", "[]", "idle_timeout_risky: expected a duration such as \"1.5s\", found a list"},
    {"\"sentinels\": 17", "17", "sentinels: 17 is more than 16"},
    {"\"sentinels\": \"few\"", "\"few\"", "sentinels: \"few\" is not a whole number"},
    {"\"quarantine\": \"25h\"", "\"25h\"", "quarantine: \"25h\" is more than 24h0m0s"},
    {"\"quarantine_max\": 0", "0", "quarantine_max: 0 is less than 1s"},
    {"\"quarantine_after\": 0", "0", "quarantine_after: 0 is less than 1"},
    {"\"rebalance_percent\": 26", "26", "rebalance_percent: 26 is more than 25"},
    {"\"max_private_connections\": 0", "0", "max_private_connections: 0 is less than 1"},
    {"\"eject_after\": \"3s\"", "\"3s\"", "eject_after: \"3s\" is not a whole number"},
    {"\"forward_proxy_timeout\": \"-1s\"", "\"-1s\"", "forward_proxy_timeout: \"-1s\" is less than 0s"},
    {"\"max_response_header_bytes\": 1023", "1023", "max_response_header_bytes: 1023 is less than 1024 bytes"},
    {"\"max_response_header_bytes\": \"2MiB\"", "\"2MiB\"",
     "max_response_header_bytes: \"2MiB\" is more than 1048576 bytes"},
    {"\"max_response_header_fields\": 0", "0", "max_response_header_fields: 0 is less than 1"},
    {"\"max_failovers\": 0", "0", "max_failovers: 0 is less than 1"},
    {"\"max_failovers\": 9", "9", "max_failovers: 9 is more than 8"},
    {"\"base_ejection_time\": 0", "0", "base_ejection_time: 0 is less than 1ms"},
    {"\"base_ejection_time\": \"25h\"", "\"25h\"", "base_ejection_time: \"25h\" is more than 24h0m0s"},
    {"\"max_ejection_time\": \"0s\"", "\"0s\"", "max_ejection_time: \"0s\" is less than 1ms"},
    {"\"max_ejection_time\": \"long\"", "\"long\"", "max_ejection_time: \"long\" is not a duration"},
    {"\"ejection_probe_timeout\": \"-1s\"", "\"-1s\"", "ejection_probe_timeout: \"-1s\" is less than 1ms"},
};

TEST(upstream_settings_of_a_wrong_type_are_told_where_they_stand)
{
    for (size_t i = 0; i < COUNT_OF(types); i++)
        check_case("", types[i].block, types[i].marked, types[i].said, NULL);
}

#define SECOND INT64_C(1000000000)

static const struct transport *transport_of(const char *block)
{
    const struct str text =
        arena_format(test_arena(), "{\"version\": 3, \"extra_config\": {\"holdfast/upstream\": {%s}}}", block);

    return &gateway_service(text.data)->transport;
}

#define ROOT(members) "{\"version\": 3, \"host\": [\"h\"], " members "}"

/* KrakenD's defaults (what 0 means is said where it is used), and negative values, which stand as they are. */
TEST(transport_settings_have_krakends_defaults)
{
    const struct transport *transport = &gateway_service(ROOT("\"dialer_timeout\": \"0s\""))->transport;

    CHECK_INT(transport->dialer_timeout_ns, 0);
    CHECK_INT(transport->dialer_keep_alive_ns, 0);
    CHECK_INT(TRANSPORT_KEEP_ALIVE_DEFAULT_NS, SECONDS(15));
    CHECK_INT(transport->dialer_fallback_delay_ns, 0);
    CHECK_INT(transport->idle_connection_timeout_ns, 0);
    CHECK_INT(transport->response_header_timeout_ns, 0);
    CHECK_INT(transport->expect_continue_timeout_ns, 0);
    CHECK_INT(transport->max_idle_connections, 0);
    CHECK_EQ(transport_idle_max(transport), UINT64_MAX);
    CHECK_INT(transport->max_idle_connections_per_host, 250);
    CHECK(!transport->disable_keep_alives);
    CHECK(!transport->disable_compression);
    CHECK_INT(transport->tls_handshake_timeout_ns, SECONDS(10));
}

TEST(transport_settings_may_be_zero_or_negative)
{
    const struct transport *transport =
        &gateway_service(ROOT("\"dialer_timeout\": \"-1s\", \"dialer_keep_alive\": \"-2s\", \"dialer_fallback_delay\": "
                              "\"-3s\", \"idle_connection_timeout\": \"-4s\", \"response_header_timeout\": \"-5s\", "
                              "\"expect_continue_timeout\": \"-6s\", \"max_idle_connections\": -7, "
                              "\"max_idle_connections_per_host\": -8"))
             ->transport;
    const struct transport *zero = &gateway_service(ROOT("\"max_idle_connections_per_host\": 0"))->transport;

    CHECK_INT(transport->dialer_timeout_ns, -SECONDS(1));
    CHECK_INT(transport->dialer_keep_alive_ns, -SECONDS(2));
    CHECK_INT(transport->dialer_fallback_delay_ns, -SECONDS(3));
    CHECK_INT(transport->idle_connection_timeout_ns, -SECONDS(4));
    CHECK_INT(transport->response_header_timeout_ns, -SECONDS(5));
    CHECK_INT(transport->expect_continue_timeout_ns, -SECONDS(6));
    CHECK_EQ(transport_idle_max(transport), 0);
    CHECK_EQ(transport_idle_per_host_max(transport), 0);
    CHECK_EQ(transport_idle_per_host_max(zero), 250);
}

TEST(upstream_settings_have_their_defaults)
{
    const struct transport *transport = transport_of("");

    CHECK_EQ(transport->idle_policy, IDLE_LEARNED);
    CHECK_INT(transport->max_connections_per_host, 0);
    CHECK_INT(transport->queue_timeout_ns, SECOND);
    CHECK_INT(transport->max_connection_age_ns, 3600 * SECOND);
    CHECK_INT(transport->max_requests_per_connection, 0);
    CHECK_INT(transport->min_idle_per_host, 0);
    CHECK(!transport->pick_fifo);
    CHECK_EQ(transport->balance, BALANCE_KRAKEND);
    CHECK_EQ(transport->resend, RESEND_REPEATABLE);
    CHECK_EQ(transport->resend_budget.percent, 5);
    CHECK_EQ(transport->resend_budget.per_second, 3);
    CHECK_EQ(transport->resend_budget.window_s, 10);
    CHECK(!transport->ignore_hints && !transport->ignore_learned);
    CHECK_EQ(transport->protocol, PROTOCOL_AUTO);
    CHECK_EQ(transport->proxy_header, 0);
    CHECK_EQ(transport->marks.dscp, 0);
    CHECK_EQ(transport->marks.mark, 0);
    CHECK_EQ(transport->traffic, CLASS_SHORT);
    CHECK_EQ(transport->pool.len, 0);
    CHECK_EQ(transport->failover, FAILOVER_IDEMPOTENT);
    CHECK_INT(transport->eject_after, 3);
    CHECK_INT(transport->tls_handshake_timeout_ns, 10 * SECOND);
    CHECK_INT(transport->tcp_user_timeout_ns, 15 * SECOND);
    CHECK_INT(transport->first_flight_bytes, 16384);
    CHECK_INT(transport->first_flight_timeout_ns, SECOND / 5);
    CHECK_INT(transport_replay_bytes(transport), 65536);
}

TEST(upstream_settings_are_taken)
{
    const struct transport *transport = transport_of(
        "\"idle_timeout\": \"7s\", \"max_connections_per_host\": 40, \"queue_timeout\": \"2s\", \"max_connection_age\":"
        " \"5m\", \"max_requests_per_connection\": 9, \"min_idle_per_host\": 3, \"pick\": \"fifo\", \"balance\": "
        "\"p2c\","
        " \"resend\": \"unacked\", \"protocol\": \"http/1.1\", \"class\": \"stream\", \"pool\": \"x\", \"failover\":"
        " \"off\", \"eject_after\": 5, \"tls_handshake_timeout\": \"3s\", \"tcp_user_timeout\": \"4s\"");
    const struct transport *rest =
        transport_of("\"keep_alive_hints\": false, \"learn\": false, \"send_proxy_protocol\": \"v2\", \"first_flight\":"
                     " \"64KiB\", \"first_flight_timeout\": \"3s\"");

    CHECK_EQ(transport->idle_policy, IDLE_FIXED);
    CHECK_INT(transport->idle_limit_ns, 7 * SECOND);
    CHECK_INT(transport->max_connections_per_host, 40);
    CHECK_INT(transport->queue_timeout_ns, 2 * SECOND);
    CHECK_INT(transport->max_connection_age_ns, 300 * SECOND);
    CHECK_INT(transport->max_requests_per_connection, 9);
    CHECK_INT(transport->min_idle_per_host, 3);
    CHECK(transport->pick_fifo);
    CHECK_EQ(transport->balance, BALANCE_P2C);
    CHECK_EQ(transport->resend, RESEND_UNACKED);
    CHECK_EQ(transport->protocol, PROTOCOL_HTTP1);
    CHECK_EQ(transport->traffic, CLASS_STREAM);
    CHECK_TEXT(transport->pool, "x");
    CHECK_EQ(transport->failover, FAILOVER_OFF);
    CHECK_INT(transport->eject_after, 5);
    CHECK_INT(transport->tls_handshake_timeout_ns, 3 * SECOND);
    CHECK_INT(transport->tcp_user_timeout_ns, 4 * SECOND);
    CHECK(rest->ignore_hints && rest->ignore_learned);
    CHECK_EQ(rest->proxy_header, 2);
    CHECK_INT(rest->first_flight_bytes, 65536);
    CHECK_INT(rest->first_flight_timeout_ns, 3 * SECOND);
    CHECK_INT(transport_replay_bytes(rest), 65536);
    CHECK_INT(transport_replay_bytes(transport_of("\"replay_buffer\": 0")), 0);
    CHECK_INT(transport_replay_bytes(transport_of("\"replay_buffer\": \"1MiB\"")), 1048576);
}

TEST(limits_of_heads_of_answers_reach_the_transport)
{
    const struct transport *none = transport_of(""), *given = transport_of("\"max_response_header_bytes\": \"8KiB\", "
                                                                           "\"max_response_header_fields\": 1000");

    CHECK_INT(none->response_head_bytes_max, 0);
    CHECK_INT(none->response_fields_max, 0);
    CHECK_INT(given->response_head_bytes_max, 8192);
    CHECK_INT(given->response_fields_max, 1000);
}

TEST(the_time_of_a_forward_proxy_reaches_the_transport)
{
    CHECK_INT(transport_of("")->forward_proxy_timeout_ns, 0);
    CHECK_INT(transport_of("\"forward_proxy_timeout\": \"90s\"")->forward_proxy_timeout_ns, 90 * SECOND);
}

static void check_ejection(const struct transport *transport, int64_t first_ms, int64_t most_ms, int64_t probe_ms)
{
    CHECK_INT(transport->eject.first_ns, MS(first_ms));
    CHECK_INT(transport->eject.most_ns, MS(most_ms));
    CHECK_INT(transport->eject.probe_ns, MS(probe_ms));
}

TEST(how_long_hosts_rest_reaches_the_transport)
{
    check_ejection(transport_of(""), 1000, 60000, 5000);
    check_ejection(&gateway_service(ROOT("\"timeout\": \"3s\""))->transport, 1000, 60000, 5000);
    check_ejection(transport_of("\"base_ejection_time\": \"30s\""), 30000, 60000, 5000);
    check_ejection(transport_of("\"max_ejection_time\": \"5m\""), 1000, 300000, 5000);
    check_ejection(transport_of("\"ejection_probe_timeout\": \"1ms\""), 1000, 60000, 1);
}

/* What a backend does not say is the root's. */
TEST(how_long_hosts_rest_may_be_said_by_a_backend)
{
    const struct service *service = gateway_service(
        "{\"version\": 3, \"host\": [\"h\"], \"extra_config\": {\"holdfast/upstream\": {\"base_ejection_time\": "
        "\"3s\"}},"
        " \"endpoints\": [{\"endpoint\": \"/\", \"backend\": [{\"extra_config\": {\"holdfast/upstream\":"
        " {\"max_ejection_time\": \"9s\", \"ejection_probe_timeout\": \"4s\"}}}]}]}");

    check_ejection(&service->transport, 3000, 60000, 5000);
    check_ejection(&service->endpoints[0].backends[0].transport, 3000, 9000, 4000);
}

static void check_preset_rules(const struct host_rules *rules)
{
    CHECK_EQ(rules->idle.ceiling_ns, 90 * SECOND);
    CHECK_EQ(rules->idle.start_ns, 4 * SECOND);
    CHECK_EQ(rules->idle.risky_ns, SECOND);
    CHECK_EQ(rules->idle.sentinels_max, 2);
    CHECK_EQ(rules->quarantine.first_ns, 60 * SECOND);
    CHECK_EQ(rules->quarantine.most_ns, 3600 * SECOND);
    CHECK_EQ(rules->quarantine.idle_signs, 2);
    CHECK_EQ(rules->rebalance_percent, 1);
}

TEST(what_holds_for_all_hosts_is_in_the_rules)
{
    const struct host_rules *rules;

    check_preset_rules(&transport_of("")->rules);
    check_preset_rules(&transport_of("\"pick\": \"fifo\"")->rules);
    check_preset_rules(&gateway_service(ROOT("\"timeout\": \"3s\""))->transport.rules);
    rules =
        &transport_of("\"idle_timeout_max\": \"5m\", \"idle_timeout_start\": \"10s\", \"idle_timeout_risky\": \"0s\","
                      " \"sentinels\": 0, \"quarantine\": \"30s\", \"quarantine_max\": \"10m\","
                      " \"quarantine_after\": 4, \"rebalance_percent\": 20")
             ->rules;
    CHECK_EQ(rules->idle.ceiling_ns, 300 * SECOND);
    CHECK_EQ(rules->idle.start_ns, 10 * SECOND);
    CHECK_EQ(rules->idle.risky_ns, 0);
    CHECK_EQ(rules->idle.sentinels_max, 0);
    CHECK_EQ(rules->quarantine.first_ns, 30 * SECOND);
    CHECK_EQ(rules->quarantine.most_ns, 600 * SECOND);
    CHECK_EQ(rules->quarantine.idle_signs, 4);
    CHECK_EQ(rules->rebalance_percent, 20);
}

TEST(what_holds_for_all_hosts_is_told_in_a_backend)
{
    static const char *const keys[] = {"\"idle_timeout_max\": \"5m\"",   "\"idle_timeout_start\": \"2s\"",
                                       "\"idle_timeout_risky\": \"2s\"", "\"sentinels\": 3",
                                       "\"quarantine\": \"9s\"",         "\"quarantine_max\": \"9m\"",
                                       "\"quarantine_after\": 3",        "\"rebalance_percent\": 3"};

    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        struct str text = arena_format(test_arena(),
                                       "{\"version\": 3, \"host\": [\"h\"], \"endpoints\": [{\"endpoint\": \"/\","
                                       " \"backend\": [{\"extra_config\": {\"holdfast/upstream\": {%s}}}]}]}",
                                       keys[i]);
        struct report *report = gateway_report();
        const struct service *service = gateway_load(text.data, report);

        test_case_is("%s", keys[i]);
        CHECK_EQ(report->warnings, 1);
        CHECK_CSTR(report->first->hint, "move it to holdfast/upstream of the root");
        CHECK(strstr(report->first->text, "has no effect in a backend: it is of all hosts") != NULL);
        check_preset_rules(&service->transport.rules);
    }
}

TEST(what_is_kept_for_clients_reaches_the_transport)
{
    CHECK_EQ(transport_private_max(transport_of("")), 5);
    CHECK_EQ(transport_private_max(transport_of("\"max_private_connections\": 1")), 1);
}

/* What is not said stays; windows are whole seconds. */
TEST(the_budget_of_resends_reaches_the_transport)
{
    static const struct {
        const char *block;
        uint32_t percent, per_second, window_s;
    } rows[] = {
        {"\"resend_budget_percent\": 0", 0, 3, 10},
        {"\"resend_budget_percent\": 100", 100, 3, 10},
        {"\"resend_budget_floor\": 0, \"resend_budget_window\": \"30s\"", 5, 0, 30},
        {"\"resend_budget_floor\": 1000000, \"resend_budget_window\": \"1001ms\"", 5, 1000000, 2},
        {"\"resend_budget_window\": \"0s\"", 5, 3, 0},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct resend_budget_rule *rule = &transport_of(rows[i].block)->resend_budget;

        test_case_is("%s", rows[i].block);
        CHECK_EQ(rule->percent, rows[i].percent);
        CHECK_EQ(rule->per_second, rows[i].per_second);
        CHECK_EQ(rule->window_s, rows[i].window_s);
    }
}

/* Below ten seconds there is no PING but none. */
TEST(ping_settings_reach_the_transport)
{
    static const struct {
        const char *block;
        int64_t after_s, interval_s, timeout_s;
    } rows[] = {
        {"", 30, 0, 0},
        {"\"ping_after\": \"0s\"", 0, 0, 0},
        {"\"ping_after\": \"3s\"", 10, 0, 0},
        {"\"ping_after\": \"20s\", \"ping_interval\": \"10s\", \"ping_timeout\": \"1s\"", 20, 10, 1},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct service *service;
        char text[300];

        test_case_is("%s", rows[i].block);
        snprintf(text, sizeof(text), "{\"version\": 3, \"extra_config\": {\"holdfast/upstream\": {%s}}}",
                 rows[i].block);
        service = gateway_load(text, gateway_report());
        CHECK_EQ(service->transport.ping_after_ns, SECONDS(rows[i].after_s));
        CHECK_EQ(service->transport.ping_interval_ns, SECONDS(rows[i].interval_s));
        CHECK_EQ(service->transport.ping_timeout_ns, SECONDS(rows[i].timeout_s));
    }
}
