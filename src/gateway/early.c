/* early.c: requests that came in early data of TLS 1.3, which anybody who saw them can send again (RFC 8470).
 *
 * One that is safe, here and there, and has no body goes to the backend at once, with Early-Data: 1; a backend that
 * answers 425 gets it again when the handshake is done. All others wait for that. Start with early_begin.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gateway/exchange_internal.h"

static struct stream *stream_of(const struct exchange *x)
{
    return x->client->conn->stream;
}

static bool is_safe(struct str method)
{
    return str_eq(method, STR("GET")) || str_eq(method, STR("HEAD")) || str_eq(method, STR("OPTIONS"));
}

/* What the client asks for, and what the backend is asked for: a GET may become a POST there. */
static bool is_harmless(const struct exchange *x)
{
    struct str method = x->endpoint->backends[0].method;

    return x->request->body_bytes == 0 && is_safe(x->request->method) && (str_eq(method, STR("*")) || is_safe(method));
}

enum progress early_begin(struct exchange *x)
{
    if (tls_await_handshake(stream_of(x), NULL) == IO_OK)
        return call_start(x);
    if (compose_wanted(x) || x->upgrade || !is_harmless(x))
        return go_to(x, EXCHANGE_EARLY);
    x->early = true;
    return call_start(x);
}

enum progress early_run(struct exchange *x)
{
    /* One connection may have several of them: its task wakes them all. */
    enum io io = tls_await_handshake(stream_of(x), &x->client->task);

    if (io == IO_WAIT)
        return PAUSE;
    x->early = false;
    if (io == IO_OK)
        return call_start(x);
    error_set(&x->error, FAULT_CLIENT, ERROR_CLOSED, "the TLS handshake was not finished");
    return exchange_fail(x);
}

/* Whoever has said Early-Data itself gets the 425, and decides (RFC 8470 5.2). */
bool early_is_refused(const struct exchange *x)
{
    return x->early && x->call.answer->status == 425 &&
           headers_get_id(&x->request->headers, HEADER_EARLY_DATA).data == NULL;
}

enum progress early_retry(struct exchange *x)
{
    fetch_end(x->call.fetch, HTTP_CANCEL_GONE);
    x->call.fetch = NULL;
    x->request_sent = false;
    return go_to(x, EXCHANGE_EARLY);
}
