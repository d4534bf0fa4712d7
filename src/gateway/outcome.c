/* outcome.c: answers and errors of backends put together; static data. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/outcome.h"

/* Into a new object: a sequence still looks into the parts. */
static bool join(struct arena *arena, struct outcome *outcome, struct data later)
{
    struct data *all = &outcome->answer.data;

    if (!outcome->merged || all->kind != DATA_OBJECT) { /* a flatmap may have left null of it */
        struct data merged = data_new(arena, DATA_OBJECT);

        if (merged.kind == DATA_NULL || !data_add_all(arena, merged.node, all))
            return false;
        *all = merged;
        outcome->merged = true;
    }
    return data_add_all(arena, all->node, &later);
}

bool outcome_merge(struct arena *arena, struct outcome *outcome, const struct decoded *answer)
{
    struct decoded *all = &outcome->answer;

    if (!outcome->answered) {
        outcome->answered = true;
        *all = *answer;
        all->complete &= outcome->error.fault == FAULT_NONE;
        return true;
    }
    all->complete &= answer->complete && all->data.kind != DATA_NULL && answer->data.kind != DATA_NULL;
    return join(arena, outcome, answer->data);
}

void outcome_add_error(struct arena *arena, struct outcome *outcome, const struct error *error, struct str text)
{
    outcome->answer.complete = false;
    outcome->starved |= error->code == ERROR_OUT_OF_MEMORY;
    if (outcome->error.fault == FAULT_NONE) {
        outcome->error = *error;
        outcome->text = text;
        return;
    }
    text = arena_format(arena, "%.*s\n%.*s", STR_ARG(outcome->text), STR_ARG(text));
    if (!text.data)
        return; /* Without room the first error stands for all. */
    outcome->text = text;
    error_set(&outcome->error, outcome->error.fault, outcome->error.code, "%.*s", STR_ARG(text));
}

static bool static_applies(enum static_strategy strategy, const struct outcome *outcome)
{
    bool failed = outcome->error.fault != FAULT_NONE, complete = outcome->answered && outcome->answer.complete;

    switch (strategy) {
    case STATIC_ALWAYS:
        return true;
    case STATIC_SUCCESS:
        return !failed;
    case STATIC_ERRORED:
        return failed;
    case STATIC_COMPLETE:
        return !failed && complete;
    case STATIC_INCOMPLETE:
        return !complete;
    }
    return false;
}

/* Static data stands for what a host did not say, not for what there was no room for here. */
static bool is_ours_to_tell(const struct outcome *outcome)
{
    return !outcome->answered && (outcome->starved || outcome->error.code == ERROR_OUT_OF_MEMORY);
}

bool outcome_apply_static(struct arena *arena, const struct endpoint *endpoint, struct outcome *outcome)
{
    const struct proxy_options *proxy = &endpoint->options->proxy;
    struct data given = data_of(proxy->static_data);

    if (!proxy->static_given || is_ours_to_tell(outcome) || !static_applies(proxy->static_strategy, outcome))
        return true;
    if (!outcome->answered)
        outcome->answer = (struct decoded){.data = {.kind = DATA_NULL}};
    outcome->answered = true;
    return join(arena, outcome, given);
}
