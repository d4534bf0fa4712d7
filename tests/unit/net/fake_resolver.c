/* fake_resolver.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "fake_resolver.h"

#include "harness/test.h"

static struct fake_resolver *of(struct resolver *resolver)
{
    return container_of(resolver, struct fake_resolver, resolver);
}

static void fake_start(struct resolver *resolver, struct resolve_query *query)
{
    struct fake_resolver *fake = of(resolver);

    CHECK(fake->asked < FAKE_QUERIES_MAX);
    fake->open[fake->asked++] = query;
    if (fake->at_once)
        fake_resolver_answer(fake, fake->asked - 1, &fake->prepared);
}

static void fake_cancel(struct resolver *resolver, struct resolve_query *query)
{
    struct fake_resolver *fake = of(resolver);

    for (unsigned i = 0; i < fake->asked; i++)
        if (fake->open[i] == query) {
            fake->open[i] = NULL;
            fake->cancelled++;
            return;
        }
    test_fail(__FILE__, __LINE__, "cancelled a query that was not under way");
}

static void fake_free(struct resolver *resolver)
{
    struct fake_resolver *fake = of(resolver);

    for (unsigned i = 0; i < fake->asked; i++)
        CHECK(fake->open[i] == NULL);
    fake->freed = true;
}

void fake_resolver_init(struct fake_resolver *fake, struct loop *loop)
{
    static const struct resolver_ops ops = {.start = fake_start, .cancel = fake_cancel, .free = fake_free};

    *fake = (struct fake_resolver){.resolver = {&ops, loop}};
}

struct resolved resolved_of(const char *text, uint64_t ttl_ns)
{
    struct resolved answer = {.ttl_ns = ttl_ns};
    struct str rest = str_from(text), part;

    while (rest.len > 0 && str_split(&rest, ' ', &part))
        CHECK(addr_parse_ip(part, &answer.addrs[answer.count++]));
    return answer;
}

static void finish(struct fake_resolver *fake, unsigned i)
{
    struct resolve_query *query = fake->open[i];

    query->done = true;
    fake->open[i] = NULL;
    task_wake(fake->resolver.loop, query->task);
}

void fake_resolver_answer(struct fake_resolver *fake, unsigned i, const struct resolved *answer)
{
    CHECK(fake->open[i] != NULL);
    fake->open[i]->err.fault = FAULT_NONE;
    fake->open[i]->answer = *answer;
    finish(fake, i);
}

void fake_resolver_fail(struct fake_resolver *fake, unsigned i)
{
    CHECK(fake->open[i] != NULL);
    error_set(&fake->open[i]->err, FAULT_UPSTREAM, ERROR_RESOLVE_FAILED, "resolving %.*s: no such name",
              STR_ARG(fake->open[i]->name));
    finish(fake, i);
}
