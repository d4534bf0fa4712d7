/* test_shape.c: what is kept of one answer: target, allow, deny, mapping, group, flatmap_filter. Each row names the
 * section of the KrakenD reference that it comes from. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/render.h"
#include "gateway_test.h"

struct shape_row {
    const char *section, *backend, *body, *expected;
};

/* The Data of an answer, as text. */
static struct str shaped(const char *backend, struct str body)
{
    struct str text = arena_format(test_arena(), "{\"endpoint\": \"/a\", \"backend\": [{\"url_pattern\": \"/b\"%s%s}]}",
                                   backend[0] ? ", " : "", backend);
    struct endpoint *endpoint = gateway_endpoint(gateway_service_of(text.data));
    struct http_head *answer = gateway_request("", "", "");
    struct json_writer writer = {.arena = test_arena()};
    struct str error_body, error_type;
    struct decoded decoded;
    struct error err;
    uint16_t status;

    answer->status = 200;
    if (!render_decode(test_arena(), &endpoint->backends[0], STR("h"), gateway_request("GET", "/u", NULL), answer,
                       guard_copy(body), &decoded, &status, &err, &error_body, &error_type))
        test_fail(__FILE__, __LINE__, "%s", err.text);
    CHECK(decoded.complete);
    data_write(&writer, &decoded.data);
    gateway_forget();
    return json_written(&writer);
}

static void check_rows(const struct shape_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        test_case_is("%s: %s of %s", rows[i].section, rows[i].backend, rows[i].body);
        CHECK_STR(shaped(rows[i].backend, str_from(rows[i].body)), str_from(rows[i].expected));
    }
}

TEST(shape_takes_the_target)
{
    static const struct shape_row rows[] = {
        {"4.4.1", "\"target\": \"a\"", "{\"a\":{\"x\":1.0},\"b\":2}", "{\"x\":1.0}"},
        {"4.4.1", "\"target\": \"a.b\"", "{\"a\":{\"b\":{\"c\":[1]}}}", "{\"c\":[1]}"},
        {"4.4.1", "\"target\": \"a.b\"", "{\"a\":{\"c\":{}}}", "{}"},
        {"4.4.1", "\"target\": \"nope\"", "{\"a\":1}", "{}"},
        {"4.4.1", "\"target\": \"a\"", "{\"a\":[1]}", "{}"},
        {"4.4.1", "\"target\": \"a\"", "{\"a\":\"text\"}", "{}"},
        {"4.4.1", "\"target\": \"a\"", "{\"a\":null}", "{}"},
        {"4.4.1", "\"target\": \"a.b\"", "{\"a\":[{\"b\":{}}]}", "{}"},
        {"4.4.1", "\"target\": \"a\"", "{\"a\":{\"x\":1},\"a\":{\"y\":2}}", "{\"y\":2}"},
        {"4.4.1", "\"target\": \"a\"", "null", "{}"},
        {"4.4.1", "\"target\": \"\"", "{\"a\":1}", "{\"a\":1}"},
        {"4.4.1", "\"target\": \"collection\", \"is_collection\": true", "[1]", "{}"},
        {"4.4.1", "\"target\": \"A\"", "{\"a\":{\"b\":1}}", "{}"},
    };

    check_rows(rows, COUNT_OF(rows));
}

TEST(shape_allows_what_is_listed)
{
    static const struct shape_row rows[] = {
        {"4.4.3", "\"allow\": [\"b\", \"a\"]", "{\"c\":1,\"b\":[1,{\"x\":2}],\"a\":{\"z\":1,\"y\":2}}",
         "{\"a\":{\"y\":2,\"z\":1},\"b\":[1,{\"x\":2}]}"},
        {"4.4.3", "\"allow\": [\"a.b\"]", "{\"a\":{\"b\":1,\"c\":2},\"b\":3}", "{\"a\":{\"b\":1}}"},
        {"4.4.3", "\"allow\": [\"a.b.c\"]", "{\"a\":{\"b\":{\"c\":0.10,\"d\":1},\"e\":1}}",
         "{\"a\":{\"b\":{\"c\":0.10}}}"},
        {"4.4.3", "\"allow\": [\"a.b\"]", "{\"a\":[{\"b\":1}]}", "{}"},
        {"4.4.3", "\"allow\": [\"a.b\"]", "{\"a\":7}", "{}"},
        {"4.4.3", "\"allow\": [\"a.b\"]", "{\"a\":{\"c\":1},\"d\":1}", "{}"},
        {"4.4.3", "\"allow\": [\"a.b\"]", "{\"a\":{}}", "{}"},
        {"4.4.3", "\"allow\": [\"a\"]", "{\"a\":{}}", "{\"a\":{}}"},
        {"4.4.3", "\"allow\": [\"a\"]", "{\"a\":null}", "{\"a\":null}"},
        {"4.4.3", "\"allow\": [\"a\", \"a.b\"]", "{\"a\":{\"b\":1,\"c\":2}}", "{\"a\":{\"b\":1}}"},
        {"4.4.3", "\"allow\": [\"a.b\", \"a\"]", "{\"a\":{\"b\":1,\"c\":2}}", "{\"a\":{\"b\":1,\"c\":2}}"},
        {"4.4.3", "\"allow\": [\"a.b\", \"a.c\"]", "{\"a\":{\"c\":2,\"d\":3,\"b\":1}}", "{\"a\":{\"b\":1,\"c\":2}}"},
        {"4.4.3", "\"allow\": [\"a\"], \"deny\": [\"a\"]", "{\"a\":1,\"b\":2}", "{\"a\":1}"},
        {"4.4.3", "\"allow\": [\"a\"]", "{\"a\":1,\"a\":2,\"A\":3}", "{\"a\":2}"},
        {"4.4.3", "\"allow\": [\"a.b\"]", "{\"a\":{\"b\":1},\"a\":5}", "{}"},
        {"4.4.3", "\"allow\": [\"a.b\"]", "{\"a.b\":1}", "{}"},
        {"4.4.3", "\"allow\": [\"\\u0061b\"]", "{\"\\u0061b\":1,\"x\":2}", "{\"ab\":1}"},
        {"4.4.3", "\"allow\": [\"x\"]", "{}", "{}"},
        {"4.4.3", "\"allow\": [\"x\"]", "null", "null"},
        {"4.4.3", "\"allow\": \"a\"", "{\"a\":1,\"b\":2}", "{\"a\":1}"},
        {"4.4.3", "\"allow\": []", "{\"a\":1}", "{\"a\":1}"},
        {"4.4.3", "\"allow\": [\"collection\"], \"is_collection\": true", "[{\"b\":1,\"a\":2}]",
         "{\"collection\":[{\"a\":2,\"b\":1}]}"},
    };

    check_rows(rows, COUNT_OF(rows));
}

TEST(shape_denies_what_is_listed)
{
    static const struct shape_row rows[] = {
        {"4.4.3", "\"deny\": [\"a\"]", "{\"b\":1e3,\"a\":2}", "{\"b\":1e3}"},
        {"4.4.3", "\"deny\": [\"a.b\"]", "{\"a\":{\"b\":1,\"c\":2}}", "{\"a\":{\"c\":2}}"},
        {"4.4.3", "\"deny\": [\"a.b\"]", "{\"a\":{\"b\":1}}", "{\"a\":{}}"},
        {"4.4.3", "\"deny\": [\"a.b.c\"]", "{\"a\":{\"b\":{\"c\":1,\"d\":2}}}", "{\"a\":{\"b\":{\"d\":2}}}"},
        {"4.4.3", "\"deny\": [\"a.b\"]", "{\"a\":[{\"b\":1}]}", "{\"a\":[{\"b\":1}]}"},
        {"4.4.3", "\"deny\": [\"a.b\"]", "{\"a\":\"b\"}", "{\"a\":\"b\"}"},
        {"4.4.3", "\"deny\": [\"a\", \"a.b\"]", "{\"a\":{\"b\":1,\"c\":2},\"d\":3}", "{\"d\":3}"},
        {"4.4.3", "\"deny\": [\"a.b\", \"a\"]", "{\"a\":{\"b\":1,\"c\":2},\"d\":3}", "{\"d\":3}"},
        {"4.4.3", "\"deny\": [\"a\"]", "{\"a\":1}", "{}"},
        {"4.4.3", "\"deny\": [\"a\"]", "{\"a\":1,\"a\":2,\"b\":1,\"b\":2}", "{\"b\":2}"},
        {"4.4.3", "\"deny\": [\"x\"]", "{\"b\":1,\"a\":{\"d\":1,\"c\":2}}", "{\"a\":{\"c\":2,\"d\":1},\"b\":1}"},
        {"4.4.3", "\"deny\": [\"x\"]", "null", "null"},
    };

    check_rows(rows, COUNT_OF(rows));
}

TEST(shape_renames_and_groups)
{
    static const struct shape_row rows[] = {
        {"4.4.4", "\"mapping\": {\"a\": \"z\"}", "{\"a\":{\"q\":1},\"b\":2}", "{\"b\":2,\"z\":{\"q\":1}}"},
        {"4.4.4", "\"mapping\": {\"a\": \"z.y\"}", "{\"a\":1}", "{\"z\":1}"},
        {"1.3", "\"mapping\": [{\"a\": \"x\", \"b\": \"y\"}, {\"a\": \"z\"}]", "{\"a\":1,\"b\":2}",
         "{\"y\":2,\"z\":1}"},
        {"4.4.4", "\"mapping\": {\"a\": \"b\"}", "{\"a\":1,\"b\":2}", "{\"b\":1}"},
        {"4.4.4", "\"mapping\": {\"x\": \"y\"}", "{\"a\":1}", "{\"a\":1}"},
        {"4.4.4", "\"mapping\": {\"a.b\": \"y\"}", "{\"a\":{\"b\":1}}", "{\"a\":{\"b\":1}}"},
        {"4.4.4", "\"mapping\": {\"collection\": \"posts\"}, \"is_collection\": true", "[1,2]", "{\"posts\":[1,2]}"},
        {"4.4.4", "\"allow\": [\"a\"], \"mapping\": {\"b\": \"y\"}", "{\"a\":1,\"b\":2}", "{\"a\":1}"},
        {"4.4.4", "\"allow\": [\"a\"], \"mapping\": {\"a\": \"y\"}", "{\"a\":1,\"b\":2}", "{\"y\":1}"},
        {"4.4.5", "\"group\": \"g\"", "{\"b\":1,\"a\":2}", "{\"g\":{\"a\":2,\"b\":1}}"},
        {"4.4.5", "\"group\": \"g\"", "{}", "{\"g\":{}}"},
        {"4.4.5", "\"group\": \"g\"", "null", "{\"g\":null}"},
        {"4.4.5", "\"group\": \"g\", \"encoding\": \"string\"", "x<", "{\"g\":{\"content\":\"x\\u003c\"}}"},
        {"4.4", "\"target\": \"d\", \"deny\": [\"a\"], \"mapping\": {\"b\": \"c\"}, \"group\": \"g.h\"",
         "{\"d\":{\"a\":1,\"b\":[2.50]},\"e\":1}", "{\"g.h\":{\"c\":[2.50]}}"},
    };

    check_rows(rows, COUNT_OF(rows));
}

#define FLATMAP(ops)   "\"extra_config\": {\"proxy\": {\"flatmap_filter\": [" ops "]}}"
#define OP(type, args) "{\"type\": \"" type "\", \"args\": [" args "]}"

TEST(flatmap_deletes)
{
    static const struct shape_row rows[] = {
        {"4.10", FLATMAP(OP("del", "\"a\"")), "{\"a\":1,\"b\":1.0}", "{\"b\":1.0}"},
        {"4.10", FLATMAP(OP("del", "\"a\", \"b\"")), "{\"a\":1,\"b\":2,\"c\":3}", "{\"c\":3}"},
        {"4.10", FLATMAP(OP("del", "\"a.*.b\"")), "{\"a\":[{\"b\":1,\"c\":2},{\"b\":3,\"d\":4}]}",
         "{\"a\":[{\"c\":2},{\"d\":4}]}"},
        {"4.10", FLATMAP(OP("del", "\"a.1\"")), "{\"a\":[10,20,30]}", "{\"a\":[10,30]}"},
        {"4.10", FLATMAP(OP("del", "\"a.1\"") "," OP("del", "\"a.1\"")), "{\"a\":[10,20,30]}", "{\"a\":[10,30]}"},
        {"4.10", FLATMAP(OP("del", "\"a.0\"") "," OP("del", "\"a.2\"")), "{\"a\":[10,20,30]}", "{\"a\":[20]}"},
        {"4.10", FLATMAP(OP("del", "\"a.b\"")), "{\"a\":{\"b\":1},\"c\":1}", "{\"a\":null,\"c\":1}"},
        {"4.10", FLATMAP(OP("del", "\"a.*\"")), "{\"a\":{\"b\":1,\"c\":1},\"d\":1}", "{\"a\":null,\"d\":1}"},
        {"4.10", FLATMAP(OP("del", "\"*\"")), "{\"a\":1}", "null"},
        {"4.10", FLATMAP(OP("del", "\"a\"")), "{\"a\":1}", "null"},
        {"4.10", FLATMAP(OP("del", "\"x.y\", \"a.x\"")), "{\"a\":1,\"b\":[],\"c\":{}}", "{\"a\":1,\"b\":[],\"c\":{}}"},
        {"4.10", FLATMAP(OP("del", "\"*.b\"")), "{\"a\":{\"b\":1,\"c\":2},\"b\":3,\"d\":{\"b\":4}}",
         "{\"a\":{\"c\":2},\"b\":3,\"d\":null}"},
        {"4.10", FLATMAP(OP("del", "\"a\"")), "{\"a\":1,\"a\":2,\"b\":3}", "{\"b\":3}"},
        {"4.10", FLATMAP(OP("del", "\"a\"")), "null", "null"},
        {"4.10", FLATMAP(OP("unknown", "\"a\"")), "{\"a\":1}", "{\"a\":1}"},
    };

    check_rows(rows, COUNT_OF(rows));
}

TEST(flatmap_moves)
{
    static const struct shape_row rows[] = {
        /* As many parts: only the last one is renamed. */
        {"4.10", FLATMAP(OP("move", "\"a\", \"b\"")), "{\"a\":{\"x\":1.0}}", "{\"b\":{\"x\":1.0}}"},
        {"4.10", FLATMAP(OP("move", "\"a.b\", \"x.y\"")), "{\"a\":{\"b\":1,\"c\":2}}", "{\"a\":{\"c\":2,\"y\":1}}"},
        {"4.10", FLATMAP(OP("move", "\"a.*.b\", \"a.*.c\"")), "{\"a\":[{\"b\":1},{\"b\":2},{\"d\":3}]}",
         "{\"a\":[{\"c\":1},{\"c\":2},{\"d\":3}]}"},
        {"4.10", FLATMAP(OP("move", "\"a\", \"b\"")), "{\"a\":1,\"b\":2}", "{\"b\":2}"},
        /* Fewer: up from the root, a star is the label at that depth. */
        {"4.10", FLATMAP(OP("move", "\"a.b.c\", \"x\"")), "{\"a\":{\"b\":{\"c\":[1],\"d\":2}}}",
         "{\"a\":{\"b\":{\"d\":2}},\"x\":[1]}"},
        {"4.10", FLATMAP(OP("move", "\"a.b\", \"x\"")), "{\"a\":{\"b\":1}}", "{\"a\":null,\"x\":1}"},
        {"4.10", FLATMAP(OP("move", "\"a.*.b.c\", \"a.*.c\"")),
         "{\"a\":[{\"b\":{\"c\":1,\"d\":2}},{\"b\":{\"c\":3,\"d\":4}}]}",
         "{\"a\":[{\"b\":{\"d\":2},\"c\":1},{\"b\":{\"d\":4},\"c\":3}]}"},
        {"4.10", FLATMAP(OP("move", "\"a.b.c\", \"none.x\"")), "{\"a\":{\"b\":{\"c\":1,\"d\":2}}}",
         "{\"a\":{\"b\":{\"d\":2}},\"x\":1}"},
        {"4.10", FLATMAP(OP("move", "\"a.b.c\", \"a.b\"")), "{\"a\":{\"b\":{\"c\":1,\"d\":2}}}", "{\"a\":{\"b\":1}}"},
        /* More: down from the source's own parent. */
        {"4.10", FLATMAP(OP("move", "\"a\", \"x.y\"")), "{\"a\":1,\"b\":2}", "{\"b\":2,\"x\":{\"y\":1}}"},
        {"4.10", FLATMAP(OP("move", "\"a.b\", \"z.y.c.d\"")), "{\"a\":{\"b\":1}}", "{\"a\":{\"y\":{\"c\":{\"d\":1}}}}"},
        {"4.10", FLATMAP(OP("move", "\"a.*.b\", \"a.*.x.y\"")), "{\"a\":[{\"b\":1,\"c\":2},{\"b\":3}]}",
         "{\"a\":[{\"c\":2,\"x\":{\"y\":1}},{\"x\":{\"y\":3}}]}"},
        {"4.10", FLATMAP(OP("move", "\"a\", \"b.c\"")), "{\"a\":1,\"b\":{\"d\":2}}", "{\"b\":{\"c\":1,\"d\":2}}"},
        {"4.10", FLATMAP(OP("move", "\"a\", \"b.c\"")), "{\"a\":1,\"b\":7}", "{\"b\":{\"c\":1}}"},
        {"4.10", FLATMAP(OP("move", "\"none\", \"b.c\"")), "{\"a\":1}", "{\"a\":1}"},
        /* The documented example: a collection under another name, a field renamed in each element. */
        {"7.4 flatmap_1",
         "\"is_collection\": true, " FLATMAP(OP("move", "\"collection.*.path\", \"collection.*.url\"") "," OP(
             "del", "\"collection.*.i\"") "," OP("move", "\"collection\", \"items\"")),
         "[{\"i\":1,\"path\":\"/a\"},{\"i\":2,\"path\":\"/b\"}]", "{\"items\":[{\"url\":\"/a\"},{\"url\":\"/b\"}]}"},
    };

    check_rows(rows, COUNT_OF(rows));
}

TEST(flatmap_appends)
{
    static const struct shape_row rows[] = {
        {"4.10", FLATMAP(OP("append", "\"a\", \"b\"")), "{\"a\":[1,2.0],\"b\":[3]}", "{\"b\":[3,1,2.0]}"},
        {"4.10", FLATMAP(OP("append", "\"a.x\", \"b\"")), "{\"a\":{\"x\":[1],\"y\":0},\"b\":[3]}",
         "{\"a\":{\"y\":0},\"b\":[3,1]}"},
        {"4.10", FLATMAP(OP("append", "\"a.*.x\", \"a.*.y\"")), "{\"a\":[{\"x\":[1],\"y\":[2]},{\"x\":[3],\"y\":[4]}]}",
         "{\"a\":[{\"y\":[2]},{\"y\":[4]},{\"y\":[[2],[4],[1],[3]]}]}"},
        {"4.10", FLATMAP(OP("append", "\"a.*.x\", \"b\"")), "{\"a\":[{\"x\":[1]},{\"x\":[2]},{}],\"b\":[3]}",
         "{\"a\":[null,null,{}],\"b\":[3,[1],[2],null]}"},
        {"4.10", FLATMAP(OP("append", "\"b\", \"a.*.x\"")), "{\"a\":{\"p\":{\"x\":[1]},\"q\":{\"x\":[2]}},\"b\":[3]}",
         "{\"a\":{\"*\":{\"x\":[[1],[2],3]},\"p\":{\"x\":[1]},\"q\":{\"x\":[2]}}}"},
        /* What was appended is a value of its own. */
        {"4.10", FLATMAP(OP("append", "\"b\", \"a.*.x\"") "," OP("del", "\"a.p.x.0\"")),
         "{\"a\":{\"p\":{\"x\":[1]},\"q\":{\"x\":[2]}},\"b\":[3]}",
         "{\"a\":{\"*\":{\"x\":[[1],[2],3]},\"p\":{\"x\":null},\"q\":{\"x\":[2]}}}"},
        {"4.10",
         FLATMAP(OP("append", "\"b\", \"a.*.x\"") "," OP("move", "\"a.p.x\", \"a.p.y\"") "," OP(
             "append", "\"a.*.x\", \"a.p.y\"")),
         "{\"a\":{\"p\":{\"x\":[1]},\"q\":{\"x\":[2]}},\"b\":[3]}",
         "{\"a\":{\"*\":null,\"p\":{\"y\":[1,null,[2],[[1],[2],3]]},\"q\":null}}"},
        {"4.10", FLATMAP(OP("append", "\"a\", \"b\"") "," OP("del", "\"b.1\"")), "{\"a\":[1,2.0],\"b\":[3]}",
         "{\"b\":[3,2.0]}"},
        {"4.10", FLATMAP(OP("del", "\"b.*\"") "," OP("append", "\"a\", \"b\"")), "{\"a\":[1],\"b\":[3]}",
         "{\"a\":[1],\"b\":null}"},
        {"4.10", FLATMAP(OP("append", "\"a\", \"b\"")), "{\"a\":1,\"b\":[3]}", "{\"a\":1,\"b\":[3]}"},
        {"4.10", FLATMAP(OP("append", "\"a\", \"b\"")), "{\"a\":[1],\"b\":{}}", "{\"a\":[1],\"b\":{}}"},
        {"4.10", FLATMAP(OP("append", "\"a\", \"none\"")), "{\"a\":[1]}", "{\"a\":[1]}"},
        {"4.10", FLATMAP(OP("append", "\"a\", \"a\"")), "{\"a\":[1],\"b\":1}", "{\"b\":1}"},
        {"4.10", FLATMAP(OP("append", "\"a\", \"b\"")), "{\"a\":[],\"b\":[]}", "{\"b\":[]}"},
        {"4.10", FLATMAP(OP("append", "\"a\", \"b\"")), "{\"a\":[1],\"b\":[]}", "{\"b\":[1]}"},
        {"4.10", FLATMAP(OP("del", "\"b.0\"") "," OP("append", "\"a\", \"b\"")), "{\"a\":[9],\"b\":[1,2,3]}",
         "{\"b\":[2,3,9]}"},
        {"4.10", FLATMAP(OP("move", "\"g.a.l.*.z.k\", \"g.a.l.*.k\"")),
         "{\"g\":{\"a\":{\"l\":[{\"z\":{\"k\":1}},{\"z\":{\"k\":2}}]}}}",
         "{\"g\":{\"a\":{\"l\":[{\"k\":1,\"z\":null},{\"k\":2,\"z\":null}]}}}"},
    };

    check_rows(rows, COUNT_OF(rows));
}

TEST(flatmap_stands_in_place_of_the_filters)
{
    static const struct shape_row rows[] = {
        {"4.4.2",
         "\"target\": \"t\", \"allow\": [\"a\"], \"mapping\": {\"b\": \"c\"}, \"group\": \"g\", " FLATMAP(
             OP("del", "\"a\"")),
         "{\"t\":{\"a\":1,\"b\":2}}", "{\"g\":{\"b\":2}}"},
        {"4.4.2", "\"group\": \"g\", " FLATMAP(OP("del", "\"a\"")), "{\"a\":1}", "{\"g\":null}"},
        {"4.4.2", "\"allow\": [\"a\"], " FLATMAP(""), "{\"a\":1,\"b\":2}", "{\"a\":1}"},
        {"4.4.2", "\"allow\": [\"a\"], " FLATMAP(OP("other", "\"a\"")), "{\"a\":1,\"b\":2}", "{\"a\":1}"},
    };

    check_rows(rows, COUNT_OF(rows));
}

/* An object of more members than are sorted by hand. */
TEST(shape_writes_large_objects_in_order)
{
    struct json_writer sent = {.arena = test_arena()}, expected = {.arena = test_arena()};

    json_write_raw(&sent, STR("{"));
    json_write_raw(&expected, STR("{"));
    for (unsigned i = 0; i < 300; i++) {
        struct str a = arena_format(test_arena(), "%s\"k%03u\":%u", i ? "," : "", 299 - i, i);
        struct str b = arena_format(test_arena(), "%s\"k%03u\":%u", i ? "," : "", i, 299 - i);

        json_write_raw(&sent, a);
        if (i != 7)
            json_write_raw(&expected, b);
    }
    json_write_raw(&sent, STR("}"));
    json_write_raw(&expected, STR("}"));
    CHECK_STR(shaped("\"deny\": [\"k007\"]", json_written(&sent)), json_written(&expected));
}

TEST(shape_bears_arenas_of_every_size)
{
    struct service *service = gateway_service_of(
        "{\"endpoint\": \"/a\", \"backend\": [{\"target\": \"t\", \"deny\": [\"a.b\", \"c\"], \"mapping\": {\"d\": "
        "\"e\"}, \"group\": \"g\"}] }");
    const struct shape *shape = &service->endpoints[0].backends[0].shape;
    unsigned made = 0, refused = 0;

    for (size_t bytes = 256; bytes < 8192; bytes += 24) {
        struct arena *arena = arena_new(NULL, bytes);
        struct json_writer writer = {.arena = arena};
        struct json_doc doc;
        struct json_error err;

        if (arena && json_parse(arena, STR("{\"t\":{\"a\":{\"b\":1},\"c\":2,\"d\":3,\"d\":4}}"),
                                &(struct json_options){0}, &doc, &err)) {
            struct data data = data_of(json_root(&doc));
            bool ok = shape_apply(arena, shape, &data);

            if (ok)
                data_write(&writer, &data);
            made += ok && json_written(&writer).data;
            refused += !ok || !json_written(&writer).data;
        }
        arena_free(arena);
    }
    CHECK(made > 0);
    CHECK(refused > 0);
}

/* A random value; objects have equal names now and then. */
static void make(struct json_writer *out, unsigned depth)
{
    static const char *const scalars[] = {"null", "true", "1.0", "-0", "1e5", "\"a<\\u0041\\n\"", "\"\"", "[]", "{}"};
    struct rng *rng = test_rng();
    uint64_t count = rng_below(rng, 5);
    bool object = rng_below(rng, 2) == 0;

    if (depth == 0 || rng_below(rng, 4) == 0) {
        json_write_raw(out, str_from(scalars[rng_below(rng, COUNT_OF(scalars))]));
        return;
    }
    json_write_raw(out, object ? STR("{ ") : STR("["));
    for (uint64_t i = 0; i < count; i++) {
        json_write_raw(out, i > 0 ? STR(" ,") : STR(""));
        if (object)
            json_write_raw(out, arena_format(test_arena(), "\"%c\" : ", (int)('a' + rng_below(rng, 6))));
        make(out, depth - 1);
    }
    json_write_raw(out, object ? STR("}") : STR(" ]"));
}

static void open_all(struct data *data)
{
    CHECK(data_open(test_arena(), data));
    if (data->kind != DATA_OBJECT && data->kind != DATA_ARRAY)
        return;
    for (struct data_member *member = data->node->first; member; member = member->next)
        open_all(&member->value);
}

/* Looking inside changes nothing: nodes are written as the slices they were. */
TEST(data_is_written_alike_as_slices_and_as_nodes)
{
    for (unsigned round = 0; round < 2000; round++) {
        struct json_writer text = {.arena = test_arena()}, slices = {.arena = test_arena()},
                           nodes = {.arena = test_arena()};
        struct json_error err;
        struct json_doc doc;
        struct data data;

        make(&text, 5);
        CHECK(json_parse(test_arena(), json_written(&text), &(struct json_options){0}, &doc, &err));
        data = data_of(json_root(&doc));
        data_write(&slices, &data);
        open_all(&data);
        data_write(&nodes, &data);
        test_case_is("%.*s", STR_ARG(json_written(&text)));
        CHECK_STR(json_written(&nodes), json_written(&slices));
    }
}
