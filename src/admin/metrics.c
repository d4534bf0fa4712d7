/* metrics.c: OpenMetrics 1.0 text of the numbers that workers keep: a counter's family has its name without _total, its
 * samples with it; the samples of a family stand together. Start with metrics_write.
 * SPDX-License-Identifier: Apache-2.0 */
#include "admin/metrics.h"

#include "admin/client_metrics.h"
#include "admin/conservation.h"
#include "admin/h2_metrics.h"
#include "admin/lasting_metrics.h"
#include "admin/metrics_text.h"
#include "admin/reuse_metrics.h"
#include "admin/sockets.h"
#include "admin/tls_metrics.h"
#include "admin/totals.h"
#include "base/text.h"
#include "os/process.h"
#include "upstream/host_leave.h"
#include "upstream/resend.h"

static void put(struct json_writer *writer, const char *text)
{
    json_write_raw(writer, str_from(text));
}

/* Only the statuses that were ever given. */
static void write_endpoint(struct json_writer *writer, const struct admin_view *view, uint32_t slot, struct str label,
                           struct str method)
{
    uint64_t sums[STATUS_SLOTS] = {0};

    for (unsigned i = 0; i < view->workers; i++)
        frontend_add_answers(view->frontends[i], slot, sums);
    for (unsigned status = 0; status < STATUS_SLOTS; status++) {
        char digits[NUMBER_TEXT_BYTES];
        struct label labels[] = {
            {"endpoint", label}, {"method", method}, {"status", str_of(digits, text_from_u64(status, digits))}};

        if (sums[status] > 0)
            metrics_sample(writer, "holdfast_requests_total", labels, COUNT_OF(labels), sums[status]);
    }
}

/* Those of generations that have gone, too. */
static void write_requests(struct json_writer *writer, const struct admin_view *view)
{
    uint32_t count = view->tally ? tally_count(view->tally) : generation_endpoint_count(view->generation);

    metrics_family(writer, "holdfast_requests", "counter", "Client requests by endpoint and answer.");
    for (uint32_t i = 0; i < count; i++) {
        const struct endpoint *endpoint = view->tally ? NULL : generation_endpoint(view->generation, i);

        if (endpoint)
            write_endpoint(writer, view, i, endpoint->label, endpoint_method(endpoint));
        else
            write_endpoint(writer, view, i, tally_row(view->tally, i)->label, tally_row(view->tally, i)->method);
    }
}

/* A number of each host: its family, and the label that it has beside the host's. Rows of one family stand together. */
struct host_row {
    const char *family, *sample, *type, *help;
    struct label label; /* name NULL: none */
    size_t offset;      /* in struct host_totals */
};

#define COUNTER(name_) "holdfast_upstream_" name_, "holdfast_upstream_" name_ "_total", "counter"
#define GAUGE(name_)   "holdfast_upstream_" name_, "holdfast_upstream_" name_, "gauge"
#define TOTAL(field_)  offsetof(struct host_totals, field_)

/* clang-format off */
static const struct host_row host_rows[] = {
    {COUNTER("requests"), "Requests sent to hosts, by whether the connection was kept.", {"conn", STR_INIT("reused")}, TOTAL(requests_reused)},
    {COUNTER("requests"), NULL, {"conn", STR_INIT("shared")}, TOTAL(requests_shared)},
    {COUNTER("requests"), NULL, {"conn", STR_INIT("new")}, TOTAL(requests_new)},
    {GAUGE("streams"), "Requests now on HTTP/2 connections.", {NULL, STR_INIT("")}, TOTAL(streams)},
    {GAUGE("connections"), "Upstream connections now.", {"state", STR_INIT("idle")}, TOTAL(idle)},
    {GAUGE("connections"), NULL, {"state", STR_INIT("active")}, TOTAL(active)},
    {GAUGE("connections"), NULL, {"state", STR_INIT("dialing")}, TOTAL(dialing)},
    {GAUGE("warming"), "Dials that no request waits for any more; they count as dialing too.", {NULL, STR_INIT("")}, TOTAL(warming)},
    {GAUGE("waiting_requests"), "Requests without a connection: at the cap of the host, or in a race of a dial with what becomes idle.", {"for", STR_INIT("cap")}, TOTAL(waiting)},
    {GAUGE("waiting_requests"), NULL, {"for", STR_INIT("race")}, TOTAL(racing)},
    {COUNTER("moved_connections"), "Idle connections that one worker gave to another.", {NULL, STR_INIT("")}, TOTAL(moved)},
    {COUNTER("warm_requests"), "Of the reused: on a connection that no request had used before.", {NULL, STR_INIT("")}, TOTAL(requests_warm)},
    {COUNTER("connections_opened"), "Upstream connections made.", {NULL, STR_INIT("")}, TOTAL(connections_opened)},
    {COUNTER("connects"), "Of these, by the family of the address that was reached.", {"family", STR_INIT("ipv4")}, TOTAL(opened_by_ipv4)},
    {COUNTER("connects"), NULL, {"family", STR_INIT("ipv6")}, TOTAL(opened_by_ipv6)},
    {COUNTER("connections_closed"), "Upstream connections closed by either side.", {NULL, STR_INIT("")}, TOTAL(connections_closed)},
    {COUNTER("dial_failures"), "Connections that could not be made.", {NULL, STR_INIT("")}, TOTAL(dial_failures)},
    {COUNTER("proxy_failures"), "Failures at the forward proxy on the way to the host.", {NULL, STR_INIT("")}, TOTAL(proxy_failures)},
    {COUNTER("tls_handshakes"), "TLS handshakes with hosts, by how they ended.", {"kind", STR_INIT("full")}, TOTAL(handshakes_full)},
    {COUNTER("tls_handshakes"), NULL, {"kind", STR_INIT("resumed")}, TOTAL(handshakes_resumed)},
    {COUNTER("tls_handshakes"), NULL, {"kind", STR_INIT("failed")}, TOTAL(handshake_failures)},
    {COUNTER("tls_handshake_nanoseconds"), "Time that the successful TLS handshakes took in all.", {NULL, STR_INIT("")}, TOTAL(handshake_ns)},
    {COUNTER("stale"), "Kept connections found dead, right before use, while idle, or under a request.", {"phase", STR_INIT("check")}, TOTAL(stale)},
    {COUNTER("stale"), NULL, {"phase", STR_INIT("idle")}, TOTAL(closed_idle)},
    {COUNTER("stale"), NULL, {"phase", STR_INIT("write")}, TOTAL(stale_in_use[STALE_AT_WRITE])},
    {COUNTER("stale"), NULL, {"phase", STR_INIT("eof")}, TOTAL(stale_in_use[STALE_BY_EOF])},
    {COUNTER("stale"), NULL, {"phase", STR_INIT("reset")}, TOTAL(stale_in_use[STALE_BY_RESET])},
    {COUNTER("failures"), "Requests that ended in an upstream error.", {NULL, STR_INIT("")}, TOTAL(failures)},
    {COUNTER("failovers"), "Requests that a host failed and another one was given.", {NULL, STR_INIT("")}, TOTAL(failovers)},
    {COUNTER("failovers_refused"), "Requests that another host could have had, but for the backend's budget.", {NULL, STR_INIT("")}, TOTAL(failovers_refused)},
    {COUNTER("resend_budget_spent"), "Re-sends that came to nothing, which the host's budget pays for.", {NULL, STR_INIT("")}, TOTAL(resend_budget_spent)},
    {COUNTER("ejections"), "Rests that hosts began after failures in a row.", {NULL, STR_INIT("")}, TOTAL(ejections)},
    {COUNTER("dead_paths"), "Connections given up because nothing that was sent was acknowledged.", {NULL, STR_INIT("")}, TOTAL(dead_paths)},
    {COUNTER("pings"), "PINGs sent to hosts (HTTP/2).", {NULL, STR_INIT("")}, TOTAL(pings)},
    {COUNTER("ping_timeouts"), "Connections given up because a PING had no answer (HTTP/2).", {NULL, STR_INIT("")}, TOTAL(ping_timeouts)},
    {COUNTER("silences"), "Times that the whole path to a host was silent.", {NULL, STR_INIT("")}, TOTAL(silences)},
    {COUNTER("stray_bytes"), "Kept connections on which bytes came that nobody had asked for.", {NULL, STR_INIT("")}, TOTAL(strays)},
    {COUNTER("quarantines"), "Times that such bytes made a host's connections single-use for a while.", {NULL, STR_INIT("")}, TOTAL(quarantines)},
    {COUNTER("shed"), "Requests refused for want of what a new connection takes.", {"reason", STR_INIT("pressure_fd")}, TOTAL(shed_by_fd)},
    {COUNTER("shed"), NULL, {"reason", STR_INIT("pressure_port")}, TOTAL(shed_by_port)},
    {GAUGE("time_wait"), "Connections in TIME_WAIT, while they make local ports short.", {NULL, STR_INIT("")}, TOTAL(time_waits)},
    {GAUGE("resting"), "1 while a host rests.", {NULL, STR_INIT("")}, TOTAL(resting)},
};
/* clang-format on */

/* Left out of hosts that are never spoken to in HTTP/2. */
static bool is_of_h2(const struct host_row *row)
{
    return row->offset == TOTAL(requests_shared) || row->offset == TOTAL(streams) || row->offset == TOTAL(pings) ||
           row->offset == TOTAL(ping_timeouts);
}

static void write_host(struct json_writer *writer, const struct host_row *row, const struct host *host,
                       const struct host_totals *totals)
{
    struct label labels[] = {{"host", host->label}, row->label};
    uint64_t number;

    if (host->protocol == HOST_HTTP1 && is_of_h2(row))
        return;
    memcpy(&number, (const char *)totals + row->offset, sizeof(number));
    metrics_sample(writer, row->sample, labels, row->label.name ? 2 : 1, number);
}

/* The ledger's numbers of a host: only those that ever moved. */
static void write_new(struct json_writer *writer, struct str url, const struct host_totals *totals)
{
    for (int reason = 0; reason < REASONS; reason++) {
        struct label labels[] = {{"host", url}, {"reason", str_from(reason_name((enum reason)reason))}};

        if (totals->new_by[reason] > 0)
            metrics_sample(writer, "holdfast_upstream_new_connections_total", labels, COUNT_OF(labels),
                           totals->new_by[reason]);
    }
}

static void write_closes(struct json_writer *writer, struct str url, const struct host_totals *totals)
{
    for (int reason = 0; reason < REASONS; reason++)
        for (int side = 0; side < SIDE_COUNT; side++) {
            struct label labels[] = {{"host", url},
                                     {"reason", str_from(reason_name((enum reason)reason))},
                                     {"side", str_from(side_name((enum side)side))}};

            if (totals->closes_by[reason][side] > 0)
                metrics_sample(writer, "holdfast_upstream_closes_total", labels, COUNT_OF(labels),
                               totals->closes_by[reason][side]);
        }
}

/* What is under way yet is in none of them. */
static void write_resends(struct json_writer *writer, struct str url, const struct host_totals *totals)
{
    for (int rung = 0; rung < RESEND_COUNT; rung++)
        for (int end = 0; end < RESEND_ENDS; end++) {
            struct label labels[] = {{"host", url},
                                     {"evidence", str_from(resend_name((enum resend)rung))},
                                     {"outcome", str_from(resend_end_name((enum resend_end)end))}};

            if (totals->resend_ends[rung][end] > 0)
                metrics_sample(writer, "holdfast_upstream_resends_total", labels, COUNT_OF(labels),
                               totals->resend_ends[rung][end]);
        }
}

static void write_refused(struct json_writer *writer, struct str url, const struct host_totals *totals)
{
    for (int refusal = 0; refusal < REFUSALS; refusal++) {
        struct label labels[] = {{"host", url},
                                 {"reason", str_from(resend_refusal_name((enum resend_refusal)refusal))}};

        if (totals->refused_by[refusal] > 0)
            metrics_sample(writer, "holdfast_upstream_resends_refused_total", labels, COUNT_OF(labels),
                           totals->refused_by[refusal]);
    }
}

static const struct {
    const char *family, *help;
    void (*write)(struct json_writer *writer, struct str url, const struct host_totals *totals);
} ledger_families[] = {
    {"holdfast_upstream_new_connections", "Requests that needed a new connection, by why.", write_new},
    {"holdfast_upstream_closes", "Upstream connections closed, by why and by whom.", write_closes},
    {"holdfast_upstream_resends", "Requests sent once more, by what made that safe and what came of it.",
     write_resends},
    {"holdfast_upstream_resends_refused", "Requests that died with their connection, by why they were not sent again.",
     write_refused},
};

static void write_ledgers(struct json_writer *writer, const struct admin_view *view, const struct host_totals *totals,
                          uint32_t count)
{
    for (size_t i = 0; i < COUNT_OF(ledger_families); i++) {
        metrics_family(writer, ledger_families[i].family, "counter", ledger_families[i].help);
        for (uint32_t k = 0; k < count; k++) {
            const struct host *host = hosts_shown(view->hosts, k);

            if (host)
                ledger_families[i].write(writer, host->label, &totals[k]);
        }
    }
}

/* All families of a host tell of the same moment. */
static void write_hosts(struct json_writer *writer, const struct admin_view *view)
{
    uint32_t count = hosts_count(view->hosts);
    struct host_totals *totals = arena_array(writer->arena, struct host_totals, count + 1u);

    if (!totals) {
        writer->failed = true;
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        if (hosts_shown(view->hosts, i))
            host_totals_read(hosts_shown(view->hosts, i), &totals[i]);
    for (size_t row = 0, next; row < COUNT_OF(host_rows); row = next) {
        metrics_family(writer, host_rows[row].family, host_rows[row].type, host_rows[row].help);
        for (next = row; next < COUNT_OF(host_rows) && (next == row || !host_rows[next].help); next++)
            for (uint32_t i = 0; i < count; i++) {
                const struct host *host = hosts_shown(view->hosts, i);

                if (host)
                    write_host(writer, &host_rows[next], host, &totals[i]);
            }
    }
    write_ledgers(writer, view, totals, count);
}

/* Descriptors in use are counted as they come and go, besides those that were open at the start. */
static void write_budget(struct json_writer *writer, const struct budget *budget)
{
    struct label used = {"kind", STR("used")}, limit = {"kind", STR("limit")};

    metrics_family(writer, "holdfast_file_descriptors", "gauge", "Descriptors in use, and the limit on them.");
    metrics_sample(writer, "holdfast_file_descriptors", &used, 1, budget_files_used(budget));
    metrics_sample(writer, "holdfast_file_descriptors", &limit, 1, budget->files_limit);
    metrics_family(writer, "holdfast_file_evictions", "counter", "Idle connections closed to make room for others.");
    metrics_sample(writer, "holdfast_file_evictions_total", NULL, 0,
                   atomic_load_explicit(&budget->evictions, memory_order_relaxed));
}

static void write_reloads(struct json_writer *writer, const struct reload_facts *facts)
{
    struct label ok = {"result", STR("ok")}, failed = {"result", STR("failed")};

    metrics_family(writer, "holdfast_config_reloads", "counter", "Configurations loaded into the running gateway.");
    metrics_sample(writer, "holdfast_config_reloads_total", &ok, 1, facts->ok);
    metrics_sample(writer, "holdfast_config_reloads_total", &failed, 1, facts->failed);
    metrics_family(writer, "holdfast_config_last_reload_success", "gauge", "0: the last reload failed.");
    metrics_sample(writer, "holdfast_config_last_reload_success", NULL, 0, !facts->last_failed);
    metrics_family(writer, "holdfast_config_generation", "gauge", "Number of the generation that serves.");
    metrics_sample(writer, "holdfast_config_generation", NULL, 0, facts->generation);
    metrics_family(writer, "holdfast_config_loaded_timestamp_seconds", "gauge", "When it was loaded.");
    metrics_sample(writer, "holdfast_config_loaded_timestamp_seconds", NULL, 0, facts->loaded_ns / 1000000000u);
    metrics_family(writer, "holdfast_config_generations", "gauge", "Generations by which requests are served.");
    metrics_sample(writer, "holdfast_config_generations", NULL, 0, facts->alive);
}

static void write_process(struct json_writer *writer, const struct admin_view *view, uint64_t uptime_ns)
{
    struct label version = {"version", STR(HOLDFAST_VERSION)};

    metrics_family(writer, "holdfast_build", "info", "The version that runs.");
    metrics_sample(writer, "holdfast_build_info", &version, 1, 1);
    metrics_family(writer, "holdfast_workers", "gauge", "Worker threads.");
    metrics_sample(writer, "holdfast_workers", NULL, 0, view->workers);
    metrics_family(writer, "holdfast_uptime_seconds", "gauge", "Since the start.");
    metrics_sample(writer, "holdfast_uptime_seconds", NULL, 0, uptime_ns / 1000000000u);
    if (view->reloads)
        write_reloads(writer, view->reloads);
    write_budget(writer, hosts_budget(view->hosts));
    sockets_write_metrics(writer, view);
    metrics_family(writer, "process_resident_memory_bytes", "gauge", "Memory in use.");
    metrics_sample(writer, "process_resident_memory_bytes", NULL, 0, process_resident_bytes());
    metrics_family(writer, "holdfast_ledger_mismatches", "counter", "Sums of the ledger that did not add up.");
    metrics_sample(writer, "holdfast_ledger_mismatches_total", NULL, 0, conservation_mismatches(view->conservation));
}

void metrics_write(struct json_writer *writer, const struct admin_view *view, uint64_t uptime_ns)
{
    write_requests(writer, view);
    write_hosts(writer, view);
    reuse_metrics_write(writer, view);
    client_metrics_write(writer, view);
    lasting_metrics_write(writer, view);
    tls_metrics_write(writer, view);
    h2_metrics_write(writer, view);
    write_process(writer, view, uptime_ns);
    put(writer, "# EOF\n");
}
