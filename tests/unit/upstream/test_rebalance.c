/* test_rebalance.c: connections that are too many for their address go, a few at a time, until all have their share.
 * SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "net/pair.h"
#include "upstream/address_turns.h"
#include "upstream/handoff.h"
#include "upstream/pool_internal.h"
#include "upstream/rebalance.h"

enum { CONNS_MAX = 256 };

static const struct transport plain;

/* Two workers on one loop. */
struct stage {
    struct world *world;
    struct loop *loop;
    struct hosts *hosts;
    struct host *host;
    struct pool *pool;  /* of the one that acts */
    struct pool *other; /* of the second */
    struct address_turns turns[2];
    struct stream *far[CONNS_MAX];
    unsigned count;
};

static void stage_open(struct stage *stage)
{
    struct error err;

    *stage = (struct stage){.world = linux_world_new(&err), .hosts = hosts_new(2)};
    CHECK(stage->world && stage->hosts);
    stage->loop = loop_new(stage->world);
    stage->host = hosts_intern(stage->hosts, &(struct host_key){.url = STR("http://a")}, &err);
    stage->pool = pool_new(stage->loop, NULL, stage->hosts, 0);
    stage->other = pool_new(stage->loop, NULL, stage->hosts, 1);
    CHECK(stage->loop && stage->host && stage->pool && stage->other);
}

static void stage_close(struct stage *stage)
{
    pool_end(stage->pool);
    pool_end(stage->other);
    pool_free(stage->pool);
    pool_free(stage->other);
    while (stage->count > 0)
        stream_close(stage->far[--stage->count], false);
    loop_turn(stage->loop, 0);
    hosts_free(stage->hosts);
    loop_free(stage->loop);
    linux_world_free(stage->world);
}

/* The other worker acts. */
static void change_worker(struct stage *stage)
{
    struct pool *pool = stage->pool;

    stage->pool = stage->other;
    stage->other = pool;
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

/* By the worker that acts. */
static uint64_t ended(const struct stage *stage)
{
    return atomic_load(&pool_counts(stage->pool, stage->host)->ledger.closes_by[REASON_REBALANCED][SIDE_OURS]);
}

/* One step, with the connections that there are. */
static bool step(struct stage *stage, const struct resolved *addrs)
{
    struct address_turns *turns = &stage->turns[stage->pool->worker];

    turns_begin(turns, stage->pool, stage->host, addrs);
    return rebalance_step(turns);
}

static unsigned steps(struct stage *stage, const struct resolved *addrs)
{
    unsigned count = 0;

    while (step(stage, addrs))
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
    CHECK(!step(&stage, &one));
    CHECK(step(&stage, &both));
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
    CHECK(step(&stage, &both));
    CHECK_EQ(ended(&stage), 3);
    stage_close(&stage);
}

/* rebalance_percent: how many go in a step, and how many steps move all. */
TEST(as_many_go_at_a_time_as_the_rules_say)
{
    static const struct {
        uint32_t percent, ended, steps;
    } rows[] = {{0, 0, 0}, {1, 3, 100}, {10, 21, 10}, {25, 51, 4}};
    struct resolved both = answer_of("10.0.0.1 10.0.0.2");

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct host_rules rules = HOST_RULES_DEFAULT;
        struct stage stage;

        test_case_is("%u %%", rows[i].percent);
        rules.rebalance_percent = rows[i].percent;
        stage_open(&stage);
        hosts_obey(stage.hosts, &rules);
        add_idle(&stage, "10.0.0.1", 201);
        CHECK_EQ(rebalance_steps_max(stage.pool, stage.host), rows[i].steps);
        CHECK(step(&stage, &both) == (rows[i].percent > 0));
        CHECK_EQ(ended(&stage), rows[i].ended);
        stage_close(&stage);
    }
}

/* They end when they come back, not in the middle of an answer. */
TEST(connections_in_use_end_when_they_come_back)
{
    struct resolved both = answer_of("10.0.0.1 10.0.0.2");
    struct pooled *lent[4];
    struct stage stage;

    stage_open(&stage);
    connect_to(&stage, "10.0.0.1", 4, lent);
    CHECK(step(&stage, &both));
    CHECK(step(&stage, &both));
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
    CHECK(!step(&stage, &dual));
    CHECK(step(&stage, &more));
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

/* Each worker's part is uneven, and both together are not. */
TEST(connections_of_all_workers_count)
{
    struct resolved both = answer_of("10.0.0.2 10.0.0.1"), turned = answer_of("10.0.0.1 10.0.0.2");
    struct address_turns other = {0};
    struct stage stage;

    stage_open(&stage);
    add_idle(&stage, "10.0.0.1", 5);
    turns_begin(&other, stage.pool, stage.host, &both);
    CHECK_EQ(turns_conns(&other, 0), 5);
    change_worker(&stage);
    add_idle(&stage, "10.0.0.2", 4);
    CHECK_EQ(steps(&stage, &turned), 0);
    add_idle(&stage, "10.0.0.1", 3); /* 8 and 4: all of these three are too many */
    CHECK_EQ(steps(&stage, &turned), 3);
    CHECK_EQ(ended(&stage), 3);
    change_worker(&stage);
    CHECK_EQ(ended(&stage), 0);
    turns_end(&other);
    stage_close(&stage);
}

/* ... but not those of workers that know other addresses. */
TEST(workers_that_know_other_addresses_do_not_count)
{
    struct resolved both = answer_of("10.0.0.1 10.0.0.2"), three = answer_of("10.0.0.1 10.0.0.2 10.0.0.3");
    struct address_turns other = {0}, turns = {0};
    struct stage stage;

    stage_open(&stage);
    add_idle(&stage, "10.0.0.1", 5);
    turns_begin(&other, stage.pool, stage.host, &both);
    change_worker(&stage);
    add_idle(&stage, "10.0.0.2", 1);
    turns_begin(&turns, stage.pool, stage.host, &three);
    CHECK_EQ(turns_conns(&turns, 0), 0);
    CHECK_EQ(turns_conns(&turns, 1), 1);
    turns_begin(&turns, stage.pool, stage.host, &both);
    CHECK_EQ(turns_conns(&turns, 0), 5);
    CHECK_EQ(turns_conns(&turns, 1), 1);
    turns_end(&other);
    turns_look(&turns);
    CHECK_EQ(turns_conns(&turns, 0), 0);
    turns_end(&turns);
    stage_close(&stage);
}

/* What is let go, kept for the host to close, or given away does not count. */
TEST(a_connection_counts_once_while_requests_may_have_it)
{
    struct resolved both = answer_of("10.0.0.1 10.0.0.2");
    struct address_turns turns = {0};
    struct pooled *lent[2];
    struct stage stage;

    stage_open(&stage);
    connect_to(&stage, "10.0.0.1", 2, lent);
    turns_begin(&turns, stage.pool, stage.host, &both);
    turns_came(&turns, lent[0]);
    CHECK_EQ(turns_conns(&turns, 0), 2);
    turns_went(&turns, lent[0]);
    turns_went(&turns, lent[0]);
    CHECK_EQ(turns_conns(&turns, 0), 1);
    turns_came(&turns, lent[0]);
    lent[1]->uneven = true;
    turns_begin(&turns, stage.pool, stage.host, &both);
    CHECK_EQ(turns_conns(&turns, 0), 1);
    for (unsigned i = 0; i < 2; i++)
        pool_return(lent[i], &plain);
    turns_end(&turns);
    stage_close(&stage);
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
    struct address_turns turns = {0};
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
    struct address_turns turns = {0};
    struct pooled *busy;
    struct stage stage;

    stage_open(&stage);
    connect_to(&stage, "10.0.0.2", 1, &busy);
    add_idle(&stage, "10.0.0.1", 2);
    turns_begin(&turns, stage.pool, stage.host, &both);
    for (unsigned i = 0; i < 500; i++)
        CHECK_EQ(ask(&stage, &turns), 1);
    CHECK(turns_are_uneven(&turns));
    CHECK(!turns_are_uneven(&turns)); /* too few to judge */
    pool_return(busy, &plain);
    while (ask(&stage, &turns) == 2)
        in_a_row++;
    CHECK(in_a_row > 0);
    CHECK(in_a_row <= 20);
    for (unsigned i = 0; i < 500; i++)
        CHECK(ask(&stage, &turns) != 0);
    CHECK(!turns_are_uneven(&turns));
    stage_close(&stage);
}

/* Nobody is asked to move to where no connection can be made. */
TEST(an_address_out_of_reach_is_not_uneven)
{
    struct resolved three = answer_of("10.0.0.1 10.0.0.2 10.0.0.3");
    struct address_turns turns = {0};
    struct stage stage;

    stage_open(&stage);
    add_idle(&stage, "10.0.0.1", 1);
    add_idle(&stage, "10.0.0.3", 1);
    turns_begin(&turns, stage.pool, stage.host, &three);
    for (unsigned i = 0; i < 1000; i++)
        CHECK(ask(&stage, &turns) != 0);
    CHECK(!turns_are_uneven(&turns));
    stage_close(&stage);
}

/* Another worker has given the first address 500 requests: this one makes up for them, but not for all. */
TEST(requests_of_all_workers_count)
{
    struct resolved both = answer_of("10.0.0.1 10.0.0.2");
    struct address_turns other = {0}, turns = {0};
    unsigned had[3] = {0};
    struct stage stage;

    stage_open(&stage);
    add_idle(&stage, "10.0.0.1", 1);
    turns_begin(&other, stage.pool, stage.host, &both);
    change_worker(&stage);
    add_idle(&stage, "10.0.0.1", 1);
    add_idle(&stage, "10.0.0.2", 1);
    turns_begin(&turns, stage.pool, stage.host, &both);
    change_worker(&stage);
    for (unsigned i = 0; i < 12; i++)
        CHECK_EQ(ask(&stage, &other), 1);
    change_worker(&stage);
    turns_look(&turns);
    for (unsigned i = 0; i < 12; i++)
        CHECK_EQ(ask(&stage, &turns), 2);
    change_worker(&stage);
    for (unsigned i = 0; i < 500; i++)
        CHECK_EQ(ask(&stage, &other), 1);
    change_worker(&stage);
    turns_look(&turns);
    for (unsigned i = 0; i < 100; i++)
        had[ask(&stage, &turns)]++;
    CHECK(had[2] > 50 && had[2] < 70);
    turns_end(&turns);
    turns_end(&other);
    stage_close(&stage);
}
