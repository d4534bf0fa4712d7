/* test_router.c: routes found, forgiven and refused, by table and against a model that tries every route by brute
 * force. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/router.h"
#include "gateway_test.h"

static const struct router_rules all_rules = {
    .redirect_trailing_slash = true, .redirect_fixed_path = true, .handle_method_not_allowed = true};

/* Routes as "METHOD PATH" lines; each one's target is its own text. */
static struct router *make_router(const struct router_rules *rules, const char *const *routes)
{
    struct router *router = router_new(test_arena(), rules);
    struct report *report = gateway_report();

    for (size_t i = 0; routes[i]; i++) {
        struct str route = str_from(routes[i]);
        size_t space = str_find_char(route, ' ');

        if (!router_add(router, str_first(route, space), str_from_offset(route, space + 1),
                        (void *)(uintptr_t)routes[i], (struct place){0}, report))
            test_fail(__FILE__, __LINE__, "%s: %.*s", routes[i], STR_ARG(report_text(report, test_arena(), false)));
    }
    return router;
}

/* The match as a line: "ROUTE name=value ... rest=...", "-> location", "405 allow", "404", "400". */
static struct str describe(const struct route_match *match)
{
    struct str text = STR_EMPTY;

    switch (match->kind) {
    case ROUTE_FOUND:
        text = arena_format(test_arena(), "%s", (const char *)match->target);
        for (unsigned i = 0; i < match->param_count; i++)
            text = arena_format(test_arena(), "%.*s %.*s=%.*s", STR_ARG(text), STR_ARG(match->params[i].name),
                                STR_ARG(match->params[i].value));
        if (match->rest.data)
            text = arena_format(test_arena(), "%.*s rest=%.*s", STR_ARG(text), STR_ARG(match->rest));
        return text;
    case ROUTE_REDIRECT:
        return arena_format(test_arena(), "%s %.*s", match->trailing_slash ? "slash" : "fixed",
                            STR_ARG(match->location));
    case ROUTE_NOT_ALLOWED:
        return arena_format(test_arena(), "405 %.*s", STR_ARG(match->allow));
    case ROUTE_NONE:
        return STR("404");
    case ROUTE_BAD_PATH:
        return STR("400");
    }
    return text;
}

static struct str find(const struct router *router, const char *method, const char *path)
{
    struct route_match match;

    router_find(router, test_arena(), str_from(method), guard_copy(str_from(path)), &match);
    return describe(&match);
}

struct row {
    const char *method, *path, *expected;
};

static void check_rows(const struct router *router, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        test_case_is("%s %s", rows[i].method, rows[i].path);
        CHECK_STR(find(router, rows[i].method, rows[i].path), str_from(rows[i].expected));
    }
}

static const struct row gin_rows[] = {
    {"GET", "/", "GET /"},
    {"GET", "/users/7", "GET /users/:id id=7"},
    {"GET", "/users/new", "GET /users/new"},
    {"GET", "/users/newer", "GET /users/:id id=newer"},
    {"GET", "/users/ne", "GET /users/:id id=ne"},
    {"GET", "/users/new/posts/3", "GET /users/:id/posts/:post id=new post=3"},
    {"GET", "/users/7/posts/3", "GET /users/:id/posts/:post id=7 post=3"},
    {"GET", "/a//c", "GET /a/:x/c x="},
    {"GET", "/a/b/c", "GET /a/:x/c x=b"},
    {"GET", "/a/b/d", "GET /a/b/d"},
    {"GET", "/users/a%20b", "GET /users/:id id=a b"},
    {"GET", "/users/a%2Fb", "404"},
    {"GET", "/users/a%2Fposts/b", "GET /users/:id/posts/:post id=a post=b"},
    {"GET", "/users/a%2Fposts%2Fb", "GET /users/:id/posts/:post id=a post=b"},
    {"GET", "/users/%e4%bd%a0", "GET /users/:id id=\xe4\xbd\xa0"},
    {"GET", "/users/%zz", "400"},
    {"GET", "/users/%4", "400"},
    {"GET", "/users/100%", "400"},
    {"GET", "/users/%25", "GET /users/:id id=%"},
    {"GET", "/file.json", "GET /file.:ext ext=json"},
    {"GET", "/file.", "404"},
    {"GET", "/lit:eral", "GET /lit\\:eral"},
    {"GET", "/deep/x/2", "GET /deep/x/:b b=2"},
    {"GET", "/deep/x/2/3", "GET /deep/:a/:b/:c a=x b=2 c=3"},
    /* Spelling. */
    {"GET", "/users/7/", "slash /users/7"},
    {"GET", "/slash", "slash /slash/"},
    {"GET", "/users/", "404"},
    {"GET", "/users/%20/", "slash /users/%20"},
    {"GET", "/USERS/NEW", "fixed /users/new"},
    {"GET", "/cased/Bob/end", "fixed /CaseD/Bob/End"},
    {"GET", "/cased/Bob/end/", "fixed /CaseD/Bob/End"},
    {"GET", "/Slash", "fixed /slash/"},
    {"GET", "//users///7", "fixed /users/7"},
    {"GET", "/users/../users/./new", "fixed /users/new"},
    {"GET", "/../../users/new", "fixed /users/new"},
    {"POST", "/users/", "slash /users"},
    {"POST", "/Users", "fixed /users"},
    /* Other methods. */
    {"POST", "/users/7", "405 GET, DELETE"},
    {"GET", "/only/put", "405 PUT, PATCH"},
    {"HEAD", "/", "405 GET"},
    {"OPTIONS", "/users/7", "405 GET, DELETE"},
    {"CONNECT", "", "404"},
    {"GET", "/nothing", "404"},
    {"GET", "", "404"},
    {"OPTIONS", "*", "404"},
};

TEST(router_follows_gin)
{
    static const char *const routes[] = {"GET /__health",
                                         "GET /",
                                         "GET /users/:id",
                                         "GET /users/new",
                                         "GET /users/:id/posts/:post",
                                         "POST /users",
                                         "GET /a/:x/c",
                                         "GET /a/b/d",
                                         "GET /slash/",
                                         "GET /CaseD/:name/End",
                                         "DELETE /users/:id",
                                         "GET /file.:ext",
                                         "PUT /only/put",
                                         "PATCH /only/put",
                                         "GET /lit\\:eral",
                                         "GET /deep/:a/:b/:c",
                                         "GET /deep/x/:b",
                                         NULL};
    check_rows(make_router(&all_rules, routes), gin_rows, COUNT_OF(gin_rows));
}

TEST(router_registers_clean_paths)
{
    static const char *const routes[] = {"GET //a",        "GET /b//c",    "GET /d/../e", "GET /f/./g", "GET /h//",
                                         "GET /i/:x//:y",  "GET /j/k/..",  "GET /l/:x/.", "GET /m/.n",  "GET /..o",
                                         "GET /p/../../q", "GET /.well/r", "GET /s/../",  NULL};
    static const struct row rows[] = {
        {"GET", "/a", "GET //a"},        {"GET", "//a", "fixed /a"},
        {"GET", "/b/c", "GET /b//c"},    {"GET", "/b//c", "fixed /b/c"},
        {"GET", "/e", "GET /d/../e"},    {"GET", "/d/../e", "fixed /e"},
        {"GET", "/f/g", "GET /f/./g"},   {"GET", "/h/", "GET /h//"},
        {"GET", "/h", "slash /h/"},      {"GET", "/i/1/2", "GET /i/:x//:y x=1 y=2"},
        {"GET", "/j", "GET /j/k/.."},    {"GET", "/l/1", "GET /l/:x/. x=1"},
        {"GET", "/m/.n", "GET /m/.n"},   {"GET", "/..o", "GET /..o"},
        {"GET", "/q", "GET /p/../../q"}, {"GET", "/.well/r", "GET /.well/r"},
        {"GET", "/", "GET /s/../"},
    };

    check_rows(make_router(&all_rules, routes), rows, COUNT_OF(rows));
}

TEST(router_serves_subtrees_last)
{
    static const char *const routes[] = {"* /*",         "GET /api/*",          "GET /api/v1/:id", "GET /api/v1/raw",
                                         "* /any/thing", "POST /static/:dir/*", "* /static/*",     NULL};
    static const struct row rows[] = {
        {"GET", "/", "* /* rest="},
        {"PURGE", "/x/y", "* /* rest=x/y"},
        {"GET", "/x%2fy/%41?", "* /* rest=x%2fy/%41?"},
        {"GET", "/api", "* /* rest=api"},
        {"GET", "/api/", "GET /api/* rest="},
        {"GET", "/api/a%20b//c", "GET /api/* rest=a%20b//c"},
        {"GET", "/api/v1/raw", "GET /api/v1/raw"},
        {"GET", "/api/v1/7", "GET /api/v1/:id id=7"},
        {"GET", "/api/v1/7/8", "GET /api/* rest=v1/7/8"},
        {"POST", "/api/v1/7", "* /* rest=api/v1/7"},
        {"GET", "/any/thing", "* /any/thing"},
        {"POST", "/static/css/a.css", "POST /static/:dir/* dir=css rest=a.css"},
        {"GET", "/static/css/a.css", "* /static/* rest=css/a.css"},
        {"POST", "/static/x", "* /static/* rest=x"},
        /* What would climb out of its subtree is not in it. */
        {"GET", "/api/../x", "* /* rest=api/../x"},
        {"GET", "/api/a/../b", "GET /api/* rest=a/../b"},
        {"GET", "/api/%2e%2e/x", "* /* rest=api/%2e%2e/x"},
        {"GET", "/../x", "fixed /x"},
        {"CONNECT", "", "404"},
    };

    check_rows(make_router(&all_rules, routes), rows, COUNT_OF(rows));
}

TEST(router_redirects_below_a_subtree_of_one_method)
{
    static const char *const routes[] = {"GET /__debug/*", "POST /__debug/*", "GET /x", NULL};
    static const struct row rows[] = {
        {"GET", "/__debug", "slash /__debug/"},         {"GET", "/__DEBUG/a", "fixed /__debug/a"},
        {"GET", "/__debug/a", "GET /__debug/* rest=a"}, {"PUT", "/__debug/a", "405 GET, POST"},
        {"GET", "/__debug/../x", "fixed /x"},
    };

    check_rows(make_router(&all_rules, routes), rows, COUNT_OF(rows));
}

TEST(router_rules_switch_redirects_off)
{
    static const char *const routes[] = {"GET /a", "POST /b", "GET /c/", NULL};
    static const struct router_rules none, slash = {.redirect_trailing_slash = true},
                                           fixed = {.redirect_fixed_path = true}, extra = {.remove_extra_slash = true};

    CHECK_TEXT(find(make_router(&none, routes), "GET", "/a/"), "404");
    CHECK_TEXT(find(make_router(&none, routes), "GET", "/A"), "404");
    CHECK_TEXT(find(make_router(&none, routes), "GET", "/b"), "404");
    CHECK_TEXT(find(make_router(&slash, routes), "GET", "/a/"), "slash /a");
    CHECK_TEXT(find(make_router(&slash, routes), "GET", "/A"), "404");
    CHECK_TEXT(find(make_router(&fixed, routes), "GET", "/a/"), "fixed /a");
    CHECK_TEXT(find(make_router(&fixed, routes), "GET", "/c"), "fixed /c/");
    CHECK_TEXT(find(make_router(&extra, routes), "GET", "//a"), "GET /a");
    CHECK_TEXT(find(make_router(&extra, routes), "GET", "/x/../a"), "GET /a");
}

TEST(router_keeps_urls_as_they_were_sent)
{
    static const char *const routes[] = {"GET /u/:id",   "GET /u/:id/:x", "GET /café/x",
                                         "GET /files/*", "GET /Big",      NULL};
    static const struct row rows[] = {
        {"GET", "/u/a%2Fb", "GET /u/:id id=a%2Fb"},
        {"GET", "/u/a%2fb/%41", "GET /u/:id/:x id=a%2fb x=%41"},
        {"GET", "/u/50%25", "GET /u/:id id=50%25"},
        {"GET", "/u/%01", "GET /u/:id id=%01"},
        {"GET", "/u/plain", "GET /u/:id id=plain"},
        {"GET", "/caf%C3%A9/x", "GET /café/x"},
        {"GET", "/caf%C3%A9%2Fx", "404"},
        {"GET", "/files/a%2Fb//c", "GET /files/* rest=a%2Fb//c"},
        {"GET", "/u/a%2Fb/", "slash /u/a%2Fb"},
        {"GET", "/bIG", "fixed /Big"},
        {"GET", "/U/a%2Fb", "404"},
        {"GET", "/u/%2", "400"},
    };
    struct router_rules rules = all_rules, clean = all_rules;

    rules.as_sent = clean.as_sent = clean.remove_extra_slash = true;
    check_rows(make_router(&rules, routes), rows, COUNT_OF(rows));
    CHECK_TEXT(find(make_router(&clean, routes), "GET", "/u//a%2Fb"), "GET /u/:id id=a%2Fb");
    CHECK_TEXT(find(make_router(&clean, routes), "GET", "/x/../u/50%25"), "GET /u/:id id=50%25");
}

TEST(router_keeps_what_a_404_captured)
{
    static const char *const routes[] = {"GET /users/:id/posts", NULL};
    struct router *router = make_router(&all_rules, routes);
    struct route_match match;

    router_find(router, test_arena(), STR("GET"), STR("/users/a%2525/nothing"), &match);
    CHECK_EQ(match.kind, ROUTE_NONE);
    CHECK_EQ(match.param_count, 1);
    CHECK_TEXT(match.params[0].value, "a%25");
    CHECK_TEXT(route_check_params(&match, test_arena()), "error: encoded url params");
}

TEST(router_checks_parameters_as_krakend)
{
    static const struct {
        const char *path, *expected; /* NULL: fine */
    } rows[] = {
        {"/u/plain", NULL},
        {"/u/a%20b", NULL},
        {"/u/%252F", "error: encoded url params"},
        {"/u/%25", "error: invalid URL escape \"%\""},
        {"/u/%25zzz", "error: invalid URL escape \"%zz\""},
        {"/u/%3F", "error: encoded url params"},
        {"/u/%23", "error: encoded url params"},
        {"/u/%25%01%22", "error: invalid URL escape \"%\\x01\\\"\""},
    };
    static const char *const routes[] = {"GET /u/:id", NULL};
    struct router *router = make_router(&all_rules, routes);

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct route_match match;
        struct str text;

        test_case_is("%s", rows[i].path);
        router_find(router, test_arena(), STR("GET"), str_from(rows[i].path), &match);
        CHECK_EQ(match.kind, ROUTE_FOUND);
        text = route_check_params(&match, test_arena());
        CHECK_EQ(text.data != NULL, rows[i].expected != NULL);
        CHECK_STR(text, str_from(rows[i].expected));
    }
}

TEST(router_reports_conflicts)
{
    static const struct {
        const char *first, *second, *text; /* NULL: they get along */
    } rows[] = {
        {"GET /u/:id", "GET /u/:id", "error: route GET /u/:id: the same route is there already [HF0305]\n"},
        {"GET /u/:id", "GET /u/:uid/x",
         "error: route GET /u/:uid/x: parameter {uid} stands where another route has {id} [HF0306]\n"},
        {"GET /u/:id", "POST /u/:uid/x", NULL},
        {"GET /u/:id", "GET /u/new", NULL},
        {"GET /u/:id", "GET /u/:id/", NULL},
        {"GET /u/*", "GET /u/*", "error: route GET /u/*: the same route is there already [HF0305]\n"},
        {"GET /u/*", "GET /u/:id", NULL},
        {"GET /u/*", "* /u/*", NULL},
        {"GET /x", "GET /:a:b", "error: route GET /:a:b: only one parameter is allowed between two slashes [HF0304]\n"},
        {"GET /x", "GET /:/b", "error: route GET /:/b: a parameter has no name [HF0304]\n"},
        {"GET /x", "GET /a*", "error: route GET /a*: a star may only stand at the end, behind a slash [HF0304]\n"},
        {"GET /x/y", "GET //x/./y", "error: route GET /x/y: the same route is there already [HF0305]\n"},
        {"GET /x", "GET b", "error: route GET b: a path begins with a slash [HF0304]\n"},
        {"GET /x", "GET /a\\b", "error: route GET /a\\b: a backslash may only stand before a colon [HF0304]\n"},
        {"GET /x", "GET /a\\", "error: route GET /a\\: a backslash may only stand before a colon [HF0304]\n"},
        {"GET /x.:a", "GET /x.:b",
         "error: route GET /x.:b: parameter {b} stands where another route has {a} [HF0306]\n"},
        {"GET /x.:a", "GET /:b", NULL},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *one[] = {rows[i].first, NULL};
        struct router *router = make_router(&all_rules, one);
        struct report *report = gateway_report();
        struct str second = str_from(rows[i].second);
        size_t space = str_find_char(second, ' ');

        test_case_is("%.*s beside %zu", STR_ARG(second), i);
        CHECK_EQ(router_add(router, str_first(second, space), str_from_offset(second, space + 1), router,
                            (struct place){0}, report),
                 rows[i].text == NULL);
        CHECK_STR(report_text(report, test_arena(), false), rows[i].text ? str_from(rows[i].text) : STR(""));
    }
}

/* Nodes of a hundred children, prefixes longer than what stands in a node, and cuts in the middle of both. */
TEST(router_finds_each_of_many_routes)
{
    enum { FIRST = '!', LAST = '~', TAILS = 4 };
    static const char *const tails[TAILS] = {"", "/short", "/a-prefix-of-more-than-sixteen-bytes",
                                             "/a-prefix-of-more-than-sixteen-bytes-that-does-not-stand-in-its-node"};
    struct router *router = router_new(test_arena(), &all_rules);
    struct report *report = gateway_report();
    struct str paths[LAST + 1][TAILS], path;

    for (unsigned first = FIRST; first <= LAST; first++)
        for (unsigned i = 0; i < TAILS && !strchr("*:\\/%.", (int)first); i++) {
            path = arena_format(test_arena(), "/v1/%c%s", first, tails[i]);
            paths[first][i] = path;
            CHECK(router_add(router, STR("GET"), path, (void *)(uintptr_t)path.data, (struct place){0}, report));
            path = arena_format(test_arena(), "%.*s/:id/of", STR_ARG(path));
            CHECK(router_add(router, STR("GET"), path, (void *)(uintptr_t)path.data, (struct place){0}, report));
        }
    for (unsigned first = FIRST; first <= LAST; first++)
        for (unsigned i = 0; i < TAILS && !strchr("*:\\/%.", (int)first); i++) {
            test_case_is("%s", paths[first][i].data);
            CHECK_STR(find(router, "GET", paths[first][i].data), paths[first][i]);
            path = arena_format(test_arena(), "%.*s/7/of", STR_ARG(paths[first][i]));
            CHECK_STR(find(router, "GET", path.data),
                      arena_format(test_arena(), "%.*s/:id/of id=7", STR_ARG(paths[first][i])));
            path = arena_format(test_arena(), "%.*s-", STR_ARG(path));
            CHECK_STR(find(router, "GET", path.data), STR("404"));
        }
}

TEST(router_refuses_too_many_parameters)
{
    struct router *router = router_new(test_arena(), &all_rules);
    struct report *report = gateway_report();
    struct str path = STR("");

    for (unsigned i = 0; i < ROUTE_PARAMS_MAX; i++)
        path = arena_format(test_arena(), "%.*s/:p%u", STR_ARG(path), i);
    CHECK(router_add(router, STR("GET"), path, router, (struct place){0}, report));
    path = arena_format(test_arena(), "%.*s/:more", STR_ARG(path));
    CHECK(!router_add(router, STR("GET"), path, router, (struct place){0}, report));
}

/* The model: a route matches a path segment by segment; of all that match, the one whose first differing segment is
 * static wins. */
enum { MODEL_ROUTES_MAX = 24, MODEL_SEGMENTS_MAX = 6 };

struct model {
    struct str routes[MODEL_ROUTES_MAX];
    size_t count;
};

static size_t cut(struct str path, struct str segments[MODEL_SEGMENTS_MAX + 2])
{
    struct str rest = str_from_offset(path, 1), part;
    size_t count = 0;

    while (count < MODEL_SEGMENTS_MAX + 2 && str_split(&rest, '/', &part))
        segments[count++] = part;
    return count;
}

static bool model_matches(struct str route, struct str path)
{
    struct str pattern[MODEL_SEGMENTS_MAX + 2], text[MODEL_SEGMENTS_MAX + 2];
    size_t count = cut(route, pattern), have = cut(path, text);

    if (count != have)
        return false;
    for (size_t i = 0; i < count; i++) {
        bool param = str_starts(pattern[i], STR(":"));

        if (param ? text[i].len == 0 && i + 1 == count : !str_eq(pattern[i], text[i]))
            return false;
    }
    return true;
}

/* Does a stand before b: at the first segment in which they differ in kind, a is static? */
static bool stands_before(struct str a, struct str b)
{
    struct str left[MODEL_SEGMENTS_MAX + 2], right[MODEL_SEGMENTS_MAX + 2];
    size_t count = cut(a, left);

    CHECK_EQ(count, cut(b, right));
    for (size_t i = 0; i < count; i++) {
        bool left_param = str_starts(left[i], STR(":")), right_param = str_starts(right[i], STR(":"));

        if (left_param != right_param)
            return right_param;
    }
    return false;
}

static struct str model_find(const struct model *model, struct str path)
{
    struct str best = STR_EMPTY;

    for (size_t i = 0; i < model->count; i++)
        if (model_matches(model->routes[i], path) && (!best.data || stands_before(model->routes[i], best)))
            best = model->routes[i];
    return best;
}

/* Words with common beginnings, so that nodes are split at every place. */
static struct str random_word(struct rng *rng, bool may_be_empty)
{
    static const char *const words[] = {"a", "ab", "abc", "abd", "b", "ba", "x", ""};

    return str_from(words[rng_below(rng, COUNT_OF(words) - !may_be_empty)]);
}

/* Of a route (with_params) only the last segment may be empty: others are not registered. */
static struct str random_path(struct rng *rng, bool with_params)
{
    struct str path = STR("");
    size_t count = 1 + rng_below(rng, MODEL_SEGMENTS_MAX - 1);

    for (size_t i = 0; i < count; i++) {
        if (with_params && rng_below(rng, 3) == 0)
            path = arena_format(test_arena(), "%.*s/:p%zu", STR_ARG(path), i);
        else
            path = arena_format(test_arena(), "%.*s/%.*s", STR_ARG(path),
                                STR_ARG(random_word(rng, !with_params || i + 1 == count)));
    }
    return path;
}

static bool has_route(const struct model *model, struct str path)
{
    for (size_t i = 0; i < model->count; i++)
        if (str_eq(model->routes[i], path))
            return true;
    return false;
}

TEST(router_agrees_with_brute_force)
{
    static const struct router_rules none;
    struct rng *rng = test_rng();

    for (unsigned round = 0; round < 300; round++) {
        struct model model = {.count = 0};
        struct router *router = router_new(test_arena(), &none);
        struct report *report = gateway_report();

        while (model.count < MODEL_ROUTES_MAX) {
            struct str path = random_path(rng, true);

            if (has_route(&model, path))
                continue;
            model.routes[model.count] = path;
            if (!router_add(router, STR("GET"), path, &model.routes[model.count], (struct place){0}, report))
                test_fail(__FILE__, __LINE__, "%.*s", STR_ARG(report_text(report, test_arena(), false)));
            model.count++;
        }
        for (unsigned i = 0; i < 60; i++) {
            struct str path = random_path(rng, false), expected = model_find(&model, path);
            struct route_match match;

            test_case_is("round %u: %.*s", round, STR_ARG(path));
            router_find(router, test_arena(), STR("GET"), path, &match);
            CHECK_EQ(match.kind == ROUTE_FOUND, expected.data != NULL);
            if (expected.data)
                CHECK_STR(*(const struct str *)match.target, expected);
        }
    }
}

/* With ever more memory: refused in any case, with the whole text or a short one. */
TEST(a_bad_escape_is_refused_without_memory_too)
{
    enum { VALUE_BYTES = 400 };
    char value[VALUE_BYTES];
    struct route_match match = {.param_count = 1};
    unsigned whole = 0, shortened = 0;

    memset(value, 'a', sizeof(value));
    memcpy(value, "%zz", 3);
    match.params[0].value = str_of(value, sizeof(value));
    for (size_t room = 0; room < 8192; room++) {
        struct arena *arena = arena_new(NULL, room);
        struct str text;

        CHECK(arena != NULL);
        text = route_check_params(&match, arena);
        test_case_is("%zu bytes", room);
        whole += text.data && str_eq(text, STR("error: invalid URL escape \"%zz\""));
        shortened += text.data && str_eq(text, STR("error: invalid URL escape"));
        CHECK_EQ(whole + shortened, room + 1);
        arena_free(arena);
    }
    CHECK(whole > 0);
    CHECK(shortened > 0);
}
