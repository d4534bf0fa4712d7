/* test_tls_stores.c: marks against replay, and the session cache. SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "tls/session_cache.h"
#include "tls/strikes.h"

static struct tls_digest digest_of(uint32_t number)
{
    struct tls_digest digest = {{0}};

    for (size_t i = 0; i < sizeof(digest.bytes); i++)
        digest.bytes[i] = (uint8_t)(number >> 8 * (i % 4));
    return digest;
}

TEST(strikes_take_a_ticket_once)
{
    struct tls_strikes *strikes = tls_strikes_new(100);
    uint64_t window = TLS_STRIKES_WINDOW_NS;
    struct tls_digest one = digest_of(1), two = digest_of(2);

    CHECK(strikes != NULL);
    CHECK(tls_strikes_mark(strikes, &one, 5));
    CHECK(!tls_strikes_mark(strikes, &one, 5));
    CHECK(tls_strikes_mark(strikes, &two, window - 1));
    CHECK(!tls_strikes_mark(strikes, &one, window + 4)); /* another worker's clock may be a little behind */
    CHECK(!tls_strikes_mark(strikes, &one, window + 6)); /* in the next window they are still known */
    CHECK(!tls_strikes_mark(strikes, &two, 2 * window));
    CHECK(tls_strikes_mark(strikes, &two, 4 * window)); /* long over: OpenSSL refuses such by their age */
    tls_strikes_free(strikes);
}

TEST(strikes_that_are_full_refuse)
{
    struct tls_strikes *strikes = tls_strikes_new(50);
    struct tls_digest more = digest_of(1000);

    CHECK(strikes != NULL);
    for (uint32_t i = 0; i < 50; i++) {
        struct tls_digest each = digest_of(i);

        CHECK(tls_strikes_mark(strikes, &each, 1));
    }
    CHECK(!tls_strikes_mark(strikes, &more, 1));
    CHECK(tls_strikes_mark(strikes, &more, 1 + TLS_STRIKES_WINDOW_NS));
    tls_strikes_free(strikes);
}

/* Its last byte, which picks the shard, is the lowest. */
static uint32_t id_of(uint32_t number)
{
    return __builtin_bswap32(number);
}

static SSL_SESSION *session_of(uint32_t number)
{
    SSL_SESSION *session = SSL_SESSION_new();
    SSL_CTX *settings = SSL_CTX_new(TLS_server_method());
    uint8_t secret[48] = {1};

    number = id_of(number);
    CHECK_INT(SSL_SESSION_set_protocol_version(session, TLS1_2_VERSION), 1);
    CHECK_INT(SSL_SESSION_set1_master_key(session, secret, sizeof(secret)), 1);
    CHECK_INT(SSL_SESSION_set1_id(session, (const uint8_t *)&number, sizeof(number)), 1);
    CHECK_INT(SSL_SESSION_set_cipher(session, sk_SSL_CIPHER_value(SSL_CTX_get_ciphers(settings), 0)), 1);
    SSL_CTX_free(settings);
    return session;
}

static bool is_there(struct tls_session_cache *cache, uint32_t number)
{
    uint32_t id = id_of(number);
    SSL_SESSION *found = tls_session_cache_get(cache, str_of((const char *)&id, sizeof(id)));
    bool there = found != NULL;

    SSL_SESSION_free(found);
    return there;
}

TEST(session_cache_keeps_what_was_used_last)
{
    struct tls_session_cache *cache = tls_session_cache_new(32, 7);

    CHECK(cache != NULL);
    for (uint32_t i = 0; i < 200; i++) {
        SSL_SESSION *session = session_of(i);

        tls_session_cache_put(cache, session);
        tls_session_cache_put(cache, session); /* the same again takes its place */
        SSL_SESSION_free(session);
        CHECK(is_there(cache, 0)); /* asked for all the time */
    }
    CHECK(tls_session_cache_count(cache) <= 32);
    CHECK(is_there(cache, 199));
    CHECK(!is_there(cache, 5));
    CHECK(!tls_session_cache_get(cache, STR("")));
    tls_session_cache_free(cache);
}
