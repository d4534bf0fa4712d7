/* answer_text.c: what KrakenD says of a failed backend request: the texts of Go's HTTP client, made from our error
 * codes (spec 6). SPDX-License-Identifier: Apache-2.0 */
#include "gateway/answer.h"
#include "gateway/escape.h"

/* How a text is put together. */
enum form {
    FORM_ALONE,  /* the text is all */
    FORM_CALL,   /* Get "URL": text */
    FORM_DIAL,   /* Get "URL": dial tcp HOST:PORT: text */
    FORM_LOOKUP, /* Get "URL": dial tcp: lookup NAME: text */
    FORM_READ,   /* Get "URL": read tcp HOST:PORT: text */
    FORM_BROKEN, /* Get "URL": text: our text */
};

static const struct {
    enum error_code code;
    enum form form;
    const char *text;
} rows[] = {
    {ERROR_CONNECT_REFUSED, FORM_DIAL, "connect: connection refused"},
    {ERROR_CONNECT_UNREACHABLE, FORM_DIAL, "connect: no route to host"},
    {ERROR_CONNECT_TIMEOUT, FORM_DIAL, "i/o timeout"},
    {ERROR_RESOLVE_FAILED, FORM_LOOKUP, "no such host"},
    {ERROR_RESOLVE_TIMEOUT, FORM_LOOKUP, "i/o timeout"},
    {ERROR_PROXY_REFUSED, FORM_BROKEN, "proxyconnect tcp"},
    {ERROR_PROXY_BROKEN, FORM_BROKEN, "proxyconnect tcp"},
    {ERROR_PROXY_TIMEOUT, FORM_BROKEN, "proxyconnect tcp"},
    {ERROR_RESET, FORM_READ, "read: connection reset by peer"},
    {ERROR_CLOSED, FORM_CALL, "EOF"},
    {ERROR_NO_ANSWER, FORM_CALL, "EOF"},
    {ERROR_BODY_INCOMPLETE, FORM_ALONE, "unexpected EOF"},
    {ERROR_RESPONSE_HEADER_TIMEOUT, FORM_CALL, "net/http: timeout awaiting response headers"},
    {ERROR_DEADLINE, FORM_ALONE, "context deadline exceeded"},
    {ERROR_CLIENT_GONE, FORM_ALONE, "context canceled"},
    {ERROR_NO_HOSTS, FORM_ALONE, "no hosts available"},
    {ERROR_QUEUE_TIMEOUT, FORM_ALONE, "no connection to the host became free"},
    {ERROR_NO_STREAMS, FORM_ALONE, "the host takes no requests"},
    {ERROR_PRESSURE_FD, FORM_DIAL, "socket: too many open files"},
    {ERROR_PRESSURE_PORT, FORM_DIAL, "connect: cannot assign requested address"},
    {ERROR_OUT_OF_PORTS, FORM_DIAL, "connect: cannot assign requested address"},
    {ERROR_DEAD_PATH, FORM_READ, "read: connection timed out"},
    {ERROR_TLS_VERIFY, FORM_BROKEN, "tls: failed to verify certificate"},
    {ERROR_TLS_VERSION, FORM_BROKEN, "tls: protocol version not supported"},
    {ERROR_TLS_ALERT, FORM_BROKEN, "remote error: tls"},
    {ERROR_TLS_HANDSHAKE, FORM_BROKEN, "tls: handshake failure"},
    {ERROR_TLS_PROTOCOL, FORM_BROKEN, "tls"},
    {ERROR_TLS_TRUNCATED, FORM_CALL, "unexpected EOF"},
    {ERROR_TLS_TIMEOUT, FORM_CALL, "net/http: TLS handshake timeout"},
    {ERROR_TOO_MANY_REDIRECTS, FORM_CALL, "stopped after 10 redirects"},
    {ERROR_BAD_STATUS_LINE, FORM_BROKEN, "net/http: HTTP/1.x transport connection broken"},
    {ERROR_BAD_VERSION, FORM_BROKEN, "net/http: HTTP/1.x transport connection broken"},
    {ERROR_BAD_FIELD, FORM_BROKEN, "net/http: HTTP/1.x transport connection broken"},
    {ERROR_BAD_FRAMING, FORM_BROKEN, "net/http: HTTP/1.x transport connection broken"},
    {ERROR_BAD_CODING, FORM_BROKEN, "net/http: HTTP/1.x transport connection broken"},
    {ERROR_HEAD_TOO_LARGE, FORM_CALL, "net/http: server response headers exceeded limit"},
};

/* "Get", "Post": how Go names the method in its errors. */
static struct str method_word(struct arena *arena, struct str method)
{
    struct str word = arena_copy(arena, method);
    char *out = (char *)(uintptr_t)word.data;

    for (size_t i = 1; out && i < word.len; i++)
        if (out[i] >= 'A' && out[i] <= 'Z')
            out[i] |= 0x20;
    return word;
}

/* Whoever shows the text shows no markup of a client's: its path and query reach the host as they came. */
static struct str shown_target(struct arena *arena, struct str target)
{
    char *out = arena_alloc(arena, 3 * target.len + 1, 1), *end = out;

    for (size_t i = 0; out && i < target.len; i++) {
        struct str byte = str_of(target.data + i, 1);

        if (byte.data[0] == '%' || byte.data[0] == '?' || escape_keeps(ESCAPE_PATH_VALID, byte.data[0]))
            *end++ = byte.data[0];
        else
            end = escape_write(ESCAPE_PATH_VALID, byte, end);
    }
    return out ? str_of(out, (size_t)(end - out)) : STR("");
}

static struct str after_call(const struct answer_input *input, struct str text)
{
    struct str method, target;

    if (!input->call || !input->host)
        return text;
    method = method_word(input->arena, input->call->method);
    target = shown_target(input->arena, input->call->path);
    return arena_format(input->arena, "%.*s \"%.*s%.*s\": %.*s", STR_ARG(method), STR_ARG(input->host->url),
                        STR_ARG(target), STR_ARG(text));
}

static struct str with_address(const struct answer_input *input, const char *words, const char *text)
{
    struct str name = input->host ? input->host->name : STR("");
    bool is_ipv6 = str_find_char(name, ':') < name.len;

    return arena_format(input->arena, is_ipv6 ? "%s [%.*s]:%u: %s" : "%s %.*s:%u: %s", words, STR_ARG(name),
                        input->host ? (unsigned)input->host->port : 0u, text);
}

struct str answer_error_text(const struct answer_input *input, const struct error *err)
{
    struct str own = arena_copy(input->arena, str_from(err->text));

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i].code != err->code)
            continue;
        switch (rows[i].form) {
        case FORM_ALONE:
            return str_from(rows[i].text);
        case FORM_CALL:
            return after_call(input, str_from(rows[i].text));
        case FORM_DIAL:
            return after_call(input, with_address(input, "dial tcp", rows[i].text));
        case FORM_READ:
            return after_call(input, with_address(input, "read tcp", rows[i].text));
        case FORM_LOOKUP:
            return after_call(input, arena_format(input->arena, "dial tcp: lookup %.*s: %s",
                                                  STR_ARG(input->host ? input->host->name : STR("")), rows[i].text));
        case FORM_BROKEN:
            return after_call(input, arena_format(input->arena, "%s: %.*s", rows[i].text, STR_ARG(own)));
        }
    }
    return own;
}
