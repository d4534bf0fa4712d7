/* proxy_protocol.h: the PROXY protocol, versions 1 and 2 (HAProxy's specification), as a pure engine: bytes to
 * addresses and back. One header stands in front of everything else on a connection and tells who is behind the proxy
 * that made it. Whose header is believed is not decided here. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_NET_PROXY_PROTOCOL_H
#define HOLDFAST_NET_PROXY_PROTOCOL_H

#include "base/addr.h"

enum {
    PROXY_V1_BYTES_MAX = 107,  /* with CR LF (2.1) */
    PROXY_BYTES_MAX = 4096,    /* a longer header is refused: nobody needs it */
    PROXY_UNIQUE_ID_MAX = 128, /* 2.2.5 */
    PROXY_AUTHORITY_MAX = 255,
    PROXY_PATH_BYTES = 108, /* a Unix path in a header; without the NUL when it fills them */
};

/* PP2_TYPE_SSL and what is inside it (2.2.6). */
struct proxy_tls {
    bool given, over_tls, has_cert, verified; /* verified: the client's certificate was, successfully */
    uint8_t client;                           /* the flags as they came */
    struct str version, common_name, cipher, signature, key;
};

/* What a header says. Text is data NULL when it is not there, and lives as long as the bytes it was read from. */
struct proxy_header {
    uint8_t version; /* 1 or 2 */
    bool local;      /* it says nothing of a client: the connection's own addresses hold (LOCAL, UNKNOWN, UNSPEC) */
    bool datagram;   /* version 2: what is relayed is no stream */
    struct addr source, destination; /* ADDR_NONE when local. A Unix address has its path below */
    struct str source_path, destination_path;
    struct str alpn, authority, unique_id, netns;
    struct proxy_tls tls;
    bool checked; /* it had a checksum, which was right; write: make one */
};

/* Collects a header without touching what follows it. */
struct proxy_reader {
    uint8_t bytes[PROXY_BYTES_MAX];
    uint32_t size;
};

void proxy_reader_init(struct proxy_reader *reader);

/* So many bytes more belong to the header for certain: read them to reader->bytes + size, then call proxy_reader_got.
 * 0: it is whole, or wrong: proxy_header_read tells. */
size_t proxy_reader_wants(const struct proxy_reader *reader);
void proxy_reader_got(struct proxy_reader *reader, size_t size);

/* The whole header. False: *err (bad_proxy_header), and the connection is of no use: what stands behind a header that
 * is not understood must not be read. */
bool proxy_header_read(struct str bytes, struct proxy_header *header, struct error *err) MUST_USE;

/* Writes version 1 or 2. Addresses of different families, or none, are UNKNOWN (LOCAL if header->local). Text of TLVs
 * that is too long for them is left out. Returns the bytes written; 0: there is not room enough. */
size_t proxy_header_write(const struct proxy_header *header, uint8_t *out, size_t room);

/* CRC32c (Castagnoli), for the checksum: of more bytes behind those that `crc` is of; 0 at the start. */
uint32_t proxy_crc32c(uint32_t crc, const uint8_t *bytes, size_t size);

#endif
