/* access_log.c: access lines, gathered in a buffer of each worker. SPDX-License-Identifier: Apache-2.0 */
#include "observe/access_log.h"

#include "base/text.h"
#include "observe/access_json.h"
#include "os/file.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    BUFFER_BYTES = 65536,
    FRONT_BYTES = 512, /* date, status, time taken, address, method */
    TARGET_BYTES_MAX = ACCESS_TARGET_BYTES_MAX,
    ESCAPED_BYTES = 4, /* what one byte can become: "\x1b" */
    ERROR_BYTES_MAX = ACCESS_ERROR_BYTES_MAX,
    EXTRA_BYTES = 64, /* quotes, ends of lines, "Error #01: ", "..." */
};
static_assert(FRONT_BYTES + ESCAPED_BYTES * (TARGET_BYTES_MAX + ERROR_BYTES_MAX) + EXTRA_BYTES < BUFFER_BYTES,
              "a flush makes room for any line");

#define SECOND_NS      UINT64_C(1000000000)
#define FLUSH_AFTER_NS (SECOND_NS / 10)

struct access_log {
    struct loop *loop;
    struct task task;
    struct timer timer;
    int fd;
    uint64_t second; /* which `date` tells; there are many lines to a second */
    char date[LOG_TIME_BYTES];
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
    log->second = UINT64_MAX;
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
    time_t seconds = (time_t)(wall_ns / SECOND_NS);
    struct tm tm;

    gmtime_r(&seconds, &tm);
    return str_of(out, strftime(out, LOG_TIME_BYTES, dash ? "%Y/%m/%d - %H:%M:%S" : "%Y/%m/%d %H:%M:%S", &tm));
}

static const char *date_of(struct access_log *log, uint64_t wall_ns)
{
    if (wall_ns / SECOND_NS != log->second)
        (void)log_time(wall_ns, true, log->date);
    log->second = wall_ns / SECOND_NS;
    return log->date;
}

/* Go writes these controls by a letter. */
static char letter_of(unsigned char c)
{
    return c >= 0x07 && c <= 0x0d ? "abtnvfr"[c - 0x07] : '\0';
}

/* One byte as Go's %q has it; what is not ASCII by its number too, so that a line cannot hide anything. */
static size_t put_escaped(unsigned char c, char *out)
{
    static const char digits[] = "0123456789abcdef";

    if (c >= 0x20 && c < 0x7f) {
        out[0] = (char)c;
        return 1;
    }
    out[0] = '\\';
    out[1] = letter_of(c);
    if (out[1])
        return 2;
    out[1] = 'x';
    out[2] = digits[c >> 4];
    out[3] = digits[c & 0x0f];
    return ESCAPED_BYTES;
}

static void put(struct access_log *log, struct str text)
{
    memcpy(log->buffer + log->len, text.data, text.len);
    log->len += text.len;
}

/* Controls must not forge a line; `quotes`: nor a quoted text's end. A text that is too long ends in "...". */
static void put_hostile(struct access_log *log, struct str text, size_t len_max, bool quotes)
{
    struct str shown = str_first(text, len_max);

    for (size_t i = 0; i < shown.len; i++) {
        char c = shown.data[i];

        if (quotes && (c == '"' || c == '\\'))
            log->buffer[log->len++] = '\\';
        log->len += put_escaped((unsigned char)c, log->buffer + log->len);
    }
    if (shown.len < text.len)
        put(log, STR("..."));
}

/* Of what takes longer than a minute, whole seconds are told, as in gin. */
static uint64_t rounded(uint64_t took_ns)
{
    return took_ns > 60 * SECOND_NS ? took_ns / SECOND_NS * SECOND_NS : took_ns;
}

/* Columns are counted in characters, and a "µs" has one less than bytes. */
static int width_of(struct str text, int columns)
{
    for (size_t i = 0; i < text.len; i++)
        columns += ((unsigned char)text.data[i] & 0xc0) == 0x80;
    return columns;
}

/* "[GIN] 2026/11/21 - 10:20:30 | 200 |    1.2ms |       127.0.0.1 | GET      " */
static void put_front(struct access_log *log, const struct access_entry *entry)
{
    char took[DURATION_TEXT_BYTES];
    struct str duration = text_from_duration((int64_t)rounded(entry->took_ns), took);
    int len = snprintf(log->buffer + log->len, FRONT_BYTES, "[GIN] %s | %3u | %*.*s | %15.*s | %-7.*s  ",
                       date_of(log, entry->wall_ns), entry->status, width_of(duration, 8), STR_ARG(duration),
                       STR_ARG(str_first(entry->client_ip, 64)), STR_ARG(str_first(entry->method, 64)));

    log->len += len > 0 ? size_min((size_t)len, FRONT_BYTES - 1) : 0;
}

/* More than the line will take. */
static size_t room_for(const struct access_entry *entry)
{
    size_t hostile;

    if (entry->as_json)
        return ACCESS_JSON_BYTES_MAX;
    hostile = size_min(entry->target.len, TARGET_BYTES_MAX) + size_min(str_from(entry->error).len, ERROR_BYTES_MAX);

    return FRONT_BYTES + ESCAPED_BYTES * hostile + EXTRA_BYTES;
}

static void put_line(struct access_log *log, const struct access_entry *entry)
{
    put_front(log, entry);
    put(log, STR("\""));
    put_hostile(log, entry->target, TARGET_BYTES_MAX, true);
    put(log, STR("\"\n"));
    if (entry->error) {
        put(log, STR("Error #01: "));
        put_hostile(log, str_from(entry->error), ERROR_BYTES_MAX, false);
        put(log, STR("\n"));
    }
}

void access_log_write(struct access_log *log, const struct access_entry *entry)
{
    if (BUFFER_BYTES - log->len < room_for(entry))
        flush(log);
    if (entry->as_json)
        log->len += access_json_write(entry, log->buffer + log->len);
    else
        put_line(log, entry);
    if (log->timer.at_ns == TIMER_OFF)
        timer_set(log->loop, &log->timer, loop_now_ns(log->loop) + FLUSH_AFTER_NS);
}
