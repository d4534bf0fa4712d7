/* tls_stage.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "tls_stage.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

enum { ROUNDS_MAX = 200000, ROOM = 1 << 16, DAY = 86400 };

static _Atomic size_t bytes_held;

static void *count_malloc(size_t size, const char *file, int line)
{
    size_t *block = malloc(size + 16);

    (void)file;
    (void)line;
    if (!block)
        return NULL;
    *block = size;
    bytes_held += size;
    return (char *)block + 16;
}

static void count_free(void *pointer, const char *file, int line)
{
    size_t *block;

    (void)file;
    (void)line;
    if (!pointer)
        return;
    block = (size_t *)(void *)((char *)pointer - 16);
    bytes_held -= *block;
    free(block);
}

static void *count_realloc(void *pointer, size_t size, const char *file, int line)
{
    size_t old = pointer ? *(size_t *)(void *)((char *)pointer - 16) : 0;
    void *grown = count_malloc(size, file, line);

    if (!grown)
        return NULL;
    if (old > 0)
        memcpy(grown, pointer, size_min(old, size));
    count_free(pointer, file, line);
    return grown;
}

/* OpenSSL takes these only before its first allocation. They go through the failing
 * allocator of the harness as everything does. */
__attribute__((constructor)) static void count_openssl(void)
{
    if (CRYPTO_set_mem_functions(count_malloc, count_realloc, count_free) != 1)
        abort();
}

size_t openssl_bytes(void)
{
    return bytes_held;
}

static void add_extension(X509 *certificate, X509 *issuer, int kind, const char *text)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;

    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, kind, text);
    CHECK(extension != NULL);
    CHECK(X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

struct made made_new(const struct made_options *options)
{
    static long serial;
    struct made made = {EVP_EC_gen("P-256"), X509_new()};
    const struct made *issuer = options->issuer ? options->issuer : &made;
    X509_NAME *name = X509_get_subject_name(made.certificate);
    char common[32];

    CHECK(made.key && made.certificate);
    snprintf(common, sizeof(common), "test %ld", ++serial);
    X509_set_version(made.certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made.certificate), serial);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)common, -1, -1, 0);
    X509_set_issuer_name(made.certificate, X509_get_subject_name(issuer->certificate));
    X509_gmtime_adj(X509_getm_notBefore(made.certificate), -10 * DAY);
    X509_gmtime_adj(X509_getm_notAfter(made.certificate), options->expired ? -DAY : 10 * DAY);
    X509_set_pubkey(made.certificate, made.key);
    add_extension(made.certificate, issuer->certificate, NID_basic_constraints,
                  options->authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (options->names)
        add_extension(made.certificate, issuer->certificate, NID_subject_alt_name, options->names);
    CHECK(X509_sign(made.certificate, issuer->key, EVP_sha256()) > 0);
    return made;
}

void made_free(struct made *made)
{
    EVP_PKEY_free(made->key);
    X509_free(made->certificate);
    *made = (struct made){NULL, NULL};
}

struct str made_file(struct temporary *folder, const char *name, const struct made *made, bool key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *bytes = NULL;
    char path[TEMPORARY_PATH_BYTES];
    struct str text;
    long len;

    if (key)
        CHECK(PEM_write_bio_PrivateKey(bio, made->key, NULL, NULL, 0, NULL, NULL) == 1);
    else
        CHECK(PEM_write_bio_X509(bio, made->certificate) == 1);
    len = BIO_get_mem_data(bio, &bytes);
    text = arena_copy(test_arena(), str_of(bytes, (size_t)len));
    temporary_write(folder, name, text.data);
    BIO_free(bio);
    return arena_copy(test_arena(), str_from(temporary_path(folder, name, path)));
}

static void count_run(struct task *task)
{
    container_of(task, struct probe, task)->runs++;
}

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
                           unsigned in_len, void *arg)
{
    (void)ssl;
    (void)arg;
    CHECK_STR(str_of((const char *)in, in_len), STR("\x08http/1.1"));
    *out = in + 1;
    *out_len = in[0];
    return SSL_TLSEXT_ERR_OK;
}

static int take_any(int verified, X509_STORE_CTX *context)
{
    (void)verified;
    (void)context;
    return 1;
}

static void make_server(struct tls_stage *stage, const struct tls_stage_options *options)
{
    const struct made *made = options->certificate ? options->certificate : &stage->own;

    stage->settings = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_security_level(stage->settings, 0);
    CHECK(SSL_CTX_set_min_proto_version(stage->settings, options->server_min ? options->server_min : TLS1_VERSION));
    CHECK(SSL_CTX_set_max_proto_version(stage->settings, options->server_max));
    CHECK(SSL_CTX_use_certificate(stage->settings, made->certificate) == 1);
    CHECK(SSL_CTX_use_PrivateKey(stage->settings, made->key) == 1);
    SSL_CTX_set_alpn_select_cb(stage->settings, choose_protocol, NULL);
    SSL_CTX_set_session_id_context(stage->settings, (const unsigned char *)"test", 4);
    if (options->wants_certificate)
        SSL_CTX_set_verify(stage->settings, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, take_any);
}

static void make_profile(struct tls_stage *stage, const struct tls_stage_options *options)
{
    struct tls_client_options client = options->client;
    struct str trusted = made_file(&stage->folder, "authority.pem", &stage->authority, false);

    client.disable_system_ca_pool = !options->system_ca;
    if (options->system_ca)
        CHECK_INT(setenv("SSL_CERT_FILE", trusted.data, 1), 0);
    else if (client.ca_certs.count == 0)
        client.ca_certs = (struct str_list){.items = &trusted, .count = 1};
    stage->profile = tls_profile_new(&client, &stage->err);
    if (options->system_ca)
        CHECK_INT(unsetenv("SSL_CERT_FILE"), 0);
    if (!stage->profile)
        test_fail(__FILE__, __LINE__, "%s", stage->err.text);
}

void stage_connect(struct tls_stage *stage, const struct tls_stage_options *options)
{
    static const struct str protocols[] = {STR_INIT("http/1.1")};

    CHECK(pair_new(stage->loop, options->room ? options->room : ROOM, &stage->near, &stage->far));
    pair_limit(stage->near, options->limit);
    stage->client =
        tls_client_stream(stage->near,
                          &(struct tls_stream_options){
                              .profile = stage->profile,
                              .server_name = str_from(options->server_name ? options->server_name : "origin.test"),
                              .protocols = protocols,
                              .protocol_count = options->no_alpn ? 0 : 1,
                              .sessions = options->sessions,
                              .session_scope = STR("10.0.0.1:443"),
                          },
                          &stage->owner.task, &stage->err);
    if (!stage->client)
        test_fail(__FILE__, __LINE__, "%s", stage->err.text);
    stage->server = SSL_new(stage->settings);
    SSL_set_bio(stage->server, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(stage->server);
}

void stage_open(struct tls_stage *stage, const struct tls_stage_options *options)
{
    *stage = (struct tls_stage){.owner.task.run = count_run};
    fake_world_init(&stage->fake);
    stage->loop = loop_new(&stage->fake.world);
    CHECK(stage->loop != NULL);
    temporary_open(&stage->folder);
    stage->authority = made_new(&(struct made_options){.authority = true});
    stage->own =
        made_new(&(struct made_options){.names = "DNS:origin.test,IP:127.0.0.1,IP:::1", .issuer = &stage->authority});
    make_profile(stage, options);
    make_server(stage, options);
    stage_connect(stage, options);
}

void stage_disconnect(struct tls_stage *stage)
{
    stream_close(stage->client, false);
    stream_close(stage->far, false);
    if (stage->server)
        SSL_set_shutdown(stage->server, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(stage->server);
    stage->client = stage->far = NULL;
    stage->server = NULL;
}

void stage_close(struct tls_stage *stage)
{
    stage_disconnect(stage);
    task_forget(stage->loop, &stage->owner.task);
    tls_profile_unref(stage->profile);
    SSL_CTX_free(stage->settings);
    made_free(&stage->own);
    made_free(&stage->authority);
    temporary_close(&stage->folder);
    CHECK_EQ(block_pool_out(loop_blocks(stage->loop)), 0);
    loop_free(stage->loop);
    ERR_clear_error();
}

void stage_turn(struct tls_stage *stage)
{
    loop_turn(stage->loop, 0);
}

static void carry_in(struct tls_stage *stage)
{
    char bytes[16384];
    struct iovec part = {bytes, sizeof(bytes)};
    struct error err;
    size_t got;

    while (stage->far && stream_readv(stage->far, &part, 1, &got, &err) == IO_OK)
        CHECK_INT(BIO_write(SSL_get_rbio(stage->server), bytes, (int)got), got);
}

static void carry_out(struct tls_stage *stage)
{
    BIO *bio = SSL_get_wbio(stage->server);
    char *bytes = NULL, taken[16384];
    struct error err;
    size_t sent = 0;

    while (stage->far) {
        long len = BIO_get_mem_data(bio, &bytes);
        struct iovec part = {bytes, size_min((size_t)len, sizeof(taken))};

        if (len == 0 || stream_writev(stage->far, &part, 1, &sent, &err) != IO_OK)
            return;
        CHECK_INT(BIO_read(bio, taken, (int)sent), sent);
    }
}

void stage_move(struct tls_stage *stage)
{
    carry_in(stage);
    carry_out(stage);
    stage_turn(stage);
}

enum io stage_shake(struct tls_stage *stage)
{
    for (unsigned i = 0; i < ROUNDS_MAX; i++) {
        enum io io = tls_handshake(stage->client, &stage->err);

        stage_turn(stage);
        carry_in(stage);
        (void)SSL_do_handshake(stage->server);
        ERR_clear_error();
        stage_move(stage);
        if (io != IO_WAIT)
            return io;
    }
    test_fail(__FILE__, __LINE__, "the handshake does not end");
}

void stage_shaken(struct tls_stage *stage, const struct tls_stage_options *options)
{
    stage_open(stage, options);
    if (stage_shake(stage) != IO_OK)
        test_fail(__FILE__, __LINE__, "%s", stage->err.text);
    for (unsigned i = 0; i < ROUNDS_MAX && !SSL_is_init_finished(stage->server); i++) {
        stage_move(stage);
        (void)SSL_do_handshake(stage->server);
    }
    CHECK(SSL_is_init_finished(stage->server));
    ERR_clear_error();
}

size_t stage_serve(struct tls_stage *stage, char *out, size_t size)
{
    size_t total = 0, got = 0;

    carry_in(stage);
    while (total < size && SSL_read_ex(stage->server, out + total, size - total, &got) == 1)
        total += got;
    ERR_clear_error();
    stage_move(stage);
    return total;
}

void stage_answer(struct tls_stage *stage, struct str text)
{
    size_t sent;

    CHECK(SSL_write_ex(stage->server, text.data, text.len, &sent) == 1);
    CHECK_EQ(sent, text.len);
    stage_move(stage);
}

void stage_end_far(struct tls_stage *stage)
{
    carry_in(stage);
    stream_shutdown_write(stage->far);
    stage_turn(stage);
}

enum io stage_read(struct tls_stage *stage, char *out, size_t size, size_t *got)
{
    struct iovec part = {out, size};

    *got = 0;
    return stream_readv(stage->client, &part, 1, got, &stage->err);
}

enum io stage_write(struct tls_stage *stage, struct str text, size_t *sent)
{
    struct iovec part = {(char *)(uintptr_t)text.data, text.len};

    *sent = 0;
    return stream_writev(stage->client, &part, 1, sent, &stage->err);
}
