/* conservation.h: do the ledger's sums add up? Asked at each scrape. Workers count without locks, so one look may come
 * between two counts of one event: only what is missing at three looks in a row, in the same amount, is missing.
 *
 * For each worker opened + moved_in = closed + idle + active + moved_out; new = the sum of new_by; closed = the sum of
 * closes_by; resends = the sum of resends_by. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_ADMIN_CONSERVATION_H
#define HOLDFAST_ADMIN_CONSERVATION_H

#include "upstream/host.h"

struct conservation;

struct conservation *conservation_new(void);               /* NULL: no memory */
void conservation_free(struct conservation *conservation); /* NULL is fine */

/* One look at all hosts and workers. A mismatch counts, and the first of a host and worker is logged. Looks less than
 * half a second apart are one. NULL is fine. */
void conservation_check(struct conservation *conservation, struct hosts *hosts, unsigned workers, uint64_t now_ns);

uint64_t conservation_mismatches(const struct conservation *conservation); /* ever; NULL: 0 */

#endif
