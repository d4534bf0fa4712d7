/* answer_builtin.c: endpoints without a backend: /__health, /__debug/, /__echo/, OPTIONS by itself, holdfast/answer.
 * The health service of gRPC is in grpc_health.c. SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/text.h"
#include "gateway/answer_internal.h"
#include "gateway/grpc.h"
#include "gateway/query.h"

#include "json/write.h"
#include <stdio.h>

/* `body` without data: there was no memory for it, which must not look like an empty one. */
static void answer_json(const struct answer_input *input, struct str body, struct answer *out)
{
    answer_begin(out, body.data ? 200 : 500);
    if (!body.data)
        return;
    answer_add(input, out, HEADER_CONTENT_TYPE, STR("application/json; charset=utf-8"));
    answer_set_body(out, body);
}

/* Days since 1970 as a date (proleptic Gregorian). */
static void date_of(uint64_t days, unsigned *year, unsigned *month, unsigned *day)
{
    uint64_t shifted = days + 719468, era = shifted / 146097, in_era = shifted % 146097;
    uint64_t year_of_era = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    uint64_t in_year = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint64_t from_march = (5 * in_year + 2) / 153;

    *day = (unsigned)(in_year - (153 * from_march + 2) / 5 + 1);
    *month = (unsigned)(from_march < 10 ? from_march + 3 : from_march - 9);
    *year = (unsigned)(year_of_era + era * 400 + (*month <= 2));
}

enum { TIME_TEXT_BYTES = 96 };

/* Go's print of a time: "2026-01-02 15:04:05.123456789 +0000 UTC m=+12.345678901". Zeros at the end of the fraction go.
 */
static struct str go_time(uint64_t wall_ns, uint64_t uptime_ns, char out[TIME_TEXT_BYTES])
{
    uint64_t seconds = wall_ns / 1000000000, in_day = seconds % 86400;
    unsigned year, month, day;
    char fraction[16];
    int len = snprintf(fraction, sizeof fraction, ".%09u", (unsigned)(wall_ns % 1000000000));

    while (len > 0 && (fraction[len - 1] == '0' || fraction[len - 1] == '.'))
        fraction[--len] = '\0';
    date_of(seconds / 86400, &year, &month, &day);
    len = snprintf(out, TIME_TEXT_BYTES, "%04u-%02u-%02u %02u:%02u:%02u%s +0000 UTC m=+%llu.%09u", year, month, day,
                   (unsigned)(in_day / 3600), (unsigned)(in_day / 60 % 60), (unsigned)(in_day % 60), fraction,
                   (unsigned long long)(uptime_ns / 1000000000), (unsigned)(uptime_ns % 1000000000));
    ASSERT(len > 0 && len < TIME_TEXT_BYTES);
    return str_of(out, (size_t)len);
}

static void answer_health(const struct answer_input *input, struct answer *out)
{
    char text[TIME_TEXT_BYTES];
    struct str now = go_time(input->wall_ns, input->uptime_ns, text);

    answer_json(input,
                arena_format(input->arena, "{\"agents\":{},\"now\":\"%.*s\",\"status\":\"%s\"}", STR_ARG(now),
                             input->draining ? "draining" : "ok"),
                out);
    if (input->draining)
        out->head.status = 503;
}

/* Names with their values, sorted: Go's map of lists. */
static void write_lists(struct json_writer *writer, const struct query_param *params, size_t count)
{
    json_write_raw(writer, STR("{"));
    for (size_t i = 0; i < count; i++) {
        bool same = i > 0 && str_eq(params[i].name, params[i - 1].name);
        bool last = i + 1 == count || !str_eq(params[i].name, params[i + 1].name);

        if (i > 0)
            json_write_raw(writer, STR(","));
        if (!same) {
            json_write_string(writer, params[i].name);
            json_write_raw(writer, STR(":["));
        }
        json_write_string(writer, params[i].value);
        if (last)
            json_write_raw(writer, STR("]"));
    }
    json_write_raw(writer, STR("}"));
}

/* The parameters of a query, sorted, as Go reads them. NULL: no room. */
static struct query_param *read_query(struct arena *arena, struct str query, size_t *count_out)
{
    struct query_param *params = arena_array(arena, struct query_param, query.len / 2 + 2);
    size_t count = 0;
    struct str piece;

    while (params && str_split(&query, '&', &piece)) {
        if (!query_read_name(arena, piece, &params[count]) || !query_read_value(arena, &params[count]))
            continue;
        params[count].order = count;
        count++;
    }
    if (params)
        query_sort(params, count);
    *count_out = count;
    return params;
}

static void write_headers(struct json_writer *writer, struct arena *arena, const struct http_headers *headers)
{
    struct query_param *params = arena_array(arena, struct query_param, headers->count + 1u);
    size_t count = 0;

    for (uint32_t i = 0; params && i < headers->count; i++) {
        struct str name = header_canonical(arena, headers->fields[i].name);

        writer->failed |= !name.data;
        params[count] = (struct query_param){name, headers->fields[i].value, count};
        count++;
    }
    writer->failed |= !params;
    if (params)
        query_sort(params, count);
    write_lists(writer, params, count);
}

static void write_member(struct json_writer *writer, const char *name, struct str value)
{
    json_write_raw(writer, str_from(name));
    json_write_string(writer, value);
}

static void answer_echo(const struct answer_input *input, struct str request_body, struct answer *out)
{
    const struct http_head *request = input->request;
    struct json_writer writer = {.arena = input->arena};
    size_t question = str_find_char(request->path, '?'), count;
    struct str raw_path = str_first(request->path, question);
    struct query_param *query = read_query(input->arena, str_from_offset(request->path, question + 1), &count);
    struct str path, encoded = query ? query_encode(input->arena, query, count) : STR_EMPTY;

    writer.failed |= !query || !encoded.data;
    if (!text_percent_decode(input->arena, raw_path, false, &path, NULL))
        path = raw_path;
    write_member(&writer, "{\"req_uri\":", request->path);
    write_member(&writer, ",\"req_uri_details\":{\"fragment\":", STR(""));
    write_member(&writer, ",\"host\":", request->authority);
    write_member(&writer, ",\"path\":", path);
    write_member(&writer, ",\"query\":", encoded);
    write_member(&writer, ",\"user\":", STR(""));
    write_member(&writer, "},\"req_method\":", request->method);
    json_write_raw(&writer, STR(",\"req_querystring\":"));
    write_lists(&writer, query, query ? count : 0);
    write_member(&writer, ",\"req_body\":", request_body);
    json_write_raw(&writer, STR(",\"req_headers\":"));
    write_headers(&writer, input->arena, &request->headers);
    json_write_raw(&writer, STR("}"));
    answer_json(input, json_written(&writer), out);
}

/* holdfast/answer. */
static void answer_configured(const struct answer_input *input, const struct answer_options *options,
                              struct answer *out)
{
    answer_begin(out, (uint16_t)options->status);
    answer_add(input, out, HEADER_X_KRAKEND, answer_version(input->service));
    for (size_t i = 0; i < options->header_count; i++)
        (void)!headers_add(&out->head.headers, input->arena, options->header_pairs[i].name,
                           options->header_pairs[i].value);
    if (!status_has_body(out->head.status))
        return;
    answer_set_body(out, options->body_text);
    if (out->body.len == 0 || headers_get_id(&out->head.headers, HEADER_CONTENT_TYPE).data)
        return;
    answer_add(input, out, HEADER_CONTENT_TYPE,
               options->body_is_json ? STR("application/json; charset=utf-8") : answer_sniff(out->body));
}

void answer_builtin(const struct answer_input *input, const struct endpoint *endpoint, struct str request_body,
                    struct answer *out)
{
    switch (endpoint->kind) {
    case ENDPOINT_HEALTH:
        answer_health(input, out);
        return;
    case ENDPOINT_DEBUG:
        answer_json(input, STR("{\"message\":\"pong\"}"), out);
        return;
    case ENDPOINT_ECHO:
        answer_echo(input, request_body, out);
        return;
    case ENDPOINT_OPTIONS:
        answer_begin(out, 200);
        answer_add_krakend(input, out, false);
        answer_add(input, out, HEADER_ALLOW, endpoint->allow);
        return;
    case ENDPOINT_ANSWER:
        answer_configured(input, &endpoint->options->answer, out);
        return;
    case ENDPOINT_GRPC_HEALTH:
        grpc_health_answer(input, request_body, out);
        return;
    case ENDPOINT_GRPC_WATCH: /* grpc_watch.c: it lasts */
    case ENDPOINT_PROXY:
        break;
    }
    ASSERT(endpoint->kind != ENDPOINT_PROXY);
    ASSERT(endpoint->kind != ENDPOINT_GRPC_WATCH);
}
