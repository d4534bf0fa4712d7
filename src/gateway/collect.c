/* collect.c: the answer of a decoded endpoint's backend: its body is gathered, unpacked where it is packed
 * (call_body.c), decoded, and rendered. Most are small and done at once. What takes as long as many of those is a
 * heavy step of the loop, so that who asks for little does not wait for all who ask for much. Start with collect_run.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "gateway/exchange_internal.h"
#include "gateway/leg.h"
#include "gateway/render.h"

/* What KrakenD's words do not say: whose answer it was, and where it went wrong. */
static void tell_where(const struct exchange *x, size_t at, const char *text)
{
    LOG(LOG_WARNING, "", "[ENDPOINT: %.*s] [BACKEND: %.*s] the answer of %.*s%.*s is wrong at byte %zu: %s",
        STR_ARG(x->endpoint->path), STR_ARG(x->call.backend->internal), STR_ARG(x->call.host->url),
        STR_ARG(x->call.head.path), at, text);
}

/* The body broke off, or what packs it is damaged; what of it could be read is all that can be told. */
static enum progress fail_body(struct exchange *x)
{
    if (x->error.fault == FAULT_UPSTREAM)
        tell_where(x, x->response_body.size, x->error.text);
    return exchange_fail(x);
}

/* All that is here, unless a little of it is much when it is unpacked: more is for when its turn has come. */
static enum io gather(struct exchange *x)
{
    uint64_t bytes_max = (uint64_t)x->call.backend->transport->max_decoded_bytes;
    size_t before = x->response_body.size;
    enum io io;

    do {
        io = call_body(x);
        if (x->response_body.size > bytes_max && io != IO_FAIL) {
            error_set(&x->error, FAULT_UPSTREAM, ERROR_BODY_TOO_LARGE, "%.*s: more than %llu bytes to decode",
                      STR_ARG(x->call.host->url), (unsigned long long)bytes_max);
            return IO_FAIL;
        }
        if (io == IO_OK && x->call.unpacking && x->response_body.size - before >= UNPACKED_AT_ONCE_BYTES) {
            if (!loop_may_be_heavy(exchange_loop(x), &x->task, true))
                return IO_WAIT;
            before = x->response_body.size;
        }
    } while (io == IO_OK);
    return io;
}

/* The gathered body in one piece: where it lies, which is `kept` then, or a copy. What a leg has must last until all
 * are there, and takes no more room than it must. */
static struct str take_gathered(struct exchange *x, struct chain *kept)
{
    struct str body = x->leg ? STR_EMPTY : chain_front(&x->response_body);

    if (body.data && body.len == x->response_body.size) {
        chain_move(kept, &x->response_body, SIZE_MAX);
        return body;
    }
    body = chain_copy(&x->response_body, x->arena);
    chain_clear(&x->response_body);
    return body;
}

static enum progress render(struct exchange *x, struct str body)
{
    struct decoded decoded = {0};
    struct str error_body = STR_EMPTY, error_type = STR_EMPTY;
    uint16_t status = 0;

    if (!render_decode(x->arena, x->call.backend, x->call.host->url, &x->call.head, x->call.answer, body, &decoded,
                       &status, &x->error, &error_body, &error_type)) {
        if (decoded.bad_text)
            tell_where(x, decoded.bad_at, decoded.bad_text);
        return reply_error(x, status, error_body, error_type);
    }
    return x->leg ? leg_take(x, &decoded, body) : settle_decoded(x, &decoded);
}

enum progress collect_run(struct exchange *x)
{
    switch (gather(x)) {
    case IO_OK:
    case IO_WAIT:
        return call_pump_request(x) == IO_FAIL ? exchange_fail(x) : PAUSE;
    case IO_END:
        return go_to(x, EXCHANGE_DECODE);
    case IO_FAIL:
        break;
    }
    return fail_body(x);
}

enum progress collect_decode(struct exchange *x)
{
    struct chain kept = {0};
    enum progress progress;
    struct str body;

    if (x->response_body.size >= HEAVY_BODY_BYTES) {
        if (!loop_may_be_heavy(exchange_loop(x), &x->task, true))
            return PAUSE;
        if (call_pump_request(x) == IO_FAIL) /* the client has gone, while it stood in line */
            return exchange_fail(x);
    }
    body = take_gathered(x, &kept);
    if (!body.data) {
        error_set(&x->error, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory to decode an answer");
        return exchange_fail(x);
    }
    progress = render(x, body);
    chain_clear(&kept);
    return progress;
}
