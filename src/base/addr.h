/* addr.h: a network address as a value: IPv4, IPv6 or a Unix path, with a port. Sockets are not known here; os/ turns
 * it into a sockaddr and back. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_BASE_ADDR_H
#define HOLDFAST_BASE_ADDR_H

#include "base/error.h"
#include "base/str.h"

enum addr_family { ADDR_NONE, ADDR_IPV4, ADDR_IPV6, ADDR_UNIX };

struct addr {
    uint8_t family; /* enum addr_family */
    uint16_t port;  /* host order; 0 for Unix */
    uint32_t scope; /* IPv6 scope id, 0 = none */
    union {
        uint8_t ip[16];   /* network order; IPv4 in the first four */
        const char *path; /* Unix: borrowed, NUL-terminated; NULL for an unnamed peer */
    };
};

enum { ADDR_TEXT_BYTES = 128 }; /* enough for addr_format, with the NUL */

/* A literal IPv4 or IPv6 address without a port ("10.0.0.1", "::1", "[::1]"). False: it is none. */
bool addr_parse_ip(struct str text, struct addr *addr) MUST_USE;

/* "10.0.0.1:80", "[::1]:80", ":80" (all interfaces: IPv6 any), "unix:/path" (path copied by nobody: text must be
 * NUL-terminated at its end and outlive addr). Errors: address_invalid. */
bool addr_parse(struct str text, struct addr *addr, struct error *err) MUST_USE;

/* "10.0.0.1:80", "[::1]:80", "unix:/path"; returns the text in `out`. An IPv4-mapped IPv6 address is shown as IPv4. */
struct str addr_format(const struct addr *addr, char out[ADDR_TEXT_BYTES]);

/* The same without the port and brackets. */
struct str addr_format_ip(const struct addr *addr, char out[ADDR_TEXT_BYTES]);

bool addr_eq(const struct addr *a, const struct addr *b);
bool addr_eq_ip(const struct addr *a, const struct addr *b); /* the same, whatever port and scope; no Unix path is */
bool addr_is_loopback(const struct addr *addr);              /* 127.0.0.0/8, ::1, and every Unix path */
uint64_t addr_hash(const struct addr *addr, uint64_t seed);

#endif
