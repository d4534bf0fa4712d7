/* effective.c: tables and a document side by side. Start with effective_write; what a value looks like is write_given,
 * where it comes from write_from. SPDX-License-Identifier: Apache-2.0 */
#include "config/effective.h"

#include "base/text.h"
#include "config/mask.h"
#include "config/value_internal.h"

/* Lines are counted from the last place that was asked for: most are near each other. */
struct cursor {
    const struct source *source;
    uint32_t at, line;
};

struct walk {
    struct json_writer *json;
    const struct effective_options *options;
    struct cursor cursor;
    bool first;
};

/* An object of the document with its table. */
struct level {
    const struct level *above; /* NULL: the root */
    const struct schema *schema;
    const struct node *node;        /* NULL: it is not there */
    struct str path;                /* "endpoints[0].", "" */
    bool in_list, given_only, open; /* open: names by known_name */
};

static void walk_level(struct walk *walk, const struct level *level);

static void raw(struct walk *walk, const char *text)
{
    json_write_raw(walk->json, str_from(text));
}

static uint32_t line_of(struct cursor *cursor, struct place place)
{
    struct str text = place.source->text;

    if (cursor->source != place.source)
        *cursor = (struct cursor){.source = place.source, .line = 1};
    for (; cursor->at < place.at && cursor->at < text.len; cursor->at++)
        cursor->line += text.data[cursor->at] == '\n';
    for (; cursor->at > place.at; cursor->at--)
        cursor->line -= text.data[cursor->at - 1] == '\n';
    return cursor->line;
}

/* Memory that a row is made of: without it there is no whole page. */
static struct str need(struct walk *walk, struct str made)
{
    walk->json->failed |= !made.data;
    return made;
}

static struct str join(struct walk *walk, struct str path, const char *name)
{
    return need(walk, arena_format(walk->json->arena, "%.*s%s", STR_ARG(path), name));
}

static void write_from(struct walk *walk, const struct node *node)
{
    const struct source *source = node->place.source, *document = walk->options->root->place.source;
    struct arena *arena = walk->json->arena;
    struct str from = STR("?");

    if (source && source != document)
        from = need(walk, arena_format(arena, "environment %s", source->name));
    else if (source)
        from = need(walk, arena_format(arena, "%s:%u", source->name, line_of(&walk->cursor, node->place)));
    json_write_string(walk->json, from);
}

static void begin_row(struct walk *walk, struct str path, const char *name)
{
    struct str whole = join(walk, path, name);

    raw(walk, walk->first ? "\n{\"path\":" : ",\n{\"path\":");
    walk->first = false;
    json_write_string(walk->json, whole);
    raw(walk, ",\"value\":");
}

static void end_row(struct walk *walk, const char *from)
{
    raw(walk, ",\"from\":");
    json_write_string(walk->json, str_from(from));
    raw(walk, "}");
}

static void write_i64(struct walk *walk, int64_t number)
{
    raw(walk, number < 0 ? "-" : "");
    json_write_u64(walk->json, number < 0 ? 0 - (uint64_t)number : (uint64_t)number);
}

static void write_duration(struct walk *walk, int64_t ns)
{
    char text[DURATION_TEXT_BYTES];

    json_write_string(walk->json, text_from_duration(ns, text));
}

static void write_text(struct walk *walk, struct str name, const struct node *node)
{
    struct str text = STR("");

    if (value_to_text(node, walk->json->arena, &text) == CONVERTED && need(walk, text).data)
        text = need(walk, mask_text(walk->json->arena, name, text));
    json_write_string(walk->json, text);
}

/* A scalar stands for a list of one, {} for one of none. */
static void write_texts(struct walk *walk, struct str name, const struct node *node)
{
    const struct node *at = node->type == JSON_ARRAY || node->type == JSON_OBJECT ? node->children : node;

    raw(walk, "[");
    for (; at; at = node->type == JSON_ARRAY ? at->next : NULL) {
        write_text(walk, name, at);
        raw(walk, node->type == JSON_ARRAY && at->next ? "," : "");
    }
    raw(walk, "]");
}

/* A value as it was understood. It has been bound once, so what does not convert is not there. */
static void write_given(struct walk *walk, const struct option *option, const struct node *node)
{
    struct str name = str_from(option->name);
    int64_t number = 0;
    bool is = false;

    switch (option->type) {
    case OPTION_TYPE_BOOL:
        (void)value_to_bool(node, &is);
        raw(walk, is ? "true" : "false");
        return;
    case OPTION_TYPE_INT:
        (void)value_to_int(node, &number);
        write_i64(walk, number);
        return;
    case OPTION_TYPE_SIZE:
        (void)value_to_size(node, &number);
        write_i64(walk, number);
        return;
    case OPTION_TYPE_DURATION:
        (void)value_to_duration(node, &number);
        write_duration(walk, number);
        return;
    case OPTION_TYPE_STRING:
    case OPTION_TYPE_ENUM:
        write_text(walk, name, node);
        return;
    case OPTION_TYPE_STRINGS:
        write_texts(walk, name, node);
        return;
    case OPTION_TYPE_OBJECT:
    case OPTION_TYPE_LIST:
    case OPTION_TYPE_NODE:
    case OPTION_TYPE_MAP:
    case OPTION_TYPE_IGNORED:
        mask_write(walk->json, name, node);
        return;
    }
}

static void write_default(struct walk *walk, const struct option *option)
{
    if (option->shown) {
        raw(walk, option->shown);
        return;
    }
    switch (option->type) {
    case OPTION_TYPE_BOOL:
        raw(walk, option->preset ? "true" : "false");
        return;
    case OPTION_TYPE_INT:
    case OPTION_TYPE_SIZE:
        write_i64(walk, option->preset);
        return;
    case OPTION_TYPE_DURATION:
        write_duration(walk, option->preset);
        return;
    case OPTION_TYPE_STRING:
        json_write_string(walk->json, str_from(option->preset_text ? option->preset_text : ""));
        return;
    case OPTION_TYPE_ENUM:
        json_write_string(walk->json, str_from(option->preset_text ? option->preset_text : option->names[0]));
        return;
    case OPTION_TYPE_STRINGS:
    case OPTION_TYPE_LIST:
        raw(walk, "[]");
        return;
    case OPTION_TYPE_OBJECT:
    case OPTION_TYPE_NODE:
    case OPTION_TYPE_MAP:
    case OPTION_TYPE_IGNORED:
        raw(walk, "null");
        return;
    }
}

/* The member that an option reads. NULL: there is none, or null. */
static const struct node *member_of(const struct walk *walk, const struct level *level, const char *name)
{
    const struct node *found = level->node ? node_member(level->node, str_from(name)) : NULL;

    if (!found && level->open && level->node)
        for (const struct node *at = level->node->children; at && !found; at = at->next)
            if (str_eq(walk->options->known_name(at->name), str_from(name)))
                found = at;
    return found && found->type != JSON_NULL ? found : NULL;
}

static const struct effective_fixed *find_fixed(struct walk *walk, struct str path, const char *name)
{
    struct str whole = walk->options->fixed_count > 0 ? join(walk, path, name) : STR_EMPTY;

    for (size_t i = 0; i < walk->options->fixed_count; i++)
        if (str_eq(whole, str_from(walk->options->fixed[i].path)))
            return &walk->options->fixed[i];
    return NULL;
}

static bool has_option(const struct schema *schema, const char *name)
{
    for (size_t i = 0; i < schema->count; i++)
        if (str_eq(str_from(schema->options[i].name), str_from(name)))
            return true;
    return false;
}

/* Where an element of a list has nothing: what a level above has. NULL: nothing either. */
static const struct node *inherited(const struct walk *walk, const struct level *level, const char *name)
{
    const struct node *found = NULL;

    if (!level->in_list || !walk->options->is_inherited(str_from(name)))
        return NULL;
    for (const struct level *above = level->above; above && !found; above = above->above)
        if (has_option(above->schema, name))
            found = member_of(walk, above, name);
    return found;
}

static void write_row(struct walk *walk, const struct level *level, const struct option *option,
                      const struct node *given)
{
    const struct effective_fixed *fixed = find_fixed(walk, level->path, option->name);
    const struct node *node = given ? given : inherited(walk, level, option->name);

    begin_row(walk, level->path, option->name);
    if (fixed) {
        raw(walk, fixed->value);
        end_row(walk, fixed->from);
    } else if (node) {
        write_given(walk, option, node);
        raw(walk, ",\"from\":");
        write_from(walk, node);
        raw(walk, "}");
    } else {
        write_default(walk, option);
        end_row(walk, "default");
    }
}

static void walk_below(struct walk *walk, const struct level *level, const struct option *option,
                       const struct node *node)
{
    struct level below = {
        .above = level,
        .schema = option->schema,
        .node = node,
        .path = need(walk, arena_format(walk->json->arena, "%.*s%s.", STR_ARG(level->path), option->name)),
        .in_list = false,
        .given_only = level->given_only || (level->in_list && option->type == OPTION_TYPE_MAP),
        .open = option->schema->open,
    };

    walk_level(walk, &below);
}

/* One object stands for a list of one. */
static void walk_list(struct walk *walk, const struct level *level, const struct option *option,
                      const struct node *list)
{
    const struct node *at = list->type == JSON_ARRAY ? list->children : list;

    for (unsigned i = 0; at; i++, at = list->type == JSON_ARRAY ? at->next : NULL) {
        struct level below = {
            .above = level,
            .schema = option->schema,
            .node = at->type == JSON_OBJECT ? at : NULL,
            .path = need(walk, arena_format(walk->json->arena, "%.*s%s[%u].", STR_ARG(level->path), option->name, i)),
            .in_list = true,
            .given_only = level->given_only,
        };

        walk_level(walk, &below);
    }
}

/* Is it told though it was not given? The blocks of KrakenD that switch something on are as good as not there. */
static bool is_told(const struct level *level, const struct option *option)
{
    switch (option->type) {
    case OPTION_TYPE_OBJECT:
        return level->above && !level->in_list && !level->given_only;
    case OPTION_TYPE_NODE:
    case OPTION_TYPE_MAP:
        return option->schema && !level->in_list && !level->given_only;
    case OPTION_TYPE_IGNORED:
        return false;
    case OPTION_TYPE_BOOL:
    case OPTION_TYPE_INT:
    case OPTION_TYPE_DURATION:
    case OPTION_TYPE_SIZE:
    case OPTION_TYPE_STRING:
    case OPTION_TYPE_ENUM:
    case OPTION_TYPE_STRINGS:
    case OPTION_TYPE_LIST:
        return !level->given_only;
    }
    return false;
}

static void walk_option(struct walk *walk, const struct level *level, const struct option *option)
{
    const struct node *given = member_of(walk, level, option->name);

    if (!given && !is_told(level, option))
        return;
    if (given && option->type == OPTION_TYPE_MAP)
        given = node_as_map(given, walk->json->arena);
    if (option->schema && option->type == OPTION_TYPE_LIST && given)
        walk_list(walk, level, option, given);
    else if (option->schema && option->type != OPTION_TYPE_LIST && (!given || given->type == JSON_OBJECT))
        walk_below(walk, level, option, given);
    else
        write_row(walk, level, option, given);
}

static bool is_known(const struct walk *walk, const struct level *level, const struct node *member)
{
    for (size_t i = 0; i < level->schema->count; i++)
        if (str_eq_fold(str_from(level->schema->options[i].name), member->name) ||
            (level->open && str_eq(walk->options->known_name(member->name), str_from(level->schema->options[i].name))))
            return true;
    return false;
}

/* What no table knows: in an open form it may be somebody's, elsewhere it does nothing. */
static void write_others(struct walk *walk, const struct level *level)
{
    for (const struct node *at = level->node ? level->node->children : NULL; at; at = at->next) {
        struct str name;

        if (name_is_comment(at->name) || is_known(walk, level, at))
            continue;
        name = need(walk, arena_copy(walk->json->arena, at->name));
        begin_row(walk, level->path, name.data ? name.data : "");
        mask_write(walk->json, at->name, at);
        raw(walk, ",\"from\":");
        write_from(walk, at);
        raw(walk, level->open ? "}" : ",\"unknown\":true}");
    }
}

static void walk_level(struct walk *walk, const struct level *level)
{
    for (size_t i = 0; i < level->schema->count; i++)
        walk_option(walk, level, &level->schema->options[i]);
    write_others(walk, level);
}

void effective_write(struct json_writer *writer, const struct effective_options *options)
{
    struct walk walk = {.json = writer, .options = options, .first = true};
    struct level root = {.schema = options->schema, .node = options->root, .path = STR("")};

    raw(&walk, "[");
    walk_level(&walk, &root);
    raw(&walk, "\n]");
}
