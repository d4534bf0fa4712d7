/* status_table.h: a worker's answers by endpoint and status. The worker counts, and the thread that shows them reads at
 * any time; a table with room for more takes its place when a generation has more endpoints (reign.h).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_STATUS_TABLE_H
#define HOLDFAST_GATEWAY_STATUS_TABLE_H

#include <stdbool.h>
#include <stdint.h>

enum { STATUS_SLOTS = 1000 }; /* a status has three digits (RFC 9110 15) */

struct status_table;

/* For endpoints with slots below `room` (tally.h). NULL: no memory. */
struct status_table *status_table_new(uint32_t room);

/* `all`: with the numbers too, which a successor has else. NULL is fine. */
void status_table_free(struct status_table *table, bool all);

/* `next`, which is empty and has as much room or more, goes on with the numbers of `before`, which is then to be freed
 * without them. */
void status_table_succeed(const struct status_table *before, struct status_table *next);

void status_table_count(struct status_table *table, uint32_t slot, uint16_t status);

/* Adds the endpoint's numbers. A table without the slot has none yet. */
void status_table_add(const struct status_table *table, uint32_t slot, uint64_t sums[STATUS_SLOTS]);

#endif
