/* test_dial.c: dialing on loopback; order and timing, which want a clock of their own, are in tests/sim.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fake_resolver.h"
#include "net/dial.h"
#include "net_stage.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define MS_NS UINT64_C(1000000)

struct dial_stage {
    struct net_stage net; /* probes[0] owns the dial */
    struct fake_resolver resolver;
    struct listener *listener;
    struct dial_options options; /* to the listener by name, unless changed */
};

static void dial_stage_open(struct dial_stage *stage)
{
    net_stage_open(&stage->net);
    fake_resolver_init(&stage->resolver, stage->net.loop);
    stage->listener = net_stage_listen(&stage->net, "127.0.0.1:0");
    stage->options = (struct dial_options){
        .name = STR("api.example"),
        .port = listener_addr(stage->listener)->port,
        .timeout_ns = 4000 * MS_NS,
        .socket.no_delay = true,
    };
    stage->resolver.at_once = true;
}

static void dial_stage_close(struct dial_stage *stage)
{
    listener_free(stage->listener);
    resolver_free(&stage->resolver.resolver);
    net_stage_close(&stage->net);
}

static struct dial *start(struct dial_stage *stage)
{
    struct dial *dial =
        dial_start(stage->net.loop, &stage->resolver.resolver, &stage->options, &stage->net.probes[0].task);

    CHECK(dial != NULL);
    return dial;
}

static enum io result_of(struct dial_stage *stage, struct dial *dial, struct stream **stream, struct error *err)
{
    enum io io;

    while ((io = dial_result(dial, stream, err)) == IO_WAIT)
        net_stage_until_run(&stage->net, &stage->net.probes[0]);
    return io;
}

/* Dials, expects a stream to the listener, and hears something over it. */
static void check_connects(struct dial_stage *stage)
{
    struct dial *dial = start(stage);
    struct stream *near = NULL, *far;
    struct error err;
    char out[8];
    size_t n;

    if (result_of(stage, dial, &near, &err) != IO_OK)
        test_fail(__FILE__, __LINE__, "%s", err.text);
    dial_free(dial);
    far = net_stage_accept(&stage->net, stage->listener);
    stream_set_owner(near, &stage->net.probes[1].task, false);
    CHECK_EQ(write_text(far, STR("hi"), &n), IO_OK);
    while (read_into(near, out, sizeof(out), &n) == IO_WAIT)
        net_stage_until_run(&stage->net, &stage->net.probes[1]);
    CHECK_STR(str_of(out, n), STR("hi"));
    stream_close(near, false);
    stream_close(far, false);
}

static void check_fails(struct dial_stage *stage, enum error_code code, const char *text)
{
    struct dial *dial = start(stage);
    struct stream *stream = NULL;
    struct error err = {0};

    CHECK_EQ(result_of(stage, dial, &stream, &err), IO_FAIL);
    CHECK(stream == NULL);
    CHECK_CSTR(error_code_name(err.code), error_code_name(code));
    CHECK_EQ(err.fault, FAULT_UPSTREAM);
    CHECK(err.retry_safe);
    if (!strstr(err.text, text))
        test_fail(__FILE__, __LINE__, "\"%s\" is not in \"%s\"", text, err.text);
    dial_free(dial);
}

TEST(dial_connects_by_name)
{
    struct dial_stage stage;

    dial_stage_open(&stage);
    stage.resolver.prepared = resolved_of("127.0.0.1", 0);
    check_connects(&stage);
    dial_stage_close(&stage);
}

TEST(dial_waits_for_the_resolver)
{
    struct resolved answer = resolved_of("127.0.0.1", 0);
    struct dial_stage stage;
    struct stream *stream = NULL;
    struct error err;
    struct dial *dial;

    dial_stage_open(&stage);
    stage.resolver.at_once = false;
    dial = start(&stage);
    CHECK_EQ(dial_result(dial, &stream, &err), IO_WAIT);
    fake_resolver_answer(&stage.resolver, 0, &answer);
    CHECK_EQ(result_of(&stage, dial, &stream, &err), IO_OK);
    dial_free(dial);
    stream_close(stream, false);
    dial_stage_close(&stage);
}

TEST(dial_takes_literals_without_asking)
{
    struct dial_stage stage;

    dial_stage_open(&stage);
    stage.options.name = STR("127.0.0.1");
    check_connects(&stage);
    CHECK_EQ(stage.resolver.asked, 0);
    stage.options.name = STR("localhost"); /* a name like any other */
    stage.resolver.prepared = resolved_of("127.0.0.1", 0);
    check_connects(&stage);
    CHECK_EQ(stage.resolver.asked, 1);
    dial_stage_close(&stage);
}

TEST(dial_takes_ipv6_literals)
{
    static const char *const names[] = {"::1", "[::1]"};
    struct dial_stage stage;

    dial_stage_open(&stage);
    listener_free(stage.listener);
    stage.listener = net_stage_listen(&stage.net, "[::1]:0");
    stage.options.port = listener_addr(stage.listener)->port;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        test_case_is("%s", names[i]);
        stage.options.name = str_from(names[i]);
        check_connects(&stage);
    }
    dial_stage_close(&stage);
}

TEST(dial_connects_to_a_unix_path)
{
    struct dial_stage stage;
    struct error err;
    char text[80];

    dial_stage_open(&stage);
    listener_free(stage.listener);
    snprintf(text, sizeof(text), "unix:/tmp/holdfast-test-dial-%d.sock", (int)getpid());
    stage.listener = net_stage_listen(&stage.net, text);
    CHECK(addr_parse(str_from(text), &stage.options.unix_addr, &err));
    check_connects(&stage);
    unlink(stage.options.unix_addr.path);
    check_fails(&stage, ERROR_NOT_FOUND, "dialing unix:/tmp/");
    dial_stage_close(&stage);
}

TEST(dial_tells_a_refused_connection)
{
    struct dial_stage stage;

    dial_stage_open(&stage);
    stage.options.port = refusing_addr(&stage.net, "127.0.0.1:0").port;
    stage.options.name = STR("127.0.0.1");
    check_fails(&stage, ERROR_CONNECT_REFUSED, "dialing 127.0.0.1:");
    stage.options.name = STR("api.example");
    stage.resolver.prepared = resolved_of("127.0.0.1 127.0.0.2", 0);
    check_fails(&stage, ERROR_CONNECT_REFUSED, "dialing api.example at 127.0.0.2:");
    dial_stage_close(&stage);
}

TEST(dial_tells_what_the_resolver_said)
{
    struct dial_stage stage;
    struct stream *stream;
    struct error err;
    struct dial *dial;

    dial_stage_open(&stage);
    stage.resolver.at_once = false;
    dial = start(&stage);
    fake_resolver_fail(&stage.resolver, 0);
    CHECK_EQ(result_of(&stage, dial, &stream, &err), IO_FAIL);
    CHECK_EQ(err.code, ERROR_RESOLVE_FAILED);
    CHECK(err.retry_safe);
    dial_free(dial);
    dial_stage_close(&stage);
}

/* The first address refuses: the second does not wait for the head start to be over. */
TEST(dial_tries_the_next_address_at_once_after_a_failure)
{
    static const int64_t delays_ns[] = {3000000000, -1};
    struct dial_stage stage;

    dial_stage_open(&stage);
    stage.resolver.prepared = resolved_of("::1 127.0.0.1", 0);
    for (size_t i = 0; i < COUNT_OF(delays_ns); i++) {
        uint64_t start_ns = stage.net.world->ops->now_ns(stage.net.world);

        test_case_is("delay %lld", (long long)delays_ns[i]);
        stage.options.fallback_delay_ns = delays_ns[i];
        check_connects(&stage);
        CHECK(stage.net.world->ops->now_ns(stage.net.world) - start_ns < 2900 * MS_NS);
    }
    dial_stage_close(&stage);
}

TEST(dial_times_out_while_resolving)
{
    struct dial_stage stage;

    dial_stage_open(&stage);
    stage.resolver.at_once = false;
    stage.options.timeout_ns = 30 * MS_NS;
    check_fails(&stage, ERROR_RESOLVE_TIMEOUT, "resolving api.example: no answer within 30ms");
    CHECK_EQ(stage.resolver.cancelled, 1);
    dial_stage_close(&stage);
}

/* Our end has the peer's address: what the kernel gives, now and then, to who dials a free port of the ephemeral range.
 */
static bool local_is_peer(struct world *world, int fd, struct addr *addr)
{
    struct sockaddr_in name;
    socklen_t size = sizeof(name);

    (void)world;
    CHECK_INT(getpeername(fd, (struct sockaddr *)&name, &size), 0);
    *addr = (struct addr){.family = ADDR_IPV4, .port = ntohs(name.sin_port)};
    memcpy(addr->ip, &name.sin_addr, 4);
    return true;
}

TEST(dial_refuses_a_socket_that_connected_to_itself)
{
    struct dial_stage stage;
    struct world_ops ops;
    const struct world_ops *before;

    dial_stage_open(&stage);
    before = stage.net.world->ops;
    ops = *before;
    ops.local_addr = local_is_peer;
    stage.net.world->ops = &ops;
    stage.options.name = STR("127.0.0.1");
    check_fails(&stage, ERROR_CONNECT_REFUSED, "connected to itself");
    stage.net.world->ops = before;
    dial_stage_close(&stage);
}

/* Addresses of the other family cannot be reached from it. */
TEST(dial_passes_over_addresses_that_the_source_cannot_reach)
{
    struct dial_stage stage;

    dial_stage_open(&stage);
    stage.options.socket.source = (struct addr){.family = ADDR_IPV4, .ip = {127, 0, 0, 2}};
    stage.resolver.prepared = resolved_of("::1 127.0.0.1", 0);
    check_connects(&stage);
    stage.resolver.prepared = resolved_of("::1", 0);
    check_fails(&stage, ERROR_CONNECT_UNREACHABLE, "other family");
    dial_stage_close(&stage);
}

/* Ends the dial after 0, 1, 2 ... turns: nothing may leak or run afterwards. */
TEST(dial_can_be_freed_at_every_stage)
{
    for (unsigned turns = 0; turns < 6; turns++) {
        struct dial_stage stage;
        struct dial *dial;

        test_case_is("after %u turns", turns);
        dial_stage_open(&stage);
        stage.resolver.at_once = turns % 2 == 0;
        stage.resolver.prepared = resolved_of("::1 127.0.0.1", 0);
        dial = start(&stage);
        for (unsigned i = 0; i < turns; i++) {
            loop_turn(stage.net.loop, 0);
            if (!stage.resolver.at_once && i == 1)
                fake_resolver_answer(&stage.resolver, 0, &stage.resolver.prepared);
        }
        dial_free(dial);
        net_stage_for(&stage.net, 2 * MS_NS);
        dial_stage_close(&stage);
    }
}

static void dial_with_failing_memory(void *arg)
{
    struct dial_stage *stage = arg;
    struct dial *dial = dial_start(stage->net.loop, &stage->resolver.resolver, &stage->options, NULL);
    struct stream *stream;
    struct error err;
    enum io io = IO_WAIT;

    if (!dial)
        return;
    for (int i = 0; i < 100 && (io = dial_result(dial, &stream, &err)) == IO_WAIT; i++)
        loop_turn(stage->net.loop, loop_now_ns(stage->net.loop) + 20 * MS_NS);
    if (io == IO_OK)
        stream_close(stream, true);
    else if (io == IO_FAIL)
        CHECK_EQ(err.fault, FAULT_SYSTEM);
    CHECK(io != IO_WAIT);
    dial_free(dial);
}

TEST(dial_bears_failing_allocations)
{
    struct dial_stage stage;

    dial_stage_open(&stage);
    stage.options.name = STR("127.0.0.1");
    test_every_allocation_fails(dial_with_failing_memory, &stage);
    dial_stage_close(&stage);
}
