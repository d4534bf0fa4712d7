/* framer.h: finds the frame headers of an HTTP/2 byte stream (RFC 9113 4.1), so that each frame can be judged before
 * nghttp2 sees it. It knows lengths only, no meaning. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_HTTP_H2_FRAMER_H
#define HOLDFAST_HTTP_H2_FRAMER_H

#include "base/str.h"

enum {
    H2_PREFACE_BYTES = 24,
    H2_HEADER_BYTES = 9,
    H2_DEPENDS_BYTES = 4, /* of a PRIORITY frame: what the stream depends on */
};

struct h2_frame {
    uint32_t length; /* of the payload */
    uint8_t type, flags;
    uint32_t stream;
    uint32_t depends; /* of a whole PRIORITY frame; else 0 */
    size_t rest;      /* how many bytes are here behind what was understood of it */
};

struct h2_framer {
    uint32_t skip; /* bytes to pass over: of the preface or a payload */
    uint8_t header[H2_HEADER_BYTES + H2_DEPENDS_BYTES];
    uint8_t have; /* bytes of it */
};

void h2_framer_init(struct h2_framer *framer, bool preface);

/* Moves *bytes behind the next frame header (and the first field of a PRIORITY frame), and tells it. False: they ran
 * out before its end. */
bool h2_framer_next(struct h2_framer *framer, struct str *bytes, struct h2_frame *frame) MUST_USE;

#endif
