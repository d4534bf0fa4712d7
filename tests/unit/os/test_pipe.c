/* test_pipe.c: pipes between real sockets, and how a loop lends them. SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "loopback.h"
#include "os/loop.h"
#include "os/pipe.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

struct line {
    struct loopback loopback;
    struct loop *loop;
    struct conn_pair source, target; /* bytes go from source.client to target.client, by the two servers */
};

static void line_open(struct line *line)
{
    loopback_open(&line->loopback);
    line->loop = loop_new(line->loopback.world);
    CHECK(line->loop != NULL);
    line->source = loopback_connect(&line->loopback);
    line->target = loopback_connect(&line->loopback);
}

static void line_close(struct line *line)
{
    loopback_hang_up(&line->loopback, &line->source);
    loopback_hang_up(&line->loopback, &line->target);
    loop_free(line->loop);
    loopback_close(&line->loopback);
}

static void say(struct line *line, struct str text)
{
    struct error err;
    size_t size;

    CHECK_EQ(write_one(line->loopback.world, line->source.client, text, &size, &err), IO_OK);
    CHECK_EQ(size, text.len);
}

/* Waits for something to be there. */
static enum io fill(struct line *line, struct pipe *pipe, size_t size_max, struct error *err)
{
    struct world *world = line->loopback.world;
    struct watch *ready[1];
    size_t got = 0;
    enum io io = IO_WAIT;

    for (int tries = 0; tries < 2000; tries++) {
        io = world->ops->pipe_fill(world, line->source.server, pipe, size_max, &got, err);
        if (io != IO_WAIT)
            break;
        (void)world->ops->wait(world, ready, 1, world->ops->now_ns(world) + 1000000);
    }
    CHECK_EQ(pipe->held, io == IO_OK ? got : 0);
    return io;
}

TEST(a_pipe_carries_bytes_from_socket_to_socket)
{
    struct line line;
    struct pipe *pipe;
    struct error err;
    char out[32];
    size_t size;

    line_open(&line);
    pipe = pipe_lend(line.loop);
    CHECK(pipe != NULL);
    CHECK_EQ(line.loopback.world->ops->pipe_fill(line.loopback.world, line.source.server, pipe, 10, &size, &err),
             IO_WAIT);
    say(&line, STR("hello, world"));
    CHECK_EQ(fill(&line, pipe, 5, &err), IO_OK);
    CHECK_EQ(pipe->held, 5);
    CHECK_EQ(line.loopback.world->ops->pipe_drain(line.loopback.world, pipe, line.target.server, &size, &err), IO_OK);
    CHECK_EQ(size, 5);
    CHECK_EQ(pipe->held, 0);
    CHECK_EQ(fill(&line, pipe, 100, &err), IO_OK);
    CHECK_EQ(line.loopback.world->ops->pipe_drain(line.loopback.world, pipe, line.target.server, &size, &err), IO_OK);
    for (size_t at = 0; at < 12; at += size)
        while (read_one(line.loopback.world, line.target.client, out + at, sizeof(out) - at, &size, &err) == IO_WAIT)
            ;
    CHECK_STR(str_of(out, 12), STR("hello, world"));
    pipe_return(line.loop, pipe);
    line_close(&line);
}

/* Sets it for one socket; false: this kernel has none of that name. */
static bool choose_congestion(int fd, const char *name)
{
    return setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name)) == 0;
}

TEST(sends_are_spaced_out_by_bbr_alone)
{
    struct line line;
    struct world *world;
    int ends[2];

    line_open(&line);
    world = line.loopback.world;
    CHECK(choose_congestion(line.target.server, "reno")); /* every kernel has it */
    CHECK(!world->ops->is_paced(world, line.target.server));
    if (choose_congestion(line.target.server, "bbr"))
        CHECK(world->ops->is_paced(world, line.target.server));
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    CHECK(!world->ops->is_paced(world, ends[0]));
    CHECK_INT(close(ends[0]), 0);
    CHECK_INT(close(ends[1]), 0);
    CHECK(!world->ops->is_paced(world, -1));
    line_close(&line);
}

TEST(a_pipe_tells_of_an_end_and_of_a_reset)
{
    for (int reset = 0; reset < 2; reset++) {
        struct line line;
        struct pipe *pipe;
        struct error err;

        line_open(&line);
        pipe = pipe_lend(line.loop);
        if (reset)
            line.loopback.world->ops->reset(line.loopback.world, line.source.client);
        else
            line.loopback.world->ops->close(line.loopback.world, line.source.client);
        line.source.client = loopback_socket(&line.loopback); /* for hang_up */
        CHECK_EQ(fill(&line, pipe, 100, &err), reset ? IO_FAIL : IO_END);
        if (reset)
            CHECK_EQ(err.code, ERROR_RESET);
        pipe_return(line.loop, pipe);
        line_close(&line);
    }
}

static void hear(int number)
{
    (void)number;
}

/* So much from one end to the other, and out of the way there. */
static void pass_on(struct line *line, struct pipe *pipe, struct str text)
{
    static char waste[1 << 20];
    struct world *world = line->loopback.world;
    size_t passed = 0, said = 0, size;
    struct error err;

    while (passed < text.len) {
        if (said < text.len && write_one(world, line->source.client, str_from_offset(text, said), &size, &err) == IO_OK)
            said += size;
        CHECK_EQ(fill(line, pipe, PIPE_BYTES_MAX, &err), IO_OK);
        passed += pipe->held;
        CHECK_EQ(world->ops->pipe_drain(world, pipe, line->target.server, &size, &err), IO_OK);
        CHECK_EQ(pipe->held, 0); /* there is room for all of it */
        while (read_one(world, line->target.client, waste, sizeof(waste), &size, &err) == IO_OK)
            ;
    }
}

/* Who waits for room because a drain has left something would wait for ever if it was not for want of room. */
TEST(a_signal_cuts_no_drain_short)
{
    const struct itimerval often = {{0, 20}, {0, 20}}, never = {{0, 0}, {0, 0}};
    const struct sigaction action = {.sa_handler = hear, .sa_flags = SA_RESTART};
    static char text[400000];
    struct sigaction before;
    struct line line;
    struct pipe *pipe;

    line_open(&line);
    pipe = pipe_lend(line.loop);
    CHECK(pipe != NULL);
    CHECK_EQ(sigaction(SIGALRM, &action, &before), 0);
    CHECK_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
    for (int i = 0; i < 200; i++)
        pass_on(&line, pipe, str_of(text, sizeof(text)));
    CHECK_EQ(setitimer(ITIMER_REAL, &never, NULL), 0);
    CHECK_EQ(sigaction(SIGALRM, &before, NULL), 0);
    pipe_return(line.loop, pipe);
    line_close(&line);
}

TEST(a_pipe_into_a_closed_socket_fails_without_a_signal)
{
    struct line line;
    struct pipe *pipe;
    struct error err;
    size_t sent;
    enum io io = IO_OK;

    line_open(&line);
    CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    pipe = pipe_lend(line.loop);
    line.loopback.world->ops->reset(line.loopback.world, line.target.client);
    line.target.client = loopback_socket(&line.loopback);
    for (int i = 0; i < 3 && io == IO_OK; i++) {
        say(&line, STR("x"));
        CHECK_EQ(fill(&line, pipe, 100, &err), IO_OK);
        io = line.loopback.world->ops->pipe_drain(line.loopback.world, pipe, line.target.server, &sent, &err);
    }
    CHECK_EQ(io, IO_FAIL);
    CHECK(err.code == ERROR_RESET || err.code == ERROR_CLOSED);
    CHECK_EQ(pipe->held, 1);
    pipe_return(line.loop, pipe); /* closed with what it holds */
    CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    line_close(&line);
}

static char byte_at(size_t i)
{
    return (char)((i * 7 + i / 4096) % 251);
}

/* Writes on where it stopped, and passes on what it can. False: nothing moves any more. */
static bool push(struct line *line, struct pipe *pipe, size_t *written, size_t all)
{
    struct world *world = line->loopback.world;
    size_t size = 0, before = *written, held = pipe->held;
    struct error err;
    char piece[4096];
    size_t len = size_min(sizeof(piece), all - *written);

    for (size_t i = 0; i < len; i++)
        piece[i] = byte_at(*written + i);
    if (len > 0 && write_one(world, line->source.client, str_of(piece, len), &size, &err) == IO_OK)
        *written += size;
    if (pipe->held == 0)
        (void)!world->ops->pipe_fill(world, line->source.server, pipe, PIPE_BYTES_MAX, &size, &err);
    if (pipe->held > 0)
        (void)!world->ops->pipe_drain(world, pipe, line->target.server, &size, &err);
    return *written != before || pipe->held != held;
}

/* The reader takes something only when nothing else moves: bytes stay in the pipe, and none is lost or doubled. */
TEST(a_pipe_waits_for_a_slow_reader)
{
    enum { ALL = 32 << 20 };
    static char piece[1 << 16];
    struct line line;
    struct pipe *pipe;
    struct error err;
    size_t size, written = 0, read = 0;
    bool waited = false;

    line_open(&line);
    pipe = pipe_lend(line.loop);
    while (read < ALL) {
        if (push(&line, pipe, &written, ALL))
            continue;
        waited |= pipe->held > 0;
        if (read_one(line.loopback.world, line.target.client, piece, sizeof(piece), &size, &err) != IO_OK)
            continue;
        for (size_t i = 0; i < size; i++)
            if (piece[i] != byte_at(read + i))
                test_fail(__FILE__, __LINE__, "byte %zu is another", read + i);
        read += size;
    }
    CHECK(waited);
    CHECK_EQ(pipe->held, 0);
    pipe_return(line.loop, pipe);
    line_close(&line);
}

TEST(pipes_are_counted_as_descriptors_and_kept_for_the_next)
{
    _Atomic int64_t sockets = 0;
    struct pipe *pipes[PIPES_LENT_MAX];
    struct line line;

    line_open(&line);
    line.loopback.world->sockets = &sockets;
    for (unsigned i = 0; i < PIPES_LENT_MAX; i++) {
        pipes[i] = pipe_lend(line.loop);
        CHECK(pipes[i] != NULL);
    }
    CHECK_INT(sockets, 2 * PIPES_LENT_MAX);
    CHECK(pipe_lend(line.loop) == NULL);
    for (unsigned i = 0; i < PIPES_LENT_MAX; i++)
        pipe_return(line.loop, pipes[i]);
    CHECK_INT(sockets, 2 * PIPES_KEPT_MAX);
    pipes[0] = pipe_lend(line.loop);
    CHECK(pipes[0] == pipes[PIPES_KEPT_MAX - 1]); /* the last that was kept */
    CHECK_INT(sockets, 2 * PIPES_KEPT_MAX);
    pipe_return(line.loop, pipes[0]);
    line.loopback.world->sockets = NULL;
    line_close(&line);
}

TEST(a_loop_lends_as_many_pipes_as_it_is_told)
{
    struct pipe *pipes[3];
    struct line line;

    line_open(&line);
    CHECK_EQ(loop_pipes(line.loop)->lent_max, PIPES_LENT_MAX);
    loop_pipes(line.loop)->lent_max = COUNT_OF(pipes);
    for (size_t i = 0; i < COUNT_OF(pipes); i++)
        CHECK((pipes[i] = pipe_lend(line.loop)) != NULL);
    CHECK(pipe_lend(line.loop) == NULL);
    for (size_t i = 0; i < COUNT_OF(pipes); i++)
        pipe_return(line.loop, pipes[i]);
    loop_pipes(line.loop)->lent_max = 0;
    CHECK(pipe_lend(line.loop) == NULL); /* though some are kept */
    line_close(&line);
}

TEST(without_descriptors_or_memory_there_is_no_pipe)
{
    struct line line;
    struct rlimit before;

    line_open(&line);
    before = leave_descriptors(1);
    CHECK(pipe_lend(line.loop) == NULL);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
    test_fail_allocation(1);
    CHECK(pipe_lend(line.loop) == NULL);
    test_fail_allocation(0);
    CHECK_EQ(loop_pipes(line.loop)->lent, 0);
    line_close(&line);
}
