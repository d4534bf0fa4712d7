/* compose.c: several backends for one answer. Side by side all start at once and are merged as they arrive; in a
 * sequence each starts when the one before it is complete. What is not there at 85 % of the endpoint's timeout is given
 * up, at 75 % when each backend is asked several times at once. Start with composition_start.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gateway/compose.h"

#include "base/assert.h"
#include "gateway/forward.h"
#include "gateway/leg.h"
#include "gateway/sequence.h"

/* KrakenD's, of the endpoint's timeout. */
enum { MERGE_PERCENT = 85, TRIES_PERCENT = 75 };

struct composition {
    struct composition_input input;
    struct timer deadline;
    struct route_match *match; /* a copy of the input's, with room for all parameters */
    struct leg *legs;
    size_t leg_count, started;
    uint32_t arrived, merged;
    bool sequential, over;
    struct outcome outcome;
};

static struct loop *loop_of(const struct composition *c)
{
    return c->input.client->frontend->loop;
}

/* A part of the endpoint's timeout from now on. */
static uint64_t part_of_timeout(const struct composition *c, unsigned percent)
{
    int64_t timeout_ns = c->input.endpoint->timeout_ns;
    uint64_t share_ns = timeout_ns > 0 ? (uint64_t)timeout_ns / 100 * percent : 0;

    return timeout_ns == 0 ? TIMER_OFF : loop_now_ns(loop_of(c)) + share_ns;
}

static bool start_leg(struct composition *c)
{
    struct leg *leg = &c->legs[c->started];
    unsigned tries = c->input.endpoint->tries;

    leg->input = &c->input;
    leg->backend = &c->input.endpoint->backends[c->started];
    leg->arrivals = &c->arrived;
    c->started++;
    return leg_start(leg, tries, tries > 1 ? part_of_timeout(c, TRIES_PERCENT) : TIMER_OFF);
}

/* What goes into the answer of all, and whether more may come. */
static bool merge_leg(struct composition *c, const struct leg *leg)
{
    const struct outcome *part = &leg->outcome;

    if (c->leg_count == 1) {
        c->outcome = *part;
        return true;
    }
    if (part->error.fault != FAULT_NONE) {
        outcome_add_error(c->input.arena, &c->outcome, &part->error, part->text);
        /* The first of a sequence answers for all of it, with the status it brings. */
        if (c->sequential && c->merged == 0) {
            c->outcome.status = part->status;
            c->outcome.type = part->type;
        }
        return true;
    }
    return outcome_merge(c->input.arena, &c->outcome, &part->answer);
}

static bool start_next(struct composition *c)
{
    return sequence_fill(c->input.arena, &c->input.endpoint->sequence[c->started], c->legs, c->started, c->match) &&
           start_leg(c);
}

static void no_memory(struct composition *c)
{
    c->over = true;
    c->outcome = (struct outcome){.text = STR("no memory to compose an answer")};
    error_set(&c->outcome.error, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory to compose an answer");
}

/* The leg that arrived as number `arrived`. */
static const struct leg *find_arrived(const struct composition *c, uint32_t arrived)
{
    for (size_t i = 0; i < c->started; i++)
        if (c->legs[i].done && c->legs[i].arrived == arrived)
            return &c->legs[i];
    return NULL;
}

/* Takes one more; in a sequence the next starts only behind a complete answer. */
static void step(struct composition *c)
{
    const struct leg *leg = find_arrived(c, c->merged);
    bool good;

    ASSERT(leg != NULL);
    good = leg->outcome.error.fault == FAULT_NONE && leg->outcome.answer.complete;
    if (!merge_leg(c, leg)) {
        no_memory(c);
        return;
    }
    c->merged++;
    c->over = c->merged == c->leg_count || (c->sequential && !good);
    if (c->sequential && !c->over && !start_next(c))
        no_memory(c);
}

static void expire(struct composition *c)
{
    c->deadline.fired = false;
    for (size_t i = 0; i < c->started; i++)
        leg_expire(&c->legs[i]);
}

enum io composition_run(struct composition *c, struct outcome *outcome)
{
    if (c->deadline.fired)
        expire(c);
    while (!c->over && c->merged < c->arrived)
        step(c);
    if (!c->over)
        return IO_WAIT;
    if (c->merged < c->leg_count)
        c->outcome.answer.complete = false;
    *outcome = c->outcome;
    return IO_END;
}

static bool start_all(struct composition *c)
{
    bool ok = start_leg(c);

    while (ok && !c->sequential && c->started < c->leg_count)
        ok = start_leg(c);
    return ok;
}

struct composition *composition_start(const struct composition_input *input)
{
    const struct endpoint *endpoint = input->endpoint;
    struct composition *c = arena_make(input->arena, struct composition);
    struct route_match *match = arena_alloc(input->arena, sizeof(*match), _Alignof(struct route_match));
    uint64_t deadline_ns;

    if (!c || !match)
        return NULL;
    memcpy(match, input->match, route_match_bytes(input->match)); /* a sequence adds parameters */
    c->input = *input;
    c->input.match = c->match = match;
    c->input.client_ip = forward_client_ip(input->arena, &generation_service(input->generation)->router, input->request,
                                           input->client->peer);
    c->leg_count = endpoint->backend_count;
    c->sequential = endpoint->options->proxy.sequential && c->leg_count > 1;
    c->legs = arena_array(input->arena, struct leg, c->leg_count);
    if (!c->legs)
        return NULL;
    c->deadline = (struct timer){.at_ns = TIMER_OFF, .task = input->waiter};
    deadline_ns = part_of_timeout(c, c->leg_count > 1 ? MERGE_PERCENT : 100);
    if (deadline_ns != TIMER_OFF)
        timer_set(loop_of(c), &c->deadline, deadline_ns);
    if (start_all(c))
        return c;
    composition_end(c);
    return NULL;
}

void composition_end(struct composition *c)
{
    if (!c)
        return;
    timer_clear(loop_of(c), &c->deadline);
    for (size_t i = 0; i < c->started; i++)
        leg_end(&c->legs[i]);
}
