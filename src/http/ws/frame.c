/* frame.c: see the header. Start with ws_read. SPDX-License-Identifier: Apache-2.0 */
#include "http/ws/frame.h"

#include "base/assert.h"

enum { BIT_FIN = 0x80, BIT_RSV1 = 0x40, BITS_RSV = 0x70, BIT_MASK = 0x80, OPCODE = 0x0f, CONTROL = 0x8, SHORT = 0x7f };

/* A header, not yet judged. */
struct header {
    uint8_t first;
    bool masked;
    size_t size; /* of itself */
    uint64_t len;
    const char *mask;
};

static uint8_t byte_at(struct str text, size_t at)
{
    return (uint8_t)text.data[at];
}

static size_t length_bytes(uint8_t second)
{
    if ((second & SHORT) < 126)
        return 0;
    return (second & SHORT) == 126 ? 2 : 8;
}

/* 0: it is all there; else so many bytes are needed. */
static size_t parse_header(struct str front, struct header *header)
{
    uint8_t second;
    size_t extra;

    if (front.len < 2)
        return 2;
    second = byte_at(front, 1);
    extra = length_bytes(second);
    header->first = byte_at(front, 0);
    header->masked = second & BIT_MASK;
    header->size = 2 + extra + (header->masked ? 4 : 0);
    header->len = second & SHORT;
    if (front.len < header->size)
        return header->size;
    if (extra > 0)
        header->len = 0;
    for (size_t i = 0; i < extra; i++)
        header->len = header->len << 8 | byte_at(front, 2 + i);
    header->mask = front.data + header->size - 4;
    return 0;
}

static bool is_control(const struct header *header)
{
    return header->first & CONTROL;
}

/* RFC 6455 5.2: the shortest form, and not more than 63 bits. */
static bool length_is_minimal(const struct header *header)
{
    size_t extra = header->size - 2 - (header->masked ? 4 : 0);

    if (extra == 2)
        return header->len > 125;
    return extra == 0 || (header->len > UINT16_MAX && header->len <= INT64_MAX);
}

static bool bits_are_known(const struct ws_reader *reader, const struct header *header)
{
    uint8_t opcode = header->first & OPCODE;
    uint8_t bits = header->first & BITS_RSV;

    if (bits == 0 || reader->other_bits)
        return true;
    return bits == BIT_RSV1 && reader->compressed && !is_control(header) && opcode != WS_CONTINUATION;
}

static bool opcode_is_known(uint8_t opcode)
{
    return opcode <= WS_BINARY || (opcode >= WS_CLOSE && opcode <= WS_PONG);
}

/* 0, or the code that the frame deserves. */
static uint16_t judge(const struct ws_reader *reader, const struct header *header)
{
    uint8_t opcode = header->first & OPCODE;
    uint64_t bytes;

    if (header->masked != reader->masked || !opcode_is_known(opcode) || !bits_are_known(reader, header) ||
        !length_is_minimal(header))
        return WS_CODE_PROTOCOL;
    if (is_control(header))
        return header->first & BIT_FIN && header->len <= WS_CONTROL_MAX ? 0 : WS_CODE_PROTOCOL;
    if (reader->in_message != (opcode == WS_CONTINUATION))
        return WS_CODE_PROTOCOL;
    if (header->len == 0 && !(header->first & BIT_FIN) && reader->empty >= WS_EMPTY_MAX)
        return WS_CODE_POLICY;
    if (reader->bytes_max > 0 && (!add_ok(&bytes, reader->bytes, header->len) || bytes > reader->bytes_max))
        return WS_CODE_TOO_BIG;
    return 0;
}

static void end_frame(struct ws_reader *reader)
{
    reader->in_message = !reader->last;
    if (!reader->last)
        return;
    reader->messages++;
    reader->bytes = 0;
    reader->empty = 0;
}

static void begin_frame(struct ws_reader *reader, const struct header *header)
{
    reader->last = header->first & BIT_FIN;
    reader->left = header->len;
    if (!add_ok(&reader->bytes, reader->bytes, header->len))
        reader->bytes = UINT64_MAX;
    reader->empty = header->len == 0 ? (uint16_t)(reader->empty + 1) : 0;
    if (header->len == 0)
        end_frame(reader);
}

bool ws_code_is_valid(uint16_t code)
{
    if (code >= 3000 && code <= 4999)
        return true;
    return code >= 1000 && code <= 1014 && code != 1004 && code != WS_CODE_NONE && code != WS_CODE_ABNORMAL;
}

/* How many bytes a character has by its first one, and what is left of that one; 0: no character begins so. */
static size_t lead_of(uint8_t first, uint32_t *value)
{
    if (first < 0x80) {
        *value = first;
        return 1;
    }
    if (first >= 0xc2 && first < 0xe0) {
        *value = first & 0x1f;
        return 2;
    }
    if (first >= 0xe0 && first < 0xf0) {
        *value = first & 0x0f;
        return 3;
    }
    *value = first & 0x07;
    return first >= 0xf0 && first < 0xf5 ? 4 : 0;
}

/* The size of the character at the front; 0: it is none (RFC 3629). */
static size_t character(struct str text)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t value;
    size_t size = lead_of(byte_at(text, 0), &value);

    if (size == 0 || size > text.len)
        return 0;
    for (size_t i = 1; i < size; i++) {
        if ((byte_at(text, i) & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (byte_at(text, i) & 0x3f);
    }
    return value < least[size] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000) ? 0 : size;
}

static bool is_utf8(struct str text)
{
    while (text.len > 0) {
        size_t size = character(text);

        if (size == 0)
            return false;
        text = str_from_offset(text, size);
    }
    return true;
}

/* 0, or the code that a Close with such a payload deserves. */
static uint16_t judge_close(struct ws_piece *piece)
{
    struct str payload = str_of(piece->payload, piece->len);

    piece->code = WS_CODE_NONE;
    if (payload.len == 0)
        return 0;
    if (payload.len == 1)
        return WS_CODE_PROTOCOL;
    piece->code = (uint16_t)(byte_at(payload, 0) << 8 | byte_at(payload, 1));
    if (!ws_code_is_valid(piece->code))
        return WS_CODE_PROTOCOL;
    return is_utf8(str_from_offset(payload, 2)) ? 0 : WS_CODE_BAD_DATA;
}

static enum ws_found wrong(struct ws_piece *piece, uint16_t code)
{
    piece->code = code;
    return WS_WRONG;
}

static enum ws_found more(struct ws_piece *piece, size_t size)
{
    piece->size = size;
    return WS_MORE;
}

static enum ws_found take_control(struct str front, const struct header *header, struct ws_piece *piece)
{
    uint16_t code = 0;

    piece->size = header->size + (size_t)header->len;
    if (front.len < piece->size)
        return WS_MORE;
    piece->opcode = header->first & OPCODE;
    piece->len = (uint8_t)header->len;
    for (size_t i = 0; i < piece->len; i++)
        piece->payload[i] = (char)(front.data[header->size + i] ^ (header->masked ? header->mask[i % 4] : 0));
    if (piece->opcode == WS_CLOSE)
        code = judge_close(piece);
    return code ? wrong(piece, code) : WS_CONTROL;
}

/* Passes over payload that is here; how much. */
static size_t pass_payload(struct ws_reader *reader, size_t here)
{
    size_t size = reader->left < here ? (size_t)reader->left : here;

    reader->left -= size;
    if (size > 0 && reader->left == 0)
        end_frame(reader);
    return size;
}

enum ws_found ws_read(struct ws_reader *reader, struct str front, struct ws_piece *piece)
{
    size_t at = pass_payload(reader, front.len);

    *piece = (struct ws_piece){0};
    for (;;) {
        struct str rest = str_from_offset(front, at);
        struct header header = {0};
        size_t need = reader->left > 0 || (rest.len == 0 && at > 0) ? 1 : parse_header(rest, &header);
        uint16_t code = need > 0 ? 0 : judge(reader, &header);

        /* What lies before it goes first. */
        if (at > 0 && (need > 0 || code > 0 || is_control(&header))) {
            piece->size = at;
            return WS_DATA;
        }
        if (need > 0)
            return more(piece, need);
        if (code > 0)
            return wrong(piece, code);
        if (is_control(&header))
            return take_control(rest, &header, piece);
        begin_frame(reader, &header);
        at += header.size;
        at += pass_payload(reader, front.len - at);
    }
}

size_t ws_write_control(char out[WS_CONTROL_FRAME_MAX], enum ws_opcode opcode, struct str payload, const char *mask)
{
    size_t at = 2;

    ASSERT(payload.len <= WS_CONTROL_MAX);
    out[0] = (char)(BIT_FIN | opcode);
    out[1] = (char)((mask ? BIT_MASK : 0) | (int)payload.len);
    if (mask) {
        memcpy(out + at, mask, 4);
        at += 4;
    }
    for (size_t i = 0; i < payload.len; i++)
        out[at + i] = (char)(payload.data[i] ^ (mask ? mask[i % 4] : 0));
    return at + payload.len;
}
