/* origin_server.c: a test origin's listener and its list of connections. What happens on one: origin_visit.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli/origin_server.h"

#include "cli/origin_ledger.h"
#include "cli/origin_stream.h"
#include "cli/origin_visit.h"
#include "net/listener.h"

#include <stdlib.h>

struct origin {
    struct origin_house house;
    struct listener *listener;
    struct task task;
};

static bool happens(const struct origin_when *when)
{
    return when->per_million > 0 || when->every > 0;
}

static void furnish(struct origin_house *house, struct loop *loop, const struct origin_options *options)
{
    *house = (struct origin_house){.loop = loop, .options = *options};
    house->needs_faulty_stream = happens(&options->reset) || happens(&options->cut) || happens(&options->slow) ||
                                 options->close_by == ORIGIN_END_RESET;
    house->has_plans = house->needs_faulty_stream || happens(&options->hang_up) || happens(&options->silence) ||
                       happens(&options->late) || happens(&options->stray);
    list_init(&house->visits);
}

static void run_origin(struct task *task)
{
    struct origin *origin = container_of(task, struct origin, task);
    struct stream *stream;
    struct error err;

    while (listener_accept(origin->listener, &stream, &err) == IO_OK) {
        if (origin->house.needs_faulty_stream)
            stream = origin_stream_new(stream);
        if (!stream)
            continue;
        if (origin->house.options.ledger)
            origin_ledger_add_connection(origin->house.options.ledger);
        visit_new(&origin->house, stream);
    }
}

struct origin *origin_new(struct loop *loop, struct addr *addr, const struct origin_options *options, struct error *err)
{
    struct origin *origin = calloc(1, sizeof(*origin));

    if (!origin) {
        error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for an origin");
        return NULL;
    }
    furnish(&origin->house, loop, options);
    origin->task.run = run_origin;
    origin->listener = listener_new(
        loop, addr, &(struct listen_options){.backlog = 4096, .reuse_port = options->shared}, &origin->task, err);
    if (!origin->listener) {
        free(origin);
        return NULL;
    }
    *addr = *listener_addr(origin->listener);
    return origin;
}

void origin_free(struct origin *origin)
{
    if (!origin)
        return;
    visits_end(&origin->house);
    listener_free(origin->listener);
    task_forget(origin->house.loop, &origin->task);
    free(origin);
}
