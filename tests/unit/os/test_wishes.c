/* test_wishes.c: what the system refuses is found out without a trace. What each refusal looks like is tested with a
 * filter of system calls, in tests/integration/test_kernel_limits.py. SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "os/process.h"
#include "os/wishes.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

/* What every system has that we run on; the others may be missing in a container. */
TEST(what_linux_has_is_not_refused)
{
    uint64_t before = process_open_files();
    unsigned refused = wishes_refused();

    CHECK_EQ(refused & (WISH_KEEP_ALIVE | WISH_USER_TIMEOUT | WISH_SHARED_PORT | WISH_TCP_INFO), 0);
    CHECK_EQ(process_open_files(), before);
    CHECK_EQ(wishes_refused(), refused);
}

TEST(want_of_descriptors_is_no_refusal)
{
    unsigned refused = wishes_refused();
    int lowest = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct rlimit before, now;

    CHECK(lowest != -1);
    close(lowest);
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &before), 0);
    now = before;
    now.rlim_cur = (rlim_t)lowest;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &now), 0);
    CHECK_EQ(wishes_refused() & ~refused, 0);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
}
