/* tls_metrics.c: see the header. Certificates are told by their file. SPDX-License-Identifier: Apache-2.0 */
#include "admin/tls_metrics.h"

#include "admin/metrics_text.h"
#include "admin/totals.h"

static uint64_t sum(const struct admin_view *view, enum tls_count what)
{
    return totals_sum(view, offsetof(struct frontend, tls_counts.counts) + (size_t)what * sizeof(uint64_t));
}

static uint64_t sum_failed(const struct admin_view *view, enum tls_failed reason)
{
    return totals_sum(view, offsetof(struct frontend, tls_counts.failed) + (size_t)reason * sizeof(uint64_t));
}

static void write_handshakes(struct json_writer *writer, const struct admin_view *view)
{
    struct handshake_sums hosts = hosts_handshakes(view->hosts);
    const struct {
        const char *side, *resumed;
        uint64_t number;
    } rows[] = {
        {"client", "false", sum(view, TLS_COUNT_FULL)},
        {"client", "true", sum(view, TLS_COUNT_RESUMED)},
        {"host", "false", hosts.full},
        {"host", "true", hosts.resumed},
    };

    metrics_family(writer, "holdfast_tls_handshakes", "counter", "TLS handshakes that were done, by whether resumed.");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct label labels[] = {{"side", str_from(rows[i].side)}, {"resumed", str_from(rows[i].resumed)}};

        metrics_sample(writer, "holdfast_tls_handshakes_total", labels, COUNT_OF(labels), rows[i].number);
    }
}

static void write_failures(struct json_writer *writer, const struct admin_view *view)
{
    metrics_family(writer, "holdfast_tls_handshake_failures", "counter", "TLS handshakes that failed, by why.");
    for (int reason = 0; reason < TLS_FAILURES; reason++) {
        struct label labels[] = {{"side", STR("client")},
                                 {"reason", str_from(tls_failed_name((enum tls_failed)reason))}};

        metrics_sample(writer, "holdfast_tls_handshake_failures_total", labels, COUNT_OF(labels),
                       sum_failed(view, (enum tls_failed)reason));
    }
}

static void write_early_data(struct json_writer *writer, const struct admin_view *view)
{
    struct label accepted = {"outcome", STR("accepted")}, rejected = {"outcome", STR("rejected")};

    metrics_family(writer, "holdfast_tls_early_data", "counter", "Connections that sent early data.");
    metrics_sample(writer, "holdfast_tls_early_data_total", &accepted, 1, sum(view, TLS_COUNT_EARLY_ACCEPTED));
    metrics_sample(writer, "holdfast_tls_early_data_total", &rejected, 1, sum(view, TLS_COUNT_EARLY_REJECTED));
}

static void write_given(struct json_writer *writer, const struct admin_view *view)
{
    metrics_family(writer, "holdfast_tls_tickets", "counter", "Session tickets given to clients.");
    metrics_sample(writer, "holdfast_tls_tickets_total", NULL, 0, sum(view, TLS_COUNT_TICKETS));
    metrics_family(writer, "holdfast_tls_staples", "counter", "OCSP responses stapled to handshakes.");
    metrics_sample(writer, "holdfast_tls_staples_total", NULL, 0, sum(view, TLS_COUNT_STAPLED));
}

static void write_shared(struct json_writer *writer, const struct tls_shared_facts *facts,
                         const struct secured_counts *counts)
{
    metrics_family(writer, "holdfast_tls_ticket_keys", "gauge", "Keys that decrypt tickets.");
    metrics_sample(writer, "holdfast_tls_ticket_keys", NULL, 0, facts->ticket_keys);
    metrics_family(writer, "holdfast_tls_ticket_key_changes", "counter", "Ticket keys made or read.");
    metrics_sample(writer, "holdfast_tls_ticket_key_changes_total", NULL, 0, counts->key_changes);
    metrics_family(writer, "holdfast_tls_cached_sessions", "gauge", "Sessions kept for TLS 1.2 clients.");
    metrics_sample(writer, "holdfast_tls_cached_sessions", NULL, 0, facts->cached_sessions);
}

static void write_reload(struct json_writer *writer, const char *what, const char *outcome, uint64_t number)
{
    struct label labels[] = {{"what", str_from(what)}, {"outcome", str_from(outcome)}};

    metrics_sample(writer, "holdfast_tls_reloads_total", labels, COUNT_OF(labels), number);
}

static void write_reloads(struct json_writer *writer, const struct secured_counts *counts)
{
    metrics_family(writer, "holdfast_tls_reloads", "counter", "Changed files that were read again.");
    write_reload(writer, "certificates", "ok", counts->reloads_ok);
    write_reload(writer, "certificates", "failed", counts->reloads_failed);
    write_reload(writer, "ticket_keys", "failed", counts->key_failures);
}

/* A file that several listeners show is told once. */
static bool is_told(const struct secured *secured, size_t server, size_t index, struct str path)
{
    for (size_t i = 0; i <= server; i++) {
        struct tls_certificate_facts certificate;
        struct tls_server_facts facts;

        if (!secured->servers[i])
            continue;
        tls_server_facts(secured->servers[i], &facts);
        for (size_t j = 0; j < facts.certificates && (i < server || j < index); j++) {
            tls_server_certificate(secured->servers[i], j, &certificate);
            if (str_eq(certificate.path, path))
                return true;
        }
    }
    return false;
}

static void write_certificates(struct json_writer *writer, const struct secured *secured, bool expiry)
{
    for (size_t i = 0; i < secured->count; i++) {
        struct tls_server_facts facts = {0};

        if (secured->servers[i])
            tls_server_facts(secured->servers[i], &facts);
        for (size_t j = 0; j < facts.certificates; j++) {
            struct tls_certificate_facts certificate;
            struct label label;

            tls_server_certificate(secured->servers[i], j, &certificate);
            label = (struct label){"file", certificate.path};
            if (is_told(secured, i, j, certificate.path))
                continue;
            if (expiry)
                metrics_sample(writer, "holdfast_tls_certificate_expiry_timestamp_seconds", &label, 1,
                               certificate.expires_s > 0 ? (uint64_t)certificate.expires_s : 0);
            else
                metrics_sample(writer, "holdfast_tls_certificate_stapled", &label, 1, certificate.stapled);
        }
    }
}

void tls_metrics_write(struct json_writer *writer, const struct admin_view *view)
{
    const struct secured *secured = generation_secured(view->generation);
    struct tls_shared_facts shared;
    struct secured_counts counts;

    write_handshakes(writer, view);
    if (!secured->shared)
        return;
    tls_shared_facts(secured->shared, &shared);
    secured_count(secured, &counts);
    write_failures(writer, view);
    write_early_data(writer, view);
    write_given(writer, view);
    write_shared(writer, &shared, &counts);
    write_reloads(writer, &counts);
    metrics_family(writer, "holdfast_tls_certificate_expiry_timestamp_seconds", "gauge", "When a certificate ends.");
    write_certificates(writer, secured, true);
    metrics_family(writer, "holdfast_tls_certificate_stapled", "gauge", "1: an OCSP response goes with it now.");
    write_certificates(writer, secured, false);
}
