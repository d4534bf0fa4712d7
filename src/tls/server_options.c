/* server_options.c: see the header. Half a pair, or none, is an error here, where KrakenD logs it and ends.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tls/server_options.h"

#include "config/problems.h"
#include "tls/options_internal.h"

#define WEEK_NS SECONDS(604800) /* the longest that RFC 8446 4.6.1 lets a ticket live */

static void check_key(const struct tls_server_key *key, struct place place, const char *path, struct report *report)
{
    if (key->public_key.len == 0)
        report_add(report, SEVERITY_ERROR, PROBLEM_TLS_KEYS, key->place.source ? key->place : place, NULL,
                   "%s: public_key is not defined", path);
    if (key->private_key.len == 0)
        report_add(report, SEVERITY_ERROR, PROBLEM_TLS_KEYS, key->place.source ? key->place : place, NULL,
                   "%s: private_key is not defined", path);
}

static void remember_key(void *bound, const struct node *node, const char *path, struct report *report)
{
    struct tls_server_key *key = bound;

    (void)path;
    (void)report;
    key->place = node->place;
}

/* The pair of KrakenD's first versions counts as one more of the list. */
static bool add_legacy(struct tls_server_options *options, struct report *report)
{
    size_t count = options->keys.count;
    struct tls_server_key *keys;

    if (options->legacy.public_key.len == 0 && options->legacy.private_key.len == 0)
        return true;
    keys = arena_array(report->arena, struct tls_server_key, count + 1);
    if (!keys)
        return false;
    for (size_t i = 0; i < count; i++)
        keys[i] = ((const struct tls_server_key *)options->keys.items)[i];
    keys[count] = options->legacy;
    options->keys = (struct list_of){keys, count + 1};
    return true;
}

static void check_keys(struct tls_server_options *options, const struct tls_checking *checking)
{
    struct report *report = checking->report;
    struct place place = checking->node->place;
    const struct tls_server_key *keys;

    if (!add_legacy(options, report))
        report_add(report, SEVERITY_ERROR, PROBLEM_OUT_OF_MEMORY, place, NULL, "%s.keys: no memory", checking->path);
    if (options->keys.count == 0)
        report_add(report, SEVERITY_ERROR, PROBLEM_TLS_KEYS, place,
                   "write \"keys\": [{\"public_key\": \"cert.pem\", \"private_key\": \"key.pem\"}]",
                   "%s: has no certificate to show", checking->path);
    keys = options->keys.items;
    for (size_t i = 0; i < options->keys.count; i++) {
        struct str path = arena_format(report->arena, "%s.keys[%zu]", checking->path, i);

        check_key(&keys[i], place, path.data ? path.data : checking->path, report);
    }
}

static void check_server(void *bound, const struct node *node, const char *path, struct report *report)
{
    const struct tls_checking checking = {node, path, report};
    struct tls_server_options *options = bound;

    options->given = true;
    tls_check_version(&checking, "min_version", options->min_version);
    tls_check_version(&checking, "max_version", options->max_version);
    options->cipher_suites = tls_parse_numbers(&checking, "cipher_suites", &options->cipher_suites_text);
    options->curve_preferences = tls_parse_numbers(&checking, "curve_preferences", &options->curve_preferences_text);
    if (!options->disabled)
        check_keys(options, &checking);
}

#define INTEGERS "\"type\": \"array\", \"items\": {\"type\": \"integer\"}"
/* clang-format off */
static const struct option key_rows[] = {
    OPTION_STRING(struct tls_server_key, "public_key", public_key, OPTION_PLACE(struct tls_server_key, public_place),
                  .help = "PEM file of the certificate and its chain."),
    OPTION_STRING(struct tls_server_key, "private_key", private_key, OPTION_PLACE(struct tls_server_key, private_place),
                  .help = "PEM file of its private key, without a password."),
};

static const struct schema key_schema = {
    .title = "key", .size = sizeof(struct tls_server_key), .options = key_rows, .count = COUNT_OF(key_rows),
    .check = remember_key,
};

static const struct option server_rows[] = {
    OPTION_BOOL(struct tls_server_options, "disabled", disabled, .help = "Serves without TLS, as if the block were not there."),
    OPTION_LIST(struct tls_server_options, "keys", keys, .schema = &key_schema,
                .help = "Certificates: the client's server name chooses, the first is for all others."),
    OPTION_STRING(struct tls_server_options, "public_key", legacy.public_key, OPTION_PLACE(struct tls_server_options, legacy.public_place),
                  .help = "As keys[].public_key, added behind keys."),
    OPTION_STRING(struct tls_server_options, "private_key", legacy.private_key, OPTION_PLACE(struct tls_server_options, legacy.private_place),
                  .help = "As keys[].private_key, added behind keys."),
    OPTION_STRING(struct tls_server_options, "min_version", min_version,
                  .help = "Oldest version: SSL3.0, TLS10, TLS11, TLS12 or TLS13; TLS13."),
    OPTION_STRING(struct tls_server_options, "max_version", max_version, .help = "Newest version; TLS13."),
    OPTION_STRINGS(struct tls_server_options, "cipher_suites", cipher_suites_text,
                   .form = INTEGERS, .help = "IANA numbers of the suites up to TLS 1.2; those of 1.3 are fixed."),
    OPTION_STRINGS(struct tls_server_options, "curve_preferences", curve_preferences_text,
                   .form = INTEGERS, .help = "IANA numbers of key exchanges: 23, 24 and 25, without X25519 (29)."),
    OPTION_IGNORED("prefer_server_cipher_suites", .help = "Accepted, as KrakenD does: the server's order always counts."),
    OPTION_BOOL(struct tls_server_options, "enable_mtls", enable_mtls, .help = "Clients must show a certificate that is trusted."),
    OPTION_STRINGS(struct tls_server_options, "ca_certs", ca_certs, .help = "PEM files of the CAs of clients."),
    OPTION_BOOL(struct tls_server_options, "disable_system_ca_pool", disable_system_ca_pool,
                .help = "The system's CAs are not trusted for clients."),
};

const struct schema tls_server_schema = {
    .title = "tls", .size = sizeof(struct tls_server_options), .options = server_rows, .count = COUNT_OF(server_rows),
    .check = check_server,
};

static const struct option staple_rows[] = {
    OPTION_STRING(struct tls_staple_file, "public_key", public_key, OPTION_PLACE(struct tls_staple_file, public_place), .required = true,
                  .help = "The certificate, as in tls.keys[].public_key."),
    OPTION_STRING(struct tls_staple_file, "response", response, OPTION_PLACE(struct tls_staple_file, response_place), .required = true,
                  .help = "DER file of the OCSP response; may come later than the start."),
};

static const struct schema staple_schema = {
    .title = "staple", .size = sizeof(struct tls_staple_file), .options = staple_rows, .count = COUNT_OF(staple_rows),
};

static const struct option tuning_rows[] = {
    OPTION_DURATION(struct tls_server_tuning, "handshake_timeout", handshake_timeout_ns, .preset = SECONDS(10), .max = INT64_MAX,
                    .help = "A whole handshake; 0: no limit."),
    OPTION_INT(struct tls_server_tuning, "max_handshakes", max_handshakes, .preset = 1024, .max = UINT32_MAX,
               .help = "Handshakes of one worker at once, the oldest yields to a new one; 0: no limit."),
    OPTION_DURATION(struct tls_server_tuning, "reload_interval", reload_interval_ns, .preset = SECONDS(5), .max = INT64_MAX,
                    .help = "How often files are looked at for changes; 0: never."),
    OPTION_BOOL(struct tls_server_tuning, "session_tickets", session_tickets, .preset = 1, .help = "Clients may resume by ticket."),
    OPTION_DURATION(struct tls_server_tuning, "ticket_rotation", ticket_rotation_ns, .preset = SECONDS(43200), .min = SECONDS(1),
                    .max = WEEK_NS, .help = "How long a session may be resumed; keys made in memory change that often."),
    OPTION_STRINGS(struct tls_server_tuning, "ticket_keys", ticket_keys,
                   .help = "Files of 48 or 80 random bytes, the same on all nodes: the first encrypts, all decrypt."),
    OPTION_INT(struct tls_server_tuning, "session_cache_size", session_cache_size, .preset = 20480, .max = 1 << 24,
               .help = "Sessions kept for TLS 1.2 clients without tickets; 0: none."),
    OPTION_LIST(struct tls_server_tuning, "ocsp_staples", ocsp_staples, .schema = &staple_schema,
                .help = "OCSP responses to staple, for certificates of keys."),
    OPTION_BOOL(struct tls_server_tuning, "early_data", early_data,
                .help = "Takes 0-RTT data of TLS 1.3, for requests that are safe and without a body."),
    OPTION_SIZE(struct tls_server_tuning, "early_data_max_bytes", early_data_bytes_max, .preset = 16384, .min = 1, .max = 1 << 20,
                .help = "0-RTT data of one connection."),
};

const struct schema tls_tuning_schema = {
    .title = "holdfast/tls", .size = sizeof(struct tls_server_tuning), .options = tuning_rows, .count = COUNT_OF(tuning_rows),
};
/* clang-format on */
