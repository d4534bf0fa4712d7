/* write.c: formats heads. SPDX-License-Identifier: Apache-2.0 */
#include "http/h1/write.h"

#include "base/assert.h"
#include "base/copy.h"
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

/* What is long, or does not fit into what is left. */
static NOINLINE void put_long(struct h1_writer *writer, struct str text)
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

/* Not inline: where the writer is a local variable, each copy into it would be a checked call. */
static NOINLINE void put(struct h1_writer *writer, struct str text)
{
    if (UNLIKELY(text.len > COPY_SHORT_MAX || text.len >= H1_WRITE_BYTES - writer->len)) {
        put_long(writer, text);
        return;
    }
    copy_short(writer->bytes + writer->len, text);
    writer->len += text.len;
}

static inline uint64_t odd_for_value(uint64_t word)
{
    return word_odd(word, 0x20);
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

struct line {
    struct str first, between, second, end; /* between and end are constants */
};

static NOINLINE void put_long_line(struct h1_writer *writer, struct line line)
{
    put(writer, line.first);
    put(writer, line.between);
    put(writer, line.second);
    put(writer, line.end);
}

static ALWAYS_INLINE void put_line(struct h1_writer *writer, struct line line)
{
    size_t len = line.first.len + line.between.len + line.second.len + line.end.len;
    char *at = writer->bytes + writer->len;

    if (UNLIKELY(line.first.len > COPY_SHORT_MAX || line.second.len > COPY_SHORT_MAX ||
                 len >= H1_WRITE_BYTES - writer->len)) {
        put_long_line(writer, line);
        return;
    }
    at = copy_short(at, line.first);
    at = copy_short(at, line.between);
    at = copy_short(at, line.second);
    copy_short(at, line.end);
    writer->len += len;
}

/* The value is clean. */
static NOINLINE void put_field(struct h1_writer *writer, struct str name, struct str value)
{
    put_line(writer, (struct line){name, STR(": "), value, STR("\r\n")});
}

/* Received values are clean already; those that were made from bodies, parameters and settings may not be. As in Go, a
 * line end becomes a space rather than the message an error. */
static void put_field_cleaned(struct h1_writer *writer, struct str name, struct str value)
{
    put(writer, name);
    put(writer, STR(": "));
    put_cleaned(writer, value);
    put(writer, STR("\r\n"));
}

/* One of a name that is not known, or with a value that may have to be cleaned. */
static NOINLINE void put_odd_field(struct h1_writer *writer, const struct http_field *field)
{
    if (field->id == HEADER_OTHER && !header_name_is_valid(field->name))
        return;
    if (UNLIKELY(words_find(field->value, controls)))
        put_field_cleaned(writer, field->name, field->value);
    else
        put_field(writer, field->name, field->value);
}

void h1_write_field(struct h1_writer *writer, const struct http_field *field)
{
    if (field->id == HEADER_OTHER || UNLIKELY(words_find(field->value, odd_for_value)))
        put_odd_field(writer, field);
    else
        put_field(writer, field->name, field->value);
}

void h1_write_known(struct h1_writer *writer, enum header_id id, struct str value)
{
    put_field(writer, header_name(id), value);
}

void h1_write_number(struct h1_writer *writer, enum header_id id, uint64_t number)
{
    char digits[NUMBER_TEXT_BYTES];

    put_field(writer, header_name(id), str_of(digits, text_from_u64(number, digits)));
}

void h1_write_text(struct h1_writer *writer, struct str text)
{
    put(writer, text);
}

static inline uint64_t odd_for_target(uint64_t word)
{
    return word_odd(word, ' ' + 1);
}

static inline uint64_t breaks(uint64_t word)
{
    return word_below_or_del(word, ' ' + 1);
}

static inline bool has_break(struct str target)
{
    return UNLIKELY(words_find(target, odd_for_target)) && words_find(target, breaks);
}

bool h1_write_request_line(struct h1_writer *writer, struct str method, struct str path)
{
    if (!header_name_is_valid(method) || path.len == 0 || has_break(path))
        return false;
    put_line(writer, (struct line){method, STR(" "), path, STR(" HTTP/1.1\r\n")});
    return true;
}

bool h1_write_absolute_line(struct h1_writer *writer, struct str method, struct str origin, struct str path)
{
    if (!header_name_is_valid(method) || path.len == 0 || has_break(origin) || has_break(path))
        return false;
    put(writer, method);
    put(writer, STR(" http://"));
    put(writer, origin);
    if (path.data[0] == '/')
        put(writer, path);
    put(writer, STR(" HTTP/1.1\r\n"));
    return true;
}

static NOINLINE void put_status_line(struct h1_writer *writer, uint16_t status)
{
    char start[] = "HTTP/1.1 000 ";

    ASSERT(status >= 100 && status <= 999);
    start[9] = (char)('0' + status / 100);
    start[10] = (char)('0' + status / 10 % 10);
    start[11] = (char)('0' + status % 10);
    put_line(writer, (struct line){str_of(start, sizeof(start) - 1), STR(""), status_reason(status), STR("\r\n")});
}

void h1_write_status_line(struct h1_writer *writer, uint16_t status)
{
    if (LIKELY(status == 200))
        put(writer, STR("HTTP/1.1 200 OK\r\n"));
    else
        put_status_line(writer, status);
}

bool h1_write_end(struct h1_writer *writer)
{
    put(writer, STR("\r\n"));
    flush(writer);
    return !writer->failed;
}
