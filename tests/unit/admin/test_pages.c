/* test_pages.c: which page answers what, and the JSON of status and pools. SPDX-License-Identifier: Apache-2.0 */
#include "view_stage.h"

#include "json/json.h"

static const struct json_doc *parse(struct str text)
{
    struct json_doc *doc = arena_make(test_arena(), struct json_doc);
    struct json_error err;

    CHECK(doc != NULL);
    if (!json_parse(test_arena(), text, &(struct json_options){0}, doc, &err))
        test_fail(__FILE__, __LINE__, "%s at %u of %.*s", err.text, err.at, STR_ARG(text));
    return doc;
}

static void check_number(struct json object, const char *name, const char *expected)
{
    struct json member = json_member(object, str_from(name));

    test_case_is("%s", name);
    CHECK(json_exists(member));
    CHECK_STR(json_raw(member), str_from(expected));
}

TEST(each_path_has_its_page)
{
    static const struct {
        const char *method, *path, *type;
        uint16_t status;
        bool draining;
    } cases[] = {
        {"GET", "/", "text/html; charset=utf-8", 200, false},
        {"GET", "/v1/status", "application/json", 200, false},
        {"GET", "/v1/status?pretty=1", "application/json", 200, false},
        {"HEAD", "/v1/status", "application/json", 200, false},
        {"GET", "/v1/pools", "application/json", 200, false},
        {"GET", "/metrics", "application/openmetrics-text; version=1.0.0; charset=utf-8", 200, false},
        {"GET", "/metrics?", "application/openmetrics-text; version=1.0.0; charset=utf-8", 200, true},
        {"GET", "/livez", "text/plain; charset=utf-8", 200, false},
        {"GET", "/livez", "text/plain; charset=utf-8", 200, true},
        {"GET", "/readyz", "text/plain; charset=utf-8", 200, false},
        {"GET", "/readyz", "text/plain; charset=utf-8", 503, true},
        {"GET", "", "text/plain; charset=utf-8", 404, false},
        {"GET", "*", "text/plain; charset=utf-8", 404, false},
        {"GET", "/v1", "text/plain; charset=utf-8", 404, false},
        {"GET", "/v1/status/", "text/plain; charset=utf-8", 404, false},
        {"GET", "/V1/STATUS", "text/plain; charset=utf-8", 404, false},
        {"GET", "/v1/config", "application/json", 200, false},
        {"GET", "/v1/drain", "text/plain; charset=utf-8", 405, false},
        {"HEAD", "/v1/reload", "text/plain; charset=utf-8", 405, false},
        {"GET", "/v1/pools:flush", "text/plain; charset=utf-8", 405, false},
        {"POST", "/v1/drain", "text/plain; charset=utf-8", 503, false}, /* nobody is there who drains */
        {"POST", "/v1/reload", "text/plain; charset=utf-8", 503, false},
        {"POST", "/v1/config", "text/plain; charset=utf-8", 405, false},
        {"POST", "/v1/status", "text/plain; charset=utf-8", 405, false},
        {"DELETE", "/nothing", "text/plain; charset=utf-8", 405, false},
        {"get", "/", "text/plain; charset=utf-8", 405, false},
    };
    struct view_stage stage;

    view_stage_open(&stage);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct page page;

        test_case_is("%s %s", cases[i].method, cases[i].path);
        stage.draining = cases[i].draining;
        page = view_stage_page(&stage, cases[i].method, cases[i].path);
        CHECK_EQ(page.status, cases[i].status);
        CHECK_STR(page.type, str_from(cases[i].type));
        CHECK(page.body.len > 0);
        CHECK_INT(page.allow.len > 0, page.status == 405);
    }
    view_stage_close(&stage);
}

/* A drain is begun once, by POST, and for no page of a browser that is not ours. */
TEST(a_command_changes_something_only_when_it_is_one)
{
    static const struct {
        const char *method, *origin;
        uint16_t status;
        bool draining, drains;
    } cases[] = {
        {"POST", NULL, 202, false, true},
        {"POST", NULL, 200, true, false},
        {"POST", "http://elsewhere.test", 403, false, false},
        {"POST", "null", 403, false, false},
        {"GET", NULL, 405, false, false},
        {"PUT", NULL, 405, false, false},
    };
    struct task drain = {0};
    struct view_stage stage;

    view_stage_open(&stage);
    stage.view.drain = &drain;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct http_head request = {.method = str_from(cases[i].method), .path = STR("/v1/drain")};
        struct page page;

        test_case_is("%s %s %d", cases[i].method, cases[i].origin ? cases[i].origin : "-", cases[i].draining);
        if (cases[i].origin)
            CHECK(headers_add(&request.headers, test_arena(), STR("Origin"), str_from(cases[i].origin)));
        stage.draining = cases[i].draining;
        page_make(test_arena(), &stage.view, &request, 0, &page);
        CHECK_EQ(page.status, cases[i].status);
        CHECK_EQ(page.drains, cases[i].drains);
        if (page.status == 405)
            CHECK_TEXT(page.allow, "POST");
        if (page.status / 100 == 2)
            CHECK_TEXT(page.body, "{\"draining\":true}\n");
    }
    view_stage_close(&stage);
}

static const char two_listeners[] =
    "{\"version\": 3, \"extra_config\": {\"holdfast/server\": {\"listeners\": [{\"listen\": \"127.0.0.1:0\"},"
    "{\"listen\": \"unix:/run/a.sock\"}, {\"listen\": \"127.0.0.1:0\"}]}},"
    "\"endpoints\": [{\"endpoint\": \"/x\", \"extra_config\": {\"holdfast/answer\": {\"body\": \"x\"}}}]}";

/* One listener is drained when it is clear which one, and nothing is when it is not clear what is asked for. */
TEST(a_drain_of_a_listener_names_it)
{
    static const struct {
        const char *path;
        uint16_t status;
        int drains; /* number of the listener; -1: none */
    } cases[] = {
        {"/v1/drain?listener=127.0.0.1:8001", 202, 0},
        {"/v1/drain?listener=127.0.0.1:8003", 202, 2},
        {"/v1/drain?listener=127.0.0.1%3A8003", 202, 2},
        {"/v1/drain?listener=unix:/run/a.sock", 202, 1},
        {"/v1/drain?listener=127.0.0.1:0", 409, -1},
        {"/v1/drain?listener=127.0.0.1:8004", 404, -1},
        {"/v1/drain?listener=", 400, -1},
        {"/v1/drain?listener", 400, -1},
        {"/v1/drain?listener=%2", 400, -1},
        {"/v1/drain?listner=127.0.0.1:8001", 400, -1},
        {"/v1/drain?x", 400, -1},
    };
    struct task task = {0};
    struct view_stage stage;
    struct page page;

    view_stage_open_with(&stage, two_listeners);
    stage.view.drain = stage.view.drain_listeners = &task;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        test_case_is("%s", cases[i].path);
        page = view_stage_page(&stage, "POST", cases[i].path);
        CHECK_EQ(page.status, cases[i].status);
        CHECK(!page.drains);
        CHECK_INT(page.drains_listener, cases[i].drains >= 0);
        if (page.drains_listener)
            CHECK_EQ(page.listener, cases[i].drains);
    }
    test_case_is("again");
    stage.listeners[1].state = LISTENER_DRAINING;
    page = view_stage_page(&stage, "POST", "/v1/drain?listener=unix:/run/a.sock");
    CHECK_EQ(page.status, 200);
    CHECK(!page.drains_listener);
    test_case_is("readiness is of the whole");
    CHECK_EQ(view_stage_page(&stage, "GET", "/readyz").status, 200);
    view_stage_close(&stage);
}

TEST(the_status_tells_of_each_listener)
{
    struct view_stage stage;
    struct page page;

    view_stage_open_with(&stage, two_listeners);
    stage.workers[0].open_by[2] = 3;
    stage.workers[2].open_by[2] = 4;
    stage.listeners[2].state = LISTENER_DRAINING;
    page = view_stage_page(&stage, "GET", "/v1/status");
    CHECK_STR(json_raw(json_member(json_root(parse(page.body)), STR("listeners"))),
              STR("[{\"listen\":\"127.0.0.1:0\",\"address\":\"127.0.0.1:8001\",\"connections\":0,\"draining\":false},"
                  "{\"listen\":\"unix:/run/a.sock\",\"address\":\"127.0.0.1:8002\",\"connections\":0,"
                  "\"draining\":false},"
                  "{\"listen\":\"127.0.0.1:0\",\"address\":\"127.0.0.1:8003\",\"connections\":7,\"draining\":true}]"));
    page = view_stage_page(&stage, "GET", "/metrics");
    CHECK(str_find(page.body, STR("\nholdfast_listener_draining{listener=\"127.0.0.1:0\"} 1\n")) < page.body.len);
    view_stage_close(&stage);
}

static void check_setting(struct json settings, const char *path, const char *value, const char *from)
{
    for (struct json row = json_first(settings); json_exists(row); row = json_after(settings, row))
        if (str_eq(json_string(test_arena(), json_member(row, STR("path"))), str_from(path))) {
            test_case_is("%s", path);
            CHECK_STR(json_raw(json_member(row, STR("value"))), str_from(value));
            CHECK_STR(json_string(test_arena(), json_member(row, STR("from"))), str_from(from));
            return;
        }
    test_fail(__FILE__, __LINE__, "no row for %s", path);
}

TEST(the_configuration_is_told_as_it_counts)
{
    static const char text[] =
        "{\"version\": 3, \"timeout\": \"3s\",\n\"port\": \"8099\", \"host\": [\"http://a.test\"],\n"
        "\"endpoints\": [{\"endpoint\": \"/x\",\n\"backend\": [{\"url_pattern\": \"/y?a=1&api_key=z\",\n"
        "\"extra_config\": {\"holdfast/upstream\": {\"resend\": \"off\"},\n"
        "\"github.com/devopsfaith/krakend/http\": {\"return_error_code\": true}}}]}],\n"
        "\"extra_config\": {\"holdfast/server\": {\"profile\": \"krakend\", \"min_body_rate\": 77, \"preset\": "
        "\"gateway\"},\n"
        "\"telemetry/other\": {\"password\": \"p\", \"list\": [{\"name\": \"X-Auth-Token\", \"value\": \"v\"}]}}}";
    struct view_stage stage;
    struct json settings;

    view_stage_open_with(&stage, text);
    settings = json_member(json_root(parse(view_stage_page(&stage, "GET", "/v1/config").body)), STR("settings"));
    check_setting(settings, "timeout", "\"3s\"", "test.json:1");
    check_setting(settings, "port", "8099", "test.json:2");
    check_setting(settings, "host", "[\"http://a.test\"]", "test.json:2");
    check_setting(settings, "max_idle_connections_per_host", "250", "default");
    check_setting(settings, "idle_connection_timeout", "\"0s\"", "default");
    check_setting(settings, "endpoints[0].endpoint", "\"/x\"", "test.json:3");
    check_setting(settings, "endpoints[0].timeout", "\"3s\"", "test.json:1");
    check_setting(settings, "endpoints[0].method", "\"GET\"", "default");
    check_setting(settings, "endpoints[0].backend[0].url_pattern", "\"/y?a=1\\u0026api_key=***\"", "test.json:4");
    check_setting(settings, "endpoints[0].backend[0].host", "[\"http://a.test\"]", "test.json:2");
    check_setting(settings, "endpoints[0].backend[0].extra_config.holdfast/upstream.resend", "\"off\"", "test.json:5");
    check_setting(settings, "endpoints[0].backend[0].extra_config.backend/http.return_error_code", "true",
                  "test.json:6");
    check_setting(settings, "extra_config.holdfast/upstream.resend", "\"idempotent\"", "default");
    check_setting(settings, "extra_config.holdfast/server.min_body_rate", "77", "test.json:7");
    check_setting(settings, "extra_config.holdfast/server.body_gap_timeout", "\"0s\"", "profile krakend");
    check_setting(settings, "idle_timeout", "\"1m0s\"", "preset gateway");
    check_setting(settings, "extra_config.holdfast/server.max_requests_per_connection", "1000", "preset gateway");
    check_setting(settings, "extra_config.holdfast/server.http2.max_streams", "100", "default");
    check_setting(settings, "extra_config.telemetry/other",
                  "{\"password\":\"***\",\"list\":[{\"name\":\"X-Auth-Token\",\"value\":\"***\"}]}", "test.json:8");
    view_stage_close(&stage);
}

TEST(status_tells_the_sums_of_all_workers)
{
    struct view_stage stage;
    struct json root;

    view_stage_open(&stage);
    stage.workers[0].counts.connections_opened = 10;
    stage.workers[0].counts.connections_closed = 4;
    stage.workers[2].counts.connections_opened = 5;
    view_stage_answers(&stage, 0, "/users/{id}", 200, 7);
    view_stage_answers(&stage, 1, "/users/{id}", 404, 2);
    root = json_root(parse(view_stage_page(&stage, "GET", "/v1/status").body));
    CHECK_STR(json_raw(json_member(root, STR("version"))), STR("\"" HOLDFAST_VERSION "\""));
    check_number(root, "workers", "3");
    check_number(root, "uptime_seconds", "61");
    check_number(root, "client_connections", "11");
    check_number(root, "requests", "9");
    check_number(root, "endpoints", "4"); /* two, /__health, and what matches nothing */
    check_number(root, "draining", "false");
    stage.draining = true;
    root = json_root(parse(view_stage_page(&stage, "GET", "/v1/status").body));
    check_number(root, "draining", "true");
    view_stage_close(&stage);
}

/* A worker may close what another look saw open: never "18446744073709551615 connections". */
TEST(no_number_falls_below_zero)
{
    struct view_stage stage;

    view_stage_open(&stage);
    stage.workers[0].counts.connections_opened = 4;
    stage.workers[0].counts.connections_closed = 5;
    check_number(json_root(parse(view_stage_page(&stage, "GET", "/v1/status").body)), "client_connections", "0");
    view_stage_close(&stage);
}

/* A worker was interrupted between two counts. */
TEST(a_connection_between_two_counts_is_active)
{
    static const struct {
        uint64_t opened, closed, idle, active;
        const char *shown_open, *shown_idle, *shown_active;
    } cases[] = {
        {5, 2, 1, 1, "3", "1", "2"}, /* given back, not yet idle */
        {5, 2, 2, 2, "3", "2", "1"}, /* lent, still idle */
        {5, 2, 4, 0, "3", "3", "0"},
        {1, 2, 1, 0, "0", "0", "0"}, /* closed since opened was read */
    };
    struct view_stage stage;

    view_stage_open(&stage);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct host_counts *counts = view_stage_host(&stage, 1, "http://a.test:8001");
        struct json host;

        counts->connections_opened = cases[i].opened;
        counts->ledger.closes_by[REASON_AGE][SIDE_OURS] = cases[i].closed;
        counts->idle = cases[i].idle;
        counts->active = cases[i].active;
        host = json_element(
            json_member(json_root(parse(view_stage_page(&stage, "GET", "/v1/pools").body)), STR("hosts")), 0);
        check_number(host, "open", cases[i].shown_open);
        check_number(host, "idle", cases[i].shown_idle);
        check_number(host, "active", cases[i].shown_active);
    }
    view_stage_close(&stage);
}

TEST(pools_tell_the_numbers_of_each_host)
{
    struct view_stage stage;
    struct host_counts *counts;
    struct json hosts, first, second;

    view_stage_open(&stage);
    counts = view_stage_host(&stage, 0, "http://a.test:8001");
    counts->requests_reused = 90;
    view_stage_new(counts, REASON_COLD, 1);
    view_stage_new(counts, REASON_IDLE_EXPIRED, 7);
    counts->connections_opened = 8;
    view_stage_closed(counts, REASON_IDLE_EXPIRED, SIDE_OURS, 3);
    view_stage_closed(counts, REASON_STALE_IN_USE, SIDE_PEER, 1);
    counts->idle = 3;
    counts->active = 1;
    counts->stale = 6;
    counts = view_stage_host(&stage, 2, "http://a.test:8001");
    counts->requests_reused = 1;
    view_stage_new(counts, REASON_COLD, 1);
    counts->connections_opened = 1;
    counts->idle = 1;
    counts->dialing = 2;
    counts->closed_idle = 8;
    view_stage_resent(counts, RESEND_NOTHING_LEFT, 4);
    counts->dial_failures = 5;
    counts->failures = 7;
    hosts = json_member(json_root(parse(view_stage_page(&stage, "GET", "/v1/pools").body)), STR("hosts"));
    CHECK_EQ(json_count(hosts), 2);
    first = json_element(hosts, 0);
    CHECK_TEXT(json_raw(json_member(first, STR("host"))), "\"http://a.test:8001\"");
    check_number(first, "open", "5");
    check_number(first, "idle", "4");
    check_number(first, "active", "1");
    check_number(first, "dialing", "2");
    check_number(first, "reused", "91");
    check_number(first, "new", "9");
    check_number(first, "stale", "6");
    check_number(first, "closed_idle", "8");
    check_number(first, "new_by", "{\"cold\":2,\"idle_expired\":7}");
    check_number(first, "closes",
                 "{\"idle_expired\":{\"ours\":3,\"peer\":0},\"stale_in_use\":{\"ours\":0,\"peer\":1}}");
    check_number(first, "resends_by", "{\"nothing_left\":4}");
    check_number(first, "resends", "4");
    check_number(first, "dial_failures", "5");
    check_number(first, "failures", "7");
    check_number(first, "reuse_ratio", "0.91");
    second = json_element(hosts, 1);
    CHECK_TEXT(json_raw(json_member(second, STR("host"))), "\"http://b.test\"");
    check_number(second, "open", "0");
    check_number(second, "reuse_ratio", "0"); /* not a division by zero */
    check_number(second, "new_by", "{}");
    check_number(second, "closes", "{}");
    check_number(second, "resends_by", "{}");
    view_stage_close(&stage);
}

/* A worker was interrupted between a total and its reason: the reasons decide, so that the sums hold. */
TEST(a_count_whose_reason_is_not_there_yet_does_not_show)
{
    struct view_stage stage;
    struct host_counts *counts;
    struct json host;

    view_stage_open(&stage);
    counts = view_stage_host(&stage, 1, "http://a.test:8001");
    counts->connections_opened = 3;
    counts->active = 2;
    view_stage_new(counts, REASON_COLD, 2);
    view_stage_closed(counts, REASON_AGE, SIDE_OURS, 1);
    counts->requests_new++;
    counts->connections_closed++;
    counts->resends++;
    host =
        json_element(json_member(json_root(parse(view_stage_page(&stage, "GET", "/v1/pools").body)), STR("hosts")), 0);
    check_number(host, "new", "2");
    check_number(host, "new_by", "{\"cold\":2}");
    check_number(host, "closes", "{\"age\":{\"ours\":1,\"peer\":0}}");
    check_number(host, "open", "2");
    check_number(host, "resends", "0");
    view_stage_close(&stage);
}

TEST(the_live_page_explains_every_reason)
{
    struct view_stage stage;
    struct str page;

    view_stage_open(&stage);
    page = view_stage_page(&stage, "GET", "/").body;
    for (int i = 0; i < REASONS; i++) {
        enum reason reason = (enum reason)i;
        struct str entry = arena_format(test_arena(), "\"%s\":\"%s\"", reason_name(reason), reason_text(reason));

        test_case_is("%s", reason_name(reason));
        CHECK(str_find(page, entry) < page.len);
    }
    view_stage_close(&stage);
}

TEST(many_hosts_fit_a_page)
{
    enum { HOSTS = 5000 };
    struct view_stage stage;
    struct json hosts;

    view_stage_open(&stage);
    for (unsigned i = 2; i < HOSTS; i++)
        view_stage_host(&stage, 0, arena_format(test_arena(), "http://host-%u.example.test:8080", i).data)->dialing = i;
    hosts = json_member(json_root(parse(view_stage_page(&stage, "GET", "/v1/pools").body)), STR("hosts"));
    CHECK_EQ(json_count(hosts), HOSTS);
    check_number(json_element(hosts, HOSTS - 1), "dialing", "4999");
    view_stage_close(&stage);
}

/* With less and less memory: the page is whole, or a 500 that says why. */
TEST(a_page_without_memory_is_an_error_not_a_half_page)
{
    static const char *const paths[] = {"/v1/status", "/v1/pools", "/v1/config", "/metrics", "/"};
    struct view_stage stage;

    view_stage_open(&stage);
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct http_head request = {.method = STR("GET"), .path = str_from(paths[i])};
        struct page whole = view_stage_page(&stage, "GET", paths[i]);
        unsigned failed = 0;

        for (size_t room = 0; room < 4 * whole.body.len; room += 97) {
            struct arena *arena = arena_new(NULL, room);
            struct page page;

            test_case_is("%s in %zu bytes", paths[i], room);
            CHECK(arena != NULL);
            page_make(arena, &stage.view, &request, 61000000000, &page);
            failed += page.status == 500;
            if (page.status == 500)
                CHECK_TEXT(page.body, "no memory for the page\n");
            else
                CHECK_EQ(page.body.len / 64, whole.body.len / 64); /* the resident memory may gain a digit */
            arena_free(arena);
        }
        CHECK(failed > 0);
    }
    view_stage_close(&stage);
}
