/* chunked.c: reading and writing chunk framing. Every byte of it is looked at: a decoder that skips over what it does
 * not know is where two readers of one message come to differ. SPDX-License-Identifier: Apache-2.0 */
#include "http/h1/chunked.h"

#include "base/assert.h"

enum {
    DIGITS_MAX = 15, /* sizes below 2^60; more would be longer than anything that can come */
    LINE_GRANT = 16, /* framing bytes that each chunk may have without being waste */
};

static void fail(struct h1_chunked *decoder)
{
    decoder->state = H1_CHUNK_BAD;
}

/* -1: no digit. */
static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        return (c | 0x20) - 'a' + 10;
    return -1;
}

/* The line is over but for its LF. A stream of tiny chunks with long lines costs much and brings nothing: what a line
 * has beyond a grant and twice its data is waste, which honest lines work off. */
static void end_line(struct h1_chunked *decoder)
{
    uint64_t grant = LINE_GRANT + 2 * decoder->left, waste = (uint64_t)decoder->waste + decoder->line;

    decoder->waste = waste > grant ? (uint32_t)(waste - grant) : 0;
    if (decoder->waste > H1_CHUNK_WASTE_MAX)
        fail(decoder);
    else
        decoder->state = H1_CHUNK_SIZE_LF;
}

static void add_digit(struct h1_chunked *decoder, unsigned value)
{
    if (decoder->digits > 0 || value > 0)
        decoder->digits++;
    decoder->left = decoder->left << 4 | value;
    if (decoder->digits > DIGITS_MAX)
        fail(decoder);
}

static void read_size(struct h1_chunked *decoder, uint8_t c)
{
    int value = hex_value(c);

    if (value >= 0)
        add_digit(decoder, (unsigned)value);
    else if (decoder->line == 1)
        fail(decoder); /* no digit at all */
    else if (c == '\r')
        end_line(decoder);
    else if (c == ';')
        decoder->state = H1_CHUNK_EXTENSION;
    else if (c == ' ' || c == '\t')
        decoder->state = H1_CHUNK_PADDING;
    else
        fail(decoder);
}

static void read_padding(struct h1_chunked *decoder, uint8_t c)
{
    if (c == ';')
        decoder->state = H1_CHUNK_EXTENSION;
    else if (c == '\r' && decoder->padded_ok)
        end_line(decoder);
    else if (c != ' ' && c != '\t')
        fail(decoder);
}

static bool is_control(uint8_t c)
{
    return (c < 0x20 && c != '\t') || c == 0x7f;
}

/* Extensions are passed over, but a quoted string must end in the line it began in. */
static void read_extension(struct h1_chunked *decoder, uint8_t c)
{
    if (c == '\r' && decoder->state == H1_CHUNK_EXTENSION)
        end_line(decoder);
    else if (is_control(c))
        fail(decoder);
    else if (decoder->state == H1_CHUNK_ESCAPED)
        decoder->state = H1_CHUNK_QUOTED;
    else if (decoder->state == H1_CHUNK_QUOTED && c == '\\')
        decoder->state = H1_CHUNK_ESCAPED;
    else if (c == '"')
        decoder->state = decoder->state == H1_CHUNK_QUOTED ? H1_CHUNK_EXTENSION : H1_CHUNK_QUOTED;
}

static void read_line_byte(struct h1_chunked *decoder, uint8_t c)
{
    if (++decoder->line > H1_CHUNK_LINE_MAX)
        fail(decoder);
    else if (decoder->state == H1_CHUNK_SIZE)
        read_size(decoder, c);
    else if (decoder->state == H1_CHUNK_PADDING)
        read_padding(decoder, c);
    else
        read_extension(decoder, c);
}

static void begin_line(struct h1_chunked *decoder)
{
    decoder->state = H1_CHUNK_SIZE;
    decoder->left = 0;
    decoder->line = 0;
    decoder->digits = 0;
}

/* Goes on in `state` when c is what must come. */
static void expect(struct h1_chunked *decoder, uint8_t c, uint8_t wanted, enum h1_chunk_state state)
{
    decoder->state = (uint8_t)(c == wanted ? state : H1_CHUNK_BAD);
}

static void read_byte(struct h1_chunked *decoder, uint8_t c)
{
    switch ((enum h1_chunk_state)decoder->state) {
    case H1_CHUNK_SIZE:
    case H1_CHUNK_PADDING:
    case H1_CHUNK_EXTENSION:
    case H1_CHUNK_QUOTED:
    case H1_CHUNK_ESCAPED:
        read_line_byte(decoder, c);
        return;
    case H1_CHUNK_SIZE_LF:
        expect(decoder, c, '\n', decoder->left > 0 ? H1_CHUNK_DATA : H1_CHUNK_TRAILERS);
        return;
    case H1_CHUNK_DATA_CR:
        expect(decoder, c, '\r', H1_CHUNK_DATA_LF);
        return;
    case H1_CHUNK_DATA_LF:
        begin_line(decoder);
        if (c != '\n')
            fail(decoder);
        return;
    case H1_CHUNK_DATA:
    case H1_CHUNK_TRAILERS:
    case H1_CHUNK_BAD:
        return;
    }
}

static bool reads_framing(const struct h1_chunked *decoder)
{
    return decoder->state != H1_CHUNK_DATA && decoder->state != H1_CHUNK_TRAILERS && decoder->state != H1_CHUNK_BAD;
}

size_t h1_chunked_read(struct h1_chunked *decoder, struct str bytes)
{
    size_t used = 0;

    while (used < bytes.len && reads_framing(decoder))
        read_byte(decoder, (uint8_t)bytes.data[used++]);
    return used;
}

void h1_chunked_took(struct h1_chunked *decoder, uint64_t size)
{
    ASSERT(decoder->state == H1_CHUNK_DATA);
    ASSERT(size <= decoder->left);
    decoder->left -= size;
    if (decoder->left == 0)
        decoder->state = H1_CHUNK_DATA_CR;
}

struct str h1_chunk_head(uint64_t size, char out[H1_CHUNK_HEAD_BYTES])
{
    size_t at = H1_CHUNK_HEAD_BYTES;

    ASSERT(size > 0);
    out[--at] = '\n';
    out[--at] = '\r';
    for (; size > 0; size >>= 4)
        out[--at] = "0123456789abcdef"[size & 0xf];
    return str_of(out + at, H1_CHUNK_HEAD_BYTES - at);
}
