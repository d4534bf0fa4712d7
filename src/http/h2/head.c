/* head.c: decoded fields as they wait in a chain, and what is checked and put together while they are read into a head
 * that is fit for an HTTP/1 hop (RFC 9113 8.2.3, 10.3): cookies in one piece, no byte that means something there.
 * nghttp2 has checked much of it before; what the gateway's safety stands on is checked here again. Requests are in
 * request.c, responses in response.c. SPDX-License-Identifier: Apache-2.0 */
#include "http/h2/h2_internal.h"
#include "http/semantics.h"

#include <stdlib.h>

struct entry {
    uint32_t name_len, value_len;
};

bool h2_field_write(struct chain *fields, struct block_pool *pool, struct str name, struct str value)
{
    struct entry entry = {(uint32_t)name.len, (uint32_t)value.len};
    char *text = chain_claim(fields, pool, sizeof(entry) + name.len + value.len);

    if (!text)
        return false;
    memcpy(text, &entry, sizeof(entry));
    if (name.len > 0)
        memcpy(text + sizeof(entry), name.data, name.len);
    if (value.len > 0)
        memcpy(text + sizeof(entry) + name.len, value.data, value.len);
    return true;
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
    struct chain *fields = stream->offered || h2_is_client(conn) ? &stream->tail : &stream->head;
    size_t before = fields->size;
    bool added = h2_field_write(fields, h2_blocks(conn), name, value);

    conn->head_bytes += fields->size - before;
    stream->fields++;
    return added;
}

/* Without memory it stays as it is. */
void h2_head_pack(struct h2_stream *stream)
{
    struct chain packed = {NULL, NULL, 0};
    size_t size = stream->head.size;
    char *bytes = size > 0 && size <= BLOCK_SMALL_BYTES / 2 ? malloc(size) : NULL;

    ASSERT(!stream->packed);
    if (!bytes || !chain_append_borrowed(&packed, h2_blocks(h2_conn_of(stream)), str_of(bytes, size))) {
        free(bytes);
        return;
    }
    chain_last(&stream->head, bytes, size);
    chain_clear(&stream->head);
    stream->head = packed;
    stream->packed = bytes;
}

static void clear(struct h2_stream *stream, struct chain *fields)
{
    h2_conn_of(stream)->head_bytes -= fields->size;
    chain_clear(fields);
    if (fields == &stream->head) {
        free(stream->packed);
        stream->packed = NULL;
    }
}

void h2_head_clear(struct h2_stream *stream)
{
    clear(stream, &stream->head);
    clear(stream, &stream->tail);
}

bool h2_head_refuse(const struct h2_reading *reading, enum error_code code, const char *text)
{
    return error_set(reading->err, reading->fault, code, "%s", text);
}

bool h2_head_no_memory(const struct h2_reading *reading)
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

static bool take_pseudo(struct h2_reading *reading, struct str name, struct str value)
{
    struct http_head *head = reading->head;

    if (str_eq(name, STR(":method"))) {
        head->method = value;
    } else if (str_eq(name, STR(":path"))) {
        head->path = value;
    } else if (str_eq(name, STR(":protocol"))) {
        head->protocol = value;
    } else if (str_eq(name, STR(":authority"))) {
        head->authority = value;
        reading->has_authority = true;
    } else if (!str_eq(name, STR(":scheme"))) {
        return h2_head_refuse(reading, ERROR_BAD_FIELD, "a pseudo field that is not known here");
    }
    return true;
}

/* RFC 9113 8.3.2: three digits. */
static bool take_status(struct h2_reading *reading, struct str name, struct str value)
{
    uint64_t status;

    if (!str_eq(name, STR(":status")) || value.len != 3 || !text_to_u64(value, &status) || status < 100)
        return h2_head_refuse(reading, ERROR_BAD_STATUS_LINE, "the status is no number of three digits");
    reading->head->status = (uint16_t)status;
    return true;
}

/* RFC 9113 8.2.3: crumbs come apart for the sake of compression; to everybody else it is one field. */
static bool take_cookie(struct h2_reading *reading, struct str value)
{
    struct http_headers *headers = &reading->head->headers;

    if (!reading->cookie.data) {
        reading->cookie = value;
        reading->cookie_at = headers->count;
        return headers_add_id(headers, reading->arena, HEADER_COOKIE, value) || h2_head_no_memory(reading);
    }
    reading->cookie = str_of(reading->cookie.data, reading->cookie.len + 2 + value.len);
    return true;
}

static bool take_field(struct h2_reading *reading, struct str name, struct str value)
{
    struct http_headers *headers = &reading->head->headers;
    enum header_id id;

    if (name.len > 0 && name.data[0] == ':')
        return reading->fault == FAULT_UPSTREAM ? take_status(reading, name, value) : take_pseudo(reading, name, value);
    id = header_id_of(name);
    if ((id == HEADER_OTHER && !header_name_is_valid(name)) || !header_value_is_valid(value))
        return h2_head_refuse(reading, ERROR_BAD_FIELD, "a byte in a field that cannot be there");
    if (id == HEADER_COOKIE)
        return take_cookie(reading, value);
    reading->has_host |= id == HEADER_HOST;
    if (id != HEADER_OTHER)
        return headers_add_id(headers, reading->arena, id, str_trim(value)) || h2_head_no_memory(reading);
    capitalize(name);
    return headers_add(headers, reading->arena, name, str_trim(value)) || h2_head_no_memory(reading);
}

/* All crumbs, of which take_cookie has added up the length. */
static bool join_cookies(struct h2_reading *reading, struct str fields)
{
    size_t room = reading->cookie.len, at = 0;
    char *joined = arena_alloc(reading->arena, room > 0 ? room : 1, 1);
    struct str name, value;

    if (!joined)
        return h2_head_no_memory(reading);
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

static bool read_fields(struct h2_reading *reading)
{
    struct str fields = reading->text, name, value;

    while (h2_field_read(&reading->text, &name, &value))
        if (!take_field(reading, name, value))
            return false;
    return !reading->cookie.data || join_cookies(reading, fields);
}

bool h2_head_read(struct h2_stream *stream, struct chain *fields, struct h2_reading *reading)
{
    reading->fault = h2_peer_fault(h2_conn_of(stream));
    reading->head = arena_make(reading->arena, struct http_head);
    reading->text = reading->head ? chain_copy(fields, reading->arena) : STR_EMPTY;
    if (!reading->text.data)
        return h2_head_no_memory(reading);
    *reading->head = (struct http_head){.announced_bytes = -1, .version_minor = 1};
    clear(stream, fields);
    return read_fields(reading);
}

enum io h2_head_trailers(struct h2_stream *stream, struct arena *arena, struct http_head **head, struct error *err)
{
    struct h2_reading reading = {.arena = arena, .err = err};

    if (!h2_head_read(stream, &stream->tail, &reading))
        return IO_FAIL;
    semantics_trailers(reading.head);
    *head = reading.head;
    return IO_OK;
}

void h2_head_expect_trailers(const struct h2_stream *stream, struct http_head *head)
{
    bool may_have_body = head->status == 0 || (!stream->head_only && status_has_body(head->status));

    if (may_have_body && head->announced_bytes == 0 && !(stream->ended && !stream->trailers))
        head->body_bytes = -1;
}

enum io h2_head_failed(struct h2_stream *stream, struct error *err)
{
    enum fault fault = h2_peer_fault(h2_conn_of(stream));

    stream->receive_failed = true;
    if (stream->head_fault == ERROR_OUT_OF_MEMORY)
        error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for a head");
    else if (stream->head_fault == ERROR_INTERIM_FLOOD)
        error_set(err, fault, ERROR_INTERIM_FLOOD, "more than %d interim answers", H2_INTERIMS_MAX);
    else if (stream->head_fault == ERROR_HEAD_TIMEOUT)
        error_set(err, fault, ERROR_HEAD_TIMEOUT, "the head did not come in time");
    else if (stream->head_fault == ERROR_TARGET_TOO_LONG)
        error_set(err, fault, ERROR_TARGET_TOO_LONG, "the path is too long");
    else if (stream->head_fault != ERROR_NONE)
        error_set(err, fault, ERROR_HEAD_TOO_LARGE, "the head is too large");
    else if (err->fault == fault)
        h2_glitch(h2_conn_of(stream), H2_GLITCH_BAD_STREAM);
    return IO_FAIL;
}
