/* totals.h: the workers' numbers, added up while they go on counting. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_ADMIN_TOTALS_H
#define HOLDFAST_ADMIN_TOTALS_H

#include "admin/admin.h"

/* opened = closed + open, at every look. */
/* The sum over the workers of the number that stands `offset` bytes into a struct frontend. */
uint64_t totals_sum(const struct admin_view *view, size_t offset);

struct client_totals {
    uint64_t opened, closed, open, requests;
};
void client_totals_read(const struct admin_view *view, struct client_totals *totals);

/* The host's numbers of one moment, as far as a few tries can get one. In any case connections_opened =
 * connections_closed + idle + active, requests_new = sum of new_by, connections_closed = sum of closes_by, and resends
 * = sum of resends_by: the breakdowns decide. */
void host_totals_read(const struct host *host, struct host_totals *totals);

#endif
