/* test_h2_pair.c: both roles of HTTP/2 against each other over an in-memory stream, whole and in small pieces: many
 * requests at once, bodies both ways larger than the windows, trailers, and how each side learns of the other's end.
 * SPDX-License-Identifier: Apache-2.0 */
#include "h1_stage.h"
#include "http/h2/h2.h"

enum { EXCHANGES = 20, BODY_BYTES = 300000 };

/* One request, seen from both sides. Both send the same bytes. */
struct exchange {
    struct http_stream *client, *server;
    struct chain up, down; /* what is left to be sent */
    uint64_t got_up, got_down;
    bool up_ended, down_ended, answered, headed, done_client, done_server;
};

struct both {
    struct fake_world fake;
    struct loop *loop;
    struct http_conn *client, *server;
    struct task client_owner, server_owner, user;
    struct exchange exchanges[EXCHANGES];
    uint32_t accepted;
    struct error err;
};

static void nothing(struct task *task)
{
    (void)task;
}

static void open_both(struct both *both, size_t room, size_t limit)
{
    static const struct http_conn_options none;
    struct stream *a, *b;

    *both = (struct both){.client_owner = {.run = nothing}, .server_owner = {.run = nothing}, .user = {.run = nothing}};
    fake_world_init(&both->fake);
    both->fake.now_ns = 1000 * SECONDS;
    both->loop = loop_new(&both->fake.world);
    CHECK(both->loop != NULL);
    CHECK(pair_new(both->loop, room, &a, &b));
    pair_limit(a, limit);
    pair_limit(b, limit);
    both->client = h2_client_new(a, &none, &both->client_owner, &both->err);
    both->server = h2_server_new(b, NULL, &none, &both->server_owner, &both->err);
    CHECK(both->client != NULL);
    CHECK(both->server != NULL);
}

static void close_both(struct both *both)
{
    http_close(both->client);
    http_close(both->server);
    task_forget(both->loop, &both->client_owner);
    task_forget(both->loop, &both->server_owner);
    task_forget(both->loop, &both->user);
    CHECK_EQ(block_pool_out(loop_blocks(both->loop)), 0);
    loop_free(both->loop);
}

static void ask(struct both *both, struct exchange *exchange)
{
    struct http_head head = stage_request("POST", "/up", -1);

    CHECK_EQ(http_open(both->client, &exchange->client, &both->err), IO_OK);
    exchange->client->owner = &both->user;
    CHECK(
        chain_append(&exchange->up, loop_blocks(both->loop), str_of(arena_zero(test_arena(), BODY_BYTES), BODY_BYTES)));
    CHECK_EQ(http_send_head(exchange->client, &head, false, &both->err), IO_OK);
}

/* False: it failed. */
static bool receive(struct both *both, struct http_stream *stream, uint64_t *got, bool *ended)
{
    struct chain taken = {NULL, NULL, 0};
    enum io io = *ended ? IO_END : http_recv_body(stream, &taken, SIZE_MAX, &both->err);

    *got += taken.size;
    *ended |= io == IO_END;
    chain_clear(&taken);
    return io != IO_FAIL;
}

static void serve(struct both *both)
{
    struct http_field field = {STR("X-Sum"), STR("1"), HEADER_OTHER};
    struct http_head trailers = {.headers = {&field, 1, 1}, .announced_bytes = -1}, answer = stage_response(200, -1);
    struct http_stream *stream;
    struct http_head *head;

    while (http_accept(both->server, &stream, &both->err) == IO_OK) {
        struct exchange *exchange = &both->exchanges[both->accepted++];

        stream->owner = &both->user;
        exchange->server = stream;
        CHECK_EQ(http_recv_head(stream, test_arena(), &head, &both->err), IO_OK);
        CHECK_EQ(http_send_head(stream, &answer, false, &both->err), IO_OK);
        CHECK(chain_append(&exchange->down, loop_blocks(both->loop),
                           str_of(arena_zero(test_arena(), BODY_BYTES), BODY_BYTES)));
    }
    for (uint32_t i = 0; i < both->accepted; i++) {
        struct exchange *exchange = &both->exchanges[i];

        if (exchange->done_server)
            continue;
        CHECK(receive(both, exchange->server, &exchange->got_up, &exchange->up_ended));
        if (http_send_body(exchange->server, &exchange->down, false, &both->err) != IO_OK || !exchange->up_ended)
            continue;
        CHECK_EQ(http_send_head(exchange->server, &trailers, true, &both->err), IO_OK);
        http_done(exchange->server);
        exchange->done_server = true;
    }
}

static void finish(struct both *both, struct exchange *exchange)
{
    struct http_head *head;

    CHECK_EQ(http_recv_head(exchange->client, test_arena(), &head, &both->err), IO_OK);
    CHECK_EQ(head->status, 0);
    CHECK_TEXT(head->headers.fields[0].name, "X-Sum");
    http_done(exchange->client);
    exchange->done_client = true;
}

static void use(struct both *both)
{
    struct http_head *head;

    for (int i = 0; i < EXCHANGES; i++) {
        struct exchange *exchange = &both->exchanges[i];
        bool sent;

        if (exchange->done_client)
            continue;
        sent = http_send_body(exchange->client, &exchange->up, true, &both->err) == IO_OK;
        if (!exchange->headed)
            exchange->headed = http_recv_head(exchange->client, test_arena(), &head, &both->err) == IO_OK;
        if (exchange->headed)
            CHECK(receive(both, exchange->client, &exchange->got_down, &exchange->down_ended));
        if (sent && exchange->down_ended)
            finish(both, exchange);
    }
}

static bool all_done(const struct both *both)
{
    for (int i = 0; i < EXCHANGES; i++)
        if (!both->exchanges[i].done_client || !both->exchanges[i].done_server)
            return false;
    return true;
}

TEST(h2_roles_understand_each_other)
{
    static const struct {
        size_t room, limit;
    } rows[] = {{1 << 20, 0}, {1 << 16, 4000}, {5000, 700}};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct both both;
        struct http_conn_facts facts;

        test_case_is("row %zu", i);
        open_both(&both, rows[i].room, rows[i].limit);
        for (int j = 0; j < EXCHANGES; j++)
            ask(&both, &both.exchanges[j]);
        for (int turns = 0; !all_done(&both); turns++) {
            CHECK(turns < 100000);
            loop_turn(both.loop, 0);
            serve(&both);
            use(&both);
        }
        for (int j = 0; j < EXCHANGES; j++) {
            CHECK_EQ(both.exchanges[j].got_up, BODY_BYTES);
            CHECK_EQ(both.exchanges[j].got_down, BODY_BYTES);
        }
        loop_turn(both.loop, 0);
        CHECK_EQ(http_room(both.client), 100);
        http_facts(both.client, &facts);
        CHECK_EQ(facts.messages, EXCHANGES);
        CHECK_EQ(facts.unfit, HTTP_FIT);
        close_both(&both);
    }
}

/* The server's drain takes two steps; the client gives no stream after the first and sees the end at the second. */
TEST(h2_roles_end_in_order)
{
    struct both both;
    struct http_conn_facts facts;

    open_both(&both, 1 << 20, 0);
    loop_turn(both.loop, 0);
    http_drain(both.server);
    loop_turn(both.loop, 0);
    loop_turn(both.loop, 0);
    CHECK_EQ(http_room(both.client), 0);
    http_facts(both.client, &facts);
    CHECK_EQ(facts.unfit, HTTP_UNFIT_GOAWAY);
    CHECK_EQ(http_check_idle(both.client, true), IO_END);
    http_close(both.client);
    both.client = NULL;
    both.fake.now_ns += 2 * SECONDS;
    loop_turn(both.loop, 0);
    loop_turn(both.loop, 0);
    http_facts(both.server, &facts);
    CHECK(facts.end == HTTP_END_CLOSED || facts.end == HTTP_END_DRAIN);
    close_both(&both);
}
