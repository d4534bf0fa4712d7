/* files_check.c: see the header. The files are read for use in profile_files.c and server_files.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tls/files_check.h"

#include "config/problems.h"
#include "os/file.h"
#include "tls/profile_internal.h"

#include <openssl/err.h>
#include <openssl/pem.h>

enum { FILE_BYTES_MAX = 4 << 20, PATH_BYTES_MAX = 4096 };

/* One file that the options name. */
struct named {
    struct report *report;
    struct arena *arena; /* for its bytes */
    const char *name;    /* "client_tls.ca_certs[0]" */
    struct str path;
    struct place place;
};

/* `why` may begin with the path, as errors of files do. */
static void tell(const struct named *file, struct str why)
{
    struct str told =
        file->path.len > 0 && str_starts(why, file->path) ? str_from_offset(why, file->path.len + 2) : why;

    report_add(file->report, file->report->strict ? SEVERITY_ERROR : SEVERITY_WARNING, PROBLEM_TLS_FILE, file->place,
               "hosts that need it will refuse or fail", "%s: \"%.*s\": %.*s", file->name, STR_ARG(file->path),
               STR_ARG(told));
}

/* The file as a BIO to parse; NULL: told. */
static BIO *open_named(const struct named *file, struct str *text)
{
    char name[PATH_BYTES_MAX];
    struct error err;
    BIO *bio;

    *text = STR_EMPTY;
    if (file->path.len == 0 || !str_to_cstr(file->path, name, sizeof(name))) {
        tell(file, STR("is no path"));
        return NULL;
    }
    if (!file_read(file->arena, name, FILE_BYTES_MAX, text, &err)) {
        tell(file, str_from(err.text));
        return NULL;
    }
    bio = BIO_new_mem_buf(text->data, (int)text->len);
    if (!bio)
        tell(file, STR("no memory"));
    return bio;
}

/* What `parse` finds in the file; NULL: told. */
static void *read_named(const struct named *file, void *(*parse)(BIO *bio))
{
    struct str text;
    BIO *bio = open_named(file, &text);
    void *found = bio ? parse(bio) : NULL;

    if (bio && !found)
        tell(file, str_from(tls_openssl_reason()));
    if (text.len > 0) /* it may hold a key */
        OPENSSL_cleanse((char *)(uintptr_t)text.data, text.len);
    BIO_free(bio);
    return found;
}

static void *parse_certificate(BIO *bio)
{
    return PEM_read_bio_X509_AUX(bio, NULL, tls_no_password, NULL);
}

static void *parse_key(BIO *bio)
{
    return PEM_read_bio_PrivateKey(bio, NULL, tls_no_password, NULL);
}

static X509 *read_certificate(const struct named *file)
{
    X509 *certificate = read_named(file, parse_certificate);

    if (certificate && X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0)
        tell(file, STR("has expired"));
    return certificate;
}

/* "client_tls.client_certs[1].private_key", in the report's arena. */
static const char *name_of(struct report *report, const char *path, const char *list, size_t i, const char *member)
{
    struct str name = arena_format(report->arena, "%s.%s[%zu]%s", path, list, i, member);

    return name.data ? name.data : path;
}

static void check_authority(const struct str_list *files, size_t i, const char *path, struct arena *arena,
                            struct report *report)
{
    struct named file = {report, arena, name_of(report, path, "ca_certs", i, ""), files->items[i],
                         files->places ? files->places[i] : (struct place){0}};

    X509_free(read_certificate(&file));
}

/* Half a pair is told where its other half stands. */
static void check_pair(const struct tls_key_pair *pair, size_t i, const char *path, struct arena *arena,
                       struct report *report)
{
    struct place certificate_place = pair->certificate.len > 0 ? pair->certificate_place : pair->private_key_place;
    struct place key_place = pair->private_key.len > 0 ? pair->private_key_place : pair->certificate_place;
    struct named certificate_file = {report, arena, name_of(report, path, "client_certs", i, ".certificate"),
                                     pair->certificate, certificate_place};
    struct named key_file = {report, arena, name_of(report, path, "client_certs", i, ".private_key"), pair->private_key,
                             key_place};
    X509 *certificate = read_certificate(&certificate_file);
    EVP_PKEY *key = read_named(&key_file, parse_key);

    if (certificate && key && X509_check_private_key(certificate, key) != 1)
        tell(&key_file, STR("is not the key of its certificate"));
    ERR_clear_error();
    EVP_PKEY_free(key);
    X509_free(certificate);
}

static struct arena *arena_for(size_t files)
{
    return files ? arena_new(NULL, (files + 1) * (FILE_BYTES_MAX + 65536)) : NULL;
}

void tls_check_authorities(const struct str_list *files, const char *path, struct report *report)
{
    struct arena *arena = arena_for(files->count);

    for (size_t i = 0; arena && i < files->count; i++)
        check_authority(files, i, path, arena, report);
    arena_free(arena);
}

void tls_check_client_files(const struct tls_client_options *options, const char *path, struct report *report)
{
    const struct tls_key_pair *pairs = options->client_certs.items;
    struct arena *arena = arena_for(2 * options->client_certs.count);

    tls_check_authorities(&options->ca_certs, path, report);
    for (size_t i = 0; arena && i < options->client_certs.count; i++)
        check_pair(&pairs[i], i, path, arena, report);
    arena_free(arena);
}
