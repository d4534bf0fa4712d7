/* forward_rules.c: when a proxy is used: HTTP_PROXY or HTTPS_PROXY by the target's scheme, and NO_PROXY against its
 * name, address and port. Start with forward_rules_find. SPDX-License-Identifier: Apache-2.0 */
#include "base/addr.h"
#include "base/text.h"
#include "upstream/forward_proxy.h"

enum matcher_kind {
    MATCH_ALL,
    MATCH_NETWORK,
    MATCH_ADDRESS,
    MATCH_BELOW, /* a name below `name` */
    MATCH_NAME,  /* `name` itself, or below it */
};

struct matcher {
    enum matcher_kind kind;
    struct str name;  /* lower case, without a dot in front */
    struct addr addr; /* as normal_addr makes it */
    unsigned bits;    /* of a network */
    struct str port;  /* empty: any */
};

struct way {
    const char *variable;
    bool is_set;
    struct forward_proxy proxy;
    struct error fault; /* fault NONE: the proxy is of use */
};

struct forward_rules {
    struct way http, https;
    struct matcher *matchers;
    size_t matcher_count;
    bool cgi;
    struct forward_proxy_variables source; /* copies, for forward_rules_copy */
};

/* data NULL: no room. */
static struct str lower(struct arena *arena, struct str text)
{
    struct str copy = arena_copy(arena, text);
    char *out = (char *)(uintptr_t)copy.data;

    for (size_t i = 0; out && i < copy.len; i++)
        if (out[i] >= 'A' && out[i] <= 'Z')
            out[i] |= 0x20;
    return copy;
}

/* An IPv4 address, whichever way it is written. */
static struct addr normal_addr(struct addr addr)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct addr ipv4 = {.family = ADDR_IPV4};

    addr.port = 0;
    if (addr.family != ADDR_IPV6 || memcmp(addr.ip, mapped, sizeof(mapped)) != 0)
        return addr;
    memcpy(ipv4.ip, addr.ip + sizeof(mapped), 4);
    return ipv4;
}

static bool parse_ip(struct str text, struct addr *addr)
{
    if (text.len == 0 || text.data[0] == '[' || !addr_parse_ip(text, addr))
        return false;
    *addr = normal_addr(*addr);
    return true;
}

static bool parse_network(struct str text, struct matcher *matcher)
{
    size_t slash = str_find_char(text, '/');
    struct addr addr;
    uint64_t bits;

    if (slash == text.len || !addr_parse_ip(str_first(text, slash), &addr) || text.data[0] == '[' ||
        !text_to_u64(str_from_offset(text, slash + 1), &bits) || bits > (addr.family == ADDR_IPV4 ? 32 : 128))
        return false;
    matcher->kind = MATCH_NETWORK;
    matcher->addr = addr;
    matcher->bits = (unsigned)bits;
    if (normal_addr(addr).family != addr.family && bits >= 96) {
        matcher->addr = normal_addr(addr);
        matcher->bits -= 96;
    }
    return true;
}

/* "host:port" and "[v6]:port" in two, as Go's SplitHostPort; else the text is a host as a whole. */
static struct str cut_port(struct str text, struct str *port)
{
    size_t colon = str_find_last_char(text, ':');
    struct str host = str_first(text, colon);

    *port = STR_EMPTY;
    if (colon == text.len)
        return text;
    if (host.len > 1 && host.data[0] == '[' && host.data[host.len - 1] == ']')
        host = str_of(host.data + 1, host.len - 2);
    else if (str_find_char(host, ':') < host.len || str_find_char(host, '[') < host.len)
        return text;
    *port = str_from_offset(text, colon + 1);
    return host;
}

static void parse_name(struct str host, struct matcher *matcher)
{
    if (str_starts(host, STR("*.")))
        host = str_from_offset(host, 1);
    matcher->kind = host.data[0] == '.' ? MATCH_BELOW : MATCH_NAME;
    matcher->name = matcher->kind == MATCH_BELOW ? str_from_offset(host, 1) : host;
}

/* False: the entry says nothing. */
static bool parse_entry(struct str entry, struct matcher *matcher)
{
    struct str host;

    *matcher = (struct matcher){.kind = MATCH_ALL};
    if (str_eq(entry, STR("*")))
        return true;
    if (entry.len == 0 || parse_network(entry, matcher))
        return entry.len > 0;
    host = cut_port(entry, &matcher->port);
    if (host.len == 0)
        return false;
    if (parse_ip(host, &matcher->addr))
        matcher->kind = MATCH_ADDRESS;
    else
        parse_name(host, matcher);
    return true;
}

static size_t count_entries(struct str list)
{
    size_t count = 1;

    for (size_t i = 0; i < list.len; i++)
        count += list.data[i] == ',';
    return count;
}

static bool parse_exceptions(struct arena *arena, struct str list, struct forward_rules *rules)
{
    struct str rest = lower(arena, list), entry;

    rules->matchers = arena_array(arena, struct matcher, count_entries(list));
    if (!rest.data || !rules->matchers)
        return false;
    while (str_split(&rest, ',', &entry))
        if (parse_entry(str_trim_of(entry, STR(" \t\n\v\f\r")), &rules->matchers[rules->matcher_count]))
            rules->matcher_count++;
    return true;
}

static bool parse_way(struct arena *arena, struct way *way, const char *variable, struct str value)
{
    way->variable = variable;
    way->is_set = value.len > 0;
    return !way->is_set || forward_proxy_parse(arena, value, &way->proxy, &way->fault) ||
           way->fault.code != ERROR_OUT_OF_MEMORY;
}

const struct forward_rules *forward_rules_new(struct arena *arena, const struct forward_proxy_variables *variables)
{
    struct forward_rules *rules = arena_make(arena, struct forward_rules);

    if (!rules || !parse_exceptions(arena, variables->none, rules) ||
        !parse_way(arena, &rules->http, "HTTP_PROXY", variables->http) ||
        !parse_way(arena, &rules->https, "HTTPS_PROXY", variables->https))
        return NULL;
    rules->cgi = variables->cgi;
    rules->source = (struct forward_proxy_variables){
        .http = arena_copy(arena, variables->http),
        .https = arena_copy(arena, variables->https),
        .none = arena_copy(arena, variables->none),
        .cgi = variables->cgi,
    };
    return rules->source.http.data && rules->source.https.data && rules->source.none.data ? rules : NULL;
}

const struct forward_rules *forward_rules_copy(struct arena *arena, const struct forward_rules *rules, bool *ok)
{
    const struct forward_rules *copy = rules ? forward_rules_new(arena, &rules->source) : NULL;

    *ok = copy || !rules;
    return copy;
}

bool forward_rules_need_tls(const struct forward_rules *rules)
{
    return rules && (rules->http.proxy.secure || rules->https.proxy.secure);
}

static bool network_holds(const struct matcher *network, const struct addr *addr)
{
    unsigned bytes = network->bits / 8, rest = network->bits % 8;

    if (addr->family != network->addr.family || memcmp(addr->ip, network->addr.ip, bytes) != 0)
        return false;
    return rest == 0 || (addr->ip[bytes] ^ network->addr.ip[bytes]) >> (8 - rest) == 0;
}

/* The name ends in a dot and `end`. */
static bool is_below(struct str name, struct str end)
{
    size_t dot = name.len - end.len - 1;

    return name.len > end.len && name.data[dot] == '.' && str_eq_fold(str_from_offset(name, dot + 1), end);
}

/* `addr`: what the name is when it is a literal, else ADDR_NONE. */
static bool name_matches(const struct matcher *matcher, struct str name, const struct addr *addr)
{
    switch (matcher->kind) {
    case MATCH_ALL:
        return true;
    case MATCH_NETWORK:
        return network_holds(matcher, addr);
    case MATCH_ADDRESS:
        return addr_eq_ip(addr, &matcher->addr);
    case MATCH_BELOW:
        return addr->family == ADDR_NONE && is_below(name, matcher->name);
    case MATCH_NAME:
        return addr->family == ADDR_NONE && (str_eq_fold(name, matcher->name) || is_below(name, matcher->name));
    }
    return false;
}

static bool is_excepted(const struct forward_rules *rules, struct str name, uint16_t port)
{
    char digits[NUMBER_TEXT_BYTES];
    struct str port_text = str_of(digits, text_from_u64(port, digits));
    struct addr addr = {.family = ADDR_NONE};

    if (!parse_ip(name, &addr))
        addr.family = ADDR_NONE;
    if (str_eq_fold(name, STR("localhost")) || (addr.family != ADDR_NONE && addr_is_loopback(&addr)))
        return true;
    for (size_t i = 0; i < rules->matcher_count; i++) {
        const struct matcher *matcher = &rules->matchers[i];

        if (name_matches(matcher, name, &addr) && (matcher->port.len == 0 || str_eq(matcher->port, port_text)))
            return true;
    }
    return false;
}

bool forward_rules_find(const struct forward_rules *rules, bool secure, struct str name, uint16_t port,
                        const struct forward_proxy **proxy, struct error *err)
{
    const struct way *way;

    *proxy = NULL;
    if (!rules)
        return true;
    way = secure ? &rules->https : &rules->http;
    if (!way->is_set || is_excepted(rules, name, port))
        return true;
    if (!secure && rules->cgi)
        return error_set(err, FAULT_CONFIG, ERROR_ADDRESS_INVALID,
                         "HTTP_PROXY is not used where REQUEST_METHOD is set: it may be a request's Proxy field");
    if (way->fault.fault != FAULT_NONE) {
        *err = way->fault;
        return error_context(err, "%s", way->variable);
    }
    *proxy = &way->proxy;
    return true;
}
