/* test_tls_sessions.c: sessions are kept by key, newest first, few and once; and a second connection really resumes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tls_stage.h"

static bool connect_again(struct tls_stage *stage, const struct tls_stage_options *options)
{
    struct tls_info info;

    stage_disconnect(stage);
    stage_connect(stage, options);
    CHECK_EQ(stage_shake(stage), IO_OK);
    stage_move(stage);
    CHECK_EQ(stream_peek(stage->client), IO_WAIT); /* tickets */
    tls_info(stage->client, &info);
    CHECK_EQ(SSL_session_reused(stage->server), info.resumed);
    return info.resumed;
}

/* Case 149: a hundred connections, all but the first resumed. */
TEST(sessions_resume)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        struct tls_sessions *sessions = tls_sessions_new(8, 1);
        struct tls_stage_options options = {.sessions = sessions, .server_max = versions[i]};
        struct tls_stage stage;

        test_case_is("version %zu", i);
        stage_shaken(&stage, &options);
        CHECK_EQ(stream_peek(stage.client), IO_WAIT);
        for (unsigned j = 0; j < 99; j++) {
            if (j % 3 == 1) { /* a cut, as many servers close */
                char out[1];
                size_t got;

                stage_end_far(&stage);
                CHECK_EQ(stage_read(&stage, out, sizeof(out), &got), IO_FAIL);
            }
            CHECK(connect_again(&stage, &options));
        }
        CHECK(tls_sessions_count(sessions) >= 1);
        CHECK(tls_sessions_count(sessions) <= TLS_TICKETS_MAX);
        stage_close(&stage);
        tls_sessions_free(sessions);
    }
}

TEST(sessions_do_not_meet_another_identity)
{
    struct tls_sessions *sessions = tls_sessions_new(8, 1);
    struct tls_stage_options options = {.sessions = sessions, .client.allow_insecure = true};
    struct tls_stage stage;

    stage_shaken(&stage, &options);
    CHECK_EQ(stream_peek(stage.client), IO_WAIT);
    CHECK(connect_again(&stage, &options));
    options.server_name = "other.test";
    CHECK(!connect_again(&stage, &options));
    CHECK(connect_again(&stage, &options));
    options.no_alpn = true;
    CHECK(!connect_again(&stage, &options));
    stage_close(&stage);
    tls_sessions_free(sessions);
}

static SSL_SESSION *session_of(int version, uint8_t number)
{
    SSL_SESSION *session = SSL_SESSION_new();
    const unsigned char id[32] = {number};

    CHECK(session != NULL);
    CHECK(SSL_SESSION_set_protocol_version(session, version) == 1);
    CHECK(SSL_SESSION_set1_id(session, id, sizeof(id)) == 1);
    return session;
}

static void put(struct tls_sessions *sessions, const struct tls_digest *key, int version, uint8_t number)
{
    SSL_SESSION *session = session_of(version, number);

    tls_sessions_put(sessions, key, session);
    SSL_SESSION_free(session);
}

/* The number of the session that is taken; 0: there is none. */
static uint8_t take(struct tls_sessions *sessions, const struct tls_digest *key)
{
    SSL_SESSION *session = tls_sessions_take(sessions, key);
    unsigned len = 0;
    uint8_t number = session ? SSL_SESSION_get_id(session, &len)[0] : 0;

    SSL_SESSION_free(session);
    return number;
}

TEST(sessions_are_few_newest_first_and_single_use)
{
    struct tls_sessions *sessions = tls_sessions_new(2, 1);
    const struct tls_digest a = {{1}}, b = {{2}}, c = {{3}};
    enum { PUT = TLS_TICKETS_MAX + 2 };

    for (uint8_t i = 1; i <= PUT; i++)
        put(sessions, &a, TLS1_3_VERSION, i);
    CHECK_EQ(tls_sessions_count(sessions), TLS_TICKETS_MAX);
    for (unsigned i = 0; i < TLS_TICKETS_MAX; i++)
        CHECK_EQ(take(sessions, &a), PUT - i);
    CHECK_EQ(take(sessions, &a), 0);
    put(sessions, &a, TLS1_2_VERSION, 1);
    put(sessions, &b, TLS1_2_VERSION, 2);
    put(sessions, &b, TLS1_2_VERSION, 3); /* replaces */
    CHECK_EQ(tls_sessions_count(sessions), 2);
    CHECK_EQ(take(sessions, &b), 3);
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQ(take(sessions, &a), 1);
    put(sessions, &c, TLS1_3_VERSION, 4); /* b is longest unused */
    CHECK_EQ(take(sessions, &b), 0);
    CHECK_EQ(tls_sessions_count(sessions), 2);
    tls_sessions_free(sessions);
}

static void put_and_take(void *arg)
{
    struct tls_sessions *sessions = tls_sessions_new(1, 1);
    const struct tls_digest a = {{1}}, b = {{2}};
    SSL_SESSION *session = arg;

    if (!sessions)
        return;
    tls_sessions_put(sessions, &a, session);
    tls_sessions_put(sessions, &b, session);
    SSL_SESSION_free(tls_sessions_take(sessions, &a));
    SSL_SESSION_free(tls_sessions_take(sessions, &b));
    tls_sessions_free(sessions);
}

TEST(sessions_bear_want_of_memory)
{
    SSL_SESSION *session = session_of(TLS1_3_VERSION, 1);

    test_every_allocation_fails(put_and_take, session);
    SSL_SESSION_free(session);
}
