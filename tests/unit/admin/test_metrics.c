/* test_metrics.c: the text is OpenMetrics, the numbers are there and add up. SPDX-License-Identifier: Apache-2.0 */
#include "openmetrics.h"
#include "os/thread.h"
#include "view_stage.h"

static struct str metrics(struct view_stage *stage)
{
    struct page page = view_stage_page(stage, "GET", "/metrics");

    CHECK_EQ(page.status, 200);
    openmetrics_check(page.body);
    return page.body;
}

TEST(a_gateway_that_has_done_nothing_has_metrics)
{
    struct view_stage stage;
    struct str text;

    view_stage_open(&stage);
    text = metrics(&stage);
    CHECK_EQ(openmetrics_sum(text, "holdfast_requests_total"), 0);
    CHECK_EQ(openmetrics_value(text, "holdfast_uptime_seconds"), 61);
    CHECK_EQ(openmetrics_value(text, "holdfast_workers"), STAGE_WORKERS);
    CHECK_EQ(openmetrics_value(text, "holdfast_build_info{version=\"" HOLDFAST_VERSION "\"}"), 1);
    CHECK(openmetrics_value(text, "process_resident_memory_bytes") > 0);
    view_stage_close(&stage);
}

TEST(requests_are_told_by_endpoint_method_and_status)
{
    struct view_stage stage;
    struct str text;

    view_stage_open(&stage);
    view_stage_answers(&stage, 0, "/users/{id}", 200, 3);
    view_stage_answers(&stage, 2, "/users/{id}", 200, 4);
    view_stage_answers(&stage, 1, "/users/{id}", 999, 1);
    view_stage_answers(&stage, 1, "/all/*", 499, 2);
    view_stage_answers(&stage, 1, "/__health", 200, 5);
    view_stage_answers(&stage, 1, "unrouted", 404, 6);
    text = metrics(&stage);
    CHECK_EQ(openmetrics_value(text, "holdfast_requests_total{endpoint=\"/users/{id}\",method=\"GET\",status=\"200\"}"),
             7);
    CHECK_EQ(openmetrics_value(text, "holdfast_requests_total{endpoint=\"/users/{id}\",method=\"GET\",status=\"999\"}"),
             1);
    CHECK_EQ(openmetrics_value(text, "holdfast_requests_total{endpoint=\"/all/*\",method=\"*\",status=\"499\"}"), 2);
    CHECK_EQ(openmetrics_value(text, "holdfast_requests_total{endpoint=\"/__health\",method=\"GET\",status=\"200\"}"),
             5);
    CHECK_EQ(openmetrics_value(text, "holdfast_requests_total{endpoint=\"unrouted\",method=\"*\",status=\"404\"}"), 6);
    CHECK_EQ(openmetrics_sum(text, "holdfast_requests_total"), 21);
    view_stage_close(&stage);
}

/* What one worker may have counted by now: each connection is opened, then lent or idle, then closed. */
static void count_host(struct host_counts *counts, uint64_t seed)
{
    counts->requests_reused = 100 * seed;
    view_stage_new(counts, REASON_COLD, seed);
    view_stage_new(counts, REASON_PEER_CLOSE_IDLE, 6 * seed);
    counts->connections_opened = 9 * seed;
    counts->opened_by_ipv4 = 8 * seed;
    counts->opened_by_ipv6 = seed;
    view_stage_closed(counts, REASON_PEER_CLOSE_IDLE, SIDE_PEER, 2 * seed);
    view_stage_closed(counts, REASON_CLIENT_ABORT, SIDE_OURS, seed);
    view_stage_closed(counts, REASON_CLIENT_ABORT, SIDE_PEER, seed);
    counts->idle = 3 * seed;
    counts->active = 2 * seed;
    counts->dialing = seed;
    counts->stale = seed + 1;
    counts->closed_idle = 2 * seed;
    counts->stale_in_use[STALE_BY_EOF] = 5 * seed;
    view_stage_resent(counts, RESEND_IDEMPOTENT, seed);
    view_stage_resent(counts, RESEND_UNREAD, 2);
    counts->dial_failures = seed + 3;
    counts->failures = seed + 4;
}

TEST(numbers_are_conserved)
{
    static const char *const urls[] = {"http://a.test:8001", "http://b.test"};
    struct view_stage stage;
    struct str text;

    view_stage_open(&stage);
    for (unsigned worker = 0; worker < STAGE_WORKERS; worker++) {
        for (unsigned i = 0; i < COUNT_OF(urls); i++)
            count_host(view_stage_host(&stage, worker, urls[i]), worker + 10 * i + 1);
        stage.workers[worker].counts.connections_opened = 50 + worker;
        stage.workers[worker].counts.connections_closed = 20 + worker;
        view_stage_answers(&stage, worker, "/users/{id}", 200 + worker, 8);
    }
    text = metrics(&stage);
    for (unsigned i = 0; i < COUNT_OF(urls); i++) {
        uint64_t seeds = 6 + 30 * i;
        struct str host = arena_format(test_arena(), "host=\"%s\"", urls[i]);
        const struct {
            const char *name, *label;
            uint64_t number;
        } rows[] = {
            {"requests_total", ",conn=\"reused\"", 100 * seeds},
            {"requests_total", ",conn=\"new\"", 7 * seeds},
            {"connections_opened_total", "", 9 * seeds},
            {"connects_total", ",family=\"ipv4\"", 8 * seeds},
            {"connects_total", ",family=\"ipv6\"", seeds},
            {"connections_closed_total", "", 4 * seeds},
            {"connections", ",state=\"idle\"", 3 * seeds},
            {"connections", ",state=\"active\"", 2 * seeds},
            {"connections", ",state=\"dialing\"", seeds},
            {"stale_total", ",phase=\"check\"", seeds + 3},
            {"stale_total", ",phase=\"idle\"", 2 * seeds},
            {"stale_total", ",phase=\"eof\"", 5 * seeds},
            {"resends_total", ",evidence=\"idempotent\",outcome=\"answered\"", seeds},
            {"resends_total", ",evidence=\"unread\",outcome=\"answered\"", 6},
            {"new_connections_total", ",reason=\"cold\"", seeds},
            {"new_connections_total", ",reason=\"peer_close_idle\"", 6 * seeds},
            {"closes_total", ",reason=\"peer_close_idle\",side=\"peer\"", 2 * seeds},
            {"closes_total", ",reason=\"client_abort\",side=\"ours\"", seeds},
            {"closes_total", ",reason=\"client_abort\",side=\"peer\"", seeds},
            {"dial_failures_total", "", seeds + 9},
            {"failures_total", "", seeds + 12},
        };

        for (size_t k = 0; k < COUNT_OF(rows); k++) {
            struct str series =
                arena_format(test_arena(), "holdfast_upstream_%s{%s%s}", rows[k].name, host.data, rows[k].label);

            test_case_is("%s", series.data);
            CHECK_EQ(openmetrics_value(text, series.data), rows[k].number);
        }
    }
    CHECK_EQ(openmetrics_sum(text, "holdfast_upstream_connections_opened_total"),
             openmetrics_sum(text, "holdfast_upstream_connections_closed_total") + 5 * (6 + 36));
    CHECK_EQ(openmetrics_sum(text, "holdfast_upstream_new_connections_total"), 7 * (6 + 36));
    CHECK_EQ(openmetrics_sum(text, "holdfast_upstream_closes_total"),
             openmetrics_sum(text, "holdfast_upstream_connections_closed_total"));
    CHECK_EQ(openmetrics_sum(text, "holdfast_client_connections_opened_total"), 153);
    CHECK_EQ(openmetrics_sum(text, "holdfast_client_connections_opened_total"),
             openmetrics_sum(text, "holdfast_client_connections_closed_total") +
                 openmetrics_sum(text, "holdfast_client_connections"));
    CHECK_EQ(openmetrics_sum(text, "holdfast_requests_total"), 24);
    view_stage_close(&stage);
}

static const char two_doors[] =
    "{\"version\": 3, \"endpoints\": [{\"endpoint\": \"/a\","
    "\"backend\": [{\"host\": [\"http://a.test\"]}]}], \"extra_config\": {\"holdfast/server\": "
    "{\"listeners\": [{\"listen\": \"127.0.0.1:0\"}, {\"listen\": \"unix:/run/a.sock\"},"
    "{\"listen\": \"127.0.0.1:0\"}]}}}";

/* What is counted in one place and not yet in another is settled: never more than were opened and not closed. */
TEST(client_connections_are_told_by_listener_and_state)
{
    static const char *const series[] = {"holdfast_client_connections{listener=\"127.0.0.1:0\",state=\"idle\"}",
                                         "holdfast_client_connections{listener=\"127.0.0.1:0\",state=\"active\"}",
                                         "holdfast_client_connections{listener=\"unix:/run/a.sock\",state=\"idle\"}",
                                         "holdfast_client_connections{listener=\"unix:/run/a.sock\",state=\"active\"}"};
    static const struct {
        const char *name;
        uint64_t opened, closed, open[3], busy[3], told[COUNT_OF(series)];
    } rows[] = {
        {"none", 0, 0, {0}, {0}, {0}},
        {"listeners that are written alike are one", 30, 10, {5, 8, 7}, {1, 8, 2}, {9, 3, 0, 8}},
        {"one is closed in the totals alone", 30, 11, {5, 8, 7}, {5, 8, 7}, {0, 11, 0, 8}},
        {"one is opened in the totals alone", 31, 10, {5, 8, 7}, {5, 8, 7}, {1, 12, 0, 8}},
        {"all have gone in the totals", 30, 30, {5, 8, 7}, {5, 8, 7}, {0, 0, 0, 0}},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct view_stage stage;
        struct str text;

        test_case_is("%s", rows[i].name);
        view_stage_open_with(&stage, two_doors);
        stage.workers[1].counts.connections_opened = rows[i].opened;
        stage.workers[1].counts.connections_closed = rows[i].closed;
        for (size_t door = 0; door < 3; door++) {
            stage.workers[1].open_by[door] = rows[i].open[door];
            stage.workers[1].busy_by[door] = rows[i].busy[door];
        }
        text = metrics(&stage);
        for (size_t k = 0; k < COUNT_OF(series); k++)
            CHECK_EQ(openmetrics_value(text, series[k]), rows[i].told[k]);
        CHECK_EQ(openmetrics_sum(text, "holdfast_client_connections"), rows[i].opened - rows[i].closed);
        view_stage_close(&stage);
    }
}

TEST(handshakes_of_both_sides_are_told)
{
    struct view_stage stage;
    struct str text;

    view_stage_open(&stage);
    view_stage_host(&stage, 0, "http://a.test:8001")->handshakes_full = 2;
    view_stage_host(&stage, 2, "http://a.test:8001")->handshakes_resumed = 5;
    view_stage_host(&stage, 1, "http://b.test")->handshakes_full = 1;
    stage.workers[1].tls_counts.counts[TLS_COUNT_FULL] = 7;
    stage.workers[2].tls_counts.counts[TLS_COUNT_RESUMED] = 9;
    text = metrics(&stage);
    CHECK_EQ(openmetrics_value(text, "holdfast_tls_handshakes_total{side=\"host\",resumed=\"false\"}"), 3);
    CHECK_EQ(openmetrics_value(text, "holdfast_tls_handshakes_total{side=\"host\",resumed=\"true\"}"), 5);
    CHECK_EQ(openmetrics_value(text, "holdfast_tls_handshakes_total{side=\"client\",resumed=\"false\"}"), 7);
    CHECK_EQ(openmetrics_value(text, "holdfast_tls_handshakes_total{side=\"client\",resumed=\"true\"}"), 9);
    view_stage_close(&stage);
}

TEST(times_of_closed_clients_have_the_bounds_of_all_times)
{
    struct view_stage stage;
    struct str text;

    view_stage_open(&stage);
    stage.workers[0].counts.dwell_by[1] = 2;
    stage.workers[2].counts.dwell_by[SECONDS_BOUNDS] = 1;
    stage.workers[2].counts.dwell_ms = 4000500;
    text = metrics(&stage);
    CHECK_EQ(openmetrics_value(text, "holdfast_client_connection_seconds_bucket{le=\"0.005\"}"), 0);
    CHECK_EQ(openmetrics_value(text, "holdfast_client_connection_seconds_bucket{le=\"0.01\"}"), 2);
    CHECK_EQ(openmetrics_value(text, "holdfast_client_connection_seconds_bucket{le=\"3600.0\"}"), 2);
    CHECK_EQ(openmetrics_value(text, "holdfast_client_connection_seconds_bucket{le=\"+Inf\"}"), 3);
    CHECK_EQ(openmetrics_value(text, "holdfast_client_connection_seconds_count"), 3);
    CHECK(str_find(text, STR("\nholdfast_client_connection_seconds_sum 4000.5\n")) < text.len);
    view_stage_close(&stage);
}

/* A worker that opens and closes as fast as it can, at most one client and one host connection at a time. */
struct counting {
    struct frontend_counts *client;
    struct host_counts *host;
    _Atomic bool stop;
};

static void run_counting(void *arg)
{
    struct counting *counting = arg;

    while (!counting->stop) {
        host_count_add(&counting->client->connections_opened, 1);
        host_count_add(&counting->host->connections_opened, 1);
        host_count_add(&counting->host->active, 1);
        view_stage_new(counting->host, REASON_COLD, 1);
        host_count_add(&counting->host->active, -1);
        view_stage_closed(counting->host, REASON_KEEP_ALIVE_OFF, SIDE_OURS, 1);
        host_count_add(&counting->client->connections_closed, 1);
    }
}

TEST(numbers_make_sense_while_a_worker_counts)
{
    enum { LOOKS = 300 };
    struct view_stage stage;
    struct counting counting = {0};
    struct thread *thread;
    struct error err;

    view_stage_open(&stage);
    counting.client = &stage.workers[1].counts;
    counting.host = view_stage_host(&stage, 1, "http://b.test");
    thread = thread_start("counting", -1, run_counting, &counting, &err);
    CHECK(thread != NULL);
    for (unsigned i = 0; i < LOOKS; i++) {
        struct str text = view_stage_page(&stage, "GET", "/metrics").body;
        uint64_t opened = openmetrics_value(text, "holdfast_client_connections_opened_total");

        CHECK(opened >= openmetrics_value(text, "holdfast_client_connections_closed_total"));
        CHECK_EQ(opened, openmetrics_value(text, "holdfast_client_connections_closed_total") +
                             openmetrics_sum(text, "holdfast_client_connections"));
        CHECK_EQ(openmetrics_sum(text, "holdfast_upstream_connections_opened_total"),
                 openmetrics_sum(text, "holdfast_upstream_connections_closed_total") +
                     openmetrics_sum(text, "holdfast_upstream_connections"));
        CHECK(openmetrics_sum(text, "holdfast_upstream_connections") <= 1);
        CHECK_EQ(openmetrics_value(text, "holdfast_upstream_requests_total{host=\"http://b.test\",conn=\"new\"}"),
                 openmetrics_sum(text, "holdfast_upstream_new_connections_total"));
        CHECK_EQ(openmetrics_sum(text, "holdfast_upstream_connections_closed_total"),
                 openmetrics_sum(text, "holdfast_upstream_closes_total"));
    }
    counting.stop = true;
    thread_join(thread);
    view_stage_close(&stage);
}

TEST(label_values_are_escaped)
{
    struct view_stage stage;
    struct str text;

    view_stage_open_with(&stage, "{\"version\": 3, \"endpoints\": [{\"endpoint\": \"/say/\\\"hi\\\"/caf\xc3\xa9\","
                                 "\"backend\": [{\"host\": [\"http://a.test\"]}]}]}");
    view_stage_answers(&stage, 0, "/say/\"hi\"/caf\xc3\xa9", 200, 1);
    text = metrics(&stage);
    CHECK_EQ(openmetrics_value(text, "holdfast_requests_total{endpoint=\"/say/\\\"hi\\\"/caf\xc3\xa9\",method=\"GET\","
                                     "status=\"200\"}"),
             1);
    view_stage_close(&stage);
}

TEST(backslashes_and_line_feeds_of_labels_are_escaped)
{
    struct view_stage stage;
    struct endpoint *endpoint;
    struct str text;

    view_stage_open(&stage);
    /* No configuration may bring such a label today; the text must be right all the same. */
    endpoint = (struct endpoint *)(uintptr_t)generation_endpoint(stage.generation, 0);
    endpoint->label = STR("\n\\\"\\n\n");
    view_stage_answers(&stage, 0, "\n\\\"\\n\n", 200, 1);
    text = metrics(&stage);
    CHECK(str_find(text, STR("{endpoint=\"\\n\\\\\\\"\\\\n\\n\",method=")) < text.len);
    view_stage_close(&stage);
}

TEST(metrics_of_many_hosts_and_endpoints_are_whole)
{
    enum { HOSTS = 4000 };
    struct view_stage stage;
    struct str text;

    view_stage_open(&stage);
    for (unsigned i = 2; i < HOSTS; i++)
        count_host(view_stage_host(&stage, i % STAGE_WORKERS,
                                   arena_format(test_arena(), "http://host-%u.example.test:8080", i).data),
                   1);
    for (unsigned status = 100; status < STATUS_SLOTS; status++)
        view_stage_answers(&stage, status % STAGE_WORKERS, "/users/{id}", status, 1);
    text = metrics(&stage);
    CHECK_EQ(openmetrics_sum(text, "holdfast_upstream_requests_total"), (HOSTS - 2) * 107);
    CHECK_EQ(openmetrics_sum(text, "holdfast_requests_total"), STATUS_SLOTS - 100);
    view_stage_close(&stage);
}
