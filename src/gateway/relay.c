/* relay.c: no-op endpoints: both bodies stream, each at the pace of its slower side; nothing is pulled that cannot be pushed.
 * Blocks change owner, bytes are not copied. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/exchange_internal.h"

enum progress relay_start(struct exchange *x)
{
    struct http_head head = {0};
    bool end = x->call.answer->body_bytes == 0;

    if (!forward_response(x->arena, exchange_service(x), x->call.answer, &head, &x->error))
        return exchange_fail(x);
    if (http_send_head(x->stream, &head, end, &x->error) != IO_OK)
        return exchange_fail(x);
    x->head_sent = true;
    x->status = head.status;
    return go_to(x, EXCHANGE_RELAY);
}

/* From the backend to the client. IO_END: the answer is complete on both sides. */
static enum io pump_answer(struct exchange *x)
{
    for (;;) {
        enum io io = IO_OK;

        if (x->response_body.size == 0 && !x->answer_ended)
            io = fetch_body(x->call.fetch, &x->response_body, PIECE_BYTES, &x->error);
        if (io == IO_WAIT || io == IO_FAIL)
            return io;
        x->answer_ended |= io == IO_END;
        if (x->answer_ended && x->call.answer->body_bytes == 0)
            return IO_END; /* the head said so already */
        io = http_send_body(x->stream, &x->response_body, x->answer_ended, &x->error);
        if (io != IO_OK)
            return io;
        if (x->answer_ended)
            return IO_END;
    }
}

enum progress relay_run(struct exchange *x)
{
    enum io io = pump_answer(x);

    if (io == IO_END)
        return go_to(x, EXCHANGE_FINISH);
    if (io == IO_FAIL || call_pump_request(x) == IO_FAIL)
        return exchange_fail(x);
    return PAUSE;
}
