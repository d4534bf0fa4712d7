/* test_rebalance.c: connections that are too many for their address go, a few at a time, until all have their share.
 * SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "net/pair.h"
#include "upstream/address_turns.h"
#include "upstream/pool_internal.h"
#include "upstream/rebalance.h"

enum { CONNS_MAX = 256 };

static const struct transport plain;

struct stage {
    struct world *world;
    struct loop *loop;
    struct hosts *hosts;
    struct host *host;
    struct pool *pool;
    struct stream *far[CONNS_MAX];
    unsigned count;
};

static void stage_open_as(struct stage *stage, unsigned worker)
{
    struct error err;

    *stage = (struct stage){.world = linux_world_new(&err), .hosts = hosts_new(2)};
    CHECK(stage->world && stage->hosts);
    stage->loop = loop_new(stage->world);
    stage->host = hosts_intern(stage->hosts, &(struct host_key){.url = STR("http://a")}, &err);
    stage->pool = pool_new(stage->loop, NULL, stage->hosts, worker);
    CHECK(stage->loop && stage->host && stage->pool);
}

static void stage_open(struct stage *stage)
{
    stage_open_as(stage, 0);
}

static void stage_close(struct stage *stage)
{
    pool_free(stage->pool);
    while (stage->count > 0)
        stream_close(stage->far[--stage->count], false);
    loop_turn(stage->loop, 0);
    hosts_free(stage->hosts);
    loop_free(stage->loop);
    linux_world_free(stage->world);
}

/* Lent ones. */
static void connect_to(struct stage *stage, const char *ip, unsigned count, struct pooled **out)
{
    for (unsigned i = 0; i < count; i++) {
        struct stream *near;
        struct error err;

        CHECK(stage->count < CONNS_MAX);
        CHECK(pair_new(stage->loop, 4096, &near, &stage->far[stage->count++]));
        CHECK(addr_parse_ip(str_from(ip), &near->peer));
        CHECK(gate_enter(stage->host, 0));
        out[i] = pool_adopt(stage->pool, stage->host, &plain, near, &err);
        CHECK(out[i] != NULL);
    }
}

static void add_idle(struct stage *stage, const char *ip, unsigned count)
{
    struct pooled *conns[CONNS_MAX];

    connect_to(stage, ip, count, conns);
    for (unsigned i = 0; i < count; i++)
        pool_return(conns[i], &plain);
}

static struct resolved answer_of(const char *text)
{
    struct str rest = str_from(text), part;
    struct resolved answer = {0};

    while (rest.len > 0 && str_split(&rest, ' ', &part))
        CHECK(addr_parse_ip(part, &answer.addrs[answer.count++]));
    return answer;
}

static uint64_t ended(const struct stage *stage)
{
    return atomic_load(&stage->host->counts[0].ledger.closes_by[REASON_REBALANCED][SIDE_OURS]);
}

static unsigned steps(struct stage *stage, const struct resolved *addrs)
{
    unsigned count = 0;

    while (rebalance_step(stage->pool, stage->host, addrs))
        CHECK(count++ < 1000);
    return count;
}

/* Without requests in between nothing is dialed: what is left has its share. */
TEST(what_is_too_much_for_its_address_goes_step_by_step)
{
    struct resolved both = answer_of("10.0.0.1 10.0.0.2"), one = answer_of("10.0.0.1");
    struct stage stage;

    stage_open(&stage);
    add_idle(&stage, "10.0.0.1", 8);
    add_idle(&stage, "10.0.0.2", 2);
    CHECK(!rebalance_step(stage.pool, stage.host, &one));
    CHECK(rebalance_step(stage.pool, stage.host, &both));
    CHECK_EQ(ended(&stage), 1);
    steps(&stage, &both);
    CHECK_EQ(ended(&stage), 5); /* 3 and 2 are left */
    stage_close(&stage);
}

TEST(a_hundredth_goes_at_a_time)
{
    struct resolved both = answer_of("10.0.0.1 10.0.0.2");
    struct stage stage;

    stage_open(&stage);
    add_idle(&stage, "10.0.0.1", 201);
    CHECK(rebalance_step(stage.pool, stage.host, &both));
    CHECK_EQ(ended(&stage), 3);
    stage_close(&stage);
}

/* They end when they come back, not in the middle of an answer. */
TEST(connections_in_use_end_when_they_come_back)
{
    struct resolved both = answer_of("10.0.0.1 10.0.0.2");
    struct pooled *lent[4];
    struct stage stage;

    stage_open(&stage);
    connect_to(&stage, "10.0.0.1", 4, lent);
    CHECK(rebalance_step(stage.pool, stage.host, &both));
    CHECK(rebalance_step(stage.pool, stage.host, &both));
    CHECK_EQ(ended(&stage), 0);
    CHECK_EQ(lent[0]->uneven + lent[1]->uneven + lent[2]->uneven + lent[3]->uneven, 2);
    for (unsigned i = 0; i < 4; i++)
        pool_return(lent[i], &plain);
    CHECK_EQ(ended(&stage), 2);
    stage_close(&stage);
}

/* Dials prefer IPv6: that nobody is at the IPv4 address of the same host is no skew. */
TEST(families_are_apart)
{
    struct resolved dual = answer_of("10.0.0.1 ::1"), more = answer_of("10.0.0.1 ::1 ::2");
    struct stage stage;

    stage_open(&stage);
    add_idle(&stage, "::1", 6);
    CHECK(!rebalance_step(stage.pool, stage.host, &dual));
    CHECK(rebalance_step(stage.pool, stage.host, &more));
    stage_close(&stage);
}

/* Connections to what DNS does not name belong to nobody here (addresses.h lets them go). */
TEST(other_addresses_are_not_looked_at)
{
    struct resolved both = answer_of("10.0.0.1 10.0.0.2");
    struct stage stage;

    stage_open(&stage);
    add_idle(&stage, "10.0.0.9", 7);
    CHECK_EQ(steps(&stage, &both), 0);
    stage_close(&stage);
}

/* One connection in each of two workers, both to the first address: the second worker lets its own go. */
TEST(what_does_not_divide_is_spread_over_the_workers)
{
    struct resolved both = answer_of("10.0.0.2 10.0.0.1");

    for (unsigned worker = 0; worker < 2; worker++) {
        struct stage stage;

        stage_open_as(&stage, worker);
        add_idle(&stage, "10.0.0.1", 1);
        CHECK_EQ(rebalance_step(stage.pool, stage.host, &both), worker == 1);
        stage_close(&stage);
    }
}

/* Which address the pick gives, as the last figure of its IP; 0: none. The request is over at once. */
static unsigned ask(struct stage *stage, struct address_turns *turns)
{
    struct list_node *node = turns_pick(turns, pool_stack(stage->pool, stage->host));
    struct pooled *pooled = node ? container_of(node, struct pooled, by_host) : NULL;

    if (!pooled)
        return 0;
    turns_given(turns, pooled);
    return pooled->conn->stream->peer.ip[3];
}

TEST(one_request_at_a_time_goes_to_each_address_in_turn)
{
    struct resolved three = answer_of("10.0.0.1 10.0.0.2 10.0.0.3");
    unsigned had[4] = {0};
    struct address_turns turns;
    struct stage stage;

    stage_open(&stage);
    turns_begin(&turns, stage.pool, stage.host, &three);
    CHECK_EQ(ask(&stage, &turns), 0);
    add_idle(&stage, "10.0.0.1", 5);
    add_idle(&stage, "10.0.0.2", 1);
    add_idle(&stage, "10.0.0.3", 3);
    for (unsigned i = 0; i < 300; i++)
        had[ask(&stage, &turns)]++;
    CHECK_EQ(had[1], 100);
    CHECK_EQ(had[2], 100);
    CHECK_EQ(had[3], 100);
    stage_close(&stage);
}

/* It is not given everything when it is back. */
TEST(what_an_address_missed_counts_for_little)
{
    struct resolved both = answer_of("10.0.0.1 10.0.0.2");
    unsigned in_a_row = 0;
    struct address_turns turns;
    struct stage stage;

    stage_open(&stage);
    turns_begin(&turns, stage.pool, stage.host, &both);
    add_idle(&stage, "10.0.0.1", 2);
    for (unsigned i = 0; i < 500; i++)
        CHECK_EQ(ask(&stage, &turns), 1);
    CHECK(turns_are_uneven(&turns));
    CHECK(!turns_are_uneven(&turns)); /* too few to judge */
    add_idle(&stage, "10.0.0.2", 1);
    while (ask(&stage, &turns) == 2)
        in_a_row++;
    CHECK(in_a_row > 0);
    CHECK(in_a_row <= 20);
    for (unsigned i = 0; i < 500; i++)
        CHECK(ask(&stage, &turns) != 0);
    CHECK(!turns_are_uneven(&turns));
    stage_close(&stage);
}
