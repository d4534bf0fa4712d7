/* framer.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "http/h2/framer.h"

void h2_framer_init(struct h2_framer *framer, bool preface)
{
    *framer = (struct h2_framer){.skip = preface ? H2_PREFACE_BYTES : 0};
}

static struct h2_frame read_header(const uint8_t header[H2_HEADER_BYTES])
{
    return (struct h2_frame){
        .length = (uint32_t)header[0] << 16 | (uint32_t)header[1] << 8 | header[2],
        .type = header[3],
        .flags = header[4],
        .stream =
            ((uint32_t)header[5] << 24 | (uint32_t)header[6] << 16 | (uint32_t)header[7] << 8 | header[8]) & 0x7fffffff,
    };
}

static void skip(struct h2_framer *framer, struct str *bytes)
{
    uint32_t len = bytes->len < framer->skip ? (uint32_t)bytes->len : framer->skip;

    framer->skip -= len;
    *bytes = str_from_offset(*bytes, len);
}

bool h2_framer_next(struct h2_framer *framer, struct str *bytes, struct h2_frame *frame)
{
    size_t len;

    skip(framer, bytes);
    if (bytes->len == 0)
        return false;
    len = size_min((size_t)(H2_HEADER_BYTES - framer->have), bytes->len);
    memcpy(framer->header + framer->have, bytes->data, len);
    framer->have = (uint8_t)(framer->have + len);
    *bytes = str_from_offset(*bytes, len);
    if (framer->have < H2_HEADER_BYTES)
        return false;
    *frame = read_header(framer->header);
    framer->have = 0;
    framer->skip = frame->length;
    return true;
}
