/* test_sim_network.c: the simulated sockets answer as the kernel's do. Each test says what Linux does; where it matters
 * the same is tested against the kernel in tests/unit/net. SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "sim/sim.h"

enum { PORT = 80 };

/* Two machines with a world each, and no loops: the test makes the calls itself. */
struct duo {
    struct sim *sim;
    struct world *a, *b;
    struct watch near, far; /* connected sockets of a and b */
    int listener;           /* of b */
    struct error err;
};

static void duo_open(struct duo *duo, uint64_t seed)
{
    struct addr any = {.family = ADDR_IPV6, .port = PORT};
    struct listen_options options = {.backlog = 8};

    *duo = (struct duo){.sim = sim_new(seed)};
    duo->a = sim_host(duo->sim, "a");
    duo->b = sim_host(duo->sim, "b");
    duo->near.fd = duo->far.fd = -1;
    duo->listener = duo->b->ops->listen(duo->b, &any, &options, &duo->err);
    CHECK(duo->listener != -1);
}

static int start_connect(struct duo *duo, struct addr to)
{
    struct socket_options options = {.family = (enum addr_family)to.family};
    int fd = duo->a->ops->socket(duo->a, &options, &duo->err);

    CHECK(fd != -1);
    CHECK_EQ(duo->a->ops->connect(duo->a, fd, &to, &duo->err), IO_WAIT);
    return fd;
}

static void end_watched(struct world *world, struct watch *watch, bool reset)
{
    if (watch->fd == -1)
        return;
    world->ops->unwatch(world, watch);
    if (reset)
        world->ops->reset(world, watch->fd);
    else
        world->ops->close(world, watch->fd);
    watch->fd = -1;
}

/* Makes near and far, watched, with no events left over and no bits set. */
static void duo_connect(struct duo *duo)
{
    struct watch *ready[8];
    struct addr peer;

    duo->near.fd = start_connect(duo, sim_addr(duo->sim, "b", PORT));
    CHECK(duo->a->ops->watch(duo->a, &duo->near, &duo->err));
    sim_pass(duo->sim, 2 * SIM_SECOND);
    CHECK_EQ(duo->a->ops->connect_end(duo->a, duo->near.fd, &duo->err), IO_OK);
    CHECK_EQ(duo->b->ops->accept(duo->b, duo->listener, &duo->far.fd, &peer, &duo->err), IO_OK);
    CHECK(duo->b->ops->watch(duo->b, &duo->far, &duo->err));
    (void)duo->a->ops->wait(duo->a, ready, 8, 0);
    (void)duo->b->ops->wait(duo->b, ready, 8, 0);
    duo->near.ready = duo->far.ready = 0;
}

static void duo_close(struct duo *duo)
{
    end_watched(duo->a, &duo->near, false);
    end_watched(duo->b, &duo->far, false);
    if (duo->listener != -1)
        duo->b->ops->close(duo->b, duo->listener);
    sim_free(duo->sim);
}

static enum io say(struct world *world, const struct watch *watch, struct str text, size_t *sent)
{
    struct iovec part = test_part(text);
    struct error err;

    *sent = 0;
    return world->ops->writev(world, watch->fd, &part, 1, sent, &err);
}

static enum io hear(struct world *world, const struct watch *watch, char *out, size_t size, size_t *got)
{
    struct iovec part = {out, size};
    struct error err;

    *got = 0;
    return world->ops->readv(world, watch->fd, &part, 1, got, &err);
}

/* Waits without sleeping; the bits that the watch has now, 0 when it was not reported. */
static uint8_t news(struct world *world, const struct watch *watch)
{
    struct watch *ready[8];
    int count = world->ops->wait(world, ready, 8, 0);

    for (int i = 0; i < count; i++)
        if (ready[i] == watch)
            return watch->ready;
    return 0;
}

TEST(sim_connect_takes_a_round_trip)
{
    struct duo duo;
    struct watch *ready[8];
    struct watch near = {0};
    uint64_t start_ns;

    duo_open(&duo, 1);
    sim_link(duo.sim, "a", "b", (struct sim_link){.delay_ns = 10 * SIM_MS});
    start_ns = sim_now_ns(duo.sim);
    near.fd = start_connect(&duo, sim_addr(duo.sim, "b", PORT));
    CHECK(duo.a->ops->watch(duo.a, &near, &duo.err));
    CHECK_EQ(duo.a->ops->connect_end(duo.a, near.fd, &duo.err), IO_WAIT);
    CHECK_EQ(duo.a->ops->wait(duo.a, ready, 8, start_ns + SIM_SECOND), 1);
    CHECK_EQ(sim_now_ns(duo.sim) - start_ns, 20 * SIM_MS);
    CHECK_EQ(near.ready, READY_WRITE);
    CHECK_EQ(duo.a->ops->connect_end(duo.a, near.fd, &duo.err), IO_OK);
    end_watched(duo.a, &near, false);
    duo_close(&duo);
}

static struct addr to_closed_port(struct duo *duo)
{
    return sim_addr(duo->sim, "b", PORT + 1);
}

static struct addr to_listener(struct duo *duo)
{
    return sim_addr_ipv6(duo->sim, "b", PORT);
}

static struct addr to_nobody(struct duo *duo)
{
    (void)duo;
    return (struct addr){.family = ADDR_IPV4, .port = 1, .ip = {10, 9, 9, 9}};
}

static void nothing(struct duo *duo)
{
    (void)duo;
}

static void refuse(struct duo *duo)
{
    sim_fault(duo->sim, "b", SIM_FAULT_REFUSE, 1000000);
}

static void swallow(struct duo *duo)
{
    sim_fault(duo->sim, "b", SIM_FAULT_BLACK_HOLE, 1000000);
}

static const struct {
    const char *name;
    struct addr (*to)(struct duo *duo);
    void (*prepare)(struct duo *duo);
    enum error_code code;
    uint64_t within_ns;
} failing_connects[] = {
    {"nobody listens", to_closed_port, nothing, ERROR_CONNECT_REFUSED, SIM_MS},
    {"refused by fault", to_listener, refuse, ERROR_CONNECT_REFUSED, SIM_MS},
    {"no such machine", to_nobody, nothing, ERROR_CONNECT_UNREACHABLE, SIM_MS},
    {"no answer", to_listener, swallow, ERROR_CONNECT_TIMEOUT, 130 * SIM_SECOND},
};

TEST(sim_connect_fails_as_the_network_says)
{
    for (size_t i = 0; i < COUNT_OF(failing_connects); i++) {
        struct watch *ready[8], near = {0};
        struct duo duo;

        test_case_is("%s", failing_connects[i].name);
        duo_open(&duo, 1);
        failing_connects[i].prepare(&duo);
        near.fd = start_connect(&duo, failing_connects[i].to(&duo));
        CHECK(duo.a->ops->watch(duo.a, &near, &duo.err));
        CHECK_EQ(duo.a->ops->wait(duo.a, ready, 8, sim_now_ns(duo.sim) + failing_connects[i].within_ns), 1);
        CHECK_EQ(near.ready, READY_READ | READY_WRITE | READY_CLOSED);
        CHECK_EQ(duo.a->ops->connect_end(duo.a, near.fd, &duo.err), IO_FAIL);
        CHECK_CSTR(error_code_name(duo.err.code), error_code_name(failing_connects[i].code));
        end_watched(duo.a, &near, false);
        duo_close(&duo);
    }
}

TEST(sim_readiness_is_edge_triggered)
{
    struct duo duo;
    char out[16];
    size_t n;

    duo_open(&duo, 1);
    duo_connect(&duo);
    CHECK_EQ(news(duo.b, &duo.far), 0);
    CHECK_EQ(say(duo.a, &duo.near, STR("one"), &n), IO_OK);
    CHECK_EQ(hear(duo.b, &duo.far, out, sizeof(out), &n), IO_WAIT); /* still on its way */
    sim_pass(duo.sim, SIM_MS);
    CHECK_EQ(news(duo.b, &duo.far), READY_READ | READY_WRITE); /* epoll reports all that is so */
    CHECK_EQ(news(duo.b, &duo.far), 0);                        /* once */
    CHECK_EQ(say(duo.a, &duo.near, STR("two"), &n), IO_OK);
    sim_pass(duo.sim, SIM_MS);
    CHECK_EQ(news(duo.b, &duo.far), 0); /* the bits were not cleared: nothing changes */
    duo.far.ready = 0;
    CHECK_EQ(say(duo.a, &duo.near, STR("three"), &n), IO_OK);
    sim_pass(duo.sim, SIM_MS);
    CHECK_EQ(news(duo.b, &duo.far), READY_READ | READY_WRITE);
    CHECK_EQ(hear(duo.b, &duo.far, out, sizeof(out), &n), IO_OK);
    CHECK_STR(str_of(out, n), STR("onetwothree"));
    duo.far.ready = 0;
    CHECK_EQ(say(duo.a, &duo.near, STR("four"), &n), IO_OK);
    sim_pass(duo.sim, SIM_MS);
    CHECK_EQ(hear(duo.b, &duo.far, out, sizeof(out), &n),
             IO_OK); /* read before the wait: only room is left to report */
    CHECK_EQ(news(duo.b, &duo.far), READY_WRITE);
    duo_close(&duo);
}

TEST(sim_watch_reports_what_is_ready_already)
{
    struct duo duo;
    size_t n;

    duo_open(&duo, 1);
    duo_connect(&duo);
    duo.b->ops->unwatch(duo.b, &duo.far);
    CHECK_EQ(say(duo.a, &duo.near, STR("x"), &n), IO_OK);
    sim_pass(duo.sim, SIM_MS);
    CHECK_EQ(news(duo.b, &duo.far), 0);
    CHECK(duo.b->ops->watch(duo.b, &duo.far, &duo.err));
    CHECK_EQ(news(duo.b, &duo.far), READY_READ | READY_WRITE);
    duo_close(&duo);
}

TEST(sim_fin_comes_after_the_bytes)
{
    struct duo duo;
    char out[16];
    size_t n;

    duo_open(&duo, 1);
    duo_connect(&duo);
    CHECK_EQ(say(duo.a, &duo.near, STR("bye"), &n), IO_OK);
    end_watched(duo.a, &duo.near, false);
    sim_pass(duo.sim, SIM_MS);
    CHECK_EQ(news(duo.b, &duo.far), READY_READ | READY_WRITE | READY_CLOSED);
    CHECK_EQ(duo.b->ops->peek(duo.b, duo.far.fd), IO_OK);
    CHECK_EQ(hear(duo.b, &duo.far, out, sizeof(out), &n), IO_OK);
    CHECK_STR(str_of(out, n), STR("bye"));
    CHECK_EQ(duo.b->ops->peek(duo.b, duo.far.fd), IO_END);
    CHECK_EQ(hear(duo.b, &duo.far, out, sizeof(out), &n), IO_END);
    CHECK_EQ(hear(duo.b, &duo.far, out, sizeof(out), &n), IO_END);
    duo_close(&duo);
}

TEST(sim_half_close_leaves_the_other_way_open)
{
    struct duo duo;
    char out[16];
    size_t n;

    duo_open(&duo, 1);
    duo_connect(&duo);
    duo.a->ops->shutdown_write(duo.a, duo.near.fd);
    CHECK_EQ(say(duo.a, &duo.near, STR("late"), &n), IO_FAIL);
    sim_pass(duo.sim, SIM_MS);
    CHECK_EQ(news(duo.b, &duo.far), READY_READ | READY_WRITE | READY_CLOSED);
    CHECK_EQ(hear(duo.b, &duo.far, out, sizeof(out), &n), IO_END);
    CHECK_EQ(say(duo.b, &duo.far, STR("answer"), &n), IO_OK);
    sim_pass(duo.sim, SIM_MS);
    CHECK_EQ(hear(duo.a, &duo.near, out, sizeof(out), &n), IO_OK);
    CHECK_STR(str_of(out, n), STR("answer"));
    duo_close(&duo);
}

TEST(sim_reset_destroys_what_was_not_read)
{
    struct duo duo;
    char out[16];
    size_t n;

    duo_open(&duo, 1);
    duo_connect(&duo);
    CHECK_EQ(say(duo.a, &duo.near, STR("lost"), &n), IO_OK);
    sim_pass(duo.sim, SIM_MS);
    CHECK_EQ(duo.b->ops->peek(duo.b, duo.far.fd), IO_OK);
    end_watched(duo.a, &duo.near, true);
    sim_pass(duo.sim, SIM_MS);
    CHECK_EQ(news(duo.b, &duo.far), READY_READ | READY_WRITE | READY_CLOSED);
    CHECK_EQ(hear(duo.b, &duo.far, out, sizeof(out), &n), IO_FAIL);
    CHECK_EQ(hear(duo.b, &duo.far, out, sizeof(out), &n), IO_END); /* the error is told once */
    CHECK_EQ(say(duo.b, &duo.far, STR("x"), &n), IO_FAIL);
    duo_close(&duo);
}

TEST(sim_reset_keeps_data_when_told_so)
{
    struct duo duo;
    char out[16];
    size_t n;

    duo_open(&duo, 1);
    sim_fault(duo.sim, NULL, SIM_FAULT_RESET_KEEPS_DATA, 1000000);
    duo_connect(&duo);
    CHECK_EQ(say(duo.a, &duo.near, STR("kept"), &n), IO_OK);
    end_watched(duo.a, &duo.near, true);
    sim_pass(duo.sim, SIM_MS);
    CHECK_EQ(hear(duo.b, &duo.far, out, sizeof(out), &n), IO_OK);
    CHECK_STR(str_of(out, n), STR("kept"));
    CHECK_EQ(hear(duo.b, &duo.far, out, sizeof(out), &n), IO_FAIL);
    duo_close(&duo);
}

TEST(sim_close_with_unread_bytes_resets)
{
    struct duo duo;
    char out[16];
    size_t n;

    duo_open(&duo, 1);
    duo_connect(&duo);
    CHECK_EQ(say(duo.a, &duo.near, STR("never read"), &n), IO_OK);
    sim_pass(duo.sim, SIM_MS);
    end_watched(duo.b, &duo.far, false);
    sim_pass(duo.sim, SIM_MS);
    CHECK_EQ(hear(duo.a, &duo.near, out, sizeof(out), &n), IO_FAIL);
    duo_close(&duo);
}

/* The first write after the peer is gone succeeds: only its RST, a round trip later, tells. This is the idle-close
 * race. */
TEST(sim_writing_to_a_closed_peer_provokes_a_reset)
{
    struct duo duo;
    struct tcp_facts facts;
    char out[16];
    size_t n;

    duo_open(&duo, 1);
    duo_connect(&duo);
    end_watched(duo.b, &duo.far, false);
    CHECK_EQ(say(duo.a, &duo.near, STR("request"), &n), IO_OK);
    CHECK_EQ(n, 7);
    sim_pass(duo.sim, SIM_MS);
    CHECK_EQ(news(duo.a, &duo.near), READY_READ | READY_WRITE | READY_CLOSED);
    CHECK(duo.a->ops->facts(duo.a, duo.near.fd, &facts));
    CHECK(facts.closed);
    CHECK_EQ(facts.bytes_acked, 1); /* the SYN alone: no byte of the request was taken */
    CHECK_EQ(facts.unsent_bytes, 7);
    CHECK_EQ(hear(duo.a, &duo.near, out, sizeof(out), &n), IO_FAIL);
    duo_close(&duo);
}

TEST(sim_buffers_are_bounded)
{
    static const char bytes[1000];
    struct duo duo;
    char out[1000];
    size_t n, written = 0, read = 0;
    enum io io;

    duo_open(&duo, 1);
    sim_buffers(duo.sim, 600, 300);
    duo_connect(&duo);
    while ((io = say(duo.a, &duo.near, str_of(bytes, sizeof(bytes)), &n)) == IO_OK)
        written += n;
    CHECK_EQ(io, IO_WAIT);
    CHECK_EQ(written, 600);
    sim_pass(duo.sim, SIM_MS);
    CHECK_EQ(news(duo.a, &duo.near), READY_WRITE); /* 300 have arrived and were acknowledged */
    while (say(duo.a, &duo.near, str_of(bytes, sizeof(bytes)), &n) == IO_OK)
        written += n;
    CHECK_EQ(written, 900);
    sim_pass(duo.sim, SIM_MS);
    duo.near.ready = 0;
    CHECK_EQ(news(duo.a, &duo.near), 0); /* the receiver is full, too */
    while (read < written) {
        CHECK_EQ(hear(duo.b, &duo.far, out, sizeof(out), &n), IO_OK);
        CHECK(n <= 300);
        read += n;
        sim_pass(duo.sim, SIM_MS);
    }
    CHECK_EQ(news(duo.a, &duo.near), READY_WRITE);
    duo_close(&duo);
}

TEST(sim_facts_tell_what_was_acknowledged)
{
    struct duo duo;
    struct tcp_facts facts;
    size_t n;

    duo_open(&duo, 1);
    duo_connect(&duo);
    CHECK_EQ(say(duo.a, &duo.near, STR("12345"), &n), IO_OK);
    CHECK(duo.a->ops->facts(duo.a, duo.near.fd, &facts));
    CHECK_EQ(facts.bytes_acked, 1);
    CHECK_EQ(facts.unsent_bytes, 5);
    sim_pass(duo.sim, SIM_MS);
    CHECK(duo.a->ops->facts(duo.a, duo.near.fd, &facts));
    CHECK_EQ(facts.bytes_acked, 6);
    CHECK_EQ(facts.unsent_bytes, 0);
    CHECK(!facts.closed);
    duo_close(&duo);
}

TEST(sim_keeps_the_order_of_each_direction)
{
    struct duo duo;
    char out[400];
    size_t n, read = 0;

    duo_open(&duo, 7);
    sim_link(duo.sim, "a", "b",
             (struct sim_link){.delay_ns = SIM_MS, .jitter_ns = 5 * SIM_MS, .loss_per_million = 200000});
    duo_connect(&duo);
    for (int i = 0; i < 100; i++) {
        char number[4] = {(char)('0' + i / 10), (char)('0' + i % 10), '\n', 0};

        CHECK_EQ(say(duo.a, &duo.near, str_of(number, 3), &n), IO_OK);
    }
    while (read < 300) {
        sim_pass(duo.sim, SIM_MS);
        if (hear(duo.b, &duo.far, out + read, sizeof(out) - read, &n) == IO_OK)
            read += n;
    }
    for (int i = 0; i < 100; i++) {
        CHECK_INT(out[3 * i], '0' + i / 10);
        CHECK_INT(out[3 * i + 1], '0' + i % 10);
    }
    duo_close(&duo);
}

TEST(sim_backlog_is_bounded_and_the_syn_comes_again)
{
    struct duo duo;
    struct addr peer;
    int fds[10], accepted[10], count = 0;

    duo_open(&duo, 1);
    for (int i = 0; i < 10; i++) {
        fds[i] = start_connect(&duo, sim_addr(duo.sim, "b", PORT));
        sim_pass(duo.sim, 5 * SIM_MS);
    }
    CHECK_EQ(duo.a->ops->connect_end(duo.a, fds[9], &duo.err), IO_WAIT); /* the queue holds eight */
    while (duo.b->ops->accept(duo.b, duo.listener, &accepted[count], &peer, &duo.err) == IO_OK)
        count++;
    CHECK_INT(count, 8);
    sim_pass(duo.sim, 2 * SIM_SECOND);
    while (duo.b->ops->accept(duo.b, duo.listener, &accepted[count], &peer, &duo.err) == IO_OK)
        count++;
    CHECK_INT(count, 10);
    for (int i = 0; i < 10; i++) {
        duo.a->ops->close(duo.a, fds[i]);
        duo.b->ops->close(duo.b, accepted[i]);
    }
    duo_close(&duo);
}

TEST(sim_closing_a_listener_resets_who_waits)
{
    struct duo duo;
    char out[4];
    struct watch near = {0};
    size_t n;

    duo_open(&duo, 1);
    near.fd = start_connect(&duo, sim_addr(duo.sim, "b", PORT));
    sim_pass(duo.sim, SIM_MS);
    CHECK_EQ(duo.a->ops->connect_end(duo.a, near.fd, &duo.err), IO_OK);
    duo.b->ops->close(duo.b, duo.listener);
    duo.listener = -1;
    sim_pass(duo.sim, SIM_MS);
    CHECK_EQ(hear(duo.a, &near, out, sizeof(out), &n), IO_FAIL);
    duo.a->ops->close(duo.a, near.fd);
    duo_close(&duo);
}

TEST(sim_runs_out_of_files)
{
    struct socket_options options = {.family = ADDR_IPV4};
    struct duo duo;
    int fd;

    duo_open(&duo, 1);
    sim_file_limit(duo.sim, "a", 1);
    fd = duo.a->ops->socket(duo.a, &options, &duo.err);
    CHECK(fd != -1);
    CHECK_INT(duo.a->ops->socket(duo.a, &options, &duo.err), -1);
    CHECK_EQ(duo.err.code, ERROR_OUT_OF_FILES);
    duo.a->ops->close(duo.a, fd);
    fd = duo.a->ops->socket(duo.a, &options, &duo.err);
    CHECK(fd != -1);
    duo.a->ops->close(duo.a, fd);
    duo_close(&duo);
}

TEST(sim_cuts_connections_by_fault)
{
    struct duo duo;
    char out[4];
    size_t n;

    duo_open(&duo, 1);
    duo_connect(&duo);
    sim_fault(duo.sim, "a", SIM_FAULT_RESET, 1000000);
    CHECK_EQ(say(duo.a, &duo.near, STR("x"), &n), IO_OK);
    sim_pass(duo.sim, SIM_MS);
    CHECK_EQ(hear(duo.a, &duo.near, out, sizeof(out), &n), IO_FAIL);
    CHECK_EQ(hear(duo.b, &duo.far, out, sizeof(out), &n), IO_FAIL);
    duo_close(&duo);
}

TEST(sim_cuts_writes_and_segments_by_fault)
{
    static const char bytes[2000];
    struct duo duo;
    char out[2000];
    size_t n, calls = 0;

    duo_open(&duo, 1);
    duo_connect(&duo);
    sim_fault(duo.sim, "a", SIM_FAULT_SHORT_WRITE, 1000000);
    CHECK_EQ(say(duo.a, &duo.near, str_of(bytes, sizeof(bytes)), &n), IO_OK);
    CHECK(n < sizeof(bytes));
    sim_pass(duo.sim, SIM_MS);
    CHECK_EQ(news(duo.a, &duo.near), READY_WRITE); /* who was cut short hears of room */
    sim_fault(duo.sim, "a", SIM_FAULT_SHORT_WRITE, 0);
    sim_fault(duo.sim, "a", SIM_FAULT_SHORT_READ, 1000000);
    (void)hear(duo.b, &duo.far, out, sizeof(out), &n);
    CHECK_EQ(say(duo.a, &duo.near, str_of(bytes, 200), &n), IO_OK);
    CHECK_EQ(n, 200);
    for (int i = 0; i < 1000; i++) {
        sim_pass(duo.sim, 1000);
        calls += hear(duo.b, &duo.far, out, sizeof(out), &n) == IO_OK;
    }
    CHECK(calls > 3);
    duo_close(&duo);
}

/* A conversation with chance in it: the same seed must give the same packets, another seed others. */
static uint64_t hash_of_run(uint64_t seed)
{
    static const char bytes[3000];
    struct duo duo;
    char out[512];
    uint64_t hash;
    size_t n;

    duo_open(&duo, seed);
    sim_link(duo.sim, "a", "b", (struct sim_link){SIM_MS, SIM_MS, 10000});
    sim_fault(duo.sim, NULL, SIM_FAULT_SHORT_READ, 300000);
    sim_fault(duo.sim, NULL, SIM_FAULT_SHORT_WRITE, 300000);
    duo_connect(&duo);
    for (int i = 0; i < 50; i++) {
        (void)say(duo.a, &duo.near, str_of(bytes, 1 + (size_t)rng_below(sim_rng(duo.sim), 3000)), &n);
        sim_pass(duo.sim, SIM_MS);
        while (hear(duo.b, &duo.far, out, sizeof(out), &n) == IO_OK)
            (void)say(duo.b, &duo.far, str_of(out, n), &n);
        (void)news(duo.a, &duo.near);
    }
    hash = sim_trace_hash(duo.sim);
    duo_close(&duo);
    return hash;
}

TEST(sim_same_seed_gives_the_same_run)
{
    CHECK_EQ(hash_of_run(11), hash_of_run(11));
    CHECK_EQ(hash_of_run(12), hash_of_run(12));
    CHECK(hash_of_run(11) != hash_of_run(12));
}

TEST(sim_random_is_of_the_seed)
{
    struct sim *first = sim_new(5), *second = sim_new(5), *third = sim_new(6);
    struct world *a = sim_host(first, "a"), *b = sim_host(second, "a"), *c = sim_host(third, "a");
    uint64_t x, y, z;

    a->ops->random(a, &x, sizeof(x));
    b->ops->random(b, &y, sizeof(y));
    c->ops->random(c, &z, sizeof(z));
    CHECK_EQ(x, y);
    CHECK(x != z);
    sim_free(first);
    sim_free(second);
    sim_free(third);
}
