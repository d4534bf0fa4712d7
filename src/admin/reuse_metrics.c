/* reuse_metrics.c: a host's series of a histogram appear with its first value; the bounds are the same for all, so that
 * they can be added up. Start with reuse_metrics_write. SPDX-License-Identifier: Apache-2.0 */
#include "admin/reuse_metrics.h"

#include "admin/metrics_text.h"
#include "observe/seconds.h"
#include "upstream/host_leave.h"
#include "upstream/watch.h"

#include <assert.h>

static const char *const request_bounds[] = {"1.0", "2.0", "5.0", "10.0", "100.0", "1000.0", "10000.0", "100000.0"};
static const uint64_t request_bounds_at[] = {1, 2, 5, 10, 100, 1000, 10000, 100000};
static_assert(COUNT_OF(request_bounds) == COUNT_OF(request_bounds_at), "a number for each name");

/* One histogram of a family, with a label of its own; its value NULL: without. */
struct histogram {
    const char *family, *bucket, *count, *sum, *help; /* help NULL: the family goes on */
    enum dwell_kind kind;
    const char *label, *value;
};

#define FAMILY(name_)                                                                                                  \
    "holdfast_upstream_" name_, "holdfast_upstream_" name_ "_bucket", "holdfast_upstream_" name_ "_count",             \
        "holdfast_upstream_" name_ "_sum"

/* clang-format off */
static const struct histogram histograms[] = {
    {FAMILY("idle_at_reuse_seconds"), "How long connections had been idle when they were used again.", DWELL_REUSE, NULL, NULL},
    {FAMILY("idle_at_close_seconds"), "How long connections had been idle when they were closed.", DWELL_CLOSE_OURS, "side", "ours"},
    {FAMILY("idle_at_close_seconds"), NULL, DWELL_CLOSE_PEER, "side", "peer"},
    {FAMILY("connection_age_seconds"), "How old connections were when they were closed.", DWELL_AGE, NULL, NULL},
    {FAMILY("connection_requests"), "How many requests closed connections had carried.", DWELL_REQUESTS, NULL, NULL},
    {FAMILY("queue_seconds"), "How long requests waited in the queue of the host.", DWELL_QUEUE, NULL, NULL},
    {FAMILY("connect_seconds"), "What dials took, from the name to a connected socket.", DWELL_CONNECT, NULL, NULL},
    {FAMILY("tls_handshake_seconds"), "What TLS handshakes with the host took.", DWELL_TLS_FULL, "resumed", "no"},
    {FAMILY("tls_handshake_seconds"), NULL, DWELL_TLS_SHORT, "resumed", "yes"},
    {FAMILY("first_byte_seconds"), "From a request sent to the head of its answer.", DWELL_FIRST_BYTE, NULL, NULL},
};
/* clang-format on */

/* The bound that a bucket counts up to: a value at the bound is inside. */
static uint64_t bound_of(const struct histogram *histogram, size_t i)
{
    if (histogram->kind == DWELL_REQUESTS)
        return (request_bounds_at[i] + 1) * DWELL_ONE - 1;
    return seconds_bounds_ms()[i] * UINT64_C(1000000);
}

static void write_host(struct json_writer *writer, const struct histogram *histogram, const struct host *host)
{
    bool requests = histogram->kind == DWELL_REQUESTS;
    struct label labels[3] = {{"host", host->label}};
    size_t count = 1;
    struct dwell_view view = {0};

    watch_dwell(host, histogram->kind, &view);
    if (view.count == 0)
        return;
    if (histogram->value)
        labels[count++] = (struct label){histogram->label, str_from(histogram->value)};
    for (size_t i = 0; i < (requests ? COUNT_OF(request_bounds) : SECONDS_BOUNDS); i++) {
        labels[count] = (struct label){"le", str_from(requests ? request_bounds[i] : seconds_bound_name(i))};
        metrics_sample(writer, histogram->bucket, labels, count + 1, dwell_up_to(&view, bound_of(histogram, i)));
    }
    labels[count] = (struct label){"le", STR("+Inf")};
    metrics_sample(writer, histogram->bucket, labels, count + 1, view.count);
    metrics_sample(writer, histogram->count, labels, count, view.count);
    metrics_sample_double(writer, histogram->sum, labels, count,
                          (double)view.sum / (requests ? (double)DWELL_ONE : 1e9));
}

static void write_histograms(struct json_writer *writer, const struct admin_view *view)
{
    for (size_t i = 0; i < COUNT_OF(histograms); i++) {
        if (histograms[i].help)
            metrics_family(writer, histograms[i].family, "histogram", histograms[i].help);
        for (uint32_t k = 0; k < hosts_count(view->hosts); k++) {
            const struct host *host = hosts_shown(view->hosts, k);

            if (host)
                write_host(writer, &histograms[i], host);
        }
    }
}

static void write_limit(struct json_writer *writer, const struct host *host, const char *kind, uint64_t ns)
{
    struct label labels[] = {{"host", host->label}, {"kind", str_from(kind)}};

    metrics_sample_double(writer, "holdfast_upstream_idle_limit_seconds", labels, COUNT_OF(labels), (double)ns / 1e9);
}

/* Only what is known. */
static void write_limits(struct json_writer *writer, const struct host *host)
{
    struct idle_limit_view limit;

    idle_limit_view(host->idle_limit, &limit);
    if (limit.learned_ns > 0)
        write_limit(writer, host, "learned", limit.learned_ns);
    if (limit.proven_ns > 0)
        write_limit(writer, host, "proven", limit.proven_ns);
    if (limit.hint_ns != UINT64_MAX)
        write_limit(writer, host, "hint", limit.hint_ns);
    if (limit.kind == IDLE_LIMIT_CONFIGURED)
        write_limit(writer, host, "configured", limit.usable_ns);
}

static void write_margin(struct json_writer *writer, const struct host *host)
{
    struct label label = {"host", host->label};
    struct idle_limit_view limit;

    idle_limit_view(host->idle_limit, &limit);
    if (limit.kind == IDLE_LIMIT_UNKNOWN)
        return;
    metrics_sample_double(writer, "holdfast_upstream_idle_margin_seconds", &label, 1, (double)limit.margin_ns / 1e9);
}

static void write_sentinels(struct json_writer *writer, const struct host *host)
{
    struct label label = {"host", host->label};
    struct idle_limit_view limit;

    idle_limit_view(host->idle_limit, &limit);
    if (limit.kind == IDLE_LIMIT_UNKNOWN)
        return;
    metrics_sample(writer, "holdfast_upstream_sentinels", &label, 1, limit.sentinels);
}

static const struct {
    const char *family, *help;
    void (*write)(struct json_writer *writer, const struct host *host);
} gauges[] = {
    {"holdfast_upstream_idle_limit_seconds", "How long the host keeps idle connections.", write_limits},
    {"holdfast_upstream_idle_margin_seconds", "What is taken off that limit, for round trips and a busy worker.",
     write_margin},
    {"holdfast_upstream_sentinels", "Idle connections that only wait to see when the host closes them.",
     write_sentinels},
};

void reuse_metrics_write(struct json_writer *writer, const struct admin_view *view)
{
    write_histograms(writer, view);
    for (size_t i = 0; i < COUNT_OF(gauges); i++) {
        metrics_family(writer, gauges[i].family, "gauge", gauges[i].help);
        for (uint32_t k = 0; k < hosts_count(view->hosts); k++) {
            const struct host *host = hosts_shown(view->hosts, k);

            if (host)
                gauges[i].write(writer, host);
        }
    }
}
