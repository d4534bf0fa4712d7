/* seconds.h: the bounds that histograms of time have, the same for all, so that they can be added up and compared: what
 * OpenTelemetry has for HTTP (5 ms to 10 s), and on to an hour, as connections live longer than requests.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_OBSERVE_SECONDS_H
#define HOLDFAST_OBSERVE_SECONDS_H

#include <stddef.h>
#include <stdint.h>

enum { SECONDS_BOUNDS = 20 };

const uint32_t *seconds_bounds_ms(void);       /* upper ones, inclusive, growing */
const char *seconds_bound_name(size_t number); /* in seconds, as OpenMetrics writes them */

#endif
