/* test_addr.c: addresses as text and back. The C library's inet_pton and inet_ntop are the second opinion.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/addr.h"
#include "harness/test.h"

#include <arpa/inet.h>

static const struct {
    struct str text;
    const char *print; /* NULL: no address */
} ip_literals[] = {
    {STR_INIT("10.0.0.1"), "10.0.0.1"},
    {STR_INIT("0.0.0.0"), "0.0.0.0"},
    {STR_INIT("255.255.255.255"), "255.255.255.255"},
    {STR_INIT("256.0.0.1"), NULL},
    {STR_INIT("1.2.3"), NULL},
    {STR_INIT("1.2.3.4.5"), NULL},
    {STR_INIT("1.2.3."), NULL},
    {STR_INIT(".1.2.3"), NULL},
    {STR_INIT("1..2.3"), NULL},
    {STR_INIT("01.2.3.4"), NULL}, /* octal to some */
    {STR_INIT("1.2.3.00"), NULL},
    {STR_INIT("1.2.3.0004"), NULL},
    {STR_INIT("0x1.2.3.4"), NULL},
    {STR_INIT("1.2.3.4 "), NULL},
    {STR_INIT("+1.2.3.4"), NULL},
    {STR_INIT("-1.2.3.4"), NULL},
    {STR_INIT("16909060"), NULL},
    {STR_INIT("1.2.3.4\0"), NULL},
    {STR_INIT(""), NULL},
    {STR_INIT("localhost"), NULL},
    {STR_INIT("10.0.0.1:80"), NULL},
    {STR_INIT("[10.0.0.1]"), NULL},
    {STR_INIT("::"), "::"},
    {STR_INIT("::1"), "::1"},
    {STR_INIT("[::1]"), "::1"},
    {STR_INIT("[::]"), "::"},
    {STR_INIT("1::"), "1::"},
    {STR_INIT("2001:DB8:0:0:0:0:0:1"), "2001:db8::1"},
    {STR_INIT("2001:db8::0001"), "2001:db8::1"},
    {STR_INIT("1:2:3:4:5:6:7:8"), "1:2:3:4:5:6:7:8"},
    {STR_INIT("1:2:3:4:5:6:7::"), "1:2:3:4:5:6:7:0"}, /* one zero group is not shortened */
    {STR_INIT("::2:3:4:5:6:7:8"), "0:2:3:4:5:6:7:8"},
    {STR_INIT("1:0:0:2:0:0:0:3"), "1:0:0:2::3"},   /* the longest gap */
    {STR_INIT("1:0:0:2:3:0:0:4"), "1::2:3:0:0:4"}, /* the first of equals */
    {STR_INIT("0:0:1:2:3:4:5:6"), "::1:2:3:4:5:6"},
    {STR_INIT("1:2:3:4:5:6:0:0"), "1:2:3:4:5:6::"},
    {STR_INIT("::ffff:10.0.0.1"), "10.0.0.1"},
    {STR_INIT("::ffff:a00:1"), "10.0.0.1"},
    {STR_INIT("::FFFF:255.255.255.255"), "255.255.255.255"},
    {STR_INIT("::1.2.3.4"), "::102:304"},
    {STR_INIT("64:ff9b::1.2.3.4"), "64:ff9b::102:304"},
    {STR_INIT("1:2:3:4:5:6:1.2.3.4"), "1:2:3:4:5:6:102:304"},
    {STR_INIT("fe80::1%2"), "fe80::1%2"},
    {STR_INIT("[fe80::1%4294967295]"), "fe80::1%4294967295"},
    {STR_INIT("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295"),
     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295"},
    {STR_INIT("fe80::1%4294967296"), NULL},
    {STR_INIT("fe80::1%0"), NULL},
    {STR_INIT("fe80::1%eth0"), NULL},
    {STR_INIT("fe80::1%"), NULL},
    {STR_INIT(":"), NULL},
    {STR_INIT(":::"), NULL},
    {STR_INIT("::1::"), NULL},
    {STR_INIT("1::2::3"), NULL},
    {STR_INIT("1:::2"), NULL},
    {STR_INIT(":1:2:3:4:5:6:7"), NULL},
    {STR_INIT("1:2:3:4:5:6:7:"), NULL},
    {STR_INIT("1:2:3:4:5:6:7"), NULL},
    {STR_INIT("1:2:3:4:5:6:7:8:9"), NULL},
    {STR_INIT("1:2:3:4::5:6:7:8"), NULL}, /* "::" would stand for nothing */
    {STR_INIT("::1:2:3:4:5:6:7:8"), NULL},
    {STR_INIT("12345::"), NULL},
    {STR_INIT("00001::"), NULL},
    {STR_INIT("g::"), NULL},
    {STR_INIT("::1.2.3"), NULL},
    {STR_INIT("::1.2.3.4:5"), NULL},
    {STR_INIT("1.2.3.4::"), NULL},
    {STR_INIT("1:2:3:4:5:6:7:1.2.3.4"), NULL},
    {STR_INIT("1:2:3:4:5:1.2.3.4"), NULL},
    {STR_INIT("[::1"), NULL},
    {STR_INIT("::1]"), NULL},
    {STR_INIT("[]"), NULL},
    {STR_INIT("["), NULL},
    {STR_INIT("[[::1]]"), NULL},
    {STR_INIT("::1 "), NULL},
};

TEST(addr_reads_ip_literals)
{
    char out[ADDR_TEXT_BYTES];
    struct addr addr;

    for (size_t i = 0; i < COUNT_OF(ip_literals); i++) {
        test_case_is("%.*s", STR_ARG(ip_literals[i].text));
        CHECK_EQ(addr_parse_ip(guard_copy(ip_literals[i].text), &addr), ip_literals[i].print != NULL);
        if (ip_literals[i].print) {
            CHECK_STR(addr_format_ip(&addr, out), str_from(ip_literals[i].print));
            CHECK_CSTR(out, ip_literals[i].print);
            CHECK_EQ(addr.port, 0);
        }
    }
    CHECK(!addr_parse_ip(STR_EMPTY, &addr));
}

/* Random text of the characters that addresses are made of: both must say the same. */
TEST(addr_agrees_with_the_c_library)
{
    static const char *const pieces[] = {":",   "::",  ".",    "0",  "1",       "ff",    "2001", "10",
                                         "255", "256", "fff0", "00", "1.2.3.4", "0:0:0", "a:b"};
    struct rng *rng = test_rng();
    unsigned valid[2] = {0};

    for (int i = 0; i < 200000; i++) {
        char text[128] = "", print[INET6_ADDRSTRLEN];
        uint8_t ip[16];
        struct addr addr;
        int family;

        for (uint64_t k = rng_below(rng, 12) + 1; k > 0; k--)
            strcat(text, pieces[rng_below(rng, COUNT_OF(pieces))]);
        family = strchr(text, ':') ? AF_INET6 : AF_INET;
        test_case_is("%s", text);
        CHECK_EQ(addr_parse_ip(str_from(text), &addr), inet_pton(family, text, ip) == 1);
        if (inet_pton(family, text, ip) != 1)
            continue;
        CHECK_EQ(addr.family, family == AF_INET6 ? ADDR_IPV6 : ADDR_IPV4);
        CHECK_EQ(memcmp(addr.ip, ip, family == AF_INET6 ? 16 : 4), 0);
        CHECK(inet_ntop(family, ip, print, sizeof print));
        valid[family == AF_INET6]++;
    }
    CHECK(valid[0] > 100);
    CHECK(valid[1] > 100);
}

TEST(addr_prints_each_byte_of_ipv4_as_the_c_library)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        struct addr addr = {.family = ADDR_IPV4,
                            .ip = {(uint8_t)byte, (uint8_t)~byte, (uint8_t)(byte / 3), (uint8_t)byte}};
        char text[ADDR_TEXT_BYTES], expected[INET_ADDRSTRLEN];

        CHECK(inet_ntop(AF_INET, addr.ip, expected, sizeof(expected)) != NULL);
        CHECK_STR(addr_format_ip(&addr, text), str_from(expected));
    }
}

TEST(addr_prints_ipv6_as_the_c_library)
{
    struct rng *rng = test_rng();
    char out[ADDR_TEXT_BYTES], print[INET6_ADDRSTRLEN];

    for (int i = 0; i < 20000; i++) {
        struct addr addr = {.family = ADDR_IPV6, .ip = {[0] = 0x20}}, again;

        for (int k = 0; k < 8; k++) {
            addr.ip[2 * k + 1] = rng_chance(rng, 500000) ? 0 : (uint8_t)rng_next(rng);
            addr.ip[2 * k] |= rng_chance(rng, 700000) ? 0 : (uint8_t)rng_next(rng);
        }
        CHECK(inet_ntop(AF_INET6, addr.ip, print, sizeof print));
        CHECK_STR(addr_format_ip(&addr, out), str_from(print));
        CHECK(addr_parse_ip(str_from(print), &again));
        CHECK(addr_eq(&addr, &again));
    }
}

TEST(addr_reads_addresses_with_a_port)
{
    static const struct {
        const char *text, *print; /* NULL: refused */
        enum addr_family family;
        uint16_t port;
    } cases[] = {
        {"10.0.0.1:80", "10.0.0.1:80", ADDR_IPV4, 80},
        {"10.0.0.1:0", "10.0.0.1:0", ADDR_IPV4, 0},
        {"10.0.0.1:65535", "10.0.0.1:65535", ADDR_IPV4, 65535},
        {"[::1]:80", "[::1]:80", ADDR_IPV6, 80},
        {":8080", "[::]:8080", ADDR_IPV6, 8080},
        {"[::ffff:1.2.3.4]:1", "1.2.3.4:1", ADDR_IPV6, 1},
        {"[fe80::1%3]:1", "[fe80::1%3]:1", ADDR_IPV6, 1},
        {"unix:/run/x.sock", "unix:/run/x.sock", ADDR_UNIX, 0},
        {"unix:relative:1", "unix:relative:1", ADDR_UNIX, 0},
        {"10.0.0.1:65536", NULL, ADDR_NONE, 0},
        {"10.0.0.1:", NULL, ADDR_NONE, 0},
        {"10.0.0.1:-1", NULL, ADDR_NONE, 0},
        {"10.0.0.1: 1", NULL, ADDR_NONE, 0},
        {"10.0.0.1", NULL, ADDR_NONE, 0},
        {"::1:80", NULL, ADDR_NONE, 0},
        {"::1", NULL, ADDR_NONE, 0},
        {"[::1]", NULL, ADDR_NONE, 0},
        {"[::1]80", NULL, ADDR_NONE, 0},
        {"[::1:80", NULL, ADDR_NONE, 0},
        {"::1]:80", NULL, ADDR_NONE, 0},
        {"[10.0.0.1]:80", NULL, ADDR_NONE, 0},
        {"localhost:80", NULL, ADDR_NONE, 0},
        {"", NULL, ADDR_NONE, 0},
        {":", NULL, ADDR_NONE, 0},
        {"unix:", NULL, ADDR_NONE, 0},
        {"UNIX:/x", NULL, ADDR_NONE, 0},
    };
    char out[ADDR_TEXT_BYTES];
    struct error err;
    struct addr addr;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct str text = guard_copy(str_of(cases[i].text, strlen(cases[i].text) + 1));

        test_case_is("%s", cases[i].text);
        CHECK_EQ(addr_parse(str_first(text, text.len - 1), &addr, &err), cases[i].print != NULL);
        if (cases[i].print) {
            CHECK_EQ(addr.family, cases[i].family);
            CHECK_EQ(addr.port, cases[i].port);
            CHECK_STR(addr_format(&addr, out), str_from(cases[i].print));
            CHECK_CSTR(out, cases[i].print);
        } else {
            CHECK_EQ(err.code, ERROR_ADDRESS_INVALID);
            CHECK_EQ(err.fault, FAULT_CONFIG);
            CHECK(!addr_parse(str_first(text, text.len - 1), &addr, NULL));
        }
    }
}

TEST(addr_of_a_unix_path_has_limits)
{
    char path[] = "unix:"
                  "/23456789/123456789/123456789/123456789/123456789/123456789/123456789/123456789/123456789/123456789"
                  "/12345678";
    struct addr addr;
    char out[ADDR_TEXT_BYTES];

    CHECK_EQ(strlen(path), 5 + 108);
    CHECK(!addr_parse(str_from(path), &addr, NULL));
    path[5 + 107] = '\0';
    CHECK(addr_parse(str_from(path), &addr, NULL));
    CHECK_STR(addr_format(&addr, out), str_from(path));
    CHECK_STR(addr_format_ip(&addr, out), str_from(path));
    CHECK(!addr_parse(STR("unix:/a\0b"), &addr, NULL));
}

TEST(addr_prints_what_is_no_ip)
{
    char out[ADDR_TEXT_BYTES], path[300];
    struct addr none = {.family = ADDR_NONE}, peer = {.family = ADDR_UNIX};

    CHECK_TEXT(addr_format(&none, out), "none");
    CHECK_TEXT(addr_format(&peer, out), "unix:");
    memset(path, 'x', sizeof path);
    path[sizeof path - 1] = '\0';
    peer.path = path; /* longer than any real one */
    CHECK_EQ(addr_format(&peer, out).len, ADDR_TEXT_BYTES - 1);
}

static struct addr address(const char *text)
{
    struct addr addr;

    CHECK(addr_parse(str_from(text), &addr, NULL));
    return addr;
}

TEST(addr_equality_and_hash_go_together)
{
    static const char *const texts[] = {"10.0.0.1:80", "10.0.0.1:81",   "10.0.0.2:80",   "[::1]:80",
                                        "[::2]:80",    "[fe80::1%1]:1", "[fe80::1%2]:1", "[::ffff:10.0.0.1]:80",
                                        "unix:/a",     "unix:/b",       "[a00:1::]:80"};

    for (size_t i = 0; i < COUNT_OF(texts); i++)
        for (size_t k = 0; k < COUNT_OF(texts); k++) {
            struct addr a = address(texts[i]), b = address(texts[k]);

            test_case_is("%s and %s", texts[i], texts[k]);
            CHECK_EQ(addr_eq(&a, &b), i == k);
            CHECK_EQ(addr_hash(&a, 1) == addr_hash(&b, 1), i == k);
            CHECK(addr_hash(&a, 1) != addr_hash(&a, 2));
        }
}

TEST(addr_equality_of_ips_does_not_look_at_ports)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } cases[] = {
        {"10.0.0.1:80", "10.0.0.1:81", true},   {"10.0.0.1:80", "10.0.0.2:80", false},
        {"[::1]:80", "[::1]:0", true},          {"[fe80::1%1]:1", "[fe80::1%2]:1", true},
        {"[::1]:80", "[::2]:80", false},        {"[::ffff:10.0.0.1]:80", "10.0.0.1:80", false},
        {"10.0.0.1:80", "[a00:1::]:80", false}, {"unix:/a", "unix:/a", false},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct addr a = address(cases[i].a), b = address(cases[i].b);

        test_case_is("%s and %s", cases[i].a, cases[i].b);
        CHECK_EQ(addr_eq_ip(&a, &b), cases[i].equal);
        CHECK_EQ(addr_eq_ip(&b, &a), cases[i].equal);
    }
}

TEST(addr_equality_looks_only_at_what_counts)
{
    struct addr a = address("10.0.0.1:80"), b = address("10.0.0.1:80"), none = {.family = ADDR_NONE};
    char path[] = "/a";
    struct addr unix_a = {.family = ADDR_UNIX, .path = "/a"}, unix_b = {.family = ADDR_UNIX, .path = path};
    struct addr unnamed = {.family = ADDR_UNIX};

    b.ip[5] = 77; /* behind the four bytes of IPv4 */
    CHECK(addr_eq(&a, &b));
    CHECK_EQ(addr_hash(&a, 1), addr_hash(&b, 1));
    CHECK(addr_eq(&unix_a, &unix_b));
    CHECK_EQ(addr_hash(&unix_a, 1), addr_hash(&unix_b, 1));
    CHECK(!addr_eq(&unix_a, &unnamed));
    CHECK(addr_eq(&unnamed, &unnamed));
    CHECK_EQ(addr_hash(&unnamed, 1), addr_hash(&unnamed, 1));
    CHECK(addr_eq(&none, &none));
    CHECK_EQ(addr_hash(&none, 1), addr_hash(&none, 1));
}

TEST(addr_knows_loopback)
{
    static const struct {
        const char *text;
        bool loopback;
    } cases[] = {
        {"127.0.0.1:1", true},
        {"127.255.0.9:1", true},
        {"126.0.0.1:1", false},
        {"[::1]:1", true},
        {"[::2]:1", false},
        {"[::]:1", false},
        {"[::ffff:127.0.0.1]:1", true},
        {"unix:/x", true},
        {"0.0.0.0:1", false},
        {"[::ffff:128.0.0.1]:1", false},
        {"[7f00:1::]:1", false},
    };
    struct addr none = {.family = ADDR_NONE};

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct addr addr = address(cases[i].text);

        test_case_is("%s", cases[i].text);
        CHECK_EQ(addr_is_loopback(&addr), cases[i].loopback);
    }
    CHECK(!addr_is_loopback(&none));
}
