/* h1_bench.c: nanoseconds to find the end of a head, to parse and understand it, and to write one, for each scanner.
 *
 * The request is what a browser sends (451 bytes, 9 fields), the answer what an API gives. The best of many rounds
 * counts, so that a busy machine hurts little.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http/h1/parse.h"
#include "http/h1/write.h"
#include "http/semantics.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 200, HEADS_PER_ROUND = 2000, ARENA_BYTES = 1 << 20 };

static const struct str request =
    STR_INIT("GET /api/v1/users/1042/orders?limit=20&sort=created HTTP/1.1\r\n"
             "Host: shop.example.com\r\n"
             "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
             "Accept: application/json, text/plain, */*\r\n"
             "Accept-Language: en-US,en;q=0.5\r\n"
             "Accept-Encoding: gzip, deflate, br\r\n"
             "Referer: https://shop.example.com/account/orders\r\n"
             "Cookie: session=4f3c2b1a09e8d7c6b5a4; theme=dark; lang=en\r\n"
             "X-Requested-With: XMLHttpRequest\r\n"
             "Connection: keep-alive\r\n\r\n");

static const struct str response = STR_INIT("HTTP/1.1 200 OK\r\n"
                                            "Server: nginx\r\n"
                                            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                                            "Content-Type: application/json; charset=utf-8\r\n"
                                            "Content-Length: 128\r\n"
                                            "Connection: keep-alive\r\n"
                                            "Cache-Control: no-cache\r\n\r\n");

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

struct bench {
    const struct h1_scanner *scanner;
    struct slab *pages;
    struct block_pool *blocks;
    size_t checked; /* so that nothing is left out as unused */
};

static void find_request(struct bench *bench)
{
    enum h1_tail tail = H1_TAIL_TEXT;
    size_t at = 0;

    if (bench->scanner->find_end(request, &tail, &at) != H1_END)
        abort();
    bench->checked += at;
}

static void parse_request(struct bench *bench)
{
    struct arena *arena = arena_new(bench->pages, ARENA_BYTES);
    struct h1_parse parse = {.scanner = bench->scanner, .arena = arena, .fields_max = H1_FIELDS_MAX};
    struct http_framing framing;
    struct http_head head;
    struct error err;

    if (!h1_parse_request(&parse, request, &head, &err) || !semantics_request(&head, &framing, &err))
        abort();
    bench->checked += head.headers.count;
    arena_free(arena);
}

static void parse_response(struct bench *bench)
{
    struct arena *arena = arena_new(bench->pages, ARENA_BYTES);
    struct h1_parse parse = {.scanner = bench->scanner, .arena = arena, .fields_max = H1_FIELDS_MAX};
    struct http_framing framing;
    struct http_head head;
    struct error err;

    if (!h1_parse_response(&parse, response, &head, &err) || !semantics_response(&head, false, &framing, &err))
        abort();
    bench->checked += head.headers.count;
    arena_free(arena);
}

/* The request's fields once more, as to an upstream. */
static void write_request(struct bench *bench)
{
    static const struct http_field fields[] = {
        {STR_INIT("User-Agent"), STR_INIT("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
         HEADER_USER_AGENT},
        {STR_INIT("Accept"), STR_INIT("application/json, text/plain, */*"), HEADER_ACCEPT},
        {STR_INIT("Accept-Encoding"), STR_INIT("gzip, deflate, br"), HEADER_ACCEPT_ENCODING},
        {STR_INIT("Referer"), STR_INIT("https://shop.example.com/account/orders"), HEADER_REFERER},
        {STR_INIT("Cookie"), STR_INIT("session=4f3c2b1a09e8d7c6b5a4; theme=dark; lang=en"), HEADER_COOKIE},
        {STR_INIT("X-Requested-With"), STR_INIT("XMLHttpRequest"), HEADER_OTHER},
    };
    struct chain chain = {NULL, NULL, 0};
    struct h1_writer writer;

    h1_write_start(&writer, &chain, bench->blocks);
    if (!h1_write_request_line(&writer, STR("GET"), STR("/api/v1/users/1042/orders?limit=20&sort=created")))
        abort();
    h1_write_known(&writer, HEADER_HOST, STR("shop.example.com"));
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        h1_write_field(&writer, &fields[i]);
    if (!h1_write_end(&writer))
        abort();
    bench->checked += chain.size;
    chain_clear(&chain);
}

static double best_of(struct bench *bench, void (*work)(struct bench *bench))
{
    double best = 1e9;

    for (int round = 0; round < ROUNDS; round++) {
        uint64_t start_ns = now_ns();
        double ns;

        for (int i = 0; i < HEADS_PER_ROUND; i++)
            work(bench);
        ns = (double)(now_ns() - start_ns) / HEADS_PER_ROUND;
        if (ns < best)
            best = ns;
    }
    return best;
}

int main(void)
{
    static const char *const scanners[] = {"scalar", "sse4.2", "avx2"};
    struct bench bench = {.pages = slab_new(4096, 16), .blocks = block_pool_new()};

    if (!bench.pages || !bench.blocks)
        return 1;
    printf("ns per head: request %zu bytes, answer %zu bytes\n", request.len, response.len);
    printf("%-8s %10s %10s %10s\n", "", "find end", "request", "answer");
    for (size_t i = 0; i < COUNT_OF(scanners); i++) {
        bench.scanner = h1_scanner_named(scanners[i]);
        if (bench.scanner)
            printf("%-8s %10.1f %10.1f %10.1f\n", scanners[i], best_of(&bench, find_request),
                   best_of(&bench, parse_request), best_of(&bench, parse_response));
    }
    printf("%-8s %10s %10.1f\n", "write", "", best_of(&bench, write_request));
    block_pool_free(bench.blocks);
    slab_free(bench.pages);
    return bench.checked == 0;
}
