/* kernel_report.c: see the header. A line for each thing; nothing when all is well. SPDX-License-Identifier: Apache-2.0
 */
#include "app/kernel_report.h"

#include "base/log.h"
#include "os/kernel.h"
#include "os/process.h"
#include "os/wishes.h"
#include "os/world.h"

#define TITLE "SERVICE: Kernel"

/* Bursts that come while a worker is busy wait in the accept queue; a full one drops them, and the client tries again a
 * second later. */
static void report_backlog(unsigned backlog)
{
    uint64_t max = kernel_somaxconn(), syn_max = kernel_syn_backlog();

    if (max > 0 && max < backlog)
        LOG(LOG_INFO, TITLE, "accept queues hold %llu connections each (net.core.somaxconn), %u were asked for",
            (unsigned long long)max, backlog);
    if (max > 0 && syn_max > 0 && syn_max < max)
        LOG(LOG_INFO, TITLE,
            "%llu half-open connections (net.ipv4.tcp_max_syn_backlog) are fewer than an accept queue holds (%llu)",
            (unsigned long long)syn_max, (unsigned long long)max);
}

/* A request that is passed on needs one descriptor for the client and one for the host. */
static void report_files(const struct service *service, uint64_t files)
{
    uint64_t wanted = (uint64_t)service->server.max_connections, hard = process_file_limit_hard();

    if (files > 0 && files < hard)
        LOG(LOG_WARNING, TITLE, "the soft limit of %llu descriptors could not be raised to the hard one of %llu",
            (unsigned long long)files, (unsigned long long)hard);
    if (files == 0)
        LOG(LOG_WARNING, TITLE, "the limit of descriptors cannot be read: running short of them is not foreseen");
    else if (wanted > 0 && wanted > files / 2)
        LOG(LOG_WARNING, TITLE,
            "max_connections is %llu, but %llu descriptors (ulimit -n, the hard limit) serve about %llu clients",
            (unsigned long long)wanted, (unsigned long long)files, (unsigned long long)(files / 2));
    else if (files < 4096)
        LOG(LOG_INFO, TITLE, "%llu descriptors (ulimit -n, the hard limit) serve about %llu clients at once",
            (unsigned long long)files, (unsigned long long)(files / 2));
}

static void report_refused(unsigned refused)
{
    if (refused & LISTEN_NO_DELAY)
        LOG(LOG_WARNING, TITLE, "TCP_NODELAY was refused: small answers may wait for an acknowledgement");
    if (refused & LISTEN_NO_DEFER)
        LOG(LOG_WARNING, TITLE, "TCP_DEFER_ACCEPT was refused: tcp_defer_accept has no effect");
    if (refused & LISTEN_NO_REUSE)
        LOG(LOG_WARNING, TITLE, "SO_REUSEPORT was refused: one worker accepts for all");
    if (refused & LISTEN_NO_IPV6)
        LOG(LOG_WARNING, TITLE, "IPv6 was refused: all addresses are those of IPv4");
}

static void report_wishes(unsigned workers)
{
    static const struct {
        unsigned wish;
        const char *line;
    } lines[] = {
        {WISH_PIPE_SIZE, "F_SETPIPE_SZ was refused: large answers pass in smaller pieces"},
        {WISH_FINE_WAIT, "epoll_pwait2 was refused: clocks are kept to a millisecond"},
        {WISH_AFFINITY, "sched_setaffinity was refused: workers have no processors of their own"},
        {WISH_KEEP_ALIVE, "TCP keep-alive was refused: dialer_keep_alive has no effect"},
        {WISH_USER_TIMEOUT, "TCP_USER_TIMEOUT was refused: tcp_user_timeout has no effect"},
        {WISH_SHARED_PORT, "IP_BIND_ADDRESS_NO_PORT was refused: source_address has fewer ports"},
        {WISH_TCP_INFO, "TCP_INFO was refused: silent paths and requests that nobody took are not recognised"},
        {WISH_SOCK_DIAG, "NETLINK_SOCK_DIAG was refused: connections in TIME_WAIT are not counted by host"},
    };
    unsigned refused = wishes_refused();

    if (workers < 2)
        refused &= ~(unsigned)WISH_AFFINITY;
    for (size_t i = 0; i < COUNT_OF(lines); i++)
        if (refused & lines[i].wish)
            LOG(LOG_WARNING, TITLE, "%s", lines[i].line);
}

static void report_counters(void)
{
    struct kernel_listen counts;

    if (!kernel_listen_read(&counts))
        LOG(LOG_WARNING, TITLE, "/proc/net/netstat cannot be read: overflows of accept queues are not counted");
}

void kernel_report(const struct service *service, unsigned workers, unsigned backlog, uint64_t files, unsigned refused)
{
    report_refused(refused);
    report_wishes(workers);
    report_counters();
    report_backlog(backlog);
    report_files(service, files);
}
