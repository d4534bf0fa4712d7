/* fetch_stage.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "fetch_stage.h"

void fetch_stage_open(struct fetch_stage *stage)
{
    *stage = (struct fetch_stage){0};
    net_stage_open(&stage->net);
    stage->listener = net_stage_listen(&stage->net, "127.0.0.1:0");
    stage->hosts = hosts_new(1);
    CHECK(stage->hosts != NULL);
    stage->host = hosts_intern(stage->hosts,
                               &(struct host_key){.url = arena_format(test_arena(), "http://127.0.0.1:%u",
                                                                      listener_addr(stage->listener)->port)},
                               &stage->err);
    CHECK(stage->host != NULL);
    stage->pool = pool_new(stage->net.loop, NULL, stage->hosts, 0);
    CHECK(stage->pool != NULL);
}

struct host_totals totals_of(const struct fetch_stage *stage)
{
    struct host_totals totals;

    host_totals(stage->host, &totals);
    return totals;
}

void fetch_stage_close(struct fetch_stage *stage)
{
    struct host_totals totals;

    end(stage);
    pool_free(stage->pool);
    totals = totals_of(stage);
    CHECK_EQ(totals.connections_opened, totals.connections_closed);
    CHECK_EQ(totals.idle, 0);
    CHECK_EQ(totals.active, 0);
    CHECK_EQ(totals.dialing, 0);
    CHECK_EQ(atomic_load(&stage->host->idle), 0);
    stream_close(stage->far, false);
    listener_free(stage->listener);
    hosts_free(stage->hosts);
    net_stage_close(&stage->net);
}

void ask(struct fetch_stage *stage, const char *method, int64_t body_bytes)
{
    struct fetch_options options = {.pool = stage->pool,
                                    .host = stage->host,
                                    .transport = &stage->transport,
                                    .head = &stage->head,
                                    .eject_after = stage->eject_after,
                                    .others = stage->eject_after > 0};

    CHECK(stage->fetch == NULL);
    stage->head = (struct http_head){.method = str_from(method),
                                     .authority = stage->host->authority,
                                     .path = STR("/x"),
                                     .version_minor = 1,
                                     .body_bytes = body_bytes,
                                     .announced_bytes = -1,
                                     .expect_continue = stage->transport.expect_continue_timeout_ns > 0};
    stage->fetch = fetch_start(test_arena(), &options, &stage->net.probes[0].task);
    CHECK(stage->fetch != NULL);
    stage->head_io = IO_WAIT;
    drive(stage);
    CHECK_EQ(stage->head_io, IO_WAIT);
}

void drive(struct fetch_stage *stage)
{
    if (!stage->fetch || stage->head_io != IO_WAIT)
        return;
    stage->err.fault = FAULT_NONE;
    stage->head_io = fetch_head(stage->fetch, test_arena(), &stage->answer, &stage->err);
    CHECK_EQ(stage->err.fault != FAULT_NONE, stage->head_io == IO_FAIL);
}

enum io await_head(struct fetch_stage *stage)
{
    for (drive(stage); stage->head_io == IO_WAIT; drive(stage))
        net_stage_until_run(&stage->net, &stage->net.probes[0]);
    return stage->head_io;
}

void give_body(struct fetch_stage *stage, struct str piece, bool end)
{
    struct chain chain = {NULL, NULL, 0};

    CHECK(chain_append(&chain, loop_blocks(stage->net.loop), piece));
    CHECK_EQ(fetch_send(stage->fetch, &chain, end, &stage->err), IO_OK);
    CHECK_EQ(chain.size, 0);
}

struct str await_body(struct fetch_stage *stage, enum io *io)
{
    struct chain body = {NULL, NULL, 0};
    struct str text;

    for (;;) {
        *io = fetch_body(stage->fetch, &body, SIZE_MAX, &stage->err);
        if (*io == IO_END || *io == IO_FAIL)
            break;
        if (*io == IO_WAIT)
            net_stage_until_run(&stage->net, &stage->net.probes[0]);
    }
    text = chain_copy(&body, test_arena());
    chain_clear(&body);
    return text;
}

void end(struct fetch_stage *stage)
{
    fetch_end(stage->fetch, HTTP_CANCEL_GONE);
    stage->fetch = NULL;
}

void origin_answers(struct fetch_stage *stage)
{
    enum io io;

    origin_accepts(stage);
    origin_hears(stage, "\r\n\r\n");
    origin_says(stage, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    CHECK_EQ(await_head(stage), IO_OK);
    CHECK_TEXT(await_body(stage, &io), "ok");
    CHECK_EQ(io, IO_END);
}

static void answer_one(struct fetch_stage *stage)
{
    ask(stage, "GET", 0);
    origin_answers(stage);
}

void keep_one(struct fetch_stage *stage)
{
    answer_one(stage);
    end(stage);
    CHECK_EQ(totals_of(stage).idle, 1);
    stage->heard_len = 0;
}

void reuse_one(struct fetch_stage *stage)
{
    answer_one(stage);
    CHECK(fetch_stats(stage->fetch)->reused);
}

void origin_accepts(struct fetch_stage *stage)
{
    stream_close(stage->far, false);
    net_stage_for(&stage->net, 1000000);
    drive(stage);
    stage->far = net_stage_accept(&stage->net, stage->listener);
    stream_set_owner(stage->far, &stage->net.probes[1].task, false);
    stage->heard_len = 0;
    stage->accepted++;
}

static bool hear(struct fetch_stage *stage, struct str text)
{
    size_t got;

    while (read_into(stage->far, stage->heard + stage->heard_len, sizeof(stage->heard) - stage->heard_len, &got) ==
           IO_OK)
        stage->heard_len += got;
    return str_find(str_of(stage->heard, stage->heard_len), text) < stage->heard_len;
}

/* The waiter is woken in between, as it would be: it moves the fetch on. */
void origin_hears(struct fetch_stage *stage, const char *text)
{
    for (int i = 0; !hear(stage, str_from(text)); i++) {
        if (i == 1000)
            test_fail(__FILE__, __LINE__, "the origin hears no \"%s\", only \"%.*s\"", text, (int)stage->heard_len,
                      stage->heard);
        net_stage_for(&stage->net, 1000000);
        drive(stage);
    }
}

void origin_says(struct fetch_stage *stage, const char *text)
{
    size_t sent;

    CHECK_EQ(write_text(stage->far, str_from(text), &sent), IO_OK);
    CHECK_EQ(sent, str_from(text).len);
}

void origin_ends(struct fetch_stage *stage, bool reset)
{
    stream_close(stage->far, reset);
    stage->far = NULL;
}
