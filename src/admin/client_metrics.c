/* client_metrics.c: reasons appear with their first close; the histograms are always there. Start with
 * client_metrics_write. SPDX-License-Identifier: Apache-2.0 */
#include "admin/client_metrics.h"

#include "admin/listeners.h"
#include "admin/metrics_text.h"
#include "admin/totals.h"
#include "base/text.h"
#include "os/kernel.h"

static uint64_t read_count(const _Atomic uint64_t *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

#define SUM(view, field) totals_sum((view), offsetof(struct frontend, counts.field))

/* Of all listeners that are written so. */
static uint64_t closes_of(const struct admin_view *view, size_t first, int end)
{
    const struct server_options *server = &generation_service(view->generation)->server;
    uint64_t sum = 0;

    for (size_t door = first; door < server->listener_count; door++)
        for (unsigned i = 0;
             i < view->workers && str_eq(server->listeners[door].listen, server->listeners[first].listen); i++)
            sum += read_count(&view->frontends[i]->closes_by[door][end]);
    return sum;
}

static void write_closes(struct json_writer *writer, const struct admin_view *view)
{
    const struct server_options *server = &generation_service(view->generation)->server;

    metrics_family(writer, "holdfast_client_closes", "counter", "Client connections closed, by why and by whom.");
    for (size_t door = 0; door < server->listener_count; door++)
        for (int end = 1; end < HTTP_ENDS && !listeners_is_repeated(view, door); end++) {
            uint64_t number = closes_of(view, door, end);
            struct label labels[] = {{"reason", str_from(http_end_name((enum http_end)end))},
                                     {"side", http_end_is_by_client((enum http_end)end) ? STR("client") : STR("ours")},
                                     {"listener", server->listeners[door].listen}};

            if (number > 0)
                metrics_sample(writer, "holdfast_client_closes_total", labels, COUNT_OF(labels), number);
        }
}

struct buckets {
    const char *family, *bucket, *count, *sum, *help;
    const uint32_t *bounds; /* NULL: those of times */
    size_t bound_count, slots_at, sum_at;
};

static struct str bound_name(const struct buckets *buckets, size_t number, char digits[NUMBER_TEXT_BYTES])
{
    if (number == buckets->bound_count)
        return STR("+Inf");
    if (!buckets->bounds)
        return str_from(seconds_bound_name(number));
    return str_of(digits, text_from_u64(buckets->bounds[number], digits));
}

/* Upper bounds are inclusive; the slots are not cumulative, the lines are. */
static void write_buckets(struct json_writer *writer, const struct admin_view *view, const struct buckets *buckets)
{
    uint64_t total = 0, sum = totals_sum(view, buckets->sum_at);

    metrics_family(writer, buckets->family, "histogram", buckets->help);
    for (size_t i = 0; i <= buckets->bound_count; i++) {
        char digits[NUMBER_TEXT_BYTES];
        struct label label = {"le", bound_name(buckets, i, digits)};

        total += totals_sum(view, buckets->slots_at + i * sizeof(uint64_t));
        metrics_sample(writer, buckets->bucket, &label, 1, total);
    }
    metrics_sample(writer, buckets->count, NULL, 0, total);
    if (buckets->bounds)
        metrics_sample(writer, buckets->sum, NULL, 0, sum);
    else
        metrics_sample_double(writer, buckets->sum, NULL, 0, (double)sum / 1e3);
}

#define FAMILY(name_) name_, name_ "_bucket", name_ "_count", name_ "_sum"

static void write_histograms(struct json_writer *writer, const struct admin_view *view)
{
    const struct buckets rows[] = {
        {FAMILY("holdfast_client_connection_requests"), "How many requests closed client connections had carried.",
         client_request_bounds(), CLIENT_REQUESTS_BOUNDS, offsetof(struct frontend, counts.requests_by),
         offsetof(struct frontend, counts.requests_on_closed)},
        {FAMILY("holdfast_client_connection_seconds"), "How long closed client connections had been open.", NULL,
         SECONDS_BOUNDS, offsetof(struct frontend, counts.dwell_by), offsetof(struct frontend, counts.dwell_ms)},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        write_buckets(writer, view, &rows[i]);
}

static void write_counter(struct json_writer *writer, const char *family, const char *sample, const char *help,
                          uint64_t number)
{
    metrics_family(writer, family, "counter", help);
    metrics_sample(writer, sample, NULL, 0, number);
}

/* Workers learn apart. */
static void write_grace(struct json_writer *writer, const struct admin_view *view)
{
    uint64_t longest_ns = 0, ns;

    for (unsigned i = 0; i < view->workers; i++) {
        ns = read_count(&view->frontends[i]->counts.idle_grace_ns);
        longest_ns = ns > longest_ns ? ns : longest_ns;
    }
    metrics_family(writer, "holdfast_client_idle_grace_seconds", "gauge",
                   "How much longer than promised idle clients are waited for: the longest of all workers.");
    metrics_sample_double(writer, "holdfast_client_idle_grace_seconds", NULL, 0, (double)longest_ns / 1e9);
}

static void write_memory(struct json_writer *writer, const struct admin_view *view)
{
    unsigned permille = atomic_load_explicit(&hosts_budget(view->hosts)->memory_permille, memory_order_relaxed);

    metrics_family(writer, "holdfast_memory_used_ratio", "gauge", "How much is in use of the memory that there is.");
    metrics_sample_double(writer, "holdfast_memory_used_ratio", NULL, 0, (double)permille / 1000.0);
}

/* The kernel counts for the whole network namespace. */
static void write_overflows(struct json_writer *writer, const struct admin_view *view)
{
    struct kernel_listen now;

    if (!kernel_listen_read(&now))
        return;
    write_counter(writer, "holdfast_accept_queue_overflows", "holdfast_accept_queue_overflows_total",
                  "Connections that found an accept queue full since the start.",
                  now.overflows >= view->overflows_at_start ? now.overflows - view->overflows_at_start : 0);
}

void client_metrics_write(struct json_writer *writer, const struct admin_view *view)
{
    listeners_write_metrics(writer, view);
    write_closes(writer, view);
    write_histograms(writer, view);
    write_counter(writer, "holdfast_client_races", "holdfast_client_races_total",
                  "Requests that arrived at a connection which was just closed as idle.", SUM(view, races));
    write_grace(writer, view);
    write_counter(writer, "holdfast_client_hinted_connections", "holdfast_client_hinted_connections_total",
                  "Closed connections whose client had sent Keep-Alive: it says how long it keeps them.",
                  SUM(view, hinted));
    write_counter(writer, "holdfast_client_told", "holdfast_client_told_total",
                  "Connections that were to end with their next answer.", SUM(view, told));
    write_counter(writer, "holdfast_client_told_served", "holdfast_client_told_served_total",
                  "Those that had one more request.", SUM(view, told_served));
    write_counter(writer, "holdfast_client_passed", "holdfast_client_passed_total",
                  "Accepted connections that were given to a worker with fewer.", SUM(view, passed));
    write_memory(writer, view);
    write_overflows(writer, view);
}
