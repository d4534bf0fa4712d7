/* log.h: lines for people, levels as KrakenD has them. The sink is set from above; base knows no file.
 *
 *   LOG(LOG_WARNING, "upstream", "host %s: %s", name, err.text);
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_BASE_LOG_H
#define HOLDFAST_BASE_LOG_H

#include "base/compiler.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR, LOG_CRITICAL, LOG_OFF };

/* `area` names the part ("SERVICE: Gin", "ENDPOINT: /x/:id"); the line has no newline or
 * other control bytes (they become '?') and at most 2047 bytes. May be called by any thread. */
typedef void log_sink(enum log_level level, const char *area, const char *line);

void log_set(enum log_level lowest, log_sink *sink); /* at start, before threads; NULL: silence */
bool log_wants(enum log_level level);
void log_write(enum log_level level, const char *area, const char *format, ...) PRINTF_LIKE(3, 4) COLD;
const char *log_level_name(enum log_level level); /* "DEBUG" ... "CRITICAL" */

#define LOG(level, area, ...) (log_wants(level) ? log_write((level), (area), __VA_ARGS__) : (void)0)

#endif
