/* view_stage.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "view_stage.h"

#include <stdlib.h>

#define UPTIME_NS UINT64_C(61999000000)

static const char two_endpoints[] =
    "{\"version\": 3, \"endpoints\": ["
    "{\"endpoint\": \"/users/{id}\","
    " \"backend\": [{\"host\": [\"http://a.test:8001\"], \"url_pattern\": \"/u/{id}\"}]},"
    "{\"endpoint\": \"/all/*\", \"method\": \"*\", \"output_encoding\": \"no-op\","
    " \"backend\": [{\"host\": [\"http://b.test\"], \"url_pattern\": \"/*\"}]}]}";

/* As they would have been taken. */
static void make_listeners(struct view_stage *stage)
{
    const struct server_options *server = &generation_service(stage->generation)->server;

    stage->listeners = calloc(server->listener_count, sizeof(*stage->listeners));
    CHECK(stage->listeners != NULL);
    for (size_t i = 0; i < server->listener_count; i++)
        stage->listeners[i].addr =
            (struct addr){.family = ADDR_IPV4, .port = (uint16_t)(8001 + i), .ip = {127, 0, 0, 1}};
}

static void build_generation(struct view_stage *stage, const char *config)
{
    struct arena *arena = arena_new(NULL, SIZE_MAX);
    struct report report;
    struct service *service;

    CHECK(arena != NULL);
    report_init(&report, arena);
    service = service_load(arena, &(struct service_sources){.path = "test.json", .text = config}, &report);
    stage->generation = service ? generation_build(arena, service, stage->hosts, &report) : NULL;
    if (!stage->generation) {
        struct str text = report_text(&report, test_arena(), false);

        test_fail(__FILE__, __LINE__, "%.*s", STR_ARG(text));
    }
}

void view_stage_open_with(struct view_stage *stage, const char *config)
{
    memset(stage, 0, sizeof(*stage));
    stage->hosts = hosts_new(STAGE_WORKERS);
    CHECK(stage->hosts != NULL);
    build_generation(stage, config);
    for (unsigned i = 0; i < STAGE_WORKERS; i++) {
        stage->workers[i].statuses = status_table_new(generation_endpoint_count(stage->generation));
        CHECK(stage->workers[i].statuses != NULL);
        stage->workers[i].closes_by =
            calloc(generation_service(stage->generation)->server.listener_count, sizeof(*stage->workers[i].closes_by));
        CHECK(stage->workers[i].closes_by != NULL);
        stage->workers[i].open_by =
            calloc(generation_service(stage->generation)->server.listener_count, sizeof(*stage->workers[i].open_by));
        CHECK(stage->workers[i].open_by != NULL);
        stage->workers[i].busy_by =
            calloc(generation_service(stage->generation)->server.listener_count, sizeof(*stage->workers[i].busy_by));
        CHECK(stage->workers[i].busy_by != NULL);
        stage->frontends[i] = &stage->workers[i];
    }
    make_listeners(stage);
    stage->view = (struct admin_view){
        .hosts = stage->hosts,
        .generation = stage->generation,
        .frontends = stage->frontends,
        .workers = STAGE_WORKERS,
        .draining = &stage->draining,
        .listeners = stage->listeners,
    };
}

void view_stage_open(struct view_stage *stage)
{
    view_stage_open_with(stage, two_endpoints);
}

void view_stage_close(struct view_stage *stage)
{
    for (unsigned i = 0; i < STAGE_WORKERS; i++) {
        status_table_free(stage->workers[i].statuses, true);
        free(stage->workers[i].closes_by);
        free(stage->workers[i].open_by);
        free(stage->workers[i].busy_by);
    }
    free(stage->listeners);
    generation_release(stage->generation);
    hosts_free(stage->hosts);
}

static uint32_t index_of(const struct view_stage *stage, const char *label)
{
    for (uint32_t i = 0; i < generation_endpoint_count(stage->generation); i++)
        if (str_eq(generation_endpoint(stage->generation, i)->label, str_from(label)))
            return i;
    test_fail(__FILE__, __LINE__, "no endpoint %s", label);
}

void view_stage_answers(struct view_stage *stage, unsigned worker, const char *label, unsigned status, uint64_t number)
{
    const struct endpoint *endpoint = generation_endpoint(stage->generation, index_of(stage, label));

    while (number-- > 0)
        frontend_count_request(&stage->workers[worker], endpoint, (uint16_t)status);
}

struct host_counts *view_stage_host(struct view_stage *stage, unsigned worker, const char *url)
{
    struct error err;
    struct host *host = hosts_intern(stage->hosts, &(struct host_key){.url = str_from(url)}, &err);

    CHECK(host != NULL);
    return &host->counts[worker];
}

void view_stage_new(struct host_counts *counts, enum reason reason, uint64_t number)
{
    host_count_add(&counts->requests_new, (int64_t)number);
    host_count_add(&counts->ledger.new_by[reason], (int64_t)number);
}

void view_stage_closed(struct host_counts *counts, enum reason reason, enum side side, uint64_t number)
{
    host_count_add(&counts->connections_closed, (int64_t)number);
    host_count_add(&counts->ledger.closes_by[reason][side], (int64_t)number);
}

void view_stage_resent(struct host_counts *counts, enum resend rung, uint64_t number)
{
    host_count_add(&counts->resends, (int64_t)number);
    host_count_add(&counts->resends_by[rung], (int64_t)number);
    host_count_add(&counts->resend_ends[rung][RESEND_ANSWERED], (int64_t)number);
}

struct page view_stage_page(struct view_stage *stage, const char *method, const char *path)
{
    struct http_head request = {.method = str_from(method), .path = str_from(path)};
    struct page page;

    page_make(test_arena(), &stage->view, &request, UPTIME_NS, &page);
    return page;
}
