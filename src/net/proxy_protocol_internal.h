/* proxy_protocol_internal.h: numbers of the PROXY protocol, for reading and writing it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_NET_PROXY_PROTOCOL_INTERNAL_H
#define HOLDFAST_NET_PROXY_PROTOCOL_INTERNAL_H

#include "base/assert.h"
#include "net/proxy_protocol.h"

#include <string.h>

/* clang-format off */
#define PROXY_SIGNATURE {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a}
/* clang-format on */

enum { PROXY_SIGNATURE_BYTES = 12, PROXY_V2_HEAD_BYTES = 16, PROXY_TLV_HEAD_BYTES = 3, PROXY_TLS_HEAD_BYTES = 5 };
enum { PROXY_COMMAND_LOCAL = 0, PROXY_COMMAND_PROXY = 1 };
enum { PROXY_FAMILY_UNSPEC = 0, PROXY_FAMILY_IPV4 = 1, PROXY_FAMILY_IPV6 = 2, PROXY_FAMILY_UNIX = 3 };
enum { PROXY_TRANSPORT_UNSPEC = 0, PROXY_TRANSPORT_STREAM = 1, PROXY_TRANSPORT_DATAGRAM = 2 };
enum {
    PROXY_TYPE_ALPN = 0x01,
    PROXY_TYPE_AUTHORITY = 0x02,
    PROXY_TYPE_CRC32C = 0x03,
    PROXY_TYPE_NOOP = 0x04,
    PROXY_TYPE_UNIQUE_ID = 0x05,
    PROXY_TYPE_SSL = 0x20,
    PROXY_TYPE_NETNS = 0x30,
};
enum {
    PROXY_TLS_VERSION = 0x21,
    PROXY_TLS_CN = 0x22,
    PROXY_TLS_CIPHER = 0x23,
    PROXY_TLS_SIG_ALG = 0x24,
    PROXY_TLS_KEY_ALG = 0x25,
};
enum { PROXY_CLIENT_TLS = 1, PROXY_CLIENT_CERT_CONN = 2, PROXY_CLIENT_CERT_SESS = 4 };

static inline uint16_t proxy_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t proxy_u32(const uint8_t *at)
{
    return (uint32_t)proxy_u16(at) << 16 | proxy_u16(at + 2);
}

#endif
