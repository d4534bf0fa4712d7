/* json_bench.c: parse and write of a 2 KiB document with unsorted keys, ours beside jansson.
 *
 * Both read the same text and write it compact with sorted keys. Rounds alternate, and the best round of each counts,
 * so that a busy machine hurts both alike. Prints nanoseconds per document and the ratio; the goal is ten times as
 * fast. SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"
#include "bench/micro/json_bench_jansson.h"

#include "json/write.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { DOCUMENT_BYTES = 2048, ROUNDS = 30, DOCUMENTS_PER_ROUND = 500 };

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* An answer as REST services give them: a list of records, nested objects, keys in the order their authors liked. */
static struct str make_document(void)
{
    static char text[DOCUMENT_BYTES + 512];
    size_t len = (size_t)snprintf(text, sizeof(text), "{\"total\":120,\"page\":3,\"items\":[");

    for (int i = 0; len < DOCUMENT_BYTES - 60; i++) {
        len +=
            (size_t)snprintf(text + len, sizeof(text) - len,
                             "%s{\"id\":%d,\"name\":\"User number %d\",\"email\":\"user.%d@example.com\",\"active\":%s,"
                             "\"score\":%d.5,\"address\":{\"street\":\"Main Street %d\",\"city\":\"Caf\xc3\xa9ville\","
                             "\"zip\":\"%05d\"},\"tags\":[\"alpha\",\"beta\"],\"parent\":null}",
                             i ? "," : "", 1000 + i, i, i, i % 2 ? "true" : "false", i * 7, i * 3, 10000 + i * 37);
    }
    len += (size_t)snprintf(text + len, sizeof(text) - len, "],\"next\":\"/users?page=4\",\"error\":null}");
    return str_of(text, len);
}

static size_t holdfast_once(struct slab *pages, struct json_shapes *shapes, struct str text)
{
    const struct json_options options = {.trailing_ignored = true, .utf8_repaired = true};
    struct arena *arena = arena_new(pages, 1 << 20);
    struct json_writer writer = {.arena = arena, .shapes = shapes};
    struct json_error err;
    struct json_doc doc;

    if (!arena || !json_parse(arena, text, &options, &doc, &err))
        abort();
    json_write(&writer, json_root(&doc));
    size_t len = json_written(&writer).len;

    arena_free(arena);
    return len;
}

static double per_document(uint64_t start_ns, uint64_t end_ns)
{
    return (double)(end_ns - start_ns) / DOCUMENTS_PER_ROUND;
}

int main(void)
{
    struct json_shapes *shapes = json_shapes_new();
    struct slab *pages = slab_new(8192, 16);
    struct str text = make_document();
    double ours = 1e9, theirs = 1e9;

    if (!shapes || !pages || holdfast_once(pages, shapes, text) != jansson_once(text))
        abort();
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t start = now_ns();

        for (int i = 0; i < DOCUMENTS_PER_ROUND; i++)
            holdfast_once(pages, shapes, text);
        uint64_t middle = now_ns();

        for (int i = 0; i < DOCUMENTS_PER_ROUND; i++)
            jansson_once(text);
        uint64_t end = now_ns();

        ours = per_document(start, middle) < ours ? per_document(start, middle) : ours;
        theirs = per_document(middle, end) < theirs ? per_document(middle, end) : theirs;
    }
    printf("json: %zu bytes, unsorted keys, parse + write: holdfast %.0f ns, jansson %.0f ns, %.1f times as fast\n",
           text.len, ours, theirs, theirs / ours);
    json_shapes_free(shapes);
    slab_free(pages);
    return 0;
}
