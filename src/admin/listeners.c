/* listeners.c: see the header. Listeners that are written alike (port 0) are one in the metrics, as two series of one
 * name cannot be. SPDX-License-Identifier: Apache-2.0 */
#include "admin/listeners.h"

#include "admin/metrics_text.h"
#include "base/text.h"

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
        if (is_at(&view->listeners[i], name))
            return (int)i;
    for (size_t i = 0; i < server->listener_count; i++)
        if (str_eq(server->listeners[i].listen, name))
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

void listeners_write(struct json_writer *writer, const struct admin_view *view)
{
    json_write_raw(writer, STR(",\"listeners\":["));
    for (size_t i = 0; i < server_of(view)->listener_count; i++) {
        if (i > 0)
            json_write_raw(writer, STR(","));
        write_one(writer, view, i);
    }
    json_write_raw(writer, STR("]"));
}

static bool is_repeated(const struct admin_view *view, size_t number)
{
    const struct listener_options *listeners = server_of(view)->listeners;

    for (size_t i = 0; i < number; i++)
        if (str_eq(listeners[i].listen, listeners[number].listen))
            return true;
    return false;
}

static uint64_t draining_of(const struct admin_view *view, size_t number)
{
    return view->listeners[number].state != LISTENER_OPEN;
}

static void write_gauge(struct json_writer *writer, const struct admin_view *view, const char *family, const char *help,
                        uint64_t (*number_of)(const struct admin_view *view, size_t number))
{
    const struct server_options *server = server_of(view);

    metrics_family(writer, family, "gauge", help);
    for (size_t i = 0; i < server->listener_count; i++) {
        struct label label = {"listener", server->listeners[i].listen};
        uint64_t sum = 0;

        for (size_t k = i; k < server->listener_count; k++)
            if (str_eq(server->listeners[k].listen, label.value))
                sum += number_of(view, k);
        if (!is_repeated(view, i))
            metrics_sample(writer, family, &label, 1, sum);
    }
}

void listeners_write_metrics(struct json_writer *writer, const struct admin_view *view)
{
    write_gauge(writer, view, "holdfast_listener_connections", "Client connections by listener, now.", open_at);
    write_gauge(writer, view, "holdfast_listener_draining", "Listeners that take nobody any more.", draining_of);
}
