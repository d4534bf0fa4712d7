/* access_json.h: an access line as JSON, for access_log.c. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_OBSERVE_ACCESS_JSON_H
#define HOLDFAST_OBSERVE_ACCESS_JSON_H

#include "observe/access_log.h"

enum {
    ACCESS_TARGET_BYTES_MAX = 8192, /* as many as a request line can have: only what is longer is cut */
    ACCESS_ERROR_BYTES_MAX = 512,
    ACCESS_HOST_BYTES_MAX = 512,
    ACCESS_PROXY_BYTES_MAX = 256, /* of each thing that a PROXY header says */
    ACCESS_JSON_BYTES_MAX = 2048 + 6 * (ACCESS_TARGET_BYTES_MAX + ACCESS_ERROR_BYTES_MAX + ACCESS_HOST_BYTES_MAX +
                                        4 * ACCESS_PROXY_BYTES_MAX),
};

/* The line with its end. `out` has room for ACCESS_JSON_BYTES_MAX. Returns its length. */
size_t access_json_write(const struct access_entry *entry, char *out);

#endif
