/* options.h: KrakenD's `client_tls` as a table and the struct that it fills; profile.h makes a profile of it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TLS_OPTIONS_H
#define HOLDFAST_TLS_OPTIONS_H

#include "config/schema.h"

struct tls_key_pair { /* PEM files; the certificate's may hold its chain */
    struct str certificate, private_key;
    struct place certificate_place, private_key_place;
};

struct tls_numbers { /* IANA's, in the order they were given */
    uint16_t *items;
    size_t count;
};

/* A zeroed one is what KrakenD does without a block: TLS 1.2 to 1.3, Go's suites, X25519 first. */
struct tls_client_options {
    bool given; /* the block is there, be it empty: TLS 1.3 only and the NIST curves, unless told otherwise */
    bool allow_insecure;
    struct str_list ca_certs; /* PEM files, added to the system's */
    bool disable_system_ca_pool;
    struct str min_version, max_version; /* SSL3.0, TLS10 ... TLS13; any other text counts as TLS13 */
    struct str_list cipher_suites_text, curve_preferences_text;
    struct tls_numbers cipher_suites, curve_preferences; /* made of the texts; empty: the defaults */
    struct list_of client_certs;                         /* struct tls_key_pair */
};

/* For OPTION_OBJECT(..., "client_tls", ..., .schema = &tls_client_schema). Sets `given` when the key is there. */
extern const struct schema tls_client_schema;

#endif
