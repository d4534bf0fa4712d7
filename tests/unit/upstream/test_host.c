/* test_host.c: the table of hosts: what a URL means, one host for each, numbers added over workers.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http/semantics.h"
#include "tests/harness/test.h"
#include "upstream/dial_gate.h"
#include "upstream/host.h"

static const struct {
    const char *url, *name, *authority;
    uint16_t port;
} good[] = {
    {"http://api.example.com", "api.example.com", "api.example.com", 80},
    {"http://api.example.com:80", "api.example.com", "api.example.com", 80},
    {"http://api.example.com:8080", "api.example.com", "api.example.com:8080", 8080},
    {"HTTP://10.0.0.1:1", "10.0.0.1", "10.0.0.1:1", 1},
    {"http://[::1]:65535", "::1", "[::1]:65535", 65535},
    {"http://[2001:db8::2]", "2001:db8::2", "[2001:db8::2]", 80},
    {"http://a:443", "a", "a:443", 443},
    {"https://a", "a", "a", 443},
    {"https://a:443", "a", "a", 443},
    {"HTTPS://a:80", "a", "a:80", 80},
    {"http://more-than-32-bytes.of.names.example:8080", "more-than-32-bytes.of.names.example",
     "more-than-32-bytes.of.names.example:8080", 8080}, /* it does not stand in the host */
};

static const char *const bad[] = {
    "",
    "api.example.com",
    "https://",
    "https://a/path",
    "ftp://a",
    "http://",
    "http://a:",
    "http://a:0",
    "http://a:65536",
    "http://a:port",
    "http://a/path",
    "http://user@host",
    "http://a b",
    "http://a:b:80",
    "http://::1",
    "http://::1:80",
    "http://[a]",
    "http://[]",
    "http://[::1",
    "http://::1]",
    "http://[::1]x",
    "http://[::1]:",
    "http://x[::1]:80",
    "http://[::g]",
    "http://[[::1]]",
    "http://:80",
};

/* Profiles of `number` differ from those of other numbers. */
static struct tls_profile *profile_of(uint16_t number)
{
    struct error err;
    struct tls_profile *profile = tls_profile_new(
        &(struct tls_client_options){.disable_system_ca_pool = true, .cipher_suites = {.items = &number, .count = 1}},
        &err);

    CHECK(profile != NULL);
    return profile;
}

TEST(a_url_gives_name_port_and_authority)
{
    struct hosts *hosts = hosts_new(1);
    struct tls_profile *profile = profile_of(0x1301);

    for (size_t i = 0; i < COUNT_OF(good); i++) {
        struct error err = {0};
        struct host *host = hosts_intern(hosts, &(struct host_key){.url = str_from(good[i].url), .tls = profile}, &err);

        test_case_is("%s", good[i].url);
        CHECK(host != NULL);
        CHECK_STR(host->name, str_from(good[i].name));
        CHECK_STR(host->authority, str_from(good[i].authority));
        CHECK(!host_has_plain_name(host) || authority_is_valid(host->authority));
        CHECK_EQ(host_has_plain_name(host), good[i].authority[0] != '[');
        CHECK_EQ(host->port, good[i].port);
        CHECK_STR(host->url, str_from(good[i].url));
        CHECK_STR(host->label, host->url);
        CHECK_EQ(host->tls == profile, str_starts_fold(host->url, STR("https://")));
        CHECK(host_url_check(host->url, &err));
    }
    hosts_free(hosts);
    tls_profile_unref(profile);
}

TEST(what_is_no_host_is_refused_with_its_text)
{
    struct hosts *hosts = hosts_new(1);
    struct tls_profile *profile = profile_of(0x1301);

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct error err = {0};

        test_case_is("\"%s\"", bad[i]);
        CHECK(hosts_intern(hosts, &(struct host_key){.url = str_from(bad[i]), .tls = profile}, &err) == NULL);
        CHECK_EQ(err.code, ERROR_ADDRESS_INVALID);
        CHECK_EQ(err.fault, FAULT_CONFIG);
        CHECK(!host_url_check(str_from(bad[i]), &err));
    }
    CHECK_EQ(hosts_count(hosts), 0);
    hosts_free(hosts);
    tls_profile_unref(profile);
}

TEST(a_host_knows_the_way_through_its_proxy)
{
    static const struct {
        const char *url, *tunnel;
    } rows[] = {
        {"http://a", ""},
        {"https://a", "a:443"},
        {"https://a:8443", "a:8443"},
        {"https://[2001:db8::1]", "[2001:db8::1]:443"},
    };
    struct hosts *hosts = hosts_new(1);
    struct tls_profile *profile = NULL;
    struct error err;

    profile = tls_profile_new(&(struct tls_client_options){0}, &err);
    CHECK(hosts && profile);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct host_key key = {.url = str_from(rows[i].url), .proxy = STR("http://me:secret@p:3128"), .tls = profile};
        struct host *host = hosts_intern(hosts, &key, &err);

        test_case_is("%s", rows[i].url);
        CHECK(host && host->forward);
        CHECK_TEXT(host->forward->name, "p");
        CHECK_EQ(host->forward->port, 3128);
        CHECK_STR(host->tunnel, str_from(rows[i].tunnel));
        CHECK_STR(host->label, str_from(rows[i].url));
    }
    CHECK(!hosts_intern(hosts, &(struct host_key){.url = STR("http://a"), .proxy = STR("http://")}, &err));
    CHECK_EQ(err.code, ERROR_ADDRESS_INVALID);
    tls_profile_unref(profile);
    hosts_free(hosts);
}

TEST(g4_97_each_part_of_the_key_makes_a_host_of_its_own)
{
    struct hosts *hosts = hosts_new(1);
    struct tls_profile *one = profile_of(0xc02f), *same = profile_of(0xc02f), *other = profile_of(0xc030);
    const struct {
        struct host_key key;
        uint32_t index; /* of its host */
        const char *label;
    } rows[] = {
        {{.url = STR("http://a")}, 0, "http://a"},
        {{.url = STR("http://a"), .pool = STR("slow")}, 1, "http://a#slow"},
        {{.url = STR("http://a"), .proxy = STR("http://p:1")}, 2, "http://a~2"},
        {{.url = STR("http://a"), .pool = STR("slow"), .proxy = STR("http://p:1")}, 3, "http://a#slow~2"},
        {{.url = STR("http://a"), .proxy = STR("http://p:2")}, 4, "http://a~3"},
        {{.url = STR("http://a"), .pool = STR("slow")}, 1, "http://a#slow"},
        {{.url = STR("http://a"), .tls = one}, 0, "http://a"}, /* not looked at without https */
        {{.url = STR("https://a"), .tls = one}, 5, "https://a"},
        {{.url = STR("https://a"), .tls = same}, 5, "https://a"},
        {{.url = STR("https://a"), .tls = other}, 6, "https://a~2"},
        {{.url = STR("https://a"), .pool = STR("slow"), .tls = other}, 7, "https://a#slow"},
        {{.url = STR("http://a"), .pool = STR("1:p 0:")}, 8, "http://a#1:p 0:"}, /* no text can end its part early */
        {{.url = STR("http://a"), .source = {.family = ADDR_IPV4, .ip = {127, 0, 0, 2}}}, 9, "http://a~4"},
        {{.url = STR("http://a"), .source = {.family = ADDR_IPV4, .ip = {127, 0, 0, 3}}}, 10, "http://a~5"},
        {{.url = STR("http://a"), .source = {.family = ADDR_IPV4, .ip = {127, 0, 0, 2}}}, 9, "http://a~4"},
        {{.url = STR("http://a"), .protocol = PROTOCOL_AUTO}, 0, "http://a"}, /* comes to HTTP/1.1 */
        {{.url = STR("http://a"), .protocol = PROTOCOL_H2C}, 11, "http://a~6"},
        {{.url = STR("http://a"), .protocol = PROTOCOL_H2}, 11, "http://a~6"},
        {{.url = STR("http://a"), .proxy = STR("http://p:2"), .protocol = PROTOCOL_H2}, 4, "http://a~3"},
        {{.url = STR("https://a"), .tls = one, .protocol = PROTOCOL_AUTO}, 12, "https://a~3"},
        {{.url = STR("https://a"), .tls = one, .protocol = PROTOCOL_H2C}, 12, "https://a~3"},
        {{.url = STR("https://a"), .tls = one, .protocol = PROTOCOL_H2}, 13, "https://a~4"},
        {{.url = STR("http://a"), .marks = {.dscp = 46}}, 14, "http://a~7"},
        {{.url = STR("http://a"), .marks = {.dscp = 10}}, 15, "http://a~8"},
        {{.url = STR("http://a"), .marks = {.mark = 46}}, 16, "http://a~9"},
        {{.url = STR("http://a"), .marks = {.mark = UINT32_MAX, .dscp = 46}}, 17, "http://a~10"},
        {{.url = STR("http://a"), .marks = {.mark = 46}}, 16, "http://a~9"},
        {{.url = STR("http://a"), .pool = STR("slow"), .marks = {.dscp = 46}}, 18, "http://a#slow~3"},
        {{.url = STR("http://a"), .marks = {.dscp = 46}}, 14, "http://a~7"},
    };
    struct error err = {0};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct host *host = hosts_intern(hosts, &rows[i].key, &err);

        test_case_is("%zu", i);
        CHECK(host != NULL);
        CHECK_EQ(host->index, rows[i].index);
        CHECK_STR(host->label, str_from(rows[i].label));
        CHECK(packet_marks_eq(&host->marks, &rows[i].key.marks));
    }
    CHECK_EQ(hosts_count(hosts), 19);
    tls_profile_unref(one); /* hosts have references of their own */
    tls_profile_unref(same);
    tls_profile_unref(other);
    hosts_free(hosts);
}

TEST(a_unix_path_is_a_host)
{
    struct hosts *hosts = hosts_new(1);
    struct error err = {0};
    struct host *host = hosts_intern(hosts, &(struct host_key){.url = STR("unix:/run/app.sock")}, &err);

    CHECK(host != NULL);
    CHECK_EQ(host->unix_addr.family, ADDR_UNIX);
    CHECK_CSTR(host->unix_addr.path, "/run/app.sock");
    CHECK_TEXT(host->authority, "localhost");
    hosts_free(hosts);
}

/* In a configuration other text stands behind it. */
TEST(no_proxy_leads_to_a_unix_path)
{
    const struct forward_proxy_variables variables = {.http = STR("http://p:1"), .https = STR("http://p:1")};
    const struct forward_rules *rules = forward_rules_new(test_arena(), &variables);
    const struct forward_proxy *proxy;
    struct error err;

    CHECK(rules != NULL);
    CHECK(host_url_proxy(rules, guard_copy(STR("unix:/run/app.sock")), &proxy, &err));
    CHECK(proxy == NULL);
    CHECK(host_url_proxy(rules, guard_copy(STR("http://a")), &proxy, &err));
    CHECK(proxy != NULL);
}

TEST(the_same_url_is_the_same_host_and_places_stay)
{
    struct hosts *hosts = hosts_new(2);
    struct error err = {0};
    struct host *first = hosts_intern(hosts, &(struct host_key){.url = STR("http://a")}, &err);

    for (int i = 0; i < 100; i++)
        CHECK(hosts_intern(hosts, &(struct host_key){.url = arena_format(test_arena(), "http://host-%d:8080", i)},
                           &err) != NULL);
    CHECK(hosts_intern(hosts, &(struct host_key){.url = STR("http://a")}, &err) == first);
    CHECK_EQ(hosts_count(hosts), 101);
    for (uint32_t i = 0; i < hosts_count(hosts); i++)
        CHECK_EQ(hosts_at(hosts, i)->index, i);
    CHECK(hosts_at(hosts, 101) == NULL);
    hosts_free(hosts);
}

static struct host *intern(struct hosts *hosts, struct host_key key)
{
    struct error err;
    struct host *host = hosts_intern(hosts, &key, &err);

    CHECK(host != NULL);
    return host;
}

/* Named pools and the classes of traffic are hosts of their own, and yet take ports towards one place. */
TEST(pools_of_one_host_share_its_ports)
{
    struct hosts *hosts = hosts_new(1);
    struct host *plain = intern(hosts, (struct host_key){.url = STR("http://a:80")});
    struct host *pool = intern(hosts, (struct host_key){.url = STR("http://a"), .pool = STR("reports")});
    struct host *proxy_of = intern(hosts, (struct host_key){.url = STR("http://b"), .proxy = STR("http://p:3128")});
    struct host *proxy = intern(hosts, (struct host_key){.url = STR("http://c"), .proxy = STR("http://p:3128")});
    struct host_key from = {.url = STR("http://a")};

    CHECK(addr_parse_ip(STR("10.0.0.9"), &from.source));
    CHECK(plain != pool && plain->place == pool->place);
    CHECK(proxy_of != proxy && proxy_of->place == proxy->place);
    CHECK(proxy->place != plain->place);
    CHECK(intern(hosts, (struct host_key){.url = STR("http://a:81")})->place != plain->place);
    CHECK(intern(hosts, from)->place != plain->place);
    CHECK(intern(hosts, (struct host_key){.url = STR("http://a"), .marks = {7, 46}})->place == plain->place);
    CHECK(gate_enter(plain, 0));
    CHECK(gate_enter(pool, 1));
    CHECK(!gate_enter(pool, 1));
    CHECK_EQ(plain->place->open, 2);
    CHECK_EQ(plain->open, 1);
    hosts_free(hosts);
}

TEST(numbers_are_added_over_workers)
{
    struct hosts *hosts = hosts_new(3);
    struct error err = {0};
    struct host *host = hosts_intern(hosts, &(struct host_key){.url = STR("http://a")}, &err);
    struct host_totals totals;

    for (unsigned i = 0; i < 3; i++) {
        host_count_add(&host->counts[i].requests_reused, 10);
        host_count_add(&host->counts[i].idle, (int64_t)i);
        host_count_add(&host->counts[i].stale, 1);
    }
    host_count_add(&host->counts[2].idle, -1);
    host_totals(host, &totals);
    CHECK_EQ(totals.requests_reused, 30);
    CHECK_EQ(totals.idle, 2);
    CHECK_EQ(totals.stale, 3);
    CHECK_EQ(totals.requests_new, 0);
    hosts_free(hosts);
}
