/* sources.h: are the source addresses of a configuration this machine's, and may we mark packets as it says? Asked
 * when it is to serve, not when it is checked: that may happen on another machine.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_SOURCES_H
#define HOLDFAST_GATEWAY_SOURCES_H

#include "config/report.h"
#include "gateway/service.h"

/* False: not all is as the configuration wants it, as the report tells. */
bool sources_check(const struct service *service, struct report *report) MUST_USE;

#endif
