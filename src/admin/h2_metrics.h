/* h2_metrics.h: what HTTP/2 connections of clients did, in OpenMetrics text. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_ADMIN_H2_METRICS_H
#define HOLDFAST_ADMIN_H2_METRICS_H

#include "admin/admin.h"

#include "json/write.h"

void h2_metrics_write(struct json_writer *writer, const struct admin_view *view);

#endif
