/* takeover.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/takeover.h"

#include "upstream/fetch_internal.h"

void fetch_take_over(struct fetch *fetch, struct takeover *out)
{
    ASSERT(fetch->state == FETCH_ANSWER);
    *out = (struct takeover){.pooled = fetch->pooled, .stream = fetch->stream};
    fetch_clear_clocks(fetch);
    fetch->stream->reader = NULL;
    fetch->pooled = NULL;
    fetch->stream = NULL;
    fetch->state = FETCH_OVER;
}

void takeover_end(struct takeover *takeover, const struct transport *transport, enum side side)
{
    if (!takeover->pooled)
        return;
    http_done(takeover->stream);
    pool_let_go(takeover->pooled, transport, REASON_TUNNEL, side);
    *takeover = (struct takeover){NULL, NULL};
}
