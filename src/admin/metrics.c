/* metrics.c: OpenMetrics text of the numbers that workers keep. SPDX-License-Identifier: Apache-2.0 */
#include "admin/metrics.h"

#include "os/process.h"

static void family(struct json_writer *writer, const char *name, const char *type, const char *help)
{
    struct str text = arena_format(writer->arena, "# TYPE %s %s\n# HELP %s %s\n", name, type, name, help);

    json_write_raw(writer, text);
}

static void sample(struct json_writer *writer, struct str labelled, uint64_t number)
{
    json_write_raw(writer, labelled);
    json_write_raw(writer, STR(" "));
    json_write_u64(writer, number);
    json_write_raw(writer, STR("\n"));
}

/* Label values: quotes, backslashes and line feeds are escaped. */
static struct str escape(struct arena *arena, struct str text)
{
    char *out = arena_alloc(arena, 2 * text.len + 1, 1);
    size_t len = 0;

    if (!out)
        return STR_EMPTY;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];

        if (c == '"' || c == '\\' || c == '\n')
            out[len++] = '\\';
        out[len++] = c == '\n' ? 'n' : c;
    }
    return str_of(out, len);
}

static void write_status(struct json_writer *writer, const struct admin_view *view, uint32_t index, unsigned status)
{
    const struct endpoint *endpoint = generation_endpoint(view->generation, index);
    struct str method = endpoint->options ? endpoint->options->method : STR("");
    uint64_t count = 0;

    for (unsigned i = 0; i < view->workers; i++) {
        _Atomic uint64_t *slots = atomic_load_explicit(&view->frontends[i]->requests_by_status[index], memory_order_acquire);

        count += slots ? atomic_load_explicit(&slots[status], memory_order_relaxed) : 0;
    }
    if (count)
        sample(writer,
               arena_format(writer->arena, "holdfast_requests_total{endpoint=\"%.*s\",method=\"%.*s\",status=\"%u\"}",
                            STR_ARG(escape(writer->arena, endpoint->label)), STR_ARG(method), status),
               count);
}

static void write_requests(struct json_writer *writer, const struct admin_view *view)
{
    family(writer, "holdfast_requests", "counter", "Client requests by endpoint and answer.");
    for (uint32_t i = 0; i < generation_endpoint_count(view->generation); i++)
        for (unsigned status = 100; status < FRONTEND_STATUS_SLOTS; status++)
            write_status(writer, view, i, status);
}

/* One family of per-host numbers: which field, with which extra label. */
struct host_sample {
    const char *name, *label;
    size_t offset;
};

static void write_host_samples(struct json_writer *writer, const struct admin_view *view, const struct host_sample *samples,
                               size_t count)
{
    for (uint32_t i = 0; i < hosts_count(view->hosts); i++) {
        const struct host *host = hosts_at(view->hosts, i);
        struct host_totals totals;

        host_totals(host, &totals);
        for (size_t k = 0; k < count; k++)
            sample(writer,
                   arena_format(writer->arena, "%s{host=\"%.*s\"%s}", samples[k].name,
                                STR_ARG(escape(writer->arena, host->url)), samples[k].label),
                   *(const uint64_t *)(const void *)((const char *)&totals + samples[k].offset));
    }
}

static void write_hosts(struct json_writer *writer, const struct admin_view *view)
{
    static const struct host_sample requests[] = {
        {"holdfast_upstream_requests_total", ",conn=\"reused\"", offsetof(struct host_totals, requests_reused)},
        {"holdfast_upstream_requests_total", ",conn=\"new\"", offsetof(struct host_totals, requests_new)},
    };
    static const struct host_sample connections[] = {
        {"holdfast_upstream_connections", ",state=\"idle\"", offsetof(struct host_totals, idle)},
        {"holdfast_upstream_connections", ",state=\"active\"", offsetof(struct host_totals, active)},
        {"holdfast_upstream_connections", ",state=\"dialing\"", offsetof(struct host_totals, dialing)},
    };
    static const struct host_sample opened[] = {
        {"holdfast_upstream_connections_opened_total", "", offsetof(struct host_totals, connections_opened)}};
    static const struct host_sample closed[] = {
        {"holdfast_upstream_connections_closed_total", "", offsetof(struct host_totals, connections_closed)}};
    static const struct host_sample stale[] = {
        {"holdfast_upstream_stale_total", ",phase=\"check\"", offsetof(struct host_totals, stale)}};

    family(writer, "holdfast_upstream_requests", "counter", "Requests sent to hosts, by whether the connection was kept.");
    write_host_samples(writer, view, requests, COUNT_OF(requests));
    family(writer, "holdfast_upstream_connections", "gauge", "Upstream connections now.");
    write_host_samples(writer, view, connections, COUNT_OF(connections));
    family(writer, "holdfast_upstream_connections_opened", "counter", "Upstream connections made.");
    write_host_samples(writer, view, opened, COUNT_OF(opened));
    family(writer, "holdfast_upstream_connections_closed", "counter", "Upstream connections closed by either side.");
    write_host_samples(writer, view, closed, COUNT_OF(closed));
    family(writer, "holdfast_upstream_stale", "counter", "Kept connections found dead before use.");
    write_host_samples(writer, view, stale, COUNT_OF(stale));
}

static void write_clients(struct json_writer *writer, const struct admin_view *view)
{
    uint64_t opened = 0, closed = 0;

    for (unsigned i = 0; i < view->workers; i++) {
        opened += atomic_load_explicit(&view->frontends[i]->counts.connections_opened, memory_order_relaxed);
        closed += atomic_load_explicit(&view->frontends[i]->counts.connections_closed, memory_order_relaxed);
    }
    family(writer, "holdfast_client_connections", "gauge", "Client connections now.");
    sample(writer, STR("holdfast_client_connections{state=\"open\"}"), opened - closed);
    family(writer, "holdfast_client_connections_opened", "counter", "Client connections accepted.");
    sample(writer, STR("holdfast_client_connections_opened_total"), opened);
}

void metrics_write(struct json_writer *writer, const struct admin_view *view, uint64_t uptime_ns)
{
    write_requests(writer, view);
    write_hosts(writer, view);
    write_clients(writer, view);
    family(writer, "holdfast_uptime_seconds", "gauge", "Since the start.");
    sample(writer, STR("holdfast_uptime_seconds"), uptime_ns / 1000000000u);
    family(writer, "process_resident_memory_bytes", "gauge", "Memory in use.");
    sample(writer, STR("process_resident_memory_bytes"), process_resident_bytes());
    json_write_raw(writer, STR("# EOF\n"));
}
