/* test_shared.c: connections that carry many requests (HTTP/2) in a worker's pool: one place, offered while they have
 * room, left when something speaks against them; and dials that others join. The host is the test: it writes frames.
 * SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "net/pair.h"
#include "upstream/handoff.h"
#include "upstream/shared.h"

enum {
    CONNS_MAX = 4,
    FRAME_SETTINGS = 4,
    FRAME_PING = 6,
    FRAME_GOAWAY = 7,
    FRAME_WINDOW_UPDATE = 8,
    SETTING_STREAMS = 3,
    HEADER_BYTES = 9,
    FLAG_ACK = 1
};

struct stage {
    struct world *world;
    struct loop *loop;
    struct hosts *hosts;
    struct host *host;
    struct pool *pool;
    struct transport transport;
    struct stream *far[CONNS_MAX];
    unsigned count;
};

static const struct shared_pick any;

static void open_stage(struct stage *stage)
{
    struct error err;

    *stage = (struct stage){.world = linux_world_new(&err), .hosts = hosts_new(1)};
    CHECK(stage->world && stage->hosts);
    stage->transport.idle_policy = IDLE_NEVER;
    stage->loop = loop_new(stage->world);
    CHECK(stage->loop != NULL);
    stage->host =
        hosts_intern(stage->hosts, &(struct host_key){.url = STR("http://a"), .protocol = PROTOCOL_H2C}, &err);
    stage->pool = pool_new(stage->loop, NULL, stage->hosts, 0);
    CHECK(stage->host && stage->pool);
}

static struct host_totals totals_of(const struct stage *stage)
{
    struct host_totals totals;

    host_totals(stage->host, &totals);
    CHECK_EQ(totals.connections_opened, totals.connections_closed + totals.idle + totals.active);
    return totals;
}

/* Nothing is left: every connection that was opened has closed, and no stream is counted. */
static void close_stage(struct stage *stage)
{
    pool_free(stage->pool);
    CHECK_EQ(totals_of(stage).connections_opened, totals_of(stage).connections_closed);
    CHECK_EQ(totals_of(stage).streams, 0);
    CHECK_EQ(atomic_load(&stage->host->counts[0].beside), 0);
    CHECK_EQ(atomic_load(&stage->host->open), 0);
    while (stage->count > 0)
        stream_close(stage->far[--stage->count], false);
    loop_turn(stage->loop, 0);
    CHECK_EQ(block_pool_out(loop_blocks(stage->loop)), 0);
    loop_free(stage->loop);
    hosts_free(stage->hosts);
    linux_world_free(stage->world);
}

static void turns(struct stage *stage)
{
    for (int i = 0; i < 8; i++)
        loop_turn(stage->loop, 0);
}

static void say_with(struct stage *stage, unsigned conn, uint8_t type, uint8_t flags, const uint8_t *payload,
                     uint8_t len)
{
    uint8_t bytes[64] = {0, 0, len, type, flags};
    struct iovec part = {.iov_base = bytes, .iov_len = (size_t)HEADER_BYTES + len};
    struct error err;
    size_t sent;

    memcpy(bytes + HEADER_BYTES, payload, len);
    CHECK_EQ(stream_writev(stage->far[conn], &part, 1, &sent, &err), IO_OK);
    CHECK_EQ(sent, part.iov_len);
    turns(stage);
}

static void say(struct stage *stage, unsigned conn, uint8_t type, const uint8_t *payload, uint8_t len)
{
    say_with(stage, conn, type, 0, payload, len);
}

static void allow(struct stage *stage, unsigned conn, uint8_t streams)
{
    say(stage, conn, FRAME_SETTINGS, (const uint8_t[]){0, SETTING_STREAMS, 0, 0, 0, streams}, 6);
}

static void go_away(struct stage *stage, unsigned conn)
{
    say(stage, conn, FRAME_GOAWAY, (const uint8_t[8]){0}, 8);
}

/* How many frames of the type the pool has sent; reads them all. */
static unsigned frames_of(struct stage *stage, unsigned conn, uint8_t type)
{
    uint8_t bytes[4096];
    struct iovec part = {.iov_base = bytes, .iov_len = sizeof(bytes)};
    size_t got = 0, at = 0;
    unsigned count = 0;
    struct error err;

    if (stream_readv(stage->far[conn], &part, 1, &got, &err) != IO_OK)
        return 0;
    if (got > 3 && memcmp(bytes, "PRI", 3) == 0)
        at = STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").len;
    for (; at + HEADER_BYTES <= got; at += HEADER_BYTES + ((size_t)bytes[at + 1] << 8 | bytes[at + 2]))
        count += bytes[at + 3] == type;
    return count;
}

static struct pooled *dialed(struct stage *stage)
{
    struct stream *near;
    struct pooled *pooled;
    struct error err;

    CHECK(stage->count < CONNS_MAX);
    CHECK(pair_new(stage->loop, 16384, &near, &stage->far[stage->count++]));
    CHECK(gate_enter(stage->host, 0));
    pooled = pool_adopt(stage->pool, stage->host, &stage->transport, near, &err);
    CHECK(pooled != NULL);
    CHECK(pooled->conn->multiplexed);
    turns(stage);
    return pooled;
}

static struct http_stream *begin(struct pooled *pooled)
{
    struct http_stream *stream;
    struct error err;

    CHECK_EQ(http_open(pooled->conn, &stream, &err), IO_OK);
    return stream;
}

static void give_back(struct stage *stage, struct pooled *pooled, struct http_stream *stream)
{
    http_done(stream);
    pool_return(pooled, &stage->transport);
    turns(stage);
}

static struct pooled *join(struct stage *stage, const struct shared_pick *pick)
{
    return pool_take_shared(stage->pool, stage->host, &stage->transport, pick);
}

TEST(a_connection_in_use_is_offered_while_it_has_room)
{
    struct http_stream *first, *second;
    struct pooled *pooled;
    struct stage stage;

    open_stage(&stage);
    CHECK(join(&stage, &any) == NULL);
    pooled = dialed(&stage);
    first = begin(pooled);
    allow(&stage, 0, 2);
    CHECK_EQ(atomic_load(&stage.host->streams_max), 2);
    CHECK(join(&stage, &any) == pooled);
    second = begin(pooled);
    CHECK(join(&stage, &any) == NULL);
    CHECK(pool_take(stage.pool, stage.host, &stage.transport, true) == NULL);
    CHECK_EQ(totals_of(&stage).active, 1);
    CHECK_EQ(totals_of(&stage).streams, 2);
    CHECK_EQ(pool_explain(stage.pool, stage.host, &stage.transport), REASON_NO_STREAM);
    give_back(&stage, pooled, first);
    CHECK_EQ(totals_of(&stage).active, 1);
    CHECK(join(&stage, &any) == pooled);
    first = begin(pooled);
    give_back(&stage, pooled, second);
    give_back(&stage, pooled, first);
    CHECK_EQ(totals_of(&stage).idle, 1);
    CHECK(join(&stage, &any) == NULL);
    CHECK(pool_take(stage.pool, stage.host, &stage.transport, true) == pooled);
    CHECK_EQ(pooled->streams, 1);
    give_back(&stage, pooled, begin(pooled));
    close_stage(&stage);
}

TEST(a_limit_that_shrinks_lets_streams_finish)
{
    struct http_stream *streams[3];
    struct pooled *pooled;
    struct stage stage;

    open_stage(&stage);
    pooled = dialed(&stage);
    allow(&stage, 0, 10);
    streams[0] = begin(pooled);
    for (int i = 1; i < 3; i++) {
        CHECK(join(&stage, &any) == pooled);
        streams[i] = begin(pooled);
    }
    allow(&stage, 0, 1);
    CHECK(join(&stage, &any) == NULL);
    CHECK_EQ(totals_of(&stage).streams, 3);
    for (int i = 2; i > 0; i--) {
        give_back(&stage, pooled, streams[i]);
        CHECK(join(&stage, &any) == NULL);
    }
    give_back(&stage, pooled, streams[0]);
    CHECK_EQ(totals_of(&stage).idle, 1);
    close_stage(&stage);
}

TEST(goaway_takes_it_out_of_the_offer_and_its_streams_finish)
{
    struct http_stream *first, *second;
    struct pooled *pooled;
    struct stage stage;

    open_stage(&stage);
    pooled = dialed(&stage);
    allow(&stage, 0, 10);
    first = begin(pooled);
    CHECK(join(&stage, &any) == pooled);
    second = begin(pooled);
    go_away(&stage, 0);
    CHECK(join(&stage, &any) == NULL);
    give_back(&stage, pooled, first);
    CHECK_EQ(totals_of(&stage).active, 1);
    give_back(&stage, pooled, second);
    CHECK_EQ(totals_of(&stage).closes_by[REASON_GOAWAY][SIDE_PEER], 1);
    close_stage(&stage);
}

TEST(an_idle_one_hears_goaway_and_its_end)
{
    struct pooled *pooled;
    struct stage stage;

    for (int end = 0; end < 2; end++) {
        open_stage(&stage);
        pooled = dialed(&stage);
        allow(&stage, 0, 10);
        give_back(&stage, pooled, begin(pooled));
        CHECK_EQ(totals_of(&stage).idle, 1);
        allow(&stage, 0, 5);
        say(&stage, 0, FRAME_PING, (const uint8_t[8]){0}, 8);
        CHECK_EQ(totals_of(&stage).idle, 1); /* G.6 119: housekeeping is life */
        if (end) {
            stream_close(stage.far[0], false);
            stage.count = 0;
            turns(&stage);
        } else {
            go_away(&stage, 0);
        }
        CHECK_EQ(totals_of(&stage).idle, 0);
        CHECK_EQ(totals_of(&stage).closed_idle, 1);
        close_stage(&stage);
    }
}

TEST(what_is_used_up_or_old_takes_no_more_requests)
{
    static const enum reason reasons[] = {REASON_COUNT, REASON_AGE};
    struct http_stream *first, *second;
    struct pooled *pooled;
    struct stage stage;

    for (size_t i = 0; i < COUNT_OF(reasons); i++) {
        test_case_is("%s", reason_name(reasons[i]));
        open_stage(&stage);
        stage.transport.max_requests_per_connection = reasons[i] == REASON_COUNT ? 2 : 0;
        pooled = dialed(&stage);
        first = begin(pooled);
        CHECK(join(&stage, &any) == pooled);
        second = begin(pooled);
        if (reasons[i] == REASON_AGE)
            pooled->old_at_ms = 0;
        CHECK(join(&stage, &any) == NULL);
        give_back(&stage, pooled, first);
        CHECK(join(&stage, &any) == NULL);
        give_back(&stage, pooled, second);
        CHECK_EQ(totals_of(&stage).closes_by[reasons[i]][SIDE_OURS], 1);
        close_stage(&stage);
    }
}

TEST(one_request_that_fails_does_not_end_the_others)
{
    struct http_stream *first, *second;
    struct pooled *pooled;
    struct stage stage;

    open_stage(&stage);
    pooled = dialed(&stage);
    first = begin(pooled);
    CHECK(join(&stage, &any) == pooled);
    second = begin(pooled);
    http_cancel(first, HTTP_CANCEL_GONE);
    http_done(first);
    pool_let_go(pooled, &stage.transport, REASON_CLIENT_ABORT, SIDE_OURS);
    CHECK(join(&stage, &any) == pooled);
    give_back(&stage, pooled, begin(pooled));
    http_done(second);
    pool_let_go(pooled, &stage.transport, REASON_CLIENT_ABORT, SIDE_OURS);
    CHECK_EQ(totals_of(&stage).idle, 1);
    CHECK_EQ(totals_of(&stage).connections_closed, 0);
    close_stage(&stage);
}

TEST(a_dead_path_ends_it_for_all)
{
    struct http_stream *first, *second;
    struct pooled *pooled;
    struct stage stage;

    open_stage(&stage);
    pooled = dialed(&stage);
    first = begin(pooled);
    CHECK(join(&stage, &any) == pooled);
    second = begin(pooled);
    http_done(first);
    pool_let_go(pooled, &stage.transport, REASON_MIDDLEBOX, SIDE_OURS);
    CHECK(join(&stage, &any) == NULL);
    give_back(&stage, pooled, second);
    CHECK_EQ(totals_of(&stage).closes_by[REASON_MIDDLEBOX][SIDE_OURS], 1);
    close_stage(&stage);
}

TEST(a_request_that_was_refused_finds_another_one)
{
    struct http_stream *on_old, *on_new;
    struct pooled *old, *new;
    struct stage stage;

    open_stage(&stage);
    old = dialed(&stage);
    on_old = begin(old);
    CHECK(join(&stage, &(struct shared_pick){.unlike = old->id}) == NULL);
    CHECK(join(&stage, &(struct shared_pick){.since_ns = old->conn->opened_ns + 1}) == NULL);
    new = dialed(&stage);
    on_new = begin(new);
    CHECK(join(&stage, &(struct shared_pick){.unlike = old->id}) == new);
    give_back(&stage, new, begin(new));
    CHECK(join(&stage, &(struct shared_pick){.unlike = new->id}) == old);
    give_back(&stage, old, begin(old));
    give_back(&stage, old, on_old);
    give_back(&stage, new, on_new);
    close_stage(&stage);
}

/* All that waits there. */
static void read_far(struct stage *stage, unsigned conn)
{
    char bytes[16384];
    struct iovec part = {.iov_base = bytes, .iov_len = sizeof(bytes)};
    struct error err;
    size_t got;

    do
        turns(stage);
    while (stream_readv(stage->far[conn], &part, 1, &got, &err) == IO_OK);
}

static void upload(struct stage *stage, struct http_stream *stream, size_t size)
{
    struct http_head head = {.method = STR("POST"),
                             .scheme = STR("http"),
                             .authority = STR("a"),
                             .path = STR("/"),
                             .body_bytes = -1,
                             .announced_bytes = -1};
    struct chain body = {0};
    struct error err;
    char zeros[1000] = {0};

    for (size_t i = 0; i < size / sizeof(zeros); i++)
        CHECK(chain_append(&body, loop_blocks(stage->loop), str_of(zeros, sizeof(zeros))));
    CHECK_EQ(http_send_head(stream, &head, false, &err), IO_OK);
    for (int i = 0; i < 40 && body.size > 0; i++) {
        CHECK(http_send_body(stream, &body, false, &err) != IO_FAIL);
        read_far(stage, 0);
    }
    chain_clear(&body);
    read_far(stage, 0);
}

TEST(what_holds_one_body_up_is_not_given_another)
{
    struct http_stream *stream;
    struct pooled *pooled;
    struct stage stage;

    open_stage(&stage);
    pooled = dialed(&stage);
    allow(&stage, 0, 10);
    stream = begin(pooled);
    upload(&stage, stream, 100000); /* the window is 65535 */
    CHECK(join(&stage, &any) == NULL);
    CHECK_EQ(totals_of(&stage).active, 1);
    say(&stage, 0, FRAME_WINDOW_UPDATE, (const uint8_t[]){0, 1, 0, 0}, 4);
    read_far(&stage, 0);
    CHECK(join(&stage, &any) == pooled);
    give_back(&stage, pooled, begin(pooled));
    pooled->lossy = true;
    CHECK(join(&stage, &any) == NULL);
    pooled->lossy = false;
    CHECK(join(&stage, &any) == pooled);
    give_back(&stage, pooled, begin(pooled));
    http_cancel(stream, HTTP_CANCEL_GONE);
    give_back(&stage, pooled, stream);
    close_stage(&stage);
}

TEST(a_flush_lets_streams_finish)
{
    struct http_stream *stream;
    struct pooled *pooled;
    struct stage stage;

    open_stage(&stage);
    pooled = dialed(&stage);
    stream = begin(pooled);
    pool_flush(stage.pool);
    CHECK(join(&stage, &any) == NULL);
    give_back(&stage, pooled, stream);
    CHECK_EQ(totals_of(&stage).closes_by[REASON_DRAIN][SIDE_OURS], 1);
    close_stage(&stage);
}

static unsigned pings_after(struct stage *stage, unsigned conn, struct pooled *pooled, uint64_t silence_s)
{
    struct http_stream *stream;
    unsigned pings;

    pooled->idle_since_ns -= silence_s * UINT64_C(1000000000);
    pooled->conn->opened_ns -= silence_s * UINT64_C(1000000000);
    CHECK(pool_take(stage->pool, stage->host, &stage->transport, true) == pooled);
    stream = begin(pooled);
    turns(stage);
    pings = frames_of(stage, conn, FRAME_PING);
    if (pings > 0)
        say_with(stage, conn, FRAME_PING, FLAG_ACK, (const uint8_t[8]){0}, 8);
    give_back(stage, pooled, stream);
    return pings;
}

static struct pooled *dialed_idle(struct stage *stage)
{
    struct pooled *pooled = dialed(stage);
    unsigned conn = stage->count - 1;

    allow(stage, conn, 10);
    give_back(stage, pooled, begin(pooled));
    (void)frames_of(stage, conn, FRAME_PING);
    return pooled;
}

/* Never without a request, and at most once in five minutes. */
TEST(a_ping_goes_along_only_behind_a_long_silence)
{
    static const struct {
        uint64_t silence_s;
        unsigned pings;
    } rows[] = {{1, 0}, {20, 1}, {40, 0}, {240, 0}, {30, 1}};
    struct pooled *pooled;
    struct stage stage;

    open_stage(&stage);
    pooled = dialed_idle(&stage);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CHECK_EQ(frames_of(&stage, 0, FRAME_PING), 0);
        CHECK_EQ(pings_after(&stage, 0, pooled, rows[i].silence_s), rows[i].pings);
    }
    close_stage(&stage);
}

/* G.6 121: ENHANCE_YOUR_CALM with too_many_pings doubles the interval, once for each connection, and the next
 * connection begins with it. */
TEST(a_host_that_finds_pings_too_many_has_half_as_many)
{
    static const uint8_t calm[] = "\0\0\0\0\0\0\0\x0btoo_many_pings";
    struct pooled *pooled;
    struct stage stage;

    open_stage(&stage);
    CHECK_EQ(pings_after(&stage, 0, dialed_idle(&stage), 20), 1);
    for (unsigned conn = 0; conn < 2; conn++) {
        uint64_t every_s = UINT64_C(600) << conn;

        say(&stage, conn, FRAME_GOAWAY, calm, sizeof(calm) - 1);
        turns(&stage);
        CHECK_EQ(atomic_load(&stage.host->ping_doublings), conn + 1);
        pooled = dialed_idle(&stage);
        CHECK_EQ(pings_after(&stage, conn + 1, pooled, every_s - 10), 0);
        CHECK_EQ(pings_after(&stage, conn + 1, pooled, 20), 1);
        CHECK_EQ(pings_after(&stage, conn + 1, pooled, every_s - 10), 0);
        CHECK_EQ(pings_after(&stage, conn + 1, pooled, 20), 1);
    }
    close_stage(&stage);
}

static void run_nothing(struct task *task)
{
    (void)task;
}

TEST(as_many_join_a_dial_as_its_connection_will_carry)
{
    struct pool_joining first = {0}, second = {0}, third = {0};
    struct host_counts *counts;
    struct error err;
    struct stage stage;

    open_stage(&stage);
    counts = pool_counts(stage.pool, stage.host);
    CHECK(!pool_dials_suffice(stage.pool, stage.host));
    host_count_add(&counts->dialing, 1);
    CHECK(pool_dials_suffice(stage.pool, stage.host)); /* nothing is known: one first */
    CHECK(pool_join(stage.pool, stage.host, &first));
    atomic_store(&stage.host->streams_max, 3);
    CHECK(pool_dials_suffice(stage.pool, stage.host));
    CHECK(pool_join(stage.pool, stage.host, &second));
    CHECK(!pool_dials_suffice(stage.pool, stage.host));
    CHECK(pool_join(stage.pool, stage.host, &third));
    CHECK_EQ(pool_join_news(stage.pool, stage.host, &first, &err), JOIN_DIAL);
    pool_leave_dials(stage.pool, stage.host, &first);
    pool_leave_dials(stage.pool, stage.host, &first);
    CHECK_EQ(pool_join_news(stage.pool, stage.host, &second, &err), JOIN_WAIT);
    host_count_add(&counts->dialing, -1);
    CHECK_EQ(pool_join_news(stage.pool, stage.host, &second, &err), JOIN_DIAL);
    pool_leave_dials(stage.pool, stage.host, &second);
    pool_leave_dials(stage.pool, stage.host, &third);
    close_stage(&stage);
}

TEST(a_second_dial_that_fails_is_the_end_for_those_who_joined)
{
    struct gate_waiter waiter = {0};
    struct task task = {.run = run_nothing};
    struct pool_joining joining = {0};
    struct host_counts *counts;
    struct error err, failure;
    struct stage stage;

    open_stage(&stage);
    counts = pool_counts(stage.pool, stage.host);
    waiter.task = &task;
    CHECK(gate_wait(pool_racers(stage.pool), stage.host, &waiter));
    host_count_add(&counts->dialing, 2);
    CHECK(pool_join(stage.pool, stage.host, &joining));
    error_set(&failure, FAULT_UPSTREAM, ERROR_CONNECT_REFUSED, "refused");
    pool_note_failed_dial(stage.pool, stage.host, &failure);
    CHECK(gate_enter(stage.host, 0));
    pool_dial_ended(stage.pool, stage.host, DIAL_FAILED);
    CHECK(list_holds(&task.node)); /* it is woken */
    CHECK_EQ(pool_join_news(stage.pool, stage.host, &joining, &err), JOIN_WAIT);
    pool_note_failed_dial(stage.pool, stage.host, &failure);
    CHECK_EQ(pool_join_news(stage.pool, stage.host, &joining, &err), JOIN_FAIL);
    CHECK_EQ(err.code, ERROR_CONNECT_REFUSED);
    pool_leave_dials(stage.pool, stage.host, &joining);
    gate_quit(pool_racers(stage.pool), stage.host, &waiter);
    host_count_add(&counts->dialing, -1);
    task_forget(stage.loop, &task);
    close_stage(&stage);
}

TEST(alpn_that_chose_http_1_lets_each_dial_for_itself)
{
    struct tls_profile *profile;
    struct host *host;
    struct error err;
    struct stage stage;

    open_stage(&stage);
    profile = tls_profile_new(&(struct tls_client_options){0}, &err);
    CHECK(profile != NULL);
    host = hosts_intern(stage.hosts,
                        &(struct host_key){.url = STR("https://b"), .protocol = PROTOCOL_AUTO, .tls = profile}, &err);
    CHECK(host != NULL);
    host_count_add(&pool_counts(stage.pool, host)->dialing, 1);
    CHECK(pool_dials_suffice(stage.pool, host));
    atomic_store(&host->choice, CHOICE_HTTP1);
    CHECK(!pool_dials_suffice(stage.pool, host));
    atomic_store(&host->choice, CHOICE_HTTP2);
    CHECK(pool_dials_suffice(stage.pool, host));
    host_count_add(&pool_counts(stage.pool, host)->dialing, -1);
    tls_profile_unref(profile);
    close_stage(&stage);
}
