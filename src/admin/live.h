/* live.h: the page for a browser. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_ADMIN_LIVE_H
#define HOLDFAST_ADMIN_LIVE_H

#include "json/write.h"

/* The whole page. It asks for /v1/status and /v1/pools once a second by itself. */
void live_write(struct json_writer *writer);

#endif
