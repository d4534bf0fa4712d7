/* render.c: what the client gets of Data: KrakenD's renderers (spec 3.5) for one backend. Decoding is in
 * render_decode.c. Start with render_answer. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/render.h"

#include "gateway/answer.h"
#include "gateway/encode.h"

#include "json/write.h"

static void write_collection(struct json_writer *writer, const struct decoded *decoded)
{
    struct data member;

    if (data_find(&decoded->data, STR("collection"), &member))
        data_write(writer, &member);
    else
        json_write_raw(writer, STR("[]"));
}

static struct str content_text(struct arena *arena, const struct decoded *decoded)
{
    struct data member;

    if (!data_find(&decoded->data, STR("content"), &member) || data_type(&member) != JSON_STRING)
        return STR("");
    return data_scalar(arena, &member);
}

/* The body; data NULL: no room. The format is no negotiated one. */
static struct str make_body(struct arena *arena, struct json_shapes *shapes, enum encoding encoding,
                            const struct decoded *decoded)
{
    struct json_writer writer = {.arena = arena, .shapes = shapes};
    struct data data = decoded->data;

    switch (encoding) {
    case ENCODING_STRING:
        return content_text(arena, decoded);
    case ENCODING_XML:
        return encode_xml(arena, &data);
    case ENCODING_YAML:
        return encode_yaml(arena, &data);
    case ENCODING_JSON_COLLECTION:
        write_collection(&writer, decoded);
        break;
    case ENCODING_JSON:
    case ENCODING_SAFEJSON:
    case ENCODING_RSS:
    case ENCODING_NO_OP:
    case ENCODING_NEGOTIATE:
        data_write(&writer, &decoded->data);
        break;
    }
    return json_written(&writer);
}

static struct str type_of(enum encoding encoding)
{
    switch (encoding) {
    case ENCODING_STRING:
        return STR("text/plain; charset=utf-8");
    case ENCODING_XML:
        return STR("application/xml");
    case ENCODING_YAML:
        return STR("application/yaml; charset=utf-8");
    case ENCODING_JSON:
    case ENCODING_JSON_COLLECTION:
    case ENCODING_SAFEJSON:
    case ENCODING_RSS:
    case ENCODING_NO_OP:
    case ENCODING_NEGOTIATE:
        break;
    }
    return STR("application/json; charset=utf-8");
}

/* Only whole answers with something in them may be kept, and only where a time to live is set. */
static bool add_headers(struct arena *arena, const struct service *service, const struct endpoint *endpoint,
                        const struct decoded *decoded, enum encoding encoding, struct http_headers *headers)
{
    int64_t ttl_ns = endpoint->options->cache_ttl_ns;
    bool completed = decoded->complete && !data_is_empty(&decoded->data);

    if (!headers_add_id(headers, arena, HEADER_X_KRAKEND, answer_version(service)))
        return false;
    if (completed && ttl_ns != 0) {
        struct str age = arena_format(arena, "public, max-age=%lld", (long long)(ttl_ns / 1000000000));

        if (!age.data || !headers_add_id(headers, arena, HEADER_CACHE_CONTROL, age))
            return false;
    }
    return headers_add_id(headers, arena, HEADER_X_KRAKEND_COMPLETED, completed ? STR("true") : STR("false")) &&
           headers_add_id(headers, arena, HEADER_CONTENT_TYPE, type_of(encoding));
}

bool render_answer(struct arena *arena, struct json_shapes *shapes, const struct service *service,
                   const struct endpoint *endpoint, const struct http_head *request, const struct decoded *decoded,
                   struct http_head *head, struct str *body, struct error *err)
{
    enum encoding encoding = endpoint->options->output_encoding;

    if (encoding == ENCODING_NEGOTIATE)
        encoding = encode_negotiate(headers_get_id(&request->headers, HEADER_ACCEPT));
    *head = (struct http_head){.status = 200, .version_minor = 1, .announced_bytes = -1};
    *body = make_body(arena, shapes, encoding, decoded);
    if (!body->data || !add_headers(arena, service, endpoint, decoded, encoding, &head->headers))
        return error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory to render an answer");
    head->body_bytes = (int64_t)body->len;
    return true;
}
