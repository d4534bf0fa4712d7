/* decode_feed.c: an RSS or Atom document as what KrakenD's rss decoder makes of it: one object of the feed's fields,
 * with its items as ready-made JSON, because their members have an order of their own. Items are in feed_item.c. Start
 * with decode_feed. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/decode_xml.h"
#include "gateway/feed_internal.h"

static bool no_memory(struct error *err)
{
    return error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory to decode an answer");
}

static struct data text_of(struct arena *arena, const struct xml_node *parent, const char *name)
{
    return data_text(feed_text(arena, parent, "", name));
}

static struct data author_of(struct arena *arena, const struct xml_node *feed, bool atom)
{
    struct feed_out out = {.arena = arena, .json = {.arena = arena}};

    if (!feed_author(&out, feed, atom))
        return (struct data){.kind = DATA_NULL};
    return data_raw(json_written(&out.json));
}

static struct data categories_of(struct arena *arena, const struct xml_node *feed, bool atom)
{
    struct feed_out out = {.arena = arena, .json = {.arena = arena}};

    if (!feed_categories(&out, feed, atom))
        return (struct data){.kind = DATA_NULL};
    return data_raw(json_written(&out.json));
}

/* All items of `parent` as a list. */
static struct data items_of(struct arena *arena, const struct xml_node *parent, bool atom)
{
    struct feed_out out = {.arena = arena, .json = {.arena = arena}};
    const struct xml_node *item = xml_child(parent, atom ? STR("entry") : STR("item"));

    json_write_raw(&out.json, STR("["));
    for (bool begun = false; item; item = xml_again(item), begun = true) {
        if (begun)
            json_write_raw(&out.json, STR(","));
        feed_item(&out, item, atom);
    }
    json_write_raw(&out.json, STR("]"));
    return data_raw(json_written(&out.json));
}

static struct str image_of(struct arena *arena, const struct xml_node *feed, bool atom)
{
    const struct xml_node *image = xml_child(feed, STR("image"));

    if (atom)
        return feed_text(arena, feed, "", xml_child(feed, STR("logo")) ? "logo" : "icon");
    if (!image)
        return STR_EMPTY;
    return xml_child(image, STR("url")) ? feed_text(arena, image, "", "url") : xml_attribute(image, STR("href"));
}

static bool add(struct arena *arena, struct data *feed, const char *name, struct data value)
{
    return !(value.kind == DATA_RAW && !value.text.data) && data_add(arena, feed->node, str_from(name), value);
}

static bool fill(struct arena *arena, struct data *data, const struct xml_node *feed, const struct xml_node *items,
                 bool atom)
{
    struct str image = image_of(arena, feed, atom);
    struct str language = atom ? xml_attribute(feed, STR("lang")) : feed_text(arena, feed, "", "language");

    return data->kind == DATA_OBJECT && add(arena, data, "items", items_of(arena, items, atom)) &&
           add(arena, data, "author", author_of(arena, feed, atom)) &&
           add(arena, data, "categories", categories_of(arena, feed, atom)) &&
           add(arena, data, "custom", (struct data){.kind = DATA_NULL}) &&
           add(arena, data, "copyright", text_of(arena, feed, atom ? "rights" : "copyright")) &&
           add(arena, data, "description", text_of(arena, feed, atom ? "subtitle" : "description")) &&
           add(arena, data, "type", data_text(atom ? STR("atom") : STR("rss"))) &&
           add(arena, data, "language", data_text(language)) &&
           add(arena, data, "title", text_of(arena, feed, "title")) &&
           add(arena, data, "published", text_of(arena, feed, atom ? "published" : "pubDate")) &&
           add(arena, data, "updated", text_of(arena, feed, atom ? "updated" : "lastBuildDate")) &&
           (image.len == 0 || add(arena, data, "img_url", data_text(image)));
}

bool decode_feed(struct arena *arena, struct str text, struct data *data, size_t *bad_at, struct error *err)
{
    struct xml_node *root = xml_parse(arena, text, bad_at, err), *channel;
    bool atom;

    if (!root)
        return false;
    atom = str_eq_fold(root->name, STR("feed"));
    *bad_at = 0;
    channel = atom ? root : xml_child(root, STR("channel"));
    if (!channel || (!atom && !str_eq_fold(root->name, STR("rss")) && !str_eq_fold(root->name, STR("RDF"))))
        return error_set(err, FAULT_UPSTREAM, ERROR_BAD_BODY, "Failed to detect feed type");
    *data = data_new(arena, DATA_OBJECT);
    /* RSS 1.0 has its items beside the channel. */
    return fill(arena, data, channel, atom || xml_child(channel, STR("item")) ? channel : root, atom) || no_memory(err);
}
