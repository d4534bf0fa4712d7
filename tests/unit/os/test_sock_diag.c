/* test_sock_diag.c: connections in TIME_WAIT as the kernel tells of them. SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "loopback.h"
#include "os/sock_diag.h"

#include <unistd.h>

struct seen {
    struct addr ours, peer; /* looked for */
    unsigned count;
};

static void see(void *arg, const struct addr *ours, const struct addr *peer)
{
    struct seen *seen = arg;

    seen->count += addr_eq(ours, &seen->ours) && addr_eq(peer, &seen->peer);
}

static unsigned count_of(struct seen *seen)
{
    struct error err;

    seen->count = 0;
    if (!sock_diag_time_waits(see, seen, &err))
        test_fail(__FILE__, __LINE__, "%s", err.text);
    return seen->count;
}

/* Who closes first waits; a reset spares it. */
TEST(who_closes_first_is_seen_in_time_wait)
{
    for (unsigned reset = 0; reset < 2; reset++) {
        struct loopback loopback;
        struct conn_pair pair;
        struct seen seen;

        loopback_open(&loopback);
        pair = loopback_connect(&loopback);
        seen = (struct seen){.ours = pair.peer, .peer = loopback.addr};
        CHECK_EQ(count_of(&seen), 0);
        if (reset)
            loopback.world->ops->reset(loopback.world, pair.client);
        else
            loopback.world->ops->close(loopback.world, pair.client);
        loopback.world->ops->close(loopback.world, pair.server);
        for (unsigned i = 0; i < 200 && count_of(&seen) == 0; i++)
            usleep(reset ? 100 : 5000);
        CHECK_EQ(seen.count, !reset);
        loopback_close(&loopback);
    }
}
