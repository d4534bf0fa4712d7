/* metrics.h: the numbers of the process in OpenMetrics text. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_ADMIN_METRICS_H
#define HOLDFAST_ADMIN_METRICS_H

#include "admin/admin.h"

#include "json/write.h"

/* All families that this version has (names as docs/admin.md lists them). */
void metrics_write(struct json_writer *writer, const struct admin_view *view, uint64_t uptime_ns);

#endif
