/* answer.c: the server role's heads out: names in lower case (nghttp2 does that), no field of a connection, Date.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "http/h2/h2_internal.h"
#include "http/semantics.h"

#include <stdlib.h>

enum { FIELDS_ON_STACK = 48, FIELDS_EXTRA = 3 }; /* :status, date, content-length */

/* A head for nghttp2; values are borrowed until it is submitted. */
struct block {
    nghttp2_nv few[FIELDS_ON_STACK];
    nghttp2_nv *fields;
    size_t count;
    char status[NUMBER_TEXT_BYTES], length[NUMBER_TEXT_BYTES], date[HTTP_DATE_BYTES];
};

static bool begin(struct block *block, const struct http_headers *headers)
{
    size_t most = (size_t)headers->count + FIELDS_EXTRA;

    block->count = 0;
    block->fields = most <= FIELDS_ON_STACK ? block->few : malloc(most * sizeof(*block->fields));
    return block->fields;
}

static void end(struct block *block)
{
    if (block->fields != block->few)
        free(block->fields);
}

static void add(struct block *block, struct str name, struct str value)
{
    block->fields[block->count++] = (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)name.data,
        .namelen = name.len,
        .value = (uint8_t *)(uintptr_t)value.data,
        .valuelen = value.len,
    };
}

/* RFC 9113 8.2.2, and what is written here. */
static bool is_ours(enum header_id id)
{
    return id == HEADER_HOST || id == HEADER_CONTENT_LENGTH || header_is_hop_by_hop(id);
}

/* A value that another hop would have to refuse is left out rather than sent. */
static void add_fields(struct block *block, const struct http_headers *headers)
{
    for (uint32_t i = 0; i < headers->count; i++) {
        const struct http_field *field = &headers->fields[i];

        if (!is_ours((enum header_id)field->id))
            add(block, field->name, str_trim(field->value));
    }
}

static void add_status(struct block *block, uint16_t status)
{
    add(block, STR(":status"), str_of(block->status, text_from_u64(status, block->status)));
}

static void add_length(struct block *block, int64_t bytes)
{
    if (bytes >= 0)
        add(block, STR("content-length"), str_of(block->length, text_from_u64((uint64_t)bytes, block->length)));
}

static void add_date(const struct h2_conn *conn, struct block *block, const struct http_headers *headers)
{
    if (!headers_get_id(headers, HEADER_DATE).data)
        add(block, STR("date"), http_date(loop_wall_ns(conn->base.loop), block->date));
}

static enum io no_memory(struct h2_stream *stream, struct error *err)
{
    struct error failure;

    error_set(&failure, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory to send");
    h2_break(h2_conn_of(stream), &failure);
    return h2_stream_fail(stream, err);
}

static enum io finish(struct h2_stream *stream, struct block *block, int result, struct error *err)
{
    end(block);
    if (result != 0)
        return no_memory(stream, err);
    h2_wake_self(h2_conn_of(stream));
    return IO_OK;
}

/* 100 only once, and to who asked; 101 has no meaning here (RFC 9113 8.6). */
static enum io send_interim(struct h2_stream *stream, const struct http_head *head, struct error *err)
{
    struct block block;

    if (head->status == 101 || (head->status == 100 && !stream->expects))
        return IO_OK;
    if (head->status == 100)
        stream->expects = false;
    if (!begin(&block, &head->headers))
        return no_memory(stream, err);
    add_status(&block, head->status);
    add_fields(&block, &head->headers);
    return finish(stream, &block,
                  nghttp2_submit_headers(h2_conn_of(stream)->session, NGHTTP2_FLAG_NONE, stream->id, NULL, block.fields,
                                         block.count, NULL),
                  err);
}

void h2_send_continue(struct h2_stream *stream)
{
    const struct http_head head = {.status = 100};
    struct error err;

    if (stream->expects && stream->send == H2_SEND_HEAD && stream->in.size == 0)
        (void)send_interim(stream, &head, &err);
}

/* They wait until the body before them has left: nghttp2 would send them first. */
static enum io send_trailers(struct h2_stream *stream, const struct http_head *head, struct error *err)
{
    bool fit = stream->send == H2_SEND_BODY && !(stream->measured && stream->send_left > 0);
    size_t count = 0;

    for (uint32_t i = 0; fit && i < head->headers.count && count < FIELDS_ON_STACK; i++) {
        const struct http_field *field = &head->headers.fields[i];

        if (is_ours((enum header_id)field->id))
            continue;
        if (!h2_field_write(&stream->tail_out, h2_blocks(h2_conn_of(stream)), field->name, field->value))
            return no_memory(stream, err);
        count++;
    }
    return h2_send_end(stream, err);
}

bool h2_submit_trailers(struct h2_stream *stream)
{
    struct h2_conn *conn = h2_conn_of(stream);
    struct str text = chain_pull(&stream->tail_out, h2_blocks(conn), stream->tail_out.size), name, value;
    struct block block = {.count = 0};
    bool submitted;

    block.fields = block.few;
    while (h2_field_read(&text, &name, &value))
        add(&block, name, str_trim(value));
    submitted = block.count > 0 && nghttp2_submit_trailer(conn->session, stream->id, block.fields, block.count) == 0;
    chain_clear(&stream->tail_out);
    return submitted;
}

/* RFC 9110 8.6: to HEAD and in 304 the length tells what a GET would give, when that is known. */
static int64_t announced(const struct h2_stream *stream, const struct http_head *head)
{
    if (head->status == 204)
        return -1;
    if (head->announced_bytes < 0 && stream->head_only && head->body_bytes > 0)
        return head->body_bytes;
    return head->announced_bytes;
}

/* What comes behind the head; returns the Content-Length, or -1. */
static int64_t settle_body(struct h2_stream *stream, const struct http_head *head, bool last)
{
    if (stream->head_only || !status_has_body(head->status)) {
        stream->send = last ? H2_SEND_END : H2_SEND_NO_BODY;
        return announced(stream, head);
    }
    if (last) {
        stream->send = H2_SEND_END;
        return 0;
    }
    stream->send = H2_SEND_BODY;
    stream->measured = head->body_bytes >= 0;
    stream->send_left = stream->measured ? (uint64_t)head->body_bytes : 0;
    return head->body_bytes;
}

static enum io send_final(struct h2_stream *stream, const struct http_head *head, bool last, struct error *err)
{
    struct h2_conn *conn = h2_conn_of(stream);
    nghttp2_data_provider body = {.read_callback = h2_data_read};
    struct block block;

    if (!begin(&block, &head->headers))
        return no_memory(stream, err);
    add_status(&block, head->status);
    add_date(conn, &block, &head->headers);
    add_fields(&block, &head->headers);
    add_length(&block, settle_body(stream, head, last));
    h2_priority_apply(stream, headers_get(&head->headers, STR("Priority")));
    return finish(stream, &block,
                  nghttp2_submit_response(conn->session, stream->id, block.fields, block.count,
                                          stream->send == H2_SEND_BODY ? &body : NULL),
                  err);
}

enum io h2_send_head(struct http_stream *base, const struct http_head *head, bool last, struct error *err)
{
    struct h2_stream *stream = h2_of_stream(base);
    struct h2_conn *conn = h2_conn_of(stream);

    ASSERT(stream->open);
    if (conn->broken || conn->condemned || !stream->live || stream->reset_by_us || stream->send == H2_SEND_FAILED)
        return h2_stream_fail(stream, err);
    if (head->status == 0)
        return send_trailers(stream, head, err);
    ASSERT(stream->send == H2_SEND_HEAD);
    ASSERT(head->status >= 100 && head->status <= 999);
    if (head->status < 200)
        return send_interim(stream, head, err);
    return send_final(stream, head, last, err);
}
