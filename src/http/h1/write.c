/* write.c: formats heads. SPDX-License-Identifier: Apache-2.0 */
#include "http/h1/write.h"

#include "base/assert.h"
#include "base/text.h"
#include "http/h1/word.h"

void h1_write_start(struct h1_writer *writer, struct chain *chain, struct block_pool *pool)
{
    writer->chain = chain;
    writer->pool = pool;
    writer->len = writer->total = 0;
    writer->failed = false;
}

static void flush(struct h1_writer *writer)
{
    if (!writer->failed && !chain_append(writer->chain, writer->pool, str_of(writer->bytes, writer->len)))
        writer->failed = true;
    writer->total += writer->len;
    writer->len = 0;
}

/* The part of a text that does not fit into what is left. */
static void put_long(struct h1_writer *writer, struct str text)
{
    while (text.len > 0) {
        size_t len = size_min(text.len, H1_WRITE_BYTES - writer->len);

        memcpy(writer->bytes + writer->len, text.data, len);
        writer->len += len;
        text = str_from_offset(text, len);
        if (writer->len == H1_WRITE_BYTES)
            flush(writer);
    }
}

static inline void put(struct h1_writer *writer, struct str text)
{
    if (UNLIKELY(text.len >= H1_WRITE_BYTES - writer->len)) {
        put_long(writer, text);
        return;
    }
    if (text.len > 0)
        memcpy(writer->bytes + writer->len, text.data, text.len);
    writer->len += text.len;
}

/* Tab counts too. */
static inline uint64_t controls(uint64_t word)
{
    return word_below_or_del(word, 0x20);
}

static void put_cleaned(struct h1_writer *writer, struct str value)
{
    for (size_t i = 0; i < value.len; i++) {
        struct str byte = str_of(value.data + i, 1);

        put(writer, header_value_is_valid(byte) ? byte : STR(" "));
    }
}

/* The value is clean. */
static void put_line(struct h1_writer *writer, struct str name, struct str value)
{
    size_t len = name.len + value.len + 4;
    char *line = writer->bytes + writer->len;

    if (UNLIKELY(len >= H1_WRITE_BYTES - writer->len)) {
        put(writer, name);
        put(writer, STR(": "));
        put(writer, value);
        put(writer, STR("\r\n"));
        return;
    }
    memcpy(line, name.data, name.len);
    memcpy(line + name.len, ": ", 2);
    if (value.len > 0)
        memcpy(line + name.len + 2, value.data, value.len);
    memcpy(line + len - 2, "\r\n", 2);
    writer->len += len;
}

static void put_line_cleaned(struct h1_writer *writer, struct str name, struct str value)
{
    put(writer, name);
    put(writer, STR(": "));
    put_cleaned(writer, value);
    put(writer, STR("\r\n"));
}

/* Received values are clean already; those that were made from bodies, parameters and settings may not be. As in Go, a
 * line end becomes a space rather than the message an error. */
void h1_write_field(struct h1_writer *writer, const struct http_field *field)
{
    if (field->id == HEADER_OTHER && !header_name_is_valid(field->name))
        return;
    if (UNLIKELY(words_find(field->value, controls)))
        put_line_cleaned(writer, field->name, field->value);
    else
        put_line(writer, field->name, field->value);
}

void h1_write_known(struct h1_writer *writer, enum header_id id, struct str value)
{
    put_line(writer, header_name(id), value);
}

void h1_write_number(struct h1_writer *writer, enum header_id id, uint64_t number)
{
    char digits[NUMBER_TEXT_BYTES];

    put_line(writer, header_name(id), str_of(digits, text_from_u64(number, digits)));
}

void h1_write_text(struct h1_writer *writer, struct str text)
{
    put(writer, text);
}

static inline uint64_t breaks(uint64_t word)
{
    return word_below_or_del(word, ' ' + 1);
}

bool h1_write_request_line(struct h1_writer *writer, struct str method, struct str path)
{
    if (!header_name_is_valid(method) || path.len == 0 || words_find(path, breaks))
        return false;
    put(writer, method);
    put(writer, STR(" "));
    put(writer, path);
    put(writer, STR(" HTTP/1.1\r\n"));
    return true;
}

bool h1_write_absolute_line(struct h1_writer *writer, struct str method, struct str origin, struct str path)
{
    if (!header_name_is_valid(method) || path.len == 0 || words_find(origin, breaks) || words_find(path, breaks))
        return false;
    put(writer, method);
    put(writer, STR(" http://"));
    put(writer, origin);
    if (path.data[0] == '/')
        put(writer, path);
    put(writer, STR(" HTTP/1.1\r\n"));
    return true;
}

void h1_write_status_line(struct h1_writer *writer, uint16_t status)
{
    char digits[] = {(char)('0' + status / 100), (char)('0' + status / 10 % 10), (char)('0' + status % 10), ' '};

    ASSERT(status >= 100 && status <= 999);
    put(writer, STR("HTTP/1.1 "));
    put(writer, str_of(digits, sizeof(digits)));
    put(writer, status_reason(status));
    put(writer, STR("\r\n"));
}

bool h1_write_end(struct h1_writer *writer)
{
    put(writer, STR("\r\n"));
    flush(writer);
    return !writer->failed;
}
