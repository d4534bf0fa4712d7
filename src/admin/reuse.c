/* reuse.c: learner, dwell times and what-if tables as JSON. Start with reuse_write.
 * SPDX-License-Identifier: Apache-2.0 */
#include "admin/reuse.h"

#include "admin/members.h"
#include "upstream/host_leave.h"
#include "upstream/watch.h"

static const char *kind_name(enum idle_limit_kind kind)
{
    switch (kind) {
    case IDLE_LIMIT_UNKNOWN:
        return "unknown";
    case IDLE_LIMIT_HINT:
        return "hint";
    case IDLE_LIMIT_LEARNED:
        return "learned";
    case IDLE_LIMIT_CONFIGURED:
        break;
    }
    return "configured";
}

static void write_learner(struct json_writer *writer, const struct idle_limit_view *limit)
{
    bool first = true;

    json_write_raw(writer, STR(",\"learner\":{"));
    member_text(writer, &first, "kind", kind_name(limit->kind));
    member_seconds(writer, &first, "learned_seconds", limit->learned_ns, 0);
    member_seconds(writer, &first, "proven_seconds", limit->proven_ns, 0);
    member_seconds(writer, &first, "margin_seconds", limit->margin_ns, UINT64_MAX);
    member_seconds(writer, &first, "usable_seconds", limit->usable_ns, UINT64_MAX);
    member_seconds(writer, &first, "any_request_seconds", limit->any_ns, UINT64_MAX);
    member_seconds(writer, &first, "hint_seconds", limit->hint_ns, UINT64_MAX);
    member_bool(writer, &first, "hint_trusted", limit->hint_trusted);
    member_u64(writer, &first, "hint_contradictions", limit->contradictions);
    member_u64(writer, &first, "requests_max", limit->requests_max);
    member_u64(writer, &first, "survivals", limit->survivals);
    member_u64(writer, &first, "closes", limit->closes);
    member_u64(writer, &first, "stale_hits", limit->stale_hits);
    member_u64(writer, &first, "restarts", limit->restarts);
    member_u64(writer, &first, "sentinels", limit->sentinels);
    member_u64(writer, &first, "generation", limit->generation);
    json_write_raw(writer, STR("}"));
}

static const struct {
    const char *name;
    enum dwell_kind kind;
} dwells[] = {
    {"idle_at_reuse", DWELL_REUSE},
    {"idle_at_close_ours", DWELL_CLOSE_OURS},
    {"idle_at_close_peer", DWELL_CLOSE_PEER},
    {"connection_age", DWELL_AGE},
    {"connection_requests", DWELL_REQUESTS},
    {"queue_wait", DWELL_QUEUE},
    {"connect", DWELL_CONNECT},
    {"tls_full", DWELL_TLS_FULL},
    {"tls_resumed", DWELL_TLS_SHORT},
    {"first_byte", DWELL_FIRST_BYTE},
};

/* Times in seconds; requests as they are. */
static void write_dwell(struct json_writer *writer, const struct host *host, enum dwell_kind kind)
{
    double unit = kind == DWELL_REQUESTS ? (double)DWELL_ONE : 1e9;
    struct dwell_view view = {0};
    bool first = true;

    watch_dwell(host, kind, &view);
    json_write_raw(writer, STR("{"));
    member_u64(writer, &first, "count", view.count);
    member_double(writer, &first, "mean", view.count ? (double)view.sum / unit / (double)view.count : 0);
    member_double(writer, &first, "p50", (double)dwell_quantile(&view, 0.5) / unit);
    member_double(writer, &first, "p90", (double)dwell_quantile(&view, 0.9) / unit);
    member_double(writer, &first, "p99", (double)dwell_quantile(&view, 0.99) / unit);
    json_write_raw(writer, STR("}"));
}

static void write_dwells(struct json_writer *writer, const struct host *host)
{
    bool first = true;

    json_write_raw(writer, STR(",\"dwell\":{"));
    for (size_t i = 0; i < COUNT_OF(dwells); i++) {
        member_name(writer, &first, dwells[i].name);
        write_dwell(writer, host, dwells[i].kind);
    }
    json_write_raw(writer, STR("}"));
}

/* Rows and columns of the table to show. */
struct grid {
    const uint8_t *caps, *times;
    size_t cap_count, time_count;
};

static void write_axes(struct json_writer *writer, const struct grid *grid, bool *first)
{
    bool first_cap = true, first_time = true;

    member_name(writer, first, "caps");
    json_write_raw(writer, STR("["));
    for (size_t i = 0; i < grid->cap_count; i++)
        member_u64(writer, &first_cap, NULL, whatif_cap(grid->caps[i]));
    json_write_raw(writer, STR("]"));
    member_name(writer, first, "idle_seconds");
    json_write_raw(writer, STR("["));
    for (size_t i = 0; i < grid->time_count; i++)
        member_seconds(writer, &first_time, NULL, whatif_time_ns(grid->times[i]), UINT64_MAX);
    json_write_raw(writer, STR("]"));
}

/* To four digits. */
static double share_of(uint64_t part, uint64_t all)
{
    return all ? (double)(part * 10000 / all) / 10000 : 0;
}

static void write_grid(struct json_writer *writer, const struct whatif_view *view, const struct grid *grid)
{
    bool first = true, first_row = true;

    json_write_raw(writer, STR("{"));
    member_u64(writer, &first, "requests", view->requests);
    write_axes(writer, grid, &first);
    member_name(writer, &first, "reuse_ratio");
    json_write_raw(writer, STR("["));
    for (size_t cap = 0; cap < grid->cap_count; cap++) {
        bool first_cell = true;

        member_name(writer, &first_row, NULL);
        json_write_raw(writer, STR("["));
        for (size_t time = 0; time < grid->time_count; time++)
            member_double(writer, &first_cell, NULL,
                          share_of(view->table[grid->caps[cap]][grid->times[time]], view->requests));
        json_write_raw(writer, STR("]"));
    }
    json_write_raw(writer, STR("]}"));
}

static void read_table(const struct host *host, const struct idle_limit_view *limit, struct whatif_view *view)
{
    *view = (struct whatif_view){0};
    watch_whatif(host, view);
    if (view->requests > 0)
        whatif_settle(view, limit->learned_ns);
}

/* A picture's worth: caps 1 to 1024, times 10 ms to never. */
static void write_what_if(struct json_writer *writer, const struct host *host, const struct idle_limit_view *limit)
{
    static const uint8_t caps[] = {0, 1, 3, 7, 11, 15, 18, 22, 26, 31};
    static const uint8_t times[] = {5, 11, 16, 18, 20, 24, 28, 30, 35, 41, 45, 50, 59, 63};
    struct whatif_view view;

    read_table(host, limit, &view);
    json_write_raw(writer, STR(",\"what_if\":"));
    if (view.requests > 0)
        write_grid(writer, &view, &(struct grid){caps, times, COUNT_OF(caps), COUNT_OF(times)});
    else
        json_write_raw(writer, STR("null"));
}

void reuse_write(struct json_writer *writer, const struct host *host)
{
    struct idle_limit_view limit;

    idle_limit_view(host->idle_limit, &limit);
    write_learner(writer, &limit);
    write_dwells(writer, host);
    write_what_if(writer, host, &limit);
}

static void write_whole(struct json_writer *writer, const struct host *host)
{
    uint8_t caps[WHATIF_CAPS], times[WHATIF_TIMES];
    struct idle_limit_view limit;
    struct whatif_view view;

    for (uint8_t i = 0; i < WHATIF_CAPS; i++)
        caps[i] = i;
    for (uint8_t i = 0; i < WHATIF_TIMES; i++)
        times[i] = i;
    idle_limit_view(host->idle_limit, &limit);
    read_table(host, &limit, &view);
    json_write_raw(writer, STR("{\"host\":"));
    json_write_string(writer, host->label);
    json_write_raw(writer, STR(",\"what_if\":"));
    write_grid(writer, &view, &(struct grid){caps, times, WHATIF_CAPS, WHATIF_TIMES});
    json_write_raw(writer, STR("}"));
}

void whatif_write(struct json_writer *writer, const struct admin_view *view)
{
    bool first = true;

    json_write_raw(writer, STR("{\"hosts\":["));
    for (uint32_t i = 0; i < hosts_count(view->hosts); i++) {
        const struct host *host = hosts_shown(view->hosts, i);

        if (!host)
            continue;
        member_name(writer, &first, NULL);
        write_whole(writer, host);
    }
    json_write_raw(writer, STR("]}\n"));
}
