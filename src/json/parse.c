/* parse.c: text to tape, in one pass without recursion.
 *
 * An open container keeps what the parser must remember in its own entry: `next` holds its parent, `len` the entry of
 * the last member name; both get their real meaning when it closes. So nesting costs no memory beyond the tape. A
 * value's canonical flag is cleared by what breaks it, and a container that closes without it takes its parent's away.
 * Start with json_parse, then run. SPDX-License-Identifier: Apache-2.0 */
#include "json/parser_internal.h"
#include "json/scan_internal.h"
#include <assert.h>

enum {
    DEPTH_PRESET = 512,
    SIZE_PRESET = 1 << 30,
    COUNT_MAX = (1 << 24) - 1,
    NO_ENTRY = INT32_MAX, /* a text of at most 2 GiB has fewer entries */
};

/* What comes next in the text. */
enum step { STEP_VALUE, STEP_NAME, STEP_AFTER, STEP_DONE, STEP_FAIL };

static_assert(sizeof(struct json_entry) == 16, "four entries per cache line");

static enum step fail(struct parser *p, enum json_fault fault, const char *at)
{
    parser_fail(p, fault, at);
    return STEP_FAIL;
}

/* A larger tape; the old one stays in the arena, so doubling bounds the waste. */
static bool grow_tape(struct parser *p)
{
    uint32_t room = p->room * 2;
    struct json_entry *tape = arena_alloc(p->arena, (size_t)room * sizeof(*tape), _Alignof(struct json_entry));

    if (!tape)
        return false;
    memcpy(tape, p->tape, (size_t)p->length * sizeof(*tape));
    p->tape = tape;
    p->room = room;
    return true;
}

static inline bool push(struct parser *p, struct json_entry entry)
{
    if (UNLIKELY(p->length == p->room) && !grow_tape(p))
        return false;
    p->tape[p->length++] = entry;
    return true;
}

static inline uint32_t offset_of(const struct parser *p, const char *at)
{
    return (uint32_t)(at - p->text);
}

static inline void spoil_open(struct parser *p)
{
    if (p->open != NO_ENTRY)
        p->tape[p->open].canonical = 0;
}

/* next_byte where white space may be; as a rule it is one space. */
static char skip_blank(struct parser *p)
{
    if (scan_is_blank(*p->at)) {
        p->at++;
        if (p->at < p->end && (unsigned char)*p->at <= ' ')
            p->at = scan_blank(p->at, p->end);
        spoil_open(p);
    }
    return p->at == p->end ? '\0' : *p->at;
}

/* The next byte that counts, or NUL at the end (where p->at is p->end). */
static inline char next_byte(struct parser *p)
{
    if (UNLIKELY(p->at == p->end))
        return '\0';
    if (LIKELY((unsigned char)*p->at > ' '))
        return *p->at;
    return skip_blank(p);
}

/* The string at p->at, a quote, as the next entry. */
static ALWAYS_INLINE bool read_string(struct parser *p, bool name)
{
    struct json_entry entry = {.at = offset_of(p, p->at), .type = JSON_STRING, .name = name, .canonical = 1};
    bool html = false;

    p->token = p->at++;
    for (;;) {
        p->at = scan_plain(p->at, p->end, &html);
        if (UNLIKELY(p->at == p->end)) {
            return parser_fail(p, JSON_FAULT_CONTROL, p->end);
        }
        if (LIKELY(*p->at == '"'))
            break;
        if (*p->at == '\\') {
            if (!parser_escape(p, &entry))
                return false;
        } else if ((unsigned char)*p->at >= 0x80) {
            if (!parser_wide(p, &entry))
                return false;
        } else {
            return parser_fail(p, JSON_FAULT_CONTROL, p->at);
        }
    }
    p->at++;
    entry.len = offset_of(p, p->at) - entry.at;
    entry.next = p->length + 1;
    if (html)
        entry.canonical = 0;
    if (!entry.canonical)
        spoil_open(p);
    return push(p, entry) || parser_fail(p, JSON_FAULT_MEMORY, p->at);
}

static enum step push_scalar(struct parser *p, enum json_type type, const char *after)
{
    struct json_entry entry = {.at = offset_of(p, p->at),
                               .len = (uint32_t)(after - p->at),
                               .next = p->length + 1,
                               .type = (unsigned)type & 7,
                               .canonical = 1};

    p->at = after;
    return push(p, entry) ? STEP_AFTER : fail(p, JSON_FAULT_MEMORY, p->at);
}

static enum step read_literal(struct parser *p, struct str literal, enum json_type type)
{
    const char *at = p->at;

    if (LIKELY((size_t)(p->end - at) >= literal.len && memcmp(at, literal.data, literal.len) == 0))
        return push_scalar(p, type, at + literal.len);
    p->token = at;
    for (size_t i = 0; at < p->end && *at == literal.data[i]; i++)
        at++;
    return fail(p, JSON_FAULT_LITERAL, at);
}

static inline const char *skip_digits(const char *at, const char *end)
{
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return at;
}

static enum step read_number(struct parser *p)
{
    const char *at = p->at, *start;

    p->token = at;
    at += *at == '-';
    start = at;
    at = at < p->end && *at == '0' ? at + 1 : skip_digits(at, p->end);
    if (at == start)
        return fail(p, JSON_FAULT_NUMBER, at);
    if (at < p->end && *at == '.') {
        start = at + 1;
        at = skip_digits(start, p->end);
        if (at == start)
            return fail(p, JSON_FAULT_DECIMAL, at);
    }
    if (at < p->end && (*at | 0x20) == 'e') {
        start = at + 1;
        start += start < p->end && (*start == '+' || *start == '-');
        at = skip_digits(start, p->end);
        if (at == start)
            return fail(p, JSON_FAULT_EXPONENT, at);
    }
    return push_scalar(p, JSON_NUMBER, at);
}

/* p->at is the closing bracket. */
static enum step close_container(struct parser *p)
{
    struct json_entry *entry = &p->tape[p->open];
    uint32_t parent = entry->next;

    p->at++;
    entry->len = offset_of(p, p->at) - entry->at;
    entry->next = p->length;
    p->open = parent;
    p->depth--;
    if (!entry->canonical)
        spoil_open(p);
    return STEP_AFTER;
}

static enum step open_container(struct parser *p, enum json_type type)
{
    struct json_entry entry = {.at = offset_of(p, p->at), .next = p->open, .type = (unsigned)type & 7, .canonical = 1};

    if (p->depth == p->depth_max)
        return fail(p, JSON_FAULT_DEPTH, p->at);
    if (!push(p, entry))
        return fail(p, JSON_FAULT_MEMORY, p->at);
    p->open = p->length - 1;
    p->depth++;
    p->at++;
    if (next_byte(p) == (type == JSON_OBJECT ? '}' : ']'))
        return close_container(p);
    return type == JSON_OBJECT ? STEP_NAME : STEP_VALUE;
}

static enum step read_value(struct parser *p)
{
    switch (next_byte(p)) {
    case '"':
        return read_string(p, false) ? STEP_AFTER : STEP_FAIL;
    case '{':
        return open_container(p, JSON_OBJECT);
    case '[':
        return open_container(p, JSON_ARRAY);
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        return read_number(p);
    case 't':
        return read_literal(p, STR("true"), JSON_TRUE);
    case 'f':
        return read_literal(p, STR("false"), JSON_FALSE);
    case 'n':
        return read_literal(p, STR("null"), JSON_NULL);
    default:
        return fail(p, JSON_FAULT_VALUE, p->at);
    }
}

/* Does the name come behind the one before it? As a rule the first letters tell. */
static inline bool is_in_order(struct str text, const struct json_entry *before, const struct json_entry *name)
{
    char a = text.data[before->at + 1], b = text.data[name->at + 1];

    if (a != b && scan_is_plain(a) && scan_is_plain(b))
        return a < b;
    return json_compare_entries(text, before, name) < 0;
}

/* A member: its name, its colon, and its value or the beginning of that. */
static enum step read_member(struct parser *p)
{
    struct str text = {p->text, (size_t)(p->end - p->text)};

    if (next_byte(p) != '"')
        return fail(p, JSON_FAULT_NAME, p->at);
    if (!read_string(p, true))
        return STEP_FAIL;

    struct json_entry *object = &p->tape[p->open];
    const struct json_entry *name = &p->tape[p->length - 1];

    /* Sorted and unique so far? Entry 0 is the root, so 0 says that this is the first name. */
    if (object->canonical && object->len && !is_in_order(text, &p->tape[object->len], name))
        object->canonical = 0;
    object->len = p->length - 1;
    if (next_byte(p) != ':')
        return fail(p, JSON_FAULT_COLON, p->at);
    p->at++;
    return read_value(p);
}

/* A value has ended. */
static enum step read_after(struct parser *p)
{
    if (p->open == NO_ENTRY)
        return STEP_DONE;

    struct json_entry *entry = &p->tape[p->open];
    bool object = entry->type == JSON_OBJECT;
    char c = next_byte(p);

    if (entry->count < COUNT_MAX)
        entry->count++;
    if (c == ',') {
        p->at++;
        return object ? STEP_NAME : STEP_VALUE;
    }
    if (c == (object ? '}' : ']'))
        return close_container(p);
    return fail(p, object ? JSON_FAULT_MEMBER_END : JSON_FAULT_ELEMENT_END, p->at);
}

static bool run(struct parser *p)
{
    enum step step = read_value(p);

    for (;;) {
        while (step == STEP_AFTER)
            step = read_after(p);
        if (step == STEP_NAME)
            step = read_member(p);
        else if (step == STEP_VALUE)
            step = read_value(p);
        else
            return step == STEP_DONE;
    }
}

/* Entries that a text of this length will need, about: half of them would do for prose, small numbers take more. */
static uint32_t guess_entries(size_t len)
{
    return (uint32_t)(len < 65536 ? len / 8 : len / 16) + 16;
}

static bool parse(struct parser *p, bool trailing_ignored)
{
    p->tape = arena_alloc(p->arena, (size_t)p->room * sizeof(*p->tape), _Alignof(struct json_entry));
    if (!p->tape)
        return parser_fail(p, JSON_FAULT_MEMORY, p->at);
    if (!run(p))
        return false;
    const char *rest = trailing_ignored ? p->end : scan_blank(p->at, p->end);

    return rest == p->end || parser_fail(p, JSON_FAULT_TOP, rest);
}

bool json_parse(struct arena *arena, struct str text, const struct json_options *options, struct json_doc *doc,
                struct json_error *err)
{
    const char *data = text.len ? text.data : "";
    uint32_t size_max = options->size_max ? options->size_max : SIZE_PRESET;
    struct parser p = {
        .at = data,
        .text = data,
        .end = data + text.len,
        .token = data,
        .room = guess_entries(text.len),
        .open = NO_ENTRY,
        .depth_max = options->depth_max ? options->depth_max : DEPTH_PRESET,
        .repair = options->utf8_repaired,
        .arena = arena,
    };

    text.data = data;
    if (size_max > INT32_MAX)
        size_max = INT32_MAX;
    if (text.len > size_max) {
        json_fault_describe(JSON_FAULT_SIZE, text, size_max, 0, size_max, err);
        return false;
    }
    if (!parse(&p, options->trailing_ignored)) {
        json_fault_describe(p.fault, text, offset_of(&p, p.at), offset_of(&p, p.token), p.depth_max, err);
        return false;
    }
    *doc = (struct json_doc){.text = text, .tape = p.tape, .length = p.length, .consumed = (size_t)(p.at - data)};
    return true;
}
