/* encode_yaml.c: Data as YAML in block style, with the quotes that KrakenD's encoder sets. Start with encode_yaml.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "gateway/encode.h"

struct yaml_writer {
    struct json_writer out; /* only for its memory */
};

static void put(struct yaml_writer *writer, struct str text)
{
    json_write_raw(&writer->out, text);
}

static void indent(struct yaml_writer *writer, unsigned depth)
{
    put(writer, STR("\n"));
    for (unsigned i = 0; i < depth; i++)
        put(writer, STR("  "));
}

/* What YAML 1.1 read as something else than text; KrakenD's encoder does not know of .inf and .nan. */
static bool is_word(struct str text)
{
    static const char *const words[] = {"null",  "Null", "NULL", "~",   "true", "True", "TRUE", "false", "False",
                                        "FALSE", "y",    "Y",    "yes", "Yes",  "YES",  "n",    "N",     "no",
                                        "No",    "NO",   "on",   "On",  "ON",   "off",  "Off",  "OFF"};

    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (str_eq(text, str_from(words[i])))
            return true;
    return false;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Takes the digits of a base from the front, underscores between them too; how many there were. */
static size_t take_digits(struct str *text, unsigned base)
{
    size_t count = 0, i = 0;

    for (; i < text->len; i++) {
        char c = text->data[i], low = c | 0x20;
        unsigned digit = is_digit(c)                ? (unsigned)(c - '0')
                         : low >= 'a' && low <= 'f' ? (unsigned)(low - 'a') + 10
                                                    : base;

        if (c != '_' && digit >= base)
            break;
        count += c != '_';
    }
    *text = str_from_offset(*text, i);
    return count;
}

static bool take_sign(struct str *text)
{
    if (text->len == 0 || (text->data[0] != '+' && text->data[0] != '-'))
        return false;
    *text = str_from_offset(*text, 1);
    return true;
}

/* With a point, as Go reads it. */
static bool is_float(struct str text)
{
    size_t digits = take_digits(&text, 10);

    if (text.len == 0 || text.data[0] != '.')
        return false;
    text = str_from_offset(text, 1);
    digits += take_digits(&text, 10);
    if (digits > 0 && text.len > 0 && (text.data[0] | 0x20) == 'e') {
        text = str_from_offset(text, 1);
        (void)take_sign(&text);
        digits = take_digits(&text, 10);
    }
    return digits > 0 && text.len == 0;
}

/* Integers, octal ones behind a zero, 0x, 0o and 0b, and what has a point: an exponent alone makes no number here. */
static bool is_number(struct str text)
{
    unsigned base = 10;

    if (text.len == 0 || text.data[0] == '_')
        return false;
    (void)take_sign(&text);
    if (is_float(text))
        return true;
    if (text.len > 1 && text.data[0] == '0') {
        char kind = text.data[1];

        base = kind == 'x' ? 16 : kind == 'b' ? 2 : 8;
        text = str_from_offset(text, kind == 'x' || kind == 'o' || kind == 'b' ? 2 : 0);
    }
    return take_digits(&text, base) > 0 && text.len == 0;
}

/* A number of so many digits, and below the limit. */
static bool take_part(struct str *text, size_t digits_min, size_t digits_max, unsigned limit)
{
    unsigned number = 0;
    size_t i = 0;

    while (i < digits_max && i < text->len && is_digit(text->data[i]))
        number = number * 10 + (unsigned)(text->data[i++] - '0');
    *text = str_from_offset(*text, i);
    return i >= digits_min && number < limit;
}

static bool take_char(struct str *text, char c)
{
    if (text->len == 0 || text->data[0] != c)
        return false;
    *text = str_from_offset(*text, 1);
    return true;
}

static bool is_zone(struct str text)
{
    if (take_char(&text, 'Z'))
        return text.len == 0;
    return take_sign(&text) && take_part(&text, 2, 2, 25) && take_char(&text, ':') && take_part(&text, 2, 2, 60) &&
           text.len == 0;
}

/* "15:4"; "2006-01-02", alone or with the time of day, which has a zone behind a T. */
static bool is_time(struct str text)
{
    struct str rest = text;
    bool has_zone;

    if (take_part(&rest, 1, 2, 24) && take_char(&rest, ':') && take_part(&rest, 1, 2, 60) && rest.len == 0)
        return true;
    if (!take_part(&text, 4, 4, 10000) || !take_char(&text, '-') || !take_part(&text, 2, 2, 13) ||
        !take_char(&text, '-') || !take_part(&text, 2, 2, 32))
        return false;
    if (text.len == 0)
        return true;
    has_zone = (text.data[0] | 0x20) == 't';
    if (!has_zone && text.data[0] != ' ')
        return false;
    text = str_from_offset(text, 1);
    if (!take_part(&text, 2, 2, 24) || !take_char(&text, ':') || !take_part(&text, 2, 2, 60) ||
        !take_char(&text, ':') || !take_part(&text, 2, 2, 60))
        return false;
    if (take_char(&text, '.') && take_digits(&text, 10) == 0)
        return false;
    return has_zone ? is_zone(text) : text.len == 0;
}

/* Ends of lines to parsers of YAML 1.1, next to the newline: CR, NEL, and the two of U+2028. What stands behind one of
 * them in a plain text could be read as a key of its own. KrakenD's encoder leaves them bare. */
static bool breaks_line(struct str text)
{
    return text.data[0] == '\r' || str_starts(text, STR("\xc2\x85")) || str_starts(text, STR("\xe2\x80\xa8")) ||
           str_starts(text, STR("\xe2\x80\xa9"));
}

static bool has_odd_bytes(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i], next = i + 1 < text.len ? text.data[i + 1] : '\0';

        if (c == '#' || c == '\\' || ((c == ':' || c == '-') && next == ' ') || breaks_line(str_from_offset(text, i)))
            return true;
    }
    return false;
}

static bool needs_quotes(struct str text)
{
    if (text.len == 0 || is_word(text) || is_number(text) || is_time(text) || str_eq(text, STR("-")))
        return true;
    return strchr("*&[{}],!|>%'\"@ `", text.data[0]) || text.data[text.len - 1] == ':' ||
           text.data[text.len - 1] == ' ' || has_odd_bytes(text);
}

/* The length of the character at the front; 0: it is not UTF-8. */
static size_t character_len(struct str text)
{
    for (size_t len = 1; len <= 4 && len <= text.len; len++)
        if (text_is_utf8(str_first(text, len)))
            return len;
    return 0;
}

/* As Go quotes those that are no byte each: code points that end lines, which would be folded into a space. */
static void write_break(struct yaml_writer *writer, struct str text)
{
    put(writer, text.len == 2 ? STR("\\u0085") : text.data[2] == '\xa8' ? STR("\\u2028") : STR("\\u2029"));
}

/* As Go quotes, but for most of what cannot be printed. */
static void write_quoted(struct yaml_writer *writer, struct str text)
{
    static const char hex[] = "0123456789abcdef", shorts[] = "abtnvfr"; /* 7 to 13 */

    put(writer, STR("\""));
    for (size_t i = 0, len; i<text.len; i += len> 0 ? len : 1) {
        char c = text.data[i];

        len = character_len(str_from_offset(text, i));
        if (c == '"' || c == '\\')
            put(writer, str_of((char[]){'\\', c}, 2));
        else if (c >= '\a' && c <= '\r')
            put(writer, str_of((char[]){'\\', shorts[c - '\a']}, 2));
        else if ((uint8_t)c < ' ' || c == 0x7f || len == 0)
            put(writer, str_of((char[]){'\\', 'x', hex[(uint8_t)c >> 4], hex[c & 15]}, 4));
        else if (breaks_line(str_from_offset(text, i)))
            write_break(writer, str_of(text.data + i, len));
        else
            put(writer, str_of(text.data + i, len));
    }
    put(writer, STR("\""));
}

/* Lines behind a bar, each at the depth of the value. */
static void write_block(struct yaml_writer *writer, struct str text, unsigned depth)
{
    struct str rest = text, line;
    bool ends = str_ends(text, STR("\n"));

    put(writer, str_ends(text, STR("\n\n")) ? STR("|+") : ends ? STR("|") : STR("|-"));
    if (ends)
        rest.len--;
    while (str_split(&rest, '\n', &line)) {
        if (line.len > 0)
            indent(writer, depth == 0 ? 1 : depth);
        else
            put(writer, STR("\n"));
        put(writer, line);
    }
}

static void write_text(struct yaml_writer *writer, struct str text, unsigned depth)
{
    if (needs_quotes(text))
        write_quoted(writer, text);
    else if (str_find_char(text, '\n') < text.len)
        write_block(writer, text, depth);
    else
        put(writer, text);
}

static void write_scalar(struct yaml_writer *writer, const struct data *data, unsigned depth)
{
    struct str text = data_scalar(writer->out.arena, data);
    enum json_type type = data_type(data);

    writer->out.failed |= !text.data;
    if (type == JSON_NULL)
        put(writer, STR("null"));
    else if (type == JSON_TRUE || type == JSON_FALSE)
        put(writer, text);
    else
        write_text(writer, text, depth);
}

static void write_value(struct yaml_writer *writer, struct data *data, unsigned depth, bool in_list);

static void write_members(struct yaml_writer *writer, const struct data *data, struct data_member **members,
                          size_t count, unsigned depth, bool in_list)
{
    for (size_t i = 0; i < count; i++) {
        if (i > 0 || !in_list)
            indent(writer, depth);
        if (data->kind == DATA_ARRAY) {
            put(writer, STR("- "));
            write_value(writer, &members[i]->value, depth + 1, true);
            continue;
        }
        write_text(writer, members[i]->name, depth);
        put(writer, STR(":"));
        write_value(writer, &members[i]->value, data_type(&members[i]->value) == JSON_ARRAY ? depth : depth + 1, false);
    }
}

/* Behind "key:" (in_list false) or "- ". */
static void write_value(struct yaml_writer *writer, struct data *data, unsigned depth, bool in_list)
{
    struct data_member **members;
    size_t count;

    if (!data_unwrap(writer->out.arena, data) || !data_list(writer->out.arena, data, &members, &count)) {
        writer->out.failed = true;
        return;
    }
    if (data->kind != DATA_OBJECT && data->kind != DATA_ARRAY) {
        put(writer, in_list ? STR("") : STR(" "));
        write_scalar(writer, data, depth);
    } else if (count == 0) {
        put(writer, in_list ? STR("") : STR(" "));
        put(writer, data->kind == DATA_OBJECT ? STR("{}") : STR("[]"));
    } else {
        write_members(writer, data, members, count, depth, in_list);
    }
}

struct str encode_yaml(struct arena *arena, struct data *data)
{
    struct yaml_writer writer = {.out = {.arena = arena}};

    if (data_type(data) == JSON_NULL)
        put(&writer, STR("{}")); /* Go's nil map */
    else
        write_value(&writer, data, 0, true);
    put(&writer, STR("\n"));
    return json_written(&writer.out);
}
