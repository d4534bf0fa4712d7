/* h2_metrics.c: errors and glitches appear with their first time. Start with h2_metrics_write.
 * SPDX-License-Identifier: Apache-2.0 */
#include "admin/h2_metrics.h"

#include "admin/metrics_text.h"
#include "admin/totals.h"

#define AT(field)        offsetof(struct frontend, h2_counts.field)
#define SUM(view, field) totals_sum((view), AT(field))

static void write_number(struct json_writer *writer, const char *family, const char *name, const char *help,
                         uint64_t number)
{
    metrics_family(writer, family, "counter", help);
    metrics_sample(writer, name, NULL, 0, number);
}

static void write_errors(struct json_writer *writer, const struct admin_view *view, const char *name, size_t offset)
{
    for (unsigned code = 0; code < H2_ERRORS; code++) {
        uint64_t number = totals_sum(view, offset + code * sizeof(uint64_t));
        struct label label = {"code", str_from(h2_error_name(code))};

        if (number > 0)
            metrics_sample(writer, name, &label, 1, number);
    }
}

static void write_glitches(struct json_writer *writer, const struct admin_view *view)
{
    metrics_family(writer, "holdfast_http2_glitches", "counter", "What HTTP/2 clients did that takes of their budget.");
    for (int glitch = 0; glitch < H2_GLITCHES; glitch++) {
        uint64_t number = totals_sum(view, AT(glitches) + (size_t)glitch * sizeof(uint64_t));
        struct label label = {"kind", str_from(h2_glitch_name((enum h2_glitch)glitch))};

        if (number > 0)
            metrics_sample(writer, "holdfast_http2_glitches_total", &label, 1, number);
    }
}

void h2_metrics_write(struct json_writer *writer, const struct admin_view *view)
{
    write_number(writer, "holdfast_http2_connections", "holdfast_http2_connections_total",
                 "HTTP/2 connections of clients.", SUM(view, connections));
    write_number(writer, "holdfast_http2_streams", "holdfast_http2_streams_total", "Requests on them.",
                 SUM(view, streams));
    write_number(writer, "holdfast_http2_client_resets", "holdfast_http2_client_resets_total",
                 "RST_STREAM frames that clients sent.", SUM(view, peer_resets));
    write_number(writer, "holdfast_http2_exhausted", "holdfast_http2_exhausted_total",
                 "Connections whose budget of glitches was used up.", SUM(view, exhausted));
    metrics_family(writer, "holdfast_http2_resets", "counter", "RST_STREAM frames sent, by error code.");
    write_errors(writer, view, "holdfast_http2_resets_total", AT(stream_errors));
    metrics_family(writer, "holdfast_http2_goaways", "counter", "GOAWAY frames sent, by error code.");
    write_errors(writer, view, "holdfast_http2_goaways_total", AT(connection_errors));
    write_glitches(writer, view);
}
