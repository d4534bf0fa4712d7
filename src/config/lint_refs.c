/* lint_refs.c: where the references of a JSON Schema lead: pointers (RFC 6901), $id and $anchor, all in one file.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "config/lint_internal.h"

enum { NEST_MAX = 200 };

static bool is_absolute(struct str uri)
{
    size_t colon = str_find_char(uri, ':');

    return colon < uri.len && colon < str_find_char(uri, '/');
}

/* What a path that begins with '/' comes behind: "https://name". */
static struct str root_of(struct str uri)
{
    size_t start = str_find(uri, STR("://"));

    if (start == uri.len)
        return STR_EMPTY;
    start += 3;
    return str_first(uri, start + str_find_char(str_from_offset(uri, start), '/'));
}

static struct str folder_of(struct str uri)
{
    size_t slash = str_find_last_char(uri, '/');

    return slash < uri.len ? str_first(uri, slash + 1) : STR_EMPTY;
}

struct str lint_resolve(const struct lint *lint, struct str reference)
{
    struct str front = STR_EMPTY;

    reference = str_first(reference, str_find_char(reference, '#'));
    if (reference.len == 0)
        return lint->base;
    if (!is_absolute(reference))
        front = reference.data[0] == '/' ? root_of(lint->base) : folder_of(lint->base);
    return arena_format(lint->arena, "%.*s%.*s", STR_ARG(front), STR_ARG(reference));
}

static void add_id(struct lint *lint, struct str anchor, const struct node *node)
{
    struct lint_id *id = arena_make(lint->arena, struct lint_id);

    if (!id) {
        lint_break(lint, node, "no memory for its names");
        return;
    }
    *id = (struct lint_id){.next = lint->ids, .uri = lint->base, .anchor = anchor, .node = node};
    lint->ids = id;
}

static void collect(struct lint *lint, const struct node *node, unsigned depth)
{
    struct str base = lint->base;
    const struct node *id = lint_member(node, STR("$id")), *anchor = lint_member(node, STR("$anchor"));

    if (depth > NEST_MAX)
        return;
    if (id && id->type == JSON_STRING) {
        lint->base = lint_resolve(lint, id->text);
        add_id(lint, STR_EMPTY, node);
    }
    if (anchor && anchor->type == JSON_STRING)
        add_id(lint, anchor->text, node);
    for (const struct node *child = node->children; child; child = child->next)
        collect(lint, child, depth + 1);
    lint->base = base;
}

void lint_collect_ids(struct lint *lint)
{
    lint->base = STR_EMPTY;
    add_id(lint, STR_EMPTY, lint->schema);
    collect(lint, lint->schema, 0);
}

static const struct node *find_id(const struct lint *lint, struct str uri, struct str anchor)
{
    for (const struct lint_id *id = lint->ids; id; id = id->next)
        if (str_eq(id->uri, uri) && str_eq(id->anchor, anchor))
            return id->node;
    return NULL;
}

/* ~1 is a slash and ~0 a tilde; in place. */
static struct str unescape(char *text, size_t len)
{
    size_t out = 0;

    for (size_t i = 0; i < len; i++) {
        bool escaped = text[i] == '~' && i + 1 < len && (text[i + 1] == '0' || text[i + 1] == '1');

        text[out++] = !escaped ? text[i] : text[i + 1] == '0' ? '~' : '/';
        i += escaped;
    }
    return str_of(text, out);
}

static const struct node *child_of(const struct node *node, struct str step)
{
    const struct node *child = node->children;
    uint64_t index;

    if (node->type == JSON_OBJECT)
        return lint_member(node, step);
    if (node->type != JSON_ARRAY || !text_to_u64(step, &index))
        return NULL;
    for (; child && index > 0; index--)
        child = child->next;
    return child;
}

static const struct node *follow_pointer(const struct lint *lint, const struct node *node, struct str pointer)
{
    while (node && pointer.len > 0) {
        struct str step = str_from_offset(pointer, 1);
        char *copy;

        step = str_first(step, str_find_char(step, '/'));
        pointer = str_from_offset(pointer, step.len + 1);
        copy = arena_alloc(lint->arena, step.len + 1, 1);
        if (!copy)
            return NULL;
        memcpy(copy, step.data, step.len);
        node = child_of(node, unescape(copy, step.len));
    }
    return node;
}

const struct node *lint_find(struct lint *lint, struct str reference, struct str *uri)
{
    struct str fragment = str_from_offset(reference, str_find_char(reference, '#') + 1);
    struct str bad, decoded;

    *uri = lint_resolve(lint, reference);
    if (!text_percent_decode(lint->arena, fragment, false, &decoded, &bad))
        return NULL;
    if (decoded.len > 0 && decoded.data[0] != '/')
        return find_id(lint, *uri, decoded);
    return follow_pointer(lint, find_id(lint, *uri, STR_EMPTY), decoded);
}
