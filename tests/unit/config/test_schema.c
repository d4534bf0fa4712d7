/* test_schema.c: structs from documents by tables: weak typing, defaults, ranges, what is unknown or missing, and what
 * is said. SPDX-License-Identifier: Apache-2.0 */
#include "config/schema.h"
#include "unit/config/config_test.h"

struct backend {
    struct str url_pattern;
    struct str_list host;
    int encoding;
    struct place place;
};

struct endpoint {
    struct str path;
    int64_t timeout_ns;
    struct list_of backend;
    const struct node *extra;
};

struct limits {
    int64_t size, count;
    bool on, seen;
};

struct root {
    int64_t port, timeout_ns, size;
    bool debug, sequential;
    struct str name;
    int encoding, method;
    struct str_list host;
    struct limits limits;
    struct list_of endpoints;
    const struct node *extra;
    bool port_seen;
    struct place port_place;
};

static const char *const encodings[] = {"json", "no-op", "xml", "safejson", NULL};

static const struct option backend_options[] = {
    OPTION_STRING(struct backend, "url_pattern", url_pattern, .required = true, OPTION_PLACE(struct backend, place)),
    OPTION_STRINGS(struct backend, "host", host),
    OPTION_ENUM(struct backend, "encoding", encoding, .names = encodings),
};
static const struct schema backend_schema = {.title = "backend",
                                             .size = sizeof(struct backend),
                                             .options = backend_options,
                                             .count = COUNT_OF(backend_options),
                                             .never_null = true};

static const struct option endpoint_options[] = {
    OPTION_STRING(struct endpoint, "endpoint", path, .required = true, .help = "the path that clients ask for"),
    OPTION_DURATION(struct endpoint, "timeout", timeout_ns, .preset = SECONDS(2), .min = MS(1), .max = SECONDS(3600)),
    OPTION_LIST(struct endpoint, "backend", backend, .schema = &backend_schema),
    OPTION_NODE(struct endpoint, "extra_config", extra),
};

static void check_endpoint(void *bound, const struct node *node, const char *path, struct report *report)
{
    const struct endpoint *endpoint = bound;

    if (endpoint->path.len && endpoint->path.data[0] != '/')
        report_add(report, SEVERITY_WARNING, 900, node->place, NULL, "%s: no slash", path);
}

static const struct schema endpoint_schema = {.title = "endpoint",
                                              .size = sizeof(struct endpoint),
                                              .options = endpoint_options,
                                              .count = COUNT_OF(endpoint_options),
                                              .check = check_endpoint};

static const struct option limits_options[] = {
    OPTION_SIZE(struct limits, "size", size, .preset = 4096, .min = 1, .max = 1 << 30),
    OPTION_INT(struct limits, "count", count, .preset = 5, .min = 1),
    OPTION_BOOL(struct limits, "on", on, .preset = 1),
};
static const struct schema limits_schema = {
    .title = "limits", .size = sizeof(struct limits), .options = limits_options, .count = COUNT_OF(limits_options)};

static const struct option root_options[] = {
    OPTION_INT(struct root, "port", port, .preset = 8080, .max = 65535, OPTION_SEEN(struct root, port_seen),
               OPTION_PLACE(struct root, port_place)),
    OPTION_DURATION(struct root, "timeout", timeout_ns, .preset = SECONDS(2)),
    OPTION_SIZE(struct root, "size", size, .preset = 100),
    OPTION_BOOL(struct root, "debug", debug),
    OPTION_BOOL(struct root, "sequential", sequential, .preset = 1),
    OPTION_STRING(struct root, "name", name, .preset_text = "gateway"),
    OPTION_ENUM(struct root, "encoding", encoding, .names = encodings, .preset_text = "no-op"),
    OPTION_STRINGS(struct root, "host", host),
    OPTION_OBJECT(struct root, "limits", limits, .schema = &limits_schema,
                  .seen_at = 1 + offsetof(struct root, limits.seen)),
    OPTION_LIST(struct root, "endpoints", endpoints, .schema = &endpoint_schema),
    OPTION_NODE(struct root, "extra_config", extra),
    OPTION_IGNORED("plugin", .note = "plugins are not loaded"),
    OPTION_IGNORED("version"),
};
static const struct schema root_schema = {
    .title = "root", .size = sizeof(struct root), .options = root_options, .count = COUNT_OF(root_options)};

/* Binds a text; the report comes back. */
static struct report *bind(const char *text, struct root *root)
{
    struct report *report = config_test_report();
    bool bound = schema_bind(&root_schema, config_test_node(str_from(text)), "", root, test_arena(), report);

    CHECK_EQ(bound, report->errors == 0);
    return report;
}

TEST(defaults_fill_what_is_not_given)
{
    static const char nulls[] = "{\"port\":null,\"timeout\":null,\"size\":null,\"debug\":null,\"sequential\":null,"
                                "\"name\":null,\"encoding\":null,\"host\":null,\"limits\":null,\"endpoints\":null,"
                                "\"extra_config\":null}";
    static const char *const texts[] = {"{}", "null", nulls};

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct root root;

        test_case_is("%s", texts[i]);
        memset(&root, 0xff, sizeof(root));
        CHECK(bind(texts[i], &root)->first == NULL);
        CHECK_INT(root.port, 8080);
        CHECK_INT(root.timeout_ns, 2000000000);
        CHECK_INT(root.size, 100);
        CHECK(!root.debug && root.sequential && !root.port_seen && !root.limits.seen);
        CHECK_TEXT(root.name, "gateway");
        CHECK_INT(root.encoding, 1);
        CHECK_INT(root.method, 0);
        CHECK_EQ(root.host.count + root.endpoints.count, 0);
        CHECK_INT(root.limits.size, 4096);
        CHECK_INT(root.limits.count, 5);
        CHECK(root.limits.on);
        CHECK(root.extra == NULL);
        CHECK(root.port_place.source == NULL);
    }
    struct root root;

    CHECK(schema_bind(&root_schema, NULL, "", &root, test_arena(), config_test_report()));
    CHECK_INT(root.port, 8080);
}

TEST(what_was_given_is_told_with_its_place)
{
    struct root root;

    bind("{ \"port\": 0 , \"limits\": {}}", &root);
    CHECK(root.port_seen);
    CHECK(root.limits.seen);
    CHECK_EQ(root.port_place.at, 10);
    CHECK_EQ(root.port_place.len, 1);
    CHECK_INT(root.port, 0);
}

TEST(ranges_hold_at_both_ends)
{
    static const struct {
        const char *text, *problem;
    } rows[] = {
        {"{\"limits\":{\"size\":1}}", ""},
        {"{\"limits\":{\"size\":0}}", "error: limits.size: 0 is less than 1 bytes [HF0104]"},
        {"{\"limits\":{\"size\":\"1GiB\"}}", ""},
        {"{\"limits\":{\"size\":\"2GiB\"}}", "error: limits.size: \"2GiB\" is more than 1073741824 bytes [HF0104]"},
        {"{\"limits\":{\"count\":1}}", ""},
        {"{\"limits\":{\"count\":0}}", "error: limits.count: 0 is less than 1 [HF0104]"},
        {"{\"limits\":{\"count\":9223372036854775807}}", ""},
        {"{\"endpoints\":[{\"endpoint\":\"/\",\"timeout\":\"1ms\"}]}", ""},
        {"{\"endpoints\":[{\"endpoint\":\"/\",\"timeout\":\"999us\"}]}",
         "error: endpoints[0].timeout: \"999us\" is less than 1ms [HF0104]"},
        {"{\"endpoints\":[{\"endpoint\":\"/\",\"timeout\":\"2h\"}]}",
         "error: endpoints[0].timeout: \"2h\" is more than 1h0m0s [HF0104]"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct root root;

        test_case_is("%s", rows[i].text);
        CHECK_STR(config_test_heading(bind(rows[i].text, &root)), str_from(rows[i].problem));
    }
}

TEST(lists_of_objects_are_bound)
{
    struct root root;

    CHECK(bind("{\"endpoints\":[{\"endpoint\":\"/a\",\"timeout\":\"5s\",\"backend\":[{\"url_pattern\":\"/"
               "x\",\"host\":\"h\"},"
               "{\"url_pattern\":\"/y\",\"encoding\":\"xml\"}]},{\"endpoint\":\"/b\",\"extra_config\":{\"k\":[1]}}]}",
               &root)
              ->first == NULL);
    const struct endpoint *endpoints = root.endpoints.items;
    const struct backend *backends = endpoints[0].backend.items;

    CHECK_EQ(root.endpoints.count, 2);
    CHECK_TEXT(endpoints[0].path, "/a");
    CHECK_INT(endpoints[0].timeout_ns, SECONDS(5));
    CHECK_EQ(endpoints[0].backend.count, 2);
    CHECK_TEXT(backends[0].url_pattern, "/x");
    CHECK_TEXT(backends[0].host.items[0], "h");
    CHECK(backends[0].host.places[0].source != NULL);
    CHECK_INT(backends[1].encoding, 2);
    CHECK(backends[1].place.len == 4);
    CHECK_TEXT(endpoints[1].path, "/b");
    CHECK_INT(endpoints[1].timeout_ns, SECONDS(2));
    CHECK_EQ(endpoints[1].backend.count, 0);
    CHECK_TEXT(node_to_json(endpoints[1].extra, test_arena()), "{\"k\":[1]}");
}

TEST(one_object_stands_for_a_list_of_one_and_an_empty_one_for_none)
{
    struct root root;

    CHECK(bind("{\"endpoints\":{\"endpoint\":\"/a\"}}", &root)->first == NULL);
    CHECK_EQ(root.endpoints.count, 1);
    CHECK_TEXT(((const struct endpoint *)root.endpoints.items)->path, "/a");
    CHECK(bind("{\"endpoints\":{}}", &root)->first == NULL);
    CHECK_EQ(root.endpoints.count, 0);
    CHECK_TEXT(config_test_heading(bind("{\"endpoints\":\"x\"}", &root)),
               "error: endpoints: expected a list of objects, found a string [HF0103]");
    CHECK_TEXT(config_test_heading(bind("{\"endpoints\":[{\"endpoint\":\"/\"},5]}", &root)),
               "error: endpoints[1]: expected an object, found a number [HF0103]");
    CHECK_EQ(root.endpoints.count, 2);
    CHECK_TEXT(config_test_heading(bind("{\"endpoints\":[null]}", &root)),
               "error: endpoints[0]: \"endpoint\" is missing [HF0105] | the path that clients ask for");
    CHECK_TEXT(config_test_heading(bind("{\"endpoints\":[{\"endpoint\":\"/\",\"backend\":[null]}]}", &root)),
               "error: endpoints[0].backend[0]: expected an object, found null [HF0103]");
    CHECK_TEXT(config_test_heading(bind("{\"endpoints\":[{\"endpoint\":\"/\",\"backend\":null}]}", &root)), "");
    CHECK_TEXT(config_test_heading(bind("{\"limits\":[]}", &root)),
               "error: limits: expected an object, found a list [HF0103]");
    CHECK_TEXT(config_test_heading(bind("[]", &root)), "error: expected an object, found a list [HF0103]");
    CHECK_INT(root.port, 8080);
}

TEST(unknown_keys_are_warnings_with_a_suggestion_and_comments_are_silent)
{
    struct root root;

    CHECK_TEXT(config_test_heading(bind("{\"tiemout\":\"1s\"}", &root)),
               "warning: unknown key \"tiemout\" [HF0101] | did you mean \"timeout\"?");
    CHECK_TEXT(config_test_heading(bind("{\"zzzzzz\":1}", &root)), "warning: unknown key \"zzzzzz\" [HF0101]");
    CHECK_TEXT(config_test_heading(bind("{\"endpoints\":[{\"endpoint\":\"/\",\"backends\":[]}]}", &root)),
               "warning: endpoints[0]: unknown key \"backends\" [HF0101] | did you mean \"backend\"?");
    CHECK_TEXT(config_test_heading(bind("{\"@comment\":1,\"$schema\":2,\"_x\":3,\"#\":4}", &root)), "");
    CHECK_TEXT(config_test_heading(bind("{\"\":1}", &root)), "warning: unknown key \"\" [HF0101]");
    CHECK_TEXT(config_test_heading(bind("{\"extra_config\":{\"any\":{\"thing\":1}}}", &root)), "");

    struct report *strict = config_test_report();

    strict->strict = true;
    CHECK(!schema_bind(&root_schema, config_test_node(STR("{\"prot\":1,\"@c\":1}")), "", &root, test_arena(), strict));
    CHECK_TEXT(config_test_heading(strict), "error: unknown key \"prot\" [HF0101] | did you mean \"port\"?");
    CHECK_EQ(strict->errors, 1);

    struct schema open = root_schema;

    open.open = true;
    CHECK(schema_bind(&open, config_test_node(STR("{\"prot\":1}")), "", &root, test_arena(), strict));
}

TEST(a_key_in_other_case_is_read_with_a_note)
{
    struct root root;
    struct report *report = bind("{\"Port\":90}", &root);

    CHECK_INT(root.port, 90);
    CHECK_TEXT(config_test_heading(report), "note: port: read although its case differs [HF0106] | write \"port\"");
    CHECK_EQ(report->notes, 1);
    report = bind("{\"Port\":90,\"port\":91}", &root);
    CHECK_INT(root.port, 91);
    CHECK_TEXT(config_test_heading(report), "warning: unknown key \"Port\" [HF0101] | did you mean \"port\"?");
}

TEST(ignored_options_are_known)
{
    struct root root;

    CHECK_TEXT(config_test_heading(bind("{\"version\":3}", &root)), "");
    CHECK_TEXT(config_test_heading(bind("{\"plugin\":{\"folder\":\"x\"}}", &root)),
               "note: plugin: plugins are not loaded [HF0112]");
}

TEST(what_is_required_is_missed_once_at_the_object)
{
    struct root root;
    struct report *report = bind("{\"endpoints\":[ {\"timeout\":\"1s\"}]}", &root);

    CHECK_TEXT(config_test_heading(report),
               "error: endpoints[0]: \"endpoint\" is missing [HF0105] | the path that clients ask for");
    CHECK_EQ(report->first->place.at, 15);
    CHECK_EQ(report->first->place.len, 1);
    CHECK_TEXT(config_test_heading(bind("{\"endpoints\":[{\"endpoint\":null}]}", &root)),
               "error: endpoints[0]: \"endpoint\" is missing [HF0105] | the path that clients ask for");
}

TEST(checks_across_fields_are_called_with_their_path)
{
    struct root root;

    CHECK_TEXT(config_test_heading(bind("{\"endpoints\":[{\"endpoint\":\"/\"},{\"endpoint\":\"x\"}]}", &root)),
               "warning: endpoints[1]: no slash [HF0900]");
}

TEST(all_problems_are_found_at_once)
{
    struct root root;
    struct report *report =
        bind("{\"port\":\"x\",\"timeout\":\"3sec\",\"name\":[],\"host\":[{}],\"limits\":{\"on\":\"maybe\",\"count\":0},"
             "\"endpoints\":[{},{\"endpoint\":\"x\",\"timeout\":5,\"backend\":[{\"encoding\":\"y\"}]}],\"what\":1}",
             &root);

    CHECK_EQ(report->errors, 10);
    CHECK_EQ(report->warnings, 3);
    CHECK_INT(root.port, 8080);
    CHECK_EQ(root.endpoints.count, 2);
}

TEST(the_path_of_the_caller_leads)
{
    struct backend backend;
    struct report *report = config_test_report();

    CHECK(!schema_bind(&backend_schema, config_test_node(STR("{\"host\":[[]]}")), "endpoints[2].backend[0]", &backend,
                       test_arena(), report));
    CHECK_CSTR(report->first->text, "endpoints[2].backend[0]: \"url_pattern\" is missing");
    CHECK_CSTR(report->first->next->text, "endpoints[2].backend[0].host[0]: expected a string, found a list");
}

TEST(long_values_are_cut_between_characters)
{
    struct root root;
    char text[200] = "{\"port\":\"x";
    size_t len = strlen(text);

    for (int i = 0; i < 40; i++, len += 3)
        memcpy(text + len, "\xe2\x82\xac", 3);
    memcpy(text + len, "\"}", 3);
    struct str shown = config_test_heading(bind(text, &root));

    CHECK(str_ends(shown, STR("\xe2\x82\xac...\" is not a whole number [HF0108]")));
    CHECK(shown.len < 120);
}

struct visited {
    struct str names;
};

static void visit(void *arg, const char *path, const struct option *option)
{
    struct visited *visited = arg;

    CHECK(option->name != NULL);
    visited->names = arena_format(test_arena(), "%.*s %s", STR_ARG(visited->names), path);
}

TEST(every_option_is_visited_with_its_path)
{
    struct visited visited = {STR_EMPTY};

    schema_visit(&root_schema, visit, &visited);
    CHECK_TEXT(visited.names,
               " port timeout size debug sequential name encoding host limits limits.size limits.count limits.on"
               " endpoints[] endpoints[].endpoint endpoints[].timeout endpoints[].backend[]"
               " endpoints[].backend[].url_pattern endpoints[].backend[].host endpoints[].backend[].encoding"
               " endpoints[].extra_config extra_config plugin version");
}

/* Whatever does not fit is an error, never a struct that looks whole. */
TEST(binding_bears_every_cap_of_memory)
{
    struct str text = STR("{\"host\":[\"a\",5],\"endpoints\":[{\"endpoint\":\"/"
                          "\",\"backend\":[{\"url_pattern\":1.5}]},{\"endpoint\":\"x\"}]}");
    struct node *node = config_test_node(text);
    unsigned succeeded = 0;

    for (size_t cap = 200; cap < 4000; cap += 8) {
        struct arena *arena = arena_new(NULL, cap);
        struct report report;
        struct root root;

        report_init(&report, arena);
        test_case_is("%zu bytes", cap);
        if (schema_bind(&root_schema, node, "", &root, arena, &report)) {
            CHECK_EQ(root.endpoints.count, 2);
            CHECK_EQ(root.host.count, 2);
            CHECK_TEXT(
                ((const struct backend *)((const struct endpoint *)root.endpoints.items)->backend.items)->url_pattern,
                "1.5");
            succeeded++;
        } else {
            CHECK(report.errors > 0);
        }
        arena_free(arena);
    }
    CHECK(succeeded > 0 && succeeded < 475);
}
