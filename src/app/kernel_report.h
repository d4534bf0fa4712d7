/* kernel_report.h: start-up lines for what the system gives less of than was asked for.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_APP_KERNEL_REPORT_H
#define HOLDFAST_APP_KERNEL_REPORT_H

#include "gateway/service.h"

/* `workers`: how many there are; `backlog`: asked for by each listener; `files`: the limit of descriptors in force;
 * `refused`: LISTEN_NO_... of the listeners (os/world.h). What else is refused it tries itself (os/wishes.h). */
void kernel_report(const struct service *service, unsigned workers, unsigned backlog, uint64_t files, unsigned refused);

#endif
