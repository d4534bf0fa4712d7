/* host_key.c: what the key of a host means: its URL taken apart, and one text that tells it from all others.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "upstream/host_internal.h"

enum { HTTP_PORT = 80, HTTPS_PORT = 443 };

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
}

static bool is_name(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!is_name_char(text.data[i]))
            return false;
    return text.len > 0;
}

/* An IPv6 literal without its brackets: the only name with colons. */
static bool is_literal(struct str text)
{
    bool colon = false;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];

        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f') && !(c >= 'A' && c <= 'F') && c != ':' && c != '.')
            return false;
        colon |= c == ':';
    }
    return colon;
}

/* Splits "name", "name:port", "[v6]", "[v6]:port". False: it is none of them, or the name is none. */
static bool split_authority(struct str authority, struct str *name, struct str *port)
{
    size_t colon = str_find_last_char(authority, ':');
    size_t bracket = str_find_char(authority, ']');

    *name = authority;
    *port = STR_EMPTY;
    if (colon < authority.len && (bracket == authority.len || bracket < colon)) {
        *name = str_first(authority, colon);
        *port = str_from_offset(authority, colon + 1);
        if (port->len == 0)
            return false;
    }
    if (name->len < 2 || name->data[0] != '[' || name->data[name->len - 1] != ']')
        return is_name(*name);
    *name = str_of(name->data + 1, name->len - 2);
    return is_literal(*name);
}

/* `url` without its scheme, of which `usual_port` is the default. */
static bool parse_authority(struct host *host, struct str authority, uint16_t usual_port, struct error *err)
{
    struct str port;
    uint64_t number = usual_port;

    if (!split_authority(authority, &host->name, &port) ||
        (port.len && (!text_to_u64(port, &number) || number == 0 || number > 65535)))
        return error_set(err, FAULT_CONFIG, ERROR_ADDRESS_INVALID, "\"%.*s\" has no valid name and port",
                         STR_ARG(host->url));
    host->port = (uint16_t)number;
    host->authority = number == usual_port && port.len ? str_first(authority, authority.len - port.len - 1) : authority;
    return true;
}

bool host_parse_url(struct host *host, struct error *err)
{
    struct str url = host->url;

    if (str_starts_fold(url, STR("http://")))
        return parse_authority(host, str_from_offset(url, STR("http://").len), HTTP_PORT, err);
    if (str_starts_fold(url, STR("https://")))
        return parse_authority(host, str_from_offset(url, STR("https://").len), HTTPS_PORT, err);
    if (str_starts(url, STR("unix:"))) {
        host->name = host->authority = STR("localhost");
        return addr_parse(url, &host->unix_addr, err);
    }
    return error_set(err, FAULT_CONFIG, ERROR_ADDRESS_INVALID, "\"%.*s\" does not begin with http:// or https://",
                     STR_ARG(url));
}

bool host_url_check(struct str url, struct error *err)
{
    struct host host = {.url = url};

    return host_parse_url(&host, err);
}

bool host_url_proxy(const struct forward_rules *rules, struct str url, const struct forward_proxy **proxy,
                    struct error *err)
{
    struct host host = {.url = url};

    *proxy = NULL;
    if (str_starts(url, STR("unix:"))) /* whoever makes a host of it hears what is wrong */
        return true;
    return host_parse_url(&host, err) &&
           forward_rules_find(rules, host_url_is_secure(url), host.name, host.port, proxy, err);
}

enum host_protocol host_key_protocol(const struct host_key *key)
{
    bool secure = host_url_is_secure(key->url);

    if (key->protocol == PROTOCOL_HTTP1 || (!secure && (key->protocol == PROTOCOL_AUTO || key->proxy.len > 0)))
        return HOST_HTTP1;
    return secure && key->protocol != PROTOCOL_H2 ? HOST_ALPN : HOST_HTTP2;
}

/* NULL: it is reached in cleartext. */
static const struct tls_profile *profile_of(const struct host_key *key)
{
    return host_url_is_secure(key->url) || host_url_is_secure(key->proxy) ? key->tls : NULL;
}

struct str host_key_text(struct arena *arena, const struct host_key *key)
{
    char digest[TLS_DIGEST_TEXT_BYTES], source[ADDR_TEXT_BYTES];
    const struct tls_profile *profile = profile_of(key);
    struct str tls = profile ? tls_digest_hex(tls_profile_identity(profile), digest) : STR("");
    struct str from = key->source.family == ADDR_NONE ? STR("") : addr_format_ip(&key->source, source);

    return arena_format(arena, "%zu:%.*s %zu:%.*s %zu:%.*s %.*s %u %.*s %u %u %u", key->url.len, STR_ARG(key->url),
                        key->pool.len, STR_ARG(key->pool), key->proxy.len, STR_ARG(key->proxy), STR_ARG(tls),
                        key->proxy_header, STR_ARG(from), key->marks.mark, key->marks.dscp,
                        (unsigned)host_key_protocol(key));
}
