/* test_listener.c: accepting on loopback and on a Unix path. SPDX-License-Identifier: Apache-2.0 */
#include "net/listener.h"
#include "net/tcp_internal.h"
#include "net_stage.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static const struct socket_options plain = {.no_delay = true};

static struct stream *connect_to(struct net_stage *stage, const struct addr *addr)
{
    struct error err;
    struct stream *stream = tcp_stream_connect(stage->loop, addr, &plain, &stage->probes[0].task, &err);

    if (!stream)
        test_fail(__FILE__, __LINE__, "%s", err.text);
    return stream;
}

/* The last packet of a handshake may still be under way. */
static bool is_waited_at_soon(struct net_stage *stage, const struct listener *listener)
{
    for (int i = 0; i < 500 && !listener_is_waited_at(listener); i++)
        net_stage_for(stage, 1000000);
    return listener_is_waited_at(listener);
}

TEST(listener_tells_the_port_it_took)
{
    struct net_stage stage;
    struct listener *listener;

    net_stage_open(&stage);
    listener = net_stage_listen(&stage, "127.0.0.1:0");
    CHECK_EQ(listener_addr(listener)->family, ADDR_IPV4);
    CHECK(listener_addr(listener)->port != 0);
    listener_free(listener);
    net_stage_close(&stage);
}

TEST(listener_accepts_all_that_wait)
{
    enum { CLIENTS = 5 };
    struct net_stage stage;
    struct stream *near[CLIENTS], *far[CLIENTS], *none;
    struct listener *listener;
    struct error err;

    net_stage_open(&stage);
    listener = net_stage_listen(&stage, "127.0.0.1:0");
    CHECK_EQ(listener_accept(listener, &none, &err), IO_WAIT);
    for (int i = 0; i < CLIENTS; i++)
        near[i] = connect_to(&stage, listener_addr(listener));
    for (int i = 0; i < CLIENTS; i++) {
        far[i] = net_stage_accept(&stage, listener);
        CHECK_EQ(far[i]->peer.family, ADDR_IPV4);
        if (i < CLIENTS - 1)
            CHECK(is_waited_at_soon(&stage, listener));
    }
    CHECK(!listener_is_waited_at(listener));
    CHECK_EQ(listener_accept(listener, &none, &err), IO_WAIT);
    for (int i = 0; i < CLIENTS; i++) {
        stream_close(near[i], false);
        stream_close(far[i], false);
    }
    listener_free(listener);
    net_stage_close(&stage);
}

TEST(listener_says_when_the_address_is_taken)
{
    struct net_stage stage;
    struct listener *first;
    struct listen_options options = {.backlog = 1};
    struct error err;

    net_stage_open(&stage);
    first = net_stage_listen(&stage, "127.0.0.1:0");
    CHECK(listener_new(stage.loop, listener_addr(first), &options, NULL, &err) == NULL);
    CHECK_EQ(err.code, ERROR_ADDRESS_IN_USE);
    listener_free(first);
    net_stage_close(&stage);
}

TEST(listener_serves_a_unix_path)
{
    struct net_stage stage;
    char path[64], text[80], out[8];
    struct listener *listener;
    struct stream *near, *far;
    struct error err;
    size_t n;

    net_stage_open(&stage);
    snprintf(path, sizeof(path), "/tmp/holdfast-test-%d.sock", (int)getpid());
    snprintf(text, sizeof(text), "unix:%s", path);
    listener = net_stage_listen(&stage, text);
    CHECK_CSTR(listener_addr(listener)->path, path);
    near = connect_to(&stage, listener_addr(listener));
    far = net_stage_accept(&stage, listener);
    CHECK_EQ(tcp_stream_connected(near, &err), IO_OK); /* a Unix socket connects at once */
    CHECK_EQ(near->peer.family, ADDR_UNIX);
    CHECK(near->peer.path == NULL);
    CHECK_EQ(write_text(near, STR("unix"), &n), IO_OK);
    CHECK_EQ(read_into(far, out, sizeof(out), &n), IO_OK);
    CHECK_STR(str_of(out, n), STR("unix"));
    stream_close(near, false);
    stream_close(far, false);
    listener_free(listener);
    unlink(path);
    net_stage_close(&stage);
}

/* Leaves the process no free descriptor below the limit; returns the old limit. */
static struct rlimit use_up_descriptors(void)
{
    struct rlimit before, now;
    int lowest = open("/dev/null", O_RDONLY | O_CLOEXEC);

    CHECK(lowest != -1);
    close(lowest);
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &before), 0);
    now = before;
    now.rlim_cur = (rlim_t)lowest;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &now), 0);
    return before;
}

TEST(listener_pauses_without_descriptors_and_goes_on)
{
    struct net_stage stage;
    struct listener *listener;
    struct stream *near, *far = NULL;
    struct rlimit before;
    struct error err;
    uint64_t start_ns;

    net_stage_open(&stage);
    listener = net_stage_listen(&stage, "127.0.0.1:0");
    near = connect_to(&stage, listener_addr(listener));
    net_stage_until_run(&stage, &stage.probes[3]);
    before = use_up_descriptors();
    start_ns = loop_now_ns(stage.loop);
    CHECK_EQ(listener_accept(listener, &far, &err), IO_FAIL);
    CHECK_EQ(err.code, ERROR_OUT_OF_FILES);
    CHECK_EQ(listener_accept(listener, &far, &err), IO_WAIT);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
    CHECK_EQ(listener_accept(listener, &far, &err), IO_WAIT); /* the pause is not over */
    net_stage_until_run(&stage, &stage.probes[3]);
    CHECK(loop_now_ns(stage.loop) - start_ns >= UINT64_C(100000000));
    CHECK_EQ(listener_accept(listener, &far, &err), IO_OK);
    stream_close(near, false);
    stream_close(far, false);
    listener_free(listener);
    net_stage_close(&stage);
}

TEST(listener_goes_on_at_once_when_told_that_a_descriptor_is_free)
{
    struct net_stage stage;
    struct listener *listener;
    struct stream *near, *far = NULL;
    struct rlimit before;
    struct error err;
    unsigned runs;

    net_stage_open(&stage);
    listener = net_stage_listen(&stage, "127.0.0.1:0");
    near = connect_to(&stage, listener_addr(listener));
    net_stage_until_run(&stage, &stage.probes[3]);
    before = use_up_descriptors();
    CHECK_EQ(listener_accept(listener, &far, &err), IO_FAIL);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
    runs = stage.probes[3].runs;
    listener_resume(listener);
    loop_turn(stage.loop, 0);
    CHECK_EQ(stage.probes[3].runs, runs + 1);
    CHECK_EQ(listener_accept(listener, &far, &err), IO_OK);
    stream_close(near, false);
    stream_close(far, false);
    listener_free(listener);
    net_stage_close(&stage);
}

/* A stream for the accepted connection finds no memory: the edge is used up, so only the pause brings the next wake. */
TEST(listener_pauses_when_memory_fails)
{
    struct net_stage stage;
    struct listener *listener;
    struct stream *near, *near2, *far = NULL;
    struct error err;

    net_stage_open(&stage);
    listener = net_stage_listen(&stage, "127.0.0.1:0");
    near = connect_to(&stage, listener_addr(listener));
    near2 = connect_to(&stage, listener_addr(listener));
    net_stage_for(&stage, 20000000);
    test_fail_allocation(1);
    CHECK_EQ(listener_accept(listener, &far, &err), IO_FAIL);
    test_fail_allocation(0);
    CHECK_EQ(err.code, ERROR_OUT_OF_MEMORY);
    net_stage_until_run(&stage, &stage.probes[3]);
    CHECK_EQ(listener_accept(listener, &far, &err), IO_OK); /* the second one */
    stream_close(near, false);
    stream_close(near2, false);
    stream_close(far, false);
    listener_free(listener);
    net_stage_close(&stage);
}
