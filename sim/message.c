/* message.c: HTTP/1.1 messages for the scripted peers, read in the plainest way: the head is one text, the body is
 * copied. Strict where the gateway must be right: every line, every digit. SPDX-License-Identifier: Apache-2.0 */
#include "sim/peers_internal.h"

#include <stdlib.h>

enum { CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER, BODY_OVER };

static struct str next_line(struct str *rest)
{
    size_t end = str_find(*rest, STR("\r\n"));
    struct str line = str_first(*rest, end);

    *rest = str_from_offset(*rest, end + 2);
    return line;
}

static struct str fields_of(const struct sim_head *head)
{
    struct str rest = str_of(head->text, head->len);

    (void)next_line(&rest);
    return rest;
}

/* Every line is "name: value" without odd bytes. */
static bool fields_are_good(const struct sim_head *head)
{
    struct str rest = fields_of(head), line;

    while ((line = next_line(&rest)).len > 0) {
        size_t colon = str_find_char(line, ':');

        if (colon == 0 || colon == line.len || str_find_char(line, '\n') < line.len)
            return false;
        if (str_find_char(str_first(line, colon), ' ') < colon || str_find_char(line, '\r') < line.len)
            return false;
    }
    return true;
}

bool sim_head_field(const struct sim_head *head, const char *name, struct str *value)
{
    struct str rest = fields_of(head), line;

    while ((line = next_line(&rest)).len > 0) {
        size_t colon = str_find_char(line, ':');

        if (str_eq_fold(str_first(line, colon), str_from(name))) {
            *value = str_trim(str_from_offset(line, colon + 1));
            return true;
        }
    }
    return false;
}

unsigned sim_head_count(const struct sim_head *head, const char *name)
{
    struct str rest = fields_of(head), line;
    unsigned count = 0;

    while ((line = next_line(&rest)).len > 0)
        count += str_eq_fold(str_first(line, str_find_char(line, ':')), str_from(name));
    return count;
}

/* 99 for what is no digit in any base. */
static unsigned digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 99;
}

static bool read_number(struct str text, unsigned base, uint64_t *number)
{
    *number = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned digit = digit_of(text.data[i]);

        if (digit >= base || *number > (UINT64_C(1) << 50))
            return false;
        *number = *number * base + digit;
    }
    return text.len > 0;
}

static const char *read_framing(struct sim_head *head)
{
    struct str value;
    uint64_t length;

    head->length = -1;
    head->is_chunked = sim_head_field(head, "transfer-encoding", &value);
    if (head->is_chunked && !str_eq_fold(value, STR("chunked")))
        return "a transfer coding that nobody asked for";
    if (sim_head_count(head, "content-length") + sim_head_count(head, "transfer-encoding") > 1)
        return "two framings";
    if (sim_head_field(head, "content-length", &value)) {
        if (!read_number(value, 10, &length))
            return "a bad Content-Length";
        head->length = (int64_t)length;
    }
    head->says_close = sim_head_field(head, "connection", &value) && str_eq_fold(value, STR("close"));
    return NULL;
}

enum sim_parse sim_head_take(struct sim_bytes *in, struct sim_head *head, const char **why)
{
    /* Before the first byte there is no memory to point into. */
    struct str bytes = in->len > 0 ? str_of((const char *)in->data + in->at, in->len) : STR("");
    size_t end = in->len > 0 ? str_find(bytes, STR("\r\n\r\n")) : 0;

    *why = "a head that is too long";
    if (end >= sizeof(head->text) - 4)
        return SIM_BAD;
    if (end == in->len)
        return SIM_MORE;
    head->len = end + 4;
    sim_bytes_take(in, head->text, head->len);
    head->text[head->len] = 0;
    *why = "a malformed line";
    if (strlen(head->text) != head->len || !fields_are_good(head))
        return SIM_BAD;
    *why = read_framing(head);
    return *why ? SIM_BAD : SIM_DONE;
}

void sim_body_start(struct sim_body *body, const struct sim_head *head, bool until_close)
{
    *body = (struct sim_body){.framing = SIM_LENGTH, .chunk_step = CHUNK_SIZE};
    if (head->is_chunked)
        body->framing = SIM_CHUNKED;
    else if (head->length >= 0)
        body->left = (uint64_t)head->length;
    else if (until_close)
        body->framing = SIM_UNTIL_CLOSE;
}

/* Moves up to `most` bytes; returns how many. */
static size_t take_data(struct sim_body *body, struct sim_bytes *in, uint64_t most)
{
    size_t len = most < in->len ? (size_t)most : in->len;

    if (len > 0)
        sim_bytes_add(&body->bytes, in->data + in->at, len);
    sim_bytes_take(in, NULL, len);
    return len;
}

/* Takes a line off the front, without its end; `line` is good until `in` changes. False: not all of it is there. */
static bool take_line(struct sim_bytes *in, struct str *line)
{
    struct str bytes = str_of((const char *)in->data + in->at, in->len);
    size_t end = in->len > 0 ? str_find(bytes, STR("\r\n")) : 0;

    if (end == in->len)
        return false;
    *line = str_first(bytes, end);
    sim_bytes_take(in, NULL, end + 2);
    return true;
}

static enum sim_parse take_chunk_data(struct sim_body *body, struct sim_bytes *in)
{
    body->left -= take_data(body, in, body->left);
    if (body->left > 0)
        return SIM_MORE;
    body->chunk_step = CHUNK_END;
    return SIM_DONE;
}

/* One step of RFC 9112 7.1, extensions refused; SIM_MORE when the bytes do not suffice for it. */
static enum sim_parse take_chunk_step(struct sim_body *body, struct sim_bytes *in)
{
    struct str line;

    if (body->chunk_step == CHUNK_DATA)
        return take_chunk_data(body, in);
    if (!take_line(in, &line))
        return SIM_MORE;
    if (body->chunk_step == CHUNK_SIZE) {
        if (!read_number(line, 16, &body->left))
            return SIM_BAD;
        body->chunk_step = body->left == 0 ? TRAILER : CHUNK_DATA;
    } else if (body->chunk_step == CHUNK_END) {
        body->chunk_step = CHUNK_SIZE;
        return line.len == 0 ? SIM_DONE : SIM_BAD;
    } else if (line.len == 0) {
        body->chunk_step = BODY_OVER;
    }
    return SIM_DONE;
}

enum sim_parse sim_body_take(struct sim_body *body, struct sim_bytes *in, const char **why)
{
    enum sim_parse step = SIM_DONE;

    *why = "malformed chunks";
    if (body->framing == SIM_UNTIL_CLOSE) {
        take_data(body, in, UINT64_MAX);
        return SIM_MORE;
    }
    if (body->framing == SIM_LENGTH) {
        body->left -= take_data(body, in, body->left);
        return body->left == 0 ? SIM_DONE : SIM_MORE;
    }
    while (step == SIM_DONE && body->chunk_step != BODY_OVER)
        step = take_chunk_step(body, in);
    return step;
}

void sim_body_clear(struct sim_body *body)
{
    sim_bytes_free(&body->bytes);
}
