/* network.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/network.h"

#include "base/text.h"

bool network_parse(struct str text, struct ip_network *network)
{
    size_t slash = str_find_char(text, '/');
    unsigned bits_max;
    uint64_t bits;

    if (!addr_parse_ip(str_first(text, slash), &network->base))
        return false;
    bits_max = network->base.family == ADDR_IPV4 ? 32 : 128;
    network->bits = bits_max;
    if (slash == text.len)
        return true;
    if (!text_to_u64(str_from_offset(text, slash + 1), &bits) || bits > bits_max)
        return false;
    network->bits = (unsigned)bits;
    return true;
}

struct addr network_unmapped(const struct addr *addr)
{
    static const uint8_t prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    struct addr plain = *addr;

    if (addr->family == ADDR_IPV6 && memcmp(addr->ip, prefix, sizeof prefix) == 0) {
        plain.family = ADDR_IPV4;
        memcpy(plain.ip, addr->ip + sizeof prefix, 4);
    }
    return plain;
}

/* Of an unmapped address. */
static bool has(const struct ip_network *network, const struct addr *addr)
{
    unsigned bytes = network->bits / 8, left = network->bits % 8;

    if (addr->family != network->base.family || memcmp(addr->ip, network->base.ip, bytes) != 0)
        return false;
    return left == 0 || (addr->ip[bytes] ^ network->base.ip[bytes]) >> (8 - left) == 0;
}

bool networks_have(const struct ip_network *networks, size_t count, const struct addr *addr)
{
    struct addr plain = network_unmapped(addr);

    for (size_t i = 0; i < count; i++)
        if (has(&networks[i], &plain))
            return true;
    return false;
}

struct addr network_of(const struct addr *addr, unsigned bits)
{
    struct addr plain = network_unmapped(addr), out = {.family = plain.family};
    unsigned bytes = bits / 8, left = bits % 8;

    memcpy(out.ip, plain.ip, bytes);
    if (left > 0)
        out.ip[bytes] = (uint8_t)(plain.ip[bytes] & 0xff << (8 - left));
    return out;
}
