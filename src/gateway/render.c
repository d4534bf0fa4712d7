/* render.c: what the client gets of Data: KrakenD's renderers (spec 3.5) for one backend. Decoding is in
 * render_decode.c. Start with render_answer. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/render.h"

#include "gateway/answer.h"

#include "json/write.h"

static const struct str json_type_text = STR_INIT("application/json; charset=utf-8");
static const struct str plain_type_text = STR_INIT("text/plain; charset=utf-8");

/* The value under `wrap`. */
static void write_wrapped(struct json_writer *writer, const struct decoded *decoded)
{
    if (decoded->raw.data)
        json_write_raw(writer, decoded->raw);
    else if (decoded->text.data)
        json_write_string(writer, decoded->text);
    else if (json_exists(decoded->value))
        json_write(writer, decoded->value);
    else
        json_write_raw(writer, STR("null"));
}

static void write_data(struct json_writer *writer, const struct decoded *decoded)
{
    if (!decoded->has_data) {
        json_write_raw(writer, STR("null"));
    } else if (decoded->wrap.len > 0) {
        json_write_raw(writer, STR("{"));
        json_write_string(writer, decoded->wrap);
        json_write_raw(writer, STR(":"));
        write_wrapped(writer, decoded);
        json_write_raw(writer, STR("}"));
    } else if (decoded->is_empty) {
        json_write_raw(writer, STR("{}"));
    } else {
        json_write(writer, decoded->value);
    }
}

static void write_collection(struct json_writer *writer, const struct decoded *decoded)
{
    struct json member = {NULL, 0};

    if (str_eq(decoded->wrap, STR("collection"))) {
        write_wrapped(writer, decoded);
        return;
    }
    if (decoded->wrap.len == 0 && decoded->has_data && !decoded->is_empty)
        member = json_member(decoded->value, STR("collection"));
    if (json_exists(member))
        json_write(writer, member);
    else
        json_write_raw(writer, STR("[]"));
}

static struct str content_text(struct arena *arena, const struct decoded *decoded)
{
    struct json member = {NULL, 0};

    if (str_eq(decoded->wrap, STR("content"))) {
        if (decoded->text.data)
            return decoded->text;
        member = decoded->value;
    } else if (decoded->wrap.len == 0 && decoded->has_data && !decoded->is_empty) {
        member = json_member(decoded->value, STR("content"));
    }
    return json_type(member) == JSON_STRING ? json_string(arena, member) : STR("");
}

/* The body; data NULL: no room. */
static struct str make_body(struct arena *arena, enum encoding encoding, const struct decoded *decoded)
{
    struct json_writer writer = {.arena = arena};

    switch (encoding) {
    case ENCODING_STRING:
        return content_text(arena, decoded);
    case ENCODING_JSON_COLLECTION:
        write_collection(&writer, decoded);
        break;
    case ENCODING_JSON:
    case ENCODING_SAFEJSON:
    case ENCODING_NO_OP:
    case ENCODING_NEGOTIATE:
        write_data(&writer, decoded);
        break;
    }
    return json_written(&writer);
}

/* Only whole answers with something in them may be kept, and only where a time to live is set. */
static bool add_headers(struct arena *arena, const struct service *service, const struct endpoint *endpoint,
                        const struct decoded *decoded, struct http_headers *headers)
{
    int64_t ttl_ns = endpoint->options->cache_ttl_ns;
    bool completed = decoded->has_data && !decoded->is_empty && decoded->complete;
    struct str type = endpoint->options->output_encoding == ENCODING_STRING ? plain_type_text : json_type_text;

    if (!headers_add_id(headers, arena, HEADER_X_KRAKEND, answer_version(service)))
        return false;
    if (completed && ttl_ns != 0) {
        struct str age = arena_format(arena, "public, max-age=%lld", (long long)(ttl_ns / 1000000000));

        if (!age.data || !headers_add_id(headers, arena, HEADER_CACHE_CONTROL, age))
            return false;
    }
    return headers_add_id(headers, arena, HEADER_X_KRAKEND_COMPLETED, completed ? STR("true") : STR("false")) &&
           headers_add_id(headers, arena, HEADER_CONTENT_TYPE, type);
}

bool render_answer(struct arena *arena, const struct service *service, const struct endpoint *endpoint,
                   const struct http_head *request, const struct decoded *decoded, struct http_head *head,
                   struct str *body, struct error *err)
{
    (void)request; /* Its Accept header will count when more than JSON can be negotiated. */
    *head = (struct http_head){.status = 200, .version_minor = 1, .announced_bytes = -1};
    *body = make_body(arena, endpoint->options->output_encoding, decoded);
    if (!body->data || !add_headers(arena, service, endpoint, decoded, &head->headers))
        return error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory to render an answer");
    head->body_bytes = (int64_t)body->len;
    return true;
}
