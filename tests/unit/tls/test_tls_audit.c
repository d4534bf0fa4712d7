/* test_tls_audit.c: certificates that work and are wrong all the same. SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "server_stage.h"
#include "tls/server_audit.h"

#include <stdlib.h>

enum { CHAIN_MAX = 40 };

/* The findings, one line each. */
static struct str audit(const struct made *leaf, const struct made *const *chain, size_t count, size_t staple)
{
    struct tls_identity identity = {.certificate = leaf->certificate, .chain = sk_X509_new_null()};
    struct tls_finding findings[TLS_FINDINGS_MAX];
    struct str all = STR_EMPTY;
    size_t found;

    identity.staple.size = staple;
    for (size_t i = 0; i < count; i++)
        CHECK(sk_X509_push(identity.chain, chain[i]->certificate) > 0);
    found = tls_audit(&identity, findings);
    for (size_t i = 0; i < found; i++)
        all = arena_format(test_arena(), "%.*s%s\n", STR_ARG(all), findings[i].text);
    sk_X509_free(identity.chain);
    return all;
}

static bool tells(struct str findings, const char *part)
{
    return str_find(findings, str_from(part)) < findings.len;
}

static void add_access(struct made *made, const struct made *issuer)
{
    X509_EXTENSION *extension =
        X509V3_EXT_conf_nid(NULL, NULL, NID_info_access, "caIssuers;URI:http://a.example/issuer.cer");

    CHECK(extension && X509_add_ext(made->certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
    CHECK(X509_sign(made->certificate, issuer->key, EVP_sha256()) > 0);
}

TEST(good_certificates_have_no_findings)
{
    struct made root = made_new(&(struct made_options){.authority = true});
    struct made between = made_new(&(struct made_options){.authority = true, .issuer = &root});
    struct made leaf = made_new(&(struct made_options){.names = "DNS:a.test", .issuer = &between});
    const struct made *chain[] = {&between};

    CHECK_EQ(audit(&root, NULL, 0, 0).len, 0); /* signs itself, for tests and the like */
    CHECK_EQ(audit(&leaf, NULL, 0, 0).len, 0); /* of an authority of one's own */
    CHECK_EQ(audit(&leaf, chain, 1, 1000).len, 0);
    add_access(&leaf, &between);
    CHECK_EQ(audit(&leaf, chain, 1, 1000).len, 0);
    made_free(&leaf);
    made_free(&between);
    made_free(&root);
}

TEST(what_clients_refuse_is_found)
{
    struct made root = made_new(&(struct made_options){.authority = true});
    struct made other = made_new(&(struct made_options){.authority = true});
    struct made leaf = made_new(&(struct made_options){.names = "DNS:a.test", .issuer = &root});
    struct made old = made_new(&(struct made_options){.names = "DNS:a.test", .issuer = &root, .expired = true});
    const struct made *wrong[] = {&other}, *whole[] = {&root};

    CHECK(tells(audit(&old, NULL, 0, 0), "certificate 1 of 1 has expired\n"));
    X509_gmtime_adj(X509_getm_notBefore(old.certificate), 3600);
    CHECK(tells(audit(&old, NULL, 0, 0), "is not valid yet\n"));
    X509_gmtime_adj(X509_getm_notBefore(old.certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(old.certificate), 5 * 86400 + 60);
    CHECK(tells(audit(&old, NULL, 0, 0), "ends in 5 days\n"));
    CHECK(tells(audit(&leaf, wrong, 1, 0), "certificate 2 of 2 did not issue the one before it"));
    CHECK(tells(audit(&leaf, whole, 1, 0), "certificate 2 of 2 signs itself"));
    add_access(&leaf, &root);
    CHECK(tells(audit(&leaf, NULL, 0, 0), "the issuer's certificate is not in the file"));
    made_free(&old);
    made_free(&leaf);
    made_free(&other);
    made_free(&root);
}

/* A chain that fills the window, and the staple that is too much for it. */
TEST(chains_beyond_the_initial_window_are_found)
{
    struct made *links = calloc(CHAIN_MAX, sizeof(*links));
    const struct made *chain[CHAIN_MAX];
    size_t bytes = 0, count = 0;

    CHECK(links != NULL);
    links[0] = made_new(&(struct made_options){.authority = true});
    for (size_t i = 1; i < CHAIN_MAX; i++)
        links[i] = made_new(&(struct made_options){.authority = true, .issuer = &links[i - 1]});
    for (size_t i = CHAIN_MAX - 1; i > 0; i--) {
        size_t one = (size_t)i2d_X509(links[i].certificate, NULL);

        if (bytes + one > TLS_FLIGHT_BYTES - TLS_HANDSHAKE_BYTES)
            break;
        bytes += one;
        if (i < CHAIN_MAX - 1)
            chain[count++] = &links[i];
    }
    CHECK(count > 10);
    CHECK_EQ(audit(&links[CHAIN_MAX - 1], chain, count, TLS_FLIGHT_BYTES - TLS_HANDSHAKE_BYTES - bytes).len, 0);
    CHECK(tells(audit(&links[CHAIN_MAX - 1], chain, count, TLS_FLIGHT_BYTES - TLS_HANDSHAKE_BYTES - bytes + 1),
                "do not fit the first flight"));
    for (size_t i = 0; i < CHAIN_MAX; i++)
        made_free(&links[i]);
    free(links);
}
