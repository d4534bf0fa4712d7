/* h2_host.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "h2_host.h"

struct http_stream *host_open_stream(struct h1_stage *stage)
{
    struct http_stream *stream;

    CHECK_EQ(http_open(stage->conn, &stream, &stage->err), IO_OK);
    stream->owner = &stage->user.task;
    return stream;
}

/* Its head has not left yet. */
struct http_stream *host_ask_unsent(struct h1_stage *stage)
{
    struct http_head head = stage_request("POST", "/x", 0);
    struct http_stream *stream = host_open_stream(stage);

    CHECK_EQ(http_send_head(stream, &head, true, &stage->err), IO_OK);
    return stream;
}

struct http_stream *host_ask(struct h1_stage *stage)
{
    struct http_stream *stream = host_ask_unsent(stage);

    stage_turn(stage);
    return stream;
}

void host_ask_many(struct host_many *many, size_t count)
{
    for (size_t i = 0; i < count; i++)
        many->streams[i] = host_ask(&many->stage);
    (void)h2_frames(&many->stage);
}

void host_send_frame(struct h1_stage *stage, int type, int flags, uint32_t stream, struct str payload)
{
    struct wire wire = wire_new();

    wire_frame(&wire, type, flags, stream, payload);
    h2_send(stage, &wire);
}

void host_send_setting(struct h1_stage *stage, unsigned id, uint32_t value)
{
    struct wire wire = wire_new();

    wire_setting(&wire, id, value);
    h2_send(stage, &wire);
}

void host_send_goaway(struct h1_stage *stage, uint32_t last, uint32_t code, const char *text)
{
    struct wire payload = wire_new();

    wire_add(&payload, wire_u32(last));
    wire_add(&payload, wire_u32(code));
    wire_add(&payload, str_from(text));
    host_send_frame(stage, GOAWAY, 0, 0, wire_text(&payload));
}

void host_send_answer(struct h1_stage *stage, int flags, uint32_t id, const char *lines)
{
    struct wire wire = wire_new();

    wire_response(&wire, flags, id, lines);
    h2_send(stage, &wire);
}

enum io host_recv_head(struct h1_stage *stage, struct http_stream *stream)
{
    stage_turn(stage);
    return http_recv_head(stream, stage->arena, &stage->head, &stage->err);
}

enum http_unfit host_unfit_of(const struct h1_stage *stage)
{
    struct http_conn_facts facts;

    http_facts(stage->conn, &facts);
    return facts.unfit;
}

/* Fails with that code; whether the request may go elsewhere. */
void host_check_failed(struct h1_stage *stage, struct http_stream *stream, enum error_code code, bool retry_safe)
{
    CHECK_EQ(host_recv_head(stage, stream), IO_FAIL);
    CHECK_EQ(stage->err.code, code);
    CHECK_EQ(stage->err.fault, FAULT_UPSTREAM);
    CHECK_EQ(stage->err.retry_safe, retry_safe);
}
