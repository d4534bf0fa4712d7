/* target.c: the target of a request line: its bytes and its four forms. SPDX-License-Identifier: Apache-2.0 */
#include "http/h1/parse_internal.h"
#include "http/semantics.h"
#include "http/target_bytes.h"

static bool refuse(struct error *err, const char *text)
{
    return error_set(err, FAULT_CLIENT, ERROR_BAD_TARGET, "%s", text);
}

static bool no_memory(struct error *err)
{
    return error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for a head");
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
    return head->path.data || no_memory(err);
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
    if (LIKELY(target_is_plain(target)))
        return parse_form(arena, target, head, err);
    if (target_has_bad_bytes(target))
        return refuse(err, "a byte in the target that cannot be there");
    return parse_form(arena, target, head, err) && (target_escape(arena, &head->path) || no_memory(err));
}
