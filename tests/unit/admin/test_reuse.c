/* test_reuse.c: dwell times, the learned limit and what-if tables as pages show them; and whether sums add up.
 * SPDX-License-Identifier: Apache-2.0 */
#include "admin/conservation.h"
#include "openmetrics.h"
#include "upstream/watch.h"
#include "view_stage.h"

#include "json/json.h"
#include <stdlib.h>

#define SEC  UINT64_C(1000000000)
#define HOST "{host=\"http://a.test:8001\""

static struct watch_stats *watch_of(struct view_stage *stage, unsigned worker)
{
    struct host_counts *counts = view_stage_host(stage, worker, "http://a.test:8001");
    struct watch_stats *stats = watch_new();

    CHECK(stats != NULL);
    atomic_store(&counts->watch, stats); /* the host's from here */
    return stats;
}

static struct json first_host(struct view_stage *stage, const char *path)
{
    struct json_error err;
    struct json_doc *doc = arena_make(test_arena(), struct json_doc);

    CHECK(json_parse(test_arena(), view_stage_page(stage, "GET", path).body, &(struct json_options){0}, doc, &err));
    return json_element(json_member(json_root(doc), STR("hosts")), 0);
}

static void check_raw(struct json object, const char *name, const char *raw)
{
    CHECK_STR(json_raw(json_member(object, str_from(name))), str_from(raw));
}

TEST(histograms_add_up_the_workers)
{
    struct view_stage stage;
    struct str text;

    view_stage_open(&stage);
    for (int i = 0; i < 3; i++)
        dwell_note(&watch_of(&stage, (unsigned)i)->dwell, DWELL_REUSE, (uint64_t)(i + 1) * SEC);
    text = view_stage_page(&stage, "GET", "/metrics").body;
    openmetrics_check(text);
    CHECK_EQ(openmetrics_value(text, "holdfast_upstream_idle_at_reuse_seconds_bucket" HOST ",le=\"0.75\"}"), 0);
    CHECK_EQ(openmetrics_value(text, "holdfast_upstream_idle_at_reuse_seconds_bucket" HOST ",le=\"2.5\"}"), 2);
    CHECK_EQ(openmetrics_value(text, "holdfast_upstream_idle_at_reuse_seconds_bucket" HOST ",le=\"5.0\"}"), 3);
    CHECK_EQ(openmetrics_value(text, "holdfast_upstream_idle_at_reuse_seconds_bucket" HOST ",le=\"+Inf\"}"), 3);
    CHECK_EQ(openmetrics_value(text, "holdfast_upstream_idle_at_reuse_seconds_count" HOST "}"), 3);
    CHECK(str_find(text, STR("\nholdfast_upstream_idle_at_reuse_seconds_sum" HOST "} 6\n")) < text.len);
    /* Nobody closed one. */
    CHECK(str_find(text, STR("holdfast_upstream_idle_at_close_seconds_bucket")) == text.len);
    view_stage_close(&stage);
}

TEST(requests_of_a_connection_are_told_as_numbers)
{
    struct view_stage stage;
    struct watch_stats *stats;
    struct str text;

    view_stage_open(&stage);
    stats = watch_of(&stage, 0);
    dwell_note(&stats->dwell, DWELL_REQUESTS, 1 * DWELL_ONE);
    dwell_note(&stats->dwell, DWELL_REQUESTS, 5 * DWELL_ONE);
    dwell_note(&stats->dwell, DWELL_REQUESTS, 6 * DWELL_ONE);
    text = view_stage_page(&stage, "GET", "/metrics").body;
    CHECK_EQ(openmetrics_value(text, "holdfast_upstream_connection_requests_bucket" HOST ",le=\"1.0\"}"), 1);
    CHECK_EQ(openmetrics_value(text, "holdfast_upstream_connection_requests_bucket" HOST ",le=\"5.0\"}"), 2);
    CHECK(str_find(text, STR("\nholdfast_upstream_connection_requests_sum" HOST "} 12\n")) < text.len);
    view_stage_close(&stage);
}

TEST(pools_tell_dwell_times)
{
    struct view_stage stage;
    struct watch_stats *stats;
    struct json dwell;

    view_stage_open(&stage);
    stats = watch_of(&stage, 0);
    for (int i = 0; i < 10; i++)
        dwell_note(&stats->dwell, DWELL_CLOSE_PEER, 5 * SEC);
    dwell = json_member(json_member(first_host(&stage, "/v1/pools"), STR("dwell")), STR("idle_at_close_peer"));
    check_raw(dwell, "count", "10");
    check_raw(dwell, "mean", "5");
    dwell = json_member(json_member(first_host(&stage, "/v1/pools"), STR("dwell")), STR("idle_at_reuse"));
    check_raw(dwell, "count", "0");
    check_raw(dwell, "p99", "0");
    view_stage_close(&stage);
}

TEST(pools_tell_what_is_learned)
{
    struct view_stage stage;
    struct host *host;
    struct json learner;

    view_stage_open(&stage);
    host = hosts_at(stage.hosts, 0);
    learner = json_member(first_host(&stage, "/v1/pools"), STR("learner"));
    check_raw(learner, "kind", "\"unknown\"");
    check_raw(learner, "learned_seconds", "null");
    check_raw(learner, "hint_seconds", "null");
    check_raw(learner, "usable_seconds", "4");
    check_raw(learner, "any_request_seconds", "1");
    for (int i = 0; i < 5; i++)
        (void)idle_limit_closed(host->idle_limit, &(struct idle_end){.now_ns = (uint64_t)(i + 1) * 100 * SEC,
                                                                     .idle_ns = 5 * SEC,
                                                                     .age_ns = (uint64_t)(i + 1) * 10 * SEC});
    CHECK(idle_limit_hint(host->idle_limit, 60, -1));
    learner = json_member(first_host(&stage, "/v1/pools"), STR("learner"));
    check_raw(learner, "kind", "\"learned\"");
    check_raw(learner, "learned_seconds", "5");
    check_raw(learner, "hint_seconds", "60");
    check_raw(learner, "closes", "5");
    view_stage_close(&stage);
}

TEST(what_if_is_a_ratio_for_each_cap_and_timeout)
{
    struct view_stage stage;
    struct watch_stats *stats;
    struct json table, row;

    view_stage_open(&stage);
    stats = watch_of(&stage, 1);
    whatif_take(&stats->whatif, SEC, 1, 1);
    whatif_push(&stats->whatif, 2 * SEC);
    whatif_take(&stats->whatif, 5 * SEC, 1, 1); /* 3 s */
    table = json_member(first_host(&stage, "/v1/pools"), STR("what_if"));
    check_raw(table, "requests", "2");
    check_raw(table, "caps", "[1,2,4,8,16,32,64,128,250,1024]");
    check_raw(table, "idle_seconds", "[0.01,0.1,0.5,1,2,5,10,15,30,60,90,300,3600,null]");
    row = json_element(json_member(table, STR("reuse_ratio")), 0);
    CHECK_TEXT(json_raw(row), "[0,0,0,0,0,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5]");
    table = json_member(first_host(&stage, "/v1/whatif"), STR("what_if"));
    CHECK_EQ(json_count(json_member(table, STR("reuse_ratio"))), WHATIF_CAPS);
    CHECK_EQ(json_count(json_element(json_member(table, STR("reuse_ratio")), 31)), WHATIF_TIMES);
    view_stage_close(&stage);
}

TEST(what_stays_missing_is_a_mismatch)
{
    struct conservation *conservation = conservation_new();
    struct view_stage stage;
    struct host_counts *counts;
    uint64_t now_ns = 0;

    view_stage_open(&stage);
    counts = view_stage_host(&stage, 1, "http://a.test:8001");
    counts->connections_opened = 3;
    counts->moved_in = 2;
    counts->moved_out = 1;
    counts->idle = 3;
    view_stage_closed(counts, REASON_AGE, SIDE_OURS, 1);
    for (int i = 0; i < 5; i++)
        conservation_check(conservation, stage.hosts, STAGE_WORKERS, now_ns += SEC);
    CHECK_EQ(conservation_mismatches(conservation), 0);
    counts->requests_new++;
    conservation_check(conservation, stage.hosts, STAGE_WORKERS, now_ns += SEC);
    conservation_check(conservation, stage.hosts, STAGE_WORKERS, now_ns += SEC);
    conservation_check(conservation, stage.hosts, STAGE_WORKERS, now_ns + 1); /* too soon to be a look */
    CHECK_EQ(conservation_mismatches(conservation), 0);
    conservation_check(conservation, stage.hosts, STAGE_WORKERS, now_ns += SEC);
    CHECK_EQ(conservation_mismatches(conservation), 1);
    view_stage_close(&stage);
    conservation_free(conservation);
}

/* Between two counts of one event a sum is off by one, now here, now there. */
TEST(what_is_missing_for_a_moment_is_none)
{
    struct conservation *conservation = conservation_new();
    struct view_stage stage;
    struct host_counts *counts;

    view_stage_open(&stage);
    counts = view_stage_host(&stage, 0, "http://b.test");
    for (uint64_t i = 1; i < 20; i++) {
        counts->active = i % 3 == 0 ? 0 : i % 3;
        conservation_check(conservation, stage.hosts, STAGE_WORKERS, i * SEC);
    }
    CHECK_EQ(conservation_mismatches(conservation), 0);
    conservation_check(NULL, stage.hosts, STAGE_WORKERS, SEC);
    CHECK_EQ(conservation_mismatches(NULL), 0);
    view_stage_close(&stage);
    conservation_free(conservation);
}
