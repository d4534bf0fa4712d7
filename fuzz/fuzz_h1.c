/* fuzz_h1.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/fuzz_h1.h"

#include "http/h1/h1_internal.h"
#include "net/pair.h"

#include <stdarg.h>
#include <stdlib.h>

enum { ROOM = 1 << 16, ARENA_BYTES = 8 << 20 };

static uint64_t world_time(struct world *world)
{
    (void)world;
    return 1000000000;
}

static void world_random(struct world *world, void *out, size_t size)
{
    (void)world;
    memset(out, 7, size);
}

static int world_wait(struct world *world, struct watch **ready, int count_max, uint64_t until_ns)
{
    (void)world;
    (void)ready;
    (void)count_max;
    (void)until_ns;
    return 0;
}

void fuzz_open(struct fuzz_stage *stage, const struct fuzz_way *way)
{
    static const struct world_ops ops = {
        .now_ns = world_time, .wall_ns = world_time, .random = world_random, .wait = world_wait};

    *stage = (struct fuzz_stage){.world = {.ops = &ops}, .nagging = way->nagging};
    stage->loop = loop_new(&stage->world);
    stage->arena = arena_new(NULL, ARENA_BYTES);
    stage->record = open_memstream(&stage->text, &stage->len);
    ASSERT(stage->loop && stage->arena && stage->record);
}

struct str fuzz_close(struct fuzz_stage *stage)
{
    fclose(stage->record);
    arena_free(stage->arena);
    loop_free(stage->loop); /* asserts that no buffer is out */
    return str_of(stage->text, stage->len);
}

static void mark(struct task *task)
{
    container_of(task, struct fuzz_task, task)->woken = true;
}

void fuzz_conn_open(struct fuzz_stage *stage, struct fuzz_conn *conn, enum http_role role, const char *scanner)
{
    static const struct http_conn_options options;
    struct stream *near;
    struct error err;

    *conn = (struct fuzz_conn){.owner = {.task.run = mark}, .user = {.task.run = mark}};
    if (!pair_new(stage->loop, ROOM, &near, &conn->far))
        abort();
    conn->conn = role == HTTP_SERVER ? h1_server_new(near, &options, &conn->owner.task, &err)
                                     : h1_client_new(near, &options, &conn->owner.task, &err);
    ASSERT(conn->conn);
    if (h1_scanner_named(scanner))
        container_of(conn->conn, struct h1_conn, base)->scanner = h1_scanner_named(scanner);
}

void fuzz_conn_close(struct fuzz_conn *conn)
{
    struct loop *loop = conn->conn->loop;

    if (conn->stream)
        http_done(conn->stream);
    http_close(conn->conn);
    stream_close(conn->far, false);
    task_forget(loop, &conn->owner.task);
    task_forget(loop, &conn->user.task);
}

static void read_away(struct fuzz_stage *stage, struct fuzz_conn *conn, struct chain *out)
{
    char bytes[4096];
    struct iovec part = {bytes, sizeof(bytes)};
    struct error err;
    size_t got = 0;
    enum io io;

    while ((io = stream_readv(conn->far, &part, 1, &got, &err)) == IO_OK)
        if (out && !chain_append(out, loop_blocks(stage->loop), str_of(bytes, got)))
            abort();
    conn->far_ended |= io == IO_END;
    conn->far_failed |= io == IO_FAIL;
}

void fuzz_turn(struct fuzz_stage *stage, struct fuzz_conn *conn, struct chain *out)
{
    uint64_t runs;

    if (stage->nagging)
        task_wake(stage->loop, &conn->conn->task);
    do {
        runs = loop_stats(stage->loop)->tasks_run;
        loop_turn(stage->loop, 0);
        read_away(stage, conn, out);
    } while (loop_stats(stage->loop)->tasks_run != runs);
}

void fuzz_send(struct fuzz_stage *stage, struct fuzz_conn *conn, struct str bytes)
{
    struct error err;

    while (bytes.len > 0) {
        struct iovec part = {(void *)(uintptr_t)bytes.data, bytes.len};
        size_t sent = 0;

        if (stream_writev(conn->far, &part, 1, &sent, &err) != IO_OK)
            break;
        bytes = str_from_offset(bytes, sent);
        fuzz_turn(stage, conn, NULL);
    }
}

bool fuzz_was_woken(struct fuzz_conn *conn)
{
    bool woken = conn->owner.woken || conn->user.woken;

    conn->owner.woken = conn->user.woken = false;
    return woken;
}

void fuzz_note(struct fuzz_stage *stage, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vfprintf(stage->record, format, args);
    va_end(args);
}

static void note_text(struct fuzz_stage *stage, struct str text)
{
    fwrite(text.len ? text.data : "", 1, text.len, stage->record);
    fputc('|', stage->record);
}

void fuzz_note_head(struct fuzz_stage *stage, const struct http_head *head)
{
    fuzz_note(stage, "head %u 1.%u %lld %lld %d: ", head->status, head->version_minor, (long long)head->body_bytes,
              (long long)head->announced_bytes, head->expect_continue);
    note_text(stage, head->method);
    note_text(stage, head->authority);
    note_text(stage, head->path);
    for (uint32_t i = 0; i < head->headers.count; i++) {
        ASSERT(header_name_is_valid(head->headers.fields[i].name));
        ASSERT(header_value_is_valid(head->headers.fields[i].value));
        note_text(stage, head->headers.fields[i].name);
        note_text(stage, head->headers.fields[i].value);
    }
    fuzz_note(stage, "\n");
}

void fuzz_note_body(struct fuzz_stage *stage, const struct chain *body)
{
    struct str text = chain_copy(body, stage->arena);

    fuzz_note(stage, "body %zu ", body->size);
    note_text(stage, text);
    fuzz_note(stage, "\n");
}

struct str fuzz_piece(const struct fuzz_way *way, struct str *rest)
{
    size_t len = way->split && rest->len > 0 ? ((uint8_t)rest->data[0] * 7u + (rest->len & 31)) % 13 + 1 : rest->len;
    struct str piece = str_first(*rest, len);

    *rest = str_from_offset(*rest, piece.len);
    return piece;
}

void fuzz_compare(fuzz_run *run, struct str input)
{
    static const struct fuzz_way ways[] = {{"scalar", false, false},
                                           {"avx2", false, true},
                                           {"scalar", true, false},
                                           {"sse4.2", true, true},
                                           {"avx2", true, false}};
    struct str first = run(input, &ways[0]);

    for (size_t i = 1; i < COUNT_OF(ways); i++) {
        struct str other = run(input, &ways[i]);

        if (!str_eq(first, other))
            fprintf(stderr, "--- %s, whole\n%.*s--- %s, %s\n%.*s", ways[0].scanner, STR_ARG(first), ways[i].scanner,
                    ways[i].split ? "split" : "whole", STR_ARG(other));
        ASSERT(str_eq(first, other));
        free((void *)(uintptr_t)other.data);
    }
    free((void *)(uintptr_t)first.data);
}
