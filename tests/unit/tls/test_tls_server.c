/* test_tls_server.c: our server stream against our client stream: names, resumption, re-reading, memory at rest.
 * SPDX-License-Identifier: Apache-2.0 */
#include "os/thread.h"
#include "server_stage.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const versions[] = {"TLS12", "TLS13"};

/* Of the server's end alone the client's is subtracted by counting one kind of connection many times. */
TEST(server_stream_carries_bytes_and_comes_back_by_ticket)
{
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        struct server_stage stage;

        test_case_is("%s", versions[i]);
        server_stage_open(&stage);
        stage.options.min_version = stage.options.max_version = str_from(versions[i]);
        server_stage_start(&stage);
        CHECK(!server_stage_visit(&stage));
        CHECK(server_stage_visit(&stage));
        CHECK(server_stage_visit(&stage));
        CHECK_EQ(stage.counts.counts[TLS_COUNT_FULL], 1);
        CHECK_EQ(stage.counts.counts[TLS_COUNT_RESUMED], 2);
        server_stage_close(&stage);
    }
}

TEST(server_ticket_keys_change_and_the_one_before_decrypts)
{
    struct server_stage stage;
    uint64_t hour_ns = UINT64_C(3600000000000);

    server_stage_open(&stage);
    stage.tuning.ticket_rotation_ns = (int64_t)hour_ns;
    server_stage_start(&stage);
    CHECK(!server_stage_visit(&stage));
    tls_shared_refresh(stage.shared, loop_now_ns(stage.loop) + hour_ns);
    CHECK(server_stage_visit(&stage)); /* under the old key, and gets a ticket of the new one */
    tls_shared_refresh(stage.shared, loop_now_ns(stage.loop) + 2 * hour_ns);
    tls_shared_refresh(stage.shared, loop_now_ns(stage.loop) + 3 * hour_ns);
    CHECK(!server_stage_visit(&stage)); /* two changes on */
    server_stage_close(&stage);
}

TEST(server_name_chooses_the_certificate)
{
    static const struct {
        const char *name;
        bool trusted; /* the certificate that is shown is for it */
    } cases[] = {{"origin.test", true}, {"a.wild.test", true},  {"exact.wild.test", true}, {"x.a.wild.test", false},
                 {"wild.test", false},  {"nobody.test", false}, {"UPPER.test", true},      {"origin.test.", true}};
    struct server_stage stage;

    server_stage_open(&stage);
    server_stage_add_key(&stage, "wild", "DNS:*.wild.test,DNS:upper.TEST");
    server_stage_add_key(&stage, "exact", "DNS:exact.wild.test");
    server_stage_start(&stage);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        enum io io;

        test_case_is("%s", cases[i].name);
        server_stage_connect(&stage, cases[i].name);
        io = server_stage_shake(&stage);
        CHECK_EQ(io, cases[i].trusted ? IO_OK : IO_FAIL);
        if (!cases[i].trusted)
            CHECK_EQ(stage.far_err.code, ERROR_TLS_ALERT);
        server_stage_disconnect(&stage);
    }
    server_stage_close(&stage);
}

TEST(server_tells_which_requests_are_misdirected)
{
    static const struct {
        const char *asked, *host;
        bool misdirected;
    } cases[] = {{"origin.test", "origin.test", false},
                 {"origin.test", "ORIGIN.test.", false},
                 {"origin.test", "a.wild.test", true},
                 {"origin.test", "exact.wild.test", true},
                 {"origin.test", "nobody.test", false},
                 {"origin.test", "192.0.2.1", false},
                 {"origin.test", "", false},
                 {"a.wild.test", "b.wild.test", false},
                 {"exact.wild.test", "other.wild.test", false},
                 {"a.wild.test", "exact.wild.test", false},
                 {"a.wild.test", "origin.test", true}};
    struct server_stage stage;

    server_stage_open(&stage);
    server_stage_add_key(&stage, "wild", "DNS:*.wild.test");
    server_stage_add_key(&stage, "exact", "DNS:exact.wild.test");
    server_stage_start(&stage);
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        for (int visit = 0; visit < 2; visit++) { /* the second one is resumed */
            test_case_is("%s over %s, visit %d", cases[i].host, cases[i].asked, visit);
            server_stage_connect(&stage, cases[i].asked);
            CHECK_EQ(server_stage_shake(&stage), IO_OK);
            CHECK_INT(tls_is_misdirected(stage.far, str_from(cases[i].host)), cases[i].misdirected);
            CHECK(!tls_is_misdirected(stage.far_under, str_from(cases[i].host)));
            server_stage_disconnect(&stage);
        }
    server_stage_close(&stage);
}

TEST(server_with_one_certificate_misdirects_nobody)
{
    struct server_stage stage;

    server_stage_open(&stage);
    server_stage_start(&stage);
    server_stage_connect(&stage, "origin.test");
    CHECK_EQ(server_stage_shake(&stage), IO_OK);
    CHECK(!tls_is_misdirected(stage.far, STR("nobody.test")));
    server_stage_close(&stage);
}

TEST(server_reads_its_files_again_when_they_change)
{
    struct tls_server_facts facts;
    struct server_stage stage;
    char path[TEMPORARY_PATH_BYTES];

    server_stage_open(&stage);
    server_stage_start(&stage);
    tls_server_refresh(stage.server, loop_now_ns(stage.loop));
    tls_server_facts(stage.server, &facts);
    CHECK_EQ(facts.reloads_ok + facts.reloads_failed, 0);
    temporary_write(&stage.folder, "own.key", "garbage");
    tls_server_refresh(stage.server, loop_now_ns(stage.loop));
    tls_server_refresh(stage.server, loop_now_ns(stage.loop)); /* the same change is told once */
    tls_server_facts(stage.server, &facts);
    CHECK_EQ(facts.reloads_failed, 1);
    CHECK(!server_stage_visit(&stage)); /* by the old one */
    stage.options.keys.count = 0;
    server_stage_add_key(&stage, "own", "DNS:origin.test");
    CHECK_STR(stage.keys[0].public_key, str_from(temporary_path(&stage.folder, "own.pem", path)));
    tls_server_refresh(stage.server, loop_now_ns(stage.loop));
    tls_server_facts(stage.server, &facts);
    CHECK_EQ(facts.reloads_ok, 1);
    CHECK(server_stage_visit(&stage)); /* tickets are not bound to the certificate */
    server_stage_close(&stage);
}

static uint64_t bad_reloads(struct tls_server *server)
{
    struct tls_server_facts facts;

    tls_server_facts(server, &facts);
    return facts.reloads_failed;
}

TEST(server_files_may_be_late_at_rest)
{
    const uint64_t second_ns = UINT64_C(1000000000);
    struct server_stage stage;
    uint64_t late_ns;

    server_stage_open(&stage);
    server_stage_start(&stage);
    tls_server_refresh(stage.server, loop_now_ns(stage.loop));
    late_ns = loop_now_ns(stage.loop) + (uint64_t)stage.tuning.reload_interval_ns + second_ns + 1;
    CHECK(!tls_server_is_late(stage.server, late_ns));
    tls_server_rest(stage.server, true);
    CHECK(!tls_server_is_late(stage.server, late_ns - 1)); /* the look may come yet */
    CHECK(tls_server_is_late(stage.server, late_ns));
    tls_server_refresh(stage.server, late_ns);
    CHECK(!tls_server_is_late(stage.server, late_ns));
    CHECK(!tls_server_is_late(stage.server, 0)); /* another loop may be behind */
    server_stage_close(&stage);
}

struct comer {
    struct tls_server *server;
    uint64_t now_ns;
    atomic_bool through;
};

static void come(void *arg)
{
    struct comer *comer = arg;

    tls_server_await_look(comer->server, comer->now_ns);
}

/* Does it sleep meanwhile? */
static bool waits(struct comer *comer)
{
    struct rusage before, behind;

    CHECK(getrusage(RUSAGE_THREAD, &before) == 0);
    come(comer);
    CHECK(getrusage(RUSAGE_THREAD, &behind) == 0);
    return behind.ru_nvcsw > before.ru_nvcsw;
}

static struct thread *start(void (*run)(void *arg), struct comer *comer)
{
    struct error err;
    struct thread *thread = thread_start("comer", -1, run, comer, &err);

    CHECK(thread != NULL);
    return thread;
}

TEST(server_files_are_looked_at_while_others_wait)
{
    enum { COMERS = 3, RESTS = 30 };
    const uint64_t minute_ns = UINT64_C(60000000000);
    struct thread *threads[COMERS];
    struct comer comers[COMERS];
    struct server_stage stage;

    server_stage_open(&stage);
    server_stage_start(&stage);
    tls_server_rest(stage.server, true);
    for (unsigned i = 1; i <= RESTS; i++) {
        for (unsigned j = 0; j < COMERS; j++) {
            comers[j] = (struct comer){.server = stage.server, .now_ns = i * minute_ns};
            threads[j] = start(come, &comers[j]);
        }
        temporary_write(&stage.folder, "own.key", i % 2 == 1 ? "garbage" : "other garbage");
        tls_server_refresh(stage.server, i * minute_ns);
        CHECK_EQ(bad_reloads(stage.server), i);
        for (unsigned j = 0; j < COMERS; j++)
            thread_join(threads[j]);
    }
    server_stage_close(&stage);
}

static void look(void *arg)
{
    struct comer *comer = arg;

    tls_server_refresh(comer->server, comer->now_ns);
    atomic_store(&comer->through, true);
}

/* A pipe that says nothing stands for a volume that does not answer. */
TEST(server_files_that_cannot_be_read_for_long_hold_up_nobody)
{
    const uint64_t minute_ns = UINT64_C(60000000000);
    char path[TEMPORARY_PATH_BYTES];
    struct comer looker, comer;
    struct server_stage stage;
    struct thread *thread;
    int fd;

    server_stage_open(&stage);
    server_stage_start(&stage);
    tls_server_rest(stage.server, true);
    temporary_path(&stage.folder, "own.key", path);
    CHECK(unlink(path) == 0 && mkfifo(path, 0600) == 0);
    looker = comer = (struct comer){.server = stage.server, .now_ns = minute_ns};
    thread = start(look, &looker);
    while ((fd = open(path, O_WRONLY | O_NONBLOCK)) == -1) /* nobody reads yet */
        sched_yield();
    CHECK(waits(&comer));
    CHECK(!waits(&comer)); /* once is enough */
    CHECK(!atomic_load(&looker.through));
    CHECK(!server_stage_visit(&stage)); /* by the old one */
    close(fd);
    thread_join(thread);
    CHECK_EQ(bad_reloads(stage.server), 1);
    CHECK(!tls_server_is_late(stage.server, minute_ns));
    server_stage_close(&stage);
}

TEST(server_files_are_never_looked_at_without_an_interval)
{
    struct server_stage stage;

    server_stage_open(&stage);
    stage.tuning.reload_interval_ns = 0;
    server_stage_start(&stage);
    temporary_write(&stage.folder, "own.key", "garbage");
    tls_server_refresh(stage.server, loop_now_ns(stage.loop));
    tls_server_rest(stage.server, true);
    CHECK(!tls_server_is_late(stage.server, UINT64_C(86400000000000)));
    CHECK(!server_stage_visit(&stage));
    CHECK_EQ(bad_reloads(stage.server), 0);
    server_stage_close(&stage);
}

TEST(server_ticket_files_are_read_again_with_an_interval_only)
{
    static const char first[] = "0123456789abcdef0123456789abcdef0123456789abcdef";
    static const char second[] = "fedcba9876543210fedcba9876543210fedcba9876543210";

    for (int64_t interval_ns = 0; interval_ns < 2; interval_ns++) {
        struct tls_shared_facts facts;
        struct server_stage stage;
        char path[TEMPORARY_PATH_BYTES];
        struct str file;

        server_stage_open(&stage);
        temporary_write(&stage.folder, "tickets", first);
        file = str_from(temporary_path(&stage.folder, "tickets", path));
        stage.tuning.ticket_keys = (struct str_list){.items = &file, .count = 1};
        stage.tuning.reload_interval_ns = interval_ns;
        server_stage_start(&stage);
        CHECK_EQ(tls_shared_due_ns(stage.shared), UINT64_MAX);
        temporary_write(&stage.folder, "tickets", second);
        tls_shared_refresh(stage.shared, loop_now_ns(stage.loop));
        tls_shared_facts(stage.shared, &facts);
        CHECK_EQ(facts.ticket_keys, 1 + interval_ns);
        CHECK_EQ(tls_shared_due_ns(stage.shared) < UINT64_MAX, interval_ns > 0); /* the first one is forgotten then */
        server_stage_close(&stage);
    }
}

TEST(server_ticket_keys_tell_when_they_are_due)
{
    struct server_stage stage;
    uint64_t hour_ns = UINT64_C(3600000000000), start_ns;

    server_stage_open(&stage);
    stage.tuning.ticket_rotation_ns = (int64_t)hour_ns;
    server_stage_start(&stage);
    start_ns = loop_now_ns(stage.loop);
    CHECK_EQ(tls_shared_due_ns(stage.shared), start_ns + hour_ns);
    tls_shared_refresh(stage.shared, start_ns + hour_ns + 1);
    CHECK_EQ(tls_shared_due_ns(stage.shared), start_ns + 2 * hour_ns + 1);
    server_stage_close(&stage);
}

TEST(server_without_tickets_has_nothing_that_is_due)
{
    struct server_stage stage;

    server_stage_open(&stage);
    stage.tuning.session_tickets = false;
    server_stage_start(&stage);
    CHECK_EQ(tls_shared_due_ns(stage.shared), UINT64_MAX);
    server_stage_close(&stage);
}

TEST(server_tells_http_from_tls)
{
    static const struct {
        const char *bytes;
        bool http;
    } cases[] = {{"GET / HTTP/1.1\r\n\r\n", true},        {"OPTIONS * HTTP/1.1\r\n\r\n", true},
                 {"POST /x HTTP/1.0\r\n\r\n", true},      {"SSH-2.0-OpenSSH\r\n", false},
                 {"\x16\x03\x01\x00\x02\x01\x00", false}, {"\x80\x2e\x01\x00\x02", false}};

    for (size_t i = 0; i < COUNT_OF(cases); i++)
        for (size_t cut = 1; cut < strlen(cases[i].bytes) || cut == 1; cut++) {
            struct iovec first = {(char *)(uintptr_t)cases[i].bytes, size_min(cut, strlen(cases[i].bytes))};
            struct iovec rest = {(char *)(uintptr_t)cases[i].bytes + first.iov_len,
                                 strlen(cases[i].bytes) - first.iov_len};
            struct server_stage stage;
            struct stream *under;
            size_t sent;

            test_case_is("%zu cut at %zu", i, cut);
            server_stage_open(&stage);
            server_stage_start(&stage);
            server_stage_connect(&stage, "origin.test");
            CHECK_EQ(stream_writev(stage.client_under, &first, 1, &sent, &stage.client_err), IO_OK);
            server_stage_turn(&stage);
            (void)tls_server_handshake(stage.far, &stage.far_err);
            if (rest.iov_len > 0)
                CHECK_EQ(stream_writev(stage.client_under, &rest, 1, &sent, &stage.client_err), IO_OK);
            stream_shutdown_write(stage.client_under);
            server_stage_turn(&stage);
            CHECK_EQ(tls_server_handshake(stage.far, &stage.far_err), IO_FAIL);
            CHECK_EQ(stage.far_err.fault, FAULT_CLIENT);
            CHECK_INT(tls_client_spoke_http(stage.far), cases[i].http);
            if (cases[i].http) {
                under = tls_server_unwrap(stage.far);
                CHECK(under == stage.far_under);
                stage.far = under;
            }
            server_stage_close(&stage);
            cut += 4;
        }
}

#if OPENSSL_VERSION_NUMBER >= 0x30200000L
enum { REST_BYTES_MAX = 28 * 1024 }; /* OpenSSL 3.5 has larger objects */
#else
enum { REST_BYTES_MAX = 14 * 1024 };
#endif

/* With X25519: what OpenSSL keeps of a key exchange on a NIST curve is almost 2 KiB more. */
TEST(server_at_rest_holds_no_buffer_and_little_memory)
{
    enum { CONNS = 8 };
    static struct stream *clients[CONNS], *servers[CONNS];
    uint16_t curve = 29;
    struct server_stage stage;
    size_t before, each;

    server_stage_open(&stage);
    stage.options.curve_preferences = (struct tls_numbers){&curve, 1};
    server_stage_start(&stage);
    CHECK(!server_stage_visit(&stage)); /* what OpenSSL keeps once for all */
    tls_sessions_free(stage.sessions);
    stage.sessions = NULL;
    before = openssl_bytes();
    for (size_t i = 0; i < CONNS; i++) {
        server_stage_connect(&stage, "origin.test");
        CHECK_EQ(server_stage_shake(&stage), IO_OK);
        clients[i] = stage.client;
        servers[i] = stage.far;
    }
    for (size_t i = 0; i < CONNS; i++) /* What is left belongs to the servers. */
        stream_close(clients[i], true);
    stage.client = stage.far = NULL;
    each = (openssl_bytes() - before) / CONNS;
    if (each > REST_BYTES_MAX)
        test_fail(__FILE__, __LINE__, "%zu bytes for a connection at rest", each);
    CHECK_EQ(block_pool_out(loop_blocks(stage.loop)), 0);
    for (size_t i = 0; i < CONNS; i++)
        stream_close(servers[i], true);
    server_stage_close(&stage);
}
