/* test_proxy_protocol.c: PROXY headers in and out (items 151 to 157 of the keep-alive test matrix and the PROXY cases
 * of the reliability catalogue). SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "net/proxy_protocol.h"

#define SIG "\r\n\r\n\0\r\nQUIT\n"
#define GET "GET / HTTP/1.1\r\n\r\n"

/* A reader that is fed from a connection on which more stands behind the header. */
struct intake {
    struct proxy_reader reader;
    size_t after; /* bytes that were offered beyond the header */
};

static void intake_start(void *arg)
{
    struct intake *intake = arg;

    proxy_reader_init(&intake->reader);
    intake->after = 0;
}

/* As a stream does: no more than is asked for, and no more than is there. */
static bool intake_feed(void *arg, struct str piece)
{
    struct intake *intake = arg;
    size_t wants;

    while (piece.len > 0 && (wants = proxy_reader_wants(&intake->reader)) > 0) {
        struct str part = str_first(piece, wants);

        memcpy(intake->reader.bytes + intake->reader.size, part.data, part.len);
        proxy_reader_got(&intake->reader, part.len);
        piece = str_from_offset(piece, part.len);
    }
    intake->after += piece.len;
    return true;
}

struct row {
    const char *name;
    struct str bytes;   /* of the header, or of what should be one */
    const char *source; /* NULL: it is refused; "": local */
    const char *destination;
};

static struct str format(const struct addr *addr)
{
    char text[ADDR_TEXT_BYTES];

    if (addr->family == ADDR_NONE)
        return STR("");
    if (addr->family == ADDR_UNIX)
        return STR("unix");
    return arena_copy(test_arena(), addr_format(addr, text));
}

struct judge {
    struct intake intake;
    const struct row *row;
};

static void judge_start(void *arg)
{
    intake_start(&((struct judge *)arg)->intake);
}

static bool judge_feed(void *arg, struct str piece)
{
    return intake_feed(&((struct judge *)arg)->intake, piece);
}

static void judge_end(void *arg)
{
    struct judge *judge = arg;
    const struct row *row = judge->row;
    struct proxy_reader *reader = &judge->intake.reader;
    struct proxy_header header;
    struct error err = {0};
    bool good;

    CHECK_EQ(proxy_reader_wants(reader), 0);
    good = proxy_header_read(guard_copy(str_of((const char *)reader->bytes, reader->size)), &header, &err);
    CHECK_INT(good, row->source != NULL);
    if (!good) {
        CHECK_EQ(err.code, ERROR_BAD_PROXY_HEADER);
        CHECK_EQ(err.fault, FAULT_CLIENT);
        return;
    }
    CHECK_EQ(reader->size, row->bytes.len);
    CHECK_EQ(judge->intake.after, strlen(GET));
    CHECK_STR(format(&header.source), str_from(row->source));
    CHECK_STR(format(&header.destination), str_from(row->destination ? row->destination : ""));
    CHECK_INT(header.local, row->source[0] == '\0');
}

#define LINE(text) STR_INIT(text "\r\n")
#define V4         "\x7f\0\0\x09\x7f\0\0\x01\x12\x34\x01\xbb"

/* clang-format off */
static const struct row rows[] = {
    {"TCP4", LINE("PROXY TCP4 127.0.0.9 127.0.0.1 4660 443"), "127.0.0.9:4660", "127.0.0.1:443"},
    {"TCP4, the shortest", LINE("PROXY TCP4 1.1.1.1 2.2.2.2 1 2"), "1.1.1.1:1", "2.2.2.2:2"},
    {"TCP4, the longest", LINE("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535"), "255.255.255.255:65535", "255.255.255.255:65535"},
    {"TCP6", LINE("PROXY TCP6 ::1 ::1 4660 443"), "[::1]:4660", "[::1]:443"},
    {"TCP6, the shortest", LINE("PROXY TCP6 :: :: 0 0"), "[::]:0", "[::]:0"},
    {"TCP6, the longest", LINE("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535"),
     "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
    {"UNKNOWN", LINE("PROXY UNKNOWN"), "", NULL},
    {"UNKNOWN with words", LINE("PROXY UNKNOWN a b c d"), "", NULL},
    {"UNKNOWN with addresses", LINE("PROXY UNKNOWN ffff::1 ffff::2 1 2"), "", NULL},
    {"UNKNOWN, 107 bytes", LINE("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535"), "", NULL},
    {"UNKNOWN, 108 bytes", LINE("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 655350"), NULL, NULL},
    {"UNKNOWNS", LINE("PROXY UNKNOWNS"), NULL, NULL},
    {"no line end", STR_INIT("PROXY TCP4 1111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111"), NULL, NULL},
    {"LF alone", STR_INIT("PROXY TCP4 127.0.0.9 127.0.0.1 4660 443\n"), NULL, NULL},
    {"UNKNOWN and LF", STR_INIT("PROXY UNKNOWN\n"), NULL, NULL},
    {"CR inside", LINE("PROXY TCP4 127.0.0.9 127.0.0.1 4660\r443"), NULL, NULL},
    {"port 65536", LINE("PROXY TCP4 127.0.0.9 127.0.0.1 65536 443"), NULL, NULL},
    {"port with a zero in front", LINE("PROXY TCP4 127.0.0.9 127.0.0.1 04660 443"), NULL, NULL},
    {"port with a sign", LINE("PROXY TCP4 127.0.0.9 127.0.0.1 +460 443"), NULL, NULL},
    {"no port", LINE("PROXY TCP4 127.0.0.9 127.0.0.1 4660 "), NULL, NULL},
    {"octet 256", LINE("PROXY TCP4 127.0.0.256 127.0.0.1 4660 443"), NULL, NULL},
    {"octet with a zero in front", LINE("PROXY TCP4 127.0.0.09 127.0.0.1 4660 443"), NULL, NULL},
    {"IPv6 under TCP4", LINE("PROXY TCP4 ::1 ::1 4660 443"), NULL, NULL},
    {"IPv4 under TCP6", LINE("PROXY TCP6 127.0.0.1 127.0.0.1 4660 443"), NULL, NULL},
    {"brackets", LINE("PROXY TCP6 [::1] ::1 4660 443"), NULL, NULL},
    {"a zone", LINE("PROXY TCP6 fe80::1%1 ::1 4660 443"), NULL, NULL},
    {"two spaces", LINE("PROXY TCP4  127.0.0.9 127.0.0.1 4660 443"), NULL, NULL},
    {"a tab", LINE("PROXY TCP4\t127.0.0.9 127.0.0.1 4660 443"), NULL, NULL},
    {"five words", LINE("PROXY TCP4 127.0.0.9 127.0.0.1 4660 443 1"), NULL, NULL},
    {"lower case", LINE("proxy tcp4 127.0.0.9 127.0.0.1 4660 443"), NULL, NULL},
    {"TCP5", LINE("PROXY TCP5 127.0.0.9 127.0.0.1 4660 443"), NULL, NULL},
    {"NUL", STR_INIT("PROXY TCP4 127.0.0.9\0 127.0.0.1 4660 443\r\n"), NULL, NULL},
    {"none at all", STR_INIT("GET / HTTP/1.1\r\nHost: example.test\r\n\r\n"), NULL, NULL},
    {"a TLS hello", STR_INIT("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03zzzzzzzzzz"), NULL, NULL},

    {"v2 TCP4", STR_INIT(SIG "\x21\x11\0\x0c" V4), "127.0.0.9:4660", "127.0.0.1:443"},
    {"v2 TCP6", STR_INIT(SIG "\x21\x21\0\x24" "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01" "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01" "\0\x50\0\x51"),
     "[2001:db8::1]:80", "[::1]:81"},
    {"v2 UDP4", STR_INIT(SIG "\x21\x12\0\x0c" V4), "127.0.0.9:4660", "127.0.0.1:443"},
    {"v2 LOCAL", STR_INIT(SIG "\x20\0\0\0"), "", NULL},
    {"v2 LOCAL with rubbish", STR_INIT(SIG "\x20\xff\0\x03xyz"), "", NULL},
    {"v2 UNSPEC", STR_INIT(SIG "\x21\0\0\x0axxxxxxxxxx"), "", NULL},
    {"v2 version 1", STR_INIT(SIG "\x11\x11\0\x0c" V4), NULL, NULL},
    {"v2 command 2", STR_INIT(SIG "\x22\x11\0\x0c" V4), NULL, NULL},
    {"v2 family 4", STR_INIT(SIG "\x21\x41\0\x0c" V4), NULL, NULL},
    {"v2 transport 3", STR_INIT(SIG "\x21\x13\0\x0c" V4), NULL, NULL},
    {"v2 too short for IPv4", STR_INIT(SIG "\x21\x11\0\x08" "\x7f\0\0\x09\x7f\0\0\x01"), NULL, NULL},
    {"v2 too short for IPv6", STR_INIT(SIG "\x21\x21\0\x0c" V4), NULL, NULL},
    {"v2 too short for Unix", STR_INIT(SIG "\x21\x31\0\x0c" V4), NULL, NULL},
    {"v2 a cut TLV", STR_INIT(SIG "\x21\x11\0\x0d" V4 "\x02"), NULL, NULL},
    {"v2 a TLV longer than the header", STR_INIT(SIG "\x21\x11\0\x0f" V4 "\x02\0\x01"), NULL, NULL},
    {"v2 NOOP and unknown TLVs", STR_INIT(SIG "\x21\x11\0\x17" V4 "\x04\0\x02zz\xee\0\0\x04\0\0"), "127.0.0.9:4660", "127.0.0.1:443"},
    {"v2 over 4096 bytes", STR_INIT(SIG "\x21\x11\xff\xff" V4), NULL, NULL},
    {"v2 a wrong checksum", STR_INIT(SIG "\x21\x11\0\x13" V4 "\x03\0\x04\x01\x02\x03\x04"), NULL, NULL},
    {"v2 a short checksum", STR_INIT(SIG "\x21\x11\0\x11" V4 "\x03\0\x02\x01\x02"), NULL, NULL},
    {"v2 a cut SSL part", STR_INIT(SIG "\x21\x11\0\x12" V4 "\x20\0\x03\x01\0\0"), NULL, NULL},
    {"v2 a cut part of the SSL part", STR_INIT(SIG "\x21\x11\0\x16" V4 "\x20\0\x07\x01\0\0\0\0\x21\0"), NULL, NULL},
    {"v2 a wrong signature", STR_INIT("\r\n\r\n\0\r\nQUIT\r\x21\x11\0\x0c" V4), NULL, NULL},
};
/* clang-format on */

static struct str str_join(struct str first, struct str second)
{
    char *out = arena_alloc(test_arena(), first.len + second.len, 1);

    memcpy(out, first.data, first.len);
    memcpy(out + first.len, second.data, second.len);
    return str_of(out, first.len + second.len);
}

TEST(headers_are_understood_or_refused)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct judge judge = {.row = &rows[i]};
        struct feeding feeding = {
            .start = judge_start, .feed = judge_feed, .end = judge_end, .arg = &judge, .rounds = 20};

        test_case_is("%s", rows[i].name);
        test_feed(&feeding, str_join(rows[i].bytes, STR(GET)));
    }
}

/* Every beginning of a good header asks for more, and never for more than there is. */
TEST(nothing_behind_a_header_is_asked_for)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct proxy_reader reader;
        size_t reads = 0;

        if (!rows[i].source)
            continue;
        test_case_is("%s", rows[i].name);
        proxy_reader_init(&reader);
        while (reader.size < rows[i].bytes.len) {
            size_t wants = proxy_reader_wants(&reader);

            CHECK(wants > 0);
            CHECK(wants <= rows[i].bytes.len - reader.size);
            memcpy(reader.bytes + reader.size, rows[i].bytes.data + reader.size, wants);
            proxy_reader_got(&reader, wants);
            reads++;
        }
        CHECK_EQ(proxy_reader_wants(&reader), 0);
        CHECK(reads <= 50);
    }
}

TEST(parts_of_a_header_are_found)
{
    static const struct str bytes = STR_INIT(SIG "\x21\x11\0\x4a" V4 "\x01\0\x02h2"
                                                 "\x02\0\x0c"
                                                 "example.test"
                                                 "\x05\0\x03"
                                                 "abc"
                                                 "\x30\0\x02ns"
                                                 "\x20\0\x1c\x07\0\0\0\0"
                                                 "\x21\0\x07TLSv1.3"
                                                 "\x22\0\x03"
                                                 "bob"
                                                 "\x24\0\x01s"
                                                 "\x25\0\0");
    struct proxy_header header;
    struct error err;

    CHECK(proxy_header_read(guard_copy(bytes), &header, &err));
    CHECK_TEXT(header.alpn, "h2");
    CHECK_TEXT(header.authority, "example.test");
    CHECK_TEXT(header.unique_id, "abc");
    CHECK_TEXT(header.netns, "ns");
    CHECK(header.tls.given && header.tls.over_tls && header.tls.has_cert && header.tls.verified);
    CHECK_TEXT(header.tls.version, "TLSv1.3");
    CHECK_TEXT(header.tls.common_name, "bob");
    CHECK_TEXT(header.tls.signature, "s");
    CHECK(header.tls.key.data && header.tls.key.len == 0);
    CHECK(!header.tls.cipher.data);
    CHECK(!header.checked);
}

/* RFC 3720 B.4. */
TEST(checksums_are_castagnolis)
{
    uint8_t bytes[32];

    memset(bytes, 0, sizeof(bytes));
    CHECK_EQ(proxy_crc32c(0, bytes, sizeof(bytes)), 0x8a9136aa);
    memset(bytes, 0xff, sizeof(bytes));
    CHECK_EQ(proxy_crc32c(0, bytes, sizeof(bytes)), 0x62a8ab43);
    for (uint8_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = i;
    CHECK_EQ(proxy_crc32c(0, bytes, sizeof(bytes)), 0x46dd794e);
    CHECK_EQ(proxy_crc32c(proxy_crc32c(0, bytes, 5), bytes + 5, 27), 0x46dd794e);
}

static struct addr address(const char *text)
{
    struct addr addr = {0};
    struct error err;

    CHECK(addr_parse(str_from(text), &addr, &err));
    return addr;
}

static struct str written(const struct proxy_header *header)
{
    uint8_t *out = arena_alloc(test_arena(), PROXY_BYTES_MAX, 1);
    size_t size = proxy_header_write(header, out, PROXY_BYTES_MAX);

    CHECK(size > 0);
    for (size_t room = 0; room < size; room++) {
        struct str tight = guard_copy(str_of((const char *)out, room));

        CHECK_EQ(proxy_header_write(header, (uint8_t *)(uintptr_t)tight.data, room), 0);
    }
    return str_of((const char *)out, size);
}

TEST(lines_are_written)
{
    static const struct {
        const char *from, *to, *line;
    } cases[] = {
        {"10.0.0.1:1", "10.0.0.2:65535", "PROXY TCP4 10.0.0.1 10.0.0.2 1 65535\r\n"},
        {"[::1]:1", "[2001:db8::5]:2", "PROXY TCP6 ::1 2001:db8::5 1 2\r\n"},
        {"[::ffff:10.0.0.1]:1", "10.0.0.2:2", "PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n"},
        {"10.0.0.1:1", "[::1]:2", "PROXY UNKNOWN\r\n"},
        {"unix:/a", "unix:/b", "PROXY UNKNOWN\r\n"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct proxy_header header = {
            .version = 1, .source = address(cases[i].from), .destination = address(cases[i].to)};

        test_case_is("%s to %s", cases[i].from, cases[i].to);
        CHECK_STR(written(&header), str_from(cases[i].line));
        header.local = true;
        CHECK_TEXT(written(&header), "PROXY UNKNOWN\r\n");
    }
}

static void check_same(const struct proxy_header *a, const struct proxy_header *b)
{
    CHECK_INT(a->local, b->local);
    CHECK_INT(a->datagram, b->datagram);
    CHECK_STR(format(&a->source), format(&b->source));
    CHECK_STR(format(&a->destination), format(&b->destination));
    CHECK_STR(a->source_path, b->source_path);
    CHECK_STR(a->destination_path, b->destination_path);
    CHECK_STR(a->alpn, b->alpn);
    CHECK_STR(a->authority, b->authority);
    CHECK_STR(a->unique_id, b->unique_id);
    CHECK_STR(a->tls.version, b->tls.version);
    CHECK_STR(a->tls.common_name, b->tls.common_name);
    CHECK_INT(a->tls.verified, b->tls.verified);
    CHECK_INT(a->checked, b->checked);
}

TEST(what_is_written_is_read_as_the_same)
{
    const struct proxy_header headers[] = {
        {.version = 2, .source = address("10.0.0.1:1"), .destination = address("10.0.0.2:2")},
        {.version = 2, .source = address("[::1]:1"), .destination = address("[::2]:2"), .checked = true},
        {.version = 2, .local = true},
        {.version = 2,
         .source = {.family = ADDR_UNIX},
         .destination = {.family = ADDR_UNIX},
         .source_path = STR_INIT("/run/a"),
         .destination_path = STR_INIT(""),
         .checked = true},
        {.version = 2,
         .source = address("10.0.0.1:1"),
         .destination = address("10.0.0.2:2"),
         .alpn = STR_INIT("http/1.1"),
         .authority = STR_INIT("example.test"),
         .unique_id = STR_INIT("0123456789"),
         .tls = {.given = true,
                 .client = 7,
                 .has_cert = true,
                 .verified = true,
                 .version = STR_INIT("TLSv1.3"),
                 .common_name = STR_INIT("bob")},
         .datagram = true,
         .checked = true},
    };

    for (size_t i = 0; i < COUNT_OF(headers); i++) {
        struct str bytes = written(&headers[i]);
        struct proxy_header header;
        struct error err;

        test_case_is("%zu", i);
        CHECK(proxy_header_read(guard_copy(bytes), &header, &err));
        check_same(&headers[i], &header);
        for (size_t at = 0; headers[i].checked && at < bytes.len; at++) { /* no bit of it may be another */
            char *copy = (char *)(uintptr_t)arena_copy(test_arena(), bytes).data;

            copy[at] = (char)(copy[at] ^ (1 << (at % 8)));
            CHECK(!proxy_header_read(str_of(copy, bytes.len), &header, &err) || header.local || !header.checked);
        }
    }
}

TEST(text_that_is_too_long_is_left_out)
{
    char text[PROXY_UNIQUE_ID_MAX + 1] = {0};
    struct proxy_header header = {.version = 2,
                                  .source = address("10.0.0.1:1"),
                                  .destination = address("10.0.0.2:2"),
                                  .unique_id = str_of(text, sizeof(text)),
                                  .alpn = STR_INIT("h2")};
    struct proxy_header read;
    struct error err;

    CHECK(proxy_header_read(written(&header), &read, &err));
    CHECK(!read.unique_id.data);
    CHECK_TEXT(read.alpn, "h2");
    header.unique_id.len = PROXY_UNIQUE_ID_MAX;
    CHECK(proxy_header_read(written(&header), &read, &err));
    CHECK_EQ(read.unique_id.len, PROXY_UNIQUE_ID_MAX);
}
