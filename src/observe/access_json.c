/* access_json.c: an access line as one JSON object. What a client sent stands in it byte for byte: a byte that is not
 * ASCII as the code point of its number, so that a line is valid JSON whatever was sent. Start with access_json_write.
 * SPDX-License-Identifier: Apache-2.0 */
#include "observe/access_json.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SECOND_NS UINT64_C(1000000000)

enum { SHORT_BYTES_MAX = 64 }; /* of addresses and methods */
static_assert(ACCESS_JSON_BYTES_MAX < 65536, "a flush of the log's buffer makes room for any line");

struct out {
    char *data;
    size_t len;
};

static void put(struct out *out, struct str text)
{
    memcpy(out->data + out->len, text.data, text.len);
    out->len += text.len;
}

static void put_byte(struct out *out, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";

    if (c == '"' || c == '\\')
        out->data[out->len++] = '\\';
    if (c >= 0x20 && c < 0x7f) {
        out->data[out->len++] = (char)c;
        return;
    }
    put(out, STR("\\u00"));
    out->data[out->len++] = digits[c >> 4];
    out->data[out->len++] = digits[c & 0x0f];
}

/* ,"name":"text", cut to len_max bytes and three dots. */
static void put_text(struct out *out, const char *name, struct str text, size_t len_max)
{
    struct str shown = str_first(text, len_max);

    put(out, STR(",\""));
    put(out, str_from(name));
    put(out, STR("\":\""));
    for (size_t i = 0; i < shown.len; i++)
        put_byte(out, (unsigned char)shown.data[i]);
    put(out, shown.len < text.len ? STR("...\"") : STR("\""));
}

/* {"time":"2026-11-21T10:20:30.123Z","status":200,"seconds":0.001234500 */
static void put_front(struct out *out, const struct access_entry *entry)
{
    time_t seconds = (time_t)(entry->wall_ns / SECOND_NS);
    struct tm tm;
    char *at = out->data + out->len;
    int len;

    gmtime_r(&seconds, &tm);
    put(out, STR("{\"time\":\""));
    at = out->data + out->len;
    out->len += strftime(at, SHORT_BYTES_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
    len = snprintf(out->data + out->len, 128, ".%03uZ\",\"status\":%u,\"seconds\":%llu.%09llu",
                   (unsigned)(entry->wall_ns % SECOND_NS / 1000000), entry->status,
                   (unsigned long long)(entry->took_ns / SECOND_NS), (unsigned long long)(entry->took_ns % SECOND_NS));
    out->len += (size_t)len;
}

static void put_proxy(struct out *out, const struct access_entry *entry)
{
    const struct {
        const char *name;
        struct str text;
    } rows[] = {{"proxy_authority", entry->proxy_authority},
                {"proxy_alpn", entry->proxy_alpn},
                {"proxy_tls", entry->proxy_tls},
                {"proxy_id", entry->proxy_id}};

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].text.len > 0)
            put_text(out, rows[i].name, rows[i].text, ACCESS_PROXY_BYTES_MAX);
}

/* How the request came by its connection to a host. */
static void put_conn(struct out *out, const struct access_entry *entry)
{
    char number[32];

    if (!entry->conn)
        return;
    put_text(out, "host", entry->host, ACCESS_HOST_BYTES_MAX);
    put_text(out, "conn", str_from(entry->conn), SHORT_BYTES_MAX);
    if (entry->reason)
        put_text(out, "reason", str_from(entry->reason), SHORT_BYTES_MAX);
    put(out, STR(",\"tries\":"));
    put(out, str_of(number, (size_t)snprintf(number, sizeof(number), "%u", entry->tries)));
    if (entry->header)
        put_text(out, "send_proxy_protocol", str_from(entry->header), SHORT_BYTES_MAX);
}

size_t access_json_write(const struct access_entry *entry, char *data)
{
    struct out out = {data, 0};

    put_front(&out, entry);
    put_text(&out, "client", entry->client_ip, SHORT_BYTES_MAX);
    if (entry->peer.len > 0)
        put_text(&out, "peer", entry->peer, SHORT_BYTES_MAX);
    put_proxy(&out, entry);
    put_text(&out, "method", entry->method, SHORT_BYTES_MAX);
    put_text(&out, "target", entry->target, ACCESS_TARGET_BYTES_MAX);
    put_conn(&out, entry);
    if (entry->error)
        put_text(&out, "error", str_from(entry->error), ACCESS_ERROR_BYTES_MAX);
    put(&out, STR("}\n"));
    return out.len;
}
