/* test_connect.c: from a name and port to a stream: cleartext, secured, resumed, too slow, refused, given up.
 * SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "unit/net/net_stage.h"
#include "upstream/connect.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <unistd.h>

enum { BYTES = 16384, TURN_NS = 1000000 };

struct connect_stage {
    struct net_stage net;
    struct listener *listener;
    struct host_counts counts;
    struct tls_profile *profile;
    struct tls_sessions *sessions;
    SSL_CTX *settings; /* the server's */
    SSL *server;
    struct stream *far;
    struct connect_options options;
    struct connecting *connecting;
    struct error err;
};

/* A certificate that signs itself. */
static void give_certificate(SSL_CTX *settings)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    X509_NAME *name = X509_get_subject_name(certificate);

    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    CHECK(X509_sign(certificate, key, EVP_sha256()) > 0);
    CHECK(SSL_CTX_use_certificate(settings, certificate) == 1);
    CHECK(SSL_CTX_use_PrivateKey(settings, key) == 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static void stage_open(struct connect_stage *stage, bool insecure)
{
    *stage = (struct connect_stage){0};
    net_stage_open(&stage->net);
    stage->listener = net_stage_listen(&stage->net, "127.0.0.1:0");
    stage->profile = tls_profile_new(
        &(struct tls_client_options){.allow_insecure = insecure, .disable_system_ca_pool = true}, &stage->err);
    stage->sessions = tls_sessions_new(4, 1);
    stage->settings = SSL_CTX_new(TLS_server_method());
    CHECK(stage->profile && stage->sessions && stage->settings);
    give_certificate(stage->settings);
    SSL_CTX_set_session_id_context(stage->settings, (const unsigned char *)"test", 4);
    stage->options = (struct connect_options){
        .dial = {.name = STR("127.0.0.1"), .port = listener_addr(stage->listener)->port},
        .tls = stage->profile,
        .server_name = STR("127.0.0.1"),
        .sessions = stage->sessions,
        .session_scope = STR("a"),
        .tls_handshake_limit_ns = UINT64_C(5000000000),
        .counts = &stage->counts,
    };
}

static void start(struct connect_stage *stage)
{
    stage->connecting = connect_start(stage->net.loop, NULL, &stage->options, &stage->net.probes[0].task);
    CHECK(stage->connecting != NULL);
    stage->far = net_stage_accept(&stage->net, stage->listener);
    stage->server = SSL_new(stage->settings);
    SSL_set_bio(stage->server, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(stage->server);
}

static void stop(struct connect_stage *stage)
{
    connect_free(stage->connecting);
    stream_close(stage->far, false);
    if (stage->server)
        SSL_set_shutdown(stage->server, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(stage->server);
    stage->connecting = NULL;
    stage->far = NULL;
    stage->server = NULL;
}

static void stage_close(struct connect_stage *stage)
{
    stop(stage);
    listener_free(stage->listener);
    SSL_CTX_free(stage->settings);
    tls_sessions_free(stage->sessions);
    tls_profile_unref(stage->profile);
    net_stage_close(&stage->net);
    ERR_clear_error();
}

/* The server reads and writes what there is. */
static void serve(struct connect_stage *stage)
{
    char bytes[BYTES];
    size_t moved;

    if (read_into(stage->far, bytes, sizeof(bytes), &moved) == IO_OK)
        CHECK(BIO_write(SSL_get_rbio(stage->server), bytes, (int)moved) == (int)moved);
    SSL_do_handshake(stage->server);
    while (BIO_pending(SSL_get_wbio(stage->server)) > 0) {
        int size = BIO_read(SSL_get_wbio(stage->server), bytes, sizeof(bytes));

        if (write_text(stage->far, str_of(bytes, (size_t)size), &moved) != IO_OK)
            return;
    }
    ERR_clear_error();
}

/* The outcome, the server taking part or not. */
static enum io outcome(struct connect_stage *stage, bool served, struct stream **stream)
{
    enum io io;

    while ((io = connect_result(stage->connecting, stream, &stage->err)) == IO_WAIT) {
        if (served)
            serve(stage);
        net_stage_for(&stage->net, TURN_NS);
    }
    return io;
}

/* The server has read the end of the handshake, and what it says to that is here. */
static void await_ticket(struct connect_stage *stage, struct stream *stream)
{
    char byte;
    size_t got;

    for (unsigned rounds = 0; tls_sessions_count(stage->sessions) == 0; rounds++) {
        CHECK(rounds < 5000);
        serve(stage);
        net_stage_for(&stage->net, TURN_NS);
        CHECK_EQ(read_into(stream, &byte, 1, &got), IO_WAIT);
    }
}

TEST(connect_without_tls_is_a_dial)
{
    struct connect_stage stage;
    struct stream *stream = NULL;

    stage_open(&stage, true);
    stage.options.tls = NULL;
    start(&stage);
    CHECK_EQ(outcome(&stage, false, &stream), IO_OK);
    CHECK_CSTR(stream->ops->name, "tcp");
    CHECK_EQ(connect_facts(stage.connecting)->tls_ns, 0);
    CHECK_EQ(stage.counts.handshakes_full + stage.counts.handshakes_resumed + stage.counts.handshake_failures, 0);
    stream_close(stream, false);
    stage_close(&stage);
}

TEST(connect_secures_and_later_resumes)
{
    struct connect_stage stage;

    stage_open(&stage, true);
    for (unsigned i = 0; i < 3; i++) {
        struct stream *stream = NULL;

        start(&stage);
        CHECK_EQ(outcome(&stage, true, &stream), IO_OK);
        CHECK_CSTR(stream->ops->name, "tls");
        CHECK_EQ(connect_facts(stage.connecting)->resumed, i > 0);
        CHECK_EQ(stage.counts.handshakes_full, 1);
        CHECK_EQ(stage.counts.handshakes_resumed, i);
        await_ticket(&stage, stream);
        stream_close(stream, false);
        stop(&stage);
    }
    stage_close(&stage);
}

TEST(connect_wakes_its_owner_once_it_is_over)
{
    struct connect_stage stage;
    struct stream *stream = NULL;
    unsigned rounds = 0;

    stage_open(&stage, true);
    start(&stage);
    connect_set_owner(stage.connecting, &stage.net.probes[1].task);
    while (stage.net.probes[1].runs == 0 && rounds++ < 5000) {
        serve(&stage);
        net_stage_for(&stage.net, TURN_NS);
    }
    CHECK_EQ(stage.net.probes[1].runs, 1);
    CHECK_EQ(stage.net.probes[0].runs, 0);
    connect_set_owner(stage.connecting, &stage.net.probes[2].task); /* too late to hear of it */
    net_stage_until_run(&stage.net, &stage.net.probes[2]);
    CHECK_EQ(connect_result(stage.connecting, &stream, &stage.err), IO_OK);
    stream_close(stream, false);
    stage_close(&stage);
}

TEST(connect_tells_a_stranger)
{
    struct connect_stage stage;
    struct stream *stream = NULL;

    stage_open(&stage, false);
    start(&stage);
    CHECK_EQ(outcome(&stage, true, &stream), IO_FAIL);
    CHECK_EQ(stage.err.code, ERROR_TLS_VERIFY);
    CHECK_EQ(stage.err.fault, FAULT_UPSTREAM);
    CHECK(stage.err.retry_safe);
    CHECK_CSTR(stage.err.text, "TLS with 127.0.0.1: certificate verify failed: self-signed certificate");
    CHECK_EQ(stage.counts.handshake_failures, 1);
    stage_close(&stage);
}

/* Woken in each turn, and again by itself, behind all whom news has woken: what had been done by then? */
struct witness {
    struct task task;
    struct connect_stage *stage;
    unsigned runs;
    int64_t handshakes;
};

static void run_witness(struct task *task)
{
    struct witness *witness = container_of(task, struct witness, task);

    witness->handshakes = (int64_t)witness->stage->counts.handshakes_full;
    if (witness->runs++ % 2 == 0)
        task_wake(witness->stage->net.loop, task);
}

TEST(connect_checks_what_a_host_answers_behind_all_that_others_do_in_the_turn)
{
    struct connect_stage stage;
    struct witness witness = {.task.run = run_witness, .stage = &stage};
    struct stream *stream = NULL;

    stage_open(&stage, true);
    start(&stage);
    for (unsigned rounds = 0; stage.counts.handshakes_full == 0; rounds++) {
        CHECK(rounds < 100000);
        serve(&stage);
        task_wake(stage.net.loop, &witness.task);
        loop_turn(stage.net.loop, 0);
        CHECK_EQ(witness.handshakes, 0);
    }
    CHECK_EQ(connect_result(stage.connecting, &stream, &stage.err), IO_OK);
    stream_close(stream, false);
    task_forget(stage.net.loop, &witness.task);
    stage_close(&stage);
}

TEST(connect_takes_an_answer_that_is_here_when_its_time_is_over)
{
    struct connect_stage stage;
    struct stream *stream = NULL;

    stage_open(&stage, true);
    stage.options.tls_handshake_limit_ns = 30000000;
    start(&stage);
    while (BIO_ctrl_pending(SSL_get_rbio(stage.server)) == 0 && SSL_in_before(stage.server)) {
        CHECK_EQ(connect_result(stage.connecting, &stream, &stage.err), IO_WAIT);
        net_stage_for(&stage.net, TURN_NS);
        serve(&stage);
    }
    usleep(40000); /* the answer is on its way, and nobody turns the loop until the time is over */
    loop_turn(stage.net.loop, 0);
    CHECK_EQ(outcome(&stage, true, &stream), IO_OK);
    stream_close(stream, false);
    stage_close(&stage);
}

TEST(connect_gives_a_handshake_its_time_and_no_more)
{
    struct connect_stage stage;
    struct stream *stream = NULL;

    stage_open(&stage, true);
    stage.options.tls_handshake_limit_ns = 30000000;
    start(&stage);
    CHECK_EQ(outcome(&stage, false, &stream), IO_FAIL);
    CHECK_EQ(stage.err.code, ERROR_TLS_TIMEOUT);
    CHECK_EQ(stage.err.fault, FAULT_UPSTREAM);
    CHECK(stage.err.retry_safe);
    CHECK(connect_facts(stage.connecting)->tls_ns >= 30000000);
    CHECK_EQ(stage.counts.handshake_failures, 1);
    stage_close(&stage);
}

TEST(connect_gives_a_forward_proxy_its_time_and_no_more)
{
    static const struct {
        uint64_t own_ms, dial_ms;
        const char *text;
    } rows[] = {
        {30, 60000, "proxy p.test:8080: no answer to CONNECT within 30 ms"},
        {45, 0, "proxy p.test:8080: no answer to CONNECT within 45 ms"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct connect_stage stage;
        struct stream *stream = NULL;

        test_case_is("row %zu", i);
        stage_open(&stage, true);
        stage.options.tunnel = (struct tunnel_options){.target = STR("a.test:443"), .proxy = STR("p.test:8080")};
        stage.options.tunnel_limit_ns = rows[i].own_ms * 1000000;
        stage.options.dial.timeout_ns = rows[i].dial_ms * 1000000;
        start(&stage);
        CHECK_EQ(outcome(&stage, false, &stream), IO_FAIL);
        CHECK_EQ(stage.err.code, ERROR_PROXY_TIMEOUT);
        CHECK_CSTR(stage.err.text, rows[i].text);
        CHECK(stage.err.retry_safe);
        CHECK_EQ(stage.counts.proxy_failures, 1);
        stage_close(&stage);
    }
}

TEST(connect_tells_a_failed_dial_as_it_is)
{
    struct connect_stage stage;
    struct stream *stream = NULL;

    stage_open(&stage, true);
    stage.options.dial.port = refusing_addr(&stage.net, "127.0.0.1:0").port;
    stage.connecting = connect_start(stage.net.loop, NULL, &stage.options, &stage.net.probes[0].task);
    CHECK_EQ(outcome(&stage, false, &stream), IO_FAIL);
    CHECK_EQ(stage.err.code, ERROR_CONNECT_REFUSED);
    CHECK_EQ(stage.counts.handshake_failures, 0);
    stage_close(&stage);
}

/* stage_close finds what is left behind. */
TEST(connect_ends_at_any_moment)
{
    for (unsigned rounds = 0; rounds < 6; rounds++) {
        struct connect_stage stage;

        test_case_is("after %u rounds", rounds);
        stage_open(&stage, true);
        start(&stage);
        for (unsigned i = 0; i < rounds; i++) {
            serve(&stage);
            net_stage_for(&stage.net, TURN_NS);
        }
        stage_close(&stage);
    }
}
