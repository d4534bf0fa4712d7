/* xml.c: expat's events put together to a tree. Start with xml_parse. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/xml.h"

#include "gateway/xml_charset.h"

#include <expat.h>

enum { TEXT_AT_FIRST = 64 };

struct building {
    struct arena *arena;
    XML_Parser parser;
    struct xml_node *root;
    struct xml_node *open[XML_DEPTH_MAX];
    uint32_t depth, nodes;
    char *text; /* the run of text that is being read */
    size_t text_len, text_room;
    bool closed; /* the root is complete */
    struct error err;
};

static void stop(struct building *b, enum fault fault, enum error_code code, const char *text)
{
    if (b->err.fault == FAULT_NONE)
        error_set(&b->err, fault, code, "%s", text);
    XML_StopParser(b->parser, XML_FALSE);
}

static void no_memory(struct building *b)
{
    stop(b, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory to decode an answer");
}

/* Behind the last child of what is open; false: a bound. */
static bool add_node(struct building *b, struct xml_node *node)
{
    struct xml_node *parent = b->depth > 0 ? b->open[b->depth - 1] : NULL;

    if (++b->nodes > XML_NODES_MAX) {
        stop(b, FAULT_UPSTREAM, ERROR_BODY_TOO_LARGE, "XML: too many elements");
        return false;
    }
    if (!parent)
        b->root = node;
    else if (parent->last)
        parent->last->next = node;
    else
        parent->children = node;
    if (parent)
        parent->last = node;
    return true;
}

static void end_text(struct building *b)
{
    struct xml_node *node;

    if (b->text_len == 0)
        return;
    node = arena_make(b->arena, struct xml_node);
    if (!node) {
        no_memory(b);
        return;
    }
    node->is_text = true;
    node->text = str_of(b->text, b->text_len);
    b->text = NULL;
    b->text_len = b->text_room = 0;
    (void)add_node(b, node);
}

/* Go's rule: a name is cut at its first colon, unless one side would be empty. */
static void cut_name(struct str whole, struct str *prefix, struct str *name)
{
    size_t colon = str_find_char(whole, ':');

    *prefix = STR("");
    *name = whole;
    if (colon > 0 && colon + 1 < whole.len) {
        *prefix = str_first(whole, colon);
        *name = str_from_offset(whole, colon + 1);
    }
}

static bool take_attributes(struct building *b, struct xml_node *node, const char **pairs)
{
    struct xml_attribute **last = &node->attributes;
    unsigned count = 0;

    for (; pairs[0]; pairs += 2) {
        struct xml_attribute *attribute = arena_make(b->arena, struct xml_attribute);

        if (++count > XML_ATTRIBUTES_MAX) {
            stop(b, FAULT_UPSTREAM, ERROR_BODY_TOO_LARGE, "XML: too many attributes");
            return false;
        }
        if (!attribute)
            return false;
        cut_name(arena_copy(b->arena, str_from(pairs[0])), &attribute->prefix, &attribute->name);
        attribute->value = arena_copy(b->arena, str_from(pairs[1]));
        if (!attribute->name.data || !attribute->value.data)
            return false;
        *last = attribute;
        last = &attribute->next;
    }
    return true;
}

static void XMLCALL on_start(void *arg, const char *name, const char **attributes)
{
    struct building *b = arg;
    struct xml_node *node;

    end_text(b);
    if (b->depth == XML_DEPTH_MAX) {
        stop(b, FAULT_UPSTREAM, ERROR_BODY_TOO_LARGE, "XML: nested too deep");
        return;
    }
    node = arena_make(b->arena, struct xml_node);
    if (node)
        cut_name(arena_copy(b->arena, str_from(name)), &node->prefix, &node->name);
    if (!node || !node->name.data || !take_attributes(b, node, attributes)) {
        no_memory(b);
        return;
    }
    if (add_node(b, node))
        b->open[b->depth++] = node;
}

static void XMLCALL on_end(void *arg, const char *name)
{
    struct building *b = arg;

    (void)name;
    end_text(b);
    if (b->depth == 0 || --b->depth > 0)
        return;
    b->closed = true;
    XML_StopParser(b->parser, XML_FALSE); /* Nothing behind the root is looked at. */
}

static void XMLCALL on_text(void *arg, const char *text, int len)
{
    struct building *b = arg;
    size_t size = (size_t)len;

    if (b->depth == 0)
        return;
    if (b->text_room - b->text_len < size) {
        size_t room = size_max(b->text_room * 2, b->text_len + size + TEXT_AT_FIRST);
        char *grown = arena_alloc(b->arena, room, 1);

        if (!grown) {
            no_memory(b);
            return;
        }
        if (b->text_len > 0)
            memcpy(grown, b->text, b->text_len);
        b->text = grown;
        b->text_room = room;
    }
    memcpy(b->text + b->text_len, text, size);
    b->text_len += size;
}

/* Marks between which a run of text stands. */
static void XMLCALL on_comment(void *arg, const char *text)
{
    (void)text;
    end_text(arg);
}

static void XMLCALL on_instruction(void *arg, const char *target, const char *text)
{
    (void)target;
    (void)text;
    end_text(arg);
}

static void XMLCALL on_cdata(void *arg)
{
    end_text(arg);
}

static void XMLCALL on_entity(void *arg, const char *name, int is_parameter, const char *value, int value_len,
                              const char *base, const char *system, const char *public, const char *notation)
{
    (void)name;
    (void)is_parameter;
    (void)value;
    (void)value_len;
    (void)base;
    (void)system;
    (void)public;
    (void)notation;
    stop(arg, FAULT_UPSTREAM, ERROR_BAD_BODY, "XML: entities are not taken from a document");
}

/* A reference to what was never declared, in a document whose declarations stand elsewhere. */
static void XMLCALL on_skipped(void *arg, const char *name, int is_parameter)
{
    (void)name;
    if (!is_parameter)
        stop(arg, FAULT_UPSTREAM, ERROR_BAD_BODY, "XML: invalid character entity");
}

static int XMLCALL on_encoding(void *arg, const char *name, XML_Encoding *encoding)
{
    (void)arg;
    for (int i = 0; i < 256; i++)
        encoding->map[i] = xml_charset(str_from(name), (uint8_t)i);
    encoding->data = NULL;
    encoding->convert = NULL;
    encoding->release = NULL;
    return encoding->map['A'] == 'A' ? XML_STATUS_OK : XML_STATUS_ERROR;
}

static void set_handlers(struct building *b)
{
    XML_SetUserData(b->parser, b);
    XML_SetElementHandler(b->parser, on_start, on_end);
    XML_SetCharacterDataHandler(b->parser, on_text);
    XML_SetCommentHandler(b->parser, on_comment);
    XML_SetProcessingInstructionHandler(b->parser, on_instruction);
    XML_SetCdataSectionHandler(b->parser, on_cdata, on_cdata);
    XML_SetEntityDeclHandler(b->parser, on_entity);
    XML_SetSkippedEntityHandler(b->parser, on_skipped);
    XML_SetUnknownEncodingHandler(b->parser, on_encoding, NULL);
    XML_SetParamEntityParsing(b->parser, XML_PARAM_ENTITY_PARSING_NEVER);
}

/* Newer versions of expat warn of the functions that older ones have alone. */
#if XML_MAJOR_VERSION > 2 || (XML_MAJOR_VERSION == 2 && XML_MINOR_VERSION >= 9)
#define LINE_OF(parser)   XML_GetCurrentLineNumber64(parser)
#define OFFSET_OF(parser) XML_GetCurrentByteIndex64(parser)
#else
#define LINE_OF(parser)   XML_GetCurrentLineNumber(parser)
#define OFFSET_OF(parser) XML_GetCurrentByteIndex(parser)
#endif

static unsigned long line_of(XML_Parser parser)
{
    return (unsigned long)LINE_OF(parser);
}

/* Expat counts from what it was given, and says -1 before the first byte of it. */
static size_t offset_of(XML_Parser parser, struct str text)
{
    long long at = (long long)OFFSET_OF(parser);

    return at < 0 ? 0 : size_min((size_t)at, text.len);
}

static void explain(struct building *b, struct str text)
{
    enum XML_Error code = XML_GetErrorCode(b->parser);

    if (b->err.fault != FAULT_NONE)
        return;
    if (code == XML_ERROR_NO_MEMORY)
        error_set(&b->err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory to decode an answer");
    else if (str_trim(text).len == 0 || (code == XML_ERROR_NO_ELEMENTS && !b->root) ||
             str_find_char(text, '<') == text.len)
        error_set(&b->err, FAULT_UPSTREAM, ERROR_BAD_BODY, "EOF");
    else if (code == XML_ERROR_NO_ELEMENTS || code == XML_ERROR_UNCLOSED_TOKEN)
        error_set(&b->err, FAULT_UPSTREAM, ERROR_BAD_BODY, "XML syntax error on line %lu: unexpected EOF",
                  line_of(b->parser));
    else
        error_set(&b->err, FAULT_UPSTREAM, ERROR_BAD_BODY, "XML syntax error on line %lu: %s", line_of(b->parser),
                  XML_ErrorString(code));
}

struct xml_node *xml_parse(struct arena *arena, struct str text, size_t *bad_at, struct error *err)
{
    struct building *b = arena_make(arena, struct building);

    *bad_at = 0;
    if (b)
        b->arena = arena;
    if (!b || !(b->parser = XML_ParserCreate(NULL))) {
        error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory to decode an answer");
        return NULL;
    }
    set_handlers(b);
    if (XML_Parse(b->parser, text.len ? text.data : "", (int)text.len, 1) != XML_STATUS_OK && !b->closed)
        explain(b, text);
    *bad_at = offset_of(b->parser, text);
    XML_ParserFree(b->parser);
    if (b->closed && b->err.fault == FAULT_NONE)
        return b->root;
    *err = b->err;
    return NULL;
}

struct xml_node *xml_child(const struct xml_node *node, struct str name)
{
    for (struct xml_node *child = node->children; child; child = child->next)
        if (!child->is_text && str_eq(child->name, name))
            return child;
    return NULL;
}

struct xml_node *xml_again(const struct xml_node *node)
{
    for (struct xml_node *next = node->next; next; next = next->next)
        if (!next->is_text && str_eq(next->name, node->name))
            return next;
    return NULL;
}

struct str xml_attribute(const struct xml_node *node, struct str name)
{
    for (const struct xml_attribute *attribute = node->attributes; attribute; attribute = attribute->next)
        if (str_eq(attribute->name, name))
            return attribute->value;
    return STR_EMPTY;
}
