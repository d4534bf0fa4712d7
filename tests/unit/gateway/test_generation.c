/* test_generation.c: which endpoint a configuration makes for a method and a path. SPDX-License-Identifier: Apache-2.0
 */
#include "gateway/generation.h"
#include "gateway_test.h"

/* clang-format off */
#define ENDPOINT(method_, path_)                                                                                       \
    "{\"method\": \"" method_ "\", \"endpoint\": \"" path_                                                             \
    "\", \"extra_config\": {\"holdfast/answer\": {\"body\": \"" method_ "\"}}}"

static const char config[] =
    "{\"version\": 3, \"extra_config\": {\"router\": {\"auto_options\": true}}, \"endpoints\": ["
    ENDPOINT("GET", "/both/{id}") "," ENDPOINT("*", "/both/{id}") ","
    ENDPOINT("*", "/first") "," ENDPOINT("POST", "/first") ","
    ENDPOINT("*", "/all") ","
    ENDPOINT("PUT", "/some/{id}") "," ENDPOINT("GET", "/some/{id}") ","
    ENDPOINT("GET", "/one") "]}";

static const struct {
    const char *method, *path;
    const char *allow; /* NULL: an endpoint of the configuration */
    const char *body;  /* its body */
} cases[] = {
    {"GET", "/both/1", NULL, "GET"},
    {"DELETE", "/both/1", NULL, "*"},
    {"OPTIONS", "/both/1", NULL, "*"},
    {"OPTIONS", "/first", NULL, "*"},
    {"POST", "/first", NULL, "POST"},
    {"OPTIONS", "/all", NULL, "*"},
    {"OPTIONS", "/some/1", "GET, PUT", NULL},
    {"OPTIONS", "/one", "GET", NULL},
};
/* clang-format on */

TEST(options_are_answered_by_themselves_where_no_endpoint_takes_them)
{
    struct arena *arena = arena_new(NULL, SIZE_MAX);
    struct hosts *hosts = hosts_new(1);
    struct service *service;
    struct generation *generation;
    struct report report;

    CHECK(arena != NULL && hosts != NULL);
    report_init(&report, arena);
    service = service_load(arena, &(struct service_sources){.path = "test.json", .text = config}, &report);
    generation = service ? generation_build(arena, service, hosts, &report) : NULL;
    if (!generation)
        test_fail(__FILE__, __LINE__, "%s", report_text(&report, test_arena(), false).data);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct endpoint *endpoint;
        struct route_match match;

        test_case_is("%s %s", cases[i].method, cases[i].path);
        router_find(generation_router(generation), test_arena(), str_from(cases[i].method), str_from(cases[i].path),
                    &match);
        CHECK_EQ(match.kind, ROUTE_FOUND);
        endpoint = match.target;
        CHECK_EQ(endpoint->kind, cases[i].allow ? ENDPOINT_OPTIONS : ENDPOINT_ANSWER);
        if (cases[i].allow)
            CHECK_STR(endpoint->allow, str_from(cases[i].allow));
        else
            CHECK_STR(endpoint->options->answer.body_text, str_from(cases[i].body));
    }
    generation_release(generation);
    hosts_free(hosts);
}
