/* names.c: field names: which are known by number, what a name and a value may be made of, and Go's canonical form.
 * The list of known names is names.def; lists of fields are in headers.c. SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "http/h1/word.h"
#include "http/names_table.h"

static const struct str names[HEADER_ID_COUNT] = {
#define HEADER(id, name) [HEADER_##id] = STR_INIT(name),
#include "http/names.def"
#undef HEADER
};

static unsigned fold(struct str name, size_t at)
{
    return (uint8_t)name.data[at] | 0x20u;
}

/* The same sum as in tools/gen_names.py. */
static unsigned name_slot(struct str name)
{
    return ((unsigned)name.len * NAME_LEN_FACTOR + fold(name, 0) * NAME_FIRST_FACTOR +
            fold(name, name.len / 2) * NAME_MIDDLE_FACTOR + fold(name, name.len - 1)) %
           NAME_SLOTS;
}

/* Are eight bytes of a name the same as those of a known one, but for case? Known names are letters, digits and
 * hyphens: of these only letters have the bit 0x40, and only their bit 0x20 may differ. */
static uint64_t differs(uint64_t word, uint64_t known)
{
    return (word ^ known) & ~((known & UINT64_C(0x4040404040404040)) >> 1);
}

static uint64_t eight(const char *bytes)
{
    uint64_t word;

    memcpy(&word, bytes, sizeof(word));
    return word;
}

/* The first and the last four of 4 to 8 bytes. */
static uint64_t four_and_four(struct str s)
{
    uint32_t first, last;

    memcpy(&first, s.data, sizeof(first));
    memcpy(&last, s.data + s.len - 4, sizeof(last));
    return (uint64_t)first << 32 | last;
}

static bool is_same(struct str name, struct str known)
{
    uint64_t difference = 0;

    if (name.len != known.len)
        return false;
    if (name.len < 4)
        return str_eq_fold(name, known);
    if (name.len < 8)
        return differs(four_and_four(name), four_and_four(known)) == 0;
    for (size_t at = 0; name.len - at > 8; at += 8)
        difference |= differs(eight(name.data + at), eight(known.data + at));
    return (difference | differs(eight(name.data + name.len - 8), eight(known.data + name.len - 8))) == 0;
}

enum header_id header_id_of(struct str name)
{
    enum header_id id;

    if (name.len == 0 || name.len > NAME_BYTES_MAX)
        return HEADER_OTHER;
    id = (enum header_id)name_slots[name_slot(name)];
    return is_same(name, names[id]) ? id : HEADER_OTHER;
}

struct str header_name(enum header_id id)
{
    ASSERT(id < HEADER_ID_COUNT);
    return names[id];
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

/* One of tchar that is neither letter nor hyphen (RFC 9110 5.6.2). */
static bool is_other_token(char c)
{
    return (c >= '0' && c <= '9') || (c != '\0' && strchr("!#$%&'*+.^_`|~", c));
}

bool header_name_is_valid(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];

        if (!is_lower(c) && !is_upper(c) && c != '-' && !is_other_token(c))
            return false;
    }
    return name.len > 0;
}

struct str header_name_lower(enum header_id id)
{
    ASSERT(id < HEADER_ID_COUNT);
    return lower_names[id];
}

/* Tab counts too. */
static inline uint64_t controls(uint64_t word)
{
    return word_below_or_del(word, 0x20);
}

static bool has_no_control_but_tab(struct str value)
{
    for (size_t i = 0; i < value.len; i++) {
        uint8_t c = (uint8_t)value.data[i];

        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

bool header_value_is_valid(struct str value)
{
    return LIKELY(!words_find(value, controls)) || has_no_control_but_tab(value);
}

static bool is_canonical(struct str name)
{
    bool upper = true;

    for (size_t i = 0; i < name.len; i++) {
        if (upper ? is_lower(name.data[i]) : is_upper(name.data[i]))
            return false;
        upper = name.data[i] == '-';
    }
    return true;
}

struct str header_canonical(struct arena *arena, struct str name)
{
    bool upper = true;
    char *text;

    if (is_canonical(name) || !header_name_is_valid(name))
        return name;
    text = arena_alloc(arena, name.len, 1);
    if (!text)
        return STR_EMPTY;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];

        text[i] = (upper && is_lower(c)) || (!upper && is_upper(c)) ? (char)(c ^ 0x20) : c;
        upper = c == '-';
    }
    return str_of(text, name.len);
}
