/* kernel.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "os/kernel.h"

#include "base/text.h"
#include "os/file.h"

#include <unistd.h>

enum { NETSTAT_BYTES = 16384, SOCKSTAT_BYTES = 1024 };

static uint64_t read_number(const char *path)
{
    char text[64];
    uint64_t number;

    return text_to_u64(file_read_small(path, text, sizeof(text)), &number) ? number : 0;
}

uint64_t kernel_somaxconn(void)
{
    return read_number("/proc/sys/net/core/somaxconn");
}

uint64_t kernel_syn_backlog(void)
{
    return read_number("/proc/sys/net/ipv4/tcp_max_syn_backlog");
}

enum time_wait_reuse kernel_time_wait_reuse(void)
{
    uint64_t setting = read_number("/proc/sys/net/ipv4/tcp_tw_reuse");

    return setting == 1 ? TIME_WAIT_YIELDS : setting == 2 ? TIME_WAIT_YIELDS_ON_LOOPBACK : TIME_WAIT_BLOCKS;
}

/* The names of a group stand in one line, their numbers in the next. */
static bool find(struct str names, struct str numbers, struct str name, uint64_t *number)
{
    struct str each, value;

    while (str_split(&names, ' ', &each) && str_split(&numbers, ' ', &value))
        if (str_eq(each, name))
            return text_to_u64(value, number);
    return false;
}

bool kernel_listen_parse(struct str text, struct kernel_listen *out)
{
    struct str names, numbers;

    while (str_split(&text, '\n', &names)) {
        if (!str_starts(names, STR("TcpExt:")))
            continue;
        return str_split(&text, '\n', &numbers) && str_starts(numbers, STR("TcpExt:")) &&
               find(names, numbers, STR("ListenOverflows"), &out->overflows) &&
               find(names, numbers, STR("ListenDrops"), &out->drops);
    }
    return false;
}

bool kernel_listen_read(struct kernel_listen *out)
{
    char text[NETSTAT_BYTES];

    return kernel_listen_parse(file_read_small("/proc/net/netstat", text, sizeof(text)), out);
}

/* "TCP: inuse 5 orphan 0 tw 1 alloc 7 mem 2": a name, its number, the next. */
bool kernel_tcp_memory_parse(struct str text, uint64_t *pages)
{
    struct str line, name, value;

    while (str_split(&text, '\n', &line)) {
        if (!str_starts(line, STR("TCP: ")))
            continue;
        line = str_from_offset(line, STR("TCP: ").len);
        while (str_split(&line, ' ', &name) && str_split(&line, ' ', &value))
            if (str_eq(name, STR("mem")))
                return text_to_u64(value, pages);
        return false;
    }
    return false;
}

bool kernel_tcp_memory_read(uint64_t *bytes)
{
    char text[SOCKSTAT_BYTES];
    uint64_t pages = 0;
    bool known = kernel_tcp_memory_parse(file_read_small("/proc/net/sockstat", text, sizeof(text)), &pages);

    *bytes = known ? pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
    return known;
}
