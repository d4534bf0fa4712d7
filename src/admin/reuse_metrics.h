/* reuse_metrics.h: histograms of dwell times, and what is learned of each host, in OpenMetrics text.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_ADMIN_REUSE_METRICS_H
#define HOLDFAST_ADMIN_REUSE_METRICS_H

#include "admin/admin.h"

#include "json/write.h"

void reuse_metrics_write(struct json_writer *writer, const struct admin_view *view);

#endif
