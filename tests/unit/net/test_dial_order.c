/* test_dial_order.c: RFC 8305 4: families alternate. SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "net/dial_internal.h"

static const struct {
    const char *name, *answer, *order; /* addresses, one space between */
    unsigned turn;
} cases[] = {
    {"nothing", "", "", 0},
    {"one", "10.0.0.1", "10.0.0.1", 0},
    {"IPv4 only keeps its order", "10.0.0.2 10.0.0.1", "10.0.0.2 10.0.0.1", 0},
    {"IPv6 only keeps its order", "::2 ::1", "::2 ::1", 0},
    {"IPv6 goes first", "10.0.0.1 ::1", "::1 10.0.0.1", 0},
    {"they alternate", "10.0.0.1 10.0.0.2 ::1 ::2", "::1 10.0.0.1 ::2 10.0.0.2", 0},
    {"the longer family goes on alone", "10.0.0.1 ::1 10.0.0.2 10.0.0.3", "::1 10.0.0.1 10.0.0.2 10.0.0.3", 0},
    {"the longer family goes on alone, the other way", "::1 ::2 10.0.0.1 ::3", "::1 10.0.0.1 ::2 ::3", 0},
    {"the second has its turn", "10.0.0.1 10.0.0.2 10.0.0.3", "10.0.0.2 10.0.0.3 10.0.0.1", 1},
    {"turns begin again", "10.0.0.1 10.0.0.2 10.0.0.3", "10.0.0.3 10.0.0.1 10.0.0.2", 3000000002},
    {"each family has turns of its own", "10.0.0.1 ::1 10.0.0.2 10.0.0.3", "::1 10.0.0.3 10.0.0.1 10.0.0.2", 2},
};

TEST(dial_order_alternates_families)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct str rest = str_from(cases[i].answer), part;
        struct resolved found = {0};
        struct addr out[RESOLVE_ADDRS_MAX];
        char text[ADDR_TEXT_BYTES], order[512] = "";
        unsigned count;

        test_case_is("%s", cases[i].name);
        while (rest.len > 0 && str_split(&rest, ' ', &part))
            CHECK(addr_parse_ip(part, &found.addrs[found.count++]));
        count = dial_order(&found, 8080, cases[i].turn, out);
        CHECK_EQ(count, found.count);
        for (unsigned k = 0; k < count; k++) {
            struct str one = addr_format_ip(&out[k], text);

            CHECK_EQ(out[k].port, 8080);
            if (k > 0)
                strcat(order, " ");
            strncat(order, one.data, one.len);
        }
        CHECK_CSTR(order, cases[i].order);
    }
}

TEST(dial_order_takes_a_full_answer)
{
    struct resolved found = {.count = RESOLVE_ADDRS_MAX};
    struct addr out[RESOLVE_ADDRS_MAX];

    for (unsigned i = 0; i < RESOLVE_ADDRS_MAX; i++)
        found.addrs[i].family = i < 3 ? ADDR_IPV6 : ADDR_IPV4;
    CHECK_EQ(dial_order(&found, 1, 5, out), RESOLVE_ADDRS_MAX);
    CHECK_EQ(out[RESOLVE_ADDRS_MAX - 1].family, ADDR_IPV4);
}

TEST(a_dial_can_begin_with_an_address)
{
    static const struct {
        const char *answer, *first;
        unsigned turn;
    } rows[] = {
        {"10.0.0.1 10.0.0.2 10.0.0.3", "10.0.0.3", 2}, {"10.0.0.3 10.0.0.1", "10.0.0.3", 0},
        {"::1 10.0.0.1 ::2 10.0.0.2", "10.0.0.2", 1},  {"::1 10.0.0.1 ::2 10.0.0.2", "::2", 1},
        {"10.0.0.1 10.0.0.2", "10.0.0.9", 7},          {"10.0.0.1 10.0.0.2", "::1", 7},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str rest = str_from(rows[i].answer), part;
        struct resolved found = {0};
        struct addr first;

        test_case_is("%s in %s", rows[i].first, rows[i].answer);
        while (rest.len > 0 && str_split(&rest, ' ', &part))
            CHECK(addr_parse_ip(part, &found.addrs[found.count++]));
        CHECK(addr_parse_ip(str_from(rows[i].first), &first));
        CHECK_EQ(dial_turn(&found, &first, 7), rows[i].turn);
    }
}
