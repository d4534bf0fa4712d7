/* test_sim_dial.c: order and timing of a dial (RFC 8305), to the nanosecond, on the simulated network.
 * SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "net/dial.h"
#include "net/listener.h"
#include "sim/sim.h"

enum { PORT = 80 };

/* A dialer, and machines "one" to "four" that are 1 ms away. */
struct dial_sim {
    struct sim *sim;
    struct loop *loop;
    struct resolver *resolver;
    struct task task;
    unsigned runs;
    struct dial_options options;
    uint64_t start_ns;
    struct dial *dial;
};

static const char *const server_names[] = {"one", "two", "three", "four"};

static void count_run(struct task *task)
{
    container_of(task, struct dial_sim, task)->runs++;
}

/* The servers are machines without loops: the network answers for a listening socket. */
static void dial_sim_open(struct dial_sim *stage, const char *addrs)
{
    *stage = (struct dial_sim){.sim = sim_new(3), .task.run = count_run};
    stage->loop = sim_loop_new(stage->sim, "dialer");
    for (size_t i = 0; i < COUNT_OF(server_names); i++)
        sim_link(stage->sim, "dialer", server_names[i], (struct sim_link){.delay_ns = SIM_MS});
    stage->resolver = sim_resolver_new(stage->sim, stage->loop);
    sim_dns_delay(stage->sim, 0);
    sim_name(stage->sim, "api.example", addrs, SIM_SECOND);
    stage->options = (struct dial_options){.name = STR("api.example"), .port = PORT, .timeout_ns = 10 * SIM_SECOND};
}

/* One more machine that listens; world_ops alone, so it needs no loop. */
static int listen_at(struct dial_sim *stage, const char *host, struct world **world)
{
    struct addr any = {.family = ADDR_IPV6, .port = PORT};
    struct listen_options options = {.backlog = 8};
    struct error err;
    int fd;

    *world = sim_host(stage->sim, host);
    fd = (*world)->ops->listen(*world, &any, &options, &err);
    CHECK(fd != -1);
    return fd;
}

static bool has_result(void *arg)
{
    return ((const struct dial_sim *)arg)->runs > 0;
}

static void start(struct dial_sim *stage)
{
    stage->runs = 0;
    stage->start_ns = sim_now_ns(stage->sim);
    loop_turn(stage->loop, stage->start_ns); /* the loop's clock is that of its last turn */
    stage->dial = dial_start(stage->loop, stage->resolver, &stage->options, &stage->task);
    CHECK(stage->dial != NULL);
}

/* Runs the dial to its end; returns how long it took in whole milliseconds. */
static uint64_t finish(struct dial_sim *stage, enum io expected, struct stream **stream, struct error *err)
{
    CHECK(sim_run(stage->sim, has_result, stage, 300 * SIM_SECOND));
    CHECK_EQ(dial_result(stage->dial, stream, err), expected);
    dial_free(stage->dial);
    stage->dial = NULL;
    return (sim_now_ns(stage->sim) - stage->start_ns) / SIM_MS;
}

static void dial_sim_close(struct dial_sim *stage)
{
    dial_free(stage->dial);
    task_forget(stage->loop, &stage->task);
    resolver_free(stage->resolver);
    CHECK_EQ(slab_out(loop_pages(stage->loop)), 0);
    sim_loop_free(stage->sim, stage->loop);
    CHECK_EQ(sim_files_open(stage->sim, "dialer"), 0);
    sim_free(stage->sim);
}

static void check_winner(const struct stream *stream, struct addr addr)
{
    char a[ADDR_TEXT_BYTES], b[ADDR_TEXT_BYTES];

    CHECK_STR(addr_format(&stream->peer, a), addr_format(&addr, b));
}

/* Machines in the order of their making: dialer is 1, one is 2, two is 3, three is 4, four is 5. */
static const struct {
    const char *name, *addrs;
    const char *silent, *refusing; /* hosts, NULL: none */
    int64_t fallback_delay_ns;
    const char *winner;
    bool winner_is_ipv6;
    uint64_t took_ms;
    unsigned connects;
} race_cases[] = {
    {"the first answers", "fd00::2 10.0.0.3", NULL, NULL, 0, "one", true, 2, 1},
    {"IPv6 goes first though IPv4 is listed first", "10.0.0.3 fd00::2", NULL, NULL, 0, "one", true, 2, 1},
    {"the first is silent: 300 ms", "fd00::2 10.0.0.3", "one", NULL, 0, "two", false, 302, 2},
    {"the first is silent: 50 ms", "fd00::2 10.0.0.3", "one", NULL, 50 * 1000000, "two", false, 52, 2},
    {"the first refuses: at once", "fd00::2 10.0.0.3", NULL, "one", 0, "two", false, 4, 2},
    {"the first refuses, in sequence", "fd00::2 10.0.0.3", NULL, "one", -1, "two", false, 4, 2},
    {"silent, then refusing, then good", "fd00::2 10.0.0.3 fd00::4", "one", "two", 0, "three", true, 304, 3},
    {"in sequence the silent one has its share of the time", "fd00::2 10.0.0.3", "one", NULL, -1, "two", false, 5002,
     2},
    {"an address nobody has", "10.9.9.9 10.0.0.3", NULL, NULL, 0, "two", false, 2, 2},
};

TEST(dial_races_addresses_as_rfc_8305_says)
{
    for (size_t i = 0; i < COUNT_OF(race_cases); i++) {
        struct world *worlds[COUNT_OF(server_names)];
        int fds[COUNT_OF(server_names)];
        struct dial_sim stage;
        struct stream *stream = NULL;
        struct error err;
        uint64_t took_ms;

        test_case_is("%s", race_cases[i].name);
        dial_sim_open(&stage, race_cases[i].addrs);
        for (size_t k = 0; k < COUNT_OF(server_names); k++)
            fds[k] = listen_at(&stage, server_names[k], &worlds[k]);
        if (race_cases[i].silent)
            sim_fault(stage.sim, race_cases[i].silent, SIM_FAULT_BLACK_HOLE, 1000000);
        if (race_cases[i].refusing)
            sim_fault(stage.sim, race_cases[i].refusing, SIM_FAULT_REFUSE, 1000000);
        stage.options.fallback_delay_ns = race_cases[i].fallback_delay_ns;
        start(&stage);
        took_ms = finish(&stage, IO_OK, &stream, &err);
        check_winner(stream, race_cases[i].winner_is_ipv6 ? sim_addr_ipv6(stage.sim, race_cases[i].winner, PORT)
                                                          : sim_addr(stage.sim, race_cases[i].winner, PORT));
        CHECK_EQ(took_ms, race_cases[i].took_ms);
        CHECK_EQ(sim_connects(stage.sim, "dialer"), race_cases[i].connects);
        CHECK_EQ(sim_files_open(stage.sim, "dialer"), 1); /* the others were closed */
        stream_close(stream, false);
        for (size_t k = 0; k < COUNT_OF(server_names); k++)
            worlds[k]->ops->close(worlds[k], fds[k]);
        dial_sim_close(&stage);
    }
}

TEST(dial_times_out_when_all_are_silent)
{
    struct dial_sim stage;
    struct stream *stream = NULL;
    struct error err;

    dial_sim_open(&stage, "fd00::2 10.0.0.3 10.0.0.4");
    sim_fault(stage.sim, NULL, SIM_FAULT_BLACK_HOLE, 1000000);
    stage.options.timeout_ns = 1234 * SIM_MS;
    start(&stage);
    CHECK_EQ(finish(&stage, IO_FAIL, &stream, &err), 1234);
    CHECK_EQ(err.code, ERROR_CONNECT_TIMEOUT);
    CHECK_EQ(err.fault, FAULT_UPSTREAM);
    CHECK(err.retry_safe);
    CHECK(strstr(err.text, "not connected within 1.234s") != NULL);
    CHECK_EQ(sim_connects(stage.sim, "dialer"), 3);
    dial_sim_close(&stage);
}

TEST(dial_without_limit_ends_with_the_systems_patience)
{
    struct dial_sim stage;
    struct stream *stream = NULL;
    struct error err;

    dial_sim_open(&stage, "10.0.0.2");
    sim_fault(stage.sim, NULL, SIM_FAULT_BLACK_HOLE, 1000000);
    stage.options.timeout_ns = 0;
    start(&stage);
    CHECK(finish(&stage, IO_FAIL, &stream, &err) >= 127000);
    CHECK_EQ(err.code, ERROR_CONNECT_TIMEOUT);
    dial_sim_close(&stage);
}

TEST(dial_tells_the_last_failure_when_all_refuse)
{
    struct dial_sim stage;
    struct stream *stream = NULL;
    struct error err;

    dial_sim_open(&stage, "10.0.0.2 10.9.9.9");
    start(&stage);
    finish(&stage, IO_FAIL, &stream, &err);
    CHECK_EQ(err.code, ERROR_CONNECT_UNREACHABLE);
    CHECK(strstr(err.text, "10.9.9.9:80") != NULL);
    CHECK_EQ(err.fault, FAULT_UPSTREAM);
    dial_sim_close(&stage);
}

TEST(dial_says_when_descriptors_are_used_up)
{
    struct dial_sim stage;
    struct stream *stream = NULL;
    struct error err;

    dial_sim_open(&stage, "10.0.0.2 10.0.0.3");
    sim_file_limit(stage.sim, "dialer", 0);
    start(&stage);
    finish(&stage, IO_FAIL, &stream, &err);
    CHECK_EQ(err.code, ERROR_OUT_OF_FILES);
    CHECK_EQ(err.fault, FAULT_SYSTEM);
    CHECK(err.retry_safe);
    dial_sim_close(&stage);
}

TEST(dial_times_out_on_a_silent_resolver)
{
    struct dial_sim stage;
    struct stream *stream = NULL;
    struct error err;

    dial_sim_open(&stage, "10.0.0.2");
    sim_fault(stage.sim, NULL, SIM_FAULT_DNS_SILENT, 1000000);
    stage.options.timeout_ns = 500 * SIM_MS;
    start(&stage);
    CHECK_EQ(finish(&stage, IO_FAIL, &stream, &err), 500);
    CHECK_EQ(err.code, ERROR_RESOLVE_TIMEOUT);
    dial_sim_close(&stage);
}

/* Frees the dial after each possible number of loop turns: nothing leaks, nothing runs afterwards. */
TEST(dial_can_be_freed_after_any_turn)
{
    for (unsigned turns = 0; turns < 40; turns++) {
        struct dial_sim stage;
        struct world *world;
        int fd;

        test_case_is("after %u turns", turns);
        dial_sim_open(&stage, "fd00::2 10.0.0.3 fd00::4 10.0.0.5");
        sim_fault(stage.sim, "one", SIM_FAULT_BLACK_HOLE, 1000000);
        sim_fault(stage.sim, "dialer", SIM_FAULT_SPURIOUS_WAKE, 300000);
        fd = listen_at(&stage, "four", &world);
        start(&stage);
        for (unsigned i = 0; i < turns; i++)
            loop_turn(stage.loop, sim_now_ns(stage.sim) + 20 * SIM_MS);
        dial_free(stage.dial);
        stage.dial = NULL;
        loop_turn(stage.loop, sim_now_ns(stage.sim) + SIM_SECOND);
        CHECK_EQ(sim_files_open(stage.sim, "dialer"), 0);
        world->ops->close(world, fd);
        dial_sim_close(&stage);
    }
}

/* The second of two addresses wins: each has a socket of its own. */
TEST(packets_of_a_dial_have_its_marks)
{
    struct dial_sim stage;
    struct packet_marks seen;
    struct stream *stream = NULL;
    struct world *world;
    struct addr peer;
    struct error err;
    int listener, fd;

    dial_sim_open(&stage, "10.9.9.9 10.0.0.2");
    listener = listen_at(&stage, "one", &world);
    stage.options.socket.marks = (struct packet_marks){.mark = 7, .dscp = 46};
    start(&stage);
    (void)finish(&stage, IO_OK, &stream, &err);
    sim_pass(stage.sim, 2 * SIM_MS); /* the handshake ends there, too */
    CHECK_EQ(world->ops->accept(world, listener, &fd, &peer, &err), IO_OK);
    seen = sim_marks(world, fd);
    CHECK(packet_marks_eq(&seen, &stage.options.socket.marks));
    stream_close(stream, false);
    world->ops->close(world, fd);
    world->ops->close(world, listener);
    dial_sim_close(&stage);
}

TEST(listener_pauses_for_100_ms_without_descriptors)
{
    struct sim *sim = sim_new(1);
    struct loop *loop = sim_loop_new(sim, "server");
    struct world *client = sim_host(sim, "client");
    struct dial_sim owner = {.task.run = count_run};
    struct addr any = {.family = ADDR_IPV4, .port = PORT}, to = sim_addr(sim, "server", PORT);
    struct listen_options listen_options = {.backlog = 4};
    struct socket_options socket_options = {.family = ADDR_IPV4};
    struct stream *stream = NULL;
    struct error err;
    struct listener *listener = listener_new(loop, &any, &listen_options, &owner.task, &err);
    int fd = client->ops->socket(client, &socket_options, &err);
    uint64_t start_ns;

    CHECK(listener != NULL);
    CHECK_EQ(client->ops->connect(client, fd, &to, &err), IO_WAIT);
    sim_file_limit(sim, "server", 1);
    CHECK(sim_run(sim, has_result, &owner, SIM_SECOND));
    start_ns = loop_now_ns(loop);
    CHECK_EQ(listener_accept(listener, &stream, &err), IO_FAIL);
    CHECK_EQ(err.code, ERROR_OUT_OF_FILES);
    CHECK_EQ(listener_accept(listener, &stream, &err), IO_WAIT);
    sim_file_limit(sim, "server", 2);
    owner.runs = 0;
    CHECK(sim_run(sim, has_result, &owner, SIM_SECOND));
    CHECK_EQ(loop_now_ns(loop) - start_ns, 100 * SIM_MS);
    CHECK_EQ(listener_accept(listener, &stream, &err), IO_OK);
    stream_close(stream, false);
    listener_free(listener);
    client->ops->close(client, fd);
    task_forget(loop, &owner.task);
    sim_loop_free(sim, loop);
    sim_free(sim);
}
