/* metrics_text.h: lines of OpenMetrics 1.0 text. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_ADMIN_METRICS_TEXT_H
#define HOLDFAST_ADMIN_METRICS_TEXT_H

#include "json/write.h"

struct label {
    const char *name;
    struct str value;
};

/* "# TYPE" and "# HELP"; the family's samples follow. */
void metrics_family(struct json_writer *writer, const char *name, const char *type, const char *help);

/* name{label="value",...} number */
void metrics_sample(struct json_writer *writer, const char *name, const struct label *labels, size_t count,
                    uint64_t number);
void metrics_sample_double(struct json_writer *writer, const char *name, const struct label *labels, size_t count,
                           double number);

#endif
