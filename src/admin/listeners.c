/* listeners.c: see the header. Listeners that are written alike (port 0) are one in the metrics, as two series of one
 * name cannot be. SPDX-License-Identifier: Apache-2.0 */
#include "admin/listeners.h"

#include "admin/metrics_text.h"
#include "admin/totals.h"
#include "base/text.h"

#include <string.h>

enum { LOOKS_MAX = 16 };

static const struct server_options *server_of(const struct admin_view *view)
{
    return &generation_service(view->generation)->server;
}

bool listeners_asked(struct arena *arena, struct str query, struct str *name)
{
    struct str key;

    return str_split(&query, '=', &key) && str_eq(key, STR("listener")) &&
           text_percent_decode(arena, query, false, name, NULL) && name->len > 0;
}

static bool is_at(const struct admin_listener *listener, struct str name)
{
    char text[ADDR_TEXT_BYTES];

    return str_eq(addr_format(&listener->addr, text), name);
}

int listeners_find(const struct admin_view *view, struct str name)
{
    const struct server_options *server = server_of(view);
    int found = LISTENER_NONE;

    for (size_t i = 0; i < server->listener_count; i++)
        if (!view->listeners[i].gone && is_at(&view->listeners[i], name))
            return (int)i;
    for (size_t i = 0; i < server->listener_count; i++)
        if (!view->listeners[i].gone && str_eq(server->listeners[i].listen, name))
            found = found == LISTENER_NONE ? (int)i : LISTENER_MANY;
    return found;
}

static uint64_t open_at(const struct admin_view *view, size_t number)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < view->workers; i++)
        sum += atomic_load_explicit(&view->frontends[i]->open_by[number], memory_order_relaxed);
    return sum;
}

static void write_one(struct json_writer *writer, const struct admin_view *view, size_t number)
{
    char text[ADDR_TEXT_BYTES];

    json_write_raw(writer, STR("{\"listen\":"));
    json_write_string(writer, server_of(view)->listeners[number].listen);
    json_write_raw(writer, STR(",\"address\":"));
    json_write_string(writer, addr_format(&view->listeners[number].addr, text));
    json_write_raw(writer, STR(",\"connections\":"));
    json_write_u64(writer, open_at(view, number));
    json_write_raw(writer, view->listeners[number].state == LISTENER_OPEN ? STR(",\"draining\":false}")
                                                                          : STR(",\"draining\":true}"));
}

/* One that a configuration has left out is told of while somebody is there. */
static bool is_over(const struct admin_view *view, size_t number)
{
    return view->listeners[number].gone && open_at(view, number) == 0;
}

void listeners_write(struct json_writer *writer, const struct admin_view *view)
{
    bool first = true;

    json_write_raw(writer, STR(",\"listeners\":["));
    for (size_t i = 0; i < server_of(view)->listener_count; i++) {
        if (is_over(view, i))
            continue;
        if (!first)
            json_write_raw(writer, STR(","));
        write_one(writer, view, i);
        first = false;
    }
    json_write_raw(writer, STR("]"));
}

bool listeners_is_repeated(const struct admin_view *view, size_t number)
{
    const struct listener_options *listeners = server_of(view)->listeners;

    for (size_t i = 0; i < number; i++)
        if (str_eq(listeners[i].listen, listeners[number].listen))
            return true;
    return false;
}

/* Connections of one listener, now. */
struct door_count {
    uint64_t open, active;
};

static void look(const struct admin_view *view, struct client_totals *totals, struct door_count *doors)
{
    size_t count = server_of(view)->listener_count;

    client_totals_read(view, totals);
    for (size_t i = 0; i < count; i++) {
        doors[i] = (struct door_count){.open = open_at(view, i)};
        for (unsigned k = 0; k < view->workers; k++)
            doors[i].active += atomic_load_explicit(&view->frontends[k]->busy_by[i], memory_order_relaxed);
    }
}

/* What a worker has counted in one place and not yet in the other must not show: the totals decide. */
static void settle(const struct client_totals *totals, struct door_count *doors, size_t count)
{
    uint64_t left = totals->open;

    for (size_t i = 0; i < count; i++) {
        doors[i].open = i + 1 < count ? u64_min(doors[i].open, left) : left;
        doors[i].active = u64_min(doors[i].active, doors[i].open);
        left -= doors[i].open;
    }
}

/* Two looks that agree had no change between them. */
static void read_doors(const struct admin_view *view, struct client_totals *totals, struct door_count *doors,
                       struct door_count *before)
{
    size_t count = server_of(view)->listener_count;
    struct client_totals last;
    int looks = 1;

    look(view, totals, doors);
    do {
        last = *totals;
        memcpy(before, doors, count * sizeof(*doors));
        look(view, totals, doors);
    } while (++looks < LOOKS_MAX && (last.opened != totals->opened || last.closed != totals->closed ||
                                     memcmp(before, doors, count * sizeof(*doors)) != 0));
    settle(totals, doors, count);
}

static void write_states(struct json_writer *writer, const struct admin_view *view, const struct door_count *doors)
{
    const struct server_options *server = server_of(view);

    metrics_family(writer, "holdfast_client_connections", "gauge", "Client connections now.");
    for (size_t i = 0; i < server->listener_count; i++) {
        struct label idle[] = {{"listener", server->listeners[i].listen}, {"state", STR("idle")}};
        struct label active[] = {idle[0], {"state", STR("active")}};
        struct door_count sum = {0};

        if (listeners_is_repeated(view, i))
            continue;
        for (size_t k = i; k < server->listener_count; k++)
            if (str_eq(server->listeners[k].listen, idle[0].value)) {
                sum.open += doors[k].open;
                sum.active += doors[k].active;
            }
        metrics_sample(writer, "holdfast_client_connections", idle, COUNT_OF(idle), sum.open - sum.active);
        metrics_sample(writer, "holdfast_client_connections", active, COUNT_OF(active), sum.active);
    }
}

static void write_connections(struct json_writer *writer, const struct admin_view *view)
{
    size_t count = server_of(view)->listener_count;
    struct door_count *doors = arena_array(writer->arena, struct door_count, 2 * count);
    struct client_totals totals;

    if (!doors) {
        writer->failed = true;
        return;
    }
    read_doors(view, &totals, doors, doors + count);
    write_states(writer, view, doors);
    metrics_family(writer, "holdfast_client_connections_opened", "counter", "Client connections accepted.");
    metrics_sample(writer, "holdfast_client_connections_opened_total", NULL, 0, totals.opened);
    metrics_family(writer, "holdfast_client_connections_closed", "counter",
                   "Client connections closed by either side.");
    metrics_sample(writer, "holdfast_client_connections_closed_total", NULL, 0, totals.closed);
}

static void write_draining(struct json_writer *writer, const struct admin_view *view)
{
    const struct server_options *server = server_of(view);

    metrics_family(writer, "holdfast_listener_draining", "gauge", "Listeners that take nobody any more.");
    for (size_t i = 0; i < server->listener_count; i++) {
        struct label label = {"listener", server->listeners[i].listen};
        uint64_t sum = 0;
        bool told = false;

        for (size_t k = i; k < server->listener_count && !listeners_is_repeated(view, i); k++) {
            if (is_over(view, k) || !str_eq(server->listeners[k].listen, label.value))
                continue;
            sum += view->listeners[k].state != LISTENER_OPEN;
            told = true;
        }
        if (told)
            metrics_sample(writer, "holdfast_listener_draining", &label, 1, sum);
    }
}

void listeners_write_metrics(struct json_writer *writer, const struct admin_view *view)
{
    write_connections(writer, view);
    write_draining(writer, view);
}
