/* mask.c: what counts as a secret, and texts without it. Start with mask_write. SPDX-License-Identifier: Apache-2.0 */
#include "config/mask.h"

#define MASK STR("***")

static const char *const secret_words[] = {"password", "passwd", "passphrase", "secret",     "token",
                                           "api_key",  "apikey", "api-key",    "credential", "authorization",
                                           "cookie",   "dsn",    "access_key", "access-key", "accesskey"};

/* Names that end so tell where a secret is, or what it is like. */
static const char *const harmless_ends[] = {"_file", "_url",      "_path", "_name",  "_header", "_type",
                                            "_ttl",  "_endpoint", "_size", "_limit", "_timeout"};

static bool holds_fold(struct str text, struct str word)
{
    for (size_t i = 0; i + word.len <= text.len; i++)
        if (str_eq_fold(str_of(text.data + i, word.len), word))
            return true;
    return false;
}

static bool ends_fold(struct str text, struct str end)
{
    return text.len >= end.len && str_eq_fold(str_from_offset(text, text.len - end.len), end);
}

bool mask_is_secret(struct str name)
{
    bool secret = false;

    for (size_t i = 0; i < COUNT_OF(harmless_ends); i++)
        if (ends_fold(name, str_from(harmless_ends[i])))
            return false;
    for (size_t i = 0; i < COUNT_OF(secret_words); i++)
        secret |= holds_fold(name, str_from(secret_words[i]));
    return secret;
}

/* "http://user:password@host/path": what stands before the last @ of the authority. */
static struct str mask_user(struct arena *arena, struct str text)
{
    size_t scheme = str_find(text, STR("://"));
    struct str before, authority, rest;
    size_t end = 0, at;

    if (scheme >= text.len)
        return text;
    before = str_first(text, scheme + 3);
    rest = str_from_offset(text, scheme + 3);
    while (end < rest.len && rest.data[end] != '/' && rest.data[end] != '?' && rest.data[end] != '#')
        end++;
    authority = str_first(rest, end);
    at = str_find_last_char(authority, '@');
    if (at >= authority.len)
        return text;
    rest = str_from_offset(rest, at + 1);
    return arena_format(arena, "%.*s***@%.*s", STR_ARG(before), STR_ARG(rest));
}

static struct str mask_parameter(struct arena *arena, struct str parameter)
{
    size_t equals = str_find_char(parameter, '=');
    struct str name = str_first(parameter, equals);

    if (equals >= parameter.len || (!mask_is_secret(name) && !str_eq_fold(name, STR("key"))))
        return parameter;
    return arena_format(arena, "%.*s=***", STR_ARG(name));
}

/* "/path?a=1&token=x" */
static struct str mask_query(struct arena *arena, struct str text)
{
    size_t question = str_find_char(text, '?');
    struct str shown = str_first(text, question), query, parameter;
    const char *between = "?";

    if (question >= text.len || str_find_char(text, '=') >= text.len)
        return text;
    query = str_from_offset(text, question + 1);
    while (shown.data && str_split(&query, '&', &parameter)) {
        parameter = mask_parameter(arena, parameter);
        shown =
            parameter.data ? arena_format(arena, "%.*s%s%.*s", STR_ARG(shown), between, STR_ARG(parameter)) : STR_EMPTY;
        between = "&";
    }
    return shown;
}

struct str mask_text(struct arena *arena, struct str name, struct str text)
{
    if (text.len == 0)
        return text;
    if (mask_is_secret(name) || str_find(text, STR("-----BEGIN")) < text.len)
        return MASK;
    if (str_starts_fold(text, STR("bearer ")))
        return STR("Bearer ***");
    if (str_starts_fold(text, STR("basic ")))
        return STR("Basic ***");
    text = mask_user(arena, text);
    return text.data ? mask_query(arena, text) : text;
}

static void write_text(struct json_writer *writer, struct str name, struct str text)
{
    struct str shown = mask_text(writer->arena, name, text);

    writer->failed |= !shown.data && text.len > 0;
    json_write_string(writer, shown);
}

/* The name that counts for a member: that of its sibling "name", when it is the sibling's value. */
static struct str name_of(const struct node *object, const struct node *member)
{
    const struct node *name = node_member(object, STR("name"));

    return name && name->type == JSON_STRING && str_eq_fold(member->name, STR("value")) ? name->text : member->name;
}

void mask_write(struct json_writer *writer, struct str name, const struct node *node)
{
    bool object = node->type == JSON_OBJECT;

    switch (node->type) {
    case JSON_STRING:
        write_text(writer, name, node->text);
        return;
    case JSON_NUMBER:
        json_write_raw(writer, mask_is_secret(name) ? STR("\"***\"") : node->text);
        return;
    case JSON_NULL:
        json_write_raw(writer, STR("null"));
        return;
    case JSON_FALSE:
    case JSON_TRUE:
        json_write_raw(writer, node->type == JSON_TRUE ? STR("true") : STR("false"));
        return;
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    json_write_raw(writer, object ? STR("{") : STR("["));
    for (const struct node *at = node->children; at; at = at->next) {
        if (object)
            json_write_name(writer, at->name, true);
        mask_write(writer, object ? name_of(node, at) : name, at);
        json_write_raw(writer, at->next ? STR(",") : STR_EMPTY);
    }
    json_write_raw(writer, object ? STR("}") : STR("]"));
}
