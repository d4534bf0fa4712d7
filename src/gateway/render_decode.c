/* render_decode.c: from a backend's answer to Data: KrakenD's rules for statuses and its decoders (spec 4.3, 4.5). What
 * the client gets of it is in render.c. Start with render_decode. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/decode_xml.h"
#include "gateway/render.h"

#include "json/write.h"

/* One answer being decoded. */
struct decoding {
    struct arena *arena;
    const struct backend *backend;
    const struct http_head *answer;
    struct decoded *out;
    struct error *err;
    struct str *error_body;
};

/* Fails with a text that may be longer than an error holds. */
static bool fail(struct decoding *decoding, enum error_code code, struct str text)
{
    *decoding->error_body = text;
    return error_set(decoding->err, FAULT_UPSTREAM, code, "%.*s", STR_ARG(text));
}

static bool no_memory(struct decoding *decoding)
{
    return error_set(decoding->err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory to decode an answer");
}

/* Data with one member. */
static bool wrap(struct decoding *decoding, struct str name, struct data value)
{
    struct data data = data_new(decoding->arena, DATA_OBJECT);

    if (!name.data || data.kind == DATA_NULL || !data_add(decoding->arena, data.node, name, value))
        return no_memory(decoding);
    decoding->out->data = data;
    decoding->out->complete = true;
    return true;
}

static const char *go_kind(enum json_type type)
{
    switch (type) {
    case JSON_NULL:
        return "null";
    case JSON_FALSE:
    case JSON_TRUE:
        return "bool";
    case JSON_NUMBER:
        return "number";
    case JSON_STRING:
        return "string";
    case JSON_ARRAY:
        return "array";
    case JSON_OBJECT:
        return "object";
    }
    return "value";
}

/* What KrakenD's words do not say: where it was. */
static bool fail_at(struct decoding *decoding, size_t at, const char *text, struct str words)
{
    struct str copy = arena_copy(decoding->arena, str_from(text));

    decoding->out->bad_at = at;
    decoding->out->bad_text = copy.data;
    return fail(decoding, ERROR_BAD_BODY, words);
}

static bool wrong_type(struct decoding *decoding, struct json value, const char *wanted)
{
    enum json_type type = json_type(value);

    return fail_at(
        decoding, json_offset(value), "a value of another type is wanted",
        arena_format(decoding->arena, "json: cannot unmarshal %s into Go value of type %s", go_kind(type), wanted));
}

/* The first value of the body; whatever stands behind it is not looked at. */
static bool parse(struct decoding *decoding, struct str body, struct json *value)
{
    static const struct json_options options = {.trailing_ignored = true, .utf8_repaired = true};
    struct json_doc *doc = arena_make(decoding->arena, struct json_doc);
    struct json_error err;

    if (!doc)
        return no_memory(decoding);
    if (!json_parse(decoding->arena, body, &options, doc, &err))
        return err.no_memory ? no_memory(decoding)
                             : fail_at(decoding, err.at, err.text, arena_copy(decoding->arena, str_from(err.go)));
    *value = json_root(doc);
    return true;
}

static bool decode_object(struct decoding *decoding, struct json value)
{
    enum json_type type = json_type(value);

    if (type != JSON_OBJECT && type != JSON_NULL)
        return wrong_type(decoding, value, "map[string]interface {}");
    decoding->out->complete = true;
    decoding->out->data = data_of(value);
    return true;
}

static bool decode_collection(struct decoding *decoding, struct json value)
{
    enum json_type type = json_type(value);

    if (type != JSON_ARRAY && type != JSON_NULL)
        return wrong_type(decoding, value, "[]interface {}");
    return wrap(decoding, STR("collection"), data_of(value));
}

static bool decode_anything(struct decoding *decoding, struct json value)
{
    if (json_type(value) == JSON_OBJECT)
        return decode_object(decoding, value);
    return wrap(decoding, json_type(value) == JSON_ARRAY ? STR("collection") : STR("content"), data_of(value));
}

static bool decode_json(struct decoding *decoding, struct str body)
{
    struct json value = {NULL, 0};

    if (!parse(decoding, body, &value))
        return false;
    if (decoding->backend->options->encoding == ENCODING_SAFEJSON)
        return decode_anything(decoding, value);
    return decoding->backend->options->is_collection ? decode_collection(decoding, value)
                                                     : decode_object(decoding, value);
}

static bool fail_markup(struct decoding *decoding, size_t at)
{
    struct str text = arena_copy(decoding->arena, str_from(decoding->err->text));

    decoding->out->bad_at = at;
    decoding->out->bad_text = text.data;
    *decoding->error_body = text;
    return false;
}

/* A collection of XML is the whole of it under that name. */
static bool decode_markup(struct decoding *decoding, struct str body)
{
    const struct backend_options *options = decoding->backend->options;
    struct data data;
    size_t at;
    bool ok = options->encoding == ENCODING_XML ? decode_xml(decoding->arena, body, &data, &at, decoding->err)
                                                : decode_feed(decoding->arena, body, &data, &at, decoding->err);

    if (!ok && decoding->err->fault == FAULT_UPSTREAM)
        return fail_markup(decoding, at);
    if (!ok)
        return false;
    if (options->encoding == ENCODING_XML && options->is_collection)
        return wrap(decoding, STR("collection"), data);
    decoding->out->data = data;
    decoding->out->complete = true;
    return true;
}

static bool decode_body(struct decoding *decoding, struct str body)
{
    switch (decoding->backend->options->encoding) {
    case ENCODING_STRING:
        return wrap(decoding, STR("content"), data_text(body));
    case ENCODING_XML:
    case ENCODING_RSS:
        return decode_markup(decoding, body);
    case ENCODING_JSON:
    case ENCODING_JSON_COLLECTION:
    case ENCODING_SAFEJSON:
    case ENCODING_YAML:
    case ENCODING_NO_OP:
    case ENCODING_NEGOTIATE:
        break;
    }
    return decode_json(decoding, body);
}

/* return_error_details: not an error, but Data that tells of one. */
static bool tell_details(struct decoding *decoding, struct str body)
{
    struct str name = decoding->backend->options->return_error_details;
    struct str type = headers_get_id(&decoding->answer->headers, HEADER_CONTENT_TYPE);
    struct json_writer writer = {.arena = decoding->arena};

    json_write_raw(&writer, STR("{\"http_status_code\":"));
    json_write_u64(&writer, decoding->answer->status);
    if (body.len > 0) {
        json_write_raw(&writer, STR(",\"http_body\":"));
        json_write_string(&writer, body);
    }
    if (type.len > 0) {
        json_write_raw(&writer, STR(",\"http_body_encoding\":"));
        json_write_string(&writer, type);
    }
    json_write_raw(&writer, STR("}"));
    if (!json_written(&writer).data ||
        !wrap(decoding, arena_format(decoding->arena, "error_%.*s", STR_ARG(name)), data_raw(json_written(&writer))))
        return no_memory(decoding);
    decoding->out->complete = false;
    return true;
}

static bool refuse_status(struct decoding *decoding, struct str host_url, const struct http_head *asked)
{
    return fail(decoding, ERROR_BAD_STATUS,
                arena_format(decoding->arena, "invalid status code %u [%.*s %.*s]: %.*s%.*s",
                             (unsigned)decoding->answer->status, STR_ARG(asked->method),
                             STR_ARG(decoding->backend->internal), STR_ARG(host_url), STR_ARG(asked->path)));
}

bool render_decode(struct arena *arena, const struct backend *backend, struct str host_url,
                   const struct http_head *asked, const struct http_head *answer, struct str body, struct decoded *out,
                   uint16_t *status, struct error *err, struct str *error_body, struct str *error_type)
{
    struct decoding decoding = {arena, backend, answer, out, err, error_body};

    *out = (struct decoded){0};
    *status = 0;
    *error_body = *error_type = STR_EMPTY;
    if (backend->options->encoding == ENCODING_NO_OP) {
        out->data = data_new(arena, DATA_OBJECT);
        out->complete = true;
        return out->data.kind == DATA_OBJECT || no_memory(&decoding);
    }
    if (answer->status == 200 || answer->status == 201)
        return decode_body(&decoding, body) &&
               (shape_apply(arena, &backend->options->shape, &out->data) || no_memory(&decoding));
    if (backend->options->return_error_details.len > 0)
        return tell_details(&decoding, body);
    (void)!refuse_status(&decoding, host_url, asked);
    if (backend->options->return_error_code) {
        *status = answer->status;
        *error_body = body.data ? body : STR("");
        *error_type = headers_get_id(&answer->headers, HEADER_CONTENT_TYPE);
    }
    return false;
}
