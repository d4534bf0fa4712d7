/* test_tls_handshake.c: who is let in and who is not, which versions and curves are spoken, and what is said when a
 * handshake fails. SPDX-License-Identifier: Apache-2.0 */
#include "tls_stage.h"

static void check_fails(struct tls_stage *stage, enum error_code code, const char *text)
{
    CHECK_EQ(stage_shake(stage), IO_FAIL);
    if (text)
        CHECK_CSTR(stage->err.text, text);
    CHECK_EQ(stage->err.code, code);
    CHECK_EQ(stage->err.fault, FAULT_UPSTREAM);
    CHECK(stage->err.retry_safe);
    CHECK_EQ(tls_handshake(stage->client, &stage->err), IO_FAIL); /* for good */
    stage_close(stage);
}

TEST(handshake_succeeds_with_both_versions_whatever_the_pieces)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    static const size_t limits[] = {0, 1, 2, 3, 7, 100, 1000};

    for (size_t i = 0; i < COUNT_OF(versions); i++)
        for (size_t j = 0; j < COUNT_OF(limits); j++) {
            struct tls_stage stage;
            struct tls_info info;

            test_case_is("version %x, %zu bytes at a time", (unsigned)versions[i], limits[j]);
            stage_shaken(&stage, &(struct tls_stage_options){
                                     .server_min = versions[i], .server_max = versions[i], .limit = limits[j]});
            tls_info(stage.client, &info);
            CHECK_CSTR(info.version, i == 0 ? "TLSv1.2" : "TLSv1.3");
            CHECK_TEXT(info.protocol, "http/1.1");
            CHECK(!info.resumed);
            CHECK_CSTR(info.group, i == 0 ? info.group : "x25519");
            CHECK_CSTR(SSL_get_servername(stage.server, TLSEXT_NAMETYPE_host_name), "origin.test");
            stage_close(&stage);
        }
}

TEST(handshake_checks_the_name)
{
    static const struct {
        const char *name, *sni, *fails;
    } cases[] = {
        {"origin.test", "origin.test", NULL},
        {"ORIGIN.test.", "ORIGIN.test", NULL},
        {"127.0.0.1", NULL, NULL},
        {"::1", NULL, NULL},
        {"[::1]", NULL, NULL},
        {"other.test", "other.test", "certificate verify failed: hostname mismatch"},
        {"a.origin.test", "a.origin.test", "certificate verify failed: hostname mismatch"},
        {"127.0.0.2", NULL, "certificate verify failed: IP address mismatch"},
        {"::2", NULL, "certificate verify failed: IP address mismatch"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct tls_stage stage;

        test_case_is("%s", cases[i].name);
        stage_open(&stage, &(struct tls_stage_options){.server_name = cases[i].name});
        if (cases[i].fails) {
            check_fails(&stage, ERROR_TLS_VERIFY, cases[i].fails);
            continue;
        }
        CHECK_EQ(stage_shake(&stage), IO_OK);
        CHECK_STR(str_from(SSL_get_servername(stage.server, TLSEXT_NAMETYPE_host_name)), str_from(cases[i].sni));
        stage_close(&stage);
    }
}

TEST(handshake_takes_no_common_name_and_no_partial_wildcard)
{
    static const struct {
        const char *names, *asked;
        bool taken;
    } cases[] = {
        {"DNS:*.origin.test", "a.origin.test", true},
        {"DNS:*.origin.test", "a.b.origin.test", false},
        {"DNS:a*.origin.test", "a1.origin.test", false},
        {"DNS:127.0.0.1", "127.0.0.1", false},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct made made = made_new(&(struct made_options){.names = cases[i].names, .authority = true});
        struct tls_stage_options options = {.certificate = &made, .server_name = cases[i].asked};
        struct temporary folder;
        struct str file;
        struct tls_stage stage;

        test_case_is("%s for %s", cases[i].names, cases[i].asked);
        temporary_open(&folder);
        file = made_file(&folder, "self.pem", &made, false);
        options.client.ca_certs = (struct str_list){.items = &file, .count = 1};
        stage_open(&stage, &options);
        CHECK_EQ(stage_shake(&stage), cases[i].taken ? IO_OK : IO_FAIL);
        stage_close(&stage);
        temporary_close(&folder);
        made_free(&made);
    }
}

static void check_is_for(struct tls_stage *stage, bool verified)
{
    static const struct {
        const char *name;
        bool is_for;
    } cases[] = {
        {"origin.test", true}, {"ORIGIN.test.", true},   {"a.b.test", true},  {"a.a.b.test", false}, {"b.test", false},
        {"other.test", false}, {"cn.test", false},       {"127.0.0.1", true}, {"127.0.0.2", false},  {"::1", true},
        {"::2", false},        {"origin.test.x", false}, {"", false},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        test_case_is("%s", cases[i].name);
        CHECK_EQ(tls_is_for(stage->client, str_from(cases[i].name)), verified && cases[i].is_for);
    }
}

TEST(certificate_is_for_all_of_its_names_if_it_was_verified)
{
    struct made made = made_new(&(struct made_options){
        .names = "DNS:origin.test,DNS:*.b.test,IP:127.0.0.1,IP:0:0:0:0:0:0:0:1", .authority = true});
    struct tls_stage_options options = {.certificate = &made};
    struct temporary folder;
    struct str file;
    struct tls_stage stage;

    temporary_open(&folder);
    file = made_file(&folder, "self.pem", &made, false);
    options.client.ca_certs = (struct str_list){.items = &file, .count = 1};
    stage_shaken(&stage, &options);
    check_is_for(&stage, true);
    stage_close(&stage);
    options.client.allow_insecure = true;
    stage_shaken(&stage, &options);
    check_is_for(&stage, false);
    stage_close(&stage);
    temporary_close(&folder);
    made_free(&made);
}

TEST(handshake_refuses_who_cannot_be_trusted)
{
    struct made other = made_new(&(struct made_options){.authority = true});
    struct made unknown = made_new(&(struct made_options){.names = "DNS:origin.test", .issuer = &other});
    struct made self = made_new(&(struct made_options){.names = "DNS:origin.test"});
    struct tls_stage stage;

    stage_open(&stage, &(struct tls_stage_options){.certificate = &unknown});
    check_fails(&stage, ERROR_TLS_VERIFY, "certificate verify failed: unable to get local issuer certificate");
    stage_open(&stage, &(struct tls_stage_options){.certificate = &self});
    check_fails(&stage, ERROR_TLS_VERIFY, "certificate verify failed: self-signed certificate");
    made_free(&self);
    made_free(&unknown);
    made_free(&other);
}

TEST(handshake_trusts_the_cas_of_the_system)
{
    struct tls_stage stage;

    stage_open(&stage, &(struct tls_stage_options){.system_ca = true});
    CHECK_EQ(stage_shake(&stage), IO_OK);
    stage_close(&stage);
}

TEST(handshake_refuses_an_expired_certificate)
{
    struct tls_stage stage;
    struct made expired;

    stage_open(&stage, &(struct tls_stage_options){.room = 0});
    expired = made_new(&(struct made_options){.names = "DNS:origin.test", .issuer = &stage.authority, .expired = true});
    CHECK(SSL_use_certificate(stage.server, expired.certificate) == 1);
    CHECK(SSL_use_PrivateKey(stage.server, expired.key) == 1);
    check_fails(&stage, ERROR_TLS_VERIFY, "certificate verify failed: certificate has expired");
    made_free(&expired);
}

TEST(handshake_takes_anybody_when_told_so)
{
    struct made self = made_new(&(struct made_options){.names = "DNS:else.test", .expired = true});
    struct tls_stage stage;

    stage_open(&stage, &(struct tls_stage_options){.certificate = &self, .client = {.allow_insecure = true}});
    CHECK_EQ(stage_shake(&stage), IO_OK);
    stage_close(&stage);
    made_free(&self);
}

TEST(handshake_versions_are_those_of_krakend)
{
    static const struct {
        bool given;
        const char *min, *max;
        uint16_t suite; /* the defaults of a block have none for what is older than TLS 1.2 */
        int server;
        const char *spoken;
    } cases[] = {
        {false, "", "", 0, TLS1_2_VERSION, "TLSv1.2"},
        {false, "", "", 0, TLS1_3_VERSION, "TLSv1.3"},
        {false, "", "", 0, TLS1_1_VERSION, NULL},
        {true, "", "", 0, TLS1_2_VERSION, NULL},
        {true, "", "", 0, TLS1_3_VERSION, "TLSv1.3"},
        {true, "TLS12", "", 0, TLS1_2_VERSION, "TLSv1.2"},
        {true, "tls12", "", 0, TLS1_2_VERSION, NULL},
        {true, "TLS12", "TLS12", 0, TLS1_3_VERSION, NULL},
        {true, "TLS10", "", 0xc009, TLS1_1_VERSION, "TLSv1.1"},
        {true, "SSL3.0", "", 0xc009, TLS1_VERSION, "TLSv1"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct tls_stage_options options = {.server_min = cases[i].server, .server_max = cases[i].server};
        uint16_t suite = cases[i].suite;
        struct tls_stage stage;
        struct tls_info info;

        test_case_is("%zu", i);
        options.client = (struct tls_client_options){.given = cases[i].given,
                                                     .min_version = str_from(cases[i].min),
                                                     .max_version = str_from(cases[i].max),
                                                     .cipher_suites = {&suite, suite ? 1 : 0}};
        stage_open(&stage, &options);
        CHECK_EQ(stage_shake(&stage), cases[i].spoken ? IO_OK : IO_FAIL);
        if (cases[i].spoken) {
            tls_info(stage.client, &info);
            CHECK_CSTR(info.version, cases[i].spoken);
        } else {
            CHECK_EQ(stage.err.code, ERROR_TLS_VERSION);
        }
        stage_close(&stage);
    }
}

TEST(handshake_without_a_version_left_is_the_configurations_fault)
{
    struct tls_stage stage;

    stage_open(&stage, &(struct tls_stage_options){.client = {.given = true, .max_version = STR("TLS12")}});
    CHECK_EQ(stage_shake(&stage), IO_FAIL);
    CHECK_EQ(stage.err.code, ERROR_TLS_VERSION);
    CHECK_EQ(stage.err.fault, FAULT_CONFIG);
    stage_close(&stage);
}

TEST(handshake_curves_and_suites_are_those_that_were_asked_for)
{
    static const struct {
        bool given;
        uint16_t curve, suite;
        const char *group, *cipher;
    } cases[] = {
        {true, 0, 0, "secp256r1", "TLS_AES_256_GCM_SHA384"},
        {true, 29, 0, "x25519", "TLS_AES_256_GCM_SHA384"},
        {true, 25, 0, "secp521r1", "TLS_AES_256_GCM_SHA384"},
        {false, 0, 0xc02b, NULL, "ECDHE-ECDSA-AES128-GCM-SHA256"},
        {false, 0, 0xcca9, NULL, "ECDHE-ECDSA-CHACHA20-POLY1305"},
        {false, 0, 0x0018, NULL, NULL}, /* anonymous: not a suite that Go knows */
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint16_t curve = cases[i].curve, suite = cases[i].suite;
        struct tls_stage_options options = {.server_max = suite ? TLS1_2_VERSION : 0,
                                            .client = {.given = cases[i].given,
                                                       .curve_preferences = {&curve, curve ? 1 : 0},
                                                       .cipher_suites = {&suite, suite ? 1 : 0}}};
        struct tls_stage stage;
        struct tls_info info;

        test_case_is("%zu", i);
        stage_open(&stage, &options);
        CHECK_EQ(stage_shake(&stage), cases[i].cipher ? IO_OK : IO_FAIL);
        if (cases[i].cipher) {
            tls_info(stage.client, &info);
            CHECK_CSTR(info.cipher, cases[i].cipher);
            if (cases[i].group)
                CHECK_CSTR(info.group, cases[i].group);
        }
        stage_close(&stage);
    }
}

TEST(handshake_shows_the_client_certificate)
{
    struct made client = made_new(&(struct made_options){.names = "DNS:client.test"});
    struct tls_key_pair pairs[2];
    struct temporary folder;
    struct tls_stage stage;
    X509 *shown;

    temporary_open(&folder);
    pairs[0] = (struct tls_key_pair){.certificate = made_file(&folder, "client.pem", &client, false),
                                     .private_key = made_file(&folder, "client.key", &client, true)};
    pairs[1] = (struct tls_key_pair){.certificate = pairs[0].certificate, .private_key = STR("/nowhere")}; /* logged */
    stage_shaken(&stage, &(struct tls_stage_options){.wants_certificate = true,
                                                     .client = {.given = true, .client_certs = {pairs, 2}}});
    shown = SSL_get1_peer_certificate(stage.server);
    CHECK(shown != NULL);
    CHECK_INT(X509_cmp(shown, client.certificate), 0);
    X509_free(shown);
    stage_close(&stage);
    temporary_close(&folder);
    made_free(&client);
}

TEST(handshake_without_the_client_certificate_that_is_asked_for_fails)
{
    struct tls_stage stage;
    char out[16];
    size_t got;

    /* TLS 1.2 tells in the handshake, 1.3 behind it. */
    stage_open(&stage, &(struct tls_stage_options){.wants_certificate = true, .server_max = TLS1_2_VERSION});
    check_fails(&stage, ERROR_TLS_ALERT, NULL); /* OpenSSL's words for it have changed since 3.0 */
    stage_open(&stage, &(struct tls_stage_options){.wants_certificate = true});
    CHECK_EQ(stage_shake(&stage), IO_OK);
    stage_move(&stage);
    CHECK_EQ(stage_read(&stage, out, sizeof(out), &got), IO_FAIL);
    CHECK_EQ(stage.err.code, ERROR_TLS_ALERT);
    CHECK(!stage.err.retry_safe);
    stage_close(&stage);
}

static void far_says(struct tls_stage *stage, struct str text)
{
    struct iovec part = {(char *)(uintptr_t)text.data, text.len};
    struct error err;
    size_t sent;

    CHECK_EQ(tls_handshake(stage->client, &err), IO_WAIT);
    CHECK_EQ(stream_writev(stage->far, &part, 1, &sent, &err), IO_OK);
}

TEST(handshake_with_something_else_than_tls_says_so)
{
    struct tls_stage stage;

    stage_open(&stage, &(struct tls_stage_options){.room = 0});
    far_says(&stage, STR("HTTP/1.1 400 Bad Request\r\n\r\n"));
    CHECK_EQ(tls_handshake(stage.client, &stage.err), IO_FAIL);
    CHECK_EQ(stage.err.code, ERROR_TLS_HANDSHAKE);
    CHECK_CSTR(stage.err.text, "wrong version number: the peer does not seem to speak TLS");
    stage_close(&stage);
}

TEST(handshake_that_is_broken_off_fails)
{
    static const bool resets[] = {false, true};

    for (size_t i = 0; i < COUNT_OF(resets); i++) {
        struct tls_stage stage;

        stage_open(&stage, &(struct tls_stage_options){.room = 0});
        CHECK_EQ(tls_handshake(stage.client, &stage.err), IO_WAIT);
        if (resets[i]) {
            stream_close(stage.far, true);
            stage.far = NULL;
        } else {
            stage_end_far(&stage);
        }
        stage_turn(&stage);
        CHECK(stage.owner.runs > 0);
        check_fails(&stage, resets[i] ? ERROR_RESET : ERROR_TLS_HANDSHAKE,
                    resets[i] ? "connection reset by peer" : "closed during the TLS handshake");
    }
}

TEST(handshake_needs_a_name)
{
    struct tls_stage stage;
    struct stream *near, *far;

    stage_open(&stage, &(struct tls_stage_options){.room = 0});
    CHECK(pair_new(stage.loop, 64, &near, &far));
    CHECK(!tls_client_stream(near, &(struct tls_stream_options){.profile = stage.profile, .server_name = STR("a\0b")},
                             &stage.owner.task, &stage.err));
    CHECK_EQ(stage.err.fault, FAULT_CONFIG);
    CHECK_EQ(stream_peek(far), IO_FAIL); /* near was closed */
    stream_close(far, false);
    stage_close(&stage);
}

static void profile_and_stream(void *arg)
{
    struct tls_client_options options = {.disable_system_ca_pool = true};
    struct tls_profile *profile;
    struct tls_stage *stage = arg;
    struct stream *near, *far, *client;
    struct error err;

    if (!pair_new(stage->loop, 4096, &near, &far))
        return;
    profile = tls_profile_new(&options, &err);
    client = profile ? tls_client_stream(
                           near, &(struct tls_stream_options){.profile = profile, .server_name = STR("a")}, NULL, &err)
                     : NULL;
    if (!profile)
        stream_close(near, false);
    if (!client) /* OpenSSL does not always say that memory was what it wanted. */
        CHECK_EQ(err.fault, FAULT_SYSTEM);
    if (client && tls_handshake(client, &err) == IO_FAIL)
        CHECK(err.retry_safe);
    stream_close(client, false);
    stream_close(far, false);
    tls_profile_unref(profile);
}

TEST(profile_and_stream_bear_want_of_memory)
{
    struct tls_stage stage;

    stage_open(&stage, &(struct tls_stage_options){.room = 0});
    test_every_allocation_fails(profile_and_stream, &stage);
    stage_close(&stage);
}
