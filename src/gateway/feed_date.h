/* feed_date.h: dates of feeds. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_FEED_DATE_H
#define HOLDFAST_GATEWAY_FEED_DATE_H

#include "base/arena.h"

/* A date of RFC 822 or RFC 3339 (and near ones) in UTC as "2006-01-02T15:04:05Z". data NULL: it is none of these, or no
 * room. */
struct str feed_date(struct arena *arena, struct str text);

#endif
