/* test_sock_diag.c: connections as the kernel tells of them: by their state and by the port of either end.
 * SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "loopback.h"
#include "os/sock_diag.h"

#include <unistd.h>

struct seen {
    struct addr ours, peer; /* looked for */
    uint32_t states;
};

static void see(void *arg, enum tcp_state state, const struct addr *ours, const struct addr *peer)
{
    struct seen *seen = arg;

    if (addr_eq(ours, &seen->ours) && addr_eq(peer, &seen->peer))
        seen->states |= 1u << state;
}

static uint32_t states_by(struct seen *seen, const struct sock_diag_wish *wish)
{
    struct error err;

    seen->states = 0;
    if (!sock_diag_look(wish, see, seen, &err))
        test_fail(__FILE__, __LINE__, "%s", err.text);
    return seen->states;
}

static unsigned count_between(struct seen *seen, unsigned port_min, unsigned port_max)
{
    struct sock_diag_wish wish = {
        .states = 1u << TCP_STATE_TIME_WAIT, .peers = {(uint16_t)port_min, (uint16_t)port_max}, .ours = {.min = 1}};

    return states_by(seen, &wish) != 0;
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
        CHECK_EQ(seen.states != 0, !reset);
        CHECK_EQ(count_between(&seen, loopback.addr.port, loopback.addr.port), !reset);
        CHECK_EQ(count_between(&seen, 1, loopback.addr.port), !reset);
        CHECK_EQ(count_between(&seen, loopback.addr.port, UINT16_MAX), !reset);
        CHECK_EQ(count_between(&seen, 1, loopback.addr.port - 1u), 0);
        CHECK_EQ(count_between(&seen, loopback.addr.port + 1u, UINT16_MAX), 0);
        loopback_close(&loopback);
    }
}

static const struct port_range no_port = {.min = 1}, any_port = {.max = UINT16_MAX};

/* In all the states that are asked for, by the port of one end or of the other, and only there. */
TEST(connections_are_found_by_the_port_of_either_end)
{
    static const uint32_t open = 1u << TCP_STATE_ESTABLISHED, half = 1u << TCP_STATE_CLOSE_WAIT;
    struct loopback loopback;
    struct conn_pair pair;
    struct seen seen;

    loopback_open(&loopback);
    pair = loopback_connect(&loopback);
    seen = (struct seen){.ours = loopback.addr, .peer = pair.peer};
    {
        const struct port_range mine = {loopback.addr.port, loopback.addr.port},
                                other = {pair.peer.port, pair.peer.port};
        const struct {
            const char *name;
            struct sock_diag_wish wish;
            uint32_t states;
        } rows[] = {
            {"by our port", {open | half, no_port, mine}, open},
            {"by the peer's", {open | half, other, no_port}, open},
            {"by either", {open, other, mine}, open},
            {"the ends are not mixed up", {open, mine, other}, 0},
            {"no port at all", {open, no_port, no_port}, 0},
            {"every port", {open, no_port, any_port}, open},
            {"in another state", {half, no_port, any_port}, 0},
        };

        for (size_t i = 0; i < COUNT_OF(rows); i++) {
            test_case_is("%s", rows[i].name);
            CHECK_EQ(states_by(&seen, &rows[i].wish), rows[i].states);
        }
        loopback.world->ops->close(loopback.world, pair.client);
        for (unsigned i = 0; i < 200 && states_by(&seen, &rows[0].wish) == open; i++)
            usleep(5000);
        CHECK_EQ(seen.states, half);
    }
    loopback.world->ops->close(loopback.world, pair.server);
    loopback_close(&loopback);
}
