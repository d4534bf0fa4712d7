/* race_client.c: clients that think between requests, for ./dev race: who gets an answer, who an error, who nothing.
 *
 * Each client keeps one connection, waits a random time, sends a numbered request, reads the answer, and never repeats
 * anything: what fails is counted as the client would see it. A connection that the other side closed while the client
 * thought is replaced without counting. Prints one line of JSON. Start with run_client.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "http/conn.h"
#include "net/tcp_internal.h"

#include <stdio.h>
#include <stdlib.h>

enum { CLIENTS_MAX = 1024, ARENA_BYTES = 1 << 20, PIECE_BYTES = 65536, STATUS_MAX = 600 };
#define ANSWER_LIMIT_NS UINT64_C(10000000000)

struct options {
    struct addr addr;
    struct str method, path;
    uint64_t requests, clients, first_number, think_max_ns, limit_ns;
};

struct counts {
    uint64_t started, ended, right, cut, timeouts, misdelivered, connects, connect_failures;
    uint64_t status[STATUS_MAX]; /* of answers other than 200 */
};

struct race {
    struct loop *loop;
    struct options options;
    struct counts counts;
    uint64_t *latencies_ns; /* of right answers */
};

enum client_state { CLIENT_THINK, CLIENT_CONNECT, CLIENT_HEAD, CLIENT_BODY };

struct client {
    struct race *race;
    struct task task;
    struct timer timer; /* the end of thinking, or of patience */
    enum client_state state;
    struct stream *stream; /* while CLIENT_CONNECT */
    struct http_conn *conn;
    struct http_stream *request;
    struct arena *arena;
    struct http_head *answer;
    struct chain body;
    uint64_t number, sent_ns;
};

static void drop_connection(struct client *client)
{
    if (client->request)
        http_done(client->request);
    client->request = NULL;
    http_close(client->conn);
    client->conn = NULL;
    stream_close(client->stream, true);
    client->stream = NULL;
}

static void think(struct client *client)
{
    struct race *race = client->race;
    uint64_t think_ns = race->options.think_max_ns;

    arena_free(client->arena);
    client->arena = NULL;
    client->state = CLIENT_THINK;
    timer_clear(race->loop, &client->timer);
    if (race->counts.started < race->options.requests)
        timer_set(race->loop, &client->timer,
                  loop_now_ns(race->loop) + (think_ns ? rng_below(loop_rng(race->loop), think_ns) : 0));
}

static void end_request(struct client *client)
{
    struct race *race = client->race;

    if (client->request)
        http_done(client->request);
    client->request = NULL;
    race->counts.ended++;
    think(client);
}

static void fail_request(struct client *client, uint64_t *counter)
{
    ++*counter;
    drop_connection(client);
    end_request(client);
}

static bool number_is_ours(const struct client *client)
{
    uint64_t number;

    return text_to_u64(headers_get(&client->answer->headers, STR("X-Request-Number")), &number) &&
           number == client->number;
}

static void judge(struct client *client)
{
    struct counts *counts = &client->race->counts;
    uint16_t status = client->answer->status;

    if (status != 200)
        counts->status[status < STATUS_MAX ? status : STATUS_MAX - 1]++;
    else if (!number_is_ours(client))
        counts->misdelivered++;
    else
        client->race->latencies_ns[counts->right++] = loop_now_ns(client->race->loop) - client->sent_ns;
    end_request(client);
}

static bool send_body(struct client *client, struct error *err)
{
    struct chain body = {0};
    bool ok = chain_append_borrowed(&body, loop_blocks(client->race->loop), STR("0123456789abcdef0123456789abcdef")) &&
              http_send_body(client->request, &body, true, err) == IO_OK;

    chain_clear(&body);
    return ok;
}

static bool send_request(struct client *client)
{
    const struct options *options = &client->race->options;
    bool has_body = !str_eq(options->method, STR("GET"));
    struct http_head head = {
        .method = options->method, .path = options->path, .authority = STR("race.test"), .announced_bytes = -1};
    struct error err;

    head.body_bytes = has_body ? 32 : 0;
    client->arena = arena_new(loop_pages(client->race->loop), ARENA_BYTES);
    if (!client->arena || http_open(client->conn, &client->request, &err) != IO_OK)
        return false;
    client->request->owner = &client->task;
    client->sent_ns = loop_now_ns(client->race->loop);
    timer_set(client->race->loop, &client->timer, client->sent_ns + ANSWER_LIMIT_NS);
    client->state = CLIENT_HEAD;
    return headers_add(&head.headers, client->arena, STR("X-Request-Number"),
                       arena_format(client->arena, "%llu", (unsigned long long)client->number)) &&
           http_send_head(client->request, &head, !has_body, &err) == IO_OK && (!has_body || send_body(client, &err));
}

static void start_connect(struct client *client)
{
    static const struct socket_options options = {.no_delay = true};
    struct race *race = client->race;
    struct error err;

    race->counts.connects++;
    client->state = CLIENT_CONNECT;
    client->stream = tcp_stream_connect(race->loop, &race->options.addr, &options, &client->task, &err);
    if (!client->stream)
        fail_request(client, &race->counts.connect_failures);
}

static void finish_connect(struct client *client)
{
    static const struct http_conn_options options = {0};
    struct error err;
    enum io io = tcp_stream_connected(client->stream, &err);
    struct stream *stream = client->stream;

    if (io == IO_WAIT)
        return;
    if (io == IO_OK) {
        client->stream = NULL;
        client->conn = h1_client_new(stream, &options, &client->task, &err);
    }
    if (!client->conn)
        fail_request(client, &client->race->counts.connect_failures);
    else if (!send_request(client))
        fail_request(client, &client->race->counts.cut);
}

static void begin(struct client *client)
{
    struct race *race = client->race;

    timer_clear(race->loop, &client->timer);
    if (race->counts.started >= race->options.requests)
        return;
    client->number = race->options.first_number + race->counts.started++;
    if (client->conn && (http_room(client->conn) == 0 || http_check_idle(client->conn, true) != IO_WAIT))
        drop_connection(client);
    if (!client->conn)
        start_connect(client);
    else if (!send_request(client))
        fail_request(client, &race->counts.cut);
}

static void receive_head(struct client *client)
{
    struct error err;
    enum io io = http_recv_head(client->request, client->arena, &client->answer, &err);

    if (io == IO_OK && client->answer->status >= 200)
        client->state = CLIENT_BODY;
    else if (io == IO_FAIL || io == IO_END)
        fail_request(client, &client->race->counts.cut);
}

static void receive_body(struct client *client)
{
    struct error err;
    enum io io;

    while ((io = http_recv_body(client->request, &client->body, PIECE_BYTES, &err)) == IO_OK)
        chain_clear(&client->body);
    if (io == IO_FAIL)
        fail_request(client, &client->race->counts.cut);
    else if (io == IO_END)
        judge(client);
}

static void run_client(struct task *task)
{
    struct client *client = container_of(task, struct client, task);

    if (client->state != CLIENT_THINK && client->timer.fired) {
        fail_request(client, &client->race->counts.timeouts);
        return;
    }
    if (client->state == CLIENT_THINK && client->timer.fired)
        begin(client);
    else if (client->state == CLIENT_CONNECT)
        finish_connect(client);
    if (client->state == CLIENT_HEAD)
        receive_head(client);
    if (client->state == CLIENT_BODY)
        receive_body(client);
}

static int compare(const void *a, const void *b)
{
    const uint64_t *left = a, *right = b;

    return (*left > *right) - (*left < *right);
}

static double latency_ms(const struct race *race, unsigned per_mille)
{
    uint64_t count = race->counts.right;

    return count ? (double)race->latencies_ns[(count - 1) * per_mille / 1000] / 1e6 : 0;
}

static void print_result(const struct race *race, double seconds)
{
    const struct counts *counts = &race->counts;
    const char *before = "";

    qsort(race->latencies_ns, counts->right, sizeof(uint64_t), compare);
    printf("{\"sent\": %llu, \"completed\": %llu, \"right\": %llu, \"cut\": %llu, \"timeouts\": %llu, "
           "\"misdelivered\": %llu, \"connect_failures\": %llu, \"connects\": %llu, \"status\": {",
           (unsigned long long)counts->started, (unsigned long long)counts->ended, (unsigned long long)counts->right,
           (unsigned long long)counts->cut, (unsigned long long)counts->timeouts,
           (unsigned long long)counts->misdelivered, (unsigned long long)counts->connect_failures,
           (unsigned long long)counts->connects);
    for (int i = 0; i < STATUS_MAX; i++) {
        if (counts->status[i] == 0)
            continue;
        printf("%s\"%d\": %llu", before, i, (unsigned long long)counts->status[i]);
        before = ", ";
    }
    printf("}, \"seconds\": %.3f, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f}\n", seconds,
           latency_ms(race, 500), latency_ms(race, 990), latency_ms(race, 1000));
}

static void run_race(struct race *race, struct client *clients)
{
    struct world *world = loop_world(race->loop);
    uint64_t start_ns = world->ops->now_ns(world), now_ns = start_ns;

    for (uint64_t i = 0; i < race->options.clients; i++) {
        clients[i] = (struct client){.race = race, .task.run = run_client};
        clients[i].timer = (struct timer){.at_ns = TIMER_OFF, .task = &clients[i].task};
        think(&clients[i]);
    }
    while (race->counts.ended < race->options.requests && now_ns - start_ns < race->options.limit_ns) {
        loop_turn(race->loop, start_ns + race->options.limit_ns);
        now_ns = world->ops->now_ns(world);
    }
    for (uint64_t i = 0; i < race->options.clients; i++) {
        drop_connection(&clients[i]);
        arena_free(clients[i].arena);
        timer_clear(race->loop, &clients[i].timer);
        task_forget(race->loop, &clients[i].task);
    }
    print_result(race, (double)(now_ns - start_ns) / 1e9);
}

static bool read_options(int argc, char **argv, struct options *options)
{
    struct error err;
    uint64_t *numbers[] = {&options->requests, &options->clients, &options->first_number, &options->think_max_ns,
                           &options->limit_ns};

    if (argc != 4 + (int)COUNT_OF(numbers) || !addr_parse(str_from(argv[1]), &options->addr, &err))
        return false;
    options->method = str_from(argv[2]);
    options->path = str_from(argv[3]);
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        if (!text_to_u64(str_from(argv[4 + i]), numbers[i]))
            return false;
    options->think_max_ns *= 1000;
    options->limit_ns *= UINT64_C(1000000000);
    return options->clients > 0 && options->clients <= CLIENTS_MAX && options->requests > 0;
}

int main(int argc, char **argv)
{
    struct race race = {0};
    struct client *clients = calloc(CLIENTS_MAX, sizeof(*clients));
    struct error err = {0};
    struct world *world = linux_world_new(&err);
    int code = 2;

    if (!read_options(argc, argv, &race.options)) {
        fprintf(stderr, "usage: race_client IP:PORT METHOD PATH REQUESTS CLIENTS FIRST_NUMBER THINK_US LIMIT_S\n");
    } else if (clients && world && (race.loop = loop_new(world))) {
        race.latencies_ns = calloc(race.options.requests, sizeof(uint64_t));
        if (race.latencies_ns)
            run_race(&race, clients);
        code = race.latencies_ns ? 0 : 1;
    }
    loop_free(race.loop);
    linux_world_free(world);
    free(race.latencies_ns);
    free(clients);
    return code;
}
