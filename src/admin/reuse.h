/* reuse.h: what is known of a host beside its counters, as JSON: the learned idle limit, dwell times, the what-if
 * table. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_ADMIN_REUSE_H
#define HOLDFAST_ADMIN_REUSE_H

#include "admin/admin.h"

#include "json/write.h"

/* The members `learner`, `dwell` and `what_if`, each behind a comma. */
void reuse_write(struct json_writer *writer, const struct host *host);

/* The page /v1/whatif: the whole table of every host. */
void whatif_write(struct json_writer *writer, const struct admin_view *view);

#endif
