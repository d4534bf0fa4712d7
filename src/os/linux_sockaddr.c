/* linux_sockaddr.c: our addresses as the kernel wants them, and back. SPDX-License-Identifier: Apache-2.0 */
#include "os/linux_internal.h"

#include <arpa/inet.h>
#include <assert.h>

static_assert(sizeof((struct addr){0}.ip) == sizeof(struct in6_addr), "an IPv6 address fits");

int sockaddr_domain(enum addr_family family)
{
    switch (family) {
    case ADDR_NONE:
        return AF_UNSPEC;
    case ADDR_IPV4:
        return AF_INET;
    case ADDR_IPV6:
        return AF_INET6;
    case ADDR_UNIX:
        return AF_UNIX;
    }
    return AF_UNSPEC;
}

static bool path_to_sockaddr(const char *path, struct sockaddr_un *out, socklen_t *size, struct error *err)
{
    if (!path)
        return error_set(err, FAULT_SYSTEM, ERROR_ADDRESS_INVALID, "a Unix socket without a path");
    if (!str_to_cstr(str_from(path), out->sun_path, sizeof(out->sun_path)))
        return error_set(err, FAULT_SYSTEM, ERROR_ADDRESS_INVALID, "unix:%s: the path is longer than %zu bytes", path,
                         sizeof(out->sun_path) - 1);
    *size = (socklen_t)sizeof(*out);
    return true;
}

bool sockaddr_from_addr(const struct addr *addr, union sockaddr_any *out, socklen_t *size, struct error *err)
{
    memset(out, 0, sizeof(*out));
    out->any.sa_family = (sa_family_t)sockaddr_domain((enum addr_family)addr->family);
    switch ((enum addr_family)addr->family) {
    case ADDR_NONE:
        break;
    case ADDR_IPV4:
        memcpy(&out->ipv4.sin_addr, addr->ip, sizeof(out->ipv4.sin_addr));
        out->ipv4.sin_port = htons(addr->port);
        *size = (socklen_t)sizeof(out->ipv4);
        return true;
    case ADDR_IPV6:
        memcpy(&out->ipv6.sin6_addr, addr->ip, sizeof(out->ipv6.sin6_addr));
        out->ipv6.sin6_port = htons(addr->port);
        out->ipv6.sin6_scope_id = addr->scope;
        *size = (socklen_t)sizeof(out->ipv6);
        return true;
    case ADDR_UNIX:
        return path_to_sockaddr(addr->path, &out->path, size, err);
    }
    return error_set(err, FAULT_SYSTEM, ERROR_ADDRESS_INVALID, "no address");
}

static struct addr from_ipv4(const struct sockaddr_in *from)
{
    struct addr addr = {.family = ADDR_IPV4, .port = ntohs(from->sin_port)};

    memcpy(addr.ip, &from->sin_addr, sizeof(from->sin_addr));
    return addr;
}

static struct addr from_ipv6(const struct sockaddr_in6 *from)
{
    struct addr addr = {.family = ADDR_IPV6, .port = ntohs(from->sin6_port), .scope = from->sin6_scope_id};

    if (IN6_IS_ADDR_V4MAPPED(&from->sin6_addr)) {
        addr.family = ADDR_IPV4;
        addr.scope = 0;
        memcpy(addr.ip, from->sin6_addr.s6_addr + 12, 4);
    } else {
        memcpy(addr.ip, &from->sin6_addr, sizeof(from->sin6_addr));
    }
    return addr;
}

struct addr sockaddr_to_addr(const union sockaddr_any *from, socklen_t size)
{
    if (size < sizeof(from->any.sa_family))
        return (struct addr){.family = ADDR_NONE};
    if (from->any.sa_family == AF_INET && size >= sizeof(from->ipv4))
        return from_ipv4(&from->ipv4);
    if (from->any.sa_family == AF_INET6 && size >= sizeof(from->ipv6))
        return from_ipv6(&from->ipv6);
    return (struct addr){.family = from->any.sa_family == AF_UNIX ? ADDR_UNIX : ADDR_NONE};
}
