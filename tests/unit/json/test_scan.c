/* test_scan.c: the SIMD loops against their scalar twins; UTF-8 against an independent decoder. Includes a private
 * header on purpose. SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "unit/json/json_test.h"

#include "json/scan_internal.h"

static void check_twins(struct str text)
{
    const char *end = text.data + text.len;

    CHECK_EQ(scan_verbatim(text.data, end) - text.data, scan_verbatim_scalar(text.data, end) - text.data);
    CHECK_EQ(scan_digits(text.data, end) - text.data, scan_digits_scalar(text.data, end) - text.data);
    CHECK_EQ(scan_blank(text.data, end) - text.data, scan_blank_scalar(text.data, end) - text.data);
}

/* As the parser asks: from run to run, now and then over some bytes, from whatever block it had. */
static void check_blocks(struct str text)
{
    const char *at = text.data, *end = at + text.len;
    struct scan_block block = scan_block_at(at, end);

    while (at < end) {
        const char *stop = scan_verbatim_in(&block, at, end);

        CHECK_EQ(stop - text.data, scan_verbatim_scalar(at, end) - text.data);
        at = stop + 1 + (rng_below(test_rng(), 8) == 0 ? rng_below(test_rng(), 100) : 0);
    }
}

/* Each byte value at each place of texts up to three blocks long. */
TEST(both_scans_stop_at_the_same_byte)
{
    static const char fill[] = "x 5"; /* a run for each scan */
    char text[48];

    for (size_t len = 0; len <= sizeof(text); len++) {
        for (size_t at = 0; at < len; at++) {
            for (unsigned value = 0; value < 256; value++) {
                memset(text, fill[(value + at) % 3], sizeof(text));
                text[at] = (char)value;
                test_case_is("byte %u at %zu of %zu", value, at, len);
                check_twins(str_of(text, len));
            }
        }
    }
}

TEST(both_scans_agree_on_random_text_at_a_guard_page)
{
    static const char alphabet[] = "aaaaaaaaaaaa    777777/:\n\r\t\"\\<>&=%'\x1f\x7f\x80\xff";

    for (int i = 0; i < 3000; i++) {
        char text[80];
        size_t len = rng_below(test_rng(), sizeof(text));

        for (size_t j = 0; j < len; j++)
            text[j] = alphabet[rng_below(test_rng(), sizeof(alphabet) - 1)];
        check_twins(guard_copy(str_of(text, len)));
    }
}

TEST(runs_that_are_found_by_blocks_end_where_they_do)
{
    static const char alphabet[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa5 \"\\<>&\x1f\x80";

    for (int i = 0; i < 5000; i++) {
        char text[400];
        size_t len = rng_below(test_rng(), sizeof(text)), letters = i % 2 ? sizeof(alphabet) - 1 : 43;

        for (size_t j = 0; j < len; j++)
            text[j] = alphabet[rng_below(test_rng(), letters)];
        check_blocks(guard_copy(str_of(text, len)));
    }
}

/* The scalar twins say what the scans mean; this says it of them, byte by byte. */
TEST(scans_stop_at_what_their_names_leave_out)
{
    for (unsigned value = 0; value < 256; value++) {
        char c = (char)value;
        bool escaped = value < 0x20 || value >= 0x80 || (c && strchr("\"\\<>&", c));

        test_case_is("byte %u", value);
        CHECK_EQ(scan_verbatim_scalar(&c, &c + 1) == &c, escaped);
        CHECK_EQ(scan_digits_scalar(&c, &c + 1) == &c, value < '0' || value > '9');
        CHECK_EQ(scan_blank_scalar(&c, &c + 1) == &c, c == '\0' || !strchr(" \t\r\n", c));
    }
}

/* All sequences of two bytes, and random ones of up to five with likely bytes: well formed exactly when base says so.
 */
TEST(utf8_sequences_are_judged_as_base_judges_them)
{
    static const unsigned char likely[] = {0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0,
                                           0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff};

    for (unsigned pair = 0; pair < 65536; pair++) {
        char text[2] = {(char)(pair >> 8), (char)pair};
        unsigned len = scan_utf8(text, text + 2);

        test_case_is("bytes %04x", pair);
        CHECK_EQ(len == 2, text_is_utf8(str_of(text, 2)) && pair >= 0x8000);
        CHECK_EQ(len == 1, (pair >> 8) < 0x80);
    }
    for (int i = 0; i < 200000; i++) {
        char text[5];
        size_t size = 1 + rng_below(test_rng(), sizeof(text));

        for (size_t j = 0; j < size; j++)
            text[j] = (char)likely[rng_below(test_rng(), sizeof(likely))];
        unsigned len = scan_utf8(text, text + size);

        test_case_is("round %d", i);
        if (len > 0)
            CHECK(text_is_utf8(str_of(text, len)));
        for (size_t shorter = 1; shorter <= size && len == 0; shorter++)
            CHECK(!text_is_utf8(str_of(text, shorter)));
    }
}
