/* test_kernel.c: what the system says of itself. SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "os/kernel.h"

TEST(listen_counters_are_found_by_name)
{
    static const struct {
        const char *text;
        bool good;
        uint64_t overflows, drops;
    } cases[] = {
        {"TcpExt: SyncookiesSent ListenOverflows ListenDrops X\nTcpExt: 1 22 333 4\nIpExt: A\nIpExt: 9\n", true, 22,
         333},
        {"IpExt: ListenOverflows\nIpExt: 5\nTcpExt: ListenDrops ListenOverflows\nTcpExt: 7 8", true, 8, 7},
        {"TcpExt: ListenOverflows\nTcpExt: 7\n", false, 0, 0},
        {"TcpExt: ListenOverflows ListenDrops\nTcpExt: 7\n", false, 0, 0},
        {"TcpExt: ListenOverflows ListenDrops\nTcpExt: 7 x\n", false, 0, 0},
        {"TcpExt: ListenOverflows ListenDrops", false, 0, 0},
        {"", false, 0, 0},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct kernel_listen found = {0};

        test_case_is("%s", cases[i].text);
        CHECK_INT(kernel_listen_parse(guard_copy(str_from(cases[i].text)), &found), cases[i].good);
        if (!cases[i].good)
            continue;
        CHECK_EQ(found.overflows, cases[i].overflows);
        CHECK_EQ(found.drops, cases[i].drops);
    }
}

TEST(the_running_kernel_can_be_read)
{
    struct kernel_listen found;

    CHECK(kernel_listen_read(&found));
    CHECK(found.drops >= found.overflows);
    CHECK(kernel_somaxconn() > 0);
}
