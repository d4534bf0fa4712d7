/* lasting_metrics.c: see the header. Close codes appear with their first close. Start with lasting_metrics_write.
 * SPDX-License-Identifier: Apache-2.0 */
#include "admin/lasting_metrics.h"

#include "admin/metrics_text.h"
#include "admin/totals.h"
#include "base/text.h"
#include "gateway/websocket.h"

#define AT(field) offsetof(struct frontend, counts.field)

static void write_one(struct json_writer *writer, const struct admin_view *view, const char *family, const char *type,
                      const char *help, const char *sample, size_t offset)
{
    metrics_family(writer, family, type, help);
    metrics_sample(writer, sample, NULL, 0, totals_sum(view, offset));
}

static void write_by_side(struct json_writer *writer, const struct admin_view *view, const char *family,
                          const char *help, const char *sample, size_t offset)
{
    static const char *const sides[] = {"client", "host"};

    metrics_family(writer, family, "counter", help);
    for (size_t i = 0; i < COUNT_OF(sides); i++) {
        struct label label = {"from", str_from(sides[i])};

        metrics_sample(writer, sample, &label, 1, totals_sum(view, offset + i * sizeof(uint64_t)));
    }
}

static void write_closes(struct json_writer *writer, const struct admin_view *view)
{
    static const char *const by[TUNNEL_BYS] = {"client", "host", "ours"};

    metrics_family(writer, "holdfast_tunnel_closes", "counter",
                   "WebSockets that ended, by who began it and with which close code (1006: without one).");
    for (size_t who = 0; who < TUNNEL_BYS; who++)
        for (unsigned slot = 0; slot < TUNNEL_CODES; slot++) {
            size_t offset = AT(tunnel_closes) + (who * TUNNEL_CODES + slot) * sizeof(uint64_t);
            uint64_t number = totals_sum(view, offset);
            struct label labels[] = {{"by", str_from(by[who])}, {"code", str_from(websocket_code_name(slot))}};

            if (number > 0)
                metrics_sample(writer, "holdfast_tunnel_closes_total", labels, COUNT_OF(labels), number);
        }
}

static void write_grpc(struct json_writer *writer, const struct admin_view *view)
{
    char digits[NUMBER_TEXT_BYTES];

    metrics_family(
        writer, "holdfast_grpc_errors", "counter",
        "Calls of gRPC whose status was said by the gateway, in place of a host's or behind what it had said.");
    for (unsigned status = 0; status < GRPC_STATUSES; status++) {
        uint64_t number = totals_sum(view, AT(grpc_errors) + status * sizeof(uint64_t));
        struct label label = {"status", str_of(digits, text_from_u64(status, digits))};

        if (number > 0)
            metrics_sample(writer, "holdfast_grpc_errors_total", &label, 1, number);
    }
}

void lasting_metrics_write(struct json_writer *writer, const struct admin_view *view)
{
    write_one(writer, view, "holdfast_streams", "gauge", "Answers of class stream under way.", "holdfast_streams",
              AT(streams_open));
    write_one(writer, view, "holdfast_streams_opened", "counter", "Answers of class stream that have begun.",
              "holdfast_streams_opened_total", AT(streams));
    write_one(writer, view, "holdfast_streams_refused", "counter",
              "Streams and tunnels over max_streams_per_ip or max_open.", "holdfast_streams_refused_total",
              AT(lasting_refused));
    write_one(writer, view, "holdfast_tunnels", "gauge", "WebSockets that are open.", "holdfast_tunnels",
              AT(tunnels_open));
    write_one(writer, view, "holdfast_tunnels_opened", "counter", "WebSockets that were opened.",
              "holdfast_tunnels_opened_total", AT(tunnels));
    write_by_side(writer, view, "holdfast_tunnel_bytes", "Bytes of frames that passed through WebSockets.",
                  "holdfast_tunnel_bytes_total", AT(tunnel_bytes));
    write_by_side(writer, view, "holdfast_tunnel_messages", "Whole messages that passed through WebSockets.",
                  "holdfast_tunnel_messages_total", AT(tunnel_messages));
    write_closes(writer, view);
    write_grpc(writer, view);
}
