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

static const char alike[] =
    "{\"version\": 3, \"host\": [\"http://a\", \"http://b\"], \"endpoints\": ["
    "{\"endpoint\": \"/a/{id}\", \"input_headers\": [\"X-A\"], \"backend\": [{\"url_pattern\": \"/x/{id}?q={id}\"}]},"
    "{\"endpoint\": \"/b/{id}\", \"input_headers\": [\"X-A\"], \"backend\": [{\"url_pattern\": \"/x/{id}?q={id}\"}]},"
    "{\"endpoint\": \"/c/{id}\", \"input_headers\": [\"X-B\"], \"backend\": [{\"url_pattern\": \"/y/{id}\","
    " \"host\": [\"http://b\", \"http://a\"], \"extra_config\": {\"holdfast/upstream\": {\"balance\": \"p2c\"}}}]}]}";

/* What makes a thousand routes as quick as one: what they have alike is one piece for all of them. */
TEST(what_endpoints_have_alike_is_one_piece)
{
    struct arena *arena = arena_new(NULL, SIZE_MAX);
    struct hosts *hosts = hosts_new(1);
    struct service *service;
    struct generation *generation;
    struct report report;
    const struct endpoint *of[3] = {NULL};

    CHECK(arena != NULL && hosts != NULL);
    report_init(&report, arena);
    service = service_load(arena, &(struct service_sources){.path = "test.json", .text = alike}, &report);
    generation = service ? generation_build(arena, service, hosts, &report) : NULL;
    if (!generation)
        test_fail(__FILE__, __LINE__, "%s", report_text(&report, test_arena(), false).data);
    for (unsigned i = 0; i < COUNT_OF(of); i++) {
        struct route_match match;

        router_find(generation_router(generation), test_arena(), STR("GET"),
                    arena_format(test_arena(), "/%c/1", 'a' + i), &match);
        CHECK_EQ(match.kind, ROUTE_FOUND);
        of[i] = match.target;
        CHECK_EQ(of[i]->backends->part_count, i < 2 ? 2 : 1);
        CHECK_STR(of[i]->backends->method, STR("GET"));
        CHECK_EQ(of[i]->backends->set->host_count, 2);
    }
    CHECK(of[0]->input_headers == of[1]->input_headers && of[0]->input_headers != of[2]->input_headers);
    CHECK(of[0]->backends->set == of[1]->backends->set && of[0]->backends->set != of[2]->backends->set);
    CHECK(of[0]->backends->parts == of[1]->backends->parts && of[0]->backends->parts != of[2]->backends->parts);
    CHECK(of[0]->backends->transport == of[1]->backends->transport);
    CHECK(of[0]->backends->transport != of[2]->backends->transport);
    CHECK(of[0]->backends->balance != of[1]->backends->balance); /* changes while requests are served */
    CHECK(of[0]->backends->set->hosts[0] == of[2]->backends->set->hosts[1]);
    generation_release(generation);
    hosts_free(hosts);
}

/* One configuration after the other, as a reload has them: %s is what differs. */
static const char other[] = "{\"version\": 3, \"host\": [\"http://a\"], \"client_tls\": {\"min_version\": \"TLS12\"},"
                            " \"extra_config\": {\"holdfast/upstream\": {%s}}, \"endpoints\": ["
                            "  {\"endpoint\": \"/a\", \"backend\": [{}, {\"host\": [\"https://b\"]}]}]}";

static struct generation *load(struct hosts *hosts, const char *text)
{
    struct arena *arena = arena_new(NULL, SIZE_MAX);
    struct generation *generation;
    struct service *service;
    struct report report;

    CHECK(arena != NULL);
    report_init(&report, arena);
    service = service_load(arena, &(struct service_sources){.path = "test.json", .text = text}, &report);
    generation = service ? generation_build(arena, service, hosts, &report) : NULL;
    if (!generation)
        test_fail(__FILE__, __LINE__, "%s", report_text(&report, test_arena(), false).data);
    return generation;
}

static struct generation *load_other(struct hosts *hosts, const char *settings)
{
    return load(hosts, arena_format(test_arena(), other, settings).data);
}

static struct host *host_of(const struct generation *generation, unsigned backend)
{
    return generation_endpoint(generation, 1)->backends[backend].hosts[0]; /* 0 is /__health */
}

/* The host closes what is idle for 5 s. */
static void teach(struct host *host)
{
    for (unsigned i = 0; i < 40; i++)
        idle_limit_survived(host->idle_limit, &(struct idle_end){.idle_ns = UINT64_C(4500000000), .requests = 1});
    for (unsigned i = 1; i <= 5; i++)
        (void)idle_limit_closed(host->idle_limit, &(struct idle_end){.now_ns = i * UINT64_C(1000000000),
                                                                     .idle_ns = UINT64_C(5000000000),
                                                                     .age_ns = i * UINT64_C(1000000000),
                                                                     .requests = 1,
                                                                     .idle_conns = 100});
}

static void check_taught(const struct host *host)
{
    struct idle_limit_view view;

    idle_limit_view(host->idle_limit, &view);
    CHECK_EQ(view.kind, IDLE_LIMIT_LEARNED);
    CHECK_EQ(view.learned_ns, UINT64_C(5000000000));
    CHECK_EQ(view.closes, 5);
    CHECK_EQ(view.survivals, 40);
}

/* Other settings of the transport make no other host: only what two connections may not share does (host_key). */
TEST(hosts_and_what_was_learned_of_them_outlive_a_configuration)
{
    static const char *const settings[] = {"", "\"balance\": \"p2c\", \"max_connections_per_host\": 9",
                                           "\"idle_timeout\": \"9s\"", ""};
    struct hosts *hosts = hosts_new(1);
    struct generation *old = load_other(hosts, settings[0]);
    struct host *host[2] = {host_of(old, 0), host_of(old, 1)};

    CHECK(host[1]->tls != NULL);
    for (unsigned i = 0; i < 2; i++) {
        teach(host[i]);
        host_count_add(&host[i]->counts[0].requests_new, 7);
    }
    for (size_t i = 1; i < COUNT_OF(settings); i++) {
        struct generation *next = load_other(hosts, settings[i]);

        generation_release(old); /* what was of it is gone; the hosts' texts and TLS profile are their own */
        old = next;
        CHECK_EQ(hosts_count(hosts), 2);
        for (unsigned j = 0; j < 2; j++) {
            CHECK(host_of(old, j) == host[j]);
            check_taught(host[j]);
            CHECK_EQ(host[j]->counts[0].requests_new, 7);
        }
        CHECK_TEXT(host[1]->url, "https://b");
        CHECK_EQ(tls_profile_identity(host[1]->tls) != NULL, true);
    }
    generation_release(old);
    check_taught(host[0]); /* no configuration names it at this moment */
    old = load_other(hosts, "\"pool\": \"apart\"");
    CHECK_EQ(hosts_count(hosts), 4);
    CHECK(host_of(old, 0) != host[0]);
    generation_release(old);
    hosts_free(hosts);
}

/* A worker goes on with what it knows of a name, whichever configuration has told it. */
TEST(a_name_that_is_looked_up_outlives_a_configuration)
{
    static const char text[] =
        "{\"version\": 3, \"endpoints\": [{\"endpoint\": \"/a\", \"backend\": [{\"host\": [\"_a._tcp.test\"],"
        " \"sd\": \"dns\", \"disable_host_sanitize\": true, \"sd_scheme\": \"https\"}]}]}";
    struct hosts *hosts = hosts_new(1);
    struct generation *generations[2];
    const struct discovery *discoveries[2];

    for (size_t i = 0; i < COUNT_OF(generations); i++) {
        generations[i] = load(hosts, text);
        discoveries[i] = generation_endpoint(generations[i], 1)->backends[0].discovery;
        CHECK(discoveries[i]->tls != NULL);
    }
    CHECK(discoveries[0]->tls != discoveries[1]->tls);
    CHECK_STR(discoveries[0]->key, discoveries[1]->key);
    for (size_t i = 0; i < COUNT_OF(generations); i++)
        generation_release(generations[i]);
    hosts_free(hosts);
}
