/* test_pair.c: the in-memory stream behaves as a socket would. SPDX-License-Identifier: Apache-2.0 */
#include "net/pair.h"
#include "net_stage.h"
#include "unit/os/fake_world.h"

enum { ROOM = 8 };

struct pair_stage {
    struct fake_world fake;
    struct loop *loop;
    struct stream *a, *b;
    struct probe a_owner, b_owner;
};

static void pair_stage_open(struct pair_stage *stage)
{
    fake_world_init(&stage->fake);
    stage->loop = loop_new(&stage->fake.world);
    CHECK(stage->loop != NULL);
    probe_init(&stage->a_owner);
    probe_init(&stage->b_owner);
    CHECK(pair_new(stage->loop, ROOM, &stage->a, &stage->b));
    stream_set_owner(stage->a, &stage->a_owner.task, false);
    stream_set_owner(stage->b, &stage->b_owner.task, true);
}

static void pair_stage_close(struct pair_stage *stage)
{
    stream_close(stage->a, false);
    stream_close(stage->b, false);
    task_forget(stage->loop, &stage->a_owner.task);
    task_forget(stage->loop, &stage->b_owner.task);
    CHECK_EQ(stage->fake.watches, 0);
    loop_free(stage->loop);
}

/* Runs what was woken; returns how often the owners ran. */
static unsigned a_runs(struct pair_stage *stage)
{
    unsigned before = stage->a_owner.runs;

    loop_turn(stage->loop, 0);
    return stage->a_owner.runs - before;
}

static unsigned b_runs(struct pair_stage *stage)
{
    unsigned before = stage->b_owner.runs;

    loop_turn(stage->loop, 0);
    return stage->b_owner.runs - before;
}

TEST(pair_carries_bytes_and_wakes_the_reader)
{
    struct pair_stage stage;
    char out[16];
    size_t n;

    pair_stage_open(&stage);
    CHECK_EQ(read_into(stage.b, out, sizeof(out), &n), IO_WAIT);
    CHECK_EQ(b_runs(&stage), 0);
    CHECK_EQ(write_text(stage.a, STR("hello"), &n), IO_OK);
    CHECK_EQ(n, 5);
    CHECK_EQ(b_runs(&stage), 1);
    CHECK_EQ(stream_peek(stage.b), IO_OK);
    CHECK_EQ(read_into(stage.b, out, sizeof(out), &n), IO_OK);
    CHECK_STR(str_of(out, n), STR("hello"));
    CHECK_EQ(stream_peek(stage.b), IO_WAIT);
    pair_stage_close(&stage);
}

TEST(pair_is_bounded_and_wakes_the_writer_when_there_is_room)
{
    struct pair_stage stage;
    char out[16];
    size_t n;

    pair_stage_open(&stage);
    CHECK_EQ(write_text(stage.a, STR("0123456789"), &n), IO_OK);
    CHECK_EQ(n, ROOM);
    CHECK_EQ(write_text(stage.a, STR("89"), &n), IO_WAIT);
    CHECK_EQ(a_runs(&stage), 0);
    CHECK_EQ(read_into(stage.b, out, 3, &n), IO_OK);
    CHECK_EQ(a_runs(&stage), 1);
    CHECK_EQ(write_text(stage.a, STR("89"), &n), IO_OK);
    CHECK_EQ(read_into(stage.b, out, sizeof(out), &n), IO_OK);
    CHECK_STR(str_of(out, n), STR("3456789")); /* also across the seam of the ring */
    CHECK_EQ(a_runs(&stage), 0);               /* nobody waited for room */
    pair_stage_close(&stage);
}

TEST(pair_limit_makes_calls_short_and_wakes_for_the_rest)
{
    struct pair_stage stage;
    char out[16];
    size_t n;

    pair_stage_open(&stage);
    pair_limit(stage.a, 2);
    CHECK_EQ(write_text(stage.a, STR("abcd"), &n), IO_OK);
    CHECK_EQ(n, 2);
    CHECK_EQ(a_runs(&stage), 1); /* a writer that waits after a short write must hear again */
    CHECK_EQ(write_text(stage.a, STR("cd"), &n), IO_OK);
    loop_turn(stage.loop, 0);
    pair_limit(stage.b, 1);
    for (const char *c = "abcd"; *c; c++) {
        CHECK_EQ(read_into(stage.b, out, sizeof(out), &n), IO_OK);
        CHECK_STR(str_of(out, n), str_of(c, 1));
        CHECK_EQ(b_runs(&stage), c[1] != 0); /* as long as there is more */
    }
    CHECK_EQ(read_into(stage.b, out, sizeof(out), &n), IO_WAIT);
    pair_stage_close(&stage);
}

TEST(pair_ends_after_the_bytes_and_stays_open_the_other_way)
{
    struct pair_stage stage;
    char out[16];
    size_t n;

    pair_stage_open(&stage);
    CHECK_EQ(write_text(stage.a, STR("bye"), &n), IO_OK);
    stream_shutdown_write(stage.a);
    CHECK_EQ(write_text(stage.a, STR("more"), &n), IO_FAIL);
    CHECK_EQ(b_runs(&stage), 1);
    CHECK_EQ(read_into(stage.b, out, sizeof(out), &n), IO_OK);
    CHECK_EQ(b_runs(&stage), 1); /* the FIN is news of its own */
    CHECK_EQ(stream_peek(stage.b), IO_END);
    CHECK_EQ(read_into(stage.b, out, sizeof(out), &n), IO_END);
    CHECK_EQ(write_text(stage.b, STR("ok"), &n), IO_OK);
    CHECK_EQ(read_into(stage.a, out, sizeof(out), &n), IO_OK);
    CHECK_STR(str_of(out, n), STR("ok"));
    pair_stage_close(&stage);
}

TEST(pair_close_is_an_end_for_the_other)
{
    struct pair_stage stage;
    char out[16];
    size_t n;

    pair_stage_open(&stage);
    CHECK_EQ(write_text(stage.a, STR("bye"), &n), IO_OK);
    stream_close(stage.a, false);
    stage.a = NULL;
    CHECK_EQ(b_runs(&stage), 1);
    CHECK_EQ(write_text(stage.b, STR("lost"), &n), IO_FAIL);
    CHECK_EQ(read_into(stage.b, out, sizeof(out), &n), IO_OK);
    CHECK_EQ(read_into(stage.b, out, sizeof(out), &n), IO_END);
    pair_stage_close(&stage);
}

TEST(pair_reset_destroys_what_was_not_read)
{
    struct pair_stage stage;
    struct error err = {0};
    char out[16];
    struct iovec part = {out, sizeof(out)};
    size_t n;

    pair_stage_open(&stage);
    CHECK_EQ(write_text(stage.a, STR("lost"), &n), IO_OK);
    loop_turn(stage.loop, 0);
    stream_close(stage.a, true);
    stage.a = NULL;
    CHECK_EQ(b_runs(&stage), 1);
    CHECK_EQ(stream_peek(stage.b), IO_FAIL);
    CHECK_EQ(stream_readv(stage.b, &part, 1, &n, &err), IO_FAIL);
    CHECK_EQ(err.code, ERROR_RESET);
    CHECK_EQ(stream_writev(stage.b, &part, 1, &n, &err), IO_FAIL);
    pair_stage_close(&stage);
}

/* RFC 9293 3.10.4 (close with bytes that nobody will read) as every TCP does it. */
TEST(pair_close_with_unread_bytes_resets)
{
    struct pair_stage stage;
    char out[16];
    size_t n;

    pair_stage_open(&stage);
    CHECK_EQ(write_text(stage.a, STR("request"), &n), IO_OK);
    CHECK_EQ(write_text(stage.b, STR("answer"), &n), IO_OK);
    stream_close(stage.b, false);
    stage.b = NULL;
    CHECK_EQ(read_into(stage.a, out, sizeof(out), &n), IO_FAIL);
    pair_stage_close(&stage);
}

TEST(pair_owner_is_woken_at_once_when_news_waits)
{
    struct pair_stage stage;
    struct probe late;
    size_t n;

    pair_stage_open(&stage);
    probe_init(&late);
    stream_set_owner(stage.b, NULL, false);
    CHECK_EQ(write_text(stage.a, STR("x"), &n), IO_OK);
    loop_turn(stage.loop, 0);
    CHECK_EQ(stage.b_owner.runs, 0);
    stream_set_owner(stage.b, &late.task, false);
    loop_turn(stage.loop, 0);
    CHECK_EQ(late.runs, 1);
    stream_set_owner(stage.b, NULL, false);
    task_forget(stage.loop, &late.task);
    pair_stage_close(&stage);
}

static void make_pair(void *arg)
{
    struct pair_stage *stage = arg;
    struct stream *a, *b;

    if (!pair_new(stage->loop, ROOM, &a, &b))
        return;
    stream_close(a, false);
    stream_close(b, false);
}

TEST(pair_bears_failing_allocations)
{
    struct pair_stage stage;

    pair_stage_open(&stage);
    test_every_allocation_fails(make_pair, &stage);
    pair_stage_close(&stage);
}
