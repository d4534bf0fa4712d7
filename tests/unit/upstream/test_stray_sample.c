/* test_stray_sample.c: what people are shown of bytes that nobody asked for. SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "upstream/stray_sample.h"

#include <string.h>

static const struct {
    const char *bytes, *text;
} rows[] = {
    {"", ""},
    {"\r\n", "\\r\\n"},
    {"0\r\n\r\n", "0\\r\\n\\r\\n"},
    {"1a0\r\nsecret", "9x0\\r\\nxxxxxx"},
    {"{\"token\": \"abcDEF123\"}", "{\\\"xxxxx\\\": \\\"xxxxxx999\\\"}"},
    {"HTTP/1.1 200 OK\r\nSet-Cookie: id=s3cret\r\n\r\nmine",
     "HTTP/1.1 200 OK\\r\\nSet-Cookie: xx=x9xxxx\\r\\n\\r\\nxxxx"},
    {"\r\nHTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n",
     "\\r\\nHTTP/1.1 408 Request Timeout\\r\\nConnection: xxxxx\\r\\n\\r\\n"},
    {"HTTP/1.0 200 a:b\n\nName: x", "HTTP/1.0 200 a:x\\n\\nxxxx: x"},
    {"HTTP/1.1 200 OK\r\nfolded\r\nName: 7", "HTTP/1.1 200 OK\\r\\nxxxxxx\\r\\nxxxx: 9"},
    {"HTTP/1.1 200 OK\r\n: 7\r\n", "HTTP/1.1 200 OK\\r\\n: 9\\r\\n"},
    {"\x16\x03\xff\x80\t\x7f\\", "....\\t.\\\\"},
    {"HTTP", "xxxx"},
    /* A name that is cut may be a body. */
    {"HTTP/1.1 200 OK\r\nName: 0123456789012345678901234567890\r\nPassword: 1",
     "HTTP/1.1 200 OK\\r\\nName: 0999999999099999999909999999990\\r\\nxxxxxxxx"},
};

TEST(what_could_be_secret_is_unreadable)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str bytes = str_from(rows[i].bytes);
        struct stray_sample sample;
        char text[STRAY_SAMPLE_TEXT];

        test_case_is("%zu", i);
        stray_sample_take(&sample, guard_copy(bytes));
        CHECK_CSTR(stray_sample_text(&sample, text), rows[i].text);
    }
}

TEST(the_first_64_bytes_are_shown)
{
    char bytes[200], text[STRAY_SAMPLE_TEXT];
    struct stray_sample sample;

    memset(bytes, '\n', sizeof(bytes));
    stray_sample_take(&sample, str_of(bytes, sizeof(bytes)));
    CHECK_EQ(sample.len, 64);
    CHECK_EQ(strlen(stray_sample_text(&sample, text)), 128);
    stray_sample_take(&sample, str_of(bytes, 63));
    CHECK_EQ(sample.len, 63);
    CHECK_EQ(strlen(stray_sample_text(&sample, text)), 126);
}

/* Every byte value alone: what is shown is one line of text. */
TEST(any_byte_is_shown_as_text)
{
    for (unsigned c = 0; c < 256; c++) {
        struct stray_sample sample;
        char byte = (char)c, text[STRAY_SAMPLE_TEXT];

        stray_sample_take(&sample, str_of(&byte, 1));
        stray_sample_text(&sample, text);
        CHECK(strlen(text) >= 1);
        for (const char *at = text; *at; at++)
            CHECK(*at >= ' ' && *at <= '~');
    }
}
