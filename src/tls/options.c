/* options.c: see the header. What KrakenD reads leniently is told as a warning here and read alike.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "config/problems.h"
#include "tls/options_internal.h"

static const char *const version_names[] = {"SSL3.0", "TLS10", "TLS11", "TLS12", "TLS13"};

void tls_check_version(const struct tls_checking *checking, const char *key, struct str text)
{
    const struct node *value = node_member(checking->node, str_from(key));
    struct report *report = checking->report;
    const char *nearest;

    for (size_t i = 0; i < COUNT_OF(version_names); i++)
        if (text.len == 0 || str_eq(text, str_from(version_names[i])))
            return;
    nearest = report_nearest(text, version_names, COUNT_OF(version_names));
    report_add(report, SEVERITY_WARNING, PROBLEM_BAD_CHOICE, value ? value->place : checking->node->place,
               nearest ? arena_format(report->arena, "did you mean \"%s\"?", nearest).data
                       : "one of \"SSL3.0\", \"TLS10\", \"TLS11\", \"TLS12\", \"TLS13\"",
               "%s.%s: \"%.*s\" is not known and counts as TLS13", checking->path, key, STR_ARG(text));
}

struct tls_numbers tls_parse_numbers(const struct tls_checking *checking, const char *key, const struct str_list *texts)
{
    struct report *report = checking->report;
    struct tls_numbers numbers = {arena_array(report->arena, uint16_t, texts->count + 1), 0};

    if (!numbers.items)
        report_add(report, SEVERITY_ERROR, PROBLEM_OUT_OF_MEMORY, (struct place){.source = NULL}, NULL,
                   "%s.%s: no memory", checking->path, key);
    for (size_t i = 0; numbers.items && i < texts->count; i++) {
        int64_t number;

        if (document_read_int(texts->items[i], &number) && number >= 0 && number <= UINT16_MAX)
            numbers.items[numbers.count++] = (uint16_t)number;
        else
            report_add(report, SEVERITY_ERROR, PROBLEM_BAD_NUMBER, texts->places[i],
                       "IANA's number, such as 4865 or 23", "%s.%s: \"%.*s\" is not a number of 16 bits",
                       checking->path, key, STR_ARG(texts->items[i]));
    }
    return numbers;
}

/* The place of a version's name in the list; no text and unknown text are TLS13. */
static size_t rank(struct str text)
{
    size_t i = 0;

    while (i + 1 < COUNT_OF(version_names) && !str_eq(text, str_from(version_names[i])))
        i++;
    return i;
}

static void check_order(const struct tls_checking *checking, const struct tls_client_options *options)
{
    const struct node *max = node_member(checking->node, STR("max_version"));

    if (max && rank(options->max_version) < rank(options->min_version))
        report_add(checking->report, SEVERITY_WARNING, PROBLEM_TLS_VERSIONS, max->place,
                   options->min_version.len > 0 ? NULL : "min_version is TLS13 unless it is given",
                   "%s: min_version is above max_version: every handshake will fail", checking->path);
}

static void check_client(void *bound, const struct node *node, const char *path, struct report *report)
{
    const struct tls_checking checking = {node, path, report};
    struct tls_client_options *options = bound;

    options->given = true;
    tls_check_version(&checking, "min_version", options->min_version);
    tls_check_version(&checking, "max_version", options->max_version);
    options->cipher_suites = tls_parse_numbers(&checking, "cipher_suites", &options->cipher_suites_text);
    options->curve_preferences = tls_parse_numbers(&checking, "curve_preferences", &options->curve_preferences_text);
    check_order(&checking, options);
}

#define INTEGERS "\"type\": \"array\", \"items\": {\"type\": \"integer\"}"
/* clang-format off */
static const struct option key_pair_rows[] = {
    OPTION_STRING(struct tls_key_pair, "certificate", certificate, OPTION_PLACE(struct tls_key_pair, certificate_place),
                  .help = "PEM file of the certificate and its chain."),
    OPTION_STRING(struct tls_key_pair, "private_key", private_key, OPTION_PLACE(struct tls_key_pair, private_key_place),
                  .help = "PEM file of its private key, without a password."),
};

static const struct schema key_pair_schema = {
    .title = "client certificate", .size = sizeof(struct tls_key_pair), .options = key_pair_rows,
    .count = COUNT_OF(key_pair_rows),
};

static const struct option client_rows[] = {
    OPTION_BOOL(struct tls_client_options, "allow_insecure_connections", allow_insecure,
                .help = "Takes any certificate of a backend: neither its issuer nor its name is checked."),
    OPTION_STRINGS(struct tls_client_options, "ca_certs", ca_certs, .help = "PEM files of CAs to trust beside the system's."),
    OPTION_BOOL(struct tls_client_options, "disable_system_ca_pool", disable_system_ca_pool,
                .help = "Trusts the CAs of ca_certs only."),
    OPTION_STRING(struct tls_client_options, "min_version", min_version,
                  .help = "Oldest version: SSL3.0, TLS10, TLS11, TLS12 or TLS13; TLS13 when the block is there."),
    OPTION_STRING(struct tls_client_options, "max_version", max_version, .help = "Newest version; TLS13."),
    OPTION_STRINGS(struct tls_client_options, "cipher_suites", cipher_suites_text,
                   .form = INTEGERS, .help = "IANA numbers of the suites up to TLS 1.2; those of 1.3 are fixed."),
    OPTION_STRINGS(struct tls_client_options, "curve_preferences", curve_preferences_text,
                   .form = INTEGERS, .help = "IANA numbers of key exchanges: 23, 24 and 25 when the block is there."),
    OPTION_LIST(struct tls_client_options, "client_certs", client_certs, .schema = &key_pair_schema,
                .help = "Certificates to show to backends that ask for one."),
};

const struct schema tls_client_schema = {
    .title = "client_tls", .size = sizeof(struct tls_client_options), .options = client_rows,
    .count = COUNT_OF(client_rows), .check = check_client,
};
/* clang-format on */
