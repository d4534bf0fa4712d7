/* settle.c: from what backends came to, to the client's answer: the endpoint's flatmap, static data, rendering, errors
 * on the log. And the way there for endpoints that are more than one call. Start with settle.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "gateway/compose.h"
#include "gateway/exchange_internal.h"
#include "gateway/shadow.h"

static enum progress no_memory(struct exchange *x)
{
    error_set(&x->error, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory to compose an answer");
    return exchange_fail(x);
}

/* Each line of the text is the error of one backend. */
static void log_errors(const struct exchange *x, struct str text)
{
    struct str line;
    size_t number = 0;
    bool several = str_find_char(text, '\n') < text.len;

    while (str_split(&text, '\n', &line)) {
        if (several)
            LOG(LOG_ERROR, "", "[ENDPOINT: %.*s] Error #%zu: %.*s", STR_ARG(x->endpoint->path), number++,
                STR_ARG(line));
        else
            LOG(LOG_ERROR, "", "[ENDPOINT: %.*s] %.*s", STR_ARG(x->endpoint->path), STR_ARG(line));
    }
}

static enum progress render(struct exchange *x, const struct outcome *outcome)
{
    if (outcome->error.fault != FAULT_NONE) {
        x->error = outcome->error;
        log_errors(x, outcome->text);
    }
    x->answer = (struct answer){0};
    if (!render_answer(x->arena, x->client->frontend->shapes, exchange_service(x), x->endpoint, x->request,
                       &outcome->answer, &x->answer.head, &x->answer.body, &x->error))
        return exchange_fail(x);
    return reply(x);
}

enum progress settle(struct exchange *x, struct outcome *outcome)
{
    const struct flatmap *flatmap = &x->endpoint->options->proxy.flatmap;
    bool failed = outcome->error.fault != FAULT_NONE;

    if (outcome->answered && !failed && x->endpoint->backend_count > 1 &&
        !flatmap_apply(x->arena, flatmap, &outcome->answer.data))
        return no_memory(x);
    if (!outcome_apply_static(x->arena, x->endpoint, outcome))
        return no_memory(x);
    if (outcome->answered)
        return render(x, outcome);
    x->error = outcome->error;
    return reply_error(x, outcome->status, outcome->text, outcome->type);
}

enum progress settle_decoded(struct exchange *x, const struct decoded *decoded)
{
    return settle(x, &(struct outcome){.answered = true, .answer = *decoded});
}

bool settle_rescues(struct exchange *x, struct outcome *outcome)
{
    const struct endpoint *endpoint = x->endpoint;

    if (!endpoint || endpoint->kind != ENDPOINT_PROXY || endpoint->no_op || !endpoint->options->proxy.static_given ||
        x->error.fault == FAULT_CLIENT)
        return false;
    *outcome = (struct outcome){.error = x->error, .text = str_from(x->error.text)};
    return outcome_apply_static(x->arena, endpoint, outcome) && outcome->answered;
}

enum progress settle_rescued(struct exchange *x, const struct outcome *outcome)
{
    return render(x, outcome);
}

bool compose_wanted(const struct exchange *x)
{
    const struct endpoint *endpoint = x->endpoint;

    return endpoint->backend_count == 0 ||
           (!endpoint->no_op && (endpoint->backend_count > 1 || endpoint->tries > 1 || endpoint->shadow));
}

static struct composition_input input_of(struct exchange *x)
{
    return (struct composition_input){
        .arena = x->arena,
        .client = x->client,
        .generation = x->generation,
        .endpoint = x->endpoint,
        .request = x->request,
        .match = x->match,
        .body = x->body,
        .waiter = &x->task,
        .holds = x->holds,
        .trail = x->trail,
    };
}

enum progress compose_begin(struct exchange *x)
{
    struct composition_input input;

    if (x->request->body_bytes != 0 && !x->body.data)
        return go_to(x, EXCHANGE_REQUEST);
    input = input_of(x);
    if (x->endpoint->shadow)
        shadow_start(&input);
    if (x->endpoint->backend_count == 0) { /* all are shadows */
        error_set(&x->error, FAULT_UPSTREAM, ERROR_NO_HOSTS, "no backend that is waited for");
        return exchange_fail(x);
    }
    x->composition = composition_start(&input);
    return x->composition ? go_to(x, EXCHANGE_COMPOSE) : no_memory(x);
}

enum progress compose_run(struct exchange *x)
{
    struct outcome outcome;

    if (composition_run(x->composition, &outcome) == IO_END) {
        composition_end(x->composition);
        return settle(x, &outcome);
    }
    /* The client has nothing more to say, but it may have gone away. */
    return exchange_recv_body(x) == IO_FAIL ? exchange_fail(x) : PAUSE;
}
