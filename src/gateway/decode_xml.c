/* decode_xml.c: an XML tree as Data, by the rules of KrakenD's library: every scalar is a string, prefixes of names are
 * dropped, white space around text is trimmed and of several runs of text the last one counts. Feeds are in
 * decode_feed.c. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/decode_xml.h"

static bool no_memory(struct error *err)
{
    return error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory to decode an answer");
}

static bool add_attributes(struct arena *arena, const struct xml_node *element, struct data_node *node)
{
    for (const struct xml_attribute *attribute = element->attributes; attribute; attribute = attribute->next) {
        struct str name = arena_format(arena, "-%.*s", STR_ARG(attribute->name));

        if (!name.data || !data_add(arena, node, name, data_text(attribute->value)))
            return false;
    }
    return true;
}

static bool take_element(struct arena *arena, const struct xml_node *element, struct data *value);

/* Child elements in their order; the last run of text that is more than white space goes to *text. Where text comes
 * before anything else, attributes too, it is all that KrakenD's library takes. */
static bool add_children(struct arena *arena, const struct xml_node *element, struct data_node *node, struct str *text)
{
    for (const struct xml_node *child = element->children; child; child = child->next) {
        struct str trimmed = str_trim_of(child->text, STR(" \t\r\n\b"));
        struct data value;

        if (child->is_text && trimmed.len > 0)
            *text = trimmed;
        if (!child->is_text && !element->attributes && node->count == 0 && text->len > 0)
            return true;
        if (!child->is_text && (!take_element(arena, child, &value) || !data_add(arena, node, child->name, value)))
            return false;
    }
    return true;
}

/* Depth is bounded by the parser. */
static bool take_element(struct arena *arena, const struct xml_node *element, struct data *value)
{
    struct data children = data_new(arena, DATA_OBJECT);
    struct str text = STR("");

    *value = data_new(arena, DATA_OBJECT);
    if (value->kind == DATA_NULL || children.kind == DATA_NULL || !add_attributes(arena, element, value->node) ||
        !add_children(arena, element, children.node, &text) || !data_gather(arena, &children))
        return false;
    data_join(value->node, children.node);
    if (value->node->count == 0)
        *value = data_text(text);
    else if (text.len > 0)
        return data_add(arena, value->node, STR("#text"), data_text(text));
    return true;
}

/* KrakenD's decoder of XML puts its own words before those of the parser; its decoder of feeds does not. */
static bool name_decoder(struct arena *arena, struct error *err)
{
    struct str text = arena_copy(arena, str_from(err->text));

    if (text.data && str_starts(text, STR("XML syntax error")))
        error_set(err, err->fault, err->code, "xml.Decoder.Token() - %.*s", STR_ARG(text));
    return false;
}

bool decode_xml(struct arena *arena, struct str text, struct data *data, size_t *bad_at, struct error *err)
{
    struct xml_node *root = xml_parse(arena, text, bad_at, err);
    struct data value;

    if (!root)
        return name_decoder(arena, err);
    *data = data_new(arena, DATA_OBJECT);
    if (data->kind == DATA_NULL || !take_element(arena, root, &value) ||
        !data_add(arena, data->node, root->name, value))
        return no_memory(err);
    return true;
}
