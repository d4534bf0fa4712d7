/* fault.c: what to say about a text that does not parse, twice: for people, and in the words of Go's encoding/json,
 * which KrakenD puts into its error bodies. Not the finding of faults (parse.c). Start with json_fault_describe.
 * SPDX-License-Identifier: Apache-2.0 */
#include "json/json_internal.h"
#include "json/scan_internal.h"
#include <stdio.h>

/* The end of Go's "invalid character 'x' ..." (scanner.go), and what people read. */
struct wording {
    const char *go, *people;
};

/* clang-format off */
static const struct wording wordings[] = {
    [JSON_FAULT_NONE]        = {"", ""},
    [JSON_FAULT_VALUE]       = {"looking for beginning of value", "expected a value"},
    [JSON_FAULT_NAME]        = {"looking for beginning of object key string", "expected a member name in double quotes"},
    [JSON_FAULT_COLON]       = {"after object key", "expected ':' after a member name"},
    [JSON_FAULT_MEMBER_END]  = {"after object key:value pair", "expected ',' or '}' after a member"},
    [JSON_FAULT_ELEMENT_END] = {"after array element", "expected ',' or ']' after an element"},
    [JSON_FAULT_TOP]         = {"after top-level value", "nothing may follow the document"},
    [JSON_FAULT_CONTROL]     = {"in string literal", "a control character in a string is written as an escape: \\n, \\t, \\u00XX"},
    [JSON_FAULT_ESCAPE]      = {"in string escape code", "no such escape; there are \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uHHHH"},
    [JSON_FAULT_HEX]         = {"in \\u hexadecimal character escape", "\\u takes four hexadecimal digits"},
    [JSON_FAULT_NUMBER]      = {"in numeric literal", "expected a digit after '-'"},
    [JSON_FAULT_DECIMAL]     = {"after decimal point in numeric literal", "expected a digit after the decimal point"},
    [JSON_FAULT_EXPONENT]    = {"in exponent of numeric literal", "expected a digit in the exponent"},
    [JSON_FAULT_LITERAL]     = {"in literal", "expected"},
    [JSON_FAULT_UTF8]        = {"in string literal", "a string is not valid UTF-8"},
    [JSON_FAULT_SURROGATE]   = {"in \\u hexadecimal character escape", "one half of a surrogate pair stands alone"},
    [JSON_FAULT_DEPTH]       = {"exceeded max depth", "nested deeper than"},
    [JSON_FAULT_SIZE]        = {"document too large", "longer than"},
    [JSON_FAULT_MEMORY]      = {"out of memory", "out of memory"},
};
/* clang-format on */

/* The literal whose first letter this is. */
static const char *literal_at(char first)
{
    return first == 't' ? "true" : first == 'f' ? "false" : "null";
}

/* As Go's quoteChar: the byte taken as a character, quoted as strconv.Quote does it, between single quotes. */
static void quote_char(unsigned char c, char *out, size_t size)
{
    static const char shorts[] = "abtnvfr"; /* 7 to 13 */

    if (c == '\'' || c == '\\')
        snprintf(out, size, "'\\%c'", c);
    else if (c >= '\a' && c <= '\r')
        snprintf(out, size, "'\\%c'", shorts[c - '\a']);
    else if (c < 0x20 || c == 0x7f)
        snprintf(out, size, "'\\x%02x'", c);
    else if (c < 0x7f)
        snprintf(out, size, "'%c'", c);
    else if (c <= 0xa0 || c == 0xad) /* what strconv.IsPrint refuses of Latin-1 */
        snprintf(out, size, "'\\u%04x'", c);
    else
        snprintf(out, size, "'%c%c'", 0xc0 | c >> 6, 0x80 | (c & 0x3f));
}

static void describe_for_go(enum json_fault fault, struct str text, uint32_t at, uint32_t start, struct json_error *err)
{
    const char *words = wordings[fault].go;
    char quoted[12];

    if (fault == JSON_FAULT_SIZE || fault == JSON_FAULT_MEMORY) {
        snprintf(err->go, sizeof(err->go), "%s", words);
        return;
    }
    if (at >= text.len) {
        bool blank = scan_blank(text.data, text.data + text.len) == text.data + text.len;

        snprintf(err->go, sizeof(err->go), "%s", blank ? "EOF" : "unexpected EOF");
        return;
    }
    quote_char((unsigned char)text.data[at], quoted, sizeof(quoted));
    if (fault == JSON_FAULT_LITERAL) {
        const char *literal = literal_at(text.data[start]);

        snprintf(err->go, sizeof(err->go), "invalid character %s in literal %s (expecting '%c')", quoted, literal,
                 literal[at - start]);
        return;
    }
    snprintf(err->go, sizeof(err->go), "invalid character %s %s", quoted, words);
}

/* The last byte before `at` that is not white space; 0 at the start. */
static char byte_before(struct str text, uint32_t at)
{
    while (at > 0 && scan_is_blank(text.data[at - 1]))
        at--;
    return at > 0 ? text.data[at - 1] : '\0';
}

/* What people often mean by a byte that cannot start a value or a name; NULL: nothing known. */
static const char *known_slip(enum json_fault fault, struct str text, uint32_t at)
{
    char c = text.data[at];

    if (c == '/' || c == '#')
        return "JSON has no comments";
    if (fault == JSON_FAULT_VALUE || fault == JSON_FAULT_NAME) {
        if ((c == '}' || c == ']') && byte_before(text, at) == ',')
            return "a ',' stands before the closing bracket";
        if (c == '\'')
            return "strings and names take double quotes";
        if (c == '\xef')
            return "the text starts with a byte order mark";
    }
    if (fault == JSON_FAULT_VALUE && (c == 'T' || c == 'F' || c == 'N'))
        return "true, false and null are written in lower case";
    if (fault == JSON_FAULT_VALUE && (c == '+' || c == '.'))
        return "a number starts with a digit or '-'";
    if ((fault == JSON_FAULT_MEMBER_END || fault == JSON_FAULT_ELEMENT_END) && c >= '0' && c <= '9' &&
        text.data[at - 1] == '0')
        return "a number has no leading zeros";
    return NULL;
}

static void describe_cut(enum json_fault fault, struct json_error *err)
{
    const char *words = wordings[fault].people;

    if (fault >= JSON_FAULT_CONTROL && fault <= JSON_FAULT_HEX)
        words = "the closing '\"' of a string is missing";
    else if (fault == JSON_FAULT_LITERAL)
        words = "a literal is cut short";
    snprintf(err->text, sizeof(err->text), "the text ends too early: %s", words);
}

static void describe_for_people(enum json_fault fault, struct str text, uint32_t at, uint32_t start, uint32_t limit,
                                struct json_error *err)
{
    const char *slip;

    if (fault == JSON_FAULT_DEPTH)
        snprintf(err->text, sizeof(err->text), "nested deeper than %u levels", limit);
    else if (fault == JSON_FAULT_SIZE)
        snprintf(err->text, sizeof(err->text), "longer than %u bytes", limit);
    else if (fault == JSON_FAULT_MEMORY)
        snprintf(err->text, sizeof(err->text), "%s", wordings[fault].people);
    else if (at >= text.len)
        describe_cut(fault, err);
    else if (fault == JSON_FAULT_LITERAL)
        snprintf(err->text, sizeof(err->text), "expected \"%s\"", literal_at(text.data[start]));
    else if ((slip = known_slip(fault, text, at)))
        snprintf(err->text, sizeof(err->text), "%s", slip);
    else
        snprintf(err->text, sizeof(err->text), "%s", wordings[fault].people);
}

void json_fault_describe(enum json_fault fault, struct str text, uint32_t at, uint32_t start, uint32_t limit,
                         struct json_error *err)
{
    err->at = at;
    err->no_memory = fault == JSON_FAULT_MEMORY;
    describe_for_go(fault, text, at, start, err);
    describe_for_people(fault, text, at, start, limit, err);
}
