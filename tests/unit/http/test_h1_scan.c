/* test_h1_scan.c: the scanners against a plain reading of the rules, and against each other.
 * SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "http/h1/scan.h"
#include "http/head.h"

enum { TEXT_MAX = 4096 };

static const char *const names[] = {"scalar", "sse4.2", "avx2"};

/* Calls `check` with each scanner that is here. */
static void with_each(void (*check)(const struct h1_scanner *scanner))
{
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const struct h1_scanner *scanner = h1_scanner_named(names[i]);

        test_case_is("%s", names[i]);
        if (scanner)
            check(scanner);
    }
}

/* Mostly the bytes that matter. */
static void fill(char *text, size_t size)
{
    static const char some[] = "\r\n\r\n\r\n\r\n\t :aZ09-\x7f\x80\xff\x1f\x00{";

    for (size_t i = 0; i < size; i++)
        text[i] = rng_chance(test_rng(), 700000) ? 'x' : some[rng_below(test_rng(), sizeof(some) - 1)];
}

TEST(a_scanner_is_found_by_its_name)
{
    CHECK(h1_scanner_named("scalar") == h1_scanner_scalar());
    CHECK(!h1_scanner_named("abacus"));
    CHECK(h1_scanner_named(h1_scanner_best()->name) == h1_scanner_best());
}

static void check_kinds(const struct h1_scanner *scanner)
{
    char text[256];
    uint64_t odd[4], control[4];

    for (int c = 0; c < 256; c++)
        text[c] = (char)c;
    scanner->classify(guard_copy(str_of(text, sizeof(text))), odd, control);
    for (unsigned c = 0; c < 256; c++) {
        struct str byte = str_of(&text[c], 1);

        CHECK_EQ(odd[c / 64] >> c % 64 & 1, !header_name_is_valid(byte));
        CHECK_EQ(control[c / 64] >> c % 64 & 1, !header_value_is_valid(byte));
    }
}

TEST(every_byte_is_known)
{
    with_each(check_kinds);
}

static void check_lengths(const struct h1_scanner *scanner)
{
    char text[200];
    uint64_t odd[4], control[4], odd_scalar[4], control_scalar[4];

    for (size_t size = 1; size <= sizeof(text); size++) {
        struct str bytes;

        fill(text, size);
        bytes = guard_copy(str_of(text, size));
        scanner->classify(bytes, odd, control);
        h1_scanner_scalar()->classify(bytes, odd_scalar, control_scalar);
        for (size_t word = 0; word < (size + 63) / 64; word++) {
            CHECK_EQ(odd[word], odd_scalar[word]);
            CHECK_EQ(control[word], control_scalar[word]);
        }
    }
}

TEST(bit_maps_are_equal_at_every_length)
{
    with_each(check_lengths);
}

/* Reads the rules once more, without states: at which byte is it decided, and how? */
static enum h1_found plain_end(struct str text, bool trailers, size_t *at)
{
    for (size_t i = 0; i < text.len; i++) {
        bool cr = i >= 1 && text.data[i - 1] == '\r';
        bool line = i >= 2 ? text.data[i - 2] == '\n' : i == 1 && trailers;

        if (text.data[i] != '\n' || (cr && !line))
            continue;
        *at = i + 1;
        return cr ? H1_END : H1_BARE_LF;
    }
    return H1_NOT_YET;
}

struct search {
    const struct h1_scanner *scanner;
    enum h1_tail start, tail;
    enum h1_found found;
    size_t seen, at;
    struct str text;
};

static void search_start(void *arg)
{
    struct search *search = arg;

    search->tail = search->start;
    search->found = H1_NOT_YET;
    search->seen = 0;
}

static bool search_feed(void *arg, struct str piece)
{
    struct search *search = arg;
    size_t at = 0;

    search->found = search->scanner->find_end(piece, &search->tail, &at);
    search->at = search->seen + at;
    search->seen += piece.len;
    return search->found == H1_NOT_YET;
}

static void search_end(void *arg)
{
    struct search *search = arg;
    size_t at = 0;

    CHECK_EQ(search->found, plain_end(search->text, search->start == H1_TAIL_LINE, &at));
    if (search->found != H1_NOT_YET)
        CHECK_EQ(search->at, at);
}

static void check_search(const struct h1_scanner *scanner, struct str text)
{
    static const enum h1_tail starts[] = {H1_TAIL_TEXT, H1_TAIL_LINE};

    for (size_t i = 0; i < COUNT_OF(starts); i++) {
        struct search search = {.scanner = scanner, .start = starts[i], .text = text};
        struct feeding feeding = {
            .start = search_start, .feed = search_feed, .end = search_end, .arg = &search, .rounds = 4};

        test_feed(&feeding, text);
    }
}

static void check_ends(const struct h1_scanner *scanner)
{
    static const struct str rows[] = {
        STR_INIT(""),
        STR_INIT("\n"),
        STR_INIT("\r\n"),
        STR_INIT("\r\r\n"),
        STR_INIT("\r\n\r\n"),
        STR_INIT("\r\n\r\r\n"),
        STR_INIT("a\r\n\r\nb"),
        STR_INIT("a\r\nb\r\n\r\n"),
        STR_INIT("a\r\n\rb\r\n\r\n"),
        STR_INIT("a\nb\r\n\r\n"),
        STR_INIT("a\r\n\n"),
        STR_INIT("a\r\nb"),
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        check_search(scanner, rows[i]);
}

TEST(the_end_of_a_head_is_found)
{
    with_each(check_ends);
}

/* The empty line at each distance from the borders of the vector steps. */
static void check_places(const struct h1_scanner *scanner)
{
    char text[160];

    for (size_t at = 0; at + 4 <= sizeof(text); at++) {
        enum h1_tail tail = H1_TAIL_TEXT;
        size_t end = 0;

        memset(text, 'x', sizeof(text));
        memcpy(text + at, "\r\n\r\n", 4);
        CHECK_EQ(scanner->find_end(guard_copy(str_of(text, sizeof(text))), &tail, &end), H1_END);
        CHECK_EQ(end, at + 4);
        tail = H1_TAIL_TEXT;
        CHECK_EQ(scanner->find_end(guard_copy(str_of(text, at + 4)), &tail, &end), H1_END);
        CHECK_EQ(end, at + 4);
        text[at + 2] = 'x';
        tail = H1_TAIL_TEXT;
        CHECK_EQ(scanner->find_end(guard_copy(str_of(text, sizeof(text))), &tail, &end), H1_BARE_LF);
        CHECK_EQ(end, at + 4);
    }
}

TEST(the_end_is_found_wherever_it_is)
{
    with_each(check_places);
}

static void check_random(const struct h1_scanner *scanner)
{
    char text[300];

    for (int i = 0; i < 200; i++) {
        size_t size = (size_t)rng_below(test_rng(), sizeof(text)) + 1;

        /* Nearly all line feeds behind a carriage return, or none would be far in. */
        fill(text, size);
        for (size_t k = 1; k < size; k++)
            if (text[k] == '\n' && text[k - 1] != '\r' && rng_chance(test_rng(), 950000))
                text[k] = 'y';
        check_search(scanner, str_of(text, size));
    }
}

TEST(the_end_is_found_in_random_texts)
{
    with_each(check_random);
}

/* Forwards, by steps of all sizes, over more than one window. */
static void check_walk(const struct h1_scanner *scanner)
{
    static char text[3 * H1_WINDOW_BYTES + 17];
    struct h1_walk walk;
    struct str bytes;

    fill(text, sizeof(text));
    memset(text + H1_WINDOW_BYTES - 100, 'x', H1_WINDOW_BYTES + 300); /* nothing to find in a whole window */
    bytes = guard_copy(str_of(text, sizeof(text)));
    h1_walk_init(&walk, scanner, bytes);
    for (size_t at = 0; at <= bytes.len; at += (size_t)rng_below(test_rng(), 200)) {
        size_t odd = at, control = at;

        while (odd < bytes.len && header_name_is_valid(str_of(bytes.data + odd, 1)))
            odd++;
        while (control < bytes.len && header_value_is_valid(str_of(bytes.data + control, 1)))
            control++;
        CHECK_EQ(h1_walk_odd(&walk, at), odd);
        CHECK_EQ(h1_walk_control(&walk, at), control);
    }
    h1_walk_init(&walk, scanner, STR_EMPTY);
    CHECK_EQ(h1_walk_odd(&walk, 0), 0);
}

TEST(walks_find_every_stop)
{
    with_each(check_walk);
}
