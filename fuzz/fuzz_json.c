/* fuzz_json.c: the JSON parser, strict and repairing, and the writer. Two ways are compared three times: the block
 * scans with their scalar twins; the strict tape with the repairing one; the writer with a slow one that knows no
 * shortcut. SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "fuzz/fuzz.h"

#include "json/scan_internal.h"
#include "json/write.h"

enum { ARENA_BYTES = 64 << 20, SCAN_STARTS_MAX = 64, SLOW_MEMBERS_MAX = 64 };

static void compare_scans(struct str text)
{
    const char *end = text.data + text.len;
    struct scan_block block = scan_block_at(text.data, end);

    for (size_t i = 0; i < text.len && i < SCAN_STARTS_MAX; i++) {
        const char *at = text.data + i;

        ASSERT(scan_verbatim(at, end) == scan_verbatim_scalar(at, end));
        ASSERT(scan_verbatim_in(&block, at, end) == scan_verbatim_scalar(at, end));
        ASSERT(scan_digits(at, end) == scan_digits_scalar(at, end));
        ASSERT(scan_blank(at, end) == scan_blank_scalar(at, end));
    }
}

static bool parse(struct arena *arena, struct str text, bool traffic, struct json_doc *doc)
{
    const struct json_options options = {.trailing_ignored = traffic, .utf8_repaired = traffic};
    struct json_error err = {0};
    uint32_t line, column;

    if (json_parse(arena, text, &options, doc, &err)) {
        ASSERT(doc->consumed <= text.len);
        ASSERT(doc->length > 0);
        return true;
    }
    ASSERT(err.at <= text.len);
    ASSERT(err.text[0] != '\0');
    ASSERT(err.go[0] != '\0');
    json_position(text, err.at, &line, &column);
    return false;
}

static struct str written(struct arena *arena, struct json_shapes *shapes, struct json value)
{
    struct json_writer writer = {.arena = arena, .shapes = shapes};

    json_write(&writer, value);
    return json_written(&writer);
}

/* The smallest name after `last` (data NULL: of all), data NULL when there is none. */
static struct str next_name(struct arena *arena, struct json object, struct str last)
{
    struct str found = STR_EMPTY;

    for (struct json at = json_first(object); json_exists(at); at = json_after(object, at)) {
        struct str name = json_string(arena, json_name(at));

        if ((!last.data || str_compare(name, last) > 0) && (!found.data || str_compare(name, found) < 0))
            found = name;
    }
    return found;
}

/* The writer again, by the book. Returns false for objects too large for it. */
static bool write_slowly(struct json_writer *writer, struct json value)
{
    const char *comma = "";

    switch (json_type(value)) {
    case JSON_NULL:
    case JSON_FALSE:
    case JSON_TRUE:
    case JSON_NUMBER:
        json_write_raw(writer, json_raw(value));
        return true;
    case JSON_STRING:
        json_write_string(writer, json_string(writer->arena, value));
        return true;
    case JSON_ARRAY:
        json_write_raw(writer, STR("["));
        for (struct json at = json_first(value); json_exists(at); at = json_after(value, at)) {
            json_write_raw(writer, str_from(comma));
            comma = ",";
            if (!write_slowly(writer, at))
                return false;
        }
        json_write_raw(writer, STR("]"));
        return true;
    case JSON_OBJECT:
        break;
    }
    if (json_count(value) > SLOW_MEMBERS_MAX)
        return false;
    json_write_raw(writer, STR("{"));
    for (struct str name = next_name(writer->arena, value, STR_EMPTY); name.data;
         name = next_name(writer->arena, value, name)) {
        json_write_raw(writer, str_from(comma));
        comma = ",";
        json_write_string(writer, name);
        json_write_raw(writer, STR(":"));
        if (!write_slowly(writer, json_member(value, name)))
            return false;
    }
    json_write_raw(writer, STR("}"));
    return true;
}

/* What is remembered of sorted objects must not show, be it another's or its own. */
static void check_shapes(struct arena *arena, struct json value, struct str wanted)
{
    struct json_shapes *shapes = json_shapes_new();

    ASSERT(shapes != NULL);
    for (unsigned i = 0; i < 2; i++) {
        struct str again = written(arena, shapes, value);

        ASSERT(!again.data || str_eq(again, wanted));
    }
    json_shapes_free(shapes);
}

/* What was written parses, is canonical, and is written unchanged. */
static void check_written(struct arena *arena, const struct json_doc *doc)
{
    struct json_writer slow = {.arena = arena};
    struct str first = written(arena, NULL, json_root(doc));
    struct json_doc again;

    if (!first.data)
        return;
    ASSERT(parse(arena, first, false, &again));
    ASSERT(again.tape[0].canonical);
    ASSERT(again.consumed == first.len);
    ASSERT(str_eq(written(arena, NULL, json_root(&again)), first));
    check_shapes(arena, json_root(doc), first);
    if (write_slowly(&slow, json_root(doc)) && !slow.failed)
        ASSERT(str_eq(json_written(&slow), first));
}

static void check_text(struct arena *arena, struct str text)
{
    struct json_doc strict, traffic;
    bool strict_taken = parse(arena, text, false, &strict);
    bool traffic_taken = parse(arena, text, true, &traffic);

    if (strict_taken) {
        ASSERT(traffic_taken);
        ASSERT(strict.length == traffic.length);
        ASSERT(memcmp(strict.tape, traffic.tape, strict.length * sizeof(*strict.tape)) == 0);
    }
    if (traffic_taken)
        check_written(arena, &traffic);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct arena *arena = arena_new(NULL, ARENA_BYTES);

    if (arena) {
        compare_scans(text);
        check_text(arena, text);
    }
    arena_free(arena);
    return 0;
}
