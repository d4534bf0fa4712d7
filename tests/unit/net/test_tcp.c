/* test_tcp.c: streams over loopback sockets. SPDX-License-Identifier: Apache-2.0 */
#include "net/tcp.h"
#include "net/tcp_internal.h"
#include "net_stage.h"

struct couple {
    struct net_stage stage;
    struct stream *near, *far; /* owners: probes[0], probes[1] */
};

static void couple_open(struct couple *couple)
{
    net_stage_open(&couple->stage);
    net_stage_connect(&couple->stage, &couple->near, &couple->far);
}

static void couple_close(struct couple *couple)
{
    stream_close(couple->near, false);
    stream_close(couple->far, false);
    net_stage_close(&couple->stage);
}

/* Reads once something can be read. */
static enum io read_later(struct couple *couple, struct stream *stream, char *out, size_t size, size_t *got)
{
    enum io io;

    while ((io = read_into(stream, out, size, got)) == IO_WAIT)
        net_stage_until_run(&couple->stage, &couple->stage.probes[stream == couple->near ? 0 : 1]);
    return io;
}

TEST(tcp_carries_bytes_both_ways)
{
    struct couple couple;
    char out[16];
    size_t n;

    couple_open(&couple);
    CHECK_EQ(write_text(couple.near, STR("question"), &n), IO_OK);
    CHECK_EQ(n, 8);
    CHECK_EQ(read_later(&couple, couple.far, out, sizeof(out), &n), IO_OK);
    CHECK_STR(str_of(out, n), STR("question"));
    CHECK_EQ(write_text(couple.far, STR("answer"), &n), IO_OK);
    CHECK_EQ(read_later(&couple, couple.near, out, sizeof(out), &n), IO_OK);
    CHECK_STR(str_of(out, n), STR("answer"));
    couple_close(&couple);
}

TEST(tcp_gathers_and_scatters_parts)
{
    struct couple couple;
    char hello[] = "hello ", world[] = "world", a[3], b[20];
    struct iovec out[] = {{hello, 6}, {world, 5}}, in[] = {{a, sizeof(a)}, {b, sizeof(b)}};
    struct error err;
    size_t n;

    couple_open(&couple);
    CHECK_EQ(stream_writev(couple.near, out, 2, &n, &err), IO_OK);
    CHECK_EQ(n, 11);
    net_stage_until_run(&couple.stage, &couple.stage.probes[1]);
    CHECK_EQ(stream_readv(couple.far, in, 2, &n, &err), IO_OK);
    CHECK_EQ(n, 11);
    CHECK_STR(str_of(a, 3), STR("hel"));
    CHECK_STR(str_of(b, 8), STR("lo world"));
    couple_close(&couple);
}

/* The bytes that arrive after the short read are there, yet reading says IO_WAIT: it knows from the short read that the
 * socket is drained, and asks the system only after the loop has told of news. */
TEST(tcp_does_not_ask_the_system_after_a_short_read)
{
    struct couple couple;
    char out[16];
    size_t n;

    couple_open(&couple);
    CHECK_EQ(write_text(couple.near, STR("one"), &n), IO_OK);
    CHECK_EQ(read_later(&couple, couple.far, out, sizeof(out), &n), IO_OK);
    CHECK(stream_is_quiet(couple.far));
    CHECK_EQ(write_text(couple.near, STR("two"), &n), IO_OK);
    CHECK_EQ(read_into(couple.far, out, sizeof(out), &n), IO_WAIT);
    net_stage_until_run(&couple.stage, &couple.stage.probes[1]);
    CHECK(!stream_is_quiet(couple.far));
    CHECK_EQ(read_into(couple.far, out, sizeof(out), &n), IO_OK);
    CHECK_STR(str_of(out, n), STR("two"));
    couple_close(&couple);
}

TEST(tcp_asks_again_after_a_full_read)
{
    struct couple couple;
    char out[3];
    size_t n;

    couple_open(&couple);
    CHECK_EQ(write_text(couple.near, STR("onetwo"), &n), IO_OK);
    CHECK_EQ(read_later(&couple, couple.far, out, sizeof(out), &n), IO_OK);
    CHECK_STR(str_of(out, n), STR("one"));
    CHECK(!stream_is_quiet(couple.far));
    CHECK_EQ(read_into(couple.far, out, sizeof(out), &n), IO_OK);
    CHECK_STR(str_of(out, n), STR("two"));
    CHECK_EQ(read_into(couple.far, out, sizeof(out), &n), IO_WAIT);
    couple_close(&couple);
}

/* A FIN right behind the bytes has one edge for both: the short read must not hide it. */
TEST(tcp_ends_after_a_short_read_when_the_fin_came_with_it)
{
    struct couple couple;
    char out[16];
    size_t n;

    couple_open(&couple);
    CHECK_EQ(write_text(couple.near, STR("last"), &n), IO_OK);
    stream_shutdown_write(couple.near);
    net_stage_until_run(&couple.stage, &couple.stage.probes[1]);
    CHECK_EQ(read_later(&couple, couple.far, out, sizeof(out), &n), IO_OK);
    CHECK_STR(str_of(out, n), STR("last"));
    CHECK_EQ(read_later(&couple, couple.far, out, sizeof(out), &n), IO_END);
    CHECK_EQ(read_into(couple.far, out, sizeof(out), &n), IO_END);
    CHECK_EQ(write_text(couple.far, STR("still open this way"), &n), IO_OK);
    CHECK_EQ(read_later(&couple, couple.near, out, sizeof(out), &n), IO_OK);
    couple_close(&couple);
}

TEST(tcp_fails_when_the_peer_resets)
{
    struct couple couple;
    struct error err = {0};
    struct iovec part;
    char out[16];
    size_t n;

    couple_open(&couple);
    stream_close(couple.near, true);
    couple.near = NULL;
    net_stage_until_run(&couple.stage, &couple.stage.probes[1]);
    CHECK_EQ(stream_peek(couple.far), IO_FAIL);
    part = (struct iovec){out, sizeof(out)};
    n = 0;
    /* Peek has taken the error: what is left is the end or a closed connection, never bytes. */
    CHECK(stream_readv(couple.far, &part, 1, &n, &err) != IO_OK);
    CHECK_EQ(n, 0);
    couple_close(&couple);
}

TEST(tcp_read_tells_a_reset)
{
    struct couple couple;
    struct error err = {0};
    struct iovec part;
    char out[16];
    size_t n;

    couple_open(&couple);
    stream_close(couple.near, true);
    couple.near = NULL;
    net_stage_until_run(&couple.stage, &couple.stage.probes[1]);
    part = (struct iovec){out, sizeof(out)};
    CHECK_EQ(stream_readv(couple.far, &part, 1, &n, &err), IO_FAIL);
    CHECK_EQ(err.code, ERROR_RESET);
    CHECK(stream_writev(couple.far, &part, 1, &n, &err) == IO_FAIL);
    couple_close(&couple);
}

struct flood {
    struct couple *couple;
    uint64_t sent, received;
};

/* Writes until the socket is full. */
static void fill(struct flood *flood)
{
    static const char bytes[65536];
    size_t n;

    while (write_text(flood->couple->near, str_of(bytes, sizeof(bytes)), &n) == IO_OK)
        flood->sent += n;
}

static void drain(struct flood *flood)
{
    char out[32768];
    size_t n;

    while (read_into(flood->couple->far, out, sizeof(out), &n) == IO_OK)
        flood->received += n;
}

static bool all_received(void *arg)
{
    struct flood *flood = arg;

    drain(flood);
    return flood->received == flood->sent;
}

TEST(tcp_write_waits_when_full_and_goes_on_when_there_is_room)
{
    struct couple couple;
    struct flood flood = {.couple = &couple};
    uint64_t full;
    unsigned runs;
    size_t n;

    couple_open(&couple);
    fill(&flood);
    CHECK(flood.sent > 0);
    CHECK_EQ(write_text(couple.near, STR("x"), &n), IO_WAIT);
    full = flood.sent;
    runs = couple.stage.probes[0].runs;
    net_stage_until(&couple.stage, all_received, &flood);
    while (couple.stage.probes[0].runs == runs)
        net_stage_until_run(&couple.stage, &couple.stage.probes[0]);
    fill(&flood);
    CHECK(flood.sent > full);
    net_stage_until(&couple.stage, all_received, &flood);
    couple_close(&couple);
}

TEST(tcp_owner_is_woken_at_once_when_news_waits)
{
    struct couple couple;
    size_t n;

    couple_open(&couple);
    stream_set_owner(couple.far, NULL, false);
    CHECK_EQ(write_text(couple.near, STR("x"), &n), IO_OK);
    while (stream_peek(couple.far) == IO_WAIT)
        loop_turn(couple.stage.loop, 0);
    loop_turn(couple.stage.loop, 0);
    CHECK_EQ(couple.stage.probes[2].runs, 0);
    stream_set_owner(couple.far, &couple.stage.probes[2].task, false);
    loop_turn(couple.stage.loop, 0);
    CHECK_EQ(couple.stage.probes[2].runs, 1);
    couple_close(&couple);
}

TEST(tcp_peek_sees_quiet_bytes_and_end)
{
    struct couple couple;
    size_t n;

    couple_open(&couple);
    CHECK_EQ(stream_peek(couple.far), IO_WAIT);
    CHECK_EQ(write_text(couple.near, STR("x"), &n), IO_OK);
    net_stage_until_run(&couple.stage, &couple.stage.probes[1]);
    CHECK_EQ(stream_peek(couple.far), IO_OK);
    stream_close(couple.far, false); /* unread bytes: the kernel resets */
    couple.far = NULL;
    net_stage_until_run(&couple.stage, &couple.stage.probes[0]);
    CHECK_EQ(stream_peek(couple.near), IO_FAIL);
    couple_close(&couple);
}

TEST(tcp_reads_what_peek_saw_before_the_loop_tells_of_it)
{
    struct couple couple;
    char out[16];
    size_t n;

    couple_open(&couple);
    CHECK_EQ(read_into(couple.far, out, sizeof(out), &n), IO_WAIT);
    CHECK_EQ(write_text(couple.near, STR("x"), &n), IO_OK);
    CHECK_EQ(read_into(couple.far, out, sizeof(out), &n), IO_WAIT);
    CHECK_EQ(stream_peek(couple.far), IO_OK);
    CHECK_EQ(read_into(couple.far, out, sizeof(out), &n), IO_OK);
    CHECK_EQ(n, 1);
    CHECK_EQ(write_text(couple.near, STR("y"), &n), IO_OK);
    net_stage_until_run(&couple.stage, &couple.stage.probes[1]);
    CHECK_EQ(read_into(couple.far, out, sizeof(out), &n), IO_OK);
    couple_close(&couple);
}

TEST(tcp_facts_count_what_the_peer_has_acknowledged)
{
    struct couple couple;
    struct tcp_facts facts;
    char out[16];
    size_t n;

    couple_open(&couple);
    CHECK_EQ(write_text(couple.near, STR("12345"), &n), IO_OK);
    CHECK_EQ(read_later(&couple, couple.far, out, sizeof(out), &n), IO_OK);
    CHECK(stream_facts(couple.near, &facts));
    CHECK(!facts.closed);
    CHECK_EQ(facts.unsent_bytes, 0);
    CHECK_EQ(facts.bytes_acked, 6); /* the SYN counts as one */
    couple_close(&couple);
}

static bool refuse_to_tell(struct world *world, int fd, struct addr *addr)
{
    (void)world;
    (void)fd;
    (void)addr;
    return false;
}

/* Facts are asked for often, the address of our end for PROXY headers alone. */
TEST(tcp_facts_and_the_local_address_are_asked_for_apart)
{
    struct couple couple;
    struct world *world;
    struct world_ops deaf, blind;
    const struct world_ops *real;
    struct tcp_facts facts;
    struct addr addr;

    couple_open(&couple);
    world = loop_world(couple.stage.loop);
    real = world->ops;
    deaf = blind = *real;
    deaf.local_addr = refuse_to_tell;
    blind.facts = NULL;
    world->ops = &deaf;
    CHECK(stream_facts(couple.near, &facts));
    CHECK(!stream_local_addr(couple.near, &addr));
    world->ops = &blind;
    CHECK(stream_local_addr(couple.near, &addr));
    CHECK(addr_eq(&addr, &couple.far->peer));
    world->ops = real;
    couple_close(&couple);
}

static void refuse_to_unwatch(struct world *world, struct watch *watch)
{
    (void)world;
    (void)watch;
    test_fail(__FILE__, __LINE__, "a call too many");
}

TEST(tcp_close_leaves_it_to_the_kernel_to_end_the_watch)
{
    struct couple couple;
    struct world_ops ops;
    const struct world_ops *real;
    struct world *world;
    char byte;
    size_t n;

    couple_open(&couple);
    world = loop_world(couple.stage.loop);
    real = world->ops;
    ops = *real;
    ops.unwatch = refuse_to_unwatch;
    world->ops = &ops;
    stream_close(couple.near, false);
    couple.near = NULL;
    world->ops = real;
    CHECK_EQ(read_later(&couple, couple.far, &byte, 1, &n), IO_END);
    couple_close(&couple);
}

TEST(tcp_local_addr_is_the_peers_peer)
{
    struct couple couple;
    struct addr addr;

    couple_open(&couple);
    CHECK(tcp_local_addr(couple.near, &addr));
    CHECK(addr_eq(&addr, &couple.far->peer));
    CHECK(tcp_local_addr(couple.far, &addr));
    CHECK(addr_eq(&addr, &couple.near->peer));
    couple_close(&couple);
}

TEST(tcp_new_closes_the_descriptor_when_memory_fails)
{
    struct net_stage stage;
    struct socket_options options = {.kind = SOCKET_STREAM, .family = ADDR_IPV4};
    struct addr peer = {.family = ADDR_IPV4};
    struct error err;
    int fd, again;

    net_stage_open(&stage);
    fd = stage.world->ops->socket(stage.world, &options, &err);
    CHECK(fd != -1);
    test_fail_allocation(1);
    CHECK(tcp_stream_new(stage.loop, fd, &peer, &err) == NULL);
    test_fail_allocation(0);
    CHECK_EQ(err.code, ERROR_OUT_OF_MEMORY);
    again = stage.world->ops->socket(stage.world, &options, &err);
    CHECK_INT(again, fd); /* the lowest free number: it was given back */
    stage.world->ops->close(stage.world, again);
    net_stage_close(&stage);
}
