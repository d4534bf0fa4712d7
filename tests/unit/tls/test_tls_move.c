/* test_tls_move.c: an idle secured stream changes loops; one with anything under way does not.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tls_stage.h"

struct moving {
    struct tls_stage stage;
    struct loop *here, *there;
};

static void moving_open(struct moving *moving, const struct tls_stage_options *options)
{
    stage_shaken(&moving->stage, options);
    CHECK_EQ(stream_peek(moving->stage.client), IO_WAIT); /* tickets */
    moving->here = moving->stage.loop;
    moving->there = loop_new(&moving->stage.fake.world);
    CHECK(moving->there != NULL);
}

static void moving_close(struct moving *moving)
{
    stream_close(moving->stage.client, false);
    moving->stage.client = NULL;
    task_forget(moving->there, &moving->stage.owner.task);
    moving->stage.loop = moving->here;
    stage_close(&moving->stage);
    CHECK_EQ(block_pool_out(loop_blocks(moving->there)), 0);
    loop_free(moving->there);
}

static void attach(struct moving *moving)
{
    CHECK(stream_attach(moving->stage.client, moving->there, &moving->stage.err));
    stream_set_owner(moving->stage.client, &moving->stage.owner.task, true);
    moving->stage.loop = moving->there;
}

static void talk(struct tls_stage *stage, struct str text)
{
    char bytes[64];
    size_t moved = 0;

    CHECK_EQ(stage_write(stage, text, &moved), IO_OK);
    stage_move(stage);
    CHECK_STR(str_of(bytes, stage_serve(stage, bytes, sizeof(bytes))), text);
    stage_answer(stage, text);
    CHECK_EQ(stage_read(stage, bytes, sizeof(bytes), &moved), IO_OK);
    CHECK_STR(str_of(bytes, moved), text);
}

TEST(tls_stream_works_on_in_another_loop)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        struct moving moving;

        test_case_is("version %zu", i);
        moving_open(&moving, &(struct tls_stage_options){.server_max = versions[i]});
        talk(&moving.stage, STR("before"));
        CHECK(stream_detach(moving.stage.client));
        CHECK(!moving.stage.client->loop);
        attach(&moving);
        CHECK_EQ(stream_peek(moving.stage.client), IO_WAIT);
        talk(&moving.stage, STR("after"));
        moving_close(&moving);
    }
}

/* Housekeeping that came while it belonged to nobody is handled by the new loop, and is no news. */
TEST(tls_stream_takes_a_key_update_from_before_it_moved)
{
    struct moving moving;

    moving_open(&moving, &(struct tls_stage_options){.server_max = TLS1_3_VERSION});
    CHECK(stream_detach(moving.stage.client));
    CHECK(SSL_key_update(moving.stage.server, SSL_KEY_UPDATE_REQUESTED) == 1);
    CHECK(SSL_do_handshake(moving.stage.server) == 1);
    moving.stage.loop = moving.there;
    stage_move(&moving.stage);
    attach(&moving);
    CHECK_EQ(stream_peek(moving.stage.client), IO_WAIT);
    stage_move(&moving.stage);
    talk(&moving.stage, STR("with new keys"));
    moving_close(&moving);
}

TEST(tls_stream_is_closed_while_it_belongs_to_nobody)
{
    struct moving moving;

    moving_open(&moving, &(struct tls_stage_options){.room = 0});
    CHECK(stream_detach(moving.stage.client));
    moving_close(&moving);
}

TEST(tls_stream_stays_with_something_under_way)
{
    struct moving moving;
    char byte;
    size_t got;

    moving_open(&moving, &(struct tls_stage_options){.room = 0});
    stage_answer(&moving.stage, STR("stray"));
    CHECK_EQ(stream_peek(moving.stage.client), IO_OK);
    CHECK(!stream_detach(moving.stage.client)); /* unread bytes */
    while (stage_read(&moving.stage, &byte, 1, &got) == IO_OK)
        ;
    SSL_shutdown(moving.stage.server);
    stage_move(&moving.stage);
    CHECK_EQ(stream_peek(moving.stage.client), IO_END);
    CHECK(!stream_detach(moving.stage.client)); /* close_notify */
    moving_close(&moving);
}

TEST(tls_stream_stays_with_bytes_to_send)
{
    struct moving moving;
    char text[65536];
    size_t sent;

    memset(text, 'x', sizeof(text));
    moving_open(&moving, &(struct tls_stage_options){.room = 8192});
    CHECK_EQ(stage_write(&moving.stage, str_of(text, sizeof(text)), &sent), IO_OK);
    CHECK(!stream_detach(moving.stage.client));
    moving_close(&moving);
}
