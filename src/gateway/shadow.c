/* shadow.c: a composition of its own for the shadows of an endpoint, in an arena of its own, with a copy of the
 * request. Start with shadow_start. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/shadow.h"

#include "base/log.h"

struct shadow {
    struct task task;
    struct list_node node; /* in the frontend's list */
    struct arena *arena;
    struct client client; /* stands for the one that sent the request: it may be gone */
    struct addr peer;
    struct generation *generation; /* held */
    struct composition *composition;
    struct host_hold *holds;
    struct http_head request;
    struct route_match match;
};

static bool copy(struct arena *arena, struct str *text)
{
    if (!text->data)
        return true;
    *text = arena_copy(arena, *text);
    return text->data != NULL;
}

static bool copy_head(struct arena *arena, const struct http_head *from, struct http_head *to)
{
    struct http_headers *headers = &to->headers;

    *to = *from;
    headers->room = headers->count + 1;
    headers->fields = arena_array(arena, struct http_field, headers->room);
    if (!headers->fields || !copy(arena, &to->method) || !copy(arena, &to->scheme) || !copy(arena, &to->authority) ||
        !copy(arena, &to->path))
        return false;
    for (uint32_t i = 0; i < headers->count; i++) {
        headers->fields[i] = from->headers.fields[i];
        if (!copy(arena, &headers->fields[i].name) || !copy(arena, &headers->fields[i].value))
            return false;
    }
    return true;
}

/* Names belong to the generation, which is held. */
static bool copy_match(struct arena *arena, const struct route_match *from, struct route_match *to)
{
    memcpy(to, from, route_match_bytes(from));
    for (unsigned i = 0; i < to->param_count; i++)
        if (!copy(arena, &to->params[i].value))
            return false;
    return copy(arena, &to->rest);
}

static void shadow_free(struct shadow *shadow)
{
    struct frontend *frontend = shadow->client.frontend;
    struct generation *generation = shadow->generation;

    composition_end(shadow->composition);
    task_forget(frontend->loop, &shadow->task);
    list_remove(&frontend->shadows, &shadow->node);
    frontend->shadow_count--;
    private_end(&shadow->client.privates);
    host_release_all(&shadow->holds, frontend->pool);
    arena_free(shadow->arena);
    generation_release(generation);
}

static void run_shadow(struct task *task)
{
    struct shadow *shadow = container_of(task, struct shadow, task);
    struct outcome outcome;

    if (composition_run(shadow->composition, &outcome) != IO_END)
        return;
    if (outcome.error.fault != FAULT_NONE)
        LOG(LOG_DEBUG, "", "[SHADOW] %.*s", STR_ARG(outcome.text));
    shadow_free(shadow);
}

static bool fill(struct shadow *shadow, const struct composition_input *from, struct composition_input *input)
{
    *input = *from;
    input->arena = shadow->arena;
    input->client = &shadow->client;
    input->endpoint = from->endpoint->shadow;
    input->request = &shadow->request;
    input->match = &shadow->match;
    input->waiter = &shadow->task;
    input->holds = &shadow->holds;
    input->trail = NULL;
    return copy_head(shadow->arena, from->request, &shadow->request) &&
           copy_match(shadow->arena, from->match, &shadow->match) && copy(shadow->arena, &input->body);
}

void shadow_start(const struct composition_input *from)
{
    struct frontend *frontend = from->client->frontend;
    struct arena *arena = frontend->shadow_count < frontend->shadows_max
                              ? arena_new(loop_pages(frontend->loop), frontend->request_memory_max)
                              : NULL;
    struct shadow *shadow = arena ? arena_make(arena, struct shadow) : NULL;
    struct composition_input input;

    if (!shadow) {
        arena_free(arena);
        return;
    }
    shadow->task.run = run_shadow;
    shadow->arena = arena;
    shadow->peer = *from->client->peer;
    shadow->client = (struct client){.frontend = frontend, .peer = &shadow->peer};
    shadow->generation = generation_hold(from->generation);
    list_push_back(&frontend->shadows, &shadow->node);
    frontend->shadow_count++;
    if (fill(shadow, from, &input))
        shadow->composition = composition_start(&input);
    if (!shadow->composition)
        shadow_free(shadow);
    else
        task_wake(frontend->loop, &shadow->task);
}

void shadows_end(struct frontend *frontend)
{
    struct list_node *node;

    while ((node = list_first(&frontend->shadows)))
        shadow_free(container_of(node, struct shadow, node));
}
