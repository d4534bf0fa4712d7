/* tls_metrics.h: what TLS does for clients, in OpenMetrics text. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_ADMIN_TLS_METRICS_H
#define HOLDFAST_ADMIN_TLS_METRICS_H

#include "admin/admin.h"

#include "json/write.h"

/* Nothing when no listener has TLS. */
void tls_metrics_write(struct json_writer *writer, const struct admin_view *view);

#endif
