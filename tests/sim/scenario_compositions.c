/* scenario_compositions.c: endpoints of several backends on a plan that the seed makes: which part answers after how
 * long, fails, breaks off or stays silent, and which client leaves. The clients judge what they get: the parts that
 * were in time and no others, completed only when all are there, and when it came: with the slowest part, or with the
 * share of the timeout that KrakenD gives it. SPDX-License-Identifier: Apache-2.0 */
#include "scenario.h"
#include "sides.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLIENTS = 3, ROUNDS = 8, PARTS = 3, CONNS_MAX = 400, BYTES_MAX = 2048 };

#define TIMEOUT_NS (2 * SIM_SECOND)
#define MARGIN_NS  (60 * SIM_MS) /* the ways there and back, a dial among them */

static const char config[] =
    "{\"version\": 3, \"timeout\": \"2s\", \"host\": [\"http://origin:80\"],"
    " \"extra_config\": {\"router\": {\"disable_access_log\": true}},"
    " \"endpoints\": ["
    "  {\"endpoint\": \"/merge/{n}\", \"backend\": [{\"url_pattern\": \"/0/{n}\"}, {\"url_pattern\": \"/1/{n}\"},"
    "   {\"url_pattern\": \"/2/{n}\"}]},"
    "  {\"endpoint\": \"/tries/{n}\", \"concurrent_calls\": 2,"
    "   \"backend\": [{\"url_pattern\": \"/0/{n}\"}, {\"url_pattern\": \"/1/{n}\"}]},"
    "  {\"endpoint\": \"/sequence/{n}\", \"extra_config\": {\"proxy\": {\"sequential\": true}},"
    "   \"backend\": [{\"url_pattern\": \"/0/{n}\"}, {\"url_pattern\": \"/1/{resp0_k0}\"}]},"
    "  {\"endpoint\": \"/shadow/{n}\", \"backend\": [{\"url_pattern\": \"/0/{n}\"},"
    "   {\"url_pattern\": \"/2/{n}\", \"extra_config\": {\"proxy\": {\"shadow\": true}}}]}"
    "]}";

/* One kind of endpoint: its parts for the client, and what share of the timeout a part may take. */
static const struct kind {
    const char *name;
    unsigned parts, tries;
    uint64_t limit_ns;
    bool sequential, shadow;
} kinds[] = {
    {"merge", 3, 1, TIMEOUT_NS * 85 / 100, false, false},
    {"tries", 2, 2, TIMEOUT_NS * 75 / 100, false, false},
    {"sequence", 2, 1, TIMEOUT_NS * 85 / 100, true, false},
    {"shadow", 1, 1, TIMEOUT_NS, false, true},
};

enum act { ACT_ANSWER, ACT_SILENT, ACT_FAIL, ACT_BAD_JSON, ACT_HALF };

struct part {
    enum act act;
    uint64_t delay_ns;
    unsigned asked;
};

struct round {
    const struct kind *kind;
    struct part parts[PARTS];
    uint64_t begun_ns;
    uint64_t leaves_ns; /* behind its begin; 0: the client stays */
};

/* A connection of either side. */
struct peer {
    struct play *play;
    struct loop *loop;
    struct task task;
    struct timer timer;
    struct dial *dial;
    struct stream *stream; /* NULL: free, or not connected */
    char bytes[BYTES_MAX];
    size_t len;
    unsigned number, part; /* of an origin's connection: what it works on */
    bool busy;
    unsigned client, round; /* of a client */
    bool left, by_reset, over;
};

struct play {
    struct sim *sim;
    struct sides sides;
    struct round rounds[CLIENTS * ROUNDS];
    struct peer clients[CLIENTS], conns[CONNS_MAX];
    unsigned conn_count;
};

static void close_peer(struct peer *peer, bool reset)
{
    dial_free(peer->dial);
    stream_close(peer->stream, reset);
    peer->dial = NULL;
    peer->stream = NULL;
    peer->busy = false;
    peer->len = 0;
    timer_clear(peer->loop, &peer->timer);
    task_forget(peer->loop, &peer->task);
}

/* Reads what is there. False: the other side has ended the connection. */
static bool read_some(struct peer *peer)
{
    enum io io = IO_OK;

    while (io == IO_OK && peer->len < BYTES_MAX - 1) {
        struct iovec part = {peer->bytes + peer->len, BYTES_MAX - 1 - peer->len};
        size_t got = 0;

        io = stream_readv(peer->stream, &part, 1, &got, NULL);
        peer->len += io == IO_OK ? got : 0;
    }
    peer->bytes[peer->len] = '\0';
    return io == IO_OK || io == IO_WAIT;
}

/* Short enough for every buffer. */
static void say(struct peer *peer, const char *text)
{
    struct iovec part = {(char *)(uintptr_t)text, strlen(text)};
    size_t sent = 0;

    if (stream_writev(peer->stream, &part, 1, &sent, NULL) == IO_OK && sent != part.iov_len)
        sim_fail(peer->play->sim, "a message of %zu bytes was cut", part.iov_len);
}

/* The origin. */

static void act(struct peer *conn)
{
    const struct part *part = &conn->play->rounds[conn->number].parts[conn->part];
    char body[64], text[256];

    snprintf(body, sizeof(body), "{\"k%u\":\"%u\"}", conn->part, conn->number);
    if (part->act == ACT_BAD_JSON)
        body[0] = '[';
    snprintf(text, sizeof(text), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s",
             part->act == ACT_FAIL ? "500 Oops" : "200 OK", strlen(body) + (part->act == ACT_HALF), body);
    conn->busy = false;
    say(conn, text);
    if (part->act == ACT_HALF)
        close_peer(conn, false);
}

static void take_request(struct peer *conn)
{
    unsigned part, number;
    struct round *round;

    if (!strstr(conn->bytes, "\r\n\r\n"))
        return;
    if (sscanf(conn->bytes, "GET /%u/%u HTTP/1.1", &part, &number) != 2 || part >= PARTS || number >= CLIENTS * ROUNDS)
        sim_fail(conn->play->sim, "the origin was asked for \"%.40s\"", conn->bytes);
    round = &conn->play->rounds[number];
    if (++round->parts[part].asked > (part < round->kind->parts ? round->kind->tries : 1))
        sim_fail(conn->play->sim, "part %u of a %s was asked %u times", part, round->kind->name,
                 round->parts[part].asked);
    if (part == 1 && round->kind->sequential && round->parts[0].act != ACT_ANSWER)
        sim_fail(conn->play->sim, "a sequence went on behind a part that failed");
    conn->part = part;
    conn->number = number;
    conn->len = 0;
    conn->busy = true;
    if (round->parts[part].act != ACT_SILENT)
        timer_set(conn->loop, &conn->timer, loop_now_ns(conn->loop) + round->parts[part].delay_ns);
}

static void run_conn(struct task *task)
{
    struct peer *conn = container_of(task, struct peer, task);
    bool due = conn->timer.fired;

    conn->timer.fired = false;
    if (!conn->stream)
        return;
    if (!read_some(conn)) {
        close_peer(conn, false);
        return;
    }
    if (due && conn->busy)
        act(conn);
    if (conn->stream && !conn->busy)
        take_request(conn);
}

static void run_accept(struct task *task)
{
    struct play *play = container_of(task, struct play, sides.accept_task);
    struct stream *stream;

    while (listener_accept(play->sides.listener, &stream, NULL) == IO_OK) {
        struct peer *conn = &play->conns[play->conn_count++];

        if (play->conn_count == CONNS_MAX)
            sim_fail(play->sim, "%d connections are more than so few requests need", CONNS_MAX);
        *conn = (struct peer){.play = play, .loop = play->sides.origin_loop, .stream = stream, .task.run = run_conn};
        conn->timer = (struct timer){.at_ns = TIMER_OFF, .task = &conn->task};
        stream_set_owner(stream, &conn->task, false);
        task_wake(conn->loop, &conn->task);
    }
}

/* The judge. */

enum verdict { MUST_BE_THERE, MAY_BE_THERE, MUST_BE_AWAY };

/* A part that begins so long behind the request. *took: how long the client has to wait for it. */
static enum verdict judge_part(const struct round *round, unsigned number, uint64_t begins_ns, uint64_t *took)
{
    const struct part *part = &round->parts[number];
    uint64_t limit_ns = round->kind->limit_ns, at_ns = begins_ns + part->delay_ns;

    *took = part->act == ACT_SILENT || at_ns > limit_ns ? limit_ns : at_ns;
    if (part->act != ACT_ANSWER || at_ns > limit_ns)
        return MUST_BE_AWAY;
    return at_ns + MARGIN_NS < limit_ns ? MUST_BE_THERE : MAY_BE_THERE;
}

static bool has_key(const char *body, unsigned part, unsigned number)
{
    char text[64];

    snprintf(text, sizeof(text), "\"k%u\":\"%u\"", part, number);
    return strstr(body, text) != NULL;
}

/* Returns how long the answer had to take; counts the parts that are in it. */
static uint64_t judge_parts(struct sim *sim, const struct round *round, const char *body, unsigned number,
                            unsigned *there)
{
    uint64_t took_ns = 0, begins_ns = 0;

    for (unsigned i = 0; i < round->kind->parts; i++) {
        uint64_t took;
        enum verdict verdict = judge_part(round, i, begins_ns, &took);
        bool found = has_key(body, i, number);

        if (found ? verdict == MUST_BE_AWAY : verdict == MUST_BE_THERE)
            sim_fail(sim, "%s: part %u %s in %s", round->kind->name, i, found ? "must not be" : "is missing", body);
        *there += found;
        took_ns = took > took_ns ? took : took_ns;
        if (round->kind->sequential && !found)
            return took_ns;
        if (round->kind->sequential)
            begins_ns = took;
    }
    return took_ns;
}

static void judge(struct peer *client, const char *body)
{
    unsigned number = client->client * ROUNDS + client->round, there = 0;
    const struct round *round = &client->play->rounds[number];
    uint64_t came_ns = loop_now_ns(client->loop) - round->begun_ns;
    uint64_t due_ns = judge_parts(client->play->sim, round, body, number, &there);
    bool completed = strstr(client->bytes, "X-Krakend-Completed: true\r\n") != NULL;
    bool ok = strncmp(client->bytes, "HTTP/1.1 200 ", 13) == 0;

    if (completed != (there == round->kind->parts) || ok != (there > 0))
        sim_fail(client->play->sim, "%s with %u of %u parts: %s", round->kind->name, there, round->kind->parts,
                 client->bytes);
    if (came_ns + MARGIN_NS < due_ns || came_ns > due_ns + 2 * MARGIN_NS)
        sim_fail(client->play->sim, "%s came after %llu ms, not %llu", round->kind->name,
                 (unsigned long long)(came_ns / SIM_MS), (unsigned long long)(due_ns / SIM_MS));
    scenario_count(completed ? "complete" : ok ? "partial" : "failed", 1);
}

/* Nobody works for a client that has reset its connection, but for the shadow. FIN alone may be half a close. */
static void check_all_stopped(struct play *play, unsigned number)
{
    for (unsigned i = 0; i < play->conn_count; i++) {
        const struct peer *conn = &play->conns[i];

        if (conn->stream && conn->busy && conn->number == number && conn->part < play->rounds[number].kind->parts)
            sim_fail(play->sim, "a %s goes on though its client has left", play->rounds[number].kind->name);
    }
    scenario_count("left", 1);
}

/* The clients. */

static void ask(struct peer *client)
{
    unsigned number = client->client * ROUNDS + client->round;
    struct round *round = &client->play->rounds[number];
    char text[128];

    round->begun_ns = loop_now_ns(client->loop);
    client->len = 0;
    client->busy = true;
    snprintf(text, sizeof(text), "GET /%s/%u HTTP/1.1\r\nHost: a\r\n\r\n", round->kind->name, number);
    say(client, text);
    if (round->leaves_ns)
        timer_set(client->loop, &client->timer, round->begun_ns + round->leaves_ns);
}

static void next_round(struct peer *client)
{
    timer_clear(client->loop, &client->timer);
    client->busy = client->left = false;
    if (++client->round < ROUNDS)
        return;
    close_peer(client, false);
    client->over = true;
}

static void take_answer(struct peer *client)
{
    const char *body = strstr(client->bytes, "\r\n\r\n"), *length = strstr(client->bytes, "Content-Length: ");

    if (!body || !length || strlen(body + 4) < strtoul(length + 16, NULL, 10))
        return;
    judge(client, body + 4);
    next_round(client);
}

static void leave(struct peer *client)
{
    client->by_reset = sim_percent(client->play->sim, 50);
    close_peer(client, client->by_reset);
    client->left = true;
    timer_set(client->loop, &client->timer, loop_now_ns(client->loop) + MARGIN_NS);
}

static void take_dial(struct peer *client)
{
    struct error err;
    enum io io = dial_result(client->dial, &client->stream, &err);

    if (io == IO_FAIL)
        sim_fail(client->play->sim, "the gateway cannot be reached: %s", err.text);
    if (io != IO_OK)
        return;
    dial_free(client->dial);
    client->dial = NULL;
    stream_set_owner(client->stream, &client->task, false);
}

/* The time to leave, or behind that the time when all that was done for it must have ended. */
static void run_timer(struct peer *client)
{
    unsigned number = client->client * ROUNDS + client->round;

    client->timer.fired = false;
    if (client->left) {
        if (client->by_reset)
            check_all_stopped(client->play, number);
        next_round(client);
    } else if (client->busy) {
        leave(client);
    }
}

static void run_client(struct task *task)
{
    struct peer *client = container_of(task, struct peer, task);

    if (client->timer.fired)
        run_timer(client);
    if (client->over || client->left)
        return;
    if (!client->stream && !client->dial)
        client->dial = sides_dial(&client->play->sides, &client->task);
    if (client->dial)
        take_dial(client);
    if (!client->stream)
        return;
    if (!read_some(client))
        sim_fail(client->play->sim, "the gateway has closed a connection: %s", client->bytes);
    if (client->busy)
        take_answer(client);
    if (!client->over && !client->busy)
        ask(client);
}

/* The plan, and the stage. */

static void plan(struct sim *sim, struct round *round)
{
    static const enum act acts[] = {ACT_SILENT, ACT_FAIL, ACT_BAD_JSON, ACT_HALF};

    round->kind = &kinds[sim_between(sim, 0, COUNT_OF(kinds) - 1)];
    for (unsigned i = 0; i < PARTS; i++) {
        round->parts[i].act = sim_percent(sim, 75) ? ACT_ANSWER : acts[sim_between(sim, 0, COUNT_OF(acts) - 1)];
        round->parts[i].delay_ns = sim_between(sim, 0, sim_percent(sim, 50) ? 50 * SIM_MS : 2200 * SIM_MS);
    }
    if (sim_percent(sim, 15))
        round->leaves_ns = sim_between(sim, 1, 2 * SIM_SECOND);
}

static void play_open(struct play *play, struct sim *sim)
{
    play->sim = sim;
    sides_open(&play->sides, sim, config, run_accept);
    for (unsigned i = 0; i < CLIENTS * ROUNDS; i++)
        plan(sim, &play->rounds[i]);
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct peer *client = &play->clients[i];

        *client = (struct peer){.play = play, .loop = play->sides.client_loop, .task.run = run_client, .client = i};
        client->timer = (struct timer){.at_ns = TIMER_OFF, .task = &client->task};
        task_wake(client->loop, &client->task);
    }
}

/* Shadows too: they outlive the clients. */
static bool all_is_over(void *arg)
{
    const struct play *play = arg;

    for (unsigned i = 0; i < CLIENTS; i++)
        if (!play->clients[i].over)
            return false;
    for (unsigned i = 0; i < play->conn_count; i++)
        if (play->conns[i].busy)
            return false;
    return gateway_is_empty(&play->sides.gateway);
}

static bool never(void *arg)
{
    (void)arg;
    return false;
}

/* Each request that was answered had its shadow, once. */
static void check_shadows(const struct play *play)
{
    for (unsigned i = 0; i < CLIENTS * ROUNDS; i++) {
        const struct round *round = &play->rounds[i];

        if (round->kind->shadow && !round->leaves_ns && round->parts[2].asked != 1)
            sim_fail(play->sim, "the shadow of a request was asked %u times", round->parts[2].asked);
    }
}

static void play_close(struct play *play)
{
    gateway_close(&play->sides.gateway);
    for (unsigned i = 0; i < CLIENTS; i++)
        close_peer(&play->clients[i], false);
    for (unsigned i = 0; i < play->conn_count; i++)
        close_peer(&play->conns[i], false);
    sides_close(&play->sides);
}

SCENARIO(compositions_give_what_came_in_time)
{
    struct play *play = calloc(1, sizeof(*play));

    ASSERT(play);
    sim_fault(sim, NULL, SIM_FAULT_SHORT_READ, sim_percent(sim, 30) ? 100000 : 0);
    sim_fault(sim, NULL, SIM_FAULT_SPURIOUS_WAKE, sim_percent(sim, 30) ? 100000 : 0);
    play_open(play, sim);
    if (!sim_run(sim, all_is_over, play, 300 * SIM_SECOND))
        sim_fail(sim, "the clients do not come to an end: %s", sim_verdict(sim));
    (void)sim_run(sim, never, NULL, MARGIN_NS); /* what is on its way to the gateway */
    check_shadows(play);
    play_close(play);
    free(play);
}
