/* log.c: formats a line and hands it to the sink. SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include "base/assert.h"

#include <stdarg.h>
#include <stdio.h>

enum { LINE_BYTES = 2048 }; /* a longer line is cut and ends in "..." */

/* Written once, before threads start. */
static enum log_level lowest_level = LOG_OFF;
static log_sink *current_sink;

void log_set(enum log_level lowest, log_sink *sink)
{
    lowest_level = sink ? lowest : LOG_OFF;
    current_sink = sink;
}

bool log_wants(enum log_level level)
{
    return level >= lowest_level && level < LOG_OFF;
}

/* A line may quote what a peer sent, which must not start a second line or drive a terminal. */
static void hide_controls(char *line)
{
    for (; *line; line++)
        if ((unsigned char)*line < 0x20 || *line == 0x7f)
            *line = '?';
}

void log_write(enum log_level level, const char *area, const char *format, ...)
{
    char line[LINE_BYTES];
    va_list args;
    int len;

    if (!log_wants(level))
        return;
    va_start(args, format);
    len = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (len < 0)
        return;
    if ((size_t)len >= sizeof line)
        snprintf(line + sizeof line - 4, 4, "...");
    hide_controls(line);
    current_sink(level, area, line);
}

const char *log_level_name(enum log_level level)
{
    static const char *const names[] = {
        [LOG_DEBUG] = "DEBUG", [LOG_INFO] = "INFO",         [LOG_WARNING] = "WARNING",
        [LOG_ERROR] = "ERROR", [LOG_CRITICAL] = "CRITICAL", [LOG_OFF] = "OFF",
    };

    ASSERT((unsigned)level < COUNT_OF(names));
    return names[level];
}
