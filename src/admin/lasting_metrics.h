/* lasting_metrics.h: metrics of exchanges that last: streams and tunnels. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_ADMIN_LASTING_METRICS_H
#define HOLDFAST_ADMIN_LASTING_METRICS_H

#include "admin/admin.h"

#include "json/write.h"

void lasting_metrics_write(struct json_writer *writer, const struct admin_view *view);

#endif
