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

TEST(memory_of_tcp_is_found_by_name)
{
    static const struct {
        const char *text;
        bool good;
        uint64_t pages;
    } cases[] = {
        {"sockets: used 9\nTCP: inuse 5 orphan 0 tw 1 alloc 7 mem 23\nUDP: inuse 1 mem 4\n", true, 23},
        {"TCP: mem 0", true, 0},
        {"UDP: inuse 1 mem 4\nTCP: inuse 5\n", false, 0},
        {"TCP: inuse 5 mem\n", false, 0},
        {"TCP: mem x\n", false, 0},
        {"TCP6: inuse 5 mem 4\n", false, 0},
        {"", false, 0},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint64_t pages = 0;

        test_case_is("%s", cases[i].text);
        CHECK_INT(kernel_tcp_memory_parse(guard_copy(str_from(cases[i].text)), &pages), cases[i].good);
        if (cases[i].good)
            CHECK_EQ(pages, cases[i].pages);
    }
}

TEST(the_running_kernel_can_be_read)
{
    struct kernel_listen found;
    uint64_t bytes;

    CHECK(kernel_tcp_memory_read(&bytes));

    CHECK(kernel_listen_read(&found));
    CHECK(found.drops >= found.overflows);
    CHECK(kernel_somaxconn() > 0);
}
