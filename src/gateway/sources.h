/* sources.h: are the source addresses of a configuration this machine's? Asked when it is to serve, not when it is
 * checked: that may happen on another machine. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_SOURCES_H
#define HOLDFAST_GATEWAY_SOURCES_H

#include "config/report.h"
#include "gateway/service.h"

/* False: one or more are not, as the report tells. */
bool sources_check(const struct service *service, struct report *report) MUST_USE;

#endif
