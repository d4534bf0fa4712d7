/* process.c: limits and facts of this process. SPDX-License-Identifier: Apache-2.0 */
#include "os/process.h"

#include "base/text.h"
#include "os/file.h"

#include <dirent.h>
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

uint64_t process_raise_file_limit(void)
{
    struct rlimit limit;
    struct rlimit raised;

    if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
        return 0;
    raised = (struct rlimit){.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
    return setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised.rlim_cur : limit.rlim_cur;
}

uint64_t process_file_limit(void)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 0;
}

uint64_t process_file_limit_hard(void)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_max : 0;
}

uint64_t process_open_files(void)
{
    DIR *directory = opendir("/proc/self/fd");
    uint64_t count = 0;

    if (!directory)
        return 0;
    for (const struct dirent *entry; (entry = readdir(directory));)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count > 0 ? count - 1 : 0; /* the directory itself */
}

/* Two numbers with a tab between them. */
uint64_t process_port_count(void)
{
    char text[64];
    struct str rest = file_read_small("/proc/sys/net/ipv4/ip_local_port_range", text, sizeof(text)), word;
    uint64_t low, high;

    if (!str_split(&rest, '\t', &word) || !text_leading_u64(word, &low) || !text_leading_u64(rest, &high) || high < low)
        return 0;
    return high - low + 1;
}

/* "TCP: inuse 5 orphan 0 tw 2 alloc 7 mem 1" among other lines. */
uint64_t process_time_waits(void)
{
    char text[1024];
    struct str all = file_read_small("/proc/self/net/sockstat", text, sizeof(text));
    size_t at = str_find(all, STR(" tw "));
    uint64_t count;

    return at < all.len && text_leading_u64(str_from_offset(all, at + 4), &count) ? count : 0;
}

/* The second number of /proc/self/statm, in pages (proc(5)). */
uint64_t process_resident_bytes(void)
{
    char text[128];
    struct str rest = file_read_small("/proc/self/statm", text, sizeof(text)), word;
    uint64_t pages;

    if (!str_split(&rest, ' ', &word) || !str_split(&rest, ' ', &word) || !text_to_u64(word, &pages))
        return 0;
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void process_trim_memory(void)
{
    (void)malloc_trim(0);
}
