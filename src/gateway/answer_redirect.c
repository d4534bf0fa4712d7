/* answer_redirect.c: the router's redirects as Go's http.Redirect writes them (spec 3.2).
 * SPDX-License-Identifier: Apache-2.0 */
#include "gateway/answer_internal.h"
#include "gateway/router_internal.h"

/* X-Forwarded-Prefix, cleaned and reduced to letters, digits, '/' and '-'; empty when there is none. data NULL: no
 * room. */
static struct str forwarded_prefix(const struct answer_input *input)
{
    struct str prefix = headers_get_id(&input->request->headers, HEADER_X_FORWARDED_PREFIX);
    char *out;
    size_t len = 0;

    if (prefix.len == 0)
        return STR("");
    prefix = route_clean_path(input->arena, prefix);
    out = prefix.data ? arena_alloc(input->arena, prefix.len + 1, 1) : NULL;
    if (!out)
        return STR_EMPTY;
    for (size_t i = 0; i < prefix.len; i++) {
        char c = prefix.data[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
            (c == '/' && (len == 0 || out[len - 1] != '/')))
            out[len++] = c;
    }
    return str_of(out, len);
}

/* Path and query to go to. The path is cleaned once more, so that it can never begin with two slashes (another host).
 */
static struct str make_location(const struct answer_input *input, const struct route_match *match)
{
    struct str path = match->location, target = input->request->path;
    struct str query = str_from_offset(target, str_find_char(target, '?'));

    if (match->trailing_slash) {
        struct str prefix = forwarded_prefix(input);

        if (prefix.len > 0)
            path = arena_format(input->arena, "%.*s/%.*s", STR_ARG(prefix), STR_ARG(path));
    }
    path = route_clean_path(input->arena, path);
    return arena_format(input->arena, "%.*s%.*s", STR_ARG(path), STR_ARG(query.len > 1 ? query : STR("")));
}

/* What a browser shows for a moment. */
static struct str link_body(struct arena *arena, struct str location, struct str reason)
{
    static const struct {
        char c;
        const char *text;
    } escapes[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&#34;"}, {'\'', "&#39;"}};
    char *out = arena_alloc(arena, 5 * location.len + 1, 1);
    size_t len = 0;

    for (size_t i = 0; out && i < location.len; i++) {
        const char *text = NULL;

        for (size_t escape = 0; escape < COUNT_OF(escapes); escape++)
            if (escapes[escape].c == location.data[i])
                text = escapes[escape].text;
        if (text) {
            memcpy(out + len, text, strlen(text));
            len += strlen(text);
        } else {
            out[len++] = location.data[i];
        }
    }
    return arena_format(arena, "<a href=\"%.*s\">%.*s</a>.\n\n", STR_ARG(str_of(out, len)), STR_ARG(reason));
}

void answer_redirect(const struct answer_input *input, const struct route_match *match, struct answer *out)
{
    bool get = str_eq(input->request->method, STR("GET")), head = str_eq(input->request->method, STR("HEAD"));
    uint16_t status = get ? 301 : 307;
    struct str location = make_location(input, match);

    answer_begin(out, status);
    answer_add(input, out, HEADER_LOCATION, location);
    if (get || head)
        answer_add(input, out, HEADER_CONTENT_TYPE, STR("text/html; charset=utf-8"));
    if (get)
        answer_set_body(out, link_body(input->arena, location, status_reason(status)));
}
