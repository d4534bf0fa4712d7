/* test_pulse.c: signs of life of connections that carry many requests, in virtual time: when a PING leaves, what counts
 * as an answer, what an unanswered one ends; and what TCP knows of losses. The host is the test: it writes frames.
 * SPDX-License-Identifier: Apache-2.0 */
#include "../os/fake_world.h"
#include "harness/test.h"
#include "net/pair.h"
#include "upstream/flight.h"
#include "upstream/handoff.h"
#include "upstream/pulse.h"
#include "upstream/shared.h"

#define SECOND_NS UINT64_C(1000000000)

enum { FRAME_HEADERS = 1, FRAME_SETTINGS = 4, FRAME_PING = 6, HEADER_BYTES = 9, PAIR_BYTES = 16384 };
enum { FLAG_ACK = 1, FLAG_END_HEADERS = 4, STATUS_200 = 0x88 };

struct stage {
    struct fake_world fake;
    struct loop *loop;
    struct hosts *hosts;
    struct host *host;
    struct pool *pool;
    struct transport transport;
    struct stream *far;
    struct pooled *pooled;
    struct task user;
    unsigned wakes;
    struct stream_ops ops; /* of the pool's end, when the kernel is the test too */
};

static void run_user(struct task *task)
{
    container_of(task, struct stage, user)->wakes++;
}

static void turns(struct stage *stage)
{
    for (int i = 0; i < 8; i++)
        loop_turn(stage->loop, 0);
}

static void pass(struct stage *stage, uint64_t seconds)
{
    turns(stage);
    stage->fake.now_ns += seconds * SECOND_NS;
    turns(stage);
}

static void say(struct stage *stage, uint8_t type, uint8_t flags, uint8_t len)
{
    uint8_t bytes[64] = {0, 0, len, type, flags};
    struct iovec part = {.iov_base = bytes, .iov_len = (size_t)HEADER_BYTES + len};
    struct error err;
    size_t sent;

    CHECK_EQ(stream_writev(stage->far, &part, 1, &sent, &err), IO_OK);
    turns(stage);
}

/* One connection, lent, whose host has said its SETTINGS. */
static void open_stage(struct stage *stage, const struct transport *transport)
{
    struct stream *near;
    struct error err;

    *stage = (struct stage){.transport = *transport, .user = {.run = run_user}};
    stage->transport.idle_policy = IDLE_NEVER;
    fake_world_init(&stage->fake);
    stage->fake.now_ns = 1000 * SECOND_NS;
    stage->loop = loop_new(&stage->fake.world);
    stage->hosts = hosts_new(1);
    CHECK(stage->loop && stage->hosts);
    stage->host =
        hosts_intern(stage->hosts, &(struct host_key){.url = STR("http://a"), .protocol = PROTOCOL_H2C}, &err);
    stage->pool = pool_new(stage->loop, NULL, stage->hosts, 0);
    CHECK(stage->host && stage->pool);
    CHECK(pair_new(stage->loop, PAIR_BYTES, &near, &stage->far));
    CHECK(gate_enter(stage->host, 0));
    turns(stage);
    stage->pooled = pool_adopt(stage->pool, stage->host, &stage->transport, near, &err);
    CHECK(stage->pooled != NULL);
    say(stage, FRAME_SETTINGS, 0, 0);
}

static struct host_totals totals_of(const struct stage *stage)
{
    struct host_totals totals;

    host_totals(stage->host, &totals);
    CHECK_EQ(totals.connections_opened, totals.connections_closed + totals.idle + totals.active);
    return totals;
}

static void close_stage(struct stage *stage)
{
    pool_free(stage->pool);
    CHECK_EQ(totals_of(stage).connections_opened, totals_of(stage).connections_closed);
    stream_close(stage->far, false);
    task_forget(stage->loop, &stage->user);
    turns(stage);
    CHECK_EQ(block_pool_out(loop_blocks(stage->loop)), 0);
    loop_free(stage->loop);
    hosts_free(stage->hosts);
}

/* How many PINGs have come since the last look. */
static unsigned pings(struct stage *stage)
{
    uint8_t bytes[PAIR_BYTES];
    struct iovec part = {.iov_base = bytes, .iov_len = sizeof(bytes)};
    size_t got = 0, at = 0;
    unsigned count = 0;
    struct error err;

    turns(stage);
    if (stream_readv(stage->far, &part, 1, &got, &err) != IO_OK)
        return 0;
    if (got > 3 && memcmp(bytes, "PRI", 3) == 0)
        at = STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").len;
    for (; at + HEADER_BYTES <= got; at += HEADER_BYTES + ((size_t)bytes[at + 1] << 8 | bytes[at + 2]))
        count += bytes[at + 3] == FRAME_PING && !(bytes[at + 4] & FLAG_ACK);
    return count;
}

static struct http_stream *ask_for(struct stage *stage, struct str type)
{
    struct http_head head = {
        .method = STR("GET"), .scheme = STR("http"), .authority = STR("a"), .path = STR("/"), .announced_bytes = -1};
    struct http_stream *stream;
    struct error err;

    CHECK(type.len == 0 || headers_add_id(&head.headers, test_arena(), HEADER_CONTENT_TYPE, type));
    CHECK_EQ(http_open(stage->pooled->conn, &stream, &err), IO_OK);
    stream->owner = &stage->user;
    CHECK_EQ(http_send_head(stream, &head, true, &err), IO_OK);
    turns(stage);
    return stream;
}

static struct http_stream *ask(struct stage *stage)
{
    return ask_for(stage, STR_EMPTY);
}

static struct http_stream *ask_for_grpc(struct stage *stage)
{
    return ask_for(stage, STR("application/grpc"));
}

/* The host's head of an answer that goes on. */
static void begin_answer(struct stage *stage)
{
    uint8_t bytes[] = {0, 0, 1, FRAME_HEADERS, FLAG_END_HEADERS, 0, 0, 0, 1, STATUS_200};
    struct iovec part = {.iov_base = bytes, .iov_len = sizeof(bytes)};
    struct error err;
    size_t sent;

    CHECK_EQ(stream_writev(stage->far, &part, 1, &sent, &err), IO_OK);
    turns(stage);
}

static void give_back(struct stage *stage, struct http_stream *stream)
{
    http_done(stream);
    pool_let_go(stage->pooled, &stage->transport, REASON_CLIENT_ABORT, SIDE_OURS);
    turns(stage);
}

static void answer_ping(struct stage *stage)
{
    say(stage, FRAME_PING, FLAG_ACK, 8);
}

static const struct transport usual = {.ping_after_ns = 30 * SECOND_NS};

TEST(a_ping_asks_when_a_request_has_been_silent_for_long)
{
    struct http_stream *stream;
    struct stage stage;

    open_stage(&stage, &usual);
    stream = ask(&stage);
    (void)pings(&stage);
    pass(&stage, 20);
    say(&stage, FRAME_SETTINGS, 0, 0); /* the host's own frames are life too */
    pass(&stage, 29);
    CHECK_EQ(pings(&stage), 0);
    pass(&stage, 2);
    CHECK_EQ(pings(&stage), 1);
    CHECK_EQ(totals_of(&stage).pings, 1);
    answer_ping(&stage);
    pass(&stage, 298); /* what servers of gRPC bear */
    CHECK_EQ(pings(&stage), 0);
    pass(&stage, 3);
    CHECK_EQ(pings(&stage), 1);
    answer_ping(&stage);
    give_back(&stage, stream);
    close_stage(&stage);
}

/* Else a host that is gone would be given one request after the other. */
TEST(further_requests_do_not_put_it_off)
{
    struct http_stream *streams[8];
    struct stage stage;

    open_stage(&stage, &usual);
    streams[0] = ask(&stage);
    (void)pings(&stage);
    for (int i = 1; i < 8; i++) {
        pass(&stage, 4);
        CHECK(pool_take_shared(stage.pool, stage.host, &stage.transport, &(struct shared_pick){0}) == stage.pooled);
        streams[i] = ask(&stage);
    }
    CHECK_EQ(pings(&stage), 0);
    pass(&stage, 3);
    CHECK_EQ(pings(&stage), 1);
    answer_ping(&stage);
    for (int i = 0; i < 8; i++)
        give_back(&stage, streams[i]);
    close_stage(&stage);
}

TEST(no_ping_leaves_without_a_request_nor_when_none_is_wished)
{
    static const struct transport none = {0};
    struct http_stream *stream;
    struct stage stage;

    open_stage(&stage, &usual);
    give_back(&stage, ask(&stage));
    (void)pings(&stage);
    CHECK_EQ(totals_of(&stage).idle, 1);
    pass(&stage, 10000);
    CHECK_EQ(pings(&stage), 0);
    CHECK_EQ(totals_of(&stage).idle, 1);
    close_stage(&stage);

    open_stage(&stage, &none);
    stream = ask(&stage);
    (void)pings(&stage);
    pass(&stage, 10000);
    CHECK_EQ(pings(&stage), 0);
    give_back(&stage, stream);
    close_stage(&stage);
}

/* Seconds from one PING to the next while the host answers them and says nothing else. */
static unsigned next_ping_s(struct stage *stage)
{
    for (unsigned seconds = 1; seconds < 400; seconds++) {
        pass(stage, 1);
        if (pings(stage) > 0) {
            answer_ping(stage);
            return seconds;
        }
    }
    return 0;
}

static const struct transport eager = {
    .ping_after_ns = 10 * SECOND_NS, .ping_interval_ns = 10 * SECOND_NS, .ping_timeout_ns = SECOND_NS};

/* However short the interval: at the third one within five minutes they would end the connection. */
TEST(servers_of_grpc_are_asked_twice_and_then_no_more_than_they_bear)
{
    struct http_stream *stream;
    struct stage stage;

    open_stage(&stage, &eager);
    stream = ask_for_grpc(&stage);
    (void)pings(&stage);
    CHECK_EQ(next_ping_s(&stage), 10);
    CHECK_EQ(next_ping_s(&stage), 10);
    CHECK_EQ(next_ping_s(&stage), 303);
    CHECK_EQ(next_ping_s(&stage), 303);
    begin_answer(&stage);
    CHECK_EQ(next_ping_s(&stage), 10);
    CHECK_EQ(next_ping_s(&stage), 10);
    pass(&stage, 100);
    CHECK_EQ(pings(&stage), 0);
    give_back(&stage, stream);
    close_stage(&stage);

    open_stage(&stage, &eager);
    stream = ask(&stage);
    (void)pings(&stage);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(next_ping_s(&stage), 10);
    give_back(&stage, stream);
    close_stage(&stage);
}

/* What the host says in the long pause lets the next one leave as soon as ever. */
TEST(an_answer_of_a_server_of_grpc_ends_the_pause)
{
    struct http_stream *stream;
    struct stage stage;

    open_stage(&stage, &eager);
    stream = ask_for_grpc(&stage);
    (void)pings(&stage);
    CHECK_EQ(next_ping_s(&stage), 10);
    CHECK_EQ(next_ping_s(&stage), 10);
    pass(&stage, 55);
    CHECK_EQ(pings(&stage), 0);
    begin_answer(&stage);
    CHECK_EQ(next_ping_s(&stage), 10);
    give_back(&stage, stream);
    close_stage(&stage);
}

/* Servers of gRPC count from when a PING came, which may be long behind when it left. */
TEST(the_interval_is_counted_from_the_answer)
{
    struct http_stream *stream;
    struct stage stage;

    open_stage(&stage, &usual);
    stream = ask_for_grpc(&stage);
    (void)pings(&stage);
    pass(&stage, 30);
    CHECK_EQ(pings(&stage), 1);
    pass(&stage, 8);
    answer_ping(&stage);
    pass(&stage, 299);
    CHECK_EQ(pings(&stage), 0);
    pass(&stage, 1);
    CHECK_EQ(pings(&stage), 1);
    answer_ping(&stage);
    give_back(&stage, stream);
    close_stage(&stage);
}

/* Calls that their clients give up before the server says a word: each comes behind a pause that asks for a proof. */
TEST(an_idle_server_of_grpc_is_not_asked_a_third_time)
{
    unsigned count = 0;
    struct stage stage;

    open_stage(&stage, &eager);
    give_back(&stage, ask_for_grpc(&stage));
    (void)pings(&stage);
    for (int i = 0; i < 6; i++) {
        pass(&stage, 700);
        CHECK(pool_take(stage.pool, stage.host, &stage.transport, true) == stage.pooled);
        give_back(&stage, ask_for_grpc(&stage));
        count += pings(&stage);
        answer_ping(&stage);
    }
    CHECK_EQ(count, 2);
    close_stage(&stage);
}

/* How long the silence is before the first PING, by what is known of the path and of the host. */
TEST(what_was_learned_says_when_the_first_ping_leaves)
{
    static const struct {
        const char *name;
        uint64_t wall_s; /* of the path; 0: none is known */
        uint32_t doublings;
        uint64_t interval_s, first_s;
    } rows[] = {
        {"nothing", 0, 0, 0, 30},
        {"a wall: six tenths of it", 40, 0, 0, 24},
        {"a far wall", 600, 0, 0, 30},
        {"a near wall: never below ten seconds", 8, 0, 0, 10},
        {"it was called too many once", 0, 1, 0, 600},
        {"... thrice", 0, 3, 0, 2400},
        {"... with an interval of our own", 0, 1, 60, 120},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct transport transport = usual;
        struct http_stream *stream;
        struct stage stage;

        test_case_is("%s", rows[i].name);
        transport.ping_interval_ns = (int64_t)(rows[i].interval_s * SECOND_NS);
        open_stage(&stage, &transport);
        atomic_store(&stage.host->ping_doublings, rows[i].doublings);
        atomic_store(&stage.host->path.wall_ns, rows[i].wall_s * SECOND_NS);
        atomic_store(&stage.host->path.wall_until_ns, UINT64_MAX);
        give_back(&stage, ask(&stage)); /* the timer begins with the next one */
        stage.pooled = pool_take(stage.pool, stage.host, &stage.transport, true);
        CHECK(stage.pooled != NULL);
        stream = ask(&stage);
        (void)pings(&stage);
        pass(&stage, rows[i].first_s - 1);
        CHECK_EQ(pings(&stage), 0);
        pass(&stage, 2);
        CHECK_EQ(pings(&stage), 1);
        answer_ping(&stage);
        give_back(&stage, stream);
        close_stage(&stage);
    }
}

TEST(an_unanswered_ping_ends_the_connection_and_its_requests)
{
    struct http_stream *streams[2];
    struct http_head *head;
    struct error err;
    struct stage stage;

    open_stage(&stage, &usual);
    streams[0] = ask(&stage);
    CHECK(pool_take_shared(stage.pool, stage.host, &stage.transport, &(struct shared_pick){0}) == stage.pooled);
    streams[1] = ask(&stage);
    (void)pings(&stage);
    pass(&stage, 30);
    CHECK_EQ(pings(&stage), 1);
    pass(&stage, 14);
    CHECK_EQ(http_recv_head(streams[0], test_arena(), &head, &err), IO_WAIT);
    CHECK(pool_take_shared(stage.pool, stage.host, &stage.transport, &(struct shared_pick){0}) == NULL);
    stage.wakes = 0;
    pass(&stage, 1); /* nobody asks: the timer does */
    CHECK(stage.wakes > 0);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(http_recv_head(streams[i], test_arena(), &head, &err), IO_FAIL);
        CHECK_EQ(err.code, ERROR_DEAD_PATH);
        CHECK(!err.retry_safe);
        give_back(&stage, streams[i]);
    }
    CHECK_EQ(totals_of(&stage).closes_by[REASON_PING_TIMEOUT][SIDE_OURS], 1);
    CHECK_EQ(totals_of(&stage).ping_timeouts, 1);
    close_stage(&stage);
}

TEST(whatever_comes_behind_a_ping_is_life)
{
    struct http_stream *stream;
    struct stage stage;

    open_stage(&stage, &usual);
    stream = ask(&stage);
    (void)pings(&stage);
    pass(&stage, 30);
    CHECK_EQ(pings(&stage), 1);
    pass(&stage, 10);
    say(&stage, FRAME_SETTINGS, 0, 0);
    pass(&stage, 44); /* silent anew: 30 s and 15 s */
    CHECK_EQ(totals_of(&stage).ping_timeouts, 0);
    pass(&stage, 2);
    CHECK_EQ(totals_of(&stage).ping_timeouts, 1);
    give_back(&stage, stream);
    close_stage(&stage);
}

/* The PING went along with a request that its client has given up since. */
TEST(an_idle_connection_is_given_up_too)
{
    struct stage stage;

    open_stage(&stage, &usual);
    give_back(&stage, ask(&stage));
    (void)pings(&stage);
    pass(&stage, 20);
    CHECK(pool_take(stage.pool, stage.host, &stage.transport, true) == stage.pooled);
    give_back(&stage, ask(&stage));
    CHECK_EQ(pings(&stage), 1);
    CHECK_EQ(totals_of(&stage).idle, 1);
    pass(&stage, 14);
    CHECK_EQ(totals_of(&stage).idle, 1);
    pass(&stage, 1);
    CHECK_EQ(totals_of(&stage).idle, 0);
    CHECK_EQ(totals_of(&stage).closes_by[REASON_PING_TIMEOUT][SIDE_OURS], 1);
    close_stage(&stage);
}

TEST(an_idle_connection_that_owes_an_answer_is_not_taken)
{
    struct stage stage;

    open_stage(&stage, &usual);
    give_back(&stage, ask(&stage));
    pass(&stage, 20);
    CHECK(pool_take(stage.pool, stage.host, &stage.transport, true) == stage.pooled);
    give_back(&stage, ask(&stage));
    pass(&stage, 6);
    CHECK(pool_take(stage.pool, stage.host, &stage.transport, true) == NULL);
    CHECK_EQ(totals_of(&stage).closes_by[REASON_PING_TIMEOUT][SIDE_OURS], 1);
    close_stage(&stage);
}

/* G.6 120: the host reads nothing, so the PING stands behind a body that waits here; its time has begun all the same.
 */
TEST(a_ping_that_cannot_leave_is_unanswered_too)
{
    struct http_head head = {.method = STR("POST"),
                             .scheme = STR("http"),
                             .authority = STR("a"),
                             .path = STR("/"),
                             .body_bytes = -1,
                             .announced_bytes = -1};
    struct chain body = {0};
    struct http_stream *stream;
    struct error err;
    struct stage stage;
    char zeros[1000] = {0};

    open_stage(&stage, &usual);
    for (int i = 0; i < 60; i++)
        CHECK(chain_append(&body, loop_blocks(stage.loop), str_of(zeros, sizeof(zeros))));
    CHECK_EQ(http_open(stage.pooled->conn, &stream, &err), IO_OK);
    stream->owner = &stage.user;
    CHECK_EQ(http_send_head(stream, &head, false, &err), IO_OK);
    for (int i = 0; i < 10; i++) {
        CHECK(http_send_body(stream, &body, false, &err) != IO_FAIL);
        turns(&stage);
    }
    pass(&stage, 30);
    CHECK_EQ(totals_of(&stage).pings, 1);
    pass(&stage, 15);
    CHECK_EQ(http_send_body(stream, &body, false, &err), IO_FAIL);
    CHECK_EQ(err.code, ERROR_DEAD_PATH);
    chain_clear(&body);
    give_back(&stage, stream);
    CHECK_EQ(totals_of(&stage).closes_by[REASON_PING_TIMEOUT][SIDE_OURS], 1);
    close_stage(&stage);
}

static bool facts_of_loss(struct stream *stream, struct tcp_facts *facts)
{
    (void)stream;
    *facts = (struct tcp_facts){
        .unacked = 1, .resent = 1, .retransmits = 1, .rtt_ns = SECOND_NS / 100, .rto_ns = SECOND_NS / 5};
    return true;
}

static bool facts_of_health(struct stream *stream, struct tcp_facts *facts)
{
    (void)stream;
    *facts = (struct tcp_facts){.rtt_ns = SECOND_NS / 100, .rto_ns = SECOND_NS / 5};
    return true;
}

/* What is sent again holds up all that is behind it, of every stream: the next request has another connection. */
TEST(a_connection_that_loses_segments_is_given_no_more_until_they_have_come)
{
    static const struct shared_pick any;
    struct flight flight = {0};
    struct http_stream *stream;
    struct stage stage;

    open_stage(&stage, &usual);
    stage.ops = *stage.pooled->conn->stream->ops;
    stage.ops.facts = facts_of_loss;
    stage.pooled->conn->stream->ops = &stage.ops;
    stream = ask(&stage);
    flight_begin(pool_flights(stage.pool), &flight, stage.pooled, &stage.user);
    CHECK(pool_take_shared(stage.pool, stage.host, &stage.transport, &any) == stage.pooled);
    give_back(&stage, ask(&stage));
    pass(&stage, 1);
    CHECK(pool_take_shared(stage.pool, stage.host, &stage.transport, &any) == NULL);
    stage.ops.facts = facts_of_health;
    pass(&stage, 1);
    CHECK(pool_take_shared(stage.pool, stage.host, &stage.transport, &any) == stage.pooled);
    give_back(&stage, ask(&stage));
    flight_over(pool_flights(stage.pool), &flight, true);
    give_back(&stage, stream);
    close_stage(&stage);
}
