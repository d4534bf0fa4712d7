/* framer.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "http/h2/framer.h"

void h2_framer_init(struct h2_framer *framer, bool preface)
{
    *framer = (struct h2_framer){.skip = preface ? H2_PREFACE_BYTES : 0};
}

enum { PRIORITY = 2, PRIORITY_BYTES = 5 };

static uint32_t read_id(const uint8_t bytes[4])
{
    return ((uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3]) & 0x7fffffff;
}

static struct h2_frame read_header(const uint8_t *header)
{
    return (struct h2_frame){
        .length = (uint32_t)header[0] << 16 | (uint32_t)header[1] << 8 | header[2],
        .type = header[3],
        .flags = header[4],
        .stream = read_id(header + 5),
    };
}

static void skip(struct h2_framer *framer, struct str *bytes)
{
    uint32_t len = bytes->len < framer->skip ? (uint32_t)bytes->len : framer->skip;

    framer->skip -= len;
    *bytes = str_from_offset(*bytes, len);
}

/* False: they ran out before `want` are there. */
static bool collect(struct h2_framer *framer, struct str *bytes, size_t want)
{
    size_t len = framer->have < want ? size_min(want - framer->have, bytes->len) : 0;

    if (len > 0)
        memcpy(framer->header + framer->have, bytes->data, len);
    framer->have = (uint8_t)(framer->have + len);
    *bytes = str_from_offset(*bytes, len);
    return framer->have >= want;
}

bool h2_framer_next(struct h2_framer *framer, struct str *bytes, struct h2_frame *frame)
{
    skip(framer, bytes);
    if (!collect(framer, bytes, H2_HEADER_BYTES))
        return false;
    *frame = read_header(framer->header);
    framer->skip = frame->length;
    if (frame->type == PRIORITY && frame->length == PRIORITY_BYTES) {
        framer->skip = 0;
        if (!collect(framer, bytes, H2_HEADER_BYTES + H2_DEPENDS_BYTES))
            return false;
        frame->depends = read_id(framer->header + H2_HEADER_BYTES);
        framer->skip = frame->length - H2_DEPENDS_BYTES;
    }
    framer->have = 0;
    frame->rest = bytes->len;
    return true;
}
