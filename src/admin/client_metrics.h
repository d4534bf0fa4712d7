/* client_metrics.h: how client connections end and how long they were used, in OpenMetrics text.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_ADMIN_CLIENT_METRICS_H
#define HOLDFAST_ADMIN_CLIENT_METRICS_H

#include "admin/admin.h"

#include "json/write.h"

void client_metrics_write(struct json_writer *writer, const struct admin_view *view);

#endif
