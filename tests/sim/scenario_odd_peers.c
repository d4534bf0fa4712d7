/* scenario_odd_peers.c: clients and origins that say pieces of HTTP and of nonsense in an order that the seed decides,
 * stop in the middle, half-close, reset, fall silent or deaf. Nobody judges the answers here (sim/peers.h does that
 * elsewhere): the gateway must bring every connection to an end in time, and count and free what it had.
 * SPDX-License-Identifier: Apache-2.0 */
#include "scenario.h"
#include "sides.h"

#include <stdlib.h>
#include <string.h>

enum { CLIENTS = 24, ORIGIN_CONNS_MAX = 400, STEPS_MAX = 8, LETTERS = 900 };

static const char config[] =
    "{\"version\": 3, \"timeout\": \"400ms\", \"idle_timeout\": \"1s\", \"read_header_timeout\": \"500ms\","
    " \"read_timeout\": \"2s\", \"write_timeout\": \"3s\", \"dialer_timeout\": \"300ms\","
    " \"expect_continue_timeout\": \"100ms\", \"response_header_timeout\": \"300ms\","
    " \"idle_connection_timeout\": \"500ms\", \"host\": [\"http://origin:80\"], \"echo_endpoint\": true,"
    " \"extra_config\": {\"router\": {\"return_error_msg\": true},"
    "  \"holdfast/server\": {\"max_body_bytes\": 3000, \"body_gap_timeout\": \"1s\"}},"
    " \"endpoints\": ["
    "  {\"endpoint\": \"/json\", \"method\": \"GET\", \"backend\": [{\"url_pattern\": \"/\"}]},"
    "  {\"endpoint\": \"/json\", \"method\": \"POST\", \"input_headers\": [\"*\"], \"backend\": [{\"url_pattern\": "
    "\"/\"}]},"
    "  {\"endpoint\": \"/*\", \"method\": \"*\", \"output_encoding\": \"no-op\", \"input_headers\": [\"*\"],"
    "   \"backend\": [{\"url_pattern\": \"/*\", \"encoding\": \"no-op\"}]}"
    "]}";

/* '@' stands for 900 letters. */
static const char *const client_says[] = {
    "GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /json HTTP/1.1\r\nHost: a\r\n\r\n",
    "HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /a HTTP/1.0\r\n\r\n",
    "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\n@",
    "POST /json HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n384\r\n@\r\n0\r\n\r\n",
    ("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
     "chunked\r\n\r\n384\r\n@\r\n384\r\n@\r\n384\r\n@\r\n384\r\n@\r\n0\r\n\r\n"),
    "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
    "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\nExpect: 100-continue\r\n\r\n",
    "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3001\r\n\r\n@@",
    "POST /__echo/ HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\n@",
    "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "@",
    "\r\n",
    "GET /a HTTP/1.1\r\nX-A: @\r\n",
};

static const char *const origin_says[] = {
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n@",
    ("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: "
     "chunked\r\n\r\n384\r\n@\r\n384\r\n@\r\n0\r\n\r\n"),
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n384\r\n@\r\nzz",
    "HTTP/1.1 200 OK\r\n\r\n@@@@",
    "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n{}",
    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
    "HTTP/1.1 204 No Content\r\n\r\n",
    "HTTP/1.1 304 Not Modified\r\nContent-Length: 900\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\nX-A: b\r\n\r\n",
    "HTTP/1.1 401 Unauthorized\r\nContent-Length: 900\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    "HTTP/1.1 200",
    "@",
};

enum step_kind { STEP_SAY, STEP_PAUSE, STEP_HALF_CLOSE, STEP_DEAF, STEP_CLOSE, STEP_RESET };

struct step {
    enum step_kind kind;
    const char *text;
    size_t len; /* of text, that much is said */
    uint64_t pause_ns;
};

/* One connection with its script. */
struct odd {
    struct sim *sim;
    struct loop *loop;
    struct task task;
    struct timer timer;
    struct dial *dial; /* a client's, until it is connected */
    struct stream *stream;
    struct step steps[STEPS_MAX];
    unsigned step_count, step;
    size_t said; /* of this step's text, with letters */
    bool deaf, over, paused;
};

struct odd_play {
    struct sim *sim;
    struct sides sides;
    struct odd clients[CLIENTS], conns[ORIGIN_CONNS_MAX];
    unsigned conn_count;
};

static void finish(struct odd *odd, bool reset)
{
    dial_free(odd->dial);
    stream_close(odd->stream, reset);
    odd->dial = NULL;
    odd->stream = NULL;
    timer_clear(odd->loop, &odd->timer);
    task_forget(odd->loop, &odd->task);
    odd->over = true;
}

/* Reads what comes, unless deaf. False: the gateway has ended the connection. */
static bool listen_to_it(struct odd *odd)
{
    char bytes[2048];
    struct iovec part = {bytes, sizeof(bytes)};
    struct error err;
    enum io io = IO_OK;
    size_t got;

    while (io == IO_OK && !odd->deaf)
        io = stream_readv(odd->stream, &part, 1, &got, &err);
    return io == IO_OK || io == IO_WAIT;
}

/* What is to be said from byte `at` of the text with its letters on; empty at its end. */
static struct str rest_of(const struct step *step, size_t at, const char *letters)
{
    for (size_t i = 0; i < step->len; i++) {
        size_t len = step->text[i] == '@' ? LETTERS : 1;

        if (at < len)
            return step->text[i] == '@' ? str_of(letters, LETTERS - at) : str_of(step->text + i, 1);
        at -= len;
    }
    return STR("");
}

/* IO_OK: all of it is said. */
static enum io say(struct odd *odd, const struct step *step)
{
    char letters[LETTERS];
    struct str piece;

    memset(letters, 'x', LETTERS);
    while ((piece = rest_of(step, odd->said, letters)).len > 0) {
        struct iovec part = {(void *)(uintptr_t)piece.data, piece.len};
        struct error err;
        size_t sent;
        enum io io = stream_writev(odd->stream, &part, 1, &sent, &err);

        if (io != IO_OK)
            return io;
        odd->said += sent;
    }
    odd->said = 0;
    return IO_OK;
}

/* IO_OK: the next step may be done. */
static enum io take_step(struct odd *odd, const struct step *step)
{
    switch (step->kind) {
    case STEP_SAY:
        return say(odd, step);
    case STEP_PAUSE:
        if (!odd->paused)
            timer_set(odd->loop, &odd->timer, loop_now_ns(odd->loop) + step->pause_ns);
        odd->paused = !odd->timer.fired;
        return odd->paused ? IO_WAIT : IO_OK;
    case STEP_HALF_CLOSE:
        stream_shutdown_write(odd->stream);
        return IO_OK;
    case STEP_DEAF:
        odd->deaf = true;
        return IO_OK;
    case STEP_CLOSE:
    case STEP_RESET:
        finish(odd, step->kind == STEP_RESET);
        return IO_END;
    }
    return IO_END;
}

static enum io connect_step(struct odd *odd)
{
    struct error err;
    enum io io = dial_result(odd->dial, &odd->stream, &err);

    if (io == IO_WAIT)
        return io;
    dial_free(odd->dial);
    odd->dial = NULL;
    if (io == IO_OK)
        stream_set_owner(odd->stream, &odd->task, false);
    return io;
}

static void run_odd(struct task *task)
{
    struct odd *odd = container_of(task, struct odd, task);
    enum io io = odd->dial ? connect_step(odd) : IO_OK;

    if (io == IO_OK && !listen_to_it(odd))
        io = IO_FAIL;
    while (io == IO_OK && odd->step < odd->step_count) {
        io = take_step(odd, &odd->steps[odd->step]);
        if (io == IO_OK)
            odd->step++;
    }
    if (io == IO_FAIL && !odd->over)
        finish(odd, false);
}

static struct step some_step(struct sim *sim, const char *const *texts, size_t count)
{
    struct step step = {.kind = STEP_SAY, .text = texts[sim_between(sim, 0, count - 1)]};

    step.len = strlen(step.text);
    if (sim_percent(sim, 15))
        step.len = sim_between(sim, 0, step.len);
    if (sim_percent(sim, 35))
        step = (struct step){.kind = STEP_PAUSE, .pause_ns = sim_between(sim, 0, 600 * SIM_MS)};
    if (sim_percent(sim, 8))
        step.kind = (enum step_kind)sim_between(sim, STEP_HALF_CLOSE, STEP_RESET);
    return step;
}

/* The end of the script: a client goes, an origin stays or goes. */
static void write_script(struct odd *odd, const char *const *texts, size_t count, bool goes)
{
    odd->step_count = (unsigned)sim_between(odd->sim, 1, STEPS_MAX - 2);
    for (unsigned i = 0; i < odd->step_count; i++)
        odd->steps[i] = some_step(odd->sim, texts, count);
    if (!goes)
        return;
    odd->steps[odd->step_count++] =
        (struct step){.kind = STEP_PAUSE, .pause_ns = sim_between(odd->sim, 0, 5 * SIM_SECOND)};
    odd->steps[odd->step_count++] = (struct step){.kind = sim_percent(odd->sim, 50) ? STEP_CLOSE : STEP_RESET};
}

static void odd_init(struct odd *odd, struct sim *sim, struct loop *loop)
{
    *odd = (struct odd){.sim = sim, .loop = loop, .task.run = run_odd};
    odd->timer = (struct timer){.at_ns = TIMER_OFF, .task = &odd->task};
}

static void run_accept(struct task *task)
{
    struct odd_play *play = container_of(task, struct odd_play, sides.accept_task);
    struct stream *stream;
    struct error err;

    while (listener_accept(play->sides.listener, &stream, &err) == IO_OK) {
        struct odd *odd = &play->conns[play->conn_count];

        ASSERT(play->conn_count < ORIGIN_CONNS_MAX);
        play->conn_count++;
        odd_init(odd, play->sim, play->sides.origin_loop);
        odd->stream = stream;
        write_script(odd, origin_says, COUNT_OF(origin_says), sim_percent(play->sim, 30));
        stream_set_owner(stream, &odd->task, false);
        task_wake(odd->loop, &odd->task);
    }
}

static void start_client(struct odd_play *play, struct odd *odd)
{
    odd_init(odd, play->sim, play->sides.client_loop);
    write_script(odd, client_says, COUNT_OF(client_says), true);
    odd->dial = sides_dial(&play->sides, &odd->task);
}

static void play_open(struct odd_play *play, struct sim *sim)
{
    play->sim = sim;
    sides_open(&play->sides, sim, config, run_accept);
    for (unsigned i = 0; i < CLIENTS; i++)
        start_client(play, &play->clients[i]);
}

static bool all_is_over(void *arg)
{
    const struct odd_play *play = arg;

    for (unsigned i = 0; i < CLIENTS; i++)
        if (!play->clients[i].over)
            return false;
    return gateway_is_empty(&play->sides.gateway);
}

static void play_close(struct odd_play *play)
{
    gateway_close(&play->sides.gateway);
    for (unsigned i = 0; i < CLIENTS; i++)
        finish(&play->clients[i], false);
    for (unsigned i = 0; i < play->conn_count; i++)
        finish(&play->conns[i], false);
    sides_close(&play->sides);
}

SCENARIO(gateway_bears_odd_peers)
{
    struct odd_play *play = calloc(1, sizeof(*play));

    ASSERT(play);
    sim_fault(sim, NULL, SIM_FAULT_SHORT_READ, sim_percent(sim, 30) ? 100000 : 0);
    sim_fault(sim, NULL, SIM_FAULT_SHORT_WRITE, sim_percent(sim, 30) ? 100000 : 0);
    sim_fault(sim, NULL, SIM_FAULT_SPURIOUS_WAKE, sim_percent(sim, 30) ? 100000 : 0);
    sim_fault(sim, NULL, SIM_FAULT_RESET_KEEPS_DATA, 500000);
    if (sim_percent(sim, 50))
        sim_buffers(sim, sim_between(sim, 500, 5000), sim_between(sim, 500, 5000));
    play_open(play, sim);
    if (!sim_run(sim, all_is_over, play, 60 * SIM_SECOND))
        sim_fail(sim, "the gateway keeps connections of clients that have gone: %s", sim_verdict(sim));
    play_close(play);
    free(play);
}
