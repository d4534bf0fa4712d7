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

static bool is_word(struct str text)
{
    static const char *const words[] = {"null",  "Null", "NULL",  "~",     "true",  "True", "TRUE", "false", "False",
                                        "FALSE", "y",    "Y",     "yes",   "Yes",   "YES",  "n",    "N",     "no",
                                        "No",    "NO",   "on",    "On",    "ON",    "off",  "Off",  "OFF",   ".inf",
                                        ".Inf",  ".INF", "-.inf", "-.Inf", "-.INF", ".nan", ".NaN", ".NAN"};

    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (str_eq(text, str_from(words[i])))
            return true;
    return false;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits with underscores, one point, an exponent; 0x, 0o and 0b with what follows. */
static bool is_number(struct str text)
{
    size_t i = 0, digits = 0, points = 0;

    if (text.len > 0 && (text.data[0] == '-' || text.data[0] == '+'))
        i = 1;
    if (i + 2 < text.len && text.data[i] == '0' && strchr("xob", text.data[i + 1])) {
        for (i += 2; i < text.len; i++)
            if (!is_digit(text.data[i]) && !((text.data[i] | 0x20) >= 'a' && (text.data[i] | 0x20) <= 'f'))
                return false;
        return true;
    }
    for (; i < text.len; i++) {
        char c = text.data[i];

        digits += is_digit(c);
        points += c == '.';
        if ((c == 'e' || c == 'E') && digits > 0)
            return i + 1 < text.len && (is_digit(text.data[i + 1]) || i + 2 < text.len);
        if (!is_digit(c) && c != '_' && c != '.')
            return false;
    }
    return digits > 0 && points < 2;
}

/* "2006-01-02" and what may follow; "15:4". */
static bool is_time(struct str text)
{
    static const char form[] = "dddd-dd-dd";
    size_t colon = str_find_char(text, ':');

    if (text.len <= 5 && colon > 0 && colon + 1 < text.len) {
        for (size_t i = 0; i < text.len; i++)
            if (i != colon && !is_digit(text.data[i]))
                return false;
        return true;
    }
    if (text.len < 10)
        return false;
    for (size_t i = 0; i < 10; i++)
        if (form[i] == 'd' ? !is_digit(text.data[i]) : text.data[i] != '-')
            return false;
    return text.len == 10 || text.data[10] == ' ' || (text.data[10] | 0x20) == 't';
}

static bool has_odd_bytes(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i], next = i + 1 < text.len ? text.data[i + 1] : '\0';

        if (c == '#' || c == '\\' || ((uint8_t)c < ' ' && c != '\n') || c == 0x7f)
            return true;
        if ((c == ':' || c == '-') && next == ' ')
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

static void write_quoted(struct yaml_writer *writer, struct str text)
{
    static const char hex[] = "0123456789abcdef";

    put(writer, STR("\""));
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        const char *named = c == '\n'   ? "\\n"
                            : c == '\t' ? "\\t"
                            : c == '\r' ? "\\r"
                            : c == '"'  ? "\\\""
                            : c == '\\' ? "\\\\"
                                        : NULL;

        if (named)
            put(writer, str_from(named));
        else if ((uint8_t)c < ' ' || c == 0x7f)
            put(writer, str_of((char[]){'\\', 'x', hex[(uint8_t)c >> 4], hex[c & 15]}, 4));
        else
            put(writer, str_of(&c, 1));
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

    write_value(&writer, data, 0, true);
    put(&writer, STR("\n"));
    return json_written(&writer.out);
}
