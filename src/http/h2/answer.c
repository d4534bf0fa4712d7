/* answer.c: the server role's heads out: interim answers, final ones with Date and length, trailers.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http/h2/h2_internal.h"

enum { FIELDS_EXTRA = 3 }; /* :status, date, content-length */

/* Values are borrowed until it is submitted. */
struct answer {
    struct h2_block block;
    char status[NUMBER_TEXT_BYTES], date[HTTP_DATE_BYTES];
};

static bool begin(struct answer *answer, const struct http_head *head, uint16_t status)
{
    if (!h2_block_begin(&answer->block, (size_t)head->headers.count + FIELDS_EXTRA))
        return false;
    h2_block_add_static(&answer->block, STR(":status"), str_of(answer->status, text_from_u64(status, answer->status)));
    return true;
}

static void add_date(const struct h2_conn *conn, struct answer *answer, const struct http_headers *headers)
{
    struct http_dates *dates = conn->options->dates;
    uint64_t wall_ns = loop_wall_ns(conn->base.loop);

    if (!headers_get_id(headers, HEADER_DATE).data)
        h2_block_add_known(&answer->block, HEADER_DATE,
                           dates ? http_date_of(dates, wall_ns) : http_date(wall_ns, answer->date));
}

static enum io finish(struct h2_stream *stream, struct answer *answer, int result, struct error *err)
{
    h2_block_end(&answer->block);
    if (result != 0)
        return h2_send_no_memory(stream, err);
    h2_wake_self(h2_conn_of(stream));
    return IO_OK;
}

/* 100 only once, and to who asked; 101 has no meaning here (RFC 9113 8.6). */
static enum io send_interim(struct h2_stream *stream, const struct http_head *head, struct error *err)
{
    struct answer answer;

    if (head->status == 101 || (head->status == 100 && !stream->expects))
        return IO_OK;
    if (head->status == 100)
        stream->expects = false;
    if (!begin(&answer, head, head->status))
        return h2_send_no_memory(stream, err);
    h2_block_add_fields(&answer.block, &head->headers, false);
    return finish(stream, &answer,
                  nghttp2_submit_headers(h2_conn_of(stream)->session, NGHTTP2_FLAG_NONE, stream->id, NULL,
                                         answer.block.fields, answer.block.count, NULL),
                  err);
}

void h2_send_continue(struct h2_stream *stream)
{
    const struct http_head head = {.status = 100};
    struct error err;

    if (stream->expects && stream->send == H2_SEND_HEAD && stream->in.size == 0)
        (void)send_interim(stream, &head, &err);
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
    if (stream->switched) {
        stream->send = last ? H2_SEND_END : H2_SEND_BODY;
        return -1;
    }
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

/* RFC 8441 5: what is granted by 101 in HTTP/1 is granted by 200 here. */
static enum io send_final(struct h2_stream *stream, const struct http_head *head, bool last, struct error *err)
{
    struct h2_conn *conn = h2_conn_of(stream);
    nghttp2_data_provider body = {.read_callback = h2_data_read};
    struct answer answer;

    stream->switched = head->status == 101;
    if (!begin(&answer, head, stream->switched ? 200 : head->status))
        return h2_send_no_memory(stream, err);
    add_date(conn, &answer, &head->headers);
    h2_block_add_fields(&answer.block, &head->headers, stream->switched);
    h2_block_add_length(&answer.block, settle_body(stream, head, last));
    h2_priority_apply(stream, headers_get(&head->headers, STR("Priority")));
    return finish(stream, &answer,
                  nghttp2_submit_response(conn->session, stream->id, answer.block.fields, answer.block.count,
                                          stream->send == H2_SEND_BODY ? &body : NULL),
                  err);
}

enum io h2_send_answer(struct http_stream *base, const struct http_head *head, bool last, struct error *err)
{
    struct h2_stream *stream = h2_of_stream(base);
    struct h2_conn *conn = h2_conn_of(stream);

    ASSERT(stream->open);
    if (conn->broken || conn->condemned || !stream->live || stream->reset_by_us || stream->send == H2_SEND_FAILED)
        return h2_stream_fail(stream, err);
    if (head->status == 0)
        return h2_send_trailers(stream, head, err);
    ASSERT(stream->send == H2_SEND_HEAD);
    ASSERT(head->status >= 100 && head->status <= 999);
    if (head->status < 200 && !(head->status == 101 && stream->asked))
        return send_interim(stream, head, err);
    return send_final(stream, head, last, err);
}
