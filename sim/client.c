/* client.c: a scripted HTTP/1.1 client that knows what must come back. Start with run_client.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sim/peers_internal.h"

#include <stdlib.h>

enum { PIPELINE_MAX = 8 };
#define PATIENCE_NS (100 * SIM_SECOND)
#define RETRY_NS    (20 * SIM_MS) /* between connections that could not be made */

struct sim_client {
    struct sim *sim;
    struct loop *loop;
    struct sim_book *book;
    struct sim_client_options options;
    struct task task;
    struct timer gap;      /* when the next request may go */
    struct timer patience; /* of the oldest request under way */
    struct sim_wire wire;
    struct sim_job *under_way[PIPELINE_MAX]; /* the oldest first */
    unsigned under_way_count;
    unsigned made, finished, conns;
    unsigned answers_here;     /* on this connection */
    bool in_body, last_answer; /* no further answer comes on this connection */
    struct sim_head head;
    struct sim_body body;
};

NORETURN static void accuse(const struct sim_client *client, const struct sim_job *job, const char *what)
{
    sim_fail(client->sim, "client: job %llu (%s, framing %d, mishap %d, %u bytes, status %u): %s",
             (unsigned long long)job->id, job->is_post ? "POST" : "GET", (int)job->framing, (int)job->mishap,
             job->answer_bytes, job->status, what);
}

static bool chance(struct sim_client *client, uint32_t percent)
{
    return rng_below(sim_rng(client->sim), 100) < percent;
}

/* One of the set bits, counted from `first` on. */
static unsigned pick_bit(struct sim_client *client, uint32_t bits, unsigned count)
{
    unsigned picked = 0;
    uint64_t seen = 0;

    for (unsigned i = 0; i < count; i++)
        if ((bits & (1u << i)) && rng_below(sim_rng(client->sim), ++seen) == 0)
            picked = i;
    return picked;
}

static struct sim_job *make_job(struct sim_client *client)
{
    const struct sim_client_options *options = &client->options;
    struct rng *rng = sim_rng(client->sim);
    struct sim_job *job = sim_book_add(client->book);
    uint32_t others = options->mishaps & ~(1u << SIM_FINE);

    job->is_post = chance(client, options->post_percent);
    job->is_json = chance(client, options->json_percent);
    job->framing = (enum sim_framing)pick_bit(client, options->framings ? options->framings : 7, SIM_FRAMING_COUNT);
    if (others && chance(client, options->mishap_percent))
        job->mishap = (enum sim_mishap)pick_bit(client, others, SIM_MISHAP_COUNT);
    job->answer_bytes = (uint32_t)rng_below(rng, options->answer_bytes_max + 1);
    if (job->mishap >= SIM_NO_ANSWER && job->answer_bytes < 2)
        job->answer_bytes = 2;              /* so that half of it is not all of it */
    if (job->is_post && chance(client, 80)) /* one without a body may look as harmless as a GET, and is not */
        job->request_bytes = (uint32_t)rng_below(rng, options->request_bytes_max + 1);
    return job;
}

static void send_chunked(struct sim_client *client, const struct sim_bytes *body)
{
    for (size_t at = 0; at < body->len;) {
        size_t len = size_min(body->len - at, 1 + (size_t)rng_below(sim_rng(client->sim), 3000));

        sim_wire_say(&client->wire, "%zX\r\n", len);
        sim_bytes_add(&client->wire.out, body->data + body->at + at, len);
        sim_wire_say(&client->wire, "\r\n");
        at += len;
    }
    sim_wire_say(&client->wire, "0\r\n\r\n");
}

static void send_request(struct sim_client *client)
{
    struct sim_job *job = make_job(client);
    struct sim_wire *wire = &client->wire;
    struct sim_bytes body = {0};

    sim_content_of_request(job, &body);
    sim_wire_say(wire, "%s %s%llu HTTP/1.1\r\nHost: %s\r\n", job->is_post ? "POST" : "GET", client->options.path,
                 (unsigned long long)job->id, client->options.host);
    if (!job->is_post) {
        sim_wire_say(wire, "\r\n");
    } else if (chance(client, 50)) {
        sim_wire_say(wire, "Content-Length: %zu\r\n\r\n", body.len);
        if (body.len > 0)
            sim_bytes_add(&wire->out, body.data + body.at, body.len);
    } else {
        sim_wire_say(wire, "Transfer-Encoding: chunked\r\n\r\n");
        send_chunked(client, &body);
    }
    sim_bytes_free(&body);
    client->under_way[client->under_way_count++] = job;
    client->made++;
    sim_say(client->sim, "client: job %llu goes out", (unsigned long long)job->id);
}

static void set_patience(struct sim_client *client)
{
    uint64_t patience_ns = client->options.patience_ns ? client->options.patience_ns : PATIENCE_NS;

    if (client->under_way_count == 0)
        timer_clear(client->loop, &client->patience);
    else
        timer_set(client->loop, &client->patience, loop_now_ns(client->loop) + patience_ns);
}

static void finish_job(struct sim_client *client, enum sim_outcome outcome)
{
    struct sim_job *job = client->under_way[0];

    job->outcome = outcome;
    for (unsigned i = 1; i < client->under_way_count; i++)
        client->under_way[i - 1] = client->under_way[i];
    client->under_way_count--;
    client->finished++;
    sim_say(client->sim, "client: job %llu ends, status %u, outcome %d", (unsigned long long)job->id, job->status,
            (int)outcome);
    set_patience(client);
    timer_set(client->loop, &client->gap,
              loop_now_ns(client->loop) + rng_below(sim_rng(client->sim), client->options.gap_max_ns + 1));
}

static bool may_go_wrong(const struct sim_client *client, const struct sim_job *job)
{
    return client->options.lenient || job->mishap >= SIM_NO_ANSWER;
}

static void judge_answer(struct sim_client *client)
{
    struct sim_job *job = client->under_way[0];
    struct sim_bytes expected = {0};
    bool is_right;

    if (job->status != 200) {
        if (job->status < 500 || !may_go_wrong(client, job))
            accuse(client, job, "a status that nothing explains");
        finish_job(client, SIM_REFUSED);
        return;
    }
    sim_content_of_answer(job, &expected);
    is_right = sim_bytes_eq(&expected, &client->body.bytes);
    sim_bytes_free(&expected);
    if (job->mishap >= SIM_NO_ANSWER)
        accuse(client, job, "a complete answer that no origin gave");
    if (!is_right)
        accuse(client, job, "a complete answer with a wrong body");
    if (job->served == 0)
        accuse(client, job, "an answer to a request that no origin saw");
    finish_job(client, SIM_ANSWERED);
}

static void end_answer(struct sim_client *client)
{
    client->in_body = false;
    client->answers_here++;
    judge_answer(client);
    sim_body_clear(&client->body);
}

static unsigned status_of(const struct sim_client *client)
{
    const char *text = client->head.text;

    if (strncmp(text, "HTTP/1.1 ", 9) != 0 || text[12] != ' ')
        accuse(client, client->under_way[0], "a bad status line");
    return (unsigned)((text[9] - '0') * 100 + (text[10] - '0') * 10 + (text[11] - '0'));
}

static bool read_head(struct sim_client *client)
{
    struct sim_job *job = client->under_way[0];
    const char *why;
    struct str id;

    switch (sim_head_take(&client->wire.in, &client->head, &why)) {
    case SIM_MORE:
        return false;
    case SIM_BAD:
        accuse(client, job, why);
    case SIM_DONE:
        break;
    }
    job->status = status_of(client);
    if (job->status < 200)
        return true;
    if (sim_head_field(&client->head, "x-id", &id) && strtoull(id.data, NULL, 10) != job->id)
        accuse(client, job, "the answer to another job");
    sim_body_start(&client->body, &client->head, true);
    client->last_answer = client->head.says_close || client->body.framing == SIM_UNTIL_CLOSE;
    client->in_body = true;
    return true;
}

static bool read_body(struct sim_client *client)
{
    const char *why;

    switch (sim_body_take(&client->body, &client->wire.in, &why)) {
    case SIM_MORE:
        return false;
    case SIM_BAD:
        accuse(client, client->under_way[0], why);
    case SIM_DONE:
        end_answer(client);
        break;
    }
    return true;
}

static void read_answers(struct sim_client *client)
{
    bool more = true;

    while (more && client->under_way_count > 0)
        more = client->in_body ? read_body(client) : read_head(client);
    if (client->under_way_count == 0 && client->wire.in.len > 0)
        sim_fail(client->sim, "client: %zu bytes that nobody asked for", client->wire.in.len);
}

/* Only a connection that has already carried an answer may be closed before a request is looked at (RFC 9112 9.5). */
static bool may_be_unanswered(const struct sim_client *client)
{
    return client->answers_here > 0 && !client->in_body && client->last_answer;
}

static void break_jobs(struct sim_client *client)
{
    while (client->under_way_count > 0) {
        struct sim_job *job = client->under_way[0];

        if (!may_go_wrong(client, job) && !may_be_unanswered(client))
            accuse(client, job, client->in_body ? "the answer breaks off" : "no answer");
        finish_job(client, SIM_BROKEN);
        client->in_body = false;
        client->last_answer = true; /* those behind it were never looked at */
        client->answers_here++;
    }
}

static void close_wire(struct sim_client *client, bool reset)
{
    sim_wire_close(&client->wire, reset);
    sim_body_clear(&client->body);
    client->in_body = client->last_answer = false;
    client->answers_here = 0;
}

static void end_connection(struct sim_client *client)
{
    if (client->in_body && client->body.framing == SIM_UNTIL_CLOSE && client->wire.ended)
        end_answer(client);
    break_jobs(client);
    close_wire(client, false);
}

static void abandon(struct sim_client *client)
{
    sim_say(client->sim, "client: goes away");
    while (client->under_way_count > 0)
        finish_job(client, SIM_ABANDONED);
    close_wire(client, chance(client, 50));
}

static void connect_now(struct sim_client *client)
{
    if (sim_wire_connect(&client->wire, client->loop, &client->options.server, &client->task)) {
        client->wire.read_bytes_max = client->options.read_bytes_max;
        client->conns++;
    } else {
        timer_set(client->loop, &client->gap, loop_now_ns(client->loop) + RETRY_NS);
    }
}

static bool may_send(const struct sim_client *client)
{
    unsigned most = client->options.pipeline_max ? client->options.pipeline_max : 1;

    return client->gap.fired && client->made < client->options.requests && !client->last_answer &&
           client->under_way_count < size_min(most, PIPELINE_MAX);
}

static void send_requests(struct sim_client *client)
{
    if (!may_send(client))
        return;
    while (may_send(client))
        send_request(client);
    set_patience(client);
    sim_wire_pump(&client->wire);
}

static void lose_patience(struct sim_client *client)
{
    accuse(client, client->under_way[0], "no answer for too long");
}

static void run_client(struct task *task)
{
    struct sim_client *client = container_of(task, struct sim_client, task);
    size_t before = client->wire.in.len;

    if (client->patience.fired)
        lose_patience(client);
    if (!client->wire.open && client->gap.fired && client->made < client->options.requests)
        connect_now(client);
    sim_wire_pump(&client->wire);
    if (client->wire.in.len > before && client->under_way_count > 0 &&
        rng_chance(sim_rng(client->sim), client->options.abandon_per_million)) {
        abandon(client);
        return;
    }
    read_answers(client);
    if (client->wire.ended || client->wire.broken || (client->last_answer && !client->in_body))
        end_connection(client);
    else if (client->wire.connected)
        send_requests(client);
    if (client->finished == client->options.requests && client->wire.open)
        close_wire(client, false);
    if (!client->wire.open && client->made < client->options.requests && client->gap.fired)
        timer_set(client->loop, &client->gap, loop_now_ns(client->loop) + RETRY_NS);
}

struct sim_client *sim_client_new(struct sim *sim, struct loop *loop, struct sim_book *book,
                                  const struct sim_client_options *options)
{
    struct sim_client *client = sim_alloc(sizeof(*client));

    client->sim = sim;
    client->loop = loop;
    client->book = book;
    client->options = *options;
    client->task.run = run_client;
    client->gap.task = client->patience.task = &client->task;
    timer_set(loop, &client->gap, loop_now_ns(loop) + rng_below(sim_rng(sim), options->gap_max_ns + 1));
    return client;
}

bool sim_client_is_done(const struct sim_client *client)
{
    return client->finished == client->options.requests && !client->wire.open;
}

unsigned sim_client_conns(const struct sim_client *client)
{
    return client->conns;
}

void sim_client_free(struct sim_client *client)
{
    if (!client)
        return;
    sim_wire_close(&client->wire, true);
    sim_body_clear(&client->body);
    timer_clear(client->loop, &client->gap);
    timer_clear(client->loop, &client->patience);
    task_forget(client->loop, &client->task);
    free(client);
}
