/* server_options.h: KrakenD's `tls` block and our `holdfast/tls` as tables, and the structs that they fill; server.h
 * makes a secured listener of them. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TLS_SERVER_OPTIONS_H
#define HOLDFAST_TLS_SERVER_OPTIONS_H

#include "tls/options.h"

struct tls_server_key { /* PEM files; the certificate's may hold its chain */
    struct str public_key, private_key;
    struct place public_place, private_place; /* source NULL: not given, then `place` tells where */
    struct place place;
};

/* KrakenD's block, at the root or at a listener. Names and defaults are KrakenD's: TLS 1.3 only, the NIST curves. */
struct tls_server_options {
    bool given; /* the block is there */
    bool disabled;
    struct list_of keys; /* struct tls_server_key: the legacy pair is the last one */
    struct tls_server_key legacy;
    struct str min_version, max_version; /* SSL3.0, TLS10 ... TLS13; any other text counts as TLS13 */
    struct str_list cipher_suites_text, curve_preferences_text;
    struct tls_numbers cipher_suites, curve_preferences; /* made of the texts; empty: the defaults */
    bool enable_mtls;                                    /* clients must show a certificate that is trusted */
    struct str_list ca_certs;                            /* PEM files of their CAs */
    bool disable_system_ca_pool;
};

struct tls_staple_file { /* an OCSP response (DER) for a certificate of `keys` */
    struct str public_key, response;
    struct place public_place, response_place;
};

/* Ours, for all listeners of the service. */
struct tls_server_tuning {
    int64_t handshake_timeout_ns; /* a whole handshake; 0: none */
    int64_t max_handshakes;       /* of a worker at once; 0: no limit */
    int64_t reload_interval_ns;   /* how often files are looked at; 0: never */
    bool session_tickets;         /* resumption by ticket */
    int64_t ticket_rotation_ns;   /* how long a session may be resumed, and a ticket key made here encrypts */
    struct str_list ticket_keys;  /* files of 48 or 80 bytes: the first encrypts, all decrypt; none: made here */
    int64_t session_cache_size;   /* sessions of TLS 1.2 clients without tickets; 0: none */
    struct list_of ocsp_staples;  /* struct tls_staple_file */
    bool early_data;              /* 0-RTT */
    int64_t early_data_bytes_max; /* of one connection */
};

/* OPTION_OBJECT(..., "tls", ..., .schema = &tls_server_schema). Sets `given` when the key is there. */
extern const struct schema tls_server_schema;
extern const struct schema tls_tuning_schema; /* bound to an absent block: the defaults */

static inline bool tls_server_is_on(const struct tls_server_options *options)
{
    return options->given && !options->disabled;
}

#endif
