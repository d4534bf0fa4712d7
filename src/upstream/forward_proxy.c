/* forward_proxy.c: a proxy's URL in parts. When it is used: forward_rules.c. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/forward_proxy.h"

#include "base/addr.h"
#include "base/text.h"

/* A URL being taken apart. */
struct parsing {
    struct arena *arena;
    struct str scheme, user, host, port; /* user: with the password, as written; data NULL: none */
    struct error *err;
};

static bool refuse(struct parsing *parsing, const char *text)
{
    return error_set(parsing->err, FAULT_CONFIG, ERROR_ADDRESS_INVALID, "%s", text);
}

static bool no_memory(struct parsing *parsing)
{
    return error_set(parsing->err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for a proxy");
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* RFC 3986 3.1 */
static bool is_scheme(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];

        if (!is_letter(c) && (i == 0 || (!is_digit(c) && c != '+' && c != '-' && c != '.')))
            return false;
    }
    return text.len > 0;
}

static size_t authority_len(struct str text)
{
    size_t len = 0;

    while (len < text.len && text.data[len] != '/' && text.data[len] != '?' && text.data[len] != '#')
        len++;
    return len;
}

/* Without a scheme, "name:port" is meant as "http://name:port". */
static void cut(struct parsing *parsing, struct str text)
{
    size_t scheme = str_find(text, STR("://")), at, colon;
    struct str rest = text;

    parsing->scheme = STR("http");
    if (scheme < text.len && is_scheme(str_first(text, scheme))) {
        parsing->scheme = str_first(text, scheme);
        rest = str_from_offset(text, scheme + 3);
    }
    rest = str_first(rest, authority_len(rest));
    at = str_find_last_char(rest, '@');
    if (at < rest.len) {
        parsing->user = str_first(rest, at);
        rest = str_from_offset(rest, at + 1);
    }
    colon = str_find_last_char(rest, ':');
    if (colon < rest.len && str_find_char(str_from_offset(rest, colon), ']') == rest.len - colon) {
        parsing->port = str_from_offset(rest, colon + 1);
        rest = str_first(rest, colon);
    }
    parsing->host = rest;
}

static bool take_scheme(struct parsing *parsing, struct forward_proxy *proxy)
{
    proxy->secure = str_eq_fold(parsing->scheme, STR("https"));
    if (proxy->secure || str_eq_fold(parsing->scheme, STR("http")))
        return true;
    if (str_starts_fold(parsing->scheme, STR("socks")))
        return refuse(parsing, "SOCKS proxies (socks5://) are not supported in this version");
    return refuse(parsing, "a proxy's URL begins with http:// or https://");
}

static bool is_name(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];

        if (!is_letter(c) && !is_digit(c) && c != '.' && c != '-' && c != '_')
            return false;
    }
    return text.len > 0;
}

static bool take_name(struct parsing *parsing, struct forward_proxy *proxy)
{
    struct str host = parsing->host;
    struct addr addr;

    if (host.len > 2 && host.data[0] == '[' && host.data[host.len - 1] == ']') {
        proxy->name = str_of(host.data + 1, host.len - 2);
        return (addr_parse_ip(proxy->name, &addr) && addr.family == ADDR_IPV6) ||
               refuse(parsing, "a proxy's URL has brackets without an IPv6 address");
    }
    proxy->name = host;
    return is_name(host) || refuse(parsing, "a proxy's URL has no valid name");
}

static bool take_port(struct parsing *parsing, struct forward_proxy *proxy)
{
    uint64_t number = proxy->secure ? 443 : 80;

    if (parsing->port.len > 0 && (!text_to_u64(parsing->port, &number) || number == 0 || number > 65535))
        return refuse(parsing, "a proxy's URL has no valid port");
    proxy->port = (uint16_t)number;
    return true;
}

static void encode_three(const uint8_t *bytes, size_t count, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = (uint32_t)bytes[0] << 16;

    if (count > 1)
        bits |= (uint32_t)bytes[1] << 8;
    if (count > 2)
        bits |= bytes[2];
    out[0] = digits[bits >> 18];
    out[1] = digits[bits >> 12 & 63];
    out[2] = count > 1 ? digits[bits >> 6 & 63] : '=';
    out[3] = count > 2 ? digits[bits & 63] : '=';
}

/* RFC 4648 4. data NULL: no room. */
static struct str base64(struct arena *arena, struct str text)
{
    size_t len = (text.len + 2) / 3 * 4;
    char *out = arena_alloc(arena, len + 1, 1);

    if (!out)
        return STR_EMPTY;
    for (size_t i = 0; i < text.len; i += 3)
        encode_three((const uint8_t *)text.data + i, size_min(text.len - i, 3), out + i / 3 * 4);
    return str_of(out, len);
}

/* RFC 7617: both are sent as they are meant, so their escapes go first. */
static bool take_user(struct parsing *parsing, struct forward_proxy *proxy)
{
    size_t colon = str_find_char(parsing->user, ':');
    struct str user = str_first(parsing->user, colon), password = str_from_offset(parsing->user, colon + 1), plain;

    if (!parsing->user.data)
        return true;
    if (!text_percent_decode(parsing->arena, user, false, &user, NULL) ||
        !text_percent_decode(parsing->arena, password, false, &password, NULL))
        return refuse(parsing, "a proxy's URL has a bad escape in its user or password");
    plain = arena_format(parsing->arena, "%.*s:%.*s", STR_ARG(user), STR_ARG(password));
    if (!plain.data)
        return no_memory(parsing);
    plain = base64(parsing->arena, plain);
    proxy->authorization = arena_format(parsing->arena, "Basic %.*s", STR_ARG(plain));
    return (plain.data && proxy->authorization.data) || no_memory(parsing);
}

static bool take_texts(struct parsing *parsing, struct forward_proxy *proxy)
{
    bool bare = str_find_char(proxy->name, ':') == proxy->name.len;
    struct str at = parsing->user.data ? STR("@") : STR(""), scheme = proxy->secure ? STR("https://") : STR("http://");

    proxy->name = arena_copy(parsing->arena, proxy->name);
    proxy->shown = arena_format(parsing->arena, bare ? "%.*s%.*s:%u" : "%.*s[%.*s]:%u", STR_ARG(scheme),
                                STR_ARG(proxy->name), (unsigned)proxy->port);
    proxy->url = arena_format(parsing->arena, "%.*s%.*s%.*s%.*s", STR_ARG(scheme), STR_ARG(parsing->user), STR_ARG(at),
                              STR_ARG(str_from_offset(proxy->shown, scheme.len)));
    return (proxy->name.data && proxy->shown.data && proxy->url.data) || no_memory(parsing);
}

bool forward_proxy_parse(struct arena *arena, struct str text, struct forward_proxy *proxy, struct error *err)
{
    struct parsing parsing = {.arena = arena, .err = err};

    *proxy = (struct forward_proxy){0};
    cut(&parsing, text);
    return take_scheme(&parsing, proxy) && take_name(&parsing, proxy) && take_port(&parsing, proxy) &&
           take_user(&parsing, proxy) && take_texts(&parsing, proxy);
}
