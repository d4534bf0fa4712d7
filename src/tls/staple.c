/* staple.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "tls/staple.h"

#include "os/file.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <stdlib.h>

enum { RESPONSE_BYTES_MAX = 65536, PATH_BYTES_MAX = 4096, SKEW_SECONDS = 300 };

static bool fail(struct error *err, struct str path, const char *why)
{
    return error_set(err, FAULT_CONFIG, ERROR_BAD_CONFIG, "OCSP response %.*s: %s", STR_ARG(path), why);
}

/* An answer names its certificate by serial number and a hash of the issuer's name; the issuer itself is not needed. */
static bool is_about(const OCSP_CERTID *id, const X509 *certificate)
{
    ASN1_OCTET_STRING *name_hash = NULL;
    ASN1_OBJECT *digest = NULL;
    ASN1_INTEGER *serial = NULL;
    unsigned char hash[EVP_MAX_MD_SIZE];
    const EVP_MD *md;
    unsigned len = 0;

    OCSP_id_get0_info(&name_hash, &digest, NULL, &serial, (OCSP_CERTID *)(uintptr_t)id);
    md = EVP_get_digestbyobj(digest);
    if (!md || ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(certificate)) != 0)
        return false;
    return X509_NAME_digest(X509_get_issuer_name(certificate), md, hash, &len) == 1 &&
           str_eq(str_of((const char *)hash, len),
                  str_of((const char *)ASN1_STRING_get0_data(name_hash), (size_t)ASN1_STRING_length(name_hash)));
}

static OCSP_SINGLERESP *find_answer(OCSP_BASICRESP *basic, const X509 *certificate)
{
    for (int i = 0; i < OCSP_resp_count(basic); i++) {
        OCSP_SINGLERESP *answer = OCSP_resp_get0(basic, i);

        if (is_about(OCSP_SINGLERESP_get0_id(answer), certificate))
            return answer;
    }
    return NULL;
}

static bool check_answer(struct tls_staple *staple, OCSP_BASICRESP *basic, const X509 *certificate, struct str path,
                         struct error *err)
{
    OCSP_SINGLERESP *answer = find_answer(basic, certificate);
    ASN1_GENERALIZEDTIME *from = NULL, *until = NULL;

    if (!answer)
        return fail(err, path, "is about another certificate");
    if (OCSP_single_get0_status(answer, NULL, NULL, &from, &until) != V_OCSP_CERTSTATUS_GOOD)
        return fail(err, path, "does not say that the certificate is good");
    if (OCSP_check_validity(from, until, SKEW_SECONDS, -1) != 1)
        return fail(err, path, until && X509_cmp_current_time(until) < 0 ? "has expired" : "is not valid at this time");
    staple->until = until ? ASN1_STRING_dup(until) : NULL;
    return staple->until || !until || fail(err, path, "no memory");
}

static bool check(struct tls_staple *staple, struct str text, const X509 *certificate, struct str path,
                  struct error *err)
{
    const unsigned char *bytes = (const unsigned char *)text.data;
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &bytes, (long)text.len);
    OCSP_BASICRESP *basic = response && OCSP_response_status(response) == OCSP_RESPONSE_STATUS_SUCCESSFUL
                                ? OCSP_response_get1_basic(response)
                                : NULL;
    bool fine;

    if (!response)
        fine = fail(err, path, "is none, in DER");
    else if (!basic)
        fine = fail(err, path, "tells of a responder's failure only");
    else
        fine = check_answer(staple, basic, certificate, path, err);
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(response);
    ERR_clear_error();
    return fine;
}

static bool load(struct tls_staple *staple, struct arena *arena, struct str path, const X509 *certificate,
                 struct error *err)
{
    char name[PATH_BYTES_MAX];
    struct str text;

    if (!arena || !str_to_cstr(path, name, sizeof(name)))
        return fail(err, path, "no memory, or no path");
    if (!file_read(arena, name, RESPONSE_BYTES_MAX, &text, err))
        return error_context(err, "OCSP response");
    if (!check(staple, text, certificate, path, err))
        return false;
    staple->bytes = malloc(text.len);
    if (!staple->bytes)
        return fail(err, path, "no memory");
    memcpy(staple->bytes, text.data, text.len);
    staple->size = text.len;
    return true;
}

bool tls_staple_load(struct tls_staple *staple, struct str path, const X509 *certificate, struct error *err)
{
    struct arena *arena = arena_new(NULL, SIZE_MAX);
    bool loaded;

    *staple = (struct tls_staple){0};
    loaded = load(staple, arena, path, certificate, err);
    arena_free(arena);
    if (!loaded)
        tls_staple_end(staple);
    return loaded;
}

void tls_staple_end(struct tls_staple *staple)
{
    free(staple->bytes);
    ASN1_GENERALIZEDTIME_free(staple->until);
    *staple = (struct tls_staple){0};
}

bool tls_staple_is_fresh(const struct tls_staple *staple)
{
    return staple->size > 0 && (!staple->until || X509_cmp_current_time(staple->until) > 0);
}
