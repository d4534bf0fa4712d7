/* test_carry.c: what a gateway that runs keeps of its configuration, and how listeners get their numbers.
 * SPDX-License-Identifier: Apache-2.0 */
#include "app/carry.h"
#include "harness/test.h"

#include <string.h>

enum { ROOM = 4 };

static struct service *load(struct report *report, const char *server, const char *root)
{
    struct str text = arena_format(
        report->arena,
        "{\"version\": 3, %s \"extra_config\": {\"holdfast/server\": {%s}}, \"endpoints\": [{\"endpoint\": "
        "\"/\", \"extra_config\": {\"holdfast/answer\": {\"body\": \"x\"}}}]}",
        root, server);
    struct service *service =
        service_load(report->arena, &(struct service_sources){.path = "test.json", .text = text.data}, report);

    if (!service)
        test_fail(__FILE__, __LINE__, "%s", report_text(report, report->arena, false).data);
    return service;
}

/* One configuration behind another; the problems are those of the change. */
struct change {
    struct report report;
    struct service *now, *next;
    struct carry_door doors[ROOM];
    size_t door_count;
    bool left[ROOM];
};

static void begin(struct change *change, const char *now, const char *next)
{
    *change = (struct change){.now = NULL};
    report_init(&change->report, test_arena());
    change->now = load(&change->report, now, "");
    change->next = load(&change->report, next, "");
    CHECK_EQ(change->report.errors + change->report.warnings, 0);
    change->door_count = change->now->server.listener_count;
    CHECK(change->door_count <= ROOM);
    for (size_t i = 0; i < change->door_count; i++)
        change->doors[i].listen = change->now->server.listeners[i].listen;
}

static void take(struct change *change)
{
    const struct carry_options options = {change->now, change->doors, change->door_count, ROOM};

    CHECK(carry(&options, change->next, change->left, &change->report));
    CHECK_EQ(change->report.errors, 0);
}

/* clang-format off */
static const struct {
    const char *now, *next;
    const char *told, *value; /* NULL: nothing is; what is shown of it */
} rows[] = {
    {"\"workers\": 2", "\"workers\": 3", "extra_config.holdfast/server.workers: needs a restart", "2"},
    {"\"workers\": 2", "\"workers\": 2", NULL, NULL},
    {"\"http2\": {\"max_streams\": 9}", "", "extra_config.holdfast/server.http2.max_streams: needs a restart", "9"},
    {"", "\"max_connections_per_ip\": 9", "extra_config.holdfast/server.max_connections_per_ip: needs a restart", "0"},
    {"\"max_connections_per_ip\": 8", "\"max_connections_per_ip\": 9", NULL, NULL},
    {"\"max_streams_per_ip\": 8", "", "extra_config.holdfast/server.max_streams_per_ip: needs a restart", "8"},
    {"", "\"resolver\": \"127.0.0.1:53\"", "extra_config.holdfast/server.resolver: needs a restart", "\"\""},
    {"\"resolver\": \"127.0.0.1:53\"", "", "extra_config.holdfast/server.resolver: needs a restart", "\"127.0.0.1:53\""},
    {"\"tcp_defer_accept\": \"1s\"", "", "extra_config.holdfast/server.tcp_defer_accept: needs a restart", "\"1s\""},
};
/* clang-format on */

TEST(what_needs_a_restart_stays_and_is_told)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct change change;
        const struct server_options *now, *next;

        test_case_is("%s, then %s", rows[i].now, rows[i].next);
        begin(&change, rows[i].now, rows[i].next);
        take(&change);
        now = &change.now->server;
        next = &change.next->server;
        CHECK_EQ(change.report.warnings, rows[i].told != NULL);
        CHECK_EQ(change.next->kept_count, rows[i].told != NULL);
        if (!rows[i].told)
            continue;
        CHECK_CSTR(change.next->kept[0].value, rows[i].value);
        CHECK(strstr(change.report.first->text, rows[i].told) == change.report.first->text);
        CHECK_INT(next->workers, now->workers);
        CHECK_INT(next->h2.streams_max, now->h2.streams_max);
        CHECK_INT(next->clients.max_per_address, now->clients.max_per_address);
        CHECK_INT(next->clients.streams_per_address, now->clients.streams_per_address);
        CHECK_INT(next->defer_accept_ns, now->defer_accept_ns);
        CHECK_STR(next->resolver, now->resolver);
    }
}

static void check_listener(const struct change *change, size_t number, const char *listen, bool left)
{
    CHECK_STR(change->next->server.listeners[number].listen, str_from(listen));
    CHECK_EQ(number < change->door_count && change->left[number], left);
}

TEST(listeners_keep_their_numbers)
{
    struct change change;

    begin(&change,
          "\"listeners\": [{\"listen\": \"127.0.0.1:80\", \"max_connection_age_hard\": \"9s\"},"
          " {\"listen\": \"127.0.0.1:81\"}, {\"listen\": \"127.0.0.1:82\"}]",
          "\"listeners\": [{\"listen\": \"127.0.0.1:83\"}, {\"listen\": \"127.0.0.1:82\"},"
          " {\"listen\": \"127.0.0.1:81\", \"proxy_protocol\": \"require\"}, {\"listen\": \"127.0.0.1:84\"}]");
    change.doors[2].gone = true; /* it was left out before: who asks for it again gets another number */
    take(&change);
    CHECK_EQ(change.next->server.listener_count, 4);
    check_listener(&change, 0, "127.0.0.1:80", true);
    check_listener(&change, 1, "127.0.0.1:81", false);
    check_listener(&change, 2, "127.0.0.1:82", true);
    check_listener(&change, 3, "127.0.0.1:83", false);
    CHECK_EQ(change.next->server.listeners[1].proxy_protocol, PROXY_REQUIRE);
    CHECK_EQ(change.report.warnings, 2); /* the fourth and fifth have no room */
    CHECK(strstr(change.report.first->text, "listener 127.0.0.1:82: needs a restart") != NULL);
}

/* A limit that rules ask for holds for those who are still inside. */
TEST(the_hard_age_of_a_listener_outlives_it)
{
    struct change change;

    begin(&change,
          "\"listeners\": [{\"listen\": \"127.0.0.1:80\", \"max_connection_age_hard\": \"9s\", \"proxy_protocol\": "
          "\"require\"}, {\"listen\": \"127.0.0.1:81\"}]",
          "\"listeners\": [{\"listen\": \"127.0.0.1:81\"}]");
    take(&change);
    check_listener(&change, 0, "127.0.0.1:80", true);
    CHECK_INT(change.next->server.listeners[0].max_age_hard_ns, INT64_C(9000000000));
    CHECK_EQ(change.next->server.listeners[0].proxy_protocol, PROXY_OFF);
    check_listener(&change, 1, "127.0.0.1:81", false);
}
