/* log_sink.c: where log lines end. SPDX-License-Identifier: Apache-2.0 */
#include "cli/log_sink.h"

#include "cli/flags.h"
#include "observe/access_log.h"

static struct world *calendar; /* set once, before threads */

static void write_line(enum log_level level, const char *area, const char *line)
{
    char time[LOG_TIME_BYTES];
    struct str when = log_time(calendar->ops->wall_ns(calendar), false, time);

    if (area[0])
        print(1, "%.*s KRAKEND %s: [%s] %s\n", STR_ARG(when), log_level_name(level), area, line);
    else
        print(1, "%.*s KRAKEND %s: %s\n", STR_ARG(when), log_level_name(level), line);
}

void log_sink_start(struct world *world, enum log_level lowest)
{
    calendar = world;
    log_set(lowest, write_line);
}
