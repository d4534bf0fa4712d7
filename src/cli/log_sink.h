/* log_sink.h: application log lines on standard output, in the form of KrakenD's basic logger:
 * "2026/11/21 10:20:30 KRAKEND ERROR: [ENDPOINT: /x] text". SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_CLI_LOG_SINK_H
#define HOLDFAST_CLI_LOG_SINK_H

#include "base/log.h"
#include "os/world.h"

/* Lines go to descriptor 1 from now on; the calendar is asked of `world`, which must outlive all logging. */
void log_sink_start(struct world *world, enum log_level lowest);

#endif
