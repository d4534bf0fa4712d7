/* write_text.c: the writer's memory, strings escaped as Go's encoder escapes them. Whole values are in write.c,
 * doubles in write_double.c. Start with json_write_string. SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include "json/json_internal.h"
#include "json/scan_internal.h"
#include "json/writer_internal.h"

enum { WRITER_BYTES_AT_FIRST = 256 };

bool writer_grow(struct json_writer *writer, size_t size)
{
    size_t needed;

    if (writer->failed || !add_ok(&needed, writer->len, size) || !add_ok(&needed, needed, (size_t)WRITER_SLACK))
        return writer_fail(writer);
    size_t room = size_max(size_max(needed, writer->room * 2), WRITER_BYTES_AT_FIRST);
    char *data = arena_alloc(writer->arena, room, 1);

    if (!data)
        return writer_fail(writer);
    if (writer->len)
        memcpy(data, writer->data, writer->len);
    writer->data = data;
    writer->room = room;
    return true;
}

struct str json_written(const struct json_writer *writer)
{
    if (writer->failed)
        return STR_EMPTY;
    return str_of(writer->data ? writer->data : "", writer->len);
}

void json_write_raw(struct json_writer *writer, struct str text)
{
    if (text.len == 0 || !writer_reserve(writer, text.len))
        return;
    memcpy(writer->data + writer->len, text.data, text.len);
    writer->len += text.len;
}

void json_write_u64(struct json_writer *writer, uint64_t number)
{
    char digits[NUMBER_TEXT_BYTES];

    json_write_raw(writer, str_of(digits, text_from_u64(number, digits)));
}

/* The escape that Go writes for a character; its length, 0 when it writes the character itself. */
static size_t go_escape(uint32_t rune, char out[6])
{
    static const char hex[] = "0123456789abcdef";
    const char *at = NULL;

    if (rune == '"' || rune == '\\') {
        out[0] = '\\';
        out[1] = (char)rune;
        return 2;
    }
    if (rune >= '\b' && rune <= '\r' && rune != '\v')
        at = &"btn.fr"[rune - '\b'];
    if (at) {
        out[0] = '\\';
        out[1] = *at;
        return 2;
    }
    if (rune >= 0x20 && rune != '<' && rune != '>' && rune != '&' && rune != 0x2028 && rune != 0x2029)
        return 0;
    memcpy(out, "\\u", 2);
    for (unsigned i = 0; i < 4; i++)
        out[2 + i] = hex[rune >> (12 - 4 * i) & 0xf];
    return 6;
}

static void write_rune(struct json_writer *writer, uint32_t rune)
{
    char text[6];
    size_t len = go_escape(rune, text);

    if (len == 0)
        len = json_put_rune(rune, text);
    json_write_raw(writer, str_of(text, len));
}

void writer_content(struct json_writer *writer, struct str content)
{
    const char *at = content.data, *end = at + content.len;

    writer_char(writer, '"');
    while (at < end && !writer->failed) {
        const char *start = at;

        at = scan_verbatim(at, end);
        if (at > start)
            writer_copy(writer, start, (size_t)(at - start), (size_t)(end - start));
        else
            write_rune(writer, json_take_rune(&at, end));
    }
    writer_char(writer, '"');
}

void json_write_char(struct json_writer *writer, char c)
{
    writer_char(writer, c);
}

void json_write_name(struct json_writer *writer, struct str name, bool first)
{
    if (!first)
        writer_char(writer, ',');
    json_write_string(writer, name);
    writer_char(writer, ':');
}

void json_write_string(struct json_writer *writer, struct str value)
{
    const char *at = value.len ? value.data : "", *end = at + value.len;
    bool bad;

    writer_char(writer, '"');
    while (at < end && !writer->failed) {
        const char *start = at;

        at = scan_verbatim(at, end);
        if (at > start) {
            writer_copy(writer, start, (size_t)(at - start), (size_t)(end - start));
            continue;
        }
        uint32_t rune = json_take_utf8(&at, end, &bad);

        if (bad) /* Go escapes the replacement here, and only here. */
            json_write_raw(writer, STR("\\ufffd"));
        else
            write_rune(writer, rune);
    }
    writer_char(writer, '"');
}
