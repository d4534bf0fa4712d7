/* scenario_strays.c: an origin that says bytes nobody has asked for, behind answers of every framing, cut at every byte
 * and after every pause, to a gateway that goes on using the host's connections (quarantine: 0): no client may ever get
 * one of these bytes, and each gets its own answer (keepalive F-16). A run of a million such answers:
 *
 *   ./dev sim --until 1000000 --scenario strays_of_every_kind_reach_nobody --first random
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "gateway_stage.h"
#include "net/dial.h"
#include "scenario.h"
#include "sim/strayer.h"

#include <stdio.h>
#include <string.h>

enum { CLIENTS = 16, REQUESTS = 60, ANSWER_BYTES = 4096 };

/* %s: settings of holdfast/upstream. */
static const char config[] =
    "{\"version\": 3, \"timeout\": \"20s\", \"idle_timeout\": \"600s\", \"host\": [\"http://origin:80\"],"
    " \"extra_config\": {\"router\": {\"disable_access_log\": true},"
    "  \"holdfast/upstream\": {\"quarantine\": \"0s\"%s}},"
    " \"endpoints\": [{\"endpoint\": \"/{kind}/{id}\", \"method\": \"*\", \"output_encoding\": \"no-op\","
    "  \"backend\": [{\"url_pattern\": \"/{kind}/{id}\", \"encoding\": \"no-op\"}]}]}";

static const char *const kinds[] = {"length", "chunked", "204", "304"};

struct asker {
    struct asking *asking;
    struct task task;
    struct timer timer; /* until the next request */
    struct dial *dial;
    struct stream *stream;
    char got[ANSWER_BYTES];
    size_t len;
    unsigned left; /* requests */
    unsigned long long id;
    const char *kind;
    bool is_head, is_awaiting;
};

struct asking {
    char config[sizeof(config) + 100];
    struct sim *sim;
    struct gateway_stage gateway;
    struct loop *origin_loop, *client_loop;
    struct sim_strayer *strayer;
    struct asker askers[CLIENTS];
    unsigned long long ids;
    unsigned refused;
};

static void hang_up(struct asker *asker)
{
    dial_free(asker->dial);
    stream_close(asker->stream, false);
    asker->dial = NULL;
    asker->stream = NULL;
    asker->len = 0;
}

static void call(struct asker *asker)
{
    struct dial_options options = {.port = GATEWAY_PORT, .timeout_ns = SIM_SECOND};
    struct addr gateway = sim_addr(asker->asking->sim, "gateway", 0);
    char text[ADDR_TEXT_BYTES];

    options.name = addr_format_ip(&gateway, text);
    asker->dial = dial_start(asker->asking->client_loop, NULL, &options, &asker->task);
    ASSERT(asker->dial);
}

/* Requests that follow at once, about when stray bytes come, and behind the last of them. */
static void pause_before_next(struct asker *asker)
{
    static const uint64_t longest_ns[] = {0, 2 * SIM_MS, 30 * SIM_MS, 300 * SIM_MS};
    struct sim *sim = asker->asking->sim;
    uint64_t most_ns = longest_ns[sim_between(sim, 0, COUNT_OF(longest_ns) - 1)];

    timer_set(asker->asking->client_loop, &asker->timer,
              loop_now_ns(asker->asking->client_loop) + sim_between(sim, 0, most_ns));
}

static void ask(struct asker *asker)
{
    struct sim *sim = asker->asking->sim;
    char text[200];
    struct iovec part = {text, 0};
    struct error err;
    size_t sent;

    asker->id = ++asker->asking->ids;
    asker->kind = kinds[sim_between(sim, 0, COUNT_OF(kinds) - 1)];
    asker->is_head = sim_percent(sim, 25);
    asker->is_awaiting = true;
    part.iov_len = (size_t)snprintf(text, sizeof(text), "%s /%s/%llu HTTP/1.1\r\nHost: a\r\n\r\n",
                                    asker->is_head ? "HEAD" : "GET", asker->kind, asker->id);
    if (stream_writev(asker->stream, &part, 1, &sent, &err) != IO_OK || sent != part.iov_len)
        sim_fail(sim, "a request does not leave the client");
}

static NORETURN void accuse(const struct asker *asker, const char *what)
{
    sim_fail(asker->asking->sim, "%s %s %llu: %s: %.*s", asker->is_head ? "HEAD" : "GET", asker->kind, asker->id, what,
             (int)asker->len, asker->got);
}

/* Puts the data of chunks together. False: more is to come. */
static bool take_chunks(const struct asker *asker, struct str rest, char *body, size_t *size, size_t *used)
{
    size_t all = rest.len;

    for (*size = 0;;) {
        size_t line = str_find(rest, STR("\r\n"));
        unsigned len = 0;

        if (line == rest.len)
            return false;
        if (sscanf(rest.data, "%x", &len) != 1 || *size + len > 64)
            accuse(asker, "a bad chunk");
        if (rest.len < line + 2 + len + 2)
            return false;
        memcpy(body + *size, rest.data + line + 2, len);
        *size += len;
        rest = str_from_offset(rest, line + 2 + len + 2);
        if (len == 0)
            break;
    }
    *used = all - rest.len;
    return true;
}

/* What is behind the head. False: more is to come. */
static bool take_body(const struct asker *asker, struct str head, struct str rest, char *body, size_t *size,
                      size_t *used)
{
    size_t at = str_find(head, STR("Content-Length: "));

    *size = *used = 0;
    if (asker->is_head || strcmp(asker->kind, "204") == 0 || strcmp(asker->kind, "304") == 0)
        return true;
    if (at == head.len)
        return take_chunks(asker, rest, body, size, used);
    if (sscanf(head.data + at + 16, "%zu", size) != 1 || *size > 64)
        accuse(asker, "a bad length");
    *used = *size;
    memcpy(body, rest.data, size_min(*size, rest.len));
    return rest.len >= *size;
}

static void check_answer(const struct asker *asker, unsigned status, struct str body)
{
    unsigned right = strcmp(asker->kind, "204") == 0 ? 204 : strcmp(asker->kind, "304") == 0 ? 304 : 200;
    char text[64];
    int len = snprintf(text, sizeof(text), "answer %llu", asker->id);

    if (status != right)
        accuse(asker, "another's status");
    if (right == 200 && !asker->is_head && !str_eq(body, str_of(text, (size_t)len)))
        accuse(asker, "another's body");
}

/* What the host has spoilt may be refused, but is never answered by others' bytes. */
static void be_refused(struct asker *asker)
{
    asker->asking->refused++;
    asker->is_awaiting = false;
    hang_up(asker);
    call(asker);
}

static void take_answer(struct asker *asker)
{
    struct str all = str_of(asker->got, asker->len), head, body = STR("");
    size_t end = str_find(all, STR("\r\n\r\n")), size = 0, used = 0;
    char bytes[64];
    unsigned status;

    if (str_find(all, STR(SIM_STRAYER_MARK)) != all.len)
        accuse(asker, "stray bytes reach a client");
    if (all.len > 0 && !asker->is_awaiting)
        accuse(asker, "an answer to nothing");
    if (end == all.len)
        return;
    head = str_first(all, end + 2);
    if (sscanf(head.data, "HTTP/1.1 %u", &status) != 1)
        accuse(asker, "no status");
    if (status >= 500) {
        be_refused(asker);
        return;
    }
    if (!take_body(asker, head, str_from_offset(all, end + 4), bytes, &size, &used))
        return;
    body = str_of(bytes, size);
    if (end + 4 + used != all.len)
        accuse(asker, "bytes behind the answer");
    check_answer(asker, status, body);
    asker->is_awaiting = false;
    asker->len = 0;
    asker->left--;
    pause_before_next(asker);
}

static void hear(struct asker *asker)
{
    enum io io = IO_OK;

    while (io == IO_OK && asker->stream) {
        struct iovec part = {asker->got + asker->len, sizeof(asker->got) - asker->len};
        struct error err;
        size_t got;

        ASSERT(part.iov_len > 0);
        io = stream_readv(asker->stream, &part, 1, &got, &err);
        if (io == IO_OK) {
            asker->len += got;
            take_answer(asker);
        }
    }
    if (io == IO_END || io == IO_FAIL)
        accuse(asker, "the gateway has ended the connection");
}

static void run_asker(struct task *task)
{
    struct asker *asker = container_of(task, struct asker, task);
    struct error err;

    if (asker->dial) {
        enum io io = dial_result(asker->dial, &asker->stream, &err);

        if (io == IO_WAIT)
            return;
        if (io != IO_OK)
            accuse(asker, "the gateway is not there");
        dial_free(asker->dial);
        asker->dial = NULL;
        stream_set_owner(asker->stream, &asker->task, false);
        pause_before_next(asker);
    }
    if (!asker->stream)
        return;
    hear(asker);
    if (asker->stream && !asker->is_awaiting && asker->timer.fired) {
        timer_clear(asker->asking->client_loop, &asker->timer);
        if (asker->left > 0)
            ask(asker);
        else
            hang_up(asker);
    }
}

static bool all_have_asked(void *arg)
{
    const struct asking *asking = arg;

    for (unsigned i = 0; i < CLIENTS; i++)
        if (asking->askers[i].left > 0 || asking->askers[i].stream || asking->askers[i].dial)
            return false;
    return true;
}

static void asking_open(struct asking *asking, struct sim *sim)
{
    *asking = (struct asking){.sim = sim};
    snprintf(asking->config, sizeof(asking->config), config,
             sim_percent(sim, 50) ? ", \"idle_timeout\": \"never\"" : "");
    /* Long and even: what a request's acknowledgement has caught up with cannot be told from its answer. */
    sim_link(sim, "gateway", "origin", (struct sim_link){.delay_ns = sim_between(sim, 1, 50) * SIM_MS});
    asking->origin_loop = sim_loop_new(sim, "origin");
    asking->client_loop = sim_loop_new(sim, "client");
    asking->strayer = sim_strayer_new(sim, asking->origin_loop, 80, (uint32_t)sim_between(sim, 30, 100));
    gateway_open(&asking->gateway, sim, asking->config, (unsigned)sim_between(sim, 1, 4));
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct asker *asker = &asking->askers[i];

        *asker = (struct asker){.asking = asking, .task.run = run_asker, .left = REQUESTS, .kind = ""};
        asker->timer = (struct timer){.at_ns = TIMER_OFF, .task = &asker->task};
        call(asker);
    }
}

static void asking_close(struct asking *asking)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        hang_up(&asking->askers[i]);
        timer_clear(asking->client_loop, &asking->askers[i].timer);
        task_forget(asking->client_loop, &asking->askers[i].task);
    }
    gateway_close(&asking->gateway);
    sim_strayer_free(asking->strayer);
    sim_loop_free(asking->sim, asking->origin_loop);
    sim_loop_free(asking->sim, asking->client_loop);
}

static bool gateway_has_no_clients(void *arg)
{
    return gateway_is_empty(&((struct asking *)arg)->gateway);
}

SCENARIO(strays_of_every_kind_reach_nobody)
{
    struct asking asking;
    struct host_totals totals;

    sim_fault(sim, NULL, SIM_FAULT_SHORT_READ, sim_percent(sim, 30) ? 100000 : 0);
    sim_fault(sim, NULL, SIM_FAULT_SPURIOUS_WAKE, sim_percent(sim, 30) ? 100000 : 0);
    asking_open(&asking, sim);
    if (!sim_run(sim, all_have_asked, &asking, 3600 * SIM_SECOND))
        sim_fail(sim, "the clients do not come to an end: %s", sim_verdict(sim));
    if (!sim_run(sim, gateway_has_no_clients, &asking, 60 * SIM_SECOND))
        sim_fail(sim, "the gateway keeps connections of clients that have gone: %s", sim_verdict(sim));
    host_totals(hosts_at(asking.gateway.hosts, 0), &totals);
    scenario_count("stray answers", sim_strayer_idle(asking.strayer) + sim_strayer_together(asking.strayer));
    scenario_count("on idle connections", sim_strayer_idle(asking.strayer));
    scenario_count("requests", CLIENTS * REQUESTS);
    scenario_count("reused", totals.requests_reused);
    scenario_count("refused", asking.refused);
    asking_close(&asking);
}
