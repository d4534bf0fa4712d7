/* failure.c: OpenSSL's errors in our words. A failed handshake is the peer's and nothing of a request was sent; what
 * breaks later may have cost one. SPDX-License-Identifier: Apache-2.0 */
#include "tls/stream_internal.h"

#include <openssl/err.h>

enum { ALERTS = SSL_AD_REASON_OFFSET, ALERTS_END = SSL_AD_REASON_OFFSET + 256 };

static bool is_version(int reason)
{
    return reason == SSL_R_UNSUPPORTED_PROTOCOL || reason == SSL_R_NO_PROTOCOLS_AVAILABLE ||
           reason == SSL_R_WRONG_SSL_VERSION || reason == SSL_R_VERSION_TOO_LOW || reason == SSL_R_VERSION_TOO_HIGH ||
           reason == SSL_R_TLSV1_ALERT_PROTOCOL_VERSION;
}

static enum error_code code_of(const struct tls_stream *tls, int reason)
{
    if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED || reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
        return ERROR_TLS_VERIFY;
    if (is_version(reason))
        return ERROR_TLS_VERSION;
    if (reason >= ALERTS && reason < ALERTS_END)
        return ERROR_TLS_ALERT;
    return tls->shaken ? ERROR_TLS_PROTOCOL : ERROR_TLS_HANDSHAKE;
}

/* The newest that is about TLS, or else the newest of all; empties the queue. */
static unsigned long take_newest(void)
{
    unsigned long newest = 0, each;

    while ((each = ERR_get_error()) != 0)
        if (ERR_GET_LIB(each) == ERR_LIB_SSL || ERR_GET_LIB(newest) != ERR_LIB_SSL)
            newest = each;
    return newest;
}

void tls_failure(const struct tls_stream *tls, struct error *err)
{
    unsigned long newest = take_newest();
    const char *text = ERR_reason_error_string(newest);
    int reason = ERR_GET_REASON(newest);
    enum error_code code = ERR_GET_LIB(newest) == ERR_LIB_SSL ? code_of(tls, reason)
                           : tls->shaken                      ? ERROR_TLS_PROTOCOL
                                                              : ERROR_TLS_HANDSHAKE;

    if (reason == ERR_R_MALLOC_FAILURE)
        error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for TLS");
    else if (code == ERROR_TLS_VERIFY && SSL_get_verify_result(tls->ssl) != X509_V_OK)
        error_set(err, tls_peer_fault(tls), code, "%s: %s", text ? text : "certificate verify failed",
                  X509_verify_cert_error_string(SSL_get_verify_result(tls->ssl)));
    else if (code == ERROR_TLS_HANDSHAKE && reason == SSL_R_WRONG_VERSION_NUMBER)
        error_set(err, tls_peer_fault(tls), code, "%s: the peer does not seem to speak TLS", text ? text : "TLS");
    else
        error_set(err, tls_peer_fault(tls), code, "%s", text ? text : "TLS failed without a reason");
}
