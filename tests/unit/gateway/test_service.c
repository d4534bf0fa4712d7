/* test_service.c: configurations: what they become, and what is said of those that are wrong, word for word.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gateway_test.h"

/* A configuration with one member of a kind put in: {"version": 3, ...}. */
static struct str problems_of(const char *text)
{
    struct report *report = gateway_report();

    (void)gateway_load(text, report);
    return report_text(report, test_arena(), false);
}

#define ROOT(members)     "{\"version\": 3, \"host\": [\"h\"], " members "}"
#define ENDPOINT(members) ROOT("\"endpoints\": [{\"endpoint\": \"/a/{id}\", " members "}]")
#define BACKEND(members)  ENDPOINT("\"backend\": [{" members "}]")

TEST(service_settles_defaults)
{
    struct service *service = gateway_service(BACKEND(""));
    struct endpoint_options *endpoint = &service->endpoints[0];

    CHECK_INT(service->port, 8080);
    CHECK(!service->port_given);
    CHECK_INT(service->timeout_ns, SECONDS(2));
    CHECK_INT(service->idle_timeout_ns, SECONDS(75));
    CHECK_INT(service->read_header_timeout_ns, SECONDS(10));
    CHECK_INT(service->read_timeout_ns, 0);
    CHECK_INT(service->transport.max_idle_connections_per_host, 250);
    CHECK_EQ(service->server.listener_count, 1);
    CHECK_TEXT(service->server.listeners[0].listen, ":8080");
    CHECK_EQ(service->server.profile, PROFILE_SAFE);
    CHECK_EQ(service->server.error_status, ERROR_STATUS_KRAKEND);
    CHECK(service->server.keep_alive_header);
    CHECK_INT(service->server.body_gap_timeout_ns, SECONDS(10));
    CHECK_INT(service->server.drain_limit_ns, SECONDS(60));
    CHECK(service->router.forwarded_by_client_ip);
    CHECK_TEXT(service->router.health_path, "/__health");
    CHECK_EQ(service->router.remote_ip_headers.count, 2);
    CHECK_TEXT(endpoint->method, "GET");
    CHECK_TEXT(endpoint->endpoint, "/a/{id}");
    CHECK_TEXT(endpoint->route, "/a/:id");
    CHECK_INT(endpoint->timeout_ns, SECONDS(2));
    CHECK_EQ(endpoint->output_encoding, ENCODING_JSON);
    CHECK_EQ(endpoint->backend_count, 1);
    CHECK_TEXT(endpoint->backends[0].url_pattern, "/");
    CHECK_TEXT(endpoint->backends[0].method, "GET");
    CHECK_EQ(endpoint->backends[0].encoding, ENCODING_JSON);
    CHECK_EQ(endpoint->backends[0].host.count, 1);
    CHECK_TEXT(endpoint->backends[0].host.items[0], "http://h");
}

TEST(service_inherits_from_the_root)
{
    struct service *service = gateway_service(
        ROOT("\"timeout\": \"5s\", \"cache_ttl\": \"1h\", \"output_encoding\": \"no-op\", \"port\": 0, \"listen_ip\": "
             "\"::1\","
             "\"endpoints\": [{\"endpoint\": \"a\", \"method\": \"post\", \"backend\": {\"url_pattern\": \"b\", "
             "\"encoding\": "
             "\"string\", \"method\": \"put\"}}, {\"endpoint\": \"/b\", \"timeout\": \"1s\", \"cache_ttl\": \"2m\", "
             "\"output_encoding\": \"string\", \"backend\": [{\"host\": [\"https:80\", \"x:8080/\"], \"encoding\": "
             "\"SafeJSON\"}]}]"));
    struct endpoint_options *first = &service->endpoints[0], *second = &service->endpoints[1];

    CHECK_TEXT(service->server.listeners[0].listen, "[::1]:8080");
    CHECK_TEXT(first->endpoint, "/a");
    CHECK_TEXT(first->method, "POST");
    CHECK_TEXT(first->backends[0].method, "PUT");
    CHECK_TEXT(first->backends[0].url_pattern, "/b");
    CHECK_EQ(first->output_encoding, ENCODING_NO_OP);
    CHECK_EQ(first->backends[0].encoding, ENCODING_NO_OP);
    CHECK_INT(first->timeout_ns, SECONDS(5));
    CHECK_INT(first->cache_ttl_ns, SECONDS(3600));
    CHECK_INT(second->timeout_ns, SECONDS(1));
    CHECK_INT(second->cache_ttl_ns, SECONDS(120));
    CHECK_EQ(second->output_encoding, ENCODING_STRING);
    CHECK_EQ(second->backends[0].encoding, ENCODING_SAFEJSON);
    CHECK_TEXT(second->backends[0].host.items[0], "http://https:80");
    CHECK_TEXT(second->backends[0].host.items[1], "http://x:8080");
}

TEST(service_reads_every_transport_setting)
{
    struct service *service = gateway_service(
        ROOT("\"dialer_timeout\": \"1s\", \"dialer_keep_alive\": \"2s\", \"dialer_fallback_delay\": \"3s\", "
             "\"idle_connection_timeout\": \"4s\", \"response_header_timeout\": \"5s\", \"expect_continue_timeout\": "
             "\"6s\", "
             "\"max_idle_connections\": 7, \"max_idle_connections_per_host\": 8, \"disable_keep_alives\": true, "
             "\"disable_compression\": true"));
    const struct transport *transport = &service->transport;

    CHECK_INT(transport->dialer_timeout_ns, SECONDS(1));
    CHECK_INT(transport->dialer_keep_alive_ns, SECONDS(2));
    CHECK_INT(transport->dialer_fallback_delay_ns, SECONDS(3));
    CHECK_INT(transport->idle_connection_timeout_ns, SECONDS(4));
    CHECK_INT(transport->response_header_timeout_ns, SECONDS(5));
    CHECK_INT(transport->expect_continue_timeout_ns, SECONDS(6));
    CHECK_INT(transport->max_idle_connections, 7);
    CHECK_INT(transport->max_idle_connections_per_host, 8);
    CHECK(transport->disable_keep_alives);
    CHECK(transport->disable_compression);
}

TEST(service_takes_command_line_over_file)
{
    struct report *report = gateway_report();
    struct service_sources sources = {.path = "test.json", .text = ROOT("\"port\": 81"), .port = 9999, .debug = true};
    struct service *service = service_load(test_arena(), &sources, report);

    CHECK(service != NULL);
    CHECK_INT(service->port, 9999);
    CHECK(service->port_given);
    CHECK(service->debug_endpoint);
    CHECK_TEXT(service->server.listeners[0].listen, ":9999");
}

TEST(service_reads_listeners_and_admin)
{
    struct service *service = gateway_service(ROOT(
        "\"extra_config\": {\"holdfast/server\": {\"workers\": 3, \"error_status\": \"precise\", "
        "\"keep_alive_header\": false, "
        "\"max_body_bytes\": \"64KiB\", \"listeners\": [{\"listen\": \"127.0.0.1:1\", \"protocols\": [\"http/1.1\"], "
        "\"proxy_protocol\": \"off\"}, {\"listen\": \"unix:/tmp/x.sock\"}]}, \"holdfast/admin\": {\"listen\": "
        "\"127.0.0.1:9901\"}}"));

    CHECK_INT(service->server.workers, 3);
    CHECK_EQ(service->server.error_status, ERROR_STATUS_PRECISE);
    CHECK(!service->server.keep_alive_header);
    CHECK_INT(service->server.max_body_bytes, 65536);
    CHECK_EQ(service->server.listener_count, 2);
    CHECK_TEXT(service->server.listeners[0].listen, "127.0.0.1:1");
    CHECK_TEXT(service->server.listeners[1].listen, "unix:/tmp/x.sock");
    CHECK_TEXT(service->server.admin_listen, "127.0.0.1:9901");
}

TEST(service_reads_the_router_block)
{
    struct router_options *router =
        &gateway_service(
             ROOT("\"extra_config\": {\"github_com/luraproject/lura/router/gin\": {\"return_error_msg\": true, "
                  "\"Hide_Version_Header\": true, \"trusted_proxies\": [\"10.0.0.0/8\", \"::1\"], "
                  "\"remote_ip_headers\": [\"x-real-ip\"], \"forwarded_by_client_ip\": null, \"health_path\": \"\", "
                  "\"error_body\": {\"404\": {\"b\": \"<\", \"a\": 1}, \"405\": \"no\"}, \"auto_options\": true}}"))
             ->router;

    CHECK(router->return_error_msg);
    CHECK(router->hide_version_header);
    CHECK(router->auto_options);
    CHECK(router->forwarded_by_client_ip);
    CHECK_TEXT(router->health_path, "/__health");
    CHECK_EQ(router->trusted_count, 2);
    CHECK_EQ(router->trusted[0].bits, 8);
    CHECK_EQ(router->trusted[1].bits, 128);
    CHECK_EQ(router->remote_ip_headers.count, 1);
    CHECK_TEXT(router->error_body_404, "{\"a\":1,\"b\":\"\\u003c\"}");
    CHECK_TEXT(router->error_body_405, "\"no\"");
}

TEST(service_router_block_is_forgiving)
{
    const struct router_options *router =
        &gateway_service(ROOT("\"extra_config\": {\"router\": {\"health_path\": \"up\", "
                              "\"error_body\": {\"404\": null, \"405\": {}}}}"))
             ->router;

    CHECK_TEXT(router->health_path, "/up");
    CHECK_TEXT(router->error_body_404, "");
    CHECK_TEXT(router->error_body_405, "{}");
}

TEST(service_router_block_with_a_wrong_type_is_mostly_ignored)
{
    struct report *report = gateway_report();
    struct service *service = gateway_load(
        ROOT("\"extra_config\": {\"router\": {\"return_error_msg\": true, \"max_multipart_memory\": 1.5, "
             "\"disable_health\": true, \"health_path\": \"/h\", \"auto_options\": true, "
             "\"disable_access_log\": true, \"disable_path_decoding\": true, \"hide_version_header\": true, "
             "\"error_body\": {\"404\": 1}}}"),
        report);

    CHECK(service != NULL);
    CHECK_EQ(report->warnings, 1);
    CHECK(!service->router.return_error_msg);
    CHECK(!service->router.hide_version_header);
    CHECK(service->router.disable_health);
    CHECK(service->router.auto_options);
    CHECK(service->router.disable_access_log);
    CHECK(service->router.disable_path_decoding);
    CHECK_TEXT(service->router.health_path, "/h");
    CHECK_TEXT(service->router.error_body_404, "1");
}

TEST(service_reads_error_rules_of_a_backend)
{
    static const struct {
        const char *block, *details;
        bool code;
    } rows[] = {
        {"{\"return_error_details\": \"x\", \"return_error_code\": true}", "x", false},
        {"{\"return_error_code\": true}", "", true},
        {"{\"return_error_code\": \"true\"}", "", false},
        {"{\"return_error_details\": \"\", \"return_error_code\": true}", "", false},
        {"{\"return_error_details\": 1, \"return_error_code\": true}", "", false},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str text =
            arena_format(test_arena(), BACKEND("\"extra_config\": {\"backend/http\": %s}"), rows[i].block);
        struct backend_options *backend = &gateway_service(text.data)->endpoints[0].backends[0];

        test_case_is("%s", rows[i].block);
        CHECK_STR(backend->return_error_details, str_from(rows[i].details));
        CHECK_EQ(backend->return_error_code, rows[i].code);
    }
}

TEST(service_reads_an_answer)
{
    struct endpoint_options *endpoint =
        &gateway_service(
             ENDPOINT("\"extra_config\": {\"holdfast/answer\": {\"status\": 418, \"headers\": {\"x-tea\": \"pot\"}, "
                      "\"body\": {\"b\": [1]}}}"))
             ->endpoints[0];

    CHECK(endpoint->answer_given);
    CHECK_INT(endpoint->answer.status, 418);
    CHECK_EQ(endpoint->answer.header_count, 1);
    CHECK_TEXT(endpoint->answer.header_pairs[0].name, "X-Tea");
    CHECK(endpoint->answer.body_is_json);
    CHECK_TEXT(endpoint->answer.body_text, "{\"b\":[1]}");
}

TEST(service_leaves_out_methods_that_endpoints_cannot_have)
{
    struct report *report = gateway_report();
    struct service *service = gateway_load(
        ROOT("\"endpoints\": [{\"endpoint\": \"/h\", \"method\": \"HEAD\", \"backend\": [{}]}, {\"endpoint\": \"/*\", "
             "\"method\": "
             "\"*\", \"backend\": [{}]}, {\"endpoint\": \"/o\", \"method\": \"options\", \"backend\": [{}]}]"),
        report);

    CHECK(service != NULL);
    CHECK_EQ(service->endpoint_count, 1);
    CHECK_TEXT(service->endpoints[0].method, "*");
    CHECK_TEXT(service->endpoints[0].backends[0].method, "*");
    CHECK_EQ(report->warnings, 2);
}

TEST(service_tells_every_problem_at_its_place)
{
    CHECK_TEXT(
        problems_of(
            "{\n  \"version\": 2,\n  \"listen_ip\": \"localhost\",\n  \"timeout\": \"3sec\",\n"
            "  \"endpoints\": [{\"endpoint\": \"/u/{id}\", \"backend\": [{\"url_pattern\": \"/u/{ix}\", \"target\": "
            "\"data\"}]}]\n}"),
        "test.json:2:14: error: version: 2 is not supported: only 3 is [HF0300]\n"
        "     2 |   \"version\": 2,\n"
        "       |              ^ write \"version\": 3\n"
        "test.json:3:16: error: listen_ip: \"localhost\" is not an IP address [HF0301]\n"
        "     3 |   \"listen_ip\": \"localhost\",\n"
        "       |                ^~~~~~~~~~~\n"
        "test.json:4:14: error: timeout: \"3sec\" is not a duration [HF0102]\n"
        "     4 |   \"timeout\": \"3sec\",\n"
        "       |              ^~~~~~ did you mean \"3s\"?\n"
        "test.json:5:53: warning: endpoints[0].backend[0].host: there is none: every request will fail [HF0309]\n"
        "     5 |   \"endpoints\": [{\"endpoint\": \"/u/{id}\", \"backend\": [{\"url_pattern\": \"/u/{ix}\", "
        "\"target\": \"data\"}]}]\n"
        "       |                                                     ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~ add "
        "\"host\" here or at the root\n"
        "test.json:5:73: error: endpoints[0].backend[0].url_pattern: {ix} is not defined by the endpoint's path "
        "[HF0312]\n"
        "     5 |   \"endpoints\": [{\"endpoint\": \"/u/{id}\", \"backend\": [{\"url_pattern\": \"/u/{ix}\", "
        "\"target\": \"data\"}]}]\n"
        "       |                                                                         ^~~~ did you mean {id}?\n");
}

/* The first line of each problem, without "test.json:LINE:COLUMN: ". */
static struct str first_lines(const char *text)
{
    struct str rest = problems_of(text), line, all = STR("");

    while (str_split(&rest, '\n', &line)) {
        if (!str_starts(line, STR("test.json:")) && !str_starts(line, STR("error:")) &&
            !str_starts(line, STR("warning:")))
            continue;
        if (str_starts(line, STR("test.json:")))
            line = str_from_offset(line, str_find(line, STR(": ")) + 2);
        all = arena_format(test_arena(), "%.*s%.*s\n", STR_ARG(all), STR_ARG(line));
    }
    return all;
}

#define PROXY(block) ENDPOINT("\"extra_config\": {\"proxy\": {" block "}}, \"backend\": [{}]")

static const struct {
    const char *text, *lines;
} refused[] = {
    {BACKEND("\"target\": \"x\", \"allow\": [\"x\"], \"mapping\": {\"a\": \"b\", \"c\": 1}, \"group\": \"x\""), ""},
    {BACKEND("\"allow\": [\"x\"], \"deny\": [\"x\"]"),
     "warning: endpoints[0].backend[0].deny: has no effect beside allow [HF0316]\n"},
    {BACKEND("\"mapping\": [1]"),
     "error: endpoints[0].backend[0].mapping: wants an object of old and new names [HF0103]\n"},
    {BACKEND("\"mapping\": []"), ""},
    {BACKEND("\"mapping\": {\"a\": []}"), "error: endpoints[0].backend[0].mapping.a: wants a string [HF0103]\n"},
    {BACKEND("\"extra_config\": {\"proxy\": {\"flatmap_filter\": [{\"type\": \"move\", \"args\": [\"a\"]}]}}"),
     "error: endpoints[0].backend[0].extra_config.proxy.flatmap_filter: \"args\" wants 2 paths [HF0103]\n"},
    {BACKEND("\"extra_config\": {\"proxy\": {\"flatmap_filter\": [{\"type\": \"del\", \"args\": [1]}]}}"),
     "error: endpoints[0].backend[0].extra_config.proxy.flatmap_filter: an argument is a path as a string [HF0103]\n"},
    {BACKEND("\"extra_config\": {\"proxy\": {\"flatmap_filter\": [{\"type\": \"fly\", \"args\": [\"a\"]}]}}"),
     "warning: endpoints[0].backend[0].extra_config.proxy.flatmap_filter: this is no operation that is known "
     "[HF0316]\n"},
    {BACKEND("\"extra_config\": {\"proxy\": {\"flatmap_filter\": {}}}"),
     "warning: endpoints[0].backend[0].extra_config.proxy.flatmap_filter: has no effect: it is no list [HF0316]\n"},
    {BACKEND("\"deny\": [\"x\"], \"extra_config\": {\"proxy\": {\"flatmap_filter\": [{\"type\": \"move\", \"args\": "
             "[\"a.*\", \"b\"]}]}}"),
     "warning: endpoints[0].backend[0].extra_config.proxy.flatmap_filter: stands in place of allow, deny and mapping "
     "[HF0316]\n"
     "warning: endpoints[0].backend[0].extra_config.proxy.flatmap_filter: a star cannot end the path of what is moved "
     "[HF0316]\n"},
    {BACKEND("\"allow\": [], \"deny\": [], \"mapping\": {}, \"group\": \"\""), ""},
    {ENDPOINT("\"output_encoding\": \"no-op\", \"backend\": [{\"allow\": [\"x\"]}]"),
     "warning: endpoints[0].backend[0].allow: has no effect with no-op [HF0316]\n"},
    {BACKEND("\"sd\": \"dns\""),
     "error: endpoints[0].backend[0].host[0]: \"http://h\" is no name of SRV records (sd: \"dns\") [HF0308]\n"},
    {BACKEND("\"sd\": \"dns\", \"disable_host_sanitize\": true, \"host\": [\"_http._tcp.users.example\"]"), ""},
    {BACKEND("\"sd\": \"dns\", \"disable_host_sanitize\": true, \"host\": [\"users\"], \"sd_scheme\": \"ftp\""),
     "error: endpoints[0].backend[0].sd_scheme: \"ftp\" is none of what it can be [HF0111]\n"},
    {BACKEND("\"sd\": \"static\""), ""},
    {BACKEND("\"sd\": \"dns-shared\""), "warning: endpoints[0].backend[0].sd: \"dns-shared\" is no discovery that "
                                        "is known: taken as \"static\" [HF0316]\n"},
    {BACKEND("\"encoding\": \"csv\""), "warning: endpoints[0].backend[0].encoding: \"csv\" is not known: as in "
                                       "KrakenD, it is taken as json [HF0314]\n"},
    {BACKEND("\"encoding\": \"no-op\""),
     "warning: endpoints[0].backend[0].encoding: no-op under a decoded endpoint gives an empty object [HF0314]\n"},
    {BACKEND("\"host\": [\"http://h/base\"]"),
     "error: endpoints[0].backend[0].host[0]: \"http://h/base\" is not one host [HF0308]\n"},
    {BACKEND("\"host\": [\"http://h/base\"], \"disable_host_sanitize\": true"), ""},
    {ROOT("\"endpoints\": [{\"endpoint\": \"/a\", \"method\": \"GET \", \"backend\": [{\"host\": [\"http://a\"]}]}]"),
     "warning: endpoints[0].method: GET  cannot be an endpoint's method: this endpoint is left out [HF0307]\n"},
    {BACKEND("\"method\": \"G T\""), "error: endpoints[0].backend[0].method: \"G T\" is no method [HF0307]\n"},
    {BACKEND("\"url_pattern\": \"/{resp0_x}\""),
     "warning: endpoints[0].backend[0].url_pattern: nothing fills {resp0_x} in this version [HF0313]\n"},
    {BACKEND("\"url_pattern\": \"/{JWT.sub}\""),
     "warning: endpoints[0].backend[0].url_pattern: nothing fills {JWT.sub} in this version [HF0313]\n"},
    {BACKEND("\"url_pattern\": \"/x/*\""), "warning: endpoints[0].backend[0].url_pattern: the star is sent as it "
                                           "is, because the endpoint is no subtree [HF0321]\n"},
    {BACKEND("\"extra_config\": {\"proxy\": {\"shadow\": true}}"),
     "warning: endpoints[0].backend: all are shadows: every request will fail [HF0310]\n"},
    {BACKEND("\"extra_config\": {\"qos/circuit-breaker\": {}}"),
     "warning: endpoints[0].backend[0].extra_config: \"qos/circuit-breaker\" is ignored: it comes in a later version; "
     "until then requests go on when a backend fails [HF0316]\n"},
    {BACKEND("\"extra_config\": {\"holdfast/upstream\": {\"class\": \"stream\", \"balance\": \"p2c\"}}"),
     "warning: endpoints[0].backend[0].extra_config.holdfast/upstream.class: has no effect on answers that are decoded "
     "[HF0316]\n"},
    {BACKEND("\"extra_config\": {\"holdfast/upstream\": {\"protocol\": \"http/1.1\", \"blance\": 1}}"),
     "warning: endpoints[0].backend[0].extra_config.holdfast/upstream: unknown key \"blance\" [HF0101]\n"},
    {ENDPOINT("\"backend\": [{}, {}]"), ""},
    {ENDPOINT("\"output_encoding\": \"no-op\", \"backend\": [{}, {}]"),
     "error: endpoints[0].backend: no-op takes exactly one backend, here are 2 [HF0311]\n"},
    {ENDPOINT("\"backend\": []"), "error: endpoints[0].backend: there is none [HF0310]\n"},
    {ENDPOINT("\"concurrent_calls\": 65, \"backend\": [{}]"),
     "error: endpoints[0].concurrent_calls: 65 is more than 64 [HF0104]\n"},
    {ENDPOINT("\"concurrent_calls\": 2, \"output_encoding\": \"no-op\", \"backend\": [{}]"),
     "warning: endpoints[0].concurrent_calls: has no effect with no-op [HF0316]\n"},
    {ENDPOINT("\"concurrent_calls\": 1, \"backend\": [{}]"), ""},
    {ENDPOINT("\"output_encoding\": \"fast-json\", \"backend\": [{}]"), ""},
    {ENDPOINT("\"timeout\": \"-1s\", \"backend\": [{}]"),
     "warning: endpoints[0].timeout: is negative: every request will be too late [HF0322]\n"},
    {ENDPOINT("\"input_headers\": [\"X Y\", \"*\"], \"backend\": [{}]"),
     "warning: endpoints[0].input_headers[0]: \"X Y\" is no header name: nothing matches it [HF0323]\n"},
    {ENDPOINT("\"extra_config\": {\"auth/validator\": {}, \"validation/cel\": []}, \"backend\": [{}]"),
     "error: endpoints[0].extra_config: \"auth/validator\" is not supported yet in this version, and without it "
     "tokens would not be checked: the gateway does not start [HF0315]\n"
     "error: endpoints[0].extra_config: \"validation/cel\" is not supported yet in this version, and without it "
     "what it rejects would be let through: the gateway does not start [HF0315]\n"},
    {ENDPOINT("\"extra_config\": {\"github.com/devopsfaith/krakend-jose/validator\": {}}, \"backend\": [{}]"),
     "error: endpoints[0].extra_config: \"auth/validator\" is not supported yet in this version, and without it "
     "tokens would not be checked: the gateway does not start [HF0315]\n"},
    {PROXY("\"static\": {\"data\": {}}"), ""},
    {PROXY("\"static\": {\"strategy\": \"never\", \"data\": {}}"),
     "warning: endpoints[0].extra_config.proxy.static.strategy: \"never\" is not known: as in KrakenD, it means "
     "\"always\" [HF0316]\n"},
    {PROXY("\"static\": {\"data\": [1]}"),
     "warning: endpoints[0].extra_config.proxy.static: has no effect: its \"data\" is no object [HF0316]\n"},
    {PROXY("\"sequential\": true, \"combiner\": \"other\", \"sequential_propagated_params\": [1]"),
     "warning: endpoints[0].extra_config.proxy.sequential: has no effect with one backend [HF0316]\n"
     "warning: endpoints[0].extra_config.proxy.combiner: is not known: the default one is taken [HF0316]\n"
     "error: endpoints[0].extra_config.proxy.sequential_propagated_params: wants strings [HF0103]\n"},
    {ENDPOINT("\"extra_config\": {\"holdfast/answer\": {\"status\": 99}}"),
     "error: endpoints[0].extra_config.holdfast/answer.status: 99 is less than 200 [HF0104]\n"},
    {ENDPOINT("\"extra_config\": {\"holdfast/answer\": {\"headers\": {\"a b\": \"c\", \"Content-Length\": \"1\", "
              "\"d\": [], "
              "\"e\": \"x\\ny\"}}}"),
     "error: endpoints[0].extra_config.holdfast/answer.headers: \"a b\" is no header that can be set [HF0320]\n"
     "error: endpoints[0].extra_config.holdfast/answer.headers: \"Content-Length\" is no header that can be set "
     "[HF0320]\n"
     "error: endpoints[0].extra_config.holdfast/answer.headers.d: a header's value is a string without control "
     "characters "
     "[HF0320]\n"
     "error: endpoints[0].extra_config.holdfast/answer.headers.e: a header's value is a string without control "
     "characters "
     "[HF0320]\n"},
    {ENDPOINT("\"backend\": [{}], \"extra_config\": {\"holdfast/answer\": {}}"),
     "warning: endpoints[0].backend: has no effect beside holdfast/answer [HF0316]\n"},
    {ENDPOINT("\"backend\": [null]"), "error: endpoints[0].backend[0]: expected an object, found null [HF0103]\n"},
    {ROOT("\"endpoints\": [null]"), "error: endpoints[0]: expected an object, found null [HF0103]\n"},
    {ROOT("\"tls\": {\"keys\": []}"), "error: tls: has no certificate to show [HF0330]\n"},
    {ROOT("\"tls\": {\"keys\": [{\"public_key\": \"a\"}]}"),
     "error: tls.keys[0]: private_key is not defined [HF0330]\n"},
    {ROOT("\"tls\": {\"private_key\": \"a\"}"), "error: tls.keys[0]: public_key is not defined [HF0330]\n"},
    {ROOT("\"tls\": {\"keys\": [], \"disabled\": true, \"prefer_server_cipher_suites\": []}"), ""},
    {ROOT("\"use_h2c\": true"), ""},
    {ROOT("\"use_h2c\": \"false\", \"dns_cache_ttl\": \"10s\", \"sequential_start\": true, \"name\": \"x\", "
          "\"$schema\": \"y\""),
     ""},
    {ROOT("\"async_agent\": [{}]"),
     "warning: async_agent: is ignored: consumers of queues come in a later version [HF0316]\n"},
    {ROOT("\"plugin\": [3]"), "warning: plugin: has no effect: Go plugins cannot be loaded [HF0316]\n"},
    {BACKEND("\"timeout\": \"soon\""),
     "note: endpoints[0].backend[0].timeout: is not read at a backend: the endpoint's timeout counts [HF0316]\n"},
    {BACKEND("\"extra_config\": {\"backend/http/client\": {\"no_redirect\": \"on\"}}"),
     "error: endpoints[0].backend[0].extra_config.backend/http/client.no_redirect: \"on\" is not a boolean [HF0109]\n"},
    {ROOT("\"plugin\": {\"folder\": \"/x\"}"),
     "warning: plugin: has no effect: Go plugins cannot be loaded [HF0316]\n"},
    {ROOT("\"extra_config\": {\"security/http\": {}, \"documentation/openapi\": {}, \"@note\": 1, "
          "\"holdfast/answer\": {}}"),
     "error: extra_config: \"security/http\" is not supported yet in this version, and without it "
     "what it forbids would be let through: the gateway does not start [HF0315]\n"
     "warning: extra_config: \"holdfast/answer\" is not read at this level [HF0317]\n"},
    {ROOT("\"extra_config\": {\"holdfast/severs\": {}}"),
     "warning: extra_config: nothing reads \"holdfast/severs\" [HF0317]\n"},
    {ROOT("\"extra_config\": [1]"), "error: extra_config: components are members of an object [HF0317]\n"},
    {ROOT("\"extra_config\": [{\"router\": {}}, \"x\"]"),
     "error: extra_config: components are members of an object [HF0317]\n"},
    {ROOT("\"extra_config\": []"), ""},
    {ROOT("\"extra_config\": [null, [], {\"router\": {}}]"), ""},
    {ROOT("\"extra_config\": {\"router\": {\"use_h2c\": true}}"), ""},
    {ROOT("\"extra_config\": {\"router\": {\"trusted_proxies\": [\"10.0.0.1\", \"10.0.0.0/33\", \"::1\"]}}"),
     "warning: extra_config.router.trusted_proxies[1]: \"10.0.0.0/33\" is no address or network: it and all behind "
     "it are "
     "not trusted [HF0319]\n"},
    {ROOT("\"extra_config\": {\"router\": {\"return_error_mgs\": true}}"),
     "warning: extra_config.router: unknown key \"return_error_mgs\" [HF0101]\n"},
    {ROOT("\"extra_config\": {\"holdfast/server\": {\"drain_window\": \"30s\", \"max_connections\": 5}}"), ""},
    {ROOT("\"extra_config\": {\"router\": {\"auto_options\": \"yes\"}}"),
     "warning: extra_config.router.auto_options: wants true or false; as in KrakenD, most of this block is ignored "
     "because of "
     "it [HF0318]\n"},
    {ROOT("\"extra_config\": {\"holdfast/server\": {\"max_connection_age\": \"4h\", \"proxy_protocol\": \"off\", "
          "\"min_body_rate\": 240}}"),
     ""},
    {ROOT("\"extra_config\": {\"holdfast/server\": {\"proxy_protocol\": \"accept\"}}"),
     "error: extra_config.holdfast/server.proxy_protocol: \"accept\" takes headers only from proxy_protocol_from, "
     "which is empty [HF0111]\n"},
    {ROOT("\"port\": 1, \"extra_config\": {\"holdfast/server\": {\"listeners\": [{\"listen\": \"nowhere\", "
          "\"protocols\": "
          "[\"h2\", \"h3\"], \"tls\": {\"keys\": []}}]}}"),
     "warning: port: has no effect beside extra_config.holdfast/server.listeners [HF0316]\n"
     "error: extra_config.holdfast/server.listeners[0].listen: \"nowhere\" is no address to listen on [HF0302]\n"
     "error: extra_config.holdfast/server.listeners[0].protocols[1]: \"h3\" is none of what it can be [HF0111]\n"
     "error: extra_config.holdfast/server.listeners[0].tls: has no certificate to show [HF0330]\n"},
    {ROOT("\"extra_config\": {\"holdfast/admin\": {\"listen\": \"x\", \"token_file\": \"/t\"}}"),
     "error: extra_config.holdfast/admin.listen: \"x\" is no address to listen on [HF0302]\n"},
    {ROOT("\"extra_config\": {\"holdfast/admin\": {\"hosts\": [\"a.test\", \"*\", \"\", \"a:1\", \"http://a\"]}}"),
     "error: extra_config.holdfast/admin.hosts[2]: \"\" is no name [HF0308]\n"
     "error: extra_config.holdfast/admin.hosts[3]: \"a:1\" is no name [HF0308]\n"
     "error: extra_config.holdfast/admin.hosts[4]: \"http://a\" is no name [HF0308]\n"},
    {ROOT("\"port\": 70000"), "error: port: 70000 is more than 65535 [HF0104]\n"},
    {"{\"endpoints\": []}", "error: version: 0 is not supported: only 3 is [HF0300]\n"},
    {"{\"version\": 3, \"host\": [\"\"]}", "error: host[0]: \"\" is not one host [HF0308]\n"},
};

TEST(service_refuses_what_it_cannot_do)
{
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        test_case_is("%s", refused[i].text);
        CHECK_STR(first_lines(refused[i].text), str_from(refused[i].lines));
    }
}

TEST(service_tells_routes_that_cannot_stand_beside_each_other)
{
    static const struct {
        const char *text, *lines;
    } rows[] = {
        {ROOT("\"endpoints\": [{\"endpoint\": \"/u/{id}\", \"backend\": [{}]}, {\"endpoint\": \"/u/{id}\", "
              "\"backend\": [{}]}]"),
         "note: route GET /u/:id stands here [HF0305]\nerror: route GET /u/:id: the same route is there already "
         "[HF0305]\n"},
        {ROOT("\"endpoints\": [{\"endpoint\": \"/u/{id}\", \"backend\": [{}]}, {\"endpoint\": \"/u/{x}/y\", "
              "\"backend\": [{}]}]"),
         "note: route GET /u/:id stands here [HF0306]\nerror: route GET /u/:x/y: parameter {x} stands where another "
         "route has {id} "
         "[HF0306]\n"},
        {ROOT("\"endpoints\": [{\"endpoint\": \"/hey\", \"backend\": [{}]}], \"extra_config\": {\"router\": "
              "{\"health_path\": "
              "\"/hey\"}}"),
         "error: route GET /hey: the same route is there already [HF0305]\nnote: route GET /hey stands here "
         "[HF0305]\n"},
        {ROOT("\"endpoints\": [{\"endpoint\": \"/x/__health\", \"backend\": [{}]}]"),
         "error: endpoints[0].endpoint: \"/x/__health\" is kept for the gateway itself, or has a star before its end "
         "[HF0303]\n"},
        {ROOT("\"endpoints\": [{\"endpoint\": \"/__healthy\", \"backend\": [{}]}]"), ""},
        {ROOT("\"endpoints\": [{\"endpoint\": \"/a*b\", \"backend\": [{}]}]"),
         "error: endpoints[0].endpoint: \"/a*b\" is kept for the gateway itself, or has a star before its end "
         "[HF0303]\n"},
        {ROOT("\"endpoints\": [{\"endpoint\": \"/a*\", \"backend\": [{}]}]"),
         "error: route GET /a*: a star may only stand at the end, behind a slash [HF0304]\n"},
        {ROOT("\"endpoints\": [{\"endpoint\": \"/{a}{b}/{c}-{d}\", \"backend\": [{\"url_pattern\": \"/{a}\"}]}]"),
         "warning: endpoints[0].backend[0].url_pattern: {a} is never filled: the path has text behind it [HF0313]\n"},
        {ROOT("\"disable_rest\": true, \"endpoints\": [{\"endpoint\": \"/file.{ext}\", \"backend\": [{\"url_pattern\": "
              "\"/{ext}\"}]}]"),
         ""},
        {ROOT("\"endpoints\": [{\"endpoint\": \"/file.{ext}\", \"backend\": [{\"url_pattern\": \"/{ext}\"}]}]"),
         "error: endpoints[0].backend[0].url_pattern: {ext} is not defined by the endpoint's path [HF0312]\n"},
        {ROOT("\"endpoints\": [{\"endpoint\": \"/x\", \"backend\": [{\"url_pattern\": \"/{unknown}\"}]}]"),
         "error: endpoints[0].backend[0].url_pattern: {unknown} is not defined by the endpoint's path [HF0312]\n"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        test_case_is("%s", rows[i].text);
        CHECK_STR(first_lines(rows[i].text), str_from(rows[i].lines));
    }
}

TEST(service_strict_makes_unknown_names_errors)
{
    struct report *report = gateway_report();

    report->strict = true;
    CHECK(gateway_load(ROOT("\"extra_config\": {\"router\": {\"x_y\": 1}, \"mine\": {}}, \"tiemout\": 1"), report) ==
          NULL);
    CHECK_EQ(report->errors, 3);
}

TEST(service_survives_odd_shapes)
{
    static const char *const texts[] = {
        "[]",
        "3",
        "null",
        "{}",
        "{\"version\": 3, \"endpoints\": [1, null, \"x\", []]}",
        "{\"version\": 3, \"endpoints\": {}}",
        "{\"version\": 3, \"endpoints\": [{\"endpoint\": 1, \"backend\": [null, 2]}]}",
        "{\"version\": 3, \"endpoints\": [{\"endpoint\": \"\", \"backend\": {}}]}",
        "{\"version\": 3, \"extra_config\": {\"router\": 1, \"holdfast/server\": [], \"holdfast/admin\": null}}",
        "{\"version\": 3, \"extra_config\": {\"holdfast/server\": {\"listeners\": [1, {}, null]}}}",
        "{\"version\": 3, \"extra_config\": {\"router\": {\"trusted_proxies\": [null], \"error_body\": 1}}}",
        "{",
        "",
    };

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct report *report = gateway_report();
        struct service *service = gateway_load(texts[i], report);

        test_case_is("%s", texts[i]);
        CHECK_EQ(service == NULL, report->errors > 0);
    }
}

static void load_in_small_memory(void *arg)
{
    struct arena *arena = arena_new(NULL, 1 << 20);
    struct report report;
    struct service_sources sources = {.path = "test.json", .text = arg};

    if (!arena)
        return;
    report_init(&report, arena);
    (void)service_load(arena, &sources, &report);
    arena_free(arena);
}

TEST(service_bears_failing_allocations)
{
    static char text[] = BACKEND("\"url_pattern\": \"/{id}\", \"extra_config\": {\"backend/http\": {}}");

    test_every_allocation_fails(load_in_small_memory, text);
}

TEST(service_bears_arenas_of_every_size)
{
    static const char text[] =
        ROOT("\"extra_config\": {\"router\": {\"trusted_proxies\": [\"::1\"], \"error_body\": {\"404\": {}}}, "
             "\"holdfast/server\": {\"listeners\": [{\"listen\": \":1\"}]}}, \"endpoints\": [{\"endpoint\": "
             "\"/{a}\", \"input_headers\": [\"x\"], \"backend\": [{\"url_pattern\": \"/{a}\"}]}, "
             "{\"endpoint\": \"/b\", \"extra_config\": {\"holdfast/answer\": {\"body\": {}}}}]");

    for (size_t bytes = 4096; bytes < 65536; bytes += 96) {
        struct arena *arena = arena_new(NULL, bytes);
        struct report report;
        struct service_sources sources = {.path = "test.json", .text = text};

        report_init(&report, arena);
        (void)service_load(arena, &sources, &report);
        arena_free(arena);
    }
}
