/* tunnel.c: see the header. The request goes out, heads are read until a final one. Start with tunnel_step.
 * SPDX-License-Identifier: Apache-2.0 */
#include "upstream/tunnel.h"

#include "base/assert.h"
#include "http/h1/parse.h"
#include "upstream/unread.h"

struct tunnel {
    struct arena *arena; /* of the tunnel itself */
    struct tunnel_options options;
    struct str request; /* what of it has not been written */
    unsigned interims;
    enum h1_tail tail;
    size_t len, scanned; /* bytes in `head`; of these, looked at for the head's end */
    char head[TUNNEL_HEAD_BYTES_MAX];
};

/* For the tunnel, its request, and the fields of an answer. */
enum { ARENA_BYTES_MAX = 4 * TUNNEL_HEAD_BYTES_MAX };

static struct str write_request(struct arena *arena, const struct tunnel_options *options)
{
    bool known = options->authorization.len > 0;

    return arena_format(arena, "CONNECT %.*s HTTP/1.1\r\nHost: %.*s\r\nUser-Agent: Go-http-client/1.1\r\n%s%.*s%s\r\n",
                        STR_ARG(options->target), STR_ARG(options->target), known ? "Proxy-Authorization: " : "",
                        STR_ARG(options->authorization), known ? "\r\n" : "");
}

struct tunnel *tunnel_new(const struct tunnel_options *options)
{
    struct arena *arena = arena_new(NULL, ARENA_BYTES_MAX);
    struct tunnel *tunnel = arena ? arena_alloc(arena, sizeof(*tunnel), _Alignof(struct tunnel)) : NULL;
    struct str request = tunnel ? write_request(arena, options) : STR_EMPTY;

    if (!request.data) {
        arena_free(arena);
        return NULL;
    }
    tunnel->arena = arena;
    tunnel->options = *options;
    tunnel->request = request;
    tunnel->interims = 0;
    tunnel->tail = H1_TAIL_TEXT;
    tunnel->len = tunnel->scanned = 0;
    return tunnel;
}

void tunnel_free(struct tunnel *tunnel)
{
    if (tunnel)
        arena_free(tunnel->arena);
}

static bool fail(const struct tunnel *tunnel, struct error *err, enum error_code code, const char *text)
{
    error_set(err, FAULT_UPSTREAM, code, "proxy %.*s: %s", STR_ARG(tunnel->options.proxy), text);
    err->retry_safe = true;
    return false;
}

static enum io stream_failed(const struct tunnel *tunnel, struct error *err)
{
    error_context(err, "proxy %.*s", STR_ARG(tunnel->options.proxy));
    err->fault = FAULT_UPSTREAM;
    err->retry_safe = true;
    return IO_FAIL;
}

static enum io write_rest(struct tunnel *tunnel, struct stream *stream, struct error *err)
{
    while (tunnel->request.len > 0) {
        struct iovec part = {.iov_base = (char *)(uintptr_t)tunnel->request.data, .iov_len = tunnel->request.len};
        size_t sent;
        enum io io = stream_writev(stream, &part, 1, &sent, err);

        if (io != IO_OK)
            return io == IO_FAIL ? stream_failed(tunnel, err) : io;
        tunnel->request = str_from_offset(tunnel->request, sent);
    }
    return IO_OK;
}

static bool refuse(const struct tunnel *tunnel, uint16_t status, struct error *err)
{
    error_set(err, FAULT_UPSTREAM, ERROR_PROXY_REFUSED, "proxy %.*s: CONNECT %.*s: %u %.*s",
              STR_ARG(tunnel->options.proxy), STR_ARG(tunnel->options.target), (unsigned)status,
              STR_ARG(status_reason(status)));
    err->retry_safe = true;
    return false;
}

/* Judges the head in the first `size` bytes. *final: nothing more of HTTP comes behind it. */
static bool judge(struct tunnel *tunnel, size_t size, bool *final, struct error *err)
{
    struct h1_parse parse = {h1_scanner_best(), tunnel->arena, TUNNEL_FIELDS_MAX};
    struct http_head head = {0};
    struct error wrong;

    if (!h1_parse_response(&parse, str_of(tunnel->head, size), &head, &wrong))
        return fail(tunnel, err, ERROR_PROXY_BROKEN, wrong.text);
    *final = head.status >= 200;
    if (*final && tunnel->request.len > 0)
        return fail(tunnel, err, ERROR_PROXY_BROKEN, "answered before it was asked");
    if (head.status == 101)
        return fail(tunnel, err, ERROR_PROXY_BROKEN, "an upgrade that nobody asked for");
    if (!*final)
        return ++tunnel->interims <= TUNNEL_INTERIMS_MAX ||
               fail(tunnel, err, ERROR_PROXY_BROKEN, "too many interim answers");
    /* Of a 2xx to CONNECT, lengths mean nothing (RFC 9110 9.3.6): the tunnel begins behind the head. */
    return head.status < 300 || refuse(tunnel, head.status, err);
}

static void drop(struct tunnel *tunnel, size_t size)
{
    memmove(tunnel->head, tunnel->head + size, tunnel->len - size);
    tunnel->len -= size;
    tunnel->scanned = 0;
    tunnel->tail = H1_TAIL_TEXT;
}

/* Looks at what is here. *final: the final head was among it, and is gone from it. False: *err. */
static bool digest(struct tunnel *tunnel, bool *final, struct error *err)
{
    *final = false;
    while (!*final && tunnel->scanned < tunnel->len) {
        struct str fresh = str_of(tunnel->head + tunnel->scanned, tunnel->len - tunnel->scanned);
        size_t at = 0, size;

        switch (h1_scanner_best()->find_end(fresh, &tunnel->tail, &at)) {
        case H1_NOT_YET:
            tunnel->scanned = tunnel->len;
            return true;
        case H1_BARE_LF:
            return fail(tunnel, err, ERROR_PROXY_BROKEN, "a line of the answer does not end in CR LF");
        case H1_END:
            break;
        }
        size = tunnel->scanned + at;
        if (!judge(tunnel, size, final, err))
            return false;
        drop(tunnel, size);
    }
    return true;
}

static enum io read_more(struct tunnel *tunnel, struct stream *stream, struct error *err)
{
    struct iovec part = {.iov_base = tunnel->head + tunnel->len, .iov_len = sizeof(tunnel->head) - tunnel->len};
    size_t got = 0;
    enum io io;

    if (part.iov_len == 0) {
        (void)fail(tunnel, err, ERROR_PROXY_BROKEN, "the head of the answer is too large");
        return IO_FAIL;
    }
    io = stream_readv(stream, &part, 1, &got, err);
    tunnel->len += got;
    if (io == IO_FAIL)
        return stream_failed(tunnel, err);
    if (io == IO_END) {
        (void)fail(tunnel, err, ERROR_PROXY_BROKEN, "closed before it answered");
        return IO_FAIL;
    }
    return io;
}

static enum io finish(struct tunnel *tunnel, struct stream **stream, struct error *err)
{
    if (tunnel->len == 0)
        return IO_OK;
    *stream = unread_stream(*stream, str_of(tunnel->head, tunnel->len), err);
    return *stream ? IO_OK : IO_FAIL;
}

enum io tunnel_step(struct tunnel *tunnel, struct stream **stream, struct error *err)
{
    enum io io = write_rest(tunnel, *stream, err);
    bool final = false;

    if (io == IO_FAIL)
        return IO_FAIL;
    while (!final) {
        io = read_more(tunnel, *stream, err);
        if (io != IO_OK)
            return io;
        if (!digest(tunnel, &final, err))
            return IO_FAIL;
    }
    return finish(tunnel, stream, err);
}
