/* access_log.c: access lines, buffered for each worker. SPDX-License-Identifier: Apache-2.0 */
#include "observe/access_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/text.h"
#include "os/file.h"

enum { BUFFER_BYTES = 65536, LINE_BYTES_MAX = 16384 };
#define FLUSH_AFTER_NS 100000000u

struct access_log {
    struct loop *loop;
    struct task task;
    struct timer timer;
    int fd;
    size_t len;
    char buffer[BUFFER_BYTES];
};

static void flush(struct access_log *log)
{
    if (log->len)
        file_print(log->fd, str_of(log->buffer, log->len));
    log->len = 0;
    timer_clear(log->loop, &log->timer);
}

static void run_flush(struct task *task)
{
    flush(container_of(task, struct access_log, task));
}

struct access_log *access_log_new(struct loop *loop, int fd)
{
    struct access_log *log = malloc(sizeof(*log));

    if (!log)
        return NULL;
    log->loop = loop;
    log->fd = fd;
    log->len = 0;
    log->task = (struct task){.run = run_flush};
    log->timer = (struct timer){.at_ns = TIMER_OFF, .task = &log->task};
    return log;
}

void access_log_free(struct access_log *log)
{
    if (!log)
        return;
    flush(log);
    task_forget(log->loop, &log->task);
    free(log);
}

struct str log_time(uint64_t wall_ns, bool dash, char out[LOG_TIME_BYTES])
{
    time_t seconds = (time_t)(wall_ns / 1000000000u);
    struct tm tm;

    gmtime_r(&seconds, &tm);
    return str_of(out, strftime(out, LOG_TIME_BYTES, dash ? "%Y/%m/%d - %H:%M:%S" : "%Y/%m/%d %H:%M:%S", &tm));
}

/* Go's %q: quotes, backslashes and controls are escaped, so that a target cannot forge a line. */
static size_t quote(struct str text, char *out, size_t room)
{
    size_t len = 0;

    out[len++] = '"';
    for (size_t i = 0; i < text.len && len + 6 < room; i++) {
        unsigned char c = (unsigned char)text.data[i];

        if (c == '"' || c == '\\') {
            out[len++] = '\\';
            out[len++] = (char)c;
        } else if (c < 0x20 || c >= 0x7f) {
            len += (size_t)snprintf(out + len, 5, "\\x%02x", c);
        } else {
            out[len++] = (char)c;
        }
    }
    out[len++] = '"';
    return len;
}

void access_log_write(struct access_log *log, const struct access_entry *entry)
{
    char date[LOG_TIME_BYTES], took[DURATION_TEXT_BYTES];
    struct str when = log_time(entry->wall_ns, true, date);
    struct str duration = text_from_duration((int64_t)entry->took_ns, took);
    size_t room;
    int written;

    if (BUFFER_BYTES - log->len < LINE_BYTES_MAX)
        flush(log);
    room = LINE_BYTES_MAX;
    written = snprintf(log->buffer + log->len, room, "[GIN] %.*s | %3u | %8.*s | %15.*s | %-7.*s  ", STR_ARG(when),
                       entry->status, STR_ARG(duration), STR_ARG(entry->client_ip),
                       STR_ARG(str_first(entry->method, 64)));
    log->len += size_min((size_t)written, room / 4);
    log->len += quote(str_first(entry->target, room / 8), log->buffer + log->len, room / 2);
    if (entry->error)
        log->len += (size_t)snprintf(log->buffer + log->len, 512, "\nError #01: %s", entry->error);
    log->buffer[log->len++] = '\n';
    if (log->timer.at_ns == TIMER_OFF)
        timer_set(log->loop, &log->timer, loop_now_ns(log->loop) + FLUSH_AFTER_NS);
}
