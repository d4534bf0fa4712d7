/* target.c: the target of a request line: its bytes and its four forms. SPDX-License-Identifier: Apache-2.0 */
#include "http/h1/parse_internal.h"
#include "http/h1/word.h"
#include "http/semantics.h"

static bool refuse(struct error *err, const char *text)
{
    return error_set(err, FAULT_CLIENT, ERROR_BAD_TARGET, "%s", text);
}

/* Anything but visible ASCII. Browsers send more of that unescaped than RFC 3986 grants (braces, bars), so only the
 * fragment mark is refused: it belongs to no target, and filters on suffixes are fooled by it. */
static inline uint64_t odd_bytes(uint64_t word)
{
    return (word & word_tops) | word_below_or_del(word, ' ' + 1) | word_equal(word, '#');
}

/* Some clients send UTF-8 as it is, and KrakenD takes it: from here on it is escaped, as it should have been. */
static bool escape_path(struct arena *arena, struct http_head *head, struct error *err)
{
    static const char hex[] = "0123456789ABCDEF";
    char *text = arena_alloc(arena, 3 * head->path.len + 1, 1), *end = text;

    if (!text)
        return error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for a head");
    for (size_t i = 0; i < head->path.len; i++) {
        uint8_t byte = (uint8_t)head->path.data[i];

        if (byte < 0x80) {
            *end++ = (char)byte;
            continue;
        }
        *end++ = '%';
        *end++ = hex[byte >> 4];
        *end++ = hex[byte & 15];
    }
    head->path = str_of(text, (size_t)(end - text));
    return true;
}

static bool has_bad_bytes(struct str target)
{
    for (size_t i = 0; i < target.len; i++) {
        uint8_t byte = (uint8_t)target.data[i];

        if (byte <= ' ' || byte == 0x7f || byte == '#')
            return true;
    }
    return false;
}

/* The length of "http://" or "https://" at the front, in any case; 0 when neither is there. */
static size_t scheme_len(struct str target)
{
    if (str_starts_fold(target, STR("http://")))
        return 4;
    return str_starts_fold(target, STR("https://")) ? 5 : 0;
}

static size_t authority_len(struct str text)
{
    size_t at = 0;

    while (at < text.len && text.data[at] != '/' && text.data[at] != '?')
        at++;
    return at;
}

/* "http://host" asks for "/", or with OPTIONS for the server itself (RFC 9112 3.2.4). */
static bool take_path(struct arena *arena, struct str path, struct http_head *head, struct error *err)
{
    if (path.len == 0) {
        head->path = str_eq(head->method, STR("OPTIONS")) ? STR("*") : STR("/");
        return true;
    }
    head->path = path.data[0] == '/' ? path : arena_format(arena, "/%.*s", STR_ARG(path));
    return head->path.data || error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for a head");
}

static bool parse_absolute(struct arena *arena, struct str target, struct http_head *head, struct error *err)
{
    size_t scheme = scheme_len(target), len;
    struct str rest;

    if (scheme == 0)
        return refuse(err, "the target is neither a path nor an http URL");
    rest = str_from_offset(target, scheme + 3);
    len = authority_len(rest);
    head->scheme = str_first(target, scheme);
    head->authority = str_first(rest, len);
    if (len == 0 || rest.data[0] == ':' || !authority_is_valid(head->authority))
        return refuse(err, "the target is a URL without a valid host");
    return take_path(arena, str_from_offset(rest, len), head, err);
}

/* Host and port, both there (RFC 9112 3.2.3). */
static bool parse_authority(struct str target, struct http_head *head, struct error *err)
{
    size_t colon = str_find_last_char(target, ':');

    head->authority = target;
    head->path = STR("");
    if (colon == 0 || colon + 1 >= target.len || !authority_is_valid(target))
        return refuse(err, "the target of CONNECT is not a host and a port");
    return true;
}

static bool parse_form(struct arena *arena, struct str target, struct http_head *head, struct error *err)
{
    if (str_eq(head->method, STR("CONNECT")))
        return parse_authority(target, head, err);
    if (target.data[0] != '/' && !str_eq(target, STR("*")))
        return parse_absolute(arena, target, head, err);
    head->path = target;
    if (target.data[0] == '*' && !str_eq(head->method, STR("OPTIONS")))
        return refuse(err, "the target * is for OPTIONS alone");
    return true;
}

bool h1_parse_target(struct arena *arena, struct str target, struct http_head *head, struct error *err)
{
    if (LIKELY(!words_find(target, odd_bytes)))
        return parse_form(arena, target, head, err);
    if (has_bad_bytes(target))
        return refuse(err, "a byte in the target that cannot be there");
    return parse_form(arena, target, head, err) && escape_path(arena, head, err);
}
