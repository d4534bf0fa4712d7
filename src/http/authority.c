/* authority.c: the grammar of host and port. SPDX-License-Identifier: Apache-2.0 */
#include "base/addr.h"
#include "base/text.h"
#include "http/semantics.h"

enum { PORT_MAX = 65535 };

static bool port_is_valid(struct str port)
{
    uint64_t number;

    return port.len == 0 || (text_to_u64(port, &number) && number <= PORT_MAX);
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* The bytes of reg-name (RFC 3986 3.2.2) other than an escape, in rows of 16. The comma is left out: it is in no name,
 * but in lists. */
static const bool name_bytes[256] = {
    /* clang-format off */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 1, 0, 0, 1, 0, 1, 1, 1, 1, 1, 1, 0, 1, 1, 0, /* ! $ & ' ( ) * + - . */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 0, 1, 0, 0, /* ; = */
    0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, /* _ */
    0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 0, /* ~ */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    /* clang-format on */
};

/* How many bytes at the front are a name. */
static size_t name_len(struct str text)
{
    size_t at = 0;

    for (;;) {
        while (at < text.len && name_bytes[(uint8_t)text.data[at]])
            at++;
        if (text.len - at <= 2 || text.data[at] != '%' || !is_hex(text.data[at + 1]) || !is_hex(text.data[at + 2]))
            return at;
        at += 3;
    }
}

/* "[" IPv6address "]"; the length with the brackets, 0 when it is none. */
static size_t literal_len(struct str text)
{
    size_t end = str_find_char(text, ']');
    struct addr addr;

    if (end == text.len || !addr_parse_ip(str_first(text, end + 1), &addr) || addr.family != ADDR_IPV6)
        return 0;
    return end + 1;
}

bool authority_is_valid(struct str authority)
{
    bool literal = authority.len > 0 && authority.data[0] == '[';
    size_t len = literal ? literal_len(authority) : name_len(authority);

    if (authority.len == 0)
        return true;
    if (len == 0)
        return false;
    if (len == authority.len)
        return true;
    return authority.data[len] == ':' && port_is_valid(str_from_offset(authority, len + 1));
}
