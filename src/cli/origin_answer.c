/* origin_answer.c: answers by path. Start with the table. SPDX-License-Identifier: Apache-2.0 */
#include "cli/origin_answer.h"

#include "base/text.h"

#include <assert.h>

/* Bodies are cut from this; a prime length, so that a piece that is shifted or doubled by any buffer's size shows. */
static const char pattern[] =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-holdfast-0123456789-always-alive.\n";
enum { PATTERN_BYTES = sizeof(pattern) - 1, PAGE_BYTES = PATTERN_BYTES * 663 };
static_assert(PATTERN_BYTES == 97, "a prime");

#define DELAY_MAX_MS UINT64_C(86400000) /* a day */

static char page[PAGE_BYTES];

__attribute__((constructor)) static void fill_page(void)
{
    for (size_t i = 0; i < PAGE_BYTES; i++)
        page[i] = pattern[i % PATTERN_BYTES];
}

static void set_text(struct arena *arena, struct origin_answer *answer, struct str text, struct str type)
{
    answer->text = text;
    answer->left = text.len;
    answer->head.body_bytes = (int64_t)text.len;
    (void)!headers_set_id(&answer->head.headers, arena, HEADER_CONTENT_TYPE, type);
}

static void make_bytes(struct arena *arena, const struct http_head *request, uint64_t number,
                       struct origin_answer *answer)
{
    (void)request;
    answer->left = number < INT64_MAX ? number : INT64_MAX;
    answer->head.body_bytes = (int64_t)answer->left;
    (void)!headers_set_id(&answer->head.headers, arena, HEADER_CONTENT_TYPE, STR("application/octet-stream"));
}

static void make_chunked(struct arena *arena, const struct http_head *request, uint64_t number,
                         struct origin_answer *answer)
{
    make_bytes(arena, request, number, answer);
    answer->head.body_bytes = -1;
}

static void make_json(struct arena *arena, const struct http_head *request, uint64_t number,
                      struct origin_answer *answer)
{
    unsigned long long id = (unsigned long long)number;

    (void)request;
    set_text(arena, answer,
             arena_format(arena,
                          "{\"name\":\"item %llu\",\"id\":%llu,\"price\":%llu.50,\"tags\":[\"kept\",\"alive\"],"
                          "\"origin\":{\"kind\":\"embedded\",\"software\":\"holdfast origin\"}}",
                          id, id, id % 100),
             STR("application/json"));
}

static void make_delay(struct arena *arena, const struct http_head *request, uint64_t number,
                       struct origin_answer *answer)
{
    (void)request;
    answer->delay_ns = (number < DELAY_MAX_MS ? number : DELAY_MAX_MS) * 1000000;
    set_text(arena, answer, STR("{\"waited\":true}"), STR("application/json"));
}

static void make_status(struct arena *arena, const struct http_head *request, uint64_t number,
                        struct origin_answer *answer)
{
    (void)request;
    answer->head.status = (uint16_t)(number >= 200 && number <= 599 ? number : 400);
    if (status_has_body(answer->head.status))
        set_text(arena, answer, arena_format(arena, "{\"status\":%u}", answer->head.status), STR("application/json"));
}

static void make_echo(struct arena *arena, const struct http_head *request, uint64_t number,
                      struct origin_answer *answer)
{
    struct str type = headers_get_id(&request->headers, HEADER_CONTENT_TYPE);

    (void)number;
    answer->echo = true;
    answer->head.body_bytes = request->body_bytes;
    (void)!headers_set_id(&answer->head.headers, arena, HEADER_CONTENT_TYPE,
                          type.data ? type : STR("application/octet-stream"));
}

static void make_sink(struct arena *arena, const struct http_head *request, uint64_t number,
                      struct origin_answer *answer)
{
    (void)request;
    (void)number;
    answer->sink = true;
    set_text(arena, answer, STR(""), STR("application/json"));
}

static const struct {
    struct str path; /* with a number behind it when it ends in a slash */
    void (*make)(struct arena *arena, const struct http_head *request, uint64_t number, struct origin_answer *answer);
} answers[] = {
    {STR_INIT("/bytes/"), make_bytes}, {STR_INIT("/chunked/"), make_chunked}, {STR_INIT("/json/"), make_json},
    {STR_INIT("/delay/"), make_delay}, {STR_INIT("/status/"), make_status},   {STR_INIT("/echo"), make_echo},
    {STR_INIT("/sink"), make_sink},
};

static void make_default(struct arena *arena, struct origin_answer *answer)
{
    set_text(arena, answer, STR("holdfast origin: /bytes/N /chunked/N /json/N /delay/MS /status/CODE /echo /sink\n"),
             STR("text/plain"));
}

/* True: the row is for this path. */
static bool row_matches(struct str row, struct str path, uint64_t *number)
{
    struct str rest = str_from_offset(path, row.len);

    if (!str_starts(path, row))
        return false;
    return str_ends(row, STR("/")) ? text_to_u64(rest, number) : rest.len == 0;
}

/* HEAD tells the length and gives nothing. */
static void take_body_away(struct origin_answer *answer)
{
    answer->head.announced_bytes = answer->head.body_bytes;
    answer->head.body_bytes = 0;
    answer->left = 0;
    answer->echo = false;
}

void origin_answer_for(struct arena *arena, const struct http_head *request, struct origin_answer *answer)
{
    struct str path = str_first(request->path, str_find_char(request->path, '?'));
    uint64_t number = 0;
    size_t row = 0;

    while (row < COUNT_OF(answers) && !row_matches(answers[row].path, path, &number))
        row++;
    *answer = (struct origin_answer){.head = {.status = 200, .announced_bytes = -1}};
    if (row < COUNT_OF(answers))
        answers[row].make(arena, request, number, answer);
    else
        make_default(arena, answer);
    answer->head_only = str_eq(request->method, STR("HEAD"));
    if (answer->head_only)
        take_body_away(answer);
}

void origin_answer_text(struct arena *arena, struct origin_answer *answer, struct str text, struct str type)
{
    *answer = (struct origin_answer){.head = {.status = 200, .announced_bytes = -1}};
    set_text(arena, answer, text, type);
}

bool origin_answer_sunk(struct arena *arena, struct origin_answer *answer, uint64_t body_bytes)
{
    if (!answer->sink)
        return true;
    set_text(arena, answer, arena_format(arena, "{\"bytes\":%llu}", (unsigned long long)body_bytes),
             STR("application/json"));
    if (answer->head_only)
        take_body_away(answer);
    return answer->text.data != NULL;
}

/* Each piece goes on in the pattern where the last one ended. */
static bool give_pattern(struct origin_answer *answer, struct chain *into, struct block_pool *blocks, size_t size_max)
{
    while (size_max > 0 && answer->left > 0) {
        size_t at = (size_t)(answer->given % PATTERN_BYTES);
        size_t size = size_min(PAGE_BYTES - at, size_max);

        if (size > answer->left)
            size = (size_t)answer->left;
        if (!chain_append_borrowed(into, blocks, str_of(page + at, size)))
            return false;
        answer->given += size;
        answer->left -= size;
        size_max -= size;
    }
    return true;
}

bool origin_answer_piece(struct origin_answer *answer, struct chain *into, struct block_pool *blocks, size_t size_max)
{
    struct str rest = str_first(str_from_offset(answer->text, (size_t)answer->given), size_max);

    if (!answer->text.data)
        return give_pattern(answer, into, blocks, size_max);
    if (answer->left == 0)
        return true;
    answer->given += rest.len;
    answer->left -= rest.len;
    return chain_append(into, blocks, rest);
}
