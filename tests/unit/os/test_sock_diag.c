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

static unsigned count_between(struct seen *seen, unsigned port_min, unsigned port_max)
{
    struct error err;

    seen->count = 0;
    if (!sock_diag_time_waits((uint16_t)port_min, (uint16_t)port_max, see, seen, &err))
        test_fail(__FILE__, __LINE__, "%s", err.text);
    return seen->count;
}

static unsigned count_of(struct seen *seen)
{
    return count_between(seen, 0, UINT16_MAX);
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
        CHECK_EQ(count_between(&seen, loopback.addr.port, loopback.addr.port), !reset);
        CHECK_EQ(count_between(&seen, 1, loopback.addr.port), !reset);
        CHECK_EQ(count_between(&seen, loopback.addr.port, UINT16_MAX), !reset);
        CHECK_EQ(count_between(&seen, 1, loopback.addr.port - 1u), 0);
        CHECK_EQ(count_between(&seen, loopback.addr.port + 1u, UINT16_MAX), 0);
        loopback_close(&loopback);
    }
}
