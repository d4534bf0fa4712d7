/* upgrade.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "http/ws/upgrade.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

/* RFC 6455 1.3. */
static const struct str magic = STR_INIT("258EAFA5-E914-47DA-95CA-C5AB0DC85B11");

struct str ws_accept(struct str key, char out[WS_ACCEPT_BYTES + 1])
{
    char text[WS_KEY_BYTES + 36];
    unsigned char digest[SHA_DIGEST_LENGTH];

    if (key.len != WS_KEY_BYTES)
        return STR_EMPTY;
    memcpy(text, key.data, key.len);
    memcpy(text + key.len, magic.data, magic.len);
    SHA1((const unsigned char *)text, sizeof(text), digest);
    return str_of(out, (size_t)EVP_EncodeBlock((unsigned char *)out, digest, sizeof(digest)));
}

struct str ws_new_key(struct rng *rng, char out[WS_KEY_BYTES + 1])
{
    const uint64_t random[2] = {rng_next(rng), rng_next(rng)};

    return str_of(out, (size_t)EVP_EncodeBlock((unsigned char *)out, (const unsigned char *)random, sizeof(random)));
}

bool ws_is_asked(const struct http_head *request)
{
    return str_eq_fold(request->protocol, STR("websocket"));
}

bool ws_is_field(struct str name)
{
    return str_starts_fold(name, STR("Sec-WebSocket-"));
}

static uint32_t count(const struct http_headers *headers, struct str name)
{
    uint32_t found = 0;

    for (uint32_t i = 0; i < headers->count; i++)
        found += str_eq_fold(headers->fields[i].name, name);
    return found;
}

static bool is_base64(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

/* 16 bytes in base64. */
static bool key_is_valid(struct str key)
{
    if (key.len != WS_KEY_BYTES || !str_ends(key, STR("==")))
        return false;
    for (size_t i = 0; i < WS_KEY_BYTES - 2; i++)
        if (!is_base64(key.data[i]))
            return false;
    return true;
}

static bool refuse(struct error *err, const char *text)
{
    return error_set(err, FAULT_CLIENT, ERROR_BAD_UPGRADE, "%s", text);
}

bool ws_check_request(const struct http_head *request, struct error *err)
{
    const struct http_headers *headers = &request->headers;
    struct str version = headers_get(headers, STR("Sec-WebSocket-Version"));

    if (!str_eq(request->method, STR("GET")) || request->body_bytes != 0)
        return refuse(err, "a WebSocket begins with GET, without a body");
    if (count(headers, STR("Sec-WebSocket-Key")) != 1 || !key_is_valid(headers_get(headers, STR("Sec-WebSocket-Key"))))
        return refuse(err, "Sec-WebSocket-Key is not there once, with 16 bytes in base64");
    if (count(headers, STR("Sec-WebSocket-Version")) != 1)
        return refuse(err, "Sec-WebSocket-Version is not there once");
    if (!str_eq(version, STR("13")))
        return error_set(err, FAULT_CLIENT, ERROR_BAD_VERSION, "Sec-WebSocket-Version is not 13");
    return true;
}

static bool fail(struct error *err, const char *text)
{
    return error_set(err, FAULT_UPSTREAM, ERROR_BAD_UPGRADE, "%s", text);
}

/* The next element of the comma-separated lists in all fields of that name. */
struct cursor {
    const struct http_headers *headers;
    struct str name, rest;
    uint32_t field;
};

static bool next(struct cursor *cursor, struct str *element)
{
    for (;;) {
        while (cursor->rest.data && str_split(&cursor->rest, ',', element)) {
            *element = str_trim(*element);
            if (element->len > 0)
                return true;
        }
        cursor->rest = STR_EMPTY;
        while (cursor->field < cursor->headers->count && !cursor->rest.data) {
            const struct http_field *field = &cursor->headers->fields[cursor->field++];

            if (str_eq_fold(field->name, cursor->name) && field->value.len > 0)
                cursor->rest = field->value;
        }
        if (!cursor->rest.data)
            return false;
    }
}

static bool is_among(struct str name, const struct str *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(names[i], name))
            return true;
    return false;
}

bool ws_narrow_protocols(struct arena *arena, struct http_head *request, const struct str *allowed, size_t count)
{
    struct str field = STR("Sec-WebSocket-Protocol"), kept = STR_EMPTY, element;
    struct cursor cursor = {.headers = &request->headers, .name = field};

    while (next(&cursor, &element)) {
        if (!is_among(element, allowed, count))
            continue;
        kept = kept.len == 0 ? element : arena_format(arena, "%.*s, %.*s", STR_ARG(kept), STR_ARG(element));
        if (!kept.data)
            return false;
    }
    headers_remove(&request->headers, field);
    return kept.len == 0 || headers_add(&request->headers, arena, field, kept);
}

/* "permessage-deflate; client_max_window_bits" is "permessage-deflate". Commas in quoted parameters do not occur in any
 * extension there is; who sends one is told that the handshake is wrong. */
static struct str extension_name(struct str element)
{
    return str_trim(str_first(element, str_find_char(element, ';')));
}

static bool offers(const struct http_head *request, struct str list, struct str wanted, bool fold)
{
    struct cursor cursor = {.headers = &request->headers, .name = list};
    struct str element;

    while (next(&cursor, &element)) {
        struct str name = fold ? extension_name(element) : element;

        if (fold ? str_eq_fold(name, wanted) : str_eq(name, wanted))
            return true;
    }
    return false;
}

static bool check_extensions(const struct http_head *request, const struct http_head *answer,
                             struct ws_agreement *agreement)
{
    struct cursor cursor = {.headers = &answer->headers, .name = STR("Sec-WebSocket-Extensions")};
    struct str element;

    *agreement = (struct ws_agreement){0};
    while (next(&cursor, &element)) {
        struct str name = extension_name(element);

        if (!offers(request, STR("Sec-WebSocket-Extensions"), name, true))
            return false;
        if (str_eq_fold(name, STR("permessage-deflate")))
            agreement->compressed = true;
        else
            agreement->other_bits = true;
    }
    return true;
}

bool ws_check_answer(const struct http_head *request, const struct http_head *answer, struct ws_agreement *agreement,
                     struct error *err)
{
    const struct http_headers *headers = &answer->headers;
    struct str protocol = headers_get(headers, STR("Sec-WebSocket-Protocol"));
    char text[WS_ACCEPT_BYTES + 1];
    struct str accept = ws_accept(headers_get(&request->headers, STR("Sec-WebSocket-Key")), text);

    if (!str_eq_fold(answer->protocol, STR("websocket")))
        return fail(err, "the host switched to another protocol than websocket");
    if (count(headers, STR("Sec-WebSocket-Accept")) != 1 || accept.len == 0 ||
        !str_eq(headers_get(headers, STR("Sec-WebSocket-Accept")), accept))
        return fail(err, "the host's Sec-WebSocket-Accept does not fit the key");
    if (count(headers, STR("Sec-WebSocket-Protocol")) > 1 ||
        (protocol.data && !offers(request, STR("Sec-WebSocket-Protocol"), protocol, false)))
        return fail(err, "the host chose a subprotocol that was not offered");
    return check_extensions(request, answer, agreement) ||
           fail(err, "the host chose an extension that was not offered");
}
