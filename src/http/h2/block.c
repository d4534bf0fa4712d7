/* block.c: heads and trailers for nghttp2, what both roles share: names in lower case (nghttp2 does that), no field of
 * a connection, no byte that another hop would take for something else. SPDX-License-Identifier: Apache-2.0 */
#include "http/h2/h2_internal.h"
#include "http/semantics.h"
#include "http/ws/upgrade.h"

#include <stdlib.h>

bool h2_block_begin(struct h2_block *block, size_t fields_max)
{
    block->count = 0;
    block->fields = fields_max <= H2_FIELDS_ON_STACK ? block->few : malloc(fields_max * sizeof(*block->fields));
    return block->fields;
}

void h2_block_end(struct h2_block *block)
{
    if (block->fields != block->few)
        free(block->fields);
}

void h2_block_add_static(struct h2_block *block, struct str name, struct str value)
{
    h2_block_add(block, name, value);
    block->fields[block->count - 1].flags = NGHTTP2_NV_FLAG_NO_COPY_NAME;
}

void h2_block_add_known(struct h2_block *block, enum header_id id, struct str value)
{
    h2_block_add_static(block, header_name_lower(id), value);
}

void h2_block_add(struct h2_block *block, struct str name, struct str value)
{
    block->fields[block->count++] = (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)name.data,
        .namelen = name.len,
        .value = (uint8_t *)(uintptr_t)value.data,
        .valuelen = value.len,
    };
}

/* RFC 9113 8.2.2, and what is written here. */
static bool is_ours(const struct http_field *field)
{
    enum header_id id = (enum header_id)field->id;

    return id == HEADER_HOST || id == HEADER_CONTENT_LENGTH || header_is_hop_by_hop(id);
}

/* What another hop would have to refuse is left out rather than sent. */
static bool is_clean(const struct http_field *field)
{
    return (field->id != HEADER_OTHER || header_name_is_valid(field->name)) && header_value_is_valid(field->value);
}

/* RFC 8441 5: these two prove nothing here. */
static bool is_of_handshake(const struct http_field *field)
{
    return ws_is_field(field->name) && (str_eq_fold(field->name, STR("Sec-WebSocket-Key")) ||
                                        str_eq_fold(field->name, STR("Sec-WebSocket-Accept")));
}

void h2_block_add_fields(struct h2_block *block, const struct http_headers *headers, bool handshake)
{
    for (uint32_t i = 0; i < headers->count; i++) {
        const struct http_field *field = &headers->fields[i];

        if (is_ours(field) || !is_clean(field) || (handshake && is_of_handshake(field)))
            continue;
        if (field->id != HEADER_OTHER)
            h2_block_add_known(block, (enum header_id)field->id, str_trim(field->value));
        else
            h2_block_add(block, field->name, str_trim(field->value));
    }
}

void h2_block_add_length(struct h2_block *block, int64_t bytes)
{
    if (bytes >= 0)
        h2_block_add_known(block, HEADER_CONTENT_LENGTH,
                           str_of(block->length, text_from_u64((uint64_t)bytes, block->length)));
}

enum io h2_send_no_memory(struct h2_stream *stream, struct error *err)
{
    struct error failure;

    error_set(&failure, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory to send");
    h2_break(h2_conn_of(stream), &failure);
    return h2_stream_fail(stream, err);
}

/* They wait until the body before them has left: nghttp2 would send them first. */
enum io h2_send_trailers(struct h2_stream *stream, const struct http_head *head, struct error *err)
{
    bool fit = stream->send == H2_SEND_BODY && !stream->switched && !(stream->measured && stream->send_left > 0);
    size_t count = 0;

    for (uint32_t i = 0; fit && i < head->headers.count && count < H2_FIELDS_ON_STACK; i++) {
        const struct http_field *field = &head->headers.fields[i];

        if (is_ours(field) || !is_clean(field))
            continue;
        if (!h2_field_write(&stream->tail_out, h2_blocks(h2_conn_of(stream)), field->name, field->value))
            return h2_send_no_memory(stream, err);
        count++;
    }
    return h2_send_end(stream, err);
}

bool h2_submit_trailers(struct h2_stream *stream)
{
    struct h2_conn *conn = h2_conn_of(stream);
    struct str text = chain_pull(&stream->tail_out, h2_blocks(conn), stream->tail_out.size), name, value;
    struct h2_block block = {.count = 0};
    bool submitted;

    block.fields = block.few;
    while (h2_field_read(&text, &name, &value))
        h2_block_add(&block, name, str_trim(value));
    submitted = block.count > 0 && nghttp2_submit_trailer(conn->session, stream->id, block.fields, block.count) == 0;
    chain_clear(&stream->tail_out);
    return submitted;
}
