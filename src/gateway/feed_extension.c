/* feed_extension.c: elements of other vocabularies in an item: Dublin Core and iTunes by name, and all of them once
 * more by prefix and name. Start with feed_extensions. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/data.h"
#include "gateway/feed_internal.h"

enum { PREFIXES_MAX = 64 };

static bool is_extension(const struct xml_node *node)
{
    return !node->is_text && node->prefix.len > 0 && !str_eq(node->prefix, STR("rss")) &&
           !str_eq(node->prefix, STR("rdf")) && !str_eq(node->prefix, STR("content"));
}

static bool has_prefix(const struct xml_node *item, const char *prefix)
{
    for (const struct xml_node *child = item->children; child; child = child->next)
        if (!child->is_text && str_eq(child->prefix, str_from(prefix)))
            return true;
    return false;
}

static void write_dublin_core(struct feed_out *out, const struct xml_node *item)
{
    static const char *const names[] = {"title",       "creator",  "author",   "subject", "description", "publisher",
                                        "contributor", "date",     "type",     "format",  "identifier",  "source",
                                        "language",    "relation", "coverage", "rights"};

    if (!has_prefix(item, "dc"))
        return;
    feed_name(out, "dcExt");
    feed_open(out);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        bool begun = false;

        for (const struct xml_node *child = xml_child(item, str_from(names[i])); child; child = xml_again(child)) {
            if (!str_eq(child->prefix, STR("dc")))
                continue;
            if (!begun)
                feed_name(out, names[i]);
            json_write_raw(&out->json, begun ? STR(",") : STR("["));
            begun = true;
            json_write_string(&out->json, feed_inside(out->arena, child));
        }
        if (begun)
            json_write_raw(&out->json, STR("]"));
    }
    feed_close(out);
}

static void write_itunes(struct feed_out *out, const struct xml_node *item)
{
    static const char *const names[] = {"author",   "block",   "duration",   "explicit",          "keywords",
                                        "subtitle", "summary", "image",      "isClosedCaptioned", "episode",
                                        "season",   "order",   "episodeType"};
    const struct xml_node *child;

    if (!has_prefix(item, "itunes"))
        return;
    feed_name(out, "itunesExt");
    feed_open(out);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        child = feed_child(item, "itunes", names[i]);
        if (child && str_eq(child->name, STR("image")))
            feed_field(out, names[i], xml_attribute(child, STR("href")));
        else
            feed_field(out, names[i], feed_inside(out->arena, child));
    }
    feed_close(out);
}

/* Text beside the elements inside. */
static struct str own_text(struct arena *arena, const struct xml_node *node)
{
    return node->children && node->children->is_text ? feed_inside(arena, node) : STR("");
}

static bool describe(struct arena *arena, const struct xml_node *node, struct data *value);

/* Children by name, each name a list. */
static bool describe_children(struct arena *arena, const struct xml_node *node, struct data *children)
{
    struct data one;

    *children = data_new(arena, DATA_OBJECT);
    if (children->kind == DATA_NULL)
        return false;
    for (const struct xml_node *child = node->children; child; child = child->next)
        if (!child->is_text && (!describe(arena, child, &one) || !data_add(arena, children->node, child->name, one)))
            return false;
    return data_gather(arena, children);
}

static bool wrap_singles(struct arena *arena, struct data *object)
{
    for (struct data_member *member = object->node->first; member; member = member->next) {
        struct data list;

        if (member->value.kind == DATA_ARRAY)
            continue;
        list = data_new(arena, DATA_ARRAY);
        if (list.kind == DATA_NULL || !data_add(arena, list.node, STR(""), member->value))
            return false;
        member->value = list;
    }
    return true;
}

static bool describe_attributes(struct arena *arena, const struct xml_node *node, struct data *attributes)
{
    *attributes = data_new(arena, DATA_OBJECT);
    if (attributes->kind == DATA_NULL)
        return false;
    for (const struct xml_attribute *attribute = node->attributes; attribute; attribute = attribute->next)
        if (!data_add(arena, attributes->node, attribute->name, data_text(attribute->value)))
            return false;
    return true;
}

/* {"name":...,"value":...,"attrs":{...},"children":{...}}, in this order. Depth is bounded by the parser. */
static bool describe(struct arena *arena, const struct xml_node *node, struct data *value)
{
    struct json_writer out = {.arena = arena};
    struct data attributes, children;

    if (!describe_attributes(arena, node, &attributes) || !describe_children(arena, node, &children) ||
        !wrap_singles(arena, &children))
        return false;
    json_write_raw(&out, STR("{\"name\":"));
    json_write_string(&out, node->name);
    json_write_raw(&out, STR(",\"value\":"));
    json_write_string(&out, own_text(arena, node));
    json_write_raw(&out, STR(",\"attrs\":"));
    data_write(&out, &attributes);
    json_write_raw(&out, STR(",\"children\":"));
    data_write(&out, &children);
    json_write_raw(&out, STR("}"));
    *value = data_raw(json_written(&out));
    return value->text.data != NULL;
}

/* All extensions of one prefix, by name. */
static bool describe_prefix(struct arena *arena, const struct xml_node *item, struct str prefix, struct data *names)
{
    struct data one;

    *names = data_new(arena, DATA_OBJECT);
    if (names->kind == DATA_NULL)
        return false;
    for (const struct xml_node *child = item->children; child; child = child->next)
        if (is_extension(child) && str_eq(child->prefix, prefix) &&
            (!describe(arena, child, &one) || !data_add(arena, names->node, child->name, one)))
            return false;
    return data_gather(arena, names) && wrap_singles(arena, names);
}

static bool describe_all(struct arena *arena, const struct xml_node *item, struct data *prefixes)
{
    struct data names, known;

    *prefixes = data_new(arena, DATA_OBJECT);
    if (prefixes->kind == DATA_NULL)
        return false;
    for (const struct xml_node *child = item->children; child; child = child->next) {
        if (prefixes->node->count == PREFIXES_MAX)
            return true;
        if (!is_extension(child) || data_find(prefixes, child->prefix, &known))
            continue;
        if (!describe_prefix(arena, item, child->prefix, &names) ||
            !data_add(arena, prefixes->node, child->prefix, names))
            return false;
    }
    return true;
}

void feed_extensions(struct feed_out *out, const struct xml_node *item)
{
    struct data prefixes;

    write_dublin_core(out, item);
    write_itunes(out, item);
    if (!describe_all(out->arena, item, &prefixes)) {
        out->json.failed = true;
        return;
    }
    if (data_is_empty(&prefixes))
        return;
    feed_name(out, "extensions");
    data_write(&out->json, &prefixes);
}
