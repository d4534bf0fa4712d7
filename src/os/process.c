/* process.c: limits and facts of this process. SPDX-License-Identifier: Apache-2.0 */
#include "os/process.h"

#include "base/text.h"

#include <fcntl.h>
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

/* The second number of /proc/self/statm, in pages (proc(5)). */
uint64_t process_resident_bytes(void)
{
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    char text[128];
    ssize_t size;
    struct str rest, word;
    uint64_t pages;

    if (fd == -1)
        return 0;
    size = read(fd, text, sizeof(text));
    close(fd);
    if (size <= 0)
        return 0;
    rest = str_of(text, (size_t)size);
    if (!str_split(&rest, ' ', &word) || !str_split(&rest, ' ', &word) || !text_to_u64(word, &pages))
        return 0;
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void process_trim_memory(void)
{
    (void)malloc_trim(0);
}

int process_id(void)
{
    return (int)getpid();
}
