/* test_reign.c: a worker's change to its next generation: what began ends by the one before, and its counters go on.
 * SPDX-License-Identifier: Apache-2.0 */
#include "front_stage.h"
#include "gateway/tally.h"
#include "harness/test.h"
#include "upstream/host_leave.h"

static struct generation *build(struct hosts *hosts, const char *config)
{
    struct arena *arena = arena_new(NULL, SIZE_MAX);
    struct service *service;
    struct generation *generation;
    struct report report;

    CHECK(arena != NULL);
    report_init(&report, arena);
    service = service_load(arena, &(struct service_sources){.path = "test.json", .text = config}, &report);
    generation = service ? generation_build(arena, service, hosts, &report) : NULL;
    if (!generation)
        test_fail(__FILE__, __LINE__, "%s", report_text(&report, test_arena(), false).data);
    return generation;
}

static const char one[] = "{\"version\": 3, \"endpoints\": ["
                          "{\"endpoint\": \"/a\", \"backend\": [{\"host\": [\"http://a\"], \"url_pattern\": \"/\"}]},"
                          "{\"endpoint\": \"/b\", \"backend\": [{\"host\": [\"http://b\"], \"url_pattern\": \"/\"}]}]}";
static const char other[] =
    "{\"version\": 3, \"endpoints\": ["
    "{\"endpoint\": \"/c\", \"backend\": [{\"host\": [\"http://c\"], \"url_pattern\": \"/\"}]},"
    "{\"endpoint\": \"/a\", \"backend\": [{\"host\": [\"http://a\"], \"url_pattern\": \"/\"}]}]}";

TEST(a_reign_ends_with_its_last_exchange)
{
    struct hosts *hosts = hosts_new(1);
    struct generation *generation = build(hosts, one);
    struct reign *reign = reign_new(generation);

    CHECK(reign != NULL);
    reign_enter(reign);
    reign_enter(reign);
    reign_leave(reign);
    CHECK_EQ(generation_holders(generation), 2);
    reign_end(reign);
    CHECK_EQ(generation_holders(generation), 2);
    reign_leave(reign);
    CHECK_EQ(generation_holders(generation), 1);
    reign = reign_new(generation);
    CHECK(reign != NULL);
    reign_enter(reign);
    reign_leave(reign); /* nobody is in it, and it goes on */
    CHECK_EQ(generation_holders(generation), 2);
    reign_end(reign);
    CHECK_EQ(generation_holders(generation), 1);
    generation_release(generation);
    hosts_free(hosts);
}

TEST(an_endpoint_has_its_slot_for_good)
{
    struct hosts *hosts = hosts_new(1);
    struct tally *tally = tally_new();
    struct generation *generations[] = {build(hosts, one), build(hosts, other)};
    uint32_t count;

    CHECK(tally != NULL);
    CHECK(tally_number(tally, generations[0]));
    count = tally_count(tally);
    CHECK_EQ(count, generation_endpoint_count(generations[0]));
    CHECK(tally_number(tally, generations[1]));
    CHECK_EQ(tally_count(tally), count + 1);
    for (size_t k = 0; k < COUNT_OF(generations); k++)
        for (uint32_t i = 0; i < generation_endpoint_count(generations[k]); i++) {
            const struct endpoint *endpoint = generation_endpoint(generations[k], i);

            CHECK_STR(tally_row(tally, endpoint->slot)->label, endpoint->label);
            CHECK_STR(tally_row(tally, endpoint->slot)->method, endpoint_method(endpoint));
        }
    for (size_t k = 0; k < COUNT_OF(generations); k++)
        generation_release(generations[k]);
    tally_free(tally);
    hosts_free(hosts);
}

TEST(a_frontend_counts_on_through_a_change)
{
    struct tally *tally = tally_new();
    struct succession succession = {.statuses = NULL};
    struct front_stage stage;
    struct generation *next;
    const struct endpoint *unrouted;
    uint64_t sums[STATUS_SLOTS] = {0};

    front_open(&stage, &(struct front_settings){0});
    CHECK(tally && tally_number(tally, stage.generation));
    frontend_count_request(stage.frontend, generation_unrouted(stage.generation), 404);
    next = build(stage.hosts, other);
    CHECK(tally_number(tally, next));
    succession.next = reign_new(next);
    succession.statuses = status_table_new(tally_count(tally));
    CHECK(succession.next && succession.statuses);
    frontend_succeed(stage.frontend, &succession);
    status_table_free(succession.statuses, false);
    CHECK_EQ(generation_holders(stage.generation), 1);
    unrouted = generation_unrouted(next);
    frontend_count_request(stage.frontend, unrouted, 404);
    frontend_count_request(stage.frontend, unrouted, 200);
    frontend_add_answers(stage.frontend, unrouted->slot, sums);
    CHECK_EQ(sums[404], 2);
    CHECK_EQ(sums[200], 1);
    frontend_add_answers(stage.frontend, tally_count(tally), sums); /* a slot of a generation that it has not taken */
    CHECK_EQ(sums[200], 1);
    stage.frontend->access_log = stage.log;
    front_close(&stage);
    generation_release(next);
    tally_free(tally);
}

static bool is_configured(struct hosts *hosts, const char *url)
{
    struct error err;
    struct host *host = hosts_intern(hosts, &(struct host_key){.url = str_from(url)}, &err);

    CHECK(host != NULL);
    return host->configured;
}

TEST(hosts_stay_in_use_while_anybody_serves_by_a_generation_that_names_them)
{
    struct hosts *hosts = hosts_new(1);
    struct generation *first = build(hosts, one), *second = build(hosts, other);
    struct host *b;
    struct error err;

    generation_name_hosts(first, 1, 1);
    generation_name_hosts(second, 1, 1);
    generation_claim_hosts(second, hosts, 5);
    CHECK(is_configured(hosts, "http://a") && is_configured(hosts, "http://c") && !is_configured(hosts, "http://b"));
    b = hosts_intern(hosts, &(struct host_key){.url = STR("http://b")}, &err);
    CHECK(b && host_is_in_use(b));
    generation_name_hosts(first, -1, 7);
    CHECK(!host_is_in_use(b));
    CHECK_EQ(b->left_ns, 7);
    generation_release(first);
    generation_release(second);
    hosts_free(hosts);
}
