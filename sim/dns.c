/* dns.c: names of the simulated network and a resolver that knows them. SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim_internal.h"

#include <stdlib.h>

struct name {
    struct list_node node; /* in sim->names */
    char text[256];
    struct resolved answer;
};

struct dns {
    struct resolver resolver;
    struct sim *sim;
};

/* A query that is answered when its timer fires. */
struct question {
    struct timer timer;
    struct task task;
    struct dns *dns;
    struct resolve_query *query;
};

static struct name *find_name(const struct sim *sim, struct str text)
{
    for (struct list_node *node = list_first(&sim->names); node; node = list_next(&sim->names, node)) {
        struct name *name = container_of(node, struct name, node);

        if (str_eq_fold(str_from(name->text), text))
            return name;
    }
    return NULL;
}

static void remove_name(struct sim *sim, struct name *name)
{
    list_remove(&sim->names, &name->node);
    free(name);
}

void sim_name(struct sim *sim, const char *text, const char *addrs, uint64_t ttl_ns)
{
    struct name *name = find_name(sim, str_from(text));
    struct str rest = str_from(addrs), part;

    if (name)
        remove_name(sim, name);
    if (!addrs)
        return;
    name = sim_alloc(sizeof(*name));
    ASSERT(str_to_cstr(str_from(text), name->text, sizeof(name->text)));
    name->answer.ttl_ns = ttl_ns;
    while (rest.len > 0 && str_split(&rest, ' ', &part)) {
        ASSERT(name->answer.count < RESOLVE_ADDRS_MAX);
        ASSERT(addr_parse_ip(part, &name->answer.addrs[name->answer.count++]));
    }
    list_push_back(&sim->names, &name->node);
}

void sim_names_clear(struct sim *sim)
{
    struct list_node *node;

    while ((node = list_first(&sim->names)))
        remove_name(sim, container_of(node, struct name, node));
}

void sim_dns_delay(struct sim *sim, uint64_t delay_max_ns)
{
    sim->dns_delay_max_ns = delay_max_ns;
}

static void end_question(struct question *question)
{
    struct loop *loop = question->dns->resolver.loop;

    timer_clear(loop, &question->timer);
    task_forget(loop, &question->task);
    free(question);
}

static void run_question(struct task *task)
{
    struct question *question = container_of(task, struct question, task);
    struct resolve_query *query = question->query;
    struct dns *dns = question->dns;
    struct sim_machine *machine = sim_world_of(loop_world(dns->resolver.loop))->machine;
    const struct name *name = find_name(dns->sim, query->name);

    if (!question->timer.fired)
        return;
    query->err = (struct error){0};
    if (!name || sim_chance(machine, SIM_FAULT_DNS_FAILS)) {
        error_set(&query->err, FAULT_UPSTREAM, ERROR_RESOLVE_FAILED, "resolving %.*s: no such name",
                  STR_ARG(query->name));
        query->err.retry_safe = true;
    } else {
        query->answer = name->answer;
    }
    query->done = true;
    task_wake(dns->resolver.loop, query->task);
    end_question(question);
}

static void dns_start(struct resolver *resolver, struct resolve_query *query)
{
    struct dns *dns = container_of(resolver, struct dns, resolver);
    struct sim_machine *machine = sim_world_of(loop_world(resolver->loop))->machine;
    struct question *question = sim_alloc(sizeof(*question));

    query->done = false;
    query->backend = question;
    question->dns = dns;
    question->query = query;
    question->task.run = run_question;
    question->timer.task = &question->task;
    if (!sim_chance(machine, SIM_FAULT_DNS_SILENT))
        timer_set(resolver->loop, &question->timer,
                  loop_now_ns(resolver->loop) + rng_below(&dns->sim->rng, dns->sim->dns_delay_max_ns + 1));
}

static void dns_cancel(struct resolver *resolver, struct resolve_query *query)
{
    (void)resolver;
    if (!query->done)
        end_question(query->backend);
}

static void dns_free(struct resolver *resolver)
{
    free(container_of(resolver, struct dns, resolver));
}

struct resolver *sim_resolver_new(struct sim *sim, struct loop *loop)
{
    static const struct resolver_ops ops = {.start = dns_start, .cancel = dns_cancel, .free = dns_free};
    struct dns *dns = sim_alloc(sizeof(*dns));

    dns->resolver = (struct resolver){.ops = &ops, .loop = loop};
    dns->sim = sim;
    return &dns->resolver;
}
