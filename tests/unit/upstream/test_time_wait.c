/* test_time_wait.c: connections in TIME_WAIT find the hosts that they were to. SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "upstream/time_wait.h"

#include <stdio.h>

static struct addr addr_of(const char *text)
{
    struct addr addr;
    struct error err;

    CHECK(addr_parse(str_from(text), &addr, &err));
    return addr;
}

static void goes_to(struct host *host, const char *text)
{
    struct addr addr = addr_of(text);

    time_wait_peer(host, &addr);
}

static void see(struct time_wait_count *count, const char *ours, const char *peer, unsigned times)
{
    struct addr from = addr_of(ours), to = addr_of(peer);

    for (unsigned i = 0; i < times; i++)
        time_wait_see(count, &from, &to);
}

static struct host *host_of(struct hosts *hosts, const char *url, const char *source)
{
    struct host_key key = {.url = str_from(url)};
    struct error err;
    struct host *host;

    if (source)
        CHECK(addr_parse_ip(str_from(source), &key.source));
    host = hosts_intern(hosts, &key, &err);
    CHECK(host != NULL);
    return host;
}

static void check(const struct host *host, uint32_t waits, uint32_t blocked)
{
    CHECK_EQ(host->ports.time_waits, waits);
    CHECK_EQ(host->ports.blocked, blocked);
}

/* Only asking changes no count. */
TEST(what_leads_to_hosts_is_told_apart)
{
    struct hosts *hosts = hosts_new(1);
    struct host *a = host_of(hosts, "http://a", NULL), *from = host_of(hosts, "http://b", "10.0.0.9");
    struct time_wait_count *count;
    static const struct {
        const char *ours, *peer;
        bool leads;
    } rows[] = {
        {"10.0.0.5:4000", "10.0.0.1:443", true},  {"10.0.0.5:4000", "10.0.0.1:444", false},
        {"10.0.0.5:4000", "10.0.0.2:443", false}, {"10.0.0.9:4000", "10.0.0.3:80", true},
        {"10.0.0.8:4000", "10.0.0.3:80", false},
    };

    goes_to(a, "10.0.0.1:443");
    goes_to(from, "10.0.0.3:80");
    count = time_wait_begin(hosts, TIME_WAIT_BLOCKS);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct addr ours = addr_of(rows[i].ours), peer = addr_of(rows[i].peer);

        test_case_is("%s to %s", rows[i].ours, rows[i].peer);
        CHECK_INT(time_wait_leads(count, &ours, &peer), rows[i].leads);
    }
    time_wait_drop(count);
    check(a, 0, 0);
    hosts_free(hosts);
}

TEST(the_ports_of_all_places_are_known)
{
    static const char *const places[] = {"10.0.0.1:443", "10.0.0.2:80", "[2001:db8::1]:65535", "10.0.0.1:1"};
    static const uint16_t least[] = {443, 80, 80, 1}, most[] = {443, 443, 65535, 65535};
    struct hosts *hosts = hosts_new(1);
    struct host *a = host_of(hosts, "http://a", NULL), *from = host_of(hosts, "http://a", "10.0.0.9");
    struct time_wait_count *count = time_wait_begin(hosts, TIME_WAIT_BLOCKS);
    uint16_t port_min, port_max;

    CHECK(!time_wait_ports(count, &port_min, &port_max));
    time_wait_end(count);
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        goes_to(i % 2 == 0 ? a : from, places[i]);
        count = time_wait_begin(hosts, TIME_WAIT_BLOCKS);
        CHECK(time_wait_ports(count, &port_min, &port_max));
        CHECK_EQ(port_min, least[i]);
        CHECK_EQ(port_max, most[i]);
        time_wait_end(count);
    }
    hosts_free(hosts);
}

TEST(time_waits_are_counted_for_the_hosts_they_were_to)
{
    struct hosts *hosts = hosts_new(1);
    struct host *a = host_of(hosts, "http://a", NULL), *b = host_of(hosts, "http://b", NULL);
    struct host *from = host_of(hosts, "http://a", "10.0.0.9"), *never = host_of(hosts, "http://c", NULL);
    struct time_wait_count *count;

    goes_to(a, "10.0.0.1:80");
    goes_to(a, "10.0.0.2:80");
    goes_to(a, "10.0.0.1:80"); /* once is enough */
    goes_to(b, "[2001:db8::1]:443");
    goes_to(from, "10.0.0.1:80");
    count = time_wait_begin(hosts, TIME_WAIT_BLOCKS);
    CHECK(count != NULL);
    see(count, "10.0.0.7:40000", "10.0.0.1:80", 3);
    see(count, "10.0.0.7:40000", "10.0.0.2:80", 4);
    see(count, "10.0.0.7:40000", "10.0.0.2:81", 100); /* another port */
    see(count, "10.0.0.9:40001", "10.0.0.1:80", 5);
    see(count, "[2001:db8::9]:4", "[2001:db8::1]:443", 2);
    time_wait_end(count);
    check(a, 12, 12);
    check(b, 2, 2);
    check(from, 5, 5);
    check(never, 0, 0);
    /* The next sample is a new count. */
    count = time_wait_begin(hosts, TIME_WAIT_BLOCKS);
    time_wait_end(count);
    check(a, 0, 0);
    hosts_free(hosts);
}

TEST(ports_that_time_waits_yield_are_not_short)
{
    static const struct {
        enum time_wait_reuse reuse;
        uint32_t near, far;
    } rows[] = {{TIME_WAIT_BLOCKS, 9, 9}, {TIME_WAIT_YIELDS, 0, 0}, {TIME_WAIT_YIELDS_ON_LOOPBACK, 0, 9}};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct hosts *hosts = hosts_new(1);
        struct host *near = host_of(hosts, "http://a", NULL), *far = host_of(hosts, "http://b", NULL);
        struct time_wait_count *count;

        goes_to(near, "127.0.0.1:80");
        goes_to(far, "10.0.0.1:80");
        count = time_wait_begin(hosts, rows[i].reuse);
        see(count, "127.0.0.1:40000", "127.0.0.1:80", 9);
        see(count, "10.0.0.2:40000", "10.0.0.1:80", 9);
        time_wait_end(count);
        check(near, 9, rows[i].near);
        check(far, 9, rows[i].far);
        hosts_free(hosts);
    }
}

/* A host behind many addresses keeps those of its last connections. */
TEST(only_the_last_places_of_a_host_are_known)
{
    struct hosts *hosts = hosts_new(1);
    struct host *host = host_of(hosts, "http://a", NULL);
    struct time_wait_count *count;
    char text[32];

    for (unsigned i = 1; i <= PORT_PEERS + 1; i++) {
        snprintf(text, sizeof(text), "10.0.0.%u:80", i);
        goes_to(host, text);
    }
    count = time_wait_begin(hosts, TIME_WAIT_BLOCKS);
    see(count, "10.0.1.1:40000", "10.0.0.1:80", 1);
    see(count, "10.0.1.1:40000", "10.0.0.2:80", 1);
    time_wait_end(count);
    check(host, 1, 1);
    hosts_free(hosts);
}

/* The kernel is asked only when there are enough to matter. */
TEST(time_waits_matter_when_ports_grow_short)
{
    struct hosts *hosts = hosts_new(1);
    struct host *host = host_of(hosts, "http://a", NULL);
    struct budget *budget = hosts_budget(hosts);

    CHECK(!time_wait_matters(hosts, 100000)); /* nobody watches ports */
    budget->ports_max = 1000;
    CHECK(!time_wait_matters(hosts, 499));
    CHECK(time_wait_matters(hosts, 500));
    atomic_store(&host->place->open, 400);
    CHECK(!time_wait_matters(hosts, 99));
    CHECK(time_wait_matters(hosts, 100));
    atomic_store(&host->place->open, 900);
    CHECK(!time_wait_matters(hosts, 0)); /* none to be counted */
    hosts_free(hosts);
}

TEST(time_waits_take_ports_as_connections_do)
{
    struct budget budget = {0};
    struct port_budget ports = {0};

    budget_limit(&budget, 0, 0, 100);
    CHECK_EQ(budget_ports(&budget, &ports, 50, 1), PRESSURE_NONE);
    atomic_store(&ports.time_waits, 40); /* those that yield do not count */
    CHECK_EQ(budget_ports(&budget, &ports, 50, 1), PRESSURE_NONE);
    atomic_store(&ports.blocked, 20);
    CHECK_EQ(budget_ports(&budget, &ports, 50, 1), PRESSURE_WARN);
    atomic_store(&ports.blocked, 35);
    CHECK_EQ(budget_ports(&budget, &ports, 50, 1), PRESSURE_STRETCH);
    atomic_store(&ports.blocked, 45);
    CHECK_EQ(budget_ports(&budget, &ports, 50, 1), PRESSURE_SHED);
}
