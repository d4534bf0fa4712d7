/* feed_item.c: one item of a feed as JSON, its members in the order that KrakenD's library has. Start with feed_item.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gateway/feed_date.h"
#include "gateway/feed_internal.h"

static void write_inside(struct json_writer *out, const struct xml_node *element);

static void write_markup(struct json_writer *out, const struct xml_node *node)
{
    if (node->is_text) {
        json_write_raw(out, node->text);
        return;
    }
    json_write_raw(out, STR("<"));
    json_write_raw(out, node->name);
    for (const struct xml_attribute *attribute = node->attributes; attribute; attribute = attribute->next) {
        json_write_raw(out, STR(" "));
        json_write_raw(out, attribute->name);
        json_write_raw(out, STR("=\""));
        json_write_raw(out, attribute->value);
        json_write_raw(out, STR("\""));
    }
    json_write_raw(out, STR(">"));
    write_inside(out, node);
    json_write_raw(out, STR("</"));
    json_write_raw(out, node->name);
    json_write_raw(out, STR(">"));
}

/* Depth is bounded by the parser. */
static void write_inside(struct json_writer *out, const struct xml_node *element)
{
    for (const struct xml_node *child = element->children; child; child = child->next)
        write_markup(out, child);
}

static struct str trim(struct str text)
{
    return str_trim_of(text, STR(" \t\r\n"));
}

struct str feed_inside(struct arena *arena, const struct xml_node *element)
{
    struct json_writer out = {.arena = arena};

    if (!element || !element->children)
        return STR("");
    if (element->children->is_text && !element->children->next)
        return trim(element->children->text);
    write_inside(&out, element);
    return trim(json_written(&out));
}

const struct xml_node *feed_child(const struct xml_node *parent, const char *prefix, const char *name)
{
    const struct xml_node *child = xml_child(parent, str_from(name));

    while (child && !str_eq(child->prefix, str_from(prefix)))
        child = xml_again(child);
    return child;
}

/* Parts of RSS; all others are Atom's. */
static bool is_rss(const struct xml_node *parent)
{
    return str_eq(parent->name, STR("item")) || str_eq(parent->name, STR("channel"));
}

/* Atom's XHTML comes in one div, which is not part of it (RFC 4287 3.1.1.3). */
static const struct xml_node *unwrap(const struct xml_node *element)
{
    const struct xml_node *only = NULL;

    if (!element || !str_eq(xml_attribute(element, STR("type")), STR("xhtml")))
        return element;
    for (const struct xml_node *child = element->children; child; child = child->next) {
        if (child->is_text && str_trim(child->text).len == 0)
            continue;
        if (only || child->is_text || !str_eq(child->name, STR("div")))
            return element;
        only = child;
    }
    return only ? only : element;
}

struct str feed_text(struct arena *arena, const struct xml_node *parent, const char *prefix, const char *name)
{
    const struct xml_node *child = feed_child(parent, prefix, name);

    if (!child && prefix[0] == '\0')
        child = feed_child(parent, "atom", name);
    return feed_inside(arena, is_rss(parent) ? child : unwrap(child));
}

void feed_open(struct feed_out *out)
{
    json_write_raw(&out->json, STR("{"));
    out->begun = false;
}

void feed_close(struct feed_out *out)
{
    json_write_raw(&out->json, STR("}"));
    out->begun = true;
}

void feed_name(struct feed_out *out, const char *name)
{
    json_write_name(&out->json, str_from(name), !out->begun);
    out->begun = true;
}

void feed_field(struct feed_out *out, const char *name, struct str text)
{
    if (text.len == 0)
        return;
    feed_name(out, name);
    json_write_string(&out->json, text);
}

/* A date as it was, and once more as it was understood. */
static void write_date(struct feed_out *out, const char *name, const char *parsed_name, struct str text)
{
    feed_field(out, name, text);
    feed_field(out, parsed_name, feed_date(out->arena, text));
}

/* "name (mail)", "mail (name)", or one of them. */
static void cut_person(struct str text, struct str *name, struct str *mail)
{
    size_t open = str_find_char(text, '(');
    struct str outside = trim(str_first(text, open)), inside = str_from_offset(text, open + 1);
    bool mail_outside = str_find_char(outside, '@') < outside.len;

    inside = trim(str_first(inside, str_find_char(inside, ')')));
    *name = mail_outside ? inside : outside;
    *mail = mail_outside ? outside : inside;
}

bool feed_author(struct feed_out *out, const struct xml_node *parent, bool atom)
{
    static const char *const places[][2] = {{"", "author"},   {"", "managingEditor"}, {"", "webMaster"},
                                            {"dc", "author"}, {"dc", "creator"},      {"itunes", "author"}};
    const struct xml_node *author = xml_child(parent, STR("author"));
    struct str name = STR(""), mail = STR(""), text = STR("");

    if (atom && author) {
        name = feed_text(out->arena, author, "", "name");
        mail = feed_text(out->arena, author, "", "email");
    }
    for (size_t i = 0; !atom && text.len == 0 && i < COUNT_OF(places); i++)
        text = feed_inside(out->arena, feed_child(parent, places[i][0], places[i][1]));
    if (text.len > 0)
        cut_person(text, &name, &mail);
    if (name.len == 0 && mail.len == 0)
        return false;
    feed_open(out);
    feed_field(out, "name", name);
    feed_field(out, "email", mail);
    feed_close(out);
    return true;
}

static void add_category(struct feed_out *out, struct str text, unsigned *count)
{
    if (text.len == 0)
        return;
    json_write_raw(&out->json, (*count)++ == 0 ? STR("[") : STR(","));
    json_write_string(&out->json, text);
}

bool feed_categories(struct feed_out *out, const struct xml_node *parent, bool atom)
{
    unsigned count = 0;

    for (const struct xml_node *child = parent->children; child; child = child->next) {
        bool is_subject = str_eq(child->prefix, STR("dc")) && str_eq(child->name, STR("subject"));
        bool is_category = child->prefix.len == 0 && str_eq(child->name, STR("category"));

        if (!child->is_text && (is_subject || is_category))
            add_category(out, atom ? xml_attribute(child, STR("term")) : feed_inside(out->arena, child), &count);
    }
    if (count > 0)
        json_write_raw(&out->json, STR("]"));
    return count > 0;
}

/* {"url":...,"length":...,"type":...} of each. */
static void write_enclosures(struct feed_out *out, const struct xml_node *item, bool atom)
{
    const struct xml_node *child = xml_child(item, atom ? STR("link") : STR("enclosure"));
    bool begun = false;

    for (; child; child = xml_again(child)) {
        if (atom && !str_eq(xml_attribute(child, STR("rel")), STR("enclosure")))
            continue;
        if (!begun)
            feed_name(out, "enclosures");
        json_write_raw(&out->json, begun ? STR(",") : STR("["));
        begun = true;
        feed_open(out);
        feed_field(out, "url", xml_attribute(child, atom ? STR("href") : STR("url")));
        feed_field(out, "length", xml_attribute(child, STR("length")));
        feed_field(out, "type", xml_attribute(child, STR("type")));
        feed_close(out);
    }
    if (begun)
        json_write_raw(&out->json, STR("]"));
}

/* Only what iTunes reads is an item's image. */
static struct str image_of(const struct xml_node *item, bool atom)
{
    const struct xml_node *image = atom ? NULL : feed_child(item, "itunes", "image");

    return image ? xml_attribute(image, STR("href")) : STR("");
}

/* An RSS link without a text may be written as Atom's. */
static struct str url_of(struct arena *arena, const struct xml_node *link, bool atom)
{
    struct str text = atom ? STR("") : feed_inside(arena, link);

    return text.len > 0 ? text : xml_attribute(link, STR("href"));
}

/* Atom: the first link that is the alternate one, or has no relation. RSS: the last one. */
static struct str link_of(struct arena *arena, const struct xml_node *item, bool atom)
{
    const struct xml_node *last = NULL;

    for (const struct xml_node *link = xml_child(item, STR("link")); link; link = xml_again(link)) {
        struct str relation = xml_attribute(link, STR("rel"));

        if (atom && (relation.len == 0 || str_eq(relation, STR("alternate"))))
            return xml_attribute(link, STR("href"));
        if (!atom && link->prefix.len == 0)
            last = link;
    }
    return last ? url_of(arena, last, false) : STR("");
}

static void write_authors(struct feed_out *out, const struct xml_node *item, bool atom)
{
    struct feed_out one = {.arena = out->arena, .json = {.arena = out->arena}};

    if (!feed_author(&one, item, atom))
        return;
    feed_name(out, "author");
    json_write_raw(&out->json, json_written(&one.json));
    feed_name(out, "authors");
    json_write_raw(&out->json, STR("["));
    json_write_raw(&out->json, json_written(&one.json));
    json_write_raw(&out->json, STR("]"));
    out->json.failed |= one.json.failed;
}

static void write_image(struct feed_out *out, struct str url)
{
    if (url.len == 0)
        return;
    feed_name(out, "image");
    feed_open(out);
    feed_field(out, "url", url);
    feed_close(out);
}

/* Atom: those that lead to the entry itself; "alternate" is what has no relation. */
static void write_links(struct feed_out *out, const struct xml_node *item, bool atom)
{
    bool begun = false;

    for (const struct xml_node *link = xml_child(item, STR("link")); link; link = xml_again(link)) {
        struct str relation = atom ? xml_attribute(link, STR("rel")) : STR("");

        if ((relation.len > 0 && !str_eq(relation, STR("alternate")) && !str_eq(relation, STR("self"))) ||
            (!atom && link->prefix.len > 0))
            continue;
        if (!begun)
            feed_name(out, "links");
        json_write_raw(&out->json, begun ? STR(",") : STR("["));
        begun = true;
        json_write_string(&out->json, url_of(out->arena, link, atom));
    }
    if (begun)
        json_write_raw(&out->json, STR("]"));
}

static void write_categories(struct feed_out *out, const struct xml_node *item, bool atom)
{
    struct feed_out list = {.arena = out->arena, .json = {.arena = out->arena}};

    if (!feed_categories(&list, item, atom))
        return;
    feed_name(out, "categories");
    json_write_raw(&out->json, json_written(&list.json));
    out->json.failed |= list.json.failed;
}

void feed_item(struct feed_out *out, const struct xml_node *item, bool atom)
{
    struct arena *arena = out->arena;
    struct str description = feed_text(arena, item, "", atom ? "summary" : "description");
    struct str content = atom ? feed_text(arena, item, "", "content") : feed_text(arena, item, "content", "encoded");
    struct str published = feed_text(arena, item, "", atom ? "published" : "pubDate");
    struct str updated = atom ? feed_text(arena, item, "", "updated") : feed_text(arena, item, "dc", "date");

    feed_open(out);
    feed_field(out, "title", feed_text(arena, item, "", "title"));
    feed_field(out, "description", description);
    feed_field(out, "content", content);
    feed_field(out, "link", link_of(arena, item, atom));
    write_links(out, item, atom);
    write_date(out, "updated", "updatedParsed", updated);
    write_date(out, "published", "publishedParsed", published.len > 0 ? published : updated);
    write_authors(out, item, atom);
    feed_field(out, "guid", feed_text(arena, item, "", atom ? "id" : "guid"));
    write_image(out, image_of(item, atom));
    write_categories(out, item, atom);
    write_enclosures(out, item, atom);
    feed_extensions(out, item);
    feed_close(out);
}
