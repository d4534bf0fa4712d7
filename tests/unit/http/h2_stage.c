/* h2_stage.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "h2_stage.h"

#include "http/h2/framer.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>

enum { WIRE_MAX = 4 << 20 };

struct wire wire_new(void)
{
    struct wire wire = {arena_alloc(test_arena(), WIRE_MAX, 1), 0};

    CHECK(wire.bytes != NULL);
    return wire;
}

struct str wire_text(const struct wire *wire)
{
    return str_of(wire->bytes, wire->len);
}

void wire_add(struct wire *wire, struct str bytes)
{
    CHECK(bytes.len <= WIRE_MAX - wire->len);
    if (bytes.len > 0)
        memcpy(wire->bytes + wire->len, bytes.data, bytes.len);
    wire->len += bytes.len;
}

void wire_zeros(struct wire *wire, uint32_t stream, size_t size)
{
    wire_frame(wire, DATA, 0, stream, str_of(arena_zero(test_arena(), size), size));
}

struct str wire_u32(uint32_t number)
{
    char *bytes = arena_alloc(test_arena(), 4, 1);

    for (int i = 0; i < 4; i++)
        bytes[i] = (char)(number >> (24 - 8 * i));
    return str_of(bytes, 4);
}

void wire_frame(struct wire *wire, int type, int flags, uint32_t stream, struct str payload)
{
    const char header[] = {(char)(payload.len >> 16), (char)(payload.len >> 8), (char)payload.len, (char)type,
                           (char)flags};

    wire_add(wire, str_of(header, sizeof(header)));
    wire_add(wire, wire_u32(stream));
    wire_add(wire, payload);
}

void wire_setting(struct wire *wire, unsigned id, uint32_t value)
{
    struct wire payload = {arena_alloc(test_arena(), 6, 1), 0};
    const char number[] = {(char)(id >> 8), (char)id};

    wire_add(&payload, str_of(number, 2));
    wire_add(&payload, wire_u32(value));
    wire_frame(wire, SETTINGS, 0, 0, wire_text(&payload));
}

static void add_length(struct wire *wire, size_t len)
{
    char bytes[4];
    size_t count = 0;

    if (len < 127) {
        bytes[count++] = (char)len;
    } else {
        bytes[count++] = 127;
        for (len -= 127; len >= 128; len /= 128)
            bytes[count++] = (char)(len % 128 + 128);
        bytes[count++] = (char)len;
    }
    wire_add(wire, str_of(bytes, count));
}

static void add_field(struct wire *wire, struct str name, struct str value)
{
    wire_add(wire, str_of("\0", 1));
    add_length(wire, name.len);
    wire_add(wire, name);
    add_length(wire, value.len);
    wire_add(wire, value);
}

static void add_line(struct wire *wire, struct str line)
{
    size_t colon = str_find(line, STR(": ")), space = str_find_char(line, ' ');

    if (colon == line.len) {
        add_field(wire, STR(":method"), str_first(line, space));
        add_field(wire, STR(":scheme"), STR("http"));
        add_field(wire, STR(":authority"), STR("example.test"));
        add_field(wire, STR(":path"), str_from_offset(line, space + 1));
    } else {
        add_field(wire, str_first(line, colon), str_from_offset(line, colon + 2));
    }
}

struct str wire_fields(const char *lines)
{
    struct str rest = str_from(lines), line;
    struct wire wire = wire_new();

    while (rest.len > 0 && str_split(&rest, '\n', &line))
        add_line(&wire, line);
    return wire_text(&wire);
}

void wire_request(struct wire *wire, int flags, uint32_t stream, const char *lines)
{
    wire_frame(wire, HEADERS, flags | END_HEADERS, stream, wire_fields(lines));
}

void wire_response(struct wire *wire, int flags, uint32_t stream, const char *lines)
{
    wire_frame(wire, HEADERS, flags | END_HEADERS, stream, wire_fields(lines));
}

void wire_hello(struct wire *wire)
{
    wire_add(wire, STR(PREFACE));
    wire_frame(wire, SETTINGS, 0, 0, STR(""));
    wire_frame(wire, SETTINGS, ACK, 0, STR(""));
}

static void mark(struct task *task)
{
    container_of(task, struct probe, task)->runs++;
}

static void open_stage(struct h1_stage *stage, enum http_role role, const struct http_conn_options *options)
{
    static const struct http_conn_options none;
    struct stream *near;

    *stage = (struct h1_stage){.owner = {.task = {.run = mark}}, .user = {.task = {.run = mark}}};
    fake_world_init(&stage->fake);
    stage->fake.now_ns = 1000 * SECONDS;
    stage->fake.wall_ns = 784111777 * SECONDS;
    stage->loop = loop_new(&stage->fake.world);
    stage->arena = test_arena();
    CHECK(stage->loop != NULL);
    if (!pair_new(stage->loop, STAGE_ROOM, &near, &stage->far))
        test_fail(__FILE__, __LINE__, "no pair");
    options = options ? options : &none;
    stage->conn = role == HTTP_SERVER ? h2_server_new(near, NULL, options, &stage->owner.task, &stage->err)
                                      : h2_client_new(near, options, &stage->owner.task, &stage->err);
    CHECK(stage->conn != NULL);
    stage_turn(stage);
}

void h2_stage_open_silent(struct h1_stage *stage, const struct http_conn_options *options)
{
    open_stage(stage, HTTP_SERVER, options);
}

void h2_stage_open_client_silent(struct h1_stage *stage, const struct http_conn_options *options)
{
    open_stage(stage, HTTP_CLIENT, options);
}

void h2_stage_open_client(struct h1_stage *stage, const struct http_conn_options *options)
{
    struct wire wire = wire_new();

    h2_stage_open_client_silent(stage, options);
    CHECK_TEXT(h2_frames(stage), "PREFACE\nSETTINGS\nWINDOW_UPDATE 0 4128769\n");
    wire_setting(&wire, 1, 0);
    wire_frame(&wire, SETTINGS, ACK, 0, STR(""));
    h2_send(stage, &wire);
    CHECK_TEXT(h2_frames(stage), "SETTINGS ack\n");
    stage->owner.runs = 0;
}

void h2_stage_open(struct h1_stage *stage, const struct http_conn_options *options)
{
    struct wire wire = wire_new();

    h2_stage_open_silent(stage, options);
    wire_hello(&wire);
    h2_send(stage, &wire);
    CHECK_TEXT(h2_frames(stage), "SETTINGS\nWINDOW_UPDATE 0 458753\nSETTINGS ack\n");
}

void h2_send(struct h1_stage *stage, const struct wire *wire)
{
    far_send(stage, wire_text(wire));
}

void h2_send_unread(struct h1_stage *stage, const struct wire *wire)
{
    struct iovec part = {wire->bytes, wire->len};
    size_t sent;

    CHECK_EQ(stream_writev(stage->far, &part, 1, &sent, &stage->err), IO_OK);
    CHECK_EQ(sent, wire->len);
}

void h2_ask(struct h1_stage *stage, int flags, uint32_t id, const char *lines)
{
    struct wire wire = wire_new();

    wire_request(&wire, flags, id, lines);
    h2_send(stage, &wire);
}

static uint32_t read_u32(struct str bytes)
{
    uint32_t number = 0;

    CHECK(bytes.len >= 4);
    for (int i = 0; i < 4; i++)
        number = number << 8 | (uint8_t)bytes.data[i];
    return number;
}

/* Tests read whole header blocks, which nghttp2 writes in one frame when they are small. */
static void show_head(FILE *out, nghttp2_hd_inflater *inflater, struct str block)
{
    const uint8_t *at = (const uint8_t *)block.data;
    size_t left = block.len;
    int flags = 0;

    do {
        nghttp2_nv field;
        ssize_t used = nghttp2_hd_inflate_hd2(inflater, &field, &flags, at, left, 1);

        CHECK(used >= 0);
        at += used;
        left -= (size_t)used;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) && strncmp((char *)field.name, "date", 4) != 0)
            fprintf(out, " %.*s=%.*s", (int)field.namelen, field.name, (int)field.valuelen, field.value);
    } while (!(flags & NGHTTP2_HD_INFLATE_FINAL));
    CHECK_EQ(nghttp2_hd_inflate_end_headers(inflater), 0);
}

static void show(FILE *out, nghttp2_hd_inflater *inflater, struct str header, struct str payload)
{
    static const char *const names[] = {"DATA",         "HEADERS", "PRIORITY", "RST_STREAM",    "SETTINGS",
                                        "PUSH_PROMISE", "PING",    "GOAWAY",   "WINDOW_UPDATE", "CONTINUATION"};
    int type = header.data[3], flags = header.data[4];
    uint32_t stream = read_u32(str_from_offset(header, 5));

    CHECK(type >= 0 && type <= CONTINUATION);
    fprintf(out, "%s", names[type]);
    if (type == DATA || type == HEADERS)
        fprintf(out, " %u%s", stream, flags & END_STREAM ? " end" : "");
    if (type == DATA && payload.len < 80)
        fprintf(out, " %.*s", STR_ARG(payload));
    else if (type == DATA)
        fprintf(out, " (%zu)", payload.len);
    if (type == HEADERS)
        show_head(out, inflater, payload);
    if (type == RST_STREAM)
        fprintf(out, " %u %s", stream, h2_error_name(read_u32(payload)));
    if (type == GOAWAY)
        fprintf(out, " %u %s", read_u32(payload) & 0x7fffffff, h2_error_name(read_u32(str_from_offset(payload, 4))));
    if (type == WINDOW_UPDATE)
        fprintf(out, " %u %u", stream, read_u32(payload));
    if ((type == PING || type == SETTINGS) && (flags & ACK))
        fprintf(out, " ack");
    fprintf(out, "\n");
}

struct str h2_frames(struct h1_stage *stage)
{
    bool ended_before = stage->far_ended || stage->far_reset;
    struct str text = far_text(stage);
    char *shown = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&shown, &len);
    nghttp2_hd_inflater *inflater = NULL;
    struct str copy;

    CHECK(out != NULL);
    CHECK_EQ(nghttp2_hd_inflate_new(&inflater), 0);
    if (str_starts(text, STR(PREFACE))) {
        fprintf(out, "PREFACE\n");
        text = str_from_offset(text, H2_PREFACE_BYTES);
    }
    while (text.len > 0) {
        size_t size;

        CHECK(text.len >= 9);
        size = (size_t)(uint8_t)text.data[0] << 16 | (size_t)(uint8_t)text.data[1] << 8 | (uint8_t)text.data[2];
        CHECK(text.len >= 9 + size);
        show(out, inflater, str_first(text, 9), str_first(str_from_offset(text, 9), size));
        text = str_from_offset(text, 9 + size);
    }
    if (!ended_before && (stage->far_ended || stage->far_reset))
        fprintf(out, stage->far_reset ? "RST\n" : "FIN\n");
    nghttp2_hd_inflate_del(inflater);
    fclose(out);
    copy = arena_copy(stage->arena, str_of(shown, len));
    free(shown);
    return copy;
}

void h2_overflow(struct h1_stage *stage)
{
    struct wire wire = wire_new();

    wire_zeros(&wire, 1, 16000);
    wire_zeros(&wire, 1, 16000);
    h2_send(stage, &wire);
    CHECK_TEXT(h2_frames(stage), "RST_STREAM 1 FLOW_CONTROL_ERROR\n");
}
