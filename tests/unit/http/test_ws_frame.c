/* test_ws_frame.c: WebSocket frames as they pass, fed whole, byte by byte and at random cuts; and control frames of our
 * own. SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "http/ws/frame.h"

#include <stdio.h>

enum { INPUT_MAX = 4096 };

/* What one direction makes of its input: a trace like "data 3; ping hi; close 1000; wrong 1002". */
struct direction {
    struct ws_reader start, reader;
    char pending[INPUT_MAX];
    size_t size, data; /* bytes that wait; of data since the last control frame */
    char trace[1024];
    size_t len;
    bool wrong;
    struct str want;
};

static void say(struct direction *direction, const char *what, unsigned number)
{
    direction->len += (size_t)snprintf(direction->trace + direction->len, sizeof(direction->trace) - direction->len,
                                       "%s %u; ", what, number);
    CHECK(direction->len < sizeof(direction->trace));
}

static void say_data(struct direction *direction)
{
    if (direction->data > 0)
        say(direction, "data", (unsigned)direction->data);
    direction->data = 0;
}

static void direction_start(void *arg)
{
    struct direction *direction = arg;

    direction->reader = direction->start;
    direction->size = direction->data = direction->len = 0;
    direction->trace[0] = 0;
    direction->wrong = false;
}

static const char *name_of(uint8_t opcode)
{
    return opcode == WS_PING ? "ping" : opcode == WS_PONG ? "pong" : "close";
}

static void drop(struct direction *direction, size_t size)
{
    CHECK(size <= direction->size);
    direction->size -= size;
    memmove(direction->pending, direction->pending + size, direction->size);
}

/* False: it asks for more, or is wrong. */
static bool step(struct direction *direction)
{
    struct ws_piece piece;

    switch (ws_read(&direction->reader, guard_copy(str_of(direction->pending, direction->size)), &piece)) {
    case WS_DATA:
        CHECK(piece.size > 0);
        direction->data += piece.size;
        drop(direction, piece.size);
        return true;
    case WS_CONTROL:
        say_data(direction);
        say(direction, name_of(piece.opcode), piece.opcode == WS_CLOSE ? piece.code : piece.len);
        drop(direction, piece.size);
        return true;
    case WS_MORE:
        CHECK(piece.size > direction->size);
        return false;
    case WS_WRONG:
        say_data(direction);
        say(direction, "wrong", piece.code);
        direction->wrong = true;
        return false;
    }
    return false;
}

static bool direction_feed(void *arg, struct str piece)
{
    struct direction *direction = arg;

    CHECK(direction->size + piece.len <= INPUT_MAX);
    memcpy(direction->pending + direction->size, piece.data, piece.len);
    direction->size += piece.len;
    while (step(direction))
        ;
    return !direction->wrong;
}

static void direction_end(void *arg)
{
    struct direction *direction = arg;

    say_data(direction);
    CHECK_STR(str_of(direction->trace, direction->len), direction->want);
}

struct row {
    const char *hex, *trace;
    bool compressed, other_bits;
    uint64_t bytes_max;
};

/* From a client: the mask is 01020304. */
static const struct row from_clients[] = {
    /* clang-format off */
    {"", "", 0, 0, 0},
    {"81850102030469676f686e", "data 11; ", 0, 0, 0},
    {"01830102030469676f8082010203046d6d", "data 17; ", 0, 0, 0},
    {"818001020304", "data 6; ", 0, 0, 0},
    {"89820102030469678182010203046d6d", "ping 2; data 8; ", 0, 0, 0},
    {"01830102030469676f89800102030480820102030" "46d6d", "data 9; ping 0; data 8; ", 0, 0, 0},
    {"8a8001020304", "pong 0; ", 0, 0, 0},
    {"888201020304" "02ea", "close 1000; ", 0, 0, 0},
    {"888001020304", "close 1005; ", 0, 0, 0},
    {"888301020304" "02eac2", "wrong 1007; ", 0, 0, 0}, /* c2 ^ 03 is no UTF-8 alone */
    {"888401020304" "02eac0ad", "close 1000; ", 0, 0, 0}, /* c3 a9 */
    {"888101020304" "02", "wrong 1002; ", 0, 0, 0},
    {"888201020304" "02ef", "wrong 1002; ", 0, 0, 0}, /* 1005 */
    {"888201020304" "02ee", "wrong 1002; ", 0, 0, 0}, /* 1004 */
    {"888201020304" "06e5", "wrong 1002; ", 0, 0, 0}, /* 1999 */
    {"888201020304" "0aba", "close 3000; ", 0, 0, 0},
    {"810568656c6c6f", "wrong 1002; ", 0, 0, 0}, /* not masked */
    {"838001020304", "wrong 1002; ", 0, 0, 0},
    {"8b8001020304", "wrong 1002; ", 0, 0, 0},
    {"09810102030460", "wrong 1002; ", 0, 0, 0},
    {"89fe007e01020304", "wrong 1002; ", 0, 0, 0},
    {"0181010203046081810102030463", "data 7; wrong 1002; ", 0, 0, 0},
    {"80810102030463", "wrong 1002; ", 0, 0, 0}, /* nothing to continue */
    {"81fe0005010203040000000000", "wrong 1002; ", 0, 0, 0},
    {"81ff000000000000ffff01020304", "wrong 1002; ", 0, 0, 0},
    {"81ff800000000000000001020304", "wrong 1002; ", 0, 0, 0},
    {"81ff40000000000000000102030441", "data 15; ", 0, 0, 0},
    {"81ff400000000000000001020304", "wrong 1009; ", 0, 0, 1000},
    {"01830102030469676f8082010203046d6d", "data 17; ", 0, 0, 5},
    {"01830102030469676f8082010203046d6d", "data 9; wrong 1009; ", 0, 0, 4},
    {"c1810102030441", "wrong 1002; ", 0, 0, 0}, /* RSV1 without permessage-deflate */
    {"c1810102030441", "data 7; ", 1, 0, 0},
    {"41810102030441c0810102030441", "data 7; wrong 1002; ", 1, 0, 0},
    {"c98001020304", "wrong 1002; ", 1, 0, 0},
    {"a1810102030441", "wrong 1002; ", 1, 0, 0},
    {"a1810102030441", "data 7; ", 0, 1, 0},
    /* clang-format on */
};

static struct str from_hex(const char *hex)
{
    size_t len = strlen(hex) / 2;
    char *bytes = arena_alloc(test_arena(), len + 1, 1);

    for (size_t i = 0; i < len; i++) {
        unsigned value = 0;

        CHECK_EQ(sscanf(hex + 2 * i, "%2x", &value), 1);
        bytes[i] = (char)value;
    }
    return str_of(bytes, len);
}

static void run_row(const struct row *row, bool masked, struct str input)
{
    struct direction *direction = arena_make(test_arena(), struct direction);
    struct feeding feeding = {direction_start, direction_feed, direction_end, direction, 5};

    test_case_is("%s", row->hex);
    direction->start = (struct ws_reader){
        .masked = masked, .compressed = row->compressed, .other_bits = row->other_bits, .bytes_max = row->bytes_max};
    direction->want = str_from(row->trace);
    test_feed(&feeding, input);
}

TEST(frames_of_clients_pass_or_get_the_code_of_the_rfc)
{
    for (size_t i = 0; i < COUNT_OF(from_clients); i++)
        run_row(&from_clients[i], true, from_hex(from_clients[i].hex));
}

static const struct row from_hosts[] = {
    {"810568656c6c6f", "data 7; ", 0, 0, 0},
    {"8a026869", "pong 2; ", 0, 0, 0},
    {"880403e8c3a9", "close 1000; ", 0, 0, 0},
    {"8806"
     "03e8eda080"
     "41",
     "wrong 1007; ", 0, 0, 0}, /* a surrogate */
    {"8806"
     "03e8f4908080",
     "wrong 1007; ", 0, 0, 0},
    {"8806"
     "03e8f0908080",
     "close 1000; ", 0, 0, 0},
    {"8804"
     "03e8c0af",
     "wrong 1007; ", 0, 0, 0},
    {"8805"
     "03e8e08080",
     "wrong 1007; ", 0, 0, 0},
    {"818001020304", "wrong 1002; ", 0, 0, 0}, /* masked */
};

TEST(frames_of_hosts_are_not_masked)
{
    for (size_t i = 0; i < COUNT_OF(from_hosts); i++)
        run_row(&from_hosts[i], false, from_hex(from_hosts[i].hex));
}

TEST(empty_fragments_without_end_are_not_borne)
{
    struct ws_reader reader = {.masked = true};
    struct ws_piece piece;
    struct str first = from_hex("01810102030460"), next = from_hex("008001020304");

    CHECK_EQ(ws_read(&reader, first, &piece), WS_DATA);
    for (int i = 0; i < WS_EMPTY_MAX; i++)
        CHECK_EQ(ws_read(&reader, next, &piece), WS_DATA);
    CHECK_EQ(ws_read(&reader, next, &piece), WS_WRONG);
    CHECK_EQ(piece.code, WS_CODE_POLICY);
}

TEST(messages_are_counted_when_they_are_whole)
{
    struct ws_reader reader = {.masked = true};
    struct ws_piece piece;

    CHECK_EQ(ws_read(&reader, from_hex("01830102030469676f"), &piece), WS_DATA);
    CHECK_EQ(reader.messages, 0);
    CHECK(reader.in_message);
    CHECK(ws_is_between(&reader));
    CHECK_EQ(ws_read(&reader, from_hex("8082010203046d"), &piece), WS_DATA);
    CHECK_EQ(reader.messages, 0);
    CHECK(!ws_is_between(&reader));
    CHECK_EQ(ws_read(&reader, from_hex("6d818001020304"), &piece), WS_DATA);
    CHECK_EQ(reader.messages, 2);
    CHECK_EQ(piece.size, 7);
}

TEST(what_we_write_is_read_back)
{
    char out[WS_CONTROL_FRAME_MAX];
    char close[WS_CONTROL_MAX] = {1001 >> 8, (char)(1001 & 0xff)};

    memset(close + 2, 'r', sizeof(close) - 2);
    for (int masked = 0; masked < 2; masked++) {
        struct ws_reader reader = {.masked = masked};
        struct ws_piece piece;
        const char *mask = masked ? "\xa5\x5a\x01\xff" : NULL;
        size_t size = ws_write_control(out, WS_CLOSE, str_of(close, sizeof(close)), mask);

        CHECK_EQ(ws_read(&reader, guard_copy(str_of(out, size)), &piece), WS_CONTROL);
        CHECK_EQ(piece.opcode, WS_CLOSE);
        CHECK_EQ(piece.code, 1001);
        CHECK_EQ(piece.size, size);
        CHECK_STR(str_of(piece.payload, piece.len), str_of(close, sizeof(close)));
        size = ws_write_control(out, WS_PING, STR("abcde"), mask);
        CHECK_EQ(ws_read(&reader, guard_copy(str_of(out, size)), &piece), WS_CONTROL);
        CHECK_EQ(piece.opcode, WS_PING);
        CHECK_STR(str_of(piece.payload, piece.len), STR("abcde"));
    }
}
