/* parse.c: text to tape, in one pass without recursion.
 *
 * What the parser remembers of the innermost open container stands in registers (struct place). The others keep theirs
 * in their own entries: `next` holds the parent, `len` the entry of the last member name; both get their real meaning
 * when they close. So nesting costs no memory beyond the tape. A value's canonical flag is cleared by what breaks it,
 * and a container that closes without it takes its parent's away. Start with json_parse, then run.
 * SPDX-License-Identifier: Apache-2.0 */
#include "json/parser_internal.h"
#include "json/scan_internal.h"
#include <assert.h>

enum {
    DEPTH_PRESET = 512,
    SIZE_PRESET = 1 << 30,
    COUNT_MAX = (1 << 24) - 1,
    NO_ENTRY = INT32_MAX, /* a text of at most 2 GiB has fewer entries */
};

/* What comes next in the text: a value, in an object with its name, what is behind one, the innermost container's end.
 */
enum step { STEP_VALUE, STEP_AFTER, STEP_END, STEP_DONE, STEP_FAIL };

static_assert(sizeof(struct json_entry) == 16, "four entries per cache line");

static enum step fail(struct parser *p, enum json_fault fault, const char *at)
{
    parser_fail(p, fault, at);
    return STEP_FAIL;
}

/* A larger tape; the old one stays in the arena, so doubling bounds the waste. */
static bool grow_tape(struct parser *p, uint32_t length)
{
    uint32_t room = p->room * 2;
    struct json_entry *tape = arena_alloc(p->arena, (size_t)room * sizeof(*tape), _Alignof(struct json_entry));

    if (!tape)
        return false;
    memcpy(tape, p->tape, (size_t)length * sizeof(*tape));
    p->tape = tape;
    p->room = room;
    return true;
}

static inline uint32_t offset_of(const struct parser *p, const char *at)
{
    return (uint32_t)(at - p->text);
}

/* Where reading is, and the innermost container that is open: in registers, as all steps are in line. When another
 * container opens inside it, it waits in its own entry. */
struct place {
    const char *at;
    const char *text, *end;   /* p's */
    struct json_entry *entry; /* the next one on the tape, which has room for a name and a value more */
    struct scan_block block;
    uint32_t length, length_max; /* of the tape: entry's index, and the last that leaves such room */
    uint32_t open;               /* tape index; NO_ENTRY: nothing is open */
    uint32_t count;              /* members or elements that have ended */
    uint32_t name;               /* tape index of the last member's name; 0, the root, says that there was none */
    unsigned char first;         /* the first byte of that name, where it tells the order; else 0 */
    bool object;
    bool canonical;
};

/* Every field, so that the bits are one store. */
static ALWAYS_INLINE void put(struct json_entry *entry, uint32_t at, uint32_t len, uint32_t next, uint32_t count,
                              enum json_type type, bool name, bool canonical)
{
    entry->at = at;
    entry->len = len;
    entry->next = next;
    entry->count = count & COUNT_MAX;
    entry->type = (unsigned)type & 7;
    entry->escaped = 0;
    entry->repaired = 0;
    entry->name = name;
    entry->canonical = canonical;
    entry->spare = 0;
}

static const char *skip_blank(const char *at, const char *end)
{
    at++; /* as a rule it is one space */
    return at < end && (unsigned char)*at <= ' ' ? scan_blank(at, end) : at;
}

/* The next byte that counts, or NUL at the end (where r->at is p->end). White space is nothing that Go writes. */
static ALWAYS_INLINE char next_byte(struct place *r)
{
    if (UNLIKELY(r->at == r->end))
        return '\0';
    if (LIKELY((unsigned char)*r->at > ' '))
        return *r->at;
    if (scan_is_blank(*r->at)) {
        r->at = skip_blank(r->at, r->end);
        r->canonical = false;
    }
    return r->at == r->end ? '\0' : *r->at;
}

/* Is the next byte that counts a quote? */
static ALWAYS_INLINE bool is_quote(struct place *r)
{
    return LIKELY(r->at != r->end && *r->at == '"') || next_byte(r) == '"';
}

/* The next entry of the tape, of the text from `at` to `after`, without anything in it. */
static ALWAYS_INLINE void push(struct place *r, const char *at, const char *after, enum json_type type, bool name)
{
    struct json_entry *entry = r->entry++;

    r->length++;
    put(entry, (uint32_t)(at - r->text), (uint32_t)(after - at), r->length, 0, type, name, true);
}

/* What of a string does not stand for itself, at p->at. */
static bool read_odd(struct parser *p, struct json_entry *entry)
{
    if (*p->at == '\\')
        return parser_escape(p, entry);
    if ((unsigned char)*p->at >= 0x80)
        return parser_wide(p, entry);
    if (!scan_is_html(*p->at))
        return parser_fail(p, JSON_FAULT_CONTROL, p->at);
    entry->canonical = 0;
    p->at++;
    return true;
}

/* The string at p->at, a quote, whatever is in it, into its entry. */
static bool read_odd_string(struct parser *p, struct json_entry *entry)
{
    p->at++;
    while ((p->at = scan_verbatim(p->at, p->end)) != p->end && *p->at != '"') {
        if (!read_odd(p, entry))
            return false;
    }
    if (p->at == p->end)
        return parser_fail(p, JSON_FAULT_CONTROL, p->end);
    p->at++;
    entry->len = offset_of(p, p->at) - entry->at;
    return true;
}

/* The string at r->at, a quote, as the next entry. Returns where its plain bytes end: as a rule at the other quote. */
static ALWAYS_INLINE const char *begin_string(struct place *r, bool name)
{
    const char *stop = scan_verbatim_in(&r->block, r->at + 1, r->end);

    push(r, r->at, stop + 1, JSON_STRING, name);
    return stop;
}

static ALWAYS_INLINE bool end_string(struct parser *p, struct place *r, const char *stop)
{
    struct json_entry *entry = r->entry - 1;

    if (LIKELY(stop < r->end && *stop == '"')) {
        r->at = stop + 1;
        return true;
    }
    p->at = r->at;
    if (!read_odd_string(p, entry))
        return false;
    r->at = p->at;
    r->canonical &= entry->canonical;
    return true;
}

static ALWAYS_INLINE enum step push_scalar(struct place *r, enum json_type type, const char *after)
{
    push(r, r->at, after, type, false);
    r->at = after;
    return STEP_AFTER;
}

static enum step fail_literal(struct parser *p, const char *at, const char *letters)
{
    p->token = at;
    for (; at < p->end && *at == *letters; letters++)
        at++;
    return fail(p, JSON_FAULT_LITERAL, at);
}

static ALWAYS_INLINE enum step read_literal(struct parser *p, struct place *r, struct str literal, enum json_type type)
{
    if (LIKELY((size_t)(r->end - r->at) >= literal.len && memcmp(r->at, literal.data, literal.len) == 0))
        return push_scalar(r, type, r->at + literal.len);
    return fail_literal(p, r->at, literal.data);
}

static const char *no_number(struct parser *p, enum json_fault fault, const char *at)
{
    parser_fail(p, fault, at);
    return NULL;
}

/* Behind the number at `at`; NULL: a fault. */
static const char *measure_number(struct parser *p, const char *at)
{
    const char *start;

    at += *at == '-';
    start = at;
    at = at < p->end && *at == '0' ? at + 1 : scan_digits(at, p->end);
    if (at == start)
        return no_number(p, JSON_FAULT_NUMBER, at);
    if (at < p->end && *at == '.') {
        start = at + 1;
        at = scan_digits(start, p->end);
        if (at == start)
            return no_number(p, JSON_FAULT_DECIMAL, at);
    }
    if (at < p->end && (*at | 0x20) == 'e') {
        start = at + 1;
        start += start < p->end && (*start == '+' || *start == '-');
        at = scan_digits(start, p->end);
        if (at == start)
            return no_number(p, JSON_FAULT_EXPONENT, at);
    }
    return at;
}

static ALWAYS_INLINE enum step read_number(struct parser *p, struct place *r)
{
    const char *after = scan_digits(r->at, r->end);

    /* As a rule it is a whole number with a comma or a bracket behind it. */
    if (UNLIKELY(after == r->end || *r->at == '0' || (*after != ',' && *after != '}' && *after != ']')))
        after = measure_number(p, r->at);
    return LIKELY(after != NULL) ? push_scalar(r, JSON_NUMBER, after) : STEP_FAIL;
}

static inline uint32_t capped_count(const struct place *r)
{
    return r->count < COUNT_MAX ? r->count : COUNT_MAX;
}

static inline enum json_type type_of(const struct place *r)
{
    return r->object ? JSON_OBJECT : JSON_ARRAY;
}

/* The container that waits in its entry is the innermost one again; what has ended in it may have spoiled it. */
static ALWAYS_INLINE void resume(struct parser *p, struct place *r, uint32_t parent)
{
    r->open = parent;
    if (parent == NO_ENTRY)
        return;
    const struct json_entry *entry = &p->tape[parent];

    r->count = entry->count;
    r->name = entry->len;
    r->first = 0;
    r->object = entry->type == JSON_OBJECT;
    r->canonical &= entry->canonical;
}

/* r->at is the closing bracket. */
static ALWAYS_INLINE enum step close_container(struct parser *p, struct place *r)
{
    struct json_entry *entry = &p->tape[r->open];
    uint32_t start = entry->at, parent = entry->next;

    r->at++;
    put(entry, start, offset_of(p, r->at) - start, r->length, capped_count(r), type_of(r), false, r->canonical);
    p->depth--;
    resume(p, r, parent);
    return STEP_AFTER;
}

/* The innermost container waits in its entry. */
static ALWAYS_INLINE void rest(struct parser *p, const struct place *r)
{
    if (r->open == NO_ENTRY)
        return;
    struct json_entry *entry = &p->tape[r->open];

    put(entry, entry->at, r->name, entry->next, capped_count(r), type_of(r), false, r->canonical);
}

/* r->at is the opening bracket. */
static ALWAYS_INLINE enum step open_container(struct parser *p, struct place *r, bool object)
{
    if (p->depth == p->depth_max)
        return fail(p, JSON_FAULT_DEPTH, r->at);
    rest(p, r);
    put(r->entry++, offset_of(p, r->at), 0, r->open, 0, JSON_NULL, false, true);
    r->open = r->length++;
    r->count = r->name = 0;
    r->object = object;
    r->canonical = true;
    p->depth++;
    r->at++;
    return UNLIKELY(next_byte(r) == (object ? '}' : ']')) ? STEP_END : STEP_VALUE;
}

static ALWAYS_INLINE enum step read_value(struct parser *p, struct place *r)
{
    char c;

    if (is_quote(r))
        return end_string(p, r, begin_string(r, false)) ? STEP_AFTER : STEP_FAIL;
    c = r->at == r->end ? '\0' : *r->at;
    if (c == '-' || (c >= '0' && c <= '9'))
        return read_number(p, r);
    switch (c) {
    case '{':
        return open_container(p, r, true);
    case '[':
        return open_container(p, r, false);
    case 't':
        return read_literal(p, r, STR("true"), JSON_TRUE);
    case 'f':
        return read_literal(p, r, STR("false"), JSON_FALSE);
    case 'n':
        return read_literal(p, r, STR("null"), JSON_NULL);
    default:
        return fail(p, JSON_FAULT_VALUE, r->at);
    }
}

/* Does the name, the last entry, come behind the one before it? As a rule the first letters tell: an empty one has its
 * other quote there. */
static ALWAYS_INLINE bool is_in_order(const struct parser *p, const struct place *r, unsigned char first)
{
    if (LIKELY(first != r->first && first > '"' && r->first > '"'))
        return r->first < first;
    return json_compare_entries(str_of(p->text, (size_t)(p->end - p->text)), &p->tape[r->name],
                                &p->tape[r->length - 1]) < 0;
}

/* A member's name and its colon. False: a fault. */
static ALWAYS_INLINE bool read_name(struct parser *p, struct place *r)
{
    const char *start, *stop;
    unsigned char first = 0; /* unless it is plain, and followed by its colon */

    if (UNLIKELY(!is_quote(r)))
        return parser_fail(p, JSON_FAULT_NAME, r->at);
    start = r->at;
    stop = begin_string(r, true);
    if (LIKELY(stop + 1 < r->end && memcmp(stop, "\":", 2) == 0)) {
        first = (unsigned char)start[1];
        r->at = stop + 2;
    } else {
        if (!end_string(p, r, stop))
            return false;
        if (next_byte(r) != ':')
            return parser_fail(p, JSON_FAULT_COLON, r->at);
        r->at++;
    }
    /* Sorted and unique so far? */
    if (r->canonical && r->name)
        r->canonical = is_in_order(p, r, first);
    r->first = first;
    r->name = r->length - 1;
    return true;
}

/* A value has ended. */
static ALWAYS_INLINE enum step read_after(struct parser *p, struct place *r)
{
    char c;

    if (UNLIKELY(r->open == NO_ENTRY))
        return STEP_DONE;
    c = next_byte(r);
    r->count++;
    if (LIKELY(c == ',')) {
        r->at++;
        return STEP_VALUE;
    }
    if (LIKELY(c == (r->object ? '}' : ']')))
        return STEP_END;
    return fail(p, r->object ? JSON_FAULT_MEMBER_END : JSON_FAULT_ELEMENT_END, r->at);
}

/* From a value that has ended, or an empty container's bracket, to where the next value stands. */
static ALWAYS_INLINE enum step read_on(struct parser *p, struct place *r, enum step step)
{
    do {
        if (step == STEP_AFTER)
            step = read_after(p, r);
        if (step == STEP_END)
            step = close_container(p, r);
    } while (step == STEP_AFTER);
    return step;
}

static ALWAYS_INLINE bool make_room(struct parser *p, struct place *r)
{
    if (LIKELY(r->length <= r->length_max))
        return true;
    if (!grow_tape(p, r->length))
        return parser_fail(p, JSON_FAULT_MEMORY, r->at);
    r->entry = p->tape + r->length;
    r->length_max = p->room - 2;
    return true;
}

static bool run(struct parser *p)
{
    struct place r = {.at = p->text,
                      .text = p->text,
                      .end = p->end,
                      .entry = p->tape,
                      .block = scan_block_at(p->text, p->end),
                      .length_max = p->room - 2,
                      .open = NO_ENTRY};
    enum step step = STEP_VALUE;

    while (step == STEP_VALUE) {
        if (!make_room(p, &r) || (r.object && !read_name(p, &r)))
            return false;
        step = read_on(p, &r, read_value(p, &r));
    }
    if (step == STEP_FAIL)
        return false;
    p->at = r.at;
    p->length = r.length;
    return true;
}

/* Entries that a text of this length will need, about: half of them would do for prose, small numbers take more. */
static uint32_t guess_entries(size_t len)
{
    return (uint32_t)(len < 65536 ? len / 6 : len / 16) + 16;
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
