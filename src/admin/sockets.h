/* sockets.h: the gateway's TCP connections as the kernel has them, in OpenMetrics text: those too that nobody holds a
 * descriptor of any more. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_ADMIN_SOCKETS_H
#define HOLDFAST_ADMIN_SOCKETS_H

#include "admin/admin.h"

#include "json/write.h"

void sockets_write_metrics(struct json_writer *writer, const struct admin_view *view);

#endif
