/* micro.c: pieces of work that ./dev bench --micro counts the instructions of, under callgrind.
 *
 *   bench_micro               names the cases
 *   bench_micro CASE ROUNDS   does the work so often
 *
 * The same input gives the same instructions, whatever else the machine does. Scanners are named, so that the
 * processor's own do not matter. Whole requests are in micro_gateway.c, those of HTTP/2 in micro_h2.c. Start with the
 * table at the end. SPDX-License-Identifier: Apache-2.0 */
#include "bench/micro/micro.h"

#include "gateway/router.h"
#include "http/h1/parse.h"
#include "http/semantics.h"

#include "json/write.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_BYTES = 1 << 20, ROUTES = 1000, DOCUMENT_BYTES = 2048 };

static const struct str small_request = STR_INIT("GET /bytes/128 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
static const struct str browser_request =
    STR_INIT("GET /api/v1/users/1042/orders?limit=20&sort=created HTTP/1.1\r\nHost: shop.example.com\r\n"
             "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
             "Accept: application/json, text/plain, */*\r\nAccept-Language: en-US,en;q=0.5\r\n"
             "Accept-Encoding: gzip, deflate, br\r\nReferer: https://shop.example.com/account/orders\r\n"
             "Cookie: session=4f3c2b1a09e8d7c6b5a4; theme=dark; lang=en\r\nX-Requested-With: XMLHttpRequest\r\n"
             "Connection: keep-alive\r\n\r\n");
static const struct str response =
    STR_INIT("HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
             "Content-Type: application/json; charset=utf-8\r\nContent-Length: 128\r\nConnection: keep-alive\r\n"
             "Cache-Control: no-cache\r\n\r\n");

static void need(bool good)
{
    if (!good)
        abort();
}

static void parse_request(struct slab *pages, const char *scanner, struct str text)
{
    enum h1_tail tail = H1_TAIL_TEXT;
    size_t at = 0;
    struct arena *arena = arena_new(pages, ARENA_BYTES);
    struct h1_parse parse = {.scanner = h1_scanner_named(scanner), .arena = arena, .fields_max = H1_FIELDS_MAX};
    struct http_framing framing;
    struct http_head head;
    struct error err;

    need(parse.scanner && parse.scanner->find_end(text, &tail, &at) == H1_END);
    need(h1_parse_request(&parse, text, &head, &err) && semantics_request(&head, &framing, &err));
    arena_free(arena);
}

static void run_h1(unsigned rounds, const char *scanner, struct str text)
{
    struct slab *pages = slab_new(4096, 16);

    for (unsigned i = 0; i < rounds; i++)
        parse_request(pages, scanner, text);
    slab_free(pages);
}

static void run_h1_small(unsigned rounds)
{
    run_h1(rounds, "avx2", small_request);
}

static void run_h1_browser(unsigned rounds)
{
    run_h1(rounds, "avx2", browser_request);
}

static void run_h1_browser_scalar(unsigned rounds)
{
    run_h1(rounds, "scalar", browser_request);
}

static void run_h1_response(unsigned rounds)
{
    struct slab *pages = slab_new(4096, 16);

    for (unsigned i = 0; i < rounds; i++) {
        struct arena *arena = arena_new(pages, ARENA_BYTES);
        struct h1_parse parse = {.scanner = h1_scanner_named("avx2"), .arena = arena, .fields_max = H1_FIELDS_MAX};
        struct http_framing framing;
        struct http_head head;
        struct error err;

        need(h1_parse_response(&parse, response, &head, &err) && semantics_response(&head, false, &framing, &err));
        arena_free(arena);
    }
    slab_free(pages);
}

/* All of a thousand routes in turn, three segments deep. */
static void run_router(unsigned rounds)
{
    static char paths[ROUTES][48], asked[ROUTES][48];
    static int target;
    const struct router_rules rules = {.redirect_trailing_slash = true};
    struct slab *pages = slab_new(4096, 16);
    struct arena *arena = arena_new(NULL, SIZE_MAX);
    struct router *router = router_new(arena, &rules);
    struct report report;

    report_init(&report, arena);
    for (int i = 0; i < ROUTES; i++) {
        snprintf(paths[i], sizeof(paths[i]), "/group%d/item%d/:id", i % 32, i);
        snprintf(asked[i], sizeof(asked[i]), "/group%d/item%d/%d", i % 32, i, i * 7);
        need(router_add(router, STR("GET"), str_from(paths[i]), &target, (struct place){0}, &report));
    }
    for (unsigned i = 0; i < rounds; i++) {
        struct arena *own = arena_new(pages, ARENA_BYTES);
        struct route_match match;

        router_find(router, own, STR("GET"), str_from(asked[i * 7 % ROUTES]), &match);
        need(match.kind == ROUTE_FOUND && match.param_count == 1);
        arena_free(own);
    }
    arena_free(arena);
    slab_free(pages);
}

static struct str make_document(void)
{
    static char text[DOCUMENT_BYTES + 512];
    size_t len = (size_t)snprintf(text, sizeof(text), "{\"total\":120,\"page\":3,\"items\":[");

    for (int i = 0; len < DOCUMENT_BYTES - 60; i++)
        len += (size_t)snprintf(
            text + len, sizeof(text) - len,
            "%s{\"id\":%d,\"name\":\"User number %d\",\"active\":%s,\"score\":%d.5,\"address\":{\"street\":"
            "\"Main Street %d\",\"city\":\"Caf\xc3\xa9ville\"},\"tags\":[\"alpha\",\"beta\"],\"parent\":null}",
            i ? "," : "", 1000 + i, i, i % 2 ? "true" : "false", i * 7, i * 3);
    len += (size_t)snprintf(text + len, sizeof(text) - len, "],\"next\":\"/users?page=4\",\"error\":null}");
    return str_of(text, len);
}

static void run_json(unsigned rounds)
{
    const struct json_options options = {.trailing_ignored = true, .utf8_repaired = true};
    struct json_shapes *shapes = json_shapes_new();
    struct slab *pages = slab_new(8192, 16);
    struct str text = make_document();

    need(shapes != NULL);
    for (unsigned i = 0; i < rounds; i++) {
        struct arena *arena = arena_new(pages, ARENA_BYTES);
        struct json_writer writer = {.arena = arena, .shapes = shapes};
        struct json_error err;
        struct json_doc doc;

        need(json_parse(arena, text, &options, &doc, &err));
        json_write(&writer, json_root(&doc));
        need(json_written(&writer).len > 0);
        arena_free(arena);
    }
    json_shapes_free(shapes);
    slab_free(pages);
}

static const struct {
    const char *name;
    void (*run)(unsigned rounds);
} cases[] = {
    {"h1-request-small", run_h1_small},
    {"h1-request-browser", run_h1_browser},
    {"h1-request-browser-scalar", run_h1_browser_scalar},
    {"h1-response", run_h1_response},
    {"router-1000-routes", run_router},
    {"json-2k-parse-and-write", run_json},
    {"gateway-plain-request", micro_gateway_plain},
    {"gateway-json-request", micro_gateway_json},
    {"h2-8-requests", micro_h2},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        if (argc == 1)
            puts(cases[i].name);
        if (argc != 3 || strcmp(argv[1], cases[i].name) != 0)
            continue;
        cases[i].run((unsigned)strtoul(argv[2], NULL, 10));
        return 0;
    }
    return argc == 1 ? 0 : 2;
}
