/* frame.h: WebSocket frames (RFC 6455 5) as they pass: an engine that looks at the bytes of one direction, tells how
 * many of them may go on, and stops at control frames and at what is against the protocol. Payloads of data are neither
 * kept nor unmasked. It does no I/O and allocates nothing. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_HTTP_WS_FRAME_H
#define HOLDFAST_HTTP_WS_FRAME_H

#include "base/str.h"

enum ws_opcode {
    WS_CONTINUATION = 0x0,
    WS_TEXT = 0x1,
    WS_BINARY = 0x2,
    WS_CLOSE = 0x8,
    WS_PING = 0x9,
    WS_PONG = 0xa,
};

/* Close codes that we send or look at (RFC 6455 7.4.1 and the registry behind it). */
enum ws_code {
    WS_CODE_NORMAL = 1000,
    WS_CODE_GOING_AWAY = 1001,
    WS_CODE_PROTOCOL = 1002,
    WS_CODE_NONE = 1005,     /* a Close without a code; never sent */
    WS_CODE_ABNORMAL = 1006, /* no Close at all; never sent */
    WS_CODE_BAD_DATA = 1007,
    WS_CODE_POLICY = 1008,
    WS_CODE_TOO_BIG = 1009,
    WS_CODE_INTERNAL = 1011,
    WS_CODE_RESTART = 1012,
};

enum {
    WS_HEADER_MAX = 14,
    WS_CONTROL_MAX = 125, /* payload of a control frame */
    WS_CONTROL_FRAME_MAX = 6 + WS_CONTROL_MAX,
    WS_EMPTY_MAX = 1000, /* fragments without a byte, one after the other */
};

/* One direction. Zero it, then set what stands first. */
struct ws_reader {
    bool masked;        /* the sender is a client: every frame must be masked; else none may be */
    bool compressed;    /* permessage-deflate was agreed upon: the first frame of a message may have RSV1 */
    bool other_bits;    /* an extension that is not known was: all reserved bits pass */
    bool in_message;    /* between the fragments of one */
    bool last;          /* the frame under way ends its message */
    uint16_t empty;     /* empty fragments in a row */
    uint64_t bytes_max; /* of a message, as it is on the wire; 0: no limit */
    uint64_t left;      /* payload of the data frame under way that is still to come */
    uint64_t bytes;     /* of the message under way, those that are announced included */
    uint64_t messages;  /* data messages that are complete */
};

enum ws_found {
    WS_DATA,    /* `size` bytes at the front belong to data frames: they may go on */
    WS_CONTROL, /* a whole control frame of `size` bytes stands at the front */
    WS_MORE,    /* `size` bytes, more than there are, must lie together before more can be said */
    WS_WRONG,   /* what comes is against the protocol, or too much: `code` tells how */
};

struct ws_piece {
    size_t size;
    uint16_t code;                /* WS_WRONG: what to close with. WS_CONTROL of a Close: its code, or WS_CODE_NONE */
    uint8_t opcode;               /* WS_CONTROL */
    uint8_t len;                  /* of its payload */
    char payload[WS_CONTROL_MAX]; /* unmasked */
};

/* Looks at the front of what is there. What it calls data or control counts as taken: the next call must begin behind
 * those bytes. */
enum ws_found ws_read(struct ws_reader *reader, struct str front, struct ws_piece *piece);

/* Between two frames: here a control frame of ours may be put. */
static inline bool ws_is_between(const struct ws_reader *reader)
{
    return reader->left == 0;
}

/* May a peer send this code (RFC 6455 7.4)? */
bool ws_code_is_valid(uint16_t code);

/* A control frame; `mask`, 4 bytes, when we stand for a client, else NULL. Returns its size. */
size_t ws_write_control(char out[WS_CONTROL_FRAME_MAX], enum ws_opcode opcode, struct str payload, const char *mask);

#endif
