/* leg.c: one backend of a composition: starts its tries, takes the first complete answer and ends the others. A try is
 * an exchange whose switch has two states. Start with leg_start. SPDX-License-Identifier: Apache-2.0 */
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

/* One try less. The last one decides, unless there was a complete answer before. */
static enum progress close_try(struct leg *leg, struct exchange *x, bool enough)
{
    end_try(leg, x, HTTP_CANCEL_GONE);
    ASSERT(leg->tries_open > 0);
    leg->tries_open--;
    for (unsigned i = 0; enough && i < leg->try_count; i++)
        end_try(leg, &leg->tries[i], HTTP_CANCEL_GONE);
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
            progress = call_collect(x);
        else
            return;
    }
}

static bool prepare_try(struct leg *leg, struct exchange *x, uint64_t deadline_ns)
{
    const struct composition_input *input = leg->input;
    struct loop *loop = loop_of(leg);

    *x = (struct exchange){
        .task = {.run = run_try},
        .state = EXCHANGE_CALL,
        .request_ended = true,
        .arena = input->arena,
        .client = input->client,
        .generation = input->generation,
        .endpoint = input->endpoint,
        .request = input->request,
        .match = input->match,
        .body = input->body,
        .leg = leg,
        .holds = input->holds,
        .trail = input->trail,
        .call = {.backend = leg->backend},
        .started_ns = loop_now_ns(loop),
    };
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
    for (unsigned i = 0; i < leg->try_count; i++)
        end_try(leg, &leg->tries[i], HTTP_CANCEL_DEADLINE);
    leg->tries_open = 0;
    if (leg->outcome.error.fault == FAULT_NONE) {
        error_set(&leg->outcome.error, FAULT_UPSTREAM, ERROR_DEADLINE, "context deadline exceeded");
        leg->outcome.text = STR("context deadline exceeded");
    }
    finish(leg);
}

void leg_end(struct leg *leg)
{
    for (unsigned i = 0; i < leg->try_count; i++)
        end_try(leg, &leg->tries[i], HTTP_CANCEL_GONE);
    leg->try_count = 0;
}
