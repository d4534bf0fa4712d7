/* test_demand.c: how many connections are enough. SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "upstream/host.h"

static struct host *host_of(struct hosts *hosts)
{
    struct error err;
    struct host *host = hosts_intern(hosts, &(struct host_key){.url = STR("http://a")}, &err);

    CHECK(host != NULL);
    return host;
}

/* The largest number of open connections that is not too many. */
static unsigned enough(struct host *host, uint64_t now_ns)
{
    unsigned open = 0;

    atomic_store(&host->open, 0);
    while (!demand_is_exceeded(host, now_ns))
        atomic_store(&host->open, ++open);
    atomic_store(&host->open, 0);
    return open - 1;
}

TEST(a_tenth_more_than_the_peak_is_enough)
{
    static const struct {
        unsigned at_once, enough;
    } rows[] = {{1, 2}, {2, 3}, {4, 5}, {5, 6}, {6, 7}, {10, 11}, {11, 13}, {100, 110}};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct hosts *hosts = hosts_new(2);
        struct host *host = host_of(hosts);

        host->counts[0].active = rows[i].at_once - 1;
        demand_miss(host, 1);
        host->counts[0].active = 0;
        CHECK_EQ(enough(host, 2), rows[i].enough);
        hosts_free(hosts);
    }
}

TEST(a_peak_counts_for_one_to_two_windows)
{
    struct hosts *hosts = hosts_new(1);
    struct host *host = host_of(hosts);

    host->counts[0].active = 9;
    demand_miss(host, DEMAND_WINDOW_NS - 1);
    host->counts[0].active = 0;
    CHECK_EQ(enough(host, DEMAND_WINDOW_NS - 1), 11);
    CHECK_EQ(enough(host, DEMAND_WINDOW_NS), 11);
    CHECK_EQ(enough(host, 2 * DEMAND_WINDOW_NS - 1), 11);
    CHECK_EQ(enough(host, 2 * DEMAND_WINDOW_NS), 0);
    hosts_free(hosts);
}

TEST(a_peak_is_forgotten_when_nothing_happens_for_a_window)
{
    struct hosts *hosts = hosts_new(1);
    struct host *host = host_of(hosts);

    host->counts[0].active = 9;
    demand_miss(host, 0);
    host->counts[0].active = 0;
    CHECK_EQ(enough(host, 2 * DEMAND_WINDOW_NS), 0);
    hosts_free(hosts);
}

TEST(what_is_under_way_in_any_worker_counts)
{
    struct hosts *hosts = hosts_new(3);
    struct host *host = host_of(hosts);

    host->counts[0].active = 2;
    host->counts[2].active = 1;
    host->counts[1].dialing = 3;
    host->counts[1].warming = 1; /* which nobody waits for */
    CHECK_EQ(enough(host, 1), 6);
    hosts_free(hosts);
}
