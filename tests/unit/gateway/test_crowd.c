/* test_crowd.c: connections counted by address, and the networks that addresses are in.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gateway/crowd.h"
#include "gateway/network.h"
#include "harness/test.h"

static struct addr ip(const char *text)
{
    struct addr addr = {0};

    CHECK(addr_parse_ip(str_from(text), &addr));
    return addr;
}

TEST(each_address_has_its_own_room)
{
    struct crowd *crowd = crowd_new();
    struct addr first = ip("10.0.0.1"), second = ip("10.0.0.2");

    CHECK(crowd != NULL);
    for (int i = 0; i < 3; i++)
        CHECK(crowd_enter(crowd, &first, 3));
    CHECK(!crowd_enter(crowd, &first, 3));
    CHECK(crowd_enter(crowd, &second, 3));
    crowd_leave(crowd, &first);
    CHECK(crowd_enter(crowd, &first, 3));
    for (int i = 0; i < 3; i++)
        crowd_leave(crowd, &first);
    crowd_leave(crowd, &second);
    CHECK(crowd_enter(crowd, &first, 1)); /* nothing is left of those before */
    crowd_leave(crowd, &first);
    CHECK(!crowd_enter(crowd, &first, 0));
    crowd_free(crowd);
    crowd_free(NULL);
}

TEST(prefixes_are_exact)
{
    static const struct {
        const char *addr;
        unsigned bits;
        const char *network;
    } cases[] = {
        {"10.1.2.3", 32, "10.1.2.3"},
        {"10.1.2.3", 24, "10.1.2.0"},
        {"10.1.2.255", 25, "10.1.2.128"},
        {"255.255.255.255", 1, "128.0.0.0"},
        {"::ffff:10.1.2.3", 24, "10.1.2.0"},
        {"2001:db8:1:2ff::1", 64, "2001:db8:1:2ff::"},
        {"2001:db8:1:2ff::1", 56, "2001:db8:1:200::"},
        {"2001:db8:1:2ff::1", 57, "2001:db8:1:280::"},
        {"2001:db8::1", 128, "2001:db8::1"},
        {"ffff::", 3, "e000::"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct addr addr = ip(cases[i].addr), network = network_of(&addr, cases[i].bits),
                    expected = ip(cases[i].network);

        test_case_is("%s/%u", cases[i].addr, cases[i].bits);
        CHECK(addr_eq(&network, &expected));
    }
}
