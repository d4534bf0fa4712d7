/* value.c: weak typing. A number in quotes is a number, 1 is true, and so on, exactly as far as KrakenD's loader goes:
 * its rules are those of Go's strconv and of mapstructure. Messages are made in schema_bind.c. Start with value_to_int.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/text.h"
#include "config/value_internal.h"

#include "json/write.h"

/* -1: no digit. */
static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'Z' ? c - 'A' + 10 : -1;
}

/* The base that a prefix tells, taken off *s: 0x, 0b, 0o, or 0 alone for octal. An underscore may follow it. */
static int take_base(struct str *s, bool *prefixed)
{
    char mark = s->len > 1 && s->data[0] == '0' ? (char)(s->data[1] | 0x20) : '\0';
    int base = mark == 'x' ? 16 : mark == 'b' ? 2 : mark == 'o' ? 8 : 0;

    *prefixed = true;
    if (base) {
        *s = str_from_offset(*s, 2);
        return base;
    }
    if (s->len > 1 && s->data[0] == '0') {
        *s = str_from_offset(*s, 1);
        return 8;
    }
    *prefixed = false;
    return 10;
}

/* Go's strconv.ParseInt(s, 0, 64): sign, base prefix, underscores between digits. */
static enum conversion read_go_int(struct str s, int64_t *out)
{
    bool negative = s.len > 0 && s.data[0] == '-', after_digit;
    int64_t value = 0;

    if (s.len > 0 && (s.data[0] == '-' || s.data[0] == '+'))
        s = str_from_offset(s, 1);
    int base = take_base(&s, &after_digit);

    if (s.len == 0)
        return CONVERSION_TEXT;
    for (size_t i = 0; i < s.len; i++) {
        int digit = digit_of(s.data[i]);

        if (s.data[i] == '_' && after_digit && i + 1 < s.len) {
            after_digit = false;
            continue;
        }
        if (digit < 0 || digit >= base)
            return CONVERSION_TEXT;
        after_digit = true;
        /* Downwards, because the most negative number has no positive twin. */
        if (!mul_ok(&value, value, base) || !sub_ok(&value, value, digit))
            return CONVERSION_RANGE;
    }
    if (!negative && !sub_ok(&value, 0, value))
        return CONVERSION_RANGE;
    *out = value;
    return CONVERTED;
}

bool document_read_int(struct str text, int64_t *out)
{
    return read_go_int(text, out) == CONVERTED;
}

/* A JSON number, cut to a whole one as Go cuts a float. */
static enum conversion truncate(struct str text, int64_t *out)
{
    const double limit = 9223372036854775808.0; /* 2^63 */
    double number;

    if (text_to_i64(text, out))
        return CONVERTED;
    if (!text_to_double(text, &number) || !(number > -limit && number < limit))
        return CONVERSION_RANGE;
    *out = (int64_t)number;
    return CONVERTED;
}

enum conversion value_to_int(const struct node *node, int64_t *out)
{
    switch (node->type) {
    case JSON_FALSE:
    case JSON_TRUE:
        *out = node->type == JSON_TRUE;
        return CONVERTED;
    case JSON_NUMBER:
        return truncate(node->text, out);
    case JSON_STRING:
        *out = 0;
        return node->text.len ? read_go_int(node->text, out) : CONVERTED;
    case JSON_NULL:
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    return CONVERSION_TYPE;
}

/* Go's strconv.ParseBool; "" is false by mapstructure. */
static enum conversion read_go_bool(struct str s, bool *out)
{
    static const struct {
        struct str text;
        bool value;
    } words[] = {{STR_INIT("true"), true},  {STR_INIT("false"), false}, {STR_INIT(""), false},
                 {STR_INIT("1"), true},     {STR_INIT("0"), false},     {STR_INIT("t"), true},
                 {STR_INIT("f"), false},    {STR_INIT("T"), true},      {STR_INIT("F"), false},
                 {STR_INIT("TRUE"), true},  {STR_INIT("True"), true},   {STR_INIT("FALSE"), false},
                 {STR_INIT("False"), false}};

    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (str_eq(s, words[i].text)) {
            *out = words[i].value;
            return CONVERTED;
        }
    }
    return CONVERSION_TEXT;
}

enum conversion value_to_bool(const struct node *node, bool *out)
{
    double number;

    switch (node->type) {
    case JSON_FALSE:
    case JSON_TRUE:
        *out = node->type == JSON_TRUE;
        return CONVERTED;
    case JSON_NUMBER:
        if (!text_to_double(node->text, &number))
            return CONVERSION_RANGE;
        *out = number < 0 || number > 0;
        return CONVERTED;
    case JSON_STRING:
        return read_go_bool(node->text, out);
    case JSON_NULL:
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    return CONVERSION_TYPE;
}

enum conversion value_to_duration(const struct node *node, int64_t *out_ns)
{
    if (node->type == JSON_STRING)
        return text_to_duration(node->text, out_ns) ? CONVERTED : CONVERSION_TEXT;
    return value_to_int(node, out_ns);
}

/* The factor of a size's unit; 0: no unit. */
static int64_t unit_of_size(struct str unit)
{
    static const struct {
        struct str name;
        int64_t bytes;
    } units[] = {{STR_INIT(""), 1},          {STR_INIT("B"), 1},           {STR_INIT("KB"), 1000},
                 {STR_INIT("MB"), 1000000},  {STR_INIT("GB"), 1000000000}, {STR_INIT("KiB"), 1 << 10},
                 {STR_INIT("MiB"), 1 << 20}, {STR_INIT("GiB"), 1 << 30}};

    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (str_eq_fold(unit, units[i].name))
            return units[i].bytes;
    }
    return 0;
}

/* "512", "64KiB", "1.5MB". */
static enum conversion read_size(struct str s, int64_t *out_bytes)
{
    size_t digits = 0;
    int64_t whole;
    double number;

    while (digits < s.len && ((s.data[digits] >= '0' && s.data[digits] <= '9') || s.data[digits] == '.'))
        digits++;
    int64_t unit = unit_of_size(str_from_offset(s, digits));

    if (digits == 0 || unit == 0)
        return CONVERSION_TEXT;
    s = str_first(s, digits);
    if (text_to_i64(s, &whole))
        return mul_ok(out_bytes, whole, unit) ? CONVERTED : CONVERSION_RANGE;
    if (!text_to_double(s, &number))
        return CONVERSION_TEXT;
    number *= (double)unit;
    if (!(number < 9e18))
        return CONVERSION_RANGE;
    *out_bytes = (int64_t)number;
    return CONVERTED;
}

enum conversion value_to_size(const struct node *node, int64_t *out_bytes)
{
    if (node->type == JSON_STRING)
        return read_size(node->text, out_bytes);
    return node->type == JSON_NUMBER ? truncate(node->text, out_bytes) : CONVERSION_TYPE;
}

/* A number's text as Go prints a float64 without exponent. */
static struct str decimal_text(struct str text, struct arena *arena)
{
    struct json_writer out = {.arena = arena};
    double number;

    if (!text_to_double(text, &number))
        return text;
    json_write_decimal(&out, number);
    return json_written(&out);
}

enum conversion value_to_text(const struct node *node, struct arena *arena, struct str *out)
{
    switch (node->type) {
    case JSON_STRING:
        *out = node->text;
        return CONVERTED;
    case JSON_NUMBER:
        *out = decimal_text(node->text, arena);
        return CONVERTED;
    case JSON_FALSE:
    case JSON_TRUE:
        *out = node->type == JSON_TRUE ? STR("1") : STR("0");
        return CONVERTED;
    case JSON_NULL:
        *out = STR("");
        return CONVERTED;
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    return CONVERSION_TYPE;
}

/* Puts a copy of the member into the object, over the one of that name. False: no memory. */
static bool put_member(struct node *object, const struct node *member, struct arena *arena)
{
    struct node **end = &object->children, *copy = arena_make(arena, struct node);

    if (!copy)
        return false;
    while (*end && !str_eq((*end)->name, member->name))
        end = &(*end)->next;
    object->count += *end == NULL;
    *copy = *member;
    copy->next = *end ? (*end)->next : NULL;
    *end = copy;
    return true;
}

/* Puts what a list's elements hold into the object, in their order. False: one is no object, or no memory. */
static bool put_elements(struct node *object, const struct node *list, struct arena *arena)
{
    bool ok = true;

    for (const struct node *at = list->children; at && ok; at = at->next) {
        if (at->type == JSON_ARRAY)
            ok = put_elements(object, at, arena);
        else if (at->type == JSON_OBJECT)
            for (const struct node *member = at->children; member && ok; member = member->next)
                ok = put_member(object, member, arena);
        else
            ok = at->type == JSON_NULL;
    }
    return ok;
}

const struct node *node_as_map(const struct node *value, struct arena *arena)
{
    struct node *object = value->type == JSON_ARRAY ? arena_make(arena, struct node) : NULL;

    if (!object)
        return value;
    *object = *value;
    object->type = JSON_OBJECT;
    object->children = NULL;
    object->count = 0;
    return put_elements(object, value, arena) ? object : value;
}
