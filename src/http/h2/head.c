/* head.c: from decoded fields to a head that is fit for an HTTP/1 hop (RFC 9113 8.3, 8.2.3, 10.3): pseudo fields, Host,
 * cookies in one piece, no byte that means something there. nghttp2 has checked much of it before; what the gateway's
 * safety stands on is checked here again. SPDX-License-Identifier: Apache-2.0 */
#include "http/h2/h2_internal.h"
#include "http/semantics.h"

struct entry {
    uint32_t name_len, value_len;
};

/* What is put together while the fields are walked. */
struct reading {
    struct arena *arena;
    struct http_head *head;
    struct str text; /* what is left of the fields */
    struct str authority;
    struct str cookie;
    size_t cookie_at; /* its place among the fields */
    bool has_host, has_authority;
    struct error *err;
};

bool h2_field_write(struct chain *fields, struct block_pool *pool, struct str name, struct str value)
{
    struct entry entry = {(uint32_t)name.len, (uint32_t)value.len};

    return chain_append(fields, pool, str_of((const char *)&entry, sizeof(entry))) &&
           chain_append(fields, pool, name) && chain_append(fields, pool, value);
}

bool h2_field_read(struct str *fields, struct str *name, struct str *value)
{
    struct entry entry;

    if (fields->len == 0)
        return false;
    memcpy(&entry, fields->data, sizeof(entry));
    *fields = str_from_offset(*fields, sizeof(entry));
    *name = str_first(*fields, entry.name_len);
    *fields = str_from_offset(*fields, entry.name_len);
    *value = str_first(*fields, entry.value_len);
    *fields = str_from_offset(*fields, entry.value_len);
    return true;
}

bool h2_head_add(struct h2_stream *stream, struct str name, struct str value)
{
    struct h2_conn *conn = h2_conn_of(stream);
    struct chain *fields = stream->offered ? &stream->tail : &stream->head;
    size_t before = fields->size;
    bool added = h2_field_write(fields, h2_blocks(conn), name, value);

    conn->head_bytes += fields->size - before;
    stream->fields++;
    return added;
}

static void clear(struct h2_stream *stream, struct chain *fields)
{
    h2_conn_of(stream)->head_bytes -= fields->size;
    chain_clear(fields);
}

void h2_head_clear(struct h2_stream *stream)
{
    clear(stream, &stream->head);
    clear(stream, &stream->tail);
}

static bool refuse(const struct reading *reading, enum error_code code, const char *text)
{
    return error_set(reading->err, FAULT_CLIENT, code, "%s", text);
}

static bool no_memory(const struct reading *reading)
{
    return error_set(reading->err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for a head");
}

/* As HTTP/1 peers are used to see it: "x-request-id" to "X-Request-Id". The bytes are ours. */
static void capitalize(struct str name)
{
    char *bytes = (char *)(uintptr_t)name.data;
    bool first = true;

    for (size_t i = 0; i < name.len; i++) {
        if (first && bytes[i] >= 'a' && bytes[i] <= 'z')
            bytes[i] = (char)(bytes[i] - 'a' + 'A');
        first = bytes[i] == '-';
    }
}

static bool take_pseudo(struct reading *reading, struct str name, struct str value)
{
    struct http_head *head = reading->head;

    if (str_eq(name, STR(":method"))) {
        head->method = value;
    } else if (str_eq(name, STR(":path"))) {
        head->path = value;
    } else if (str_eq(name, STR(":authority"))) {
        head->authority = value;
        reading->has_authority = true;
    } else if (!str_eq(name, STR(":scheme"))) {
        return refuse(reading, ERROR_BAD_FIELD, "a pseudo field that is not known here");
    }
    return true;
}

/* RFC 9113 8.2.3: crumbs come apart for the sake of compression; to everybody else it is one field. */
static bool take_cookie(struct reading *reading, struct str value)
{
    struct http_headers *headers = &reading->head->headers;

    if (!reading->cookie.data) {
        reading->cookie = value;
        reading->cookie_at = headers->count;
        return headers_add_id(headers, reading->arena, HEADER_COOKIE, value) || no_memory(reading);
    }
    reading->cookie = str_of(reading->cookie.data, reading->cookie.len + 2 + value.len);
    return true;
}

static bool take_field(struct reading *reading, struct str name, struct str value)
{
    if (name.len > 0 && name.data[0] == ':')
        return take_pseudo(reading, name, value);
    if (!header_name_is_valid(name) || !header_value_is_valid(value))
        return refuse(reading, ERROR_BAD_FIELD, "a byte in a field that cannot be there");
    if (str_eq(name, STR("cookie")))
        return take_cookie(reading, value);
    reading->has_host |= str_eq(name, STR("host"));
    capitalize(name);
    return headers_add(&reading->head->headers, reading->arena, name, str_trim(value)) || no_memory(reading);
}

/* All crumbs, of which take_cookie has added up the length. */
static bool join_cookies(struct reading *reading, struct str fields)
{
    size_t room = reading->cookie.len, at = 0;
    char *joined = arena_alloc(reading->arena, room > 0 ? room : 1, 1);
    struct str name, value;

    if (!joined)
        return no_memory(reading);
    while (h2_field_read(&fields, &name, &value)) {
        if (!str_eq(name, STR("cookie")))
            continue;
        if (at > 0) {
            memcpy(joined + at, "; ", 2);
            at += 2;
        }
        ASSERT(value.len <= room - at);
        if (value.len > 0)
            memcpy(joined + at, value.data, value.len);
        at += value.len;
    }
    reading->head->headers.fields[reading->cookie_at].value = str_of(joined, at);
    return true;
}

static bool path_is_clean(struct str path)
{
    for (size_t i = 0; i < path.len; i++) {
        unsigned char c = (unsigned char)path.data[i];

        if (c <= ' ' || c >= 0x7f || c == '#')
            return false;
    }
    return true;
}

static bool check_target(const struct reading *reading)
{
    const struct http_head *head = reading->head;

    if (!header_name_is_valid(head->method))
        return refuse(reading, ERROR_BAD_REQUEST_LINE, "the method is no token");
    if (str_eq(head->method, STR("CONNECT"))) {
        if (head->path.len > 0 || str_find_last_char(head->authority, ':') + 1 >= head->authority.len)
            return refuse(reading, ERROR_BAD_TARGET, "the target of CONNECT is not a host and a port");
        return true;
    }
    if (!path_is_clean(head->path))
        return refuse(reading, ERROR_BAD_TARGET, "a byte in the path that cannot be there");
    if (str_starts(head->path, STR("/")) || (str_eq(head->path, STR("*")) && str_eq(head->method, STR("OPTIONS"))))
        return true;
    return refuse(reading, ERROR_BAD_TARGET, "the path does not begin with a slash");
}

/* RFC 9113 8.3.1: both may be there, and must then say the same. What follows wants a Host. */
static bool settle_host(struct reading *reading)
{
    struct http_head *head = reading->head;
    struct str host = headers_get_id(&head->headers, HEADER_HOST);

    if (reading->has_host && reading->has_authority && !str_eq_fold(host, head->authority))
        return refuse(reading, ERROR_BAD_HOST, "Host and :authority differ");
    if (reading->has_authority && head->authority.len == 0)
        return refuse(reading, ERROR_BAD_HOST, "an empty :authority");
    if (reading->has_host || !reading->has_authority)
        return true;
    return headers_add_id(&head->headers, reading->arena, HEADER_HOST, head->authority) || no_memory(reading);
}

/* How long the body is, by the fields and by END_STREAM. */
static void settle_body(const struct h2_stream *stream, struct http_head *head)
{
    if (stream->no_body)
        head->body_bytes = 0;
    else if (head->announced_bytes < 0)
        head->body_bytes = -1;
}

static bool read_fields(struct reading *reading)
{
    struct str fields = reading->text, name, value;

    while (h2_field_read(&reading->text, &name, &value))
        if (!take_field(reading, name, value))
            return false;
    return !reading->cookie.data || join_cookies(reading, fields);
}

static bool read_request(struct h2_stream *stream, struct reading *reading)
{
    struct http_framing framing;

    if (!read_fields(reading) || !check_target(reading) || !settle_host(reading) ||
        !semantics_request(reading->head, &framing, reading->err))
        return false;
    settle_body(stream, reading->head);
    return true;
}

/* Moves the fields into the arena. */
static bool start(struct h2_stream *stream, struct chain *fields, struct reading *reading)
{
    reading->head = arena_make(reading->arena, struct http_head);
    reading->text = reading->head ? chain_copy(fields, reading->arena) : STR_EMPTY;
    if (!reading->text.data)
        return no_memory(reading);
    *reading->head = (struct http_head){.announced_bytes = -1, .version_minor = 1};
    clear(stream, fields);
    return true;
}

enum io h2_head_request(struct h2_stream *stream, struct arena *arena, struct http_head **head, struct error *err)
{
    struct reading reading = {.arena = arena, .err = err};

    if (!start(stream, &stream->head, &reading) || !read_request(stream, &reading))
        return IO_FAIL;
    *head = reading.head;
    return IO_OK;
}

enum io h2_head_trailers(struct h2_stream *stream, struct arena *arena, struct http_head **head, struct error *err)
{
    struct reading reading = {.arena = arena, .err = err};

    if (!start(stream, &stream->tail, &reading) || !read_fields(&reading))
        return IO_FAIL;
    semantics_trailers(reading.head);
    *head = reading.head;
    return IO_OK;
}
