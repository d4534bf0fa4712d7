/* test_fetch_heads.c: how large the head of an answer may be. SPDX-License-Identifier: Apache-2.0 */
#include "fetch_stage.h"
#include "harness/test.h"

#include <string.h>

enum { LINE = 100 };

/* A whole answer with so many fields beside Content-Length, each on a line of LINE bytes. */
static const char *answer_with(unsigned fields)
{
    static const char first[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n";
    size_t len = sizeof(first) - 1;
    char *text = arena_zero(test_arena(), len + fields * LINE + 3);

    CHECK(text != NULL);
    memcpy(text, first, len);
    for (unsigned i = 0; i < fields; i++, len += LINE) {
        memset(text + len, 'x', LINE);
        text[len + 1] = ':';
        memcpy(text + len + LINE - 2, "\r\n", 2);
    }
    memcpy(text + len, "\r\n", 2);
    return text;
}

static const struct {
    int64_t bytes_max, fields_max;
    unsigned fields;
    bool fits;
} rows[] = {
    {0, 0, 255, true},    {0, 0, 256, false},  {0, 10, 9, true},     {0, 10, 10, false},
    {0, 1000, 600, true}, {4096, 0, 40, true}, {4096, 0, 41, false}, {65536, 0, 41, true},
};

TEST(heads_of_answers_are_as_large_as_the_transport_says)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fetch_stage stage;

        test_case_is("row %zu", i);
        fetch_stage_open(&stage);
        stage.transport.response_head_bytes_max = rows[i].bytes_max;
        stage.transport.response_fields_max = rows[i].fields_max;
        ask(&stage, "GET", 0);
        origin_accepts(&stage);
        origin_hears(&stage, "\r\n\r\n");
        origin_says(&stage, answer_with(rows[i].fields));
        CHECK_EQ(await_head(&stage), rows[i].fits ? IO_OK : IO_FAIL);
        if (rows[i].fits)
            CHECK_EQ(stage.answer->headers.count, rows[i].fields + 1);
        else
            CHECK_EQ(stage.err.code, ERROR_HEAD_TOO_LARGE);
        end(&stage);
        fetch_stage_close(&stage);
    }
}
