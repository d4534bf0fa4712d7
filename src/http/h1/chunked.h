/* chunked.h: the chunked coding (RFC 9112 7.1) without I/O. The decoder is shown the framing bytes only; the data of a
 * chunk is moved by the caller, who never copies it. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_HTTP_H1_CHUNKED_H
#define HOLDFAST_HTTP_H1_CHUNKED_H

#include "base/str.h"

enum {
    H1_CHUNK_LINE_MAX = 256,       /* bytes of a size line, without CR LF */
    H1_CHUNK_WASTE_MAX = 16 << 10, /* framing bytes of a body beyond what honest chunks need */
    H1_CHUNK_HEAD_BYTES = 18,      /* what h1_chunk_head writes at most */
};

enum h1_chunk_state {
    H1_CHUNK_SIZE,      /* inside the digits; a new decoder */
    H1_CHUNK_PADDING,   /* white space behind the digits */
    H1_CHUNK_EXTENSION, /* behind the semicolon, outside quotes */
    H1_CHUNK_QUOTED,    /* inside quotes */
    H1_CHUNK_ESCAPED,   /* behind a backslash inside quotes */
    H1_CHUNK_SIZE_LF,   /* the LF of the size line */
    H1_CHUNK_DATA,      /* `left` bytes of data come next */
    H1_CHUNK_DATA_CR,   /* the CR LF behind the data */
    H1_CHUNK_DATA_LF,
    H1_CHUNK_TRAILERS, /* the last chunk's line is over: the trailer section comes, maybe empty */
    H1_CHUNK_BAD,
};

/* A zeroed one is ready. */
struct h1_chunked {
    uint64_t left;  /* bytes of data still to come in this chunk; while its line is read, its size so far */
    uint32_t waste; /* see H1_CHUNK_WASTE_MAX */
    uint16_t line;  /* bytes of this size line so far */
    uint8_t digits; /* of the size, without leading zeros */
    uint8_t state;  /* enum h1_chunk_state */
    bool padded_ok; /* white space between size and CR LF is let pass, as old servers send it */
};

/* Reads framing bytes from the front of `bytes` until data or the trailer section comes, an error, or their end;
 * returns how many were used. In the states DATA and TRAILERS none are. */
size_t h1_chunked_read(struct h1_chunked *decoder, struct str bytes);

/* Tells that `size` bytes of data, at most `left`, were taken. */
void h1_chunked_took(struct h1_chunked *decoder, uint64_t size);

/* The line in front of a chunk of `size` bytes, which is not 0; behind its data comes CR LF. Behind the last chunk
 * comes "0\r\n", the trailers and an empty line. */
struct str h1_chunk_head(uint64_t size, char out[H1_CHUNK_HEAD_BYTES]);

#endif
