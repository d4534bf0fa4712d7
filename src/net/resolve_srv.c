/* resolve_srv.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "net/resolve_srv.h"

#include <stdlib.h>

void resolve_srv_start(struct resolver *resolver, struct srv_query *query)
{
    query->done = false;
    query->answer = NULL;
    query->backend = NULL;
    query->err = (struct error){0};
    if (resolver && resolver->ops->start_srv) {
        resolver->ops->start_srv(resolver, query);
        return;
    }
    error_set(&query->err, FAULT_UPSTREAM, ERROR_RESOLVE_FAILED, "resolving %.*s: no SRV records here",
              STR_ARG(str_first(query->name, SRV_TARGET_BYTES)));
    query->done = true;
    if (resolver)
        task_wake(resolver->loop, query->task);
}

void resolve_srv_cancel(struct resolver *resolver, struct srv_query *query)
{
    if (!query->done && query->backend)
        resolver->ops->cancel_srv(resolver, query);
    free(query->answer);
    query->answer = NULL;
    query->backend = NULL;
}
