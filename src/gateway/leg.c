/* leg.c: one backend of a composition: starts its tries, takes the first complete answer and ends the others. A try is
 * an exchange whose switch has three states. Start with leg_start. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/leg.h"

#include "base/assert.h"
#include "gateway/exchange_internal.h"

static struct loop *loop_of(const struct leg *leg)
{
    return leg->input->client->frontend->loop;
}

/* Everything a try holds outside the arena. */
static void end_try(struct leg *leg, struct exchange *x, enum http_cancel why)
{
    timer_clear(loop_of(leg), &x->deadline);
    task_forget(loop_of(leg), &x->task);
    discover_quit(x->call.waiter);
    fetch_end(x->call.fetch, why);
    x->call.fetch = NULL;
    chain_clear(&x->request_body);
    chain_clear(&x->response_body);
    call_end_body(x);
    x->state = EXCHANGE_FINISH;
}

static void finish(struct leg *leg)
{
    ASSERT(!leg->done);
    leg->done = true;
    leg->arrived = (*leg->arrivals)++;
    task_wake(loop_of(leg), leg->input->waiter);
}

static void end_all(struct leg *leg, enum http_cancel why)
{
    for (unsigned i = 0; i < leg->try_count; i++)
        if (leg->tries[i].state != EXCHANGE_FINISH)
            end_try(leg, &leg->tries[i], why);
}

/* One try less. The last one decides, unless there was a complete answer before. */
static enum progress close_try(struct leg *leg, struct exchange *x, bool enough)
{
    end_try(leg, x, HTTP_CANCEL_GONE);
    ASSERT(leg->tries_open > 0);
    leg->tries_open--;
    if (enough)
        end_all(leg, HTTP_CANCEL_GONE);
    if (enough || leg->tries_open == 0)
        finish(leg);
    return PAUSE;
}

enum progress leg_take(struct exchange *x, const struct decoded *decoded, struct str body)
{
    struct leg *leg = x->leg;

    leg->outcome.answered = true;
    leg->outcome.answer = *decoded;
    if (leg->backend->options->encoding == ENCODING_NO_OP)
        leg->body = body;
    if (decoded->complete)
        leg->outcome.error.fault = FAULT_NONE;
    return close_try(leg, x, decoded->complete);
}

enum progress leg_fail(struct exchange *x, uint16_t status, struct str body, struct str type)
{
    struct answer_input input = reply_input(x);
    struct leg *leg = x->leg;

    leg->outcome.error = x->error;
    leg->outcome.text = body.data ? body : answer_error_text(&input, &x->error);
    leg->outcome.status = status;
    leg->outcome.type = type;
    return close_try(leg, x, false);
}

static void run_try(struct task *task)
{
    struct exchange *x = container_of(task, struct exchange, task);
    enum progress progress = MORE;

    if (x->deadline.fired && x->state != EXCHANGE_FINISH) {
        x->deadline.fired = false;
        error_set(&x->error, FAULT_UPSTREAM, ERROR_DEADLINE, "context deadline exceeded");
        progress = exchange_fail(x);
    }
    while (progress == MORE) {
        if (x->state == EXCHANGE_CALL)
            progress = call_run(x);
        else if (x->state == EXCHANGE_COLLECT)
            progress = collect_run(x);
        else if (x->state == EXCHANGE_DECODE)
            progress = collect_decode(x);
        else
            return;
    }
}

/* All that it does not name is zero. */
static bool prepare_try(struct leg *leg, struct exchange *x, uint64_t deadline_ns)
{
    const struct composition_input *input = leg->input;
    struct loop *loop = loop_of(leg);

    x->task.run = run_try;
    x->state = EXCHANGE_CALL;
    x->request_ended = true;
    x->arena = input->arena;
    x->client = input->client;
    x->generation = input->generation;
    x->endpoint = input->endpoint;
    x->request = input->request;
    x->match = input->match;
    x->body = input->body;
    x->leg = leg;
    x->holds = input->holds;
    x->trail = input->trail;
    x->call.backend = leg->backend;
    x->started_ns = loop_now_ns(loop);
    x->deadline = (struct timer){.at_ns = TIMER_OFF, .task = &x->task};
    if (deadline_ns != TIMER_OFF)
        timer_set(loop, &x->deadline, deadline_ns);
    return input->body.len == 0 || chain_append_borrowed(&x->request_body, loop_blocks(loop), input->body);
}

bool leg_start(struct leg *leg, unsigned tries, uint64_t deadline_ns)
{
    leg->tries = arena_array(leg->input->arena, struct exchange, tries);
    if (!leg->tries)
        return false;
    for (; leg->try_count < tries; leg->try_count++) {
        leg->tries_open++;
        if (!prepare_try(leg, &leg->tries[leg->try_count], deadline_ns)) {
            leg->try_count++;
            return false;
        }
    }
    for (unsigned i = 0; i < tries && !leg->done; i++)
        run_try(&leg->tries[i].task);
    return true;
}

void leg_expire(struct leg *leg)
{
    if (leg->done)
        return;
    end_all(leg, HTTP_CANCEL_DEADLINE);
    leg->tries_open = 0;
    if (leg->outcome.error.fault == FAULT_NONE) {
        error_set(&leg->outcome.error, FAULT_UPSTREAM, ERROR_DEADLINE, "context deadline exceeded");
        leg->outcome.text = STR("context deadline exceeded");
    }
    finish(leg);
}

void leg_end(struct leg *leg)
{
    end_all(leg, HTTP_CANCEL_GONE);
    leg->try_count = 0;
}
