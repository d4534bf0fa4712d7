/* addr.c: addresses from and to text. Grammar of IPv6: RFC 4291 2.2; printing: RFC 5952. Names are not addresses: who
 * has a name asks the resolver. Start with addr_parse. SPDX-License-Identifier: Apache-2.0 */
#include "base/addr.h"

#include "base/hash.h"
#include "base/text.h"

#include <stdio.h>

enum {
    GROUPS = 8,           /* of 16 bits in an IPv6 address */
    PATH_BYTES_MAX = 107, /* sun_path of Linux without the NUL */
};

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff}; /* ::ffff:0:0/96 */

/* Four decimal numbers without leading zeros, which some read as octal. */
static bool parse_ipv4(struct str text, uint8_t ip[4])
{
    struct str part;
    uint64_t number;
    int count = 0;

    if (text.len == 0)
        return false;
    while (str_split(&text, '.', &part)) {
        if (count == 4 || part.len > 3 || (part.len > 1 && part.data[0] == '0') || !text_to_u64(part, &number) ||
            number > 255)
            return false;
        ip[count++] = (uint8_t)number;
    }
    return count == 4;
}

/* One side of "::", or the whole: groups of hex digits, the last perhaps an IPv4 address. Returns how many 16-bit
 * groups stand in `out`, -1 when it is not well formed. Empty text has none. */
static int parse_groups(struct str text, bool is_end, uint8_t out[2 * GROUPS])
{
    struct str part;
    uint64_t number;
    int count = 0;

    if (text.len == 0)
        return 0;
    while (str_split(&text, ':', &part)) {
        if (is_end && !text.data && count <= GROUPS - 2 && parse_ipv4(part, out + count * 2))
            return count + 2;
        if (count == GROUPS || part.len > 4 || !text_hex_to_u64(part, &number))
            return -1;
        out[count * 2] = (uint8_t)(number >> 8);
        out[count * 2 + 1] = (uint8_t)number;
        count++;
    }
    return count;
}

static bool parse_ipv6(struct str text, uint8_t ip[16])
{
    uint8_t before[2 * GROUPS], after[2 * GROUPS];
    size_t gap = str_find(text, STR("::"));
    int count_before, count_after;

    if (gap == text.len)
        return parse_groups(text, true, ip) == GROUPS;
    count_before = parse_groups(str_first(text, gap), false, before);
    count_after = parse_groups(str_from_offset(text, gap + 2), true, after);
    /* "::" stands for at least one group. */
    if (count_before < 0 || count_after < 0 || count_before + count_after >= GROUPS)
        return false;
    memset(ip, 0, 16);
    memcpy(ip, before, (size_t)count_before * 2);
    memcpy(ip + 16 - count_after * 2, after, (size_t)count_after * 2);
    return true;
}

/* "fe80::1%2": only numbers are scopes here, names of interfaces are the system's business. */
static bool parse_scoped_ipv6(struct str text, struct addr *addr)
{
    size_t percent = str_find_char(text, '%');
    uint64_t scope = 0;

    if (percent < text.len &&
        (!text_to_u64(str_from_offset(text, percent + 1), &scope) || scope == 0 || scope > UINT32_MAX))
        return false;
    *addr = (struct addr){.family = ADDR_IPV6, .scope = (uint32_t)scope};
    return parse_ipv6(str_first(text, percent), addr->ip);
}

bool addr_parse_ip(struct str text, struct addr *addr)
{
    if (text.len >= 2 && text.data[0] == '[')
        return text.data[text.len - 1] == ']' && parse_scoped_ipv6(str_of(text.data + 1, text.len - 2), addr);
    if (str_find_char(text, ':') < text.len)
        return parse_scoped_ipv6(text, addr);
    *addr = (struct addr){.family = ADDR_IPV4};
    return parse_ipv4(text, addr->ip);
}

static bool parse_unix(struct str path, struct addr *addr)
{
    if (path.len == 0 || path.len > PATH_BYTES_MAX || strlen(path.data) != path.len)
        return false;
    *addr = (struct addr){.family = ADDR_UNIX, .path = path.data};
    return true;
}

static bool parse_ip_and_port(struct str text, struct addr *addr)
{
    size_t colon = str_find_last_char(text, ':');
    struct str host = str_first(text, colon);
    uint64_t port;

    if (colon == text.len || !text_to_u64(str_from_offset(text, colon + 1), &port) || port > UINT16_MAX)
        return false;
    if (host.len == 0)
        *addr = (struct addr){.family = ADDR_IPV6};
    else if ((host.data[0] != '[' && str_find_char(host, ':') < host.len) || !addr_parse_ip(host, addr))
        return false; /* An IPv6 address with a port needs brackets: "::1:80" is another address. */
    addr->port = (uint16_t)port;
    return true;
}

bool addr_parse(struct str text, struct addr *addr, struct error *err)
{
    static const struct str unix_prefix = STR_INIT("unix:");

    if (str_starts(text, unix_prefix) ? parse_unix(str_from_offset(text, unix_prefix.len), addr)
                                      : parse_ip_and_port(text, addr))
        return true;
    return error_set(err, FAULT_CONFIG, ERROR_ADDRESS_INVALID, "\"%.*s\" is not an address with a port", STR_ARG(text));
}

/* The bytes of IPv4 with the dot behind them, as each forwarded request names its client. */
#define TEN(tens)                                                                                                      \
    tens "0.", tens "1.", tens "2.", tens "3.", tens "4.", tens "5.", tens "6.", tens "7.", tens "8.", tens "9."
static const char byte_texts[256][4] = {
    /* clang-format off */
    TEN(""), TEN("1"), TEN("2"), TEN("3"), TEN("4"),
    TEN("5"), TEN("6"), TEN("7"), TEN("8"), TEN("9"),
    TEN("10"), TEN("11"), TEN("12"), TEN("13"), TEN("14"),
    TEN("15"), TEN("16"), TEN("17"), TEN("18"), TEN("19"),
    TEN("20"), TEN("21"), TEN("22"), TEN("23"), TEN("24"),
    "250.", "251.", "252.", "253.", "254.", "255.",
    /* clang-format on */
};
#undef TEN

/* `out` has room for a dot, or what may be there in its place, behind the last byte. */
static size_t format_ipv4(const uint8_t *ip, char *out)
{
    size_t len = 0;

    for (int i = 0; i < 4; i++) {
        memcpy(out + len, byte_texts[ip[i]], sizeof byte_texts[ip[i]]);
        len += 2u + (ip[i] >= 10) + (ip[i] >= 100);
    }
    return len - 1;
}

static unsigned group(const uint8_t *ip, int i)
{
    return (unsigned)ip[i * 2] << 8 | ip[i * 2 + 1];
}

/* The first of the longest runs of zero groups; *count is 0 when none has at least two (RFC 5952 4.2). */
static int longest_gap(const uint8_t *ip, int *count)
{
    int best = 0;

    *count = 0;
    for (int i = 0, run = 0; i < GROUPS; i++) {
        run = group(ip, i) == 0 ? run + 1 : 0;
        if (run >= 2 && run > *count) {
            *count = run;
            best = i + 1 - run;
        }
    }
    return best;
}

static size_t format_ipv6(const uint8_t *ip, char *out)
{
    int gap_count, gap = longest_gap(ip, &gap_count);
    size_t len = 0;

    for (int i = 0; i < GROUPS; i++) {
        if (gap_count > 0 && i == gap) {
            out[len++] = ':';
            i += gap_count - 1;
            if (i == GROUPS - 1)
                out[len++] = ':';
            continue;
        }
        if (i > 0)
            out[len++] = ':';
        len += text_hex_from_u64(group(ip, i), out + len);
    }
    return len;
}

static bool is_mapped(const struct addr *addr)
{
    return addr->family == ADDR_IPV6 && memcmp(addr->ip, mapped_prefix, sizeof mapped_prefix) == 0;
}

static size_t format_ip(const struct addr *addr, char *out)
{
    size_t len;

    if (addr->family == ADDR_IPV4)
        return format_ipv4(addr->ip, out);
    if (is_mapped(addr))
        return format_ipv4(addr->ip + sizeof mapped_prefix, out);
    len = format_ipv6(addr->ip, out);
    if (addr->scope != 0) {
        out[len++] = '%';
        len += text_from_u64(addr->scope, out + len);
    }
    return len;
}

static size_t format_unix(const struct addr *addr, char out[ADDR_TEXT_BYTES])
{
    int len = snprintf(out, ADDR_TEXT_BYTES, "unix:%s", addr->path ? addr->path : "");

    return size_min((size_t)len, ADDR_TEXT_BYTES - 1);
}

static size_t format_none(char out[ADDR_TEXT_BYTES])
{
    memcpy(out, "none", 4);
    return 4;
}

struct str addr_format_ip(const struct addr *addr, char out[ADDR_TEXT_BYTES])
{
    size_t len = 0;

    switch ((enum addr_family)addr->family) {
    case ADDR_NONE:
        len = format_none(out);
        break;
    case ADDR_UNIX:
        len = format_unix(addr, out);
        break;
    case ADDR_IPV4:
    case ADDR_IPV6:
        len = format_ip(addr, out);
        break;
    }
    out[len] = '\0';
    return str_of(out, len);
}

struct str addr_format(const struct addr *addr, char out[ADDR_TEXT_BYTES])
{
    bool has_brackets = addr->family == ADDR_IPV6 && !is_mapped(addr);
    size_t len = 0;

    if (addr->family != ADDR_IPV4 && addr->family != ADDR_IPV6)
        return addr_format_ip(addr, out);
    if (has_brackets)
        out[len++] = '[';
    len += format_ip(addr, out + len);
    if (has_brackets)
        out[len++] = ']';
    out[len++] = ':';
    len += text_from_u64(addr->port, out + len);
    out[len] = '\0';
    return str_of(out, len);
}

static size_t ip_bytes(const struct addr *addr)
{
    return addr->family == ADDR_IPV4 ? 4 : 16;
}

bool addr_eq(const struct addr *a, const struct addr *b)
{
    if (a->family != b->family)
        return false;
    switch ((enum addr_family)a->family) {
    case ADDR_NONE:
        return true;
    case ADDR_UNIX:
        return str_eq(str_from(a->path), str_from(b->path));
    case ADDR_IPV4:
    case ADDR_IPV6:
        break;
    }
    return a->port == b->port && a->scope == b->scope && memcmp(a->ip, b->ip, ip_bytes(a)) == 0;
}

bool addr_eq_ip(const struct addr *a, const struct addr *b)
{
    return a->family == b->family && (a->family == ADDR_IPV4 || a->family == ADDR_IPV6) &&
           memcmp(a->ip, b->ip, ip_bytes(a)) == 0;
}

bool addr_is_loopback(const struct addr *addr)
{
    static const uint8_t one[16] = {[15] = 1}; /* ::1 */

    switch ((enum addr_family)addr->family) {
    case ADDR_NONE:
        return false;
    case ADDR_UNIX:
        return true;
    case ADDR_IPV4:
        return addr->ip[0] == 127;
    case ADDR_IPV6:
        break;
    }
    return is_mapped(addr) ? addr->ip[sizeof mapped_prefix] == 127 : memcmp(addr->ip, one, sizeof one) == 0;
}

uint64_t addr_hash(const struct addr *addr, uint64_t seed)
{
    uint64_t place = (uint64_t)addr->family << 48 | (uint64_t)addr->port << 32 | addr->scope;

    seed ^= hash_mix(place);
    switch ((enum addr_family)addr->family) {
    case ADDR_NONE:
        return hash_bytes(NULL, 0, seed);
    case ADDR_UNIX:
        return hash_bytes(addr->path, str_from(addr->path).len, seed);
    case ADDR_IPV4:
    case ADDR_IPV6:
        break;
    }
    return hash_bytes(addr->ip, ip_bytes(addr), seed);
}
